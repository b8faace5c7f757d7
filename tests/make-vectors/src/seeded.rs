//! Bytes that look random and are the same in every run.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha512};

/// SHA-512 of a name and a counter, block by block. For test vectors: nothing that it gives is secret.
#[derive(Debug)]
pub(super) struct Seeded {
    name: String,
    block: u64,
    left: Vec<u8>,
}

impl Seeded {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            block: 0,
            left: Vec::new(),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    fn byte(&mut self) -> u8 {
        if self.left.is_empty() {
            let mut hash = Sha512::new();
            hash.update(b"coffer vectors\0");
            hash.update(&self.name);
            hash.update(self.block.to_be_bytes());
            self.left = hash.finalize().to_vec();
            self.block += 1;
        }
        self.left.remove(0)
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.array()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.array()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill_with(|| self.byte());
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}
