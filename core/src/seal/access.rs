//! Ways in that an archive gets, and the header block made of them.

use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::{
    Cost, FileKey, Header, LockedKey, Password, Recipient, SealError, Stanza,
    locks::Locks,
    password::{Purpose, SALT_BYTES, Wrapped},
};

/// One way in that an archive gets.
#[derive(Clone, Copy, Debug)]
pub enum Access<'a> {
    /// Whoever knows the password.
    Password {
        /// The password.
        password: &'a Password,
        /// What checking it costs.
        cost: Cost,
    },
    /// Whoever has the secret key.
    Recipient(&'a Recipient),
    /// Carries a recipient's secret key along, locked with a password.
    LockedKey(&'a LockedKey),
}

impl Access<'_> {
    /// The stanza that gives `file_key` to it.
    pub(super) fn stanza(
        &self,
        file_key: &FileKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Stanza, SealError> {
        match self {
            Self::Password { password, cost } => {
                let mut salt = [0; SALT_BYTES];
                rng.fill_bytes(&mut salt);
                let key = file_key.expose();
                Ok(Wrapped::wrap(key, password, Purpose::File, *cost, salt)?.to_stanza())
            }
            Self::Recipient(recipient) => recipient.wrap(file_key, rng),
            Self::LockedKey(key) => Ok(key.to_stanza()),
        }
    }
}

/// The header block for a new archive. Without any access, its key must be handed over in another way: that is a
/// restore bundle.
///
/// # Errors
/// [`SealError::TooLarge`] if there are too many, [`SealError::CostTooHigh`], [`SealError::Crypto`].
pub fn seal_header(
    file_key: &FileKey,
    access: &[Access<'_>],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let stanzas = access
        .iter()
        .map(|access| access.stanza(file_key, rng))
        .collect::<Result<Vec<_>, _>>()?;
    let block = Header::encode(&stanzas, file_key, 0)?;
    // What no reader accepts must not be written.
    Locks::new(Header::parse(&block)?).map_err(|_| SealError::TooLarge)?;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::testing::{CHEAP, TestRng};
    use alloc::vec;

    #[test]
    fn more_passwords_than_a_reader_tries_are_refused() {
        let password = Password::new("x");
        let access = Access::Password {
            password: &password,
            cost: CHEAP,
        };
        let key = FileKey::new([1; 32]);
        assert!(seal_header(&key, &[access; 8], &mut TestRng(1)).is_ok());
        assert_eq!(
            seal_header(&key, &vec![access; 9], &mut TestRng(1)),
            Err(SealError::TooLarge)
        );
    }
}
