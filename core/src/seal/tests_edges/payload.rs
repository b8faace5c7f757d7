//! Footer, scrub table, chunks and ranges, at their limits.

use super::*;

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
