//! The browser's random numbers.

use coffer_core::{seal::FileKey, withhold::FreshSecrets};
use getrandom::{SysRng, rand_core::UnwrapErr};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// A fresh file key.
pub(crate) fn file_key() -> Result<FileKey, Failure> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut_slice())?;
    Ok(FileKey::new(*random))
}

/// What the fresh secrets of one standard archive are made of.
pub(crate) fn fresh_secrets() -> Result<FreshSecrets, Failure> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut_slice())?;
    Ok(FreshSecrets::new(*random))
}

/// The browser's generator, once it has shown that it works: from then on it doesn't fail.
pub(crate) fn generator() -> Result<UnwrapErr<SysRng>, Failure> {
    getrandom::fill(&mut [0; 1])?;
    Ok(UnwrapErr(SysRng))
}
