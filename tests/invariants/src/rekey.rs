//! Rekeying: another header for the same content.

use coffer_core::seal::{
    Access, Change, FileKey, HEADER_UNIT, Header, Lock, Locks, Password, Recipient, RekeyError,
    Rekeyed, Removal, Sealed, SecretKey, Unlocked,
};

use crate::{
    choices::Choices,
    drive::{Pieces, open_sealed},
    edit::edit,
    oracle,
    samples::{self, CHEAP, Noise},
};

const NEW_PASSWORD: &str = "another horse";

/// Whatever ways in an archive has, and whatever is to change, the new header is opened by the same file key and by
/// everything that was added, no longer lists what was removed, and keeps the rest as it was. Or nothing is made, for a
/// reason that is true.
pub fn rekey(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let asked = Asked::choose(&mut choices);
    let Some(file) = with_header(&mut choices) else {
        return;
    };
    let Ok(sealed) = open_sealed(&file, &Pieces::whole()) else {
        return;
    };
    let locks = sealed.header_locks();
    let password = Password::new(NEW_PASSWORD);
    let access = asked.access(&password);
    let change = Change {
        remove: &asked.remove,
        password: asked.password.then_some((&password, CHEAP)),
        add: &access,
    };
    for unlocked in ways_to_open(&file, locks) {
        let mut noise = Noise::new(97);
        match locks.rekey(&unlocked, &change, sealed.header_len(), &mut noise) {
            Ok(made) => check(&file, &sealed, &unlocked, &asked, &made),
            Err(error) => refused(locks, &asked, &error),
        }
    }
}

/// What is to change, as choices say.
struct Asked {
    remove: Vec<Removal>,
    password: bool,
    /// Which of [`Asked::access`].
    add: Vec<u8>,
}

impl Asked {
    fn choose(choices: &mut Choices<'_>) -> Self {
        let kind = choices.byte();
        let remove = (0..kind % 4)
            .map(|_| match choices.byte() {
                0..80 => Removal::Stanza(usize::from(choices.byte() % 12)),
                80..120 => Removal::Passwords,
                120..140 => Removal::Everything,
                other => Removal::Key(recipients()[usize::from(other % 2)].fingerprint()),
            })
            .collect();
        let add = (0..(kind >> 2) % 4).map(|_| choices.byte() % 4).collect();
        Self {
            remove,
            password: kind & 0x80 != 0,
            add,
        }
    }

    fn access<'a>(&self, password: &'a Password) -> Vec<Access<'a>> {
        self.add
            .iter()
            .map(|which| match which {
                0 => Access::Recipient(&recipients()[0]),
                1 => Access::Recipient(&recipients()[1]),
                2 => Access::LockedKey(samples::locked_key()),
                _ => Access::Password {
                    password,
                    cost: CHEAP,
                },
            })
            .collect()
    }
}

fn recipients() -> &'static [Recipient; 2] {
    static RECIPIENTS: std::sync::OnceLock<[Recipient; 2]> = std::sync::OnceLock::new();
    RECIPIENTS.get_or_init(|| {
        samples::secret_keys()
            .each_ref()
            .map(|secret| secret.recipient().unwrap())
    })
}

/// The smallest file, with a header of the samples' stanzas and others whose text was changed a little.
fn with_header(choices: &mut Choices<'_>) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for _ in 0..1 + choices.byte() % 4 {
        text.extend_from_slice(oracle::header_text(&choices.pick(samples::sealed()).file));
    }
    if choices.byte().is_multiple_of(4) {
        text.extend_from_slice(b"-> quantum x\nAQID\n");
    }
    while choices.any() {
        edit(&mut text, choices);
    }
    text.truncate(60_000);
    let units = u16::try_from((16 + text.len() + oracle::MAC_LINE).div_ceil(4096)).ok()?;
    let smallest = &samples::sealed()[0];
    let mut file = oracle::header_block(&samples::FILE_KEY, &text, units);
    file.extend_from_slice(&smallest.file[smallest.header_len..]);
    Some(file)
}

/// The archive opened by each of the samples' keys, and by their password if that is cheap.
fn ways_to_open(file: &[u8], locks: &Locks) -> Vec<Unlocked> {
    let mut ways: Vec<Unlocked> = samples::secret_keys()
        .iter()
        .filter_map(|secret| locks.open_with_key(secret).ok())
        .collect();
    if cheap(file) {
        ways.extend(locks.open(&Password::new(samples::PASSWORD)).ok());
    }
    for unlocked in &ways {
        assert_eq!(unlocked.file_key.expose(), &samples::FILE_KEY);
        assert!(unlocked.stanza < locks.list().len());
    }
    ways
}

/// Whether a password costs next to nothing to try.
fn cheap(file: &[u8]) -> bool {
    let len = 4096 * usize::from(u16::from_be_bytes([file[10], file[11]]));
    Header::parse(&file[..len]).is_ok_and(|header| crate::header::cheap(header.stanzas()))
}

fn check(file: &[u8], old: &Sealed, unlocked: &Unlocked, asked: &Asked, made: &Rekeyed) {
    assert!(made.block.len() as u64 >= old.header_len());
    assert_eq!(made.block.len() as u64 % HEADER_UNIT, 0);
    assert_eq!(made.before, old.locks());
    let mut new = made.block.clone();
    new.extend_from_slice(&file[usize::try_from(old.header_len()).unwrap()..]);
    let sealed = open_sealed(&new, &Pieces::whole()).unwrap();
    assert_eq!(sealed.locks(), made.after);
    assert_eq!(sealed.footer(), old.footer());
    assert_eq!(
        sealed.unlock_with_file_key(&FileKey::new(samples::FILE_KEY)),
        Ok(())
    );

    let keys: Vec<&SecretKey> = asked
        .add
        .iter()
        .filter_map(|which| samples::secret_keys().get(usize::from(*which)))
        .collect();
    for secret in keys {
        let opened = sealed.unlock_with_key(secret).unwrap();
        assert_eq!(opened.expose(), &samples::FILE_KEY);
    }
    // A locked key that was added may stand in place of one that got the new password. The password is tried only where
    // the other stanzas are cheap, too.
    let replaced = asked.password && !asked.add.contains(&2);
    if (replaced || asked.add.contains(&3)) && cheap(&new) {
        let opened = sealed.unlock(&Password::new(NEW_PASSWORD)).unwrap();
        assert_eq!(opened.expose(), &samples::FILE_KEY);
    }
    for removal in &asked.remove {
        removed(asked, unlocked, made, removal);
    }
    if asked.remove.is_empty() {
        assert!(
            made.after.len()
                >= made
                    .before
                    .iter()
                    .filter(|lock| !matches!(lock, Lock::LockedKey(_)))
                    .count()
        );
    }
}

/// What was removed is gone, unless it was also added.
fn removed(asked: &Asked, unlocked: &Unlocked, made: &Rekeyed, removal: &Removal) {
    let by_password = |lock: &Lock| matches!(lock, Lock::Password | Lock::LockedKey(_));
    match removal {
        Removal::Passwords | Removal::Everything
            if !asked.password && !asked.add.iter().any(|which| *which >= 2) =>
        {
            assert!(!made.after.iter().any(by_password));
        }
        Removal::Everything => {
            assert!(made.after.len() <= asked.add.len() + usize::from(asked.password));
            assert!(
                !made
                    .after
                    .iter()
                    .any(|lock| matches!(lock, Lock::Unknown(_)))
            );
        }
        Removal::Key(name) if asked.add.is_empty() && unlocked.secret.is_none() => {
            assert!(!made.after.iter().any(
                |lock| matches!(lock, Lock::Key { fingerprint, .. } | Lock::LockedKey(fingerprint) if fingerprint == name)
            ));
        }
        _ => {}
    }
}

/// Each reason is true.
fn refused(locks: &Locks, asked: &Asked, error: &RekeyError) {
    let there = locks.list();
    match error {
        RekeyError::NothingToDo => {
            assert!(asked.remove.is_empty() && asked.add.is_empty() && !asked.password)
        }
        RekeyError::NotThere {
            asked: what,
            there: listed,
        } => {
            assert_eq!(*listed, there);
            let is_it = |(index, lock): (usize, &Lock)| match what {
                Removal::Stanza(number) => index == *number,
                Removal::Passwords => matches!(lock, Lock::Password | Lock::LockedKey(_)),
                Removal::Key(name) => {
                    matches!(lock, Lock::Key { fingerprint, .. } | Lock::LockedKey(fingerprint) if fingerprint == name)
                }
                Removal::Everything => true,
            };
            assert!(!there.iter().enumerate().any(is_it), "{what} is there");
        }
        RekeyError::NoWayIn { left } => {
            assert!(!left.contains(&Lock::Password), "a password opens it");
            assert!(!asked.password && !asked.add.iter().any(|which| [0, 1, 3].contains(which)));
        }
        RekeyError::TooMany { found, allowed, .. } => assert!(found > allowed),
        RekeyError::Seal(error) => {
            assert_eq!(error.code(), coffer_core::seal::SealError::TooLarge.code())
        }
    }
}
