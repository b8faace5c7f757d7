use alloc::{string::ToString, vec::Vec};

use super::*;
use crate::{
    Digest,
    range::ByteRange,
    seal::{
        Access, CHUNK_BYTES, FOOTER_BYTES, FileKey, Opening, Password, PayloadBlocks,
        SCRUB_BLOCK_BYTES, SEALED_CHUNK_BYTES, Sealed, SealedStream, Sealer, StreamEnd,
        payload::ChunkCipher,
        seal_header,
        testing::{CHEAP, TestRng},
    },
};

const FOOTER: usize = FOOTER_BYTES as usize;
const KEY: [u8; 32] = [7; 32];

fn sender(seed: u64) -> SenderKey {
    SenderKey::generate(&mut TestRng(seed))
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

/// A sealed archive, signed or not.
fn seal(plain: &[u8], header: &[u8], by: Option<&SenderKey>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&FileKey::new(KEY), header, &mut TestRng(100), &mut out).unwrap();
    sealer.push(plain, &mut out).unwrap();
    match by {
        Some(sender) => sealer.finish_signed(sender, &mut out).unwrap(),
        None => sealer.finish(&mut out).unwrap(),
    }
    out
}

fn header(access: &[Access<'_>]) -> Vec<u8> {
    seal_header(&FileKey::new(KEY), access, &mut TestRng(200)).unwrap()
}

fn signed(plain: &[u8]) -> Vec<u8> {
    seal(plain, &header(&[]), Some(&sender(1)))
}

fn range(file: &[u8], range: ByteRange) -> &[u8] {
    &file[range.offset as usize..range.end() as usize]
}

fn open(file: &[u8]) -> Result<Sealed, SealError> {
    let mut opening = Opening::new(file.len() as u64)?;
    while let Some(wanted) = opening.wants() {
        opening.feed(range(file, wanted))?;
    }
    opening.finish()
}

/// Who signed; `None` if nobody did.
fn signer(file: &[u8]) -> Result<Option<Sender>, SealError> {
    let sealed = open(file)?;
    sealed
        .sender_range()
        .map(|block| sealed.sender(range(file, sealed.prefix_range()), range(file, block)))
        .transpose()
}

/// Writes a footer for whatever table stands in the file now.
fn mend_footer(file: &mut [u8]) {
    let sealed = open(file).unwrap();
    let footer = Footer {
        scrub_root: Digest::of(range(file, sealed.scrub_range())),
        ..*sealed.footer()
    };
    let at = file.len() - FOOTER;
    file[at..].copy_from_slice(&footer.encode());
}

/// What somebody does who has the file key: another chunk 0 that authenticates.
fn rewrite_first_chunk(file: &mut [u8]) {
    let sealed = open(file).unwrap();
    let at = sealed.payload_range().offset as usize;
    let salt = file[at..at + 24].try_into().unwrap();
    let cipher = ChunkCipher::new(&FileKey::new(KEY).payload_key().unwrap(), &salt).unwrap();
    let mut chunk = Vec::new();
    cipher
        .seal_chunk(0, &[b'!'; CHUNK_BYTES], &mut chunk)
        .unwrap();
    let at = at + PREFIX_BYTES;
    file[at..at + SEALED_CHUNK_BYTES].copy_from_slice(&chunk);
}

fn mend_table(file: &mut [u8]) {
    let sealed = open(file).unwrap();
    let table: Vec<u8> = range(file, sealed.payload_range())
        .chunks(SCRUB_BLOCK_BYTES as usize)
        .flat_map(|block| Digest::of(block).0)
        .collect();
    let at = sealed.scrub_range().offset as usize;
    file[at..at + table.len()].copy_from_slice(&table);
}

#[test]
fn a_signed_archive_names_its_sender_and_opens_as_ever() {
    for len in [0, 1, CHUNK_BYTES, 2_500_000] {
        let plain = content(len);
        let file = signed(&plain);
        assert_eq!(signer(&file).unwrap(), Some(sender(1).sender()));
        let sealed = open(&file).unwrap();
        let key = FileKey::new(KEY);
        let unsealer = sealed
            .unsealer(&key, range(&file, sealed.prefix_range()))
            .unwrap();
        let located = unsealer.locate(ByteRange::new(0, len as u64)).unwrap();
        let opened = unsealer.open(located, range(&file, located.sealed).to_vec());
        assert_eq!(opened.unwrap(), plain);
        // All but the footer's length field and the block itself are the bytes of an unsigned archive.
        let unsigned = seal(&plain, &header(&[]), None);
        let block = sealed.sender_range().unwrap();
        assert_eq!(block.len, u64::from(SENDER_BYTES));
        let at = block.offset as usize;
        assert_eq!(file[..at], unsigned[..at]);
        assert_eq!(file.len(), unsigned.len() + 96);
        assert_eq!(signer(&unsigned).unwrap(), None);
    }
}

#[test]
fn every_bit_of_block_prefix_and_table_counts() {
    let file = signed(&content(50_000));
    let sealed = open(&file).unwrap();
    let mut codes = Vec::new();
    for part in [
        sealed.prefix_range(),
        sealed.scrub_range(),
        sealed.sender_range().unwrap(),
    ] {
        for bit in part.offset * 8..part.end() * 8 {
            let mut changed = file.clone();
            changed[(bit / 8) as usize] ^= 1 << (bit % 8);
            // The table is bound by the footer; whoever mends that finds it bound by the signature.
            mend_footer(&mut changed);
            let error = signer(&changed).unwrap_err();
            assert!(
                matches!(
                    error,
                    SealError::SenderSignatureWrong { .. } | SealError::SenderMalformed { .. }
                ),
                "bit {bit}: {error:?}"
            );
            if !codes.contains(&error.code()) {
                codes.push(error.code());
            }
        }
    }
    // Some flips make of the key what is none, the others one that did not sign.
    assert_eq!(codes, ["sender_signature_wrong", "sender_malformed"]);
}

#[test]
fn the_payloads_length_is_signed() {
    let file = signed(&content(50_000));
    let sealed = open(&file).unwrap();
    let footer = Footer {
        payload_len: sealed.footer().payload_len + 1,
        ..*sealed.footer()
    };
    let prefix = range(&file, sealed.prefix_range()).try_into().unwrap();
    let block = range(&file, sealed.sender_range().unwrap());
    assert!(check(block, prefix, sealed.footer()).is_ok());
    assert!(matches!(
        check(block, prefix, &footer),
        Err(SealError::SenderSignatureWrong { .. })
    ));
    assert!(matches!(
        check(&block[1..], prefix, sealed.footer()),
        Err(SealError::Misfed {
            wanted: 96,
            given: 95
        })
    ));
}

#[test]
fn a_signature_has_one_spelling() {
    // The order of the base point, little-endian: S and S + L satisfy the same equation (RFC 8032, section 8.4).
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut file = signed(b"rows");
    let sealed = open(&file).unwrap();
    let scalar = sealed.sender_range().unwrap().end() as usize - 32;
    let mut carry = 0;
    for (byte, order) in file[scalar..scalar + 32].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(matches!(
        signer(&file),
        Err(SealError::SenderSignatureWrong { .. })
    ));
}

/// Little-endian 2^255 - 19 + `more`.
fn prime_plus(more: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed + more;
    bytes[31] = 0x7f;
    bytes
}

#[test]
fn keys_that_fit_many_messages_or_have_two_spellings_are_none() {
    let mut zero = [0; 32];
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = prime_plus(0);
    minus_one[0] -= 1;
    let hex = |text: &str| -> [u8; 32] {
        crate::digest::parse_hex(text.as_bytes())
            .unwrap()
            .try_into()
            .unwrap()
    };
    let order_8 = hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
    let other_8 = hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
    for mut weak in [zero, one, minus_one, order_8, other_8] {
        for _ in 0..2 {
            assert_eq!(Sender::from_bytes(&weak), None, "{weak:x?}");
            weak[31] ^= 0x80;
        }
    }
    // No point at all.
    zero[0] = 2;
    assert!(VerifyingKey::from_bytes(&zero).is_err());
    assert_eq!(Sender::from_bytes(&zero), None);
    // Coordinates beyond the prime: some are points, even of large order, and all have another spelling.
    let mut large_order = 0;
    for more in 0..19 {
        for sign in [0, 0x80] {
            let mut bytes = prime_plus(more);
            bytes[31] |= sign;
            large_order +=
                usize::from(VerifyingKey::from_bytes(&bytes).is_ok_and(|key| !key.is_weak()));
            assert_eq!(Sender::from_bytes(&bytes), None, "{more}");
        }
    }
    assert!(large_order > 0, "the test tries nothing that dalek takes");
    // And in a file.
    let mut file = signed(b"rows");
    let at = open(&file).unwrap().sender_range().unwrap().offset as usize;
    file[at..at + 32].copy_from_slice(&order_8);
    assert!(matches!(
        signer(&file),
        Err(SealError::SenderMalformed { .. })
    ));
}

#[test]
fn a_signature_cut_off_leaves_an_archive_that_nobody_signed() {
    let file = signed(b"rows");
    let sealed = open(&file).unwrap();
    let block = sealed.sender_range().unwrap();
    let footer = Footer {
        sender_len: 0,
        ..*sealed.footer()
    };
    let mut stripped = file[..block.offset as usize].to_vec();
    stripped.extend_from_slice(&footer.encode());
    assert_eq!(stripped, seal(b"rows", &header(&[]), None));
    assert_eq!(signer(&stripped).unwrap(), None);
    // A block of another length is of no form that this version knows.
    for (sender_len, bytes) in [(95, 95), (97, 97), (192, 192), (96, 0)] {
        let mut other = file[..block.offset as usize].to_vec();
        other.resize(other.len() + bytes, 0);
        other.extend_from_slice(
            &Footer {
                sender_len,
                ..footer
            }
            .encode(),
        );
        let code = open(&other).unwrap_err().code();
        let expected = if sender_len == 96 {
            "length_mismatch"
        } else {
            "footer_malformed"
        };
        assert_eq!(code, expected, "{sender_len}");
    }
}

#[test]
fn who_signs_again_puts_another_name_on_it() {
    let mut file = signed(b"rows");
    let sealed = open(&file).unwrap();
    let prefix = range(&file, sealed.prefix_range()).try_into().unwrap();
    let block = sender(2).sign(prefix, sealed.footer());
    let at = sealed.sender_range().unwrap().offset as usize;
    file[at..at + 96].copy_from_slice(&block);
    let named = signer(&file).unwrap().unwrap();
    assert_eq!(named, sender(2).sender());
    assert_ne!(named.fingerprint(), sender(1).sender().fingerprint());
    // Nobody's key goes with somebody else's signature.
    file[at..at + 32].copy_from_slice(sender(1).sender().0.as_bytes());
    assert_eq!(
        signer(&file),
        Err(SealError::SenderSignatureWrong {
            sender: sender(1).sender().fingerprint()
        })
    );
}

#[test]
fn a_signature_fits_one_archive_only() {
    // The same file key and content, sealed twice: only the salt differs.
    let mut other = Vec::new();
    let mut sealer = Sealer::new(
        &FileKey::new(KEY),
        &header(&[]),
        &mut TestRng(101),
        &mut other,
    )
    .unwrap();
    sealer.push(b"rows", &mut other).unwrap();
    sealer.finish_signed(&sender(1), &mut other).unwrap();
    let mut file = signed(b"rows");
    assert!(signer(&file).is_ok() && signer(&other).is_ok());
    let block = open(&file).unwrap().sender_range().unwrap();
    let (from, to) = (block.offset as usize, block.end() as usize);
    file[from..to].copy_from_slice(&other[from..to]);
    assert!(matches!(
        signer(&file),
        Err(SealError::SenderSignatureWrong { .. })
    ));
}

#[test]
fn a_signature_survives_another_header() {
    let plain = content(20_000);
    let file = signed(&plain);
    let sealed = open(&file).unwrap();
    let password = Password::new("another");
    let mut rekeyed = header(&[Access::Password {
        password: &password,
        cost: CHEAP,
    }]);
    // Also where the header grows, and everything else moves.
    rekeyed.extend_from_slice(&file[sealed.header_len() as usize..]);
    assert_eq!(
        open(&rekeyed).unwrap().unlock(&password).unwrap().expose(),
        &KEY
    );
    assert_eq!(signer(&rekeyed).unwrap(), Some(sender(1).sender()));
}

#[test]
fn who_has_the_file_key_still_cannot_change_what_was_signed() {
    let plain = content(2_500_000);
    let mut file = signed(&plain);
    rewrite_first_chunk(&mut file);
    let sealed = open(&file).unwrap();
    // It authenticates, and the signature over the table is good …
    let unsealer = sealed
        .unsealer(&FileKey::new(KEY), range(&file, sealed.prefix_range()))
        .unwrap();
    let located = unsealer.locate(ByteRange::new(0, 4)).unwrap();
    let opened = unsealer.open(located, range(&file, located.sealed).to_vec());
    assert_eq!(opened.unwrap(), b"!!!!");
    assert!(signer(&file).is_ok());
    // … but the table doesn't name it.
    let blocks = PayloadBlocks::new(&sealed, range(&file, sealed.scrub_range())).unwrap();
    let holding = blocks.holding(located.sealed).unwrap();
    assert_eq!(holding, 0..1);
    let first = blocks.range(0).unwrap();
    assert_eq!(
        blocks.check(0, range(&file, first)),
        Err(SealError::NotWhatWasSigned {
            block: 0,
            offset: first.offset
        })
    );
    // And with another table, the signature is wrong.
    mend_table(&mut file);
    mend_footer(&mut file);
    let sealed = open(&file).unwrap();
    let blocks = PayloadBlocks::new(&sealed, range(&file, sealed.scrub_range())).unwrap();
    assert_eq!(blocks.check(0, range(&file, first)), Ok(()));
    assert!(matches!(
        signer(&file),
        Err(SealError::SenderSignatureWrong { .. })
    ));
}

#[test]
fn blocks_cover_the_payload_without_a_gap() {
    let file = signed(&content(2_500_000));
    let sealed = open(&file).unwrap();
    let table = range(&file, sealed.scrub_range());
    let blocks = PayloadBlocks::new(&sealed, table).unwrap();
    let payload = sealed.payload_range();
    assert_eq!(blocks.count(), 3);
    let mut at = payload.offset;
    for number in 0..blocks.count() {
        let block = blocks.range(number).unwrap();
        assert_eq!(block.offset, at);
        at = block.end();
        assert_eq!(blocks.check(number, range(&file, block)), Ok(()));
        let shorter = range(&file, ByteRange::new(block.offset, block.len - 1));
        assert!(blocks.check(number, shorter).is_err());
        assert_eq!(blocks.holding(block), Ok(number..number + 1));
        assert_eq!(
            blocks.holding(ByteRange::new(block.end() - 1, 1)),
            Ok(number..number + 1)
        );
    }
    assert_eq!(at, payload.end());
    assert_eq!(blocks.range(3), None);
    assert!(blocks.check(3, b"").is_err());
    assert_eq!(blocks.holding(payload), Ok(0..3));
    let across = ByteRange::new(payload.offset + SCRUB_BLOCK_BYTES - 1, 2);
    assert_eq!(blocks.holding(across), Ok(0..2));
    assert_eq!(blocks.holding(ByteRange::new(payload.end(), 0)), Ok(0..0));
    for outside in [
        ByteRange::new(payload.offset - 1, 2),
        ByteRange::new(payload.end() - 1, 2),
        ByteRange::new(payload.offset, u64::MAX),
    ] {
        assert!(matches!(
            blocks.holding(outside),
            Err(SealError::OutOfRange { .. })
        ));
    }
    let mut wrong = table.to_vec();
    wrong[0] ^= 1;
    assert_eq!(
        PayloadBlocks::new(&sealed, &wrong).err(),
        Some(SealError::ScrubTableDamaged)
    );
}

#[test]
fn keys_have_text_forms_of_their_own() {
    let key = sender(3);
    let secret = key.expose();
    assert!(secret.starts_with("COFFER-SENDER-SECRET-1"), "{secret:?}");
    assert_eq!(SenderKey::parse(&secret).unwrap().sender(), key.sender());
    let public = key.sender().to_string();
    assert!(public.starts_with("coffer-sender1"), "{public}");
    assert_eq!(Sender::parse(&public), Ok(key.sender()));
    // Neither is taken for the other, nor for a key that something is sealed to, nor the other way round.
    let malformed = |error: Option<SealError>| {
        assert!(
            matches!(error, Some(SealError::KeyMalformed { .. })),
            "{error:?}"
        );
    };
    malformed(Sender::parse(&secret).err());
    malformed(SenderKey::parse(&public).err());
    malformed(crate::seal::Recipient::parse(&public).err());
    malformed(crate::seal::SecretKey::parse(&secret).err());
    malformed(Sender::parse("coffer1qqqq").err());
    for (kind, bytes) in [(2, &[9; 32][..]), (1, &[9; 31]), (1, &[9; 33]), (1, &[])] {
        malformed(Sender::parse(&PUBLIC.encode(kind, bytes)).err());
        malformed(SenderKey::parse(&SECRET.encode_secret(kind, bytes)).err());
    }
    // A small-order key has a valid checksum and is refused all the same.
    malformed(Sender::parse(&PUBLIC.encode(1, &[0; 32])).err());
    // Names say nothing about the secret, and debug output shows none.
    let name = key.sender().fingerprint().to_string();
    assert_eq!(Fingerprint::parse(&name), Some(key.sender().fingerprint()));
    assert_eq!(alloc::format!("{key:?}"), "SenderKey(…)");
    assert_eq!(
        alloc::format!("{:?}", key.sender()),
        alloc::format!("Sender({name})")
    );
}

#[test]
fn a_locked_key_opens_with_its_password() {
    let key = sender(4);
    let password = Password::new("pass");
    let locked = LockedSender::lock(&key, &password, CHEAP, &mut TestRng(5)).unwrap();
    let text = locked.to_string();
    assert!(text.starts_with("coffer-locked-sender-1 "), "{text}");
    assert!(!text.contains(&key.expose()[30..50]));
    let carried = LockedSender::parse(&text).unwrap();
    assert_eq!(carried, locked);
    assert_eq!(carried.fingerprint(), key.sender().fingerprint());
    let opened = carried.unlock(&password).unwrap().unwrap();
    assert_eq!(opened.sender(), key.sender());
    assert!(carried.unlock(&Password::new("other")).unwrap().is_none());
    // It is no key that something is sealed to, also with another word in front.
    let other = text.replacen("coffer-locked-sender-1", "coffer-locked-key-1", 1);
    assert!(crate::seal::LockedKey::parse(&text).is_err());
    let taken = crate::seal::LockedKey::parse(&other).unwrap();
    assert!(taken.unlock(&password).unwrap().is_none());
    // Another name beside the right body.
    let renamed = text.replacen(
        &key.sender().fingerprint().to_string(),
        &sender(6).sender().fingerprint().to_string(),
        1,
    );
    assert!(matches!(
        LockedSender::parse(&renamed).unwrap().unlock(&password),
        Err(SealError::KeyMalformed { .. })
    ));
}

/// Reads from start to end.
fn stream(file: &[u8], piece: usize) -> Result<StreamEnd, SealError> {
    let mut out = Vec::new();
    let mut stream = SealedStream::new();
    for mut piece in file.chunks(piece) {
        while !piece.is_empty() {
            let taken = stream.push(piece, &mut out)?;
            piece = &piece[taken..];
            if stream.locks().is_some() {
                stream.unlock(&FileKey::new(KEY))?;
            }
        }
    }
    stream.finish(&mut out)
}

#[test]
fn a_stream_names_the_sender_at_its_end() {
    let plain = content(50_000);
    let file = signed(&plain);
    for piece in [1, 95, 16_400, file.len()] {
        let end = stream(&file, piece).unwrap();
        assert_eq!(end.sender, Some(sender(1).sender()));
        assert_eq!(end.plain_len, 50_000);
    }
    let unsigned = stream(&seal(&plain, &header(&[]), None), 4096).unwrap();
    assert_eq!(unsigned.sender, None);
    // The same names as with random access.
    let block = open(&file).unwrap().sender_range().unwrap();
    for at in block.offset as usize..block.end() as usize {
        let mut changed = file.clone();
        changed[at] ^= 0x04;
        assert_eq!(
            stream(&changed, 1 << 16).unwrap_err(),
            signer(&changed).unwrap_err(),
            "byte {at}"
        );
    }
}

#[test]
fn a_stream_compares_all_of_a_signed_payload() {
    let plain = content(2_500_000);
    let mut file = signed(&plain);
    rewrite_first_chunk(&mut file);
    let payload = open(&file).unwrap().payload_range();
    assert_eq!(
        stream(&file, 1 << 16).unwrap_err(),
        SealError::NotWhatWasSigned {
            block: 0,
            offset: payload.offset
        }
    );
    let mut unsigned = seal(&plain, &header(&[]), None);
    rewrite_first_chunk(&mut unsigned);
    assert_eq!(stream(&unsigned, 1 << 16).unwrap().unlike_table.len(), 1);
}
