use super::*;
use crate::{
    range::ByteRange,
    seal::{
        FileKey, HEADER_UNIT, KeyType, Opening, Recipient, Sealed, Sealer, SecretKey, seal_header,
        testing::{CHEAP, TestRng},
    },
};
use alloc::{format, string::ToString, vec, vec::Vec};

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
        add: &add[..31],
        ..Change::default()
    };
    let made = locks.rekey(&unlocked, &change, HEADER_UNIT, &mut TestRng(1));
    assert_eq!(made.unwrap().after.len(), 32);
    let change = Change {
        add: &[by(&pass); 7],
        ..Change::default()
    };
    let made = locks.rekey(&unlocked, &change, HEADER_UNIT, &mut TestRng(1));
    assert_eq!(made.unwrap().after.len(), 8);
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

#[test]
fn what_is_refused_is_said_in_words() {
    let name = public(&secret(3, KeyType::X25519)).fingerprint();
    let not_there = |asked| RekeyError::NotThere {
        asked,
        there: vec![Lock::Password, Lock::Unknown("quantum".to_string())],
    };
    let there =
        "it is opened by #1 a password, #2 something that this version does not know (quantum)";
    for (asked, words) in [
        (Removal::Key(name), format!("key {name}")),
        (Removal::Passwords, "password".to_string()),
        (Removal::Stanza(2), "way in #3".to_string()),
        (Removal::Everything, "way in".to_string()),
    ] {
        let said = not_there(asked).to_string();
        assert_eq!(
            said,
            format!("the archive has no {words}: {there}; nothing was changed")
        );
    }
    let none = RekeyError::NoWayIn { left: vec![] };
    assert!(none.to_string().contains("what would be left is nothing;"));
    let too_many = RekeyError::TooMany {
        what: "passwords",
        found: 9,
        allowed: 8,
    };
    for (error, code) in [
        (RekeyError::NothingToDo, "nothing_to_do"),
        (not_there(Removal::Passwords), "not_a_way_in"),
        (none, "no_way_in"),
        (too_many, "too_many_ways_in"),
        (SealError::TooLarge.into(), SealError::TooLarge.code()),
    ] {
        assert_eq!(error.code(), code);
    }
}
