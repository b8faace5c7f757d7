//! Unlocking what is encrypted.

use core::fmt;

use super::{
    Content, Decrypted, ForeignError, Look,
    dbackup::KeyRing,
    gcm::{Attempts, Outcome},
    nosdesk,
};
use crate::{
    ByteRange,
    request::{Misfed, Request},
    seal::Password,
};

/// What opens an encrypted archive.
#[derive(Clone, Debug)]
pub enum Secret {
    /// Nothing was given.
    None,
    /// A password.
    Password(Password),
    /// Keys.
    Keys(KeyRing),
}

/// Reads an encrypted archive once, and knows then whether it opens.
pub struct Unlocking {
    state: State,
    /// What it is to say if nothing fits, depending on whether a key gave the right beginning.
    refused: [ForeignError; 2],
    content: Content,
}

enum State {
    /// Nosdesk's tag, which stands at the end.
    Tag(Request, nosdesk::Sealed, Password),
    Trying(Attempts),
    Settled(Outcome),
}

impl fmt::Debug for Unlocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unlocking").finish_non_exhaustive()
    }
}

impl Unlocking {
    /// Begins; `None` if the file is not encrypted.
    ///
    /// # Errors
    /// [`ForeignError::PasswordNeeded`], [`ForeignError::KeyNeeded`], [`ForeignError::TooLong`].
    pub fn new(look: &Look, secret: &Secret) -> Result<Option<Self>, ForeignError> {
        Ok(Some(match look {
            Look::Plain(_) | Look::Other => return Ok(None),
            Look::Nosdesk(sealed) => {
                let Secret::Password(password) = secret else {
                    return Err(ForeignError::PasswordNeeded);
                };
                let tag = Request::new(sealed.tag_range());
                let wrong = ForeignError::WrongPasswordOrDamaged;
                Self {
                    state: State::Tag(tag, sealed.clone(), password.clone()),
                    refused: [wrong.clone(), wrong],
                    content: Content::Zip,
                }
            }
            Look::DBackup(encrypted) => {
                let Secret::Keys(keys) = secret else {
                    return Err(encrypted.key_needed());
                };
                let attempts = Attempts::new(encrypted.messages(keys)?, &[0x1f, 0x8b, 8]);
                Self {
                    state: trying(attempts),
                    refused: encrypted.refused(keys),
                    content: Content::Gzip,
                }
            }
        }))
    }

    /// The bytes it needs next; `None` when it is done.
    #[must_use]
    pub fn wants(&self) -> Option<ByteRange> {
        match &self.state {
            State::Tag(tag, ..) => tag.wants(),
            State::Trying(attempts) => attempts.wants(),
            State::Settled(_) => None,
        }
    }

    /// Takes some or all of the bytes that it wants, from their start. Deriving a key from a password takes up to a second.
    ///
    /// # Errors
    /// [`ForeignError::TooLong`], or [`ForeignError::Archive`] for other bytes than those that it wants.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ForeignError> {
        match &mut self.state {
            State::Tag(tag, sealed, password) => {
                if let Some((_, tag)) = tag.feed(bytes)?
                    && let Ok(tag) = tag.try_into()
                {
                    self.state = trying(Attempts::new(sealed.messages(password, tag)?, b""));
                }
            }
            State::Trying(attempts) => {
                let wanted = attempts.wants().map_or(0, |range| range.len);
                let given = bytes.len() as u64;
                if given == 0 || given > wanted {
                    return Err(Misfed { wanted, given }.into());
                }
                if let Some(outcome) = attempts.feed(bytes) {
                    self.state = State::Settled(outcome);
                }
            }
            State::Settled(_) => {}
        }
        Ok(())
    }

    /// The plaintext, which can now be read, and what it is.
    ///
    /// # Errors
    /// [`ForeignError::WrongPasswordOrDamaged`], [`ForeignError::NoKeyFits`], [`ForeignError::Damaged`].
    pub fn finish(self) -> Result<(Decrypted, Content), ForeignError> {
        let [unlikely, likely] = self.refused;
        match self.state {
            State::Settled(Outcome::Opened(decrypted)) => Ok((decrypted, self.content)),
            State::Settled(Outcome::Refused { likely: true }) => Err(likely),
            State::Settled(Outcome::Refused { likely: false }) => Err(unlikely),
            State::Tag(..) | State::Trying(_) => Err(Misfed {
                wanted: 1,
                given: 0,
            }
            .into()),
        }
    }
}

fn trying(mut attempts: Attempts) -> State {
    match attempts.settled() {
        Some(outcome) => State::Settled(outcome),
        None => State::Trying(attempts),
    }
}
