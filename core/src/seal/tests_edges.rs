//! What happens exactly at a limit, one before and one behind it; and that no secret shows.

use alloc::{format, string::String, string::ToString, vec, vec::Vec};

use super::{
    header::block_len,
    open::layout,
    password::{Purpose, Wrapped},
    payload::MAX_CHUNKS,
    scrub::{block_range, table_len},
    testing::{CHEAP, TestRng},
    *,
};
use crate::{digest::Digest, range::ByteRange};

fn key() -> FileKey {
    FileKey::new([0xa7; 32])
}

fn stanza(args: &[&str], body: usize) -> Stanza {
    Stanza {
        tag: "x".into(),
        args: args.iter().map(ToString::to_string).collect(),
        body: vec![1; body],
    }
}

/// An authentic header around any text.
fn around(text: &str) -> Vec<u8> {
    // The MAC line is one of a header of the same length whose text is changed afterwards: grammar comes first.
    let text_len = text.len() + 48;
    let units = (16 + text_len).div_ceil(4096);
    let mut block = MAGIC.to_vec();
    block.extend_from_slice(&[0, 1]);
    block.extend_from_slice(&u16::try_from(units).unwrap().to_be_bytes());
    block.extend_from_slice(&u32::try_from(text_len).unwrap().to_be_bytes());
    block.extend_from_slice(text.as_bytes());
    block.extend_from_slice(format!("--- {}\n", "A".repeat(43)).as_bytes());
    block.resize(units * 4096, 0);
    block
}

fn parsed(text: &str) -> Result<Vec<Stanza>, &'static str> {
    match Header::parse(&around(text)) {
        Ok(header) => Ok(header.stanzas().to_vec()),
        Err(SealError::HeaderMalformed { what }) => Err(what),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_header_is_as_large_as_it_may_be() {
    let fixed = |units: u16| {
        let mut start = MAGIC.to_vec();
        start.extend_from_slice(&[0, 1]);
        start.extend_from_slice(&units.to_be_bytes());
        start.extend_from_slice(&[0; 4]);
        start
    };
    let wrong = Err(SealError::HeaderMalformed {
        what: "its length is not allowed",
    });
    assert_eq!(block_len(&fixed(0)), wrong);
    assert_eq!(block_len(&fixed(1)), Ok(4096));
    assert_eq!(block_len(&fixed(16)), Ok(65_536));
    assert_eq!(block_len(&fixed(17)), wrong);

    assert!(Header::encode(&vec![stanza(&[], 0); 32], &key(), 0).is_ok());
    for (min_len, len) in [(0, 4096), (4096, 4096), (4097, 8192), (65_536, 65_536)] {
        let block = Header::encode(&[], &key(), min_len).unwrap();
        assert_eq!(block.len(), len);
        assert!(Header::parse(&block).is_ok());
    }
    assert_eq!(
        Header::encode(&[], &key(), 65_537),
        Err(SealError::TooLarge)
    );
    // A text that fills a block, and one that is a byte longer: 16 + 5 + n + 2 + 48 bytes.
    for (argument, len) in [(4096 - 71, 4096), (4096 - 70, 8192)] {
        let stanza = stanza(&[&"a".repeat(argument)], 0);
        let block = Header::encode(core::slice::from_ref(&stanza), &key(), 0).unwrap();
        assert_eq!(block.len(), len);
        assert_eq!(Header::parse(&block).unwrap().stanzas(), [stanza]);
    }
}

#[test]
fn a_line_of_a_header_is_as_the_grammar_has_it() {
    let words = Err("a stanza's first line is not words");
    let long = "a".repeat(4096);
    assert_eq!(
        parsed(&format!("-> x {long}\n\n")),
        Ok(vec![stanza(&[&long], 0)])
    );
    assert_eq!(parsed(&format!("-> x {long}a\n\n")), words);
    for wrong in [
        "-> x  a\n\n",
        "-> x a \n\n",
        "->  x\n\n",
        "-> x a\tb\n\n",
        "-> x \u{e9}\n\n",
    ] {
        assert_eq!(parsed(wrong), words, "{wrong:?}");
    }
    let start = Err("a stanza does not start with ->");
    for wrong in ["->x\n\n", "x\n\n", "\n", "\n\n"] {
        assert_eq!(parsed(wrong), start, "{wrong:?}");
    }
    assert_eq!(parsed("-> x"), Err("a line does not end"));
    assert_eq!(parsed("-> x\n"), Err("a stanza's body does not end"));
    // 48 bytes make a full line, which another follows, be it empty.
    let line = "AQEB".repeat(16);
    assert_eq!(
        parsed(&format!("-> x\n{line}\n\n")),
        Ok(vec![stanza(&[], 48)])
    );
    assert_eq!(
        parsed(&format!("-> x\n{line}\nAQ\n")),
        Ok(vec![stanza(&[], 49)])
    );
    assert_eq!(
        parsed(&format!("-> x\n{line}\n")),
        Err("a stanza's body does not end")
    );
    assert_eq!(
        parsed(&format!("-> x\n{line}A\n")),
        Err("a line of a stanza's body is too long")
    );
    for wrong in ["A", "AQ==", "AR", "A-", "A Q"] {
        assert_eq!(
            parsed(&format!("-> x\n{wrong}\n")),
            Err("a stanza's body is not base64"),
            "{wrong}"
        );
    }
    assert_eq!(parsed(&"-> x\n\n".repeat(32)).unwrap().len(), 32);
    assert_eq!(
        parsed(&"-> x\n\n".repeat(33)),
        Err("it has too many stanzas")
    );
}

#[test]
fn the_text_of_a_header_lies_in_its_block() {
    let with_len = |len: u32| {
        let mut block = around("");
        block[12..16].copy_from_slice(&len.to_be_bytes());
        match Header::parse(&block) {
            Ok(_) => "",
            Err(SealError::HeaderMalformed { what }) => what,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(with_len(48), "");
    assert_eq!(with_len(47), "its padding is not zero");
    assert_eq!(with_len(49), "it has no MAC");
    assert_eq!(with_len(4080), "it has no MAC");
    for longer in [4081, u32::MAX - 16, u32::MAX] {
        assert_eq!(with_len(longer), "its text is longer than its block");
    }
    // All zeros: no text at all, or one that is too short for a MAC.
    for len in [0_u32, 10, 47] {
        let mut block = MAGIC.to_vec();
        block.extend_from_slice(&[0, 1, 0, 1]);
        block.extend_from_slice(&len.to_be_bytes());
        block.resize(4096, 0);
        assert_eq!(
            Header::parse(&block),
            Err(SealError::HeaderMalformed {
                what: "it has no MAC"
            })
        );
    }
    let block = around("");
    for wrong in [&block[..4095], &[block.as_slice(), &[0]].concat()] {
        assert_eq!(
            Header::parse(wrong),
            Err(SealError::HeaderMalformed {
                what: "its length is not what it says"
            })
        );
    }
}

#[test]
fn text_mode_is_told_from_another_file() {
    for (start, error) in [
        (b"\x89CFR\n\x1a\n\0".as_slice(), SealError::TextMode),
        (b"\x89CFR\r\r\n\x1a", SealError::TextMode),
        (b"\x09CFR\r\n\x1a\n", SealError::TextMode),
        (b"\x89CFE\r\n\x1a\n", SealError::NotSealed),
        (b"\x89CFR\r\n\x1a\r", SealError::NotSealed),
        (b"\x89", SealError::CutShort { length: 1 }),
        (
            b"\x89CFR\r\n\x1a\n\0\x01\0\x01\0\0\0",
            SealError::CutShort { length: 15 },
        ),
    ] {
        assert_eq!(block_len(start), Err(error), "{start:?}");
    }
}

#[test]
fn a_footer_has_every_byte_in_its_place() {
    let footer = Footer {
        payload_len: (1 << 20) + 1,
        scrub_len: 64,
        sender_len: 96,
        scrub_root: Digest([0xcd; 32]),
    };
    let bytes = footer.encode();
    let expected = [
        b"\0\x01\0\0\0\0\0\x60\0\0\0\0\0\x10\0\x01\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0".as_slice(),
        &[0xcd; 32],
        b"\x89CFE\r\n\x1a\n",
    ]
    .concat();
    assert_eq!(bytes.as_slice(), expected);
    assert_eq!(Footer::parse(&bytes, 9), Ok(footer));
    for (at, what) in [
        (0, "its version is not 1"),
        (1, "its version is not 1"),
        (2, "reserved bytes are not zero"),
        (3, "reserved bytes are not zero"),
        (24, "reserved bytes are not zero"),
        (31, "reserved bytes are not zero"),
        (4, "it names a sender signature of an unknown form"),
        (7, "it names a sender signature of an unknown form"),
        (8, "the scrub table does not fit the payload"),
        (13, "the scrub table does not fit the payload"),
        (16, "the scrub table does not fit the payload"),
        (23, "the scrub table does not fit the payload"),
    ] {
        let mut changed = bytes;
        changed[at] ^= 0x10;
        assert_eq!(
            Footer::parse(&changed, 9),
            Err(SealError::FooterMalformed { what }),
            "byte {at}"
        );
    }
    for at in 64..72 {
        let mut changed = bytes;
        changed[at] ^= 1;
        assert_eq!(
            Footer::parse(&changed, 9),
            Err(SealError::CutShort { length: 9 })
        );
    }
}

#[test]
fn a_table_has_an_entry_for_each_block_begun() {
    for (payload, table) in [
        (0, Some(0)),
        (1, Some(32)),
        (1 << 20, Some(32)),
        ((1 << 20) + 1, Some(64)),
        (u64::MAX, Some((1 << 44) * 32)),
    ] {
        assert_eq!(table_len(payload), table);
    }
    let payload = ByteRange::new(4096, (2 << 20) + 5);
    for (block, offset, len) in [
        (0, 4096, 1 << 20),
        (1, 4096 + (1 << 20), 1 << 20),
        (2, 4096 + (2 << 20), 5),
        (3, 4096 + (2 << 20) + 5, 0),
        (u64::MAX, 4096 + (2 << 20) + 5, 0),
    ] {
        assert_eq!(block_range(payload, block), ByteRange::new(offset, len));
    }
    for (offset, len, cut) in [
        (0, 0, (0, 0, 0)),
        (0, 1 << 20, (0, 1, 0)),
        (1, 1 << 20, ((1 << 20) - 1, 0, 1)),
        ((1 << 20) - 1, 1, (1, 0, 0)),
        ((1 << 20) - 1, (1 << 20) + 3, (1, 1, 2)),
    ] {
        let (head, whole, tail) = cut;
        assert_eq!(BlockCut::of(offset, len), BlockCut { head, whole, tail });
    }
}

#[test]
fn a_payload_has_no_more_chunks_than_its_numbers() {
    let len = |chunks: u64, last: u64| 56 + chunks * 16_400 + last;
    let footer = |payload_len| Footer {
        payload_len,
        scrub_len: table_len(payload_len).unwrap(),
        sender_len: 0,
        scrub_root: Digest([0; 32]),
    };
    let lay = |payload_len: u64| {
        let footer = footer(payload_len);
        let file = 4096 + payload_len + footer.scrub_len + FOOTER_BYTES;
        layout(4096, &footer, file).map(|layout| (layout.chunks, layout.plain_len))
    };
    let malformed = Err(SealError::FooterMalformed {
        what: "no payload can have the length it names",
    });
    assert_eq!(lay(len(0, 16)), Ok((1, 0)));
    assert_eq!(lay(len(1, 16)), Ok((2, 16_384)));
    assert_eq!(lay(len(1, 16_399)), Ok((2, 2 * 16_384 - 1)));
    assert_eq!(
        lay(len(MAX_CHUNKS - 1, 17)),
        Ok((MAX_CHUNKS, (MAX_CHUNKS - 1) * 16_384 + 1))
    );
    for wrong in [
        0,
        55,
        len(0, 0),
        len(0, 15),
        len(1, 0),
        len(1, 15),
        len(MAX_CHUNKS, 16),
    ] {
        assert_eq!(lay(wrong), malformed, "{wrong}");
    }
    // Header, payload, table, sender and footer are the whole file.
    let mut signed = footer(72);
    let file = 4096 + 72 + 32 + FOOTER_BYTES;
    assert!(layout(4096, &signed, file).is_ok());
    for other in [file - 1, file + 1] {
        assert_eq!(
            layout(4096, &signed, other),
            Err(SealError::LengthMismatch {
                expected: file,
                found: other
            })
        );
    }
    signed.sender_len = SENDER_BYTES;
    assert!(layout(4096, &signed, file + 96).is_ok());
    signed.payload_len = u64::MAX - 100;
    assert_eq!(
        layout(4096, &signed, file),
        Err(SealError::LengthMismatch {
            expected: u64::MAX,
            found: file
        })
    );
}

#[test]
fn how_long_an_archive_gets_is_known_before() {
    let sizes = [0, 1, 16_383, 16_384, 16_385, (1 << 20) - 1100, 1 << 20];
    for plain in sizes {
        let mut out = Vec::new();
        let mut rng = TestRng(3);
        let block = seal_header(&key(), &[], &mut rng).unwrap();
        let mut sealer = Sealer::new(&key(), &block, &mut rng, &mut out).unwrap();
        sealer.push(&vec![5; plain], &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        assert_eq!(
            sealed_len(4096, plain as u64),
            Some(out.len() as u64),
            "{plain}"
        );
    }
    assert_eq!(sealed_len(0, u64::MAX), None);
    assert_eq!(sealed_len(u64::MAX, 0), None);
}

#[test]
fn batches_lie_behind_each_other() {
    let mut rng = TestRng(4);
    let block = seal_header(&key(), &[], &mut rng).unwrap();
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&key(), &block, &mut rng, &mut out).unwrap();
    let first = sealer.next_batch(3 * CHUNK_BYTES).unwrap();
    let second = sealer.next_batch(CHUNK_BYTES).unwrap();
    assert_eq!(
        (first.payload_offset(), first.sealed_len()),
        (56, 3 * 16_400)
    );
    assert_eq!(
        (second.payload_offset(), second.first_chunk()),
        (56 + 3 * 16_400, 3)
    );
    assert_eq!((second.chunks(), second.plain_len()), (1, CHUNK_BYTES));
    assert_eq!(first.nonces().count(), 3);
}

#[test]
fn readers_refuse_nothing_and_too_much() {
    let misfed = |wanted, given| Err(SealError::Misfed { wanted, given });
    let mut out = Vec::new();
    let mut rng = TestRng(5);
    let block = Header::encode(&[], &key(), 8192).unwrap();
    let sealer = Sealer::new(&key(), &block, &mut rng, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    let mut opening = Opening::new(out.len() as u64).unwrap();
    assert_eq!(opening.wants(), Some(ByteRange::new(0, 4096)));
    assert_eq!(opening.feed(&[]), misfed(4096, 0));
    assert_eq!(opening.feed(&out[..4097]), misfed(4096, 4097));
    assert_eq!(opening.feed(&out[..4095]), Ok(()));
    assert_eq!(opening.wants(), Some(ByteRange::new(4095, 1)));
    assert_eq!(opening.feed(&out[4095..4096]), Ok(()));
    assert_eq!(opening.wants(), Some(ByteRange::new(4096, 4096)));
    assert_eq!(opening.feed(&out[4096..4106]), Ok(()));
    assert_eq!(opening.wants(), Some(ByteRange::new(4106, 4086)));
    assert_eq!(opening.feed(&out[4106..8192]), Ok(()));
    let footer = out.len() as u64 - 72;
    assert_eq!(opening.wants(), Some(ByteRange::new(footer, 72)));
    assert_eq!(opening.feed(&out[out.len() - 72..]), Ok(()));
    assert_eq!(opening.wants(), None);
    assert_eq!(opening.feed(b"x"), misfed(0, 1));
    assert!(opening.finish().is_ok());

    assert_eq!(Opening::new(0).err(), Some(SealError::Empty));
    let early = Opening::new(5000).unwrap();
    assert_eq!(early.finish().err(), misfed(4096, 0).err());
    let short = Opening::new(10).unwrap();
    assert_eq!(short.wants(), Some(ByteRange::new(0, 10)));
    // Room for the header block but not for the footer as well.
    for (len, fits) in [(8192 + 71, false), (8192 + 72, true)] {
        let mut opening = Opening::new(len).unwrap();
        let fed = opening.feed(&out[..4096]);
        let expected = if fits {
            Ok(())
        } else {
            Err(SealError::CutShort { length: len })
        };
        assert_eq!(fed, expected);
    }
}

#[test]
fn no_range_is_empty_and_none_reaches_too_far() {
    let mut out = Vec::new();
    let mut rng = TestRng(6);
    let block = seal_header(&key(), &[], &mut rng).unwrap();
    let mut sealer = Sealer::new(&key(), &block, &mut rng, &mut out).unwrap();
    sealer.push(&vec![9; 2 * CHUNK_BYTES], &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    let mut opening = Opening::new(out.len() as u64).unwrap();
    while let Some(wanted) = opening.wants() {
        let at = usize::try_from(wanted.offset).unwrap();
        opening
            .feed(&out[at..at + usize::try_from(wanted.len).unwrap()])
            .unwrap();
    }
    let sealed = opening.finish().unwrap();
    let unsealer = sealed.unsealer(&key(), &out[4096..4096 + 56]).unwrap();
    assert_eq!(unsealer.plain_len(), 32_768);
    let start = 4096 + 56;
    for ((offset, len), (first, sealed)) in [
        ((0, 0), (0, 16_400)),
        ((0, 1), (0, 16_400)),
        ((0, 16_384), (0, 16_400)),
        ((0, 16_385), (0, 32_800)),
        ((16_383, 2), (0, 32_800)),
        ((16_384, 0), (1, 16_400)),
        ((16_384, 1), (1, 16_400)),
        // What reaches to the end proves that it is the end.
        ((16_384, 16_384), (1, 16_416)),
        ((32_767, 1), (1, 16_416)),
        ((32_768, 0), (2, 16)),
    ] {
        let located = unsealer.locate(ByteRange::new(offset, len)).unwrap();
        let range = ByteRange::new(start + first * 16_400, sealed);
        assert_eq!(located.sealed, range, "{offset}+{len}");
        let at = usize::try_from(range.offset).unwrap();
        let bytes = out[at..at + usize::try_from(range.len).unwrap()].to_vec();
        assert_eq!(
            unsealer.open(located, bytes),
            Ok(vec![9; usize::try_from(len).unwrap()])
        );
        assert!(matches!(
            unsealer.open(located, vec![0; 15]),
            Err(SealError::Misfed { .. })
        ));
    }
    for (offset, len) in [
        (0, 32_769),
        (32_768, 1),
        (32_769, 0),
        (u64::MAX, 1),
        (1, u64::MAX),
    ] {
        assert_eq!(
            unsealer.locate(ByteRange::new(offset, len)).err(),
            Some(SealError::OutOfRange {
                offset,
                len,
                size: 32_768
            })
        );
    }
}

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
