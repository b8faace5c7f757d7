//! Passwords, keys and what is shown of them.

use super::*;

#[test]
fn a_password_may_cost_exactly_what_it_may() {
    let password = Password::new("x");
    let wrap = |memory_kib, passes, lanes| {
        let cost = Cost {
            memory_kib,
            passes,
            lanes,
        };
        Wrapped::wrap(&[1; 32], &password, Purpose::File, cost, [2; 16]).err()
    };
    let impossible = Some(SealError::HeaderMalformed {
        what: "impossible password parameters",
    });
    let too_high = |memory_kib, passes, lanes| {
        Some(SealError::CostTooHigh {
            memory_kib,
            passes,
            lanes,
        })
    };
    for allowed in [(8, 1, 1), (16, 1, 2), (8, 16, 1), (32, 1, 4)] {
        assert_eq!(wrap(allowed.0, allowed.1, allowed.2), None, "{allowed:?}");
    }
    for (memory, passes, lanes) in [(7, 1, 1), (15, 1, 2), (31, 1, 4), (8, 0, 1), (8, 1, 0)] {
        assert_eq!(wrap(memory, passes, lanes), impossible);
    }
    // A gibibyte is allowed; so as not to use it, the passes are impossible.
    assert_eq!(wrap(1 << 20, 0, 1), impossible);
    for (memory, passes, lanes) in [((1 << 20) + 1, 0, 1), (8, 17, 1), (64, 1, 5)] {
        assert_eq!(wrap(memory, passes, lanes), too_high(memory, passes, lanes));
    }
}

#[test]
fn a_stanza_has_one_spelling() {
    let password = Password::new("x");
    let wrapped = Wrapped::wrap(&[1; 32], &password, Purpose::File, CHEAP, [2; 16]).unwrap();
    let good = wrapped.to_stanza();
    assert_eq!(Wrapped::from_stanza(&good), Ok(wrapped.clone()));
    let malformed = Err(SealError::HeaderMalformed {
        what: "an argon2id stanza has a wrong form",
    });
    let longer = format!("{}A", good.args[3]);
    let shorter = &good.args[3][..20];
    for (index, other) in [
        (0, "+64"),
        (0, "064"),
        (0, "-64"),
        (0, "4294967296"),
        (1, ""),
        (1, "0x1"),
        (2, "01"),
        (3, longer.as_str()),
        (3, shorter),
        (3, "AgICAgICAgICAgICAgICAh"),
        (4, shorter),
    ] {
        let mut stanza = good.clone();
        stanza.args[index] = other.to_string();
        assert_eq!(Wrapped::from_stanza(&stanza), malformed, "{other}");
    }
    for change in [
        (|stanza: &mut Stanza| stanza.args.push(String::new())) as fn(&mut Stanza),
        |stanza| drop(stanza.args.pop()),
        |stanza| stanza.body.push(0),
        |stanza| stanza.body.truncate(47),
    ] {
        let mut stanza = good.clone();
        change(&mut stanza);
        assert_eq!(Wrapped::from_stanza(&stanza), malformed);
    }
    // What was wrapped for one use is not what another use unwraps.
    assert_eq!(wrapped.unwrap(&password, Purpose::Secret), Ok(None));
    assert_eq!(wrapped.unwrap(&password, Purpose::Sender), Ok(None));
    assert_eq!(
        wrapped.unwrap(&password, Purpose::File).unwrap().as_deref(),
        Some(&[1; 32])
    );
}

#[test]
fn fingerprints_are_lower_case_and_whole() {
    let name = "00112233445566778899aabbccddeeff";
    let fingerprint = Fingerprint::parse(name).unwrap();
    assert_eq!(fingerprint.to_string(), name);
    assert_eq!(format!("{fingerprint:?}"), name);
    for wrong in [
        &name[..30],
        &name[..31],
        &format!("{name}00"),
        &name.to_uppercase(),
        "",
        "x",
    ] {
        assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_shown_for_debugging_holds_no_secret() {
    let mut rng = TestRng(7);
    let secret = SecretKey::generate(&mut rng);
    let sender = SenderKey::generate(&mut rng);
    let password = Password::new("correct horse");
    assert_eq!(format!("{:?}", key()), "FileKey(…)");
    assert_eq!(format!("{password:?}"), "Password(…)");
    let block = seal_header(&key(), &[], &mut rng).unwrap();
    let mut out = Vec::new();
    let sealer = Sealer::new(&key(), &block, &mut rng, &mut out).unwrap();
    assert_eq!(format!("{:?}", sealer.payload_key()), "PayloadKey(…)");
    let exposed = |bytes: &[u8; 32]| {
        let list = format!("{bytes:?}");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        [list[1..60].to_string(), hex]
    };
    let payload = sealer.payload_key();
    let secrets = [exposed(key().expose()), exposed(payload.expose())].concat();
    for shown in [
        format!("{secret:?}"),
        format!("{sender:?}"),
        format!("{sealer:?}"),
        format!("{:?}", sealer.chunk_sealer()),
        format!("{:?}", ChunkCipher::new(key().expose(), &[1; 24]).unwrap()),
        format!("{:?}", secret.recipient().unwrap()),
        format!(
            "{:?}",
            Access::Password {
                password: &password,
                cost: CHEAP
            }
        ),
    ] {
        assert!(!shown.is_empty());
        assert!(
            !secrets.iter().any(|secret| shown.contains(secret)),
            "{shown}"
        );
        assert!(!shown.contains("horse"), "{shown}");
        assert!(!shown.contains("SECRET"), "{shown}");
    }
    let text = secret.expose();
    assert!(!format!("{secret:?}").contains(&text[20..40]));
    assert!(!format!("{sender:?}").contains(&sender.expose()[24..44]));
    assert!(!password.is_empty() && Password::new("").is_empty());
}

#[test]
fn every_type_of_key_is_called_by_its_tag() {
    for key_type in KeyType::ALL {
        assert_eq!(key_type.to_string(), key_type.tag());
        assert_eq!(KeyType::from_tag(key_type.tag()), Some(key_type));
    }
    assert_eq!(KeyType::from_tag("argon2id"), None);
}

#[test]
fn every_failure_has_a_name() {
    let failures = [
        (SealError::Empty, "empty"),
        (SealError::NotSealed, "not_sealed"),
        (SealError::TextMode, "text_mode"),
        (
            SealError::UnsupportedVersion { version: 2 },
            "unsupported_version",
        ),
        (SealError::HeaderMalformed { what: "" }, "header_malformed"),
        (SealError::NotARecipient, "not_a_recipient"),
        (SealError::WrongPassword, "wrong_password"),
        (SealError::HeaderDamaged, "header_damaged"),
        (SealError::CommitmentMismatch, "commitment_mismatch"),
        (
            SealError::ChunkDamaged {
                chunk: 0,
                offset: 0,
            },
            "chunk_damaged",
        ),
        (SealError::CutShort { length: 0 }, "cut_short"),
        (SealError::FooterMalformed { what: "" }, "footer_malformed"),
        (
            SealError::LengthMismatch {
                expected: 0,
                found: 0,
            },
            "length_mismatch",
        ),
        (SealError::ScrubTableDamaged, "scrub_table_damaged"),
    ];
    for (failure, code) in failures {
        assert_eq!(failure.code(), code);
    }
}

#[test]
fn a_stanza_of_a_key_has_both_of_its_lengths() {
    let mut rng = TestRng(6);
    let secret = SecretKey::generate_of(KeyType::X25519, &mut rng);
    let recipient = secret.recipient().unwrap();
    let whole = Access::Recipient(&recipient)
        .stanza(&key(), &mut rng)
        .unwrap();
    let read = |stanza: &Stanza| {
        let block = Header::encode(core::slice::from_ref(stanza), &key(), 0).unwrap();
        Locks::new(Header::parse(&block).unwrap()).map(|_| ())
    };
    assert_eq!(read(&whole), Ok(()));
    let wrong = Err(SealError::HeaderMalformed {
        what: "an x25519 stanza has a wrong form",
    });
    let mut short = whole.clone();
    short.body.pop();
    assert_eq!(read(&short), wrong);
    let mut encapsulated = whole;
    encapsulated.args[1].truncate(42);
    encapsulated.args[1].push('A');
    encapsulated.args[1].push_str("AAAA");
    assert_eq!(read(&encapsulated), wrong);
}
