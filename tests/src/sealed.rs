//! Sealed files, made in memory.

use coffer_core::seal::{Access, Cost, FileKey, Password, Sealer, seal_header};
use getrandom::SysRng;
use rand_core::UnwrapErr;

/// What checking a test's password costs: next to nothing.
pub const CHEAP: Cost = Cost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

/// Seals content for a password.
#[must_use]
pub fn sealed(plain: &[u8], password: &str) -> Vec<u8> {
    let password = &Password::new(password);
    let cost = CHEAP;
    sealed_with(plain, &[Access::Password { password, cost }])
}

/// A sealed file with neither password nor key in its header, as a restore bundle is.
#[must_use]
pub fn sealed_for_nobody() -> Vec<u8> {
    sealed_with(b"content", &[])
}

fn sealed_with(plain: &[u8], access: &[Access<'_>]) -> Vec<u8> {
    let mut rng = UnwrapErr(SysRng);
    let file_key = FileKey::new([42; 32]);
    let header = seal_header(&file_key, access, &mut rng).unwrap();
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&file_key, &header, &mut rng, &mut out).unwrap();
    sealer.push(plain, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    out
}
