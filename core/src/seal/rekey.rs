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
mod tests {
    use super::*;
    use crate::{
        range::ByteRange,
        seal::{
            FileKey, HEADER_UNIT, KeyType, Opening, Recipient, Sealed, Sealer, SecretKey,
            seal_header,
            testing::{CHEAP, TestRng},
        },
    };
    use alloc::{string::ToString, vec, vec::Vec};

    fn key() -> FileKey {
        FileKey::new([4; 32])
    }

    fn password(text: &str) -> Password {
        Password::new(text)
    }

    fn secret(seed: u64, key_type: KeyType) -> SecretKey {
        SecretKey::generate_of(key_type, &mut TestRng(seed))
    }

    fn public(secret: &SecretKey) -> Recipient {
        secret.recipient().unwrap()
    }

    fn by(password: &Password) -> Access<'_> {
        Access::Password {
            password,
            cost: CHEAP,
        }
    }

    fn locks_of(stanzas: &[Stanza]) -> Locks {
        let block = Header::encode(stanzas, &key(), 0).unwrap();
        Locks::new(Header::parse(&block).unwrap()).unwrap()
    }

    fn locks(access: &[Access<'_>]) -> Locks {
        let stanzas: Vec<_> = access
            .iter()
            .map(|access| access.stanza(&key(), &mut TestRng(1)).unwrap())
            .collect();
        locks_of(&stanzas)
    }

    fn unknown() -> Stanza {
        Stanza {
            tag: "quantum".to_string(),
            args: vec!["x".to_string()],
            body: vec![1, 2, 3],
        }
    }

    fn rekey(
        locks: &Locks,
        unlocked: &Unlocked,
        change: &Change<'_>,
    ) -> Result<(Rekeyed, Locks), RekeyError> {
        let made = locks.rekey(unlocked, change, HEADER_UNIT, &mut TestRng(50))?;
        let again = Locks::new(Header::parse(&made.block).unwrap()).unwrap();
        assert_eq!(again.list(), made.after);
        assert_eq!(locks.list(), made.before);
        Ok((made, again))
    }

    fn opens(locks: &Locks, text: &str) -> bool {
        match locks.unlock(&password(text)) {
            Ok(found) => {
                assert_eq!(found.expose(), key().expose());
                true
            }
            Err(SealError::WrongPassword | SealError::NotARecipient) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    fn opens_with(locks: &Locks, secret: &SecretKey) -> bool {
        match locks.unlock_with_key(secret) {
            Ok(found) => {
                assert_eq!(found.expose(), key().expose());
                true
            }
            Err(SealError::NotARecipient) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_password_that_opened_is_the_one_that_changes() {
        let (one, two, new) = (password("one"), password("two"), password("new"));
        let locks = locks(&[by(&one), by(&two)]);
        let unlocked = locks.open(&two).unwrap();
        let change = Change {
            password: Some((&new, CHEAP)),
            ..Change::default()
        };
        let (made, after) = rekey(&locks, &unlocked, &change).unwrap();
        assert_eq!(made.after, vec![Lock::Password; 2]);
        assert!(opens(&after, "one") && opens(&after, "new") && !opens(&after, "two"));

        let change = Change {
            remove: &[Removal::Passwords],
            ..change
        };
        let (_, after) = rekey(&locks, &unlocked, &change).unwrap();
        assert!(!opens(&after, "one") && opens(&after, "new") && !opens(&after, "two"));
    }

    #[test]
    fn a_locked_key_gets_a_new_password_however_the_archive_was_opened() {
        for key_type in KeyType::ALL {
            let secret = secret(3, key_type);
            let (recipient, old, new) = (public(&secret), password("old"), password("new"));
            let locked = LockedKey::lock(&secret, &old, CHEAP, &mut TestRng(9)).unwrap();
            let locks = locks(&[Access::LockedKey(&locked), Access::Recipient(&recipient)]);
            for unlocked in [
                locks.open(&old).unwrap(),
                locks.open_with_key(&secret).unwrap(),
            ] {
                let change = Change {
                    password: Some((&new, CHEAP)),
                    ..Change::default()
                };
                let (made, after) = rekey(&locks, &unlocked, &change).unwrap();
                assert_eq!(made.after, made.before);
                assert!(opens(&after, "new") && !opens(&after, "old"));
                assert!(opens_with(&after, &secret));
                // The key's own stanza is the same, byte for byte.
                assert_eq!(after.stanzas()[1], locks.stanzas()[1]);
            }
        }
    }

    #[test]
    fn a_key_file_adds_a_password_where_there_is_none() {
        let secret = secret(3, KeyType::X25519);
        let (recipient, other, new) = (public(&secret), password("other"), password("new"));
        let locks = locks(&[by(&other), Access::Recipient(&recipient)]);
        let unlocked = locks.open_with_key(&secret).unwrap();
        let change = Change {
            password: Some((&new, CHEAP)),
            ..Change::default()
        };
        let (_, after) = rekey(&locks, &unlocked, &change).unwrap();
        assert!(opens(&after, "other") && opens(&after, "new") && opens_with(&after, &secret));
    }

    #[test]
    fn recipients_come_and_go() {
        let keys: Vec<_> = (0..4)
            .map(|seed| secret(seed * 10, KeyType::ALL[usize::from(seed % 2 == 0)]))
            .collect();
        let recipients: Vec<_> = keys.iter().map(public).collect();
        let pass = password("pass");
        let locks = locks(&[
            by(&pass),
            Access::Recipient(&recipients[0]),
            Access::Recipient(&recipients[1]),
        ]);
        let unlocked = locks.open_with_key(&keys[1]).unwrap();
        let change = Change {
            remove: &[
                Removal::Key(recipients[0].fingerprint()),
                Removal::Passwords,
            ],
            add: &[
                Access::Recipient(&recipients[2]),
                Access::Recipient(&recipients[3]),
            ],
            ..Change::default()
        };
        let (made, after) = rekey(&locks, &unlocked, &change).unwrap();
        assert_eq!(made.after.len(), 3);
        assert!(!opens(&after, "pass"));
        let opened = [0, 1, 2, 3].map(|index: usize| opens_with(&after, &keys[index]));
        assert_eq!(opened, [false, true, true, true]);
    }

    #[test]
    fn a_recipient_given_again_is_sealed_to_again_in_its_place() {
        let secret = secret(3, KeyType::MlKem768X25519);
        let (recipient, pass) = (public(&secret), password("pass"));
        let mut stanzas = locks(&[Access::Recipient(&recipient), by(&pass)])
            .stanzas()
            .to_vec();
        // Whoever has the file key could have put nonsense under somebody else's name.
        stanzas[0].body[0] ^= 1;
        let locks = locks_of(&stanzas);
        assert_eq!(
            locks.unlock_with_key(&secret).err(),
            Some(SealError::HeaderDamaged)
        );
        let change = Change {
            add: &[Access::Recipient(&recipient)],
            ..Change::default()
        };
        let (made, after) = rekey(&locks, &locks.open(&pass).unwrap(), &change).unwrap();
        assert_eq!(made.after, made.before);
        assert!(opens_with(&after, &secret));
    }

    #[test]
    fn what_a_newer_version_wrote_stays_until_it_is_named() {
        let pass = password("pass");
        let mut stanzas = locks(&[by(&pass)]).stanzas().to_vec();
        stanzas.insert(0, unknown());
        let locks = locks_of(&stanzas);
        let unlocked = locks.open(&pass).unwrap();
        let new = password("new");
        let replace = Change {
            remove: &[Removal::Passwords],
            password: Some((&new, CHEAP)),
            ..Change::default()
        };
        let (_, after) = rekey(&locks, &unlocked, &replace).unwrap();
        assert_eq!(after.stanzas()[0], unknown());
        for remove in [Removal::Stanza(0), Removal::Everything] {
            let change = Change {
                remove: &[remove],
                ..replace
            };
            let (_, after) = rekey(&locks, &unlocked, &change).unwrap();
            assert_eq!(after.list(), [Lock::Password]);
            assert!(opens(&after, "new"));
        }
        // Alone it is no way in that anybody here could vouch for.
        let change = Change {
            remove: &[Removal::Passwords],
            ..Change::default()
        };
        assert_eq!(
            rekey(&locks, &unlocked, &change).err(),
            Some(RekeyError::NoWayIn {
                left: vec![Lock::Unknown("quantum".to_string())]
            })
        );
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let pass = password("pass");
        let locks = locks(&[by(&pass)]);
        let unlocked = locks.open(&pass).unwrap();
        let stranger = public(&secret(8, KeyType::X25519)).fingerprint();
        for asked in [Removal::Key(stranger), Removal::Stanza(1)] {
            let change = Change {
                remove: &[asked],
                ..Change::default()
            };
            let error = rekey(&locks, &unlocked, &change).unwrap_err();
            assert_eq!(
                error,
                RekeyError::NotThere {
                    asked,
                    there: vec![Lock::Password]
                }
            );
            assert!(error.to_string().contains("#1 a password"));
        }
        assert_eq!(
            rekey(&locks, &unlocked, &Change::default()).err(),
            Some(RekeyError::NothingToDo)
        );
    }

    #[test]
    fn nobody_is_locked_out() {
        let secret = secret(3, KeyType::MlKem768X25519);
        let (recipient, pass) = (public(&secret), password("pass"));
        let name = recipient.fingerprint();
        let locked = LockedKey::lock(&secret, &pass, CHEAP, &mut TestRng(9)).unwrap();
        let locks = locks(&[Access::LockedKey(&locked), Access::Recipient(&recipient)]);
        let by_password = locks.open(&pass).unwrap();
        for remove in [
            Removal::Everything,
            Removal::Key(name),
            Removal::Passwords,
            Removal::Stanza(0),
        ] {
            let change = Change {
                remove: &[remove],
                ..Change::default()
            };
            assert!(
                matches!(
                    rekey(&locks, &by_password, &change),
                    Err(RekeyError::NoWayIn { .. })
                ),
                "{remove}"
            );
        }
        // The key may lie in this header and nowhere else, unless it was used or is given.
        let change = Change {
            remove: &[Removal::Passwords],
            ..Change::default()
        };
        let by_key = locks.open_with_key(&secret).unwrap();
        let (_, after) = rekey(&locks, &by_key, &change).unwrap();
        assert!(opens_with(&after, &secret) && !opens(&after, "pass"));
        let change = Change {
            add: &[Access::Recipient(&recipient)],
            ..change
        };
        assert!(rekey(&locks, &by_password, &change).is_ok());
        // A locked key goes with what it opens.
        let new = password("new");
        let change = Change {
            remove: &[Removal::Stanza(1)],
            password: Some((&new, CHEAP)),
            ..Change::default()
        };
        let (made, after) = rekey(&locks, &by_password, &change).unwrap();
        assert_eq!(made.after, [Lock::Password]);
        assert!(opens(&after, "new") && !opens(&after, "pass"));
    }

    #[test]
    fn headers_stay_within_their_limits_and_never_shrink() {
        let pass = password("pass");
        let locks = locks(&[by(&pass)]);
        let unlocked = locks.open(&pass).unwrap();
        let recipients: Vec<_> = (0..32)
            .map(|seed| public(&secret(seed * 10, KeyType::X25519)))
            .collect();
        let add: Vec<_> = recipients.iter().map(Access::Recipient).collect();
        let change = Change {
            add: &add,
            ..Change::default()
        };
        assert_eq!(
            rekey(&locks, &unlocked, &change).err(),
            Some(RekeyError::TooMany {
                what: "ways in",
                found: 33,
                allowed: 32
            })
        );
        let change = Change {
            add: &[by(&pass); 8],
            ..Change::default()
        };
        assert_eq!(
            rekey(&locks, &unlocked, &change).err(),
            Some(RekeyError::TooMany {
                what: "passwords",
                found: 9,
                allowed: 8
            })
        );
        let change = Change {
            add: &add[..1],
            ..Change::default()
        };
        let made = locks.rekey(&unlocked, &change, 3 * HEADER_UNIT, &mut TestRng(1));
        assert_eq!(made.unwrap().block.len() as u64, 3 * HEADER_UNIT);
        let hybrids: Vec<_> = (0..4)
            .map(|seed| public(&secret(seed * 10, KeyType::MlKem768X25519)))
            .collect();
        let add: Vec<_> = hybrids.iter().map(Access::Recipient).collect();
        let change = Change {
            add: &add,
            ..Change::default()
        };
        let (made, _) = rekey(&locks, &unlocked, &change).unwrap();
        assert_eq!(made.block.len() as u64, 2 * HEADER_UNIT);
    }

    #[test]
    fn the_rest_of_the_file_does_not_notice() {
        let (pass, new) = (password("pass"), password("new"));
        let mut rng = TestRng(1);
        let block = seal_header(&key(), &[by(&pass)], &mut rng).unwrap();
        let mut file = Vec::new();
        let mut sealer = Sealer::new(&key(), &block, &mut rng, &mut file).unwrap();
        sealer.push(b"rows", &mut file).unwrap();
        sealer.finish(&mut file).unwrap();
        let open = |file: &[u8]| -> Sealed {
            let mut opening = Opening::new(file.len() as u64).unwrap();
            while let Some(ByteRange { offset, len }) = opening.wants() {
                let from = usize::try_from(offset).unwrap();
                opening
                    .feed(&file[from..from + usize::try_from(len).unwrap()])
                    .unwrap();
            }
            opening.finish().unwrap()
        };
        let sealed = open(&file);
        let change = Change {
            password: Some((&new, CHEAP)),
            ..Change::default()
        };
        let unlocked = sealed.header_locks().open(&pass).unwrap();
        let made = sealed
            .header_locks()
            .rekey(&unlocked, &change, sealed.header_len(), &mut rng)
            .unwrap();
        file[..made.block.len()].copy_from_slice(&made.block);
        let sealed = open(&file);
        let found = sealed.unlock(&new).unwrap();
        let prefix = &file[4096..4096 + crate::seal::PREFIX_BYTES];
        assert!(sealed.unsealer(&found, prefix).is_ok());
        assert_eq!(sealed.unlock(&pass).err(), Some(SealError::WrongPassword));
    }
}
