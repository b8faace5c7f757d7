//! Rekeying: another header block for the same file key, so that other people or passwords open the same payload.
//!
//! Payload, scrub table and footer don't depend on the header and stay as they are. Who has an old copy of the header
//! opens that copy as before, and whoever has opened the archive once may have kept its file key: to shut somebody
//! out of content, it must be sealed again, under another file key.

use alloc::vec::Vec;
use core::fmt;

use rand_core::CryptoRng;

use super::{
    Access, Cost, Fingerprint, Header, Lock, LockedKey, Locks, Password, SealError, Stanza,
    Unlocked,
    header::MAX_STANZAS,
    locks::{MAX_PASSWORD_STANZAS, Way},
};

/// Ways in that are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The key with this name, also where it lies in the header itself, locked with a password.
    Key(Fingerprint),
    /// Every password.
    Passwords,
    /// One stanza, counted from 0 in the order of [`Locks::list`]. The only way to remove what this version doesn't
    /// know.
    Stanza(usize),
    /// Everything, also what this version doesn't know.
    Everything,
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(fingerprint) => write!(f, "key {fingerprint}"),
            Self::Passwords => f.write_str("password"),
            Self::Stanza(index) => write!(f, "way in #{}", index.saturating_add(1)),
            Self::Everything => f.write_str("way in"),
        }
    }
}

/// What is to change.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'a> {
    /// What goes.
    pub remove: &'a [Removal],
    /// Replaces the password that opened the archive, or that of the key that did, if the archive carries it along.
    /// If there is no such password, this is one more way in.
    pub password: Option<(&'a Password, Cost)>,
    /// What comes. A recipient that is there already gets a fresh stanza in its place.
    pub add: &'a [Access<'a>],
}

/// A header block to put in place of the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// The block, never shorter than the old one. If it is as long, it can be written over it.
    pub block: Vec<u8>,
    /// The ways in that there were.
    pub before: Vec<Lock>,
    /// The ways in that there are.
    pub after: Vec<Lock>,
}

/// Why no header was made. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RekeyError {
    /// No change was asked for.
    #[error("no change was named, so nothing was changed; name what to add or to remove")]
    NothingToDo,
    /// What is to be removed isn't there.
    #[error(
        "the archive has no {asked}: it is opened by {}; nothing was changed",
        List(there)
    )]
    NotThere {
        /// What was to be removed.
        asked: Removal,
        /// The ways in that there are.
        there: Vec<Lock>,
    },
    /// Nobody, as far as can be known, could open the archive.
    #[error(
        "nobody could be sure to open the archive any more, for what would be left is {}; nothing was changed, add a \
         password or a recipient in the same go",
        List(left)
    )]
    NoWayIn {
        /// What would be left.
        left: Vec<Lock>,
    },
    /// More ways in than a header may have.
    #[error(
        "the archive would have {found} {what}, and {allowed} are allowed; nothing was changed, remove some in the same go"
    )]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there would be.
        found: usize,
        /// How many there may be.
        allowed: usize,
    },
    /// The header could not be made.
    #[error("{0}")]
    Seal(#[from] SealError),
}

impl RekeyError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingToDo => "nothing_to_do",
            Self::NotThere { .. } => "not_a_way_in",
            Self::NoWayIn { .. } => "no_way_in",
            Self::TooMany { .. } => "too_many_ways_in",
            Self::Seal(error) => error.code(),
        }
    }
}

/// Ways in as part of a sentence.
struct List<'a>(&'a [Lock]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (index, lock) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { ", " };
            write!(f, "{between}#{} {lock}", index + 1)?;
        }
        Ok(())
    }
}

impl Locks {
    /// The header block after a change, at least `min_len` bytes long. `unlocked` is what [`Locks::open`] or
    /// [`Locks::open_with_key`] of the same header gave.
    ///
    /// Stanzas of types that this version doesn't know stay unless they are removed by number, or with everything.
    ///
    /// # Errors
    /// [`RekeyError`].
    pub fn rekey(
        &self,
        unlocked: &Unlocked,
        change: &Change<'_>,
        min_len: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Rekeyed, RekeyError> {
        if change.remove.is_empty() && change.password.is_none() && change.add.is_empty() {
            return Err(RekeyError::NothingToDo);
        }
        let mut draft = Draft::without(self, change.remove)?;
        if let Some((password, cost)) = change.password {
            draft.set_password(self, unlocked, password, cost, rng)?;
        }
        for access in change.add {
            draft.put(access.stanza(&unlocked.file_key, rng)?)?;
        }
        draft.drop_orphans();
        draft.check(self, unlocked, change.add)?;

        let block = Header::encode(&draft.stanzas(), &unlocked.file_key, min_len)?;
        // What was written is read again: a header that does not open must never replace one that does.
        let made = Self::new(Header::parse(&block)?)?;
        made.unlock_with_file_key(&unlocked.file_key)?;
        Ok(Rekeyed {
            block,
            before: self.list(),
            after: made.list(),
        })
    }
}

struct Item {
    stanza: Stanza,
    way: Way,
}

impl Item {
    fn new(stanza: Stanza) -> Result<Self, SealError> {
        Ok(Self {
            way: Way::read(&stanza)?,
            stanza,
        })
    }
}

/// The stanzas of the new header, as far as they are known. What goes leaves a gap, so that the rest keeps its numbers.
struct Draft(Vec<Option<Item>>);

impl Draft {
    fn without(locks: &Locks, remove: &[Removal]) -> Result<Self, RekeyError> {
        let mut items = locks
            .stanzas()
            .iter()
            .map(|stanza| Item::new(stanza.clone()).map(Some))
            .collect::<Result<Vec<_>, _>>()?;
        for removal in remove {
            let goes = |index: usize, way: &Way| match removal {
                Removal::Key(name) => way.key() == Some(*name),
                Removal::Passwords => way.needs_password(),
                Removal::Stanza(number) => index == *number,
                Removal::Everything => true,
            };
            let mut any = *removal == Removal::Everything;
            for (index, (item, way)) in items.iter_mut().zip(locks.ways()).enumerate() {
                if goes(index, way) {
                    *item = None;
                    any = true;
                }
            }
            if !any {
                return Err(RekeyError::NotThere {
                    asked: *removal,
                    there: locks.list(),
                });
            }
        }
        Ok(Self(items))
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.0.iter().flatten()
    }

    /// Names of the keys that something is sealed to.
    fn keys(&self) -> impl Iterator<Item = Fingerprint> {
        self.items().filter_map(|item| match &item.way {
            Way::Key(key) => Some(key.fingerprint),
            _ => None,
        })
    }

    fn stanzas(&self) -> Vec<Stanza> {
        self.items().map(|item| item.stanza.clone()).collect()
    }

    fn set(&mut self, at: Option<usize>, stanza: Stanza) -> Result<(), SealError> {
        let item = Some(Item::new(stanza)?);
        match at.and_then(|at| self.0.get_mut(at)) {
            Some(place) => *place = item,
            None => self.0.push(item),
        }
        Ok(())
    }

    /// Puts a stanza in place of the one for the same key, or at the end.
    fn put(&mut self, stanza: Stanza) -> Result<(), SealError> {
        let new = Way::read(&stanza)?;
        let at = self.0.iter().position(|old| {
            old.as_ref()
                .is_some_and(|old| new.key().is_some() && old.way.lock() == new.lock())
        });
        self.set(at, stanza)
    }

    fn set_password(
        &mut self,
        locks: &Locks,
        unlocked: &Unlocked,
        password: &Password,
        cost: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SealError> {
        let opened_by = locks.ways().get(unlocked.stanza);
        // If the header carries the key that opened the archive along, it is that key which gets a new password. What
        // is sealed to the key must stay for that.
        if let Some(name) = opened_by.and_then(Way::key)
            && let Some(secret) = &unlocked.secret
            && self.keys().any(|key| key == name)
            && let Some(at) = locks.ways().iter().position(|way| way.locks(name))
        {
            let locked = LockedKey::lock(secret, password, cost, rng)?;
            return self.set(Some(at), locked.to_stanza());
        }
        let at = matches!(opened_by, Some(Way::Password(_))).then_some(unlocked.stanza);
        let access = Access::Password { password, cost };
        self.set(at, access.stanza(&unlocked.file_key, rng)?)
    }

    /// Removes locked keys to which nothing is sealed any more: their passwords would only find damage.
    fn drop_orphans(&mut self) {
        let sealed_to: Vec<_> = self.keys().collect();
        for place in &mut self.0 {
            if let Some(Item {
                way: Way::LockedKey(locked),
                ..
            }) = place
                && !sealed_to.contains(&locked.fingerprint())
            {
                *place = None;
            }
        }
    }

    /// Refuses what no reader would accept, and what nobody could open.
    fn check(
        &self,
        before: &Locks,
        unlocked: &Unlocked,
        added: &[Access<'_>],
    ) -> Result<(), RekeyError> {
        let count = self.items().count();
        let passwords = self
            .items()
            .filter(|item| item.way.needs_password())
            .count();
        for (what, found, allowed) in [
            ("ways in", count, MAX_STANZAS),
            ("passwords", passwords, MAX_PASSWORD_STANZAS),
        ] {
            if found > allowed {
                return Err(RekeyError::TooMany {
                    what,
                    found,
                    allowed,
                });
            }
        }
        let opened_by = before.ways().get(unlocked.stanza);
        let somebody = self.items().any(|item| match &item.way {
            Way::Password(_) => true,
            // It opens by the key that is in it.
            Way::LockedKey(_) | Way::Unknown(_) => false,
            // A key whose secret half lay in the header, locked with a password, may exist nowhere else. Once that is
            // gone, it counts only if the archive was opened with its key file, or if it is given anew.
            Way::Key(key) => {
                let name = key.fingerprint;
                let carried = before.ways().iter().any(|way| way.locks(name));
                let carries = self.items().any(|item| item.way.locks(name));
                let held = matches!(opened_by, Some(Way::Key(key)) if key.fingerprint == name);
                let given = added.iter().any(
                    |access| matches!(access, Access::Recipient(key) if key.fingerprint() == name),
                );
                !carried || carries || held || given
            }
        });
        if somebody {
            return Ok(());
        }
        Err(RekeyError::NoWayIn {
            left: self.items().map(|item| item.way.lock()).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
