//! Signed archives, and faults of the signature and of what it covers.

use bech32::{Bech32, Hrp};
use curve25519_dalek::Scalar;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha512};

use super::{
    super::parts::{CHUNK, Parts, UNIT},
    Case, Draft, Make, OTHER_PASSWORD, text,
};

/// Content of three full chunks and a short one.
const FOUR_CHUNKS: usize = 3 * CHUNK + 1000;
/// The order of Ed25519's group, little-endian (RFC 8032, section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The text of a sender's public key.
fn name(key: &SigningKey) -> String {
    let data = [[1].as_slice(), key.verifying_key().as_bytes()].concat();
    bech32::encode::<Bech32>(Hrp::parse("coffer-sender").unwrap(), &data).unwrap()
}

/// Signs what the parts hold now.
fn sign(parts: &mut Parts, key: &SigningKey) {
    let signature = key.sign(&parts.signed());
    parts.sender = [
        key.verifying_key().as_bytes().as_slice(),
        &signature.to_bytes(),
    ]
    .concat();
}

/// A signed archive with the usual password, and its sender.
fn signed(make: &mut Make, len: usize) -> (Parts, SigningKey) {
    let mut parts = make.archive(len);
    let key = SigningKey::from_bytes(&make.0.array());
    sign(&mut parts, &key);
    (parts, key)
}

/// A signed archive whose sender region was changed.
fn changed(make: &mut Make, code: &'static str, change: impl FnOnce(&mut [u8])) -> Draft {
    let (mut parts, _) = signed(make, FOUR_CHUNKS);
    change(&mut parts.sender);
    Draft::of(&parts).wrong_sender(code)
}

/// A sender region with this key, and a signature that can be none of its.
fn key(make: &mut Make, bytes: [u8; 32]) -> Draft {
    changed(make, "sender_malformed", |sender| {
        sender[..32].copy_from_slice(&bytes);
    })
}

fn little_endian(first: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = first;
    bytes
}

pub(super) const CASES: &[Case] = &[
    Case::new("success_signed", "signed by a sender", |make| {
        let (parts, key) = signed(make, FOUR_CHUNKS);
        Draft::of(&parts).sender(name(&key))
    }),
    Case::new("success_signed_empty", "signed, without content", |make| {
        let (parts, key) = signed(make, 0);
        Draft::of(&parts).sender(name(&key))
    }),
    Case::new(
        "success_signed_two_scrub_blocks",
        "signed, with a scrub table of two digests",
        |make| {
            let (parts, key) = signed(make, 65 * CHUNK);
            Draft::of(&parts).sender(name(&key))
        },
    ),
    Case::new(
        "success_signed_and_rekeyed",
        "the header was made again after the archive was signed: the signature leaves it out",
        |make| {
            let (mut parts, key) = signed(make, 10);
            let more = text(&make.password(&parts, OTHER_PASSWORD));
            parts.header.stanzas.insert(0, more);
            Draft::of(&parts).sender(name(&key))
        },
    ),
    Case::new(
        "success_signature_stripped",
        "who takes the signature away leaves an archive without a sender",
        |make| {
            let (mut parts, _) = signed(make, 10);
            parts.sender.clear();
            Draft::of(&parts)
        },
    ),
    Case::new(
        "sender_signature_r_changed",
        "one bit of the signature's first half is wrong",
        |make| changed(make, "sender_signature_wrong", |sender| sender[32] ^= 1),
    ),
    Case::new(
        "sender_signature_s_changed",
        "one bit of the signature's second half is wrong",
        |make| changed(make, "sender_signature_wrong", |sender| sender[64] ^= 1),
    ),
    Case::new("sender_signature_zeros", "a signature of zeros", |make| {
        changed(make, "sender_signature_wrong", |sender| {
            sender[32..].fill(0)
        })
    }),
    Case::new(
        "sender_signature_not_reduced",
        "a right signature with the group's order added to its second half",
        |make| {
            changed(make, "sender_signature_wrong", |sender| {
                let mut carry = 0;
                for (byte, add) in sender[64..].iter_mut().zip(ORDER) {
                    let sum = u16::from(*byte) + u16::from(add) + carry;
                    *byte = (sum & 0xff) as u8;
                    carry = sum >> 8;
                }
                assert_eq!(carry, 0);
            })
        },
    ),
    Case::new(
        "sender_signature_of_small_order",
        "a signature whose first half is the neutral element, which the sender can make: it fits the equation and is refused",
        |make| {
            let (mut parts, key) = signed(make, FOUR_CHUNKS);
            let (neutral, public) = (little_endian(1), key.verifying_key());
            let hash = Sha512::new()
                .chain_update(neutral)
                .chain_update(public.as_bytes())
                .chain_update(parts.signed())
                .finalize();
            let s = Scalar::from_bytes_mod_order_wide(&hash.into()) * key.to_scalar();
            parts.sender[32..64].copy_from_slice(&neutral);
            parts.sender[64..].copy_from_slice(s.as_bytes());
            Draft::of(&parts).wrong_sender("sender_signature_wrong")
        },
    ),
    Case::new(
        "sender_of_another_key",
        "somebody else's key before the signature",
        |make| {
            let other = SigningKey::from_bytes(&make.0.array());
            changed(make, "sender_signature_wrong", |sender| {
                sender[..32].copy_from_slice(other.verifying_key().as_bytes());
            })
        },
    ),
    Case::new(
        "sender_of_another_archive",
        "the same sender's region from an archive of the same length",
        |make| {
            let (mut parts, key) = signed(make, FOUR_CHUNKS);
            let mut other = make.archive(FOUR_CHUNKS);
            sign(&mut other, &key);
            parts.sender = other.sender;
            Draft::of(&parts).wrong_sender("sender_signature_wrong")
        },
    ),
    Case::new(
        "sender_of_another_label",
        "a signature for another use of the key",
        |make| {
            let (mut parts, key) = signed(make, FOUR_CHUNKS);
            let mut message = parts.signed();
            message[8] = b'2';
            let signature = key.sign(&message);
            parts.sender[32..].copy_from_slice(&signature.to_bytes());
            Draft::of(&parts).wrong_sender("sender_signature_wrong")
        },
    ),
    Case::new(
        "sender_key_zeros",
        "a key of zeros, which is of small order",
        |make| key(make, [0; 32]),
    ),
    Case::new(
        "sender_key_neutral",
        "the neutral element for a key, with a signature that fits every message by the equation with cofactor and without",
        |make| {
            changed(make, "sender_malformed", |sender| {
                sender.fill(0);
                sender[0] = 1;
                sender[32] = 1;
            })
        },
    ),
    Case::new(
        "sender_key_not_a_point",
        "a key that is no point of the curve",
        |make| {
            let none = (2..=255)
                .map(little_endian)
                .find(|bytes| VerifyingKey::from_bytes(bytes).is_err())
                .unwrap();
            key(make, none)
        },
    ),
    Case::new(
        "sender_key_not_canonical",
        "a key of full order whose coordinate is written with the field's prime added",
        |make| {
            let low = (3..19)
                .find(|low| {
                    VerifyingKey::from_bytes(&little_endian(*low)).is_ok_and(|key| !key.is_weak())
                })
                .unwrap();
            let mut bytes = [0xff; 32];
            bytes[0] = 0xed + low;
            bytes[31] = 0x7f;
            key(make, bytes)
        },
    ),
    Case::new(
        "sender_region_missing",
        "a footer that names a sender region where none is",
        |make| {
            let parts = make.changed(FOUR_CHUNKS, |parts| parts.footer.sender_len = Some(96));
            Draft::of(&parts).wrong_end("length_mismatch", 3)
        },
    ),
    Case::new(
        "sender_region_not_named",
        "a sender region that the footer does not name",
        |make| {
            let (mut parts, _) = signed(make, FOUR_CHUNKS);
            parts.footer.sender_len = Some(0);
            Draft::of(&parts).wrong_end("length_mismatch", 3)
        },
    ),
    Case::new(
        "sender_region_of_payload",
        "a footer that takes the payload's end for table and sender; with random access the sender is looked at first",
        |make| {
            let parts = make.changed(FOUR_CHUNKS, |parts| {
                parts.footer.sender_len = Some(96);
                parts.footer.payload_len = Some(parts.payload().len() as u64 - 96);
            });
            let mut draft = Draft::of(&parts)
                .wrong_end("sender_malformed", 3)
                .sequential("chunk_damaged", 3);
            draft.scrub = "sender_malformed".to_owned();
            draft
        },
    ),
    Case::new(
        "signed_table_rotten",
        "one bit of a signed archive's scrub table is wrong: nothing can be compared with it",
        |make| {
            let (parts, _) = signed(make, FOUR_CHUNKS);
            let at = UNIT + parts.payload().len();
            Draft::of(&parts)
                .edited(|file| file[at] ^= 1)
                .last_check("scrub_table_damaged", "scrub_table_damaged")
                .nothing_with_random_access()
        },
    ),
    Case::new(
        "signed_root_changed",
        "one bit of the table's digest is wrong, which the signature covers",
        |make| {
            let (mut parts, _) = signed(make, FOUR_CHUNKS);
            let mut root = coffer_core::Digest::of(&parts.table()).0;
            root[31] ^= 1;
            parts.footer.root = Some(root);
            Draft::of(&parts).wrong_sender("sender_signature_wrong")
        },
    ),
    Case::new(
        "signed_chunk_rotten",
        "a byte of the second chunk has rotted: with random access it is compared with the signed table before it is decrypted",
        |make| {
            let (parts, _) = signed(make, FOUR_CHUNKS);
            Draft::of(&parts)
                .edited(|file| file[UNIT + 56 + CHUNK + 100] ^= 1)
                .damaged(1, "damaged 0")
                .random("not_what_was_signed", 0)
        },
    ),
    Case::new(
        "signed_chunk_in_second_block_rotten",
        "a byte beyond the first MiB has rotted: the chunk that reaches into it is not released either",
        |make| {
            let (parts, _) = signed(make, 65 * CHUNK);
            Draft::of(&parts)
                .edited(|file| file[UNIT + (1 << 20) + 10_000] ^= 1)
                .damaged(64, "damaged 1")
                .random("not_what_was_signed", 63)
        },
    ),
    Case::new(
        "signed_content_replaced",
        "a recipient, who has the file key, wrote other content under the table that was signed",
        |make| {
            let (mut parts, _) = signed(make, FOUR_CHUNKS);
            parts.table = Some(parts.table());
            parts.content[CHUNK + 5] ^= 1;
            parts.chunks = parts.cipher().chunks(&parts.content);
            Draft::of(&parts)
                .last_check("not_what_was_signed", "damaged 0")
                .nothing_with_random_access()
        },
    ),
    Case::new(
        "signed_content_and_table_replaced",
        "a recipient, who has the file key, wrote other content with a table and footer of its own",
        |make| {
            let (mut parts, _) = signed(make, FOUR_CHUNKS);
            parts.content[CHUNK + 5] ^= 1;
            parts.chunks = parts.cipher().chunks(&parts.content);
            Draft::of(&parts).wrong_sender("sender_signature_wrong")
        },
    ),
    Case::new(
        "signed_salt_replaced",
        "a recipient wrote the same content under another salt, with a table and footer of its own",
        |make| {
            let (mut parts, _) = signed(make, FOUR_CHUNKS);
            parts.salt = make.0.array();
            parts.commitment = parts.cipher().commitment;
            parts.chunks = parts.cipher().chunks(&parts.content);
            Draft::of(&parts).wrong_sender("sender_signature_wrong")
        },
    ),
];
