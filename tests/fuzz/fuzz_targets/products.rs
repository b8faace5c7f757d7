//! The target `products`; its body is in `tests/invariants`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| coffer_invariants::products(bytes));
