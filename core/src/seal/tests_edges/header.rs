//! The text of a header, at its limits.

use super::*;

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
