//! What every reader must read.

use coffer_core::seal::Cost;

use super::{
    super::parts::{CHUNK, UNIT, base64},
    Case, Draft, OTHER_PASSWORD, PASSWORD, raw, text,
};

/// Content that makes the payload region exactly one block of the scrub table: 63 chunks and one that fills it up.
const ONE_BLOCK: usize = (1 << 20) - 56 - 64 * 16;

pub(super) const CASES: &[Case] = &[
    Case::new(
        "success_empty",
        "no content: one chunk that holds nothing",
        |make| Draft::of(&make.archive(0)),
    ),
    Case::new("success_one_byte", "one byte of content", |make| {
        Draft::of(&make.archive(1))
    }),
    Case::new(
        "success_chunk_less_one",
        "16383 bytes: the longest content in a single chunk",
        |make| Draft::of(&make.archive(CHUNK - 1)),
    ),
    Case::new(
        "success_chunk",
        "16384 bytes: a full chunk and an empty one, since the last is always short",
        |make| Draft::of(&make.archive(CHUNK)),
    ),
    Case::new(
        "success_chunk_and_one",
        "16385 bytes: a full chunk and a byte",
        |make| Draft::of(&make.archive(CHUNK + 1)),
    ),
    Case::new(
        "success_several_chunks",
        "three full chunks and a short one",
        |make| Draft::of(&make.archive(3 * CHUNK + 1000)),
    ),
    Case::new(
        "success_several_full_chunks",
        "three full chunks and an empty one",
        |make| Draft::of(&make.archive(3 * CHUNK)),
    ),
    Case::new(
        "success_one_scrub_block",
        "a payload region of exactly 1 MiB has a scrub table of one digest",
        |make| Draft::of(&make.archive(ONE_BLOCK)),
    ),
    Case::new(
        "success_two_scrub_blocks",
        "a payload region of 1 MiB and a byte has a scrub table of two digests",
        |make| Draft::of(&make.archive(ONE_BLOCK + 1)),
    ),
    Case::new(
        "success_password_nfc",
        "sealed with a composed password and typed decomposed: both are normalised to form C",
        |make| {
            let mut parts = make.bare(10);
            let stanza = make.password(&parts, "Gr\u{fc}\u{df}e \u{1e69}");
            parts.header.stanzas.push(text(&stanza));
            Draft::of(&parts).password("Gru\u{308}\u{df}e s\u{307}\u{323}")
        },
    ),
    Case::new(
        "success_password_not_folded",
        "a password keeps its blanks, case and compatibility characters",
        |make| {
            let password = " \u{fb01}ne \u{2460} Passw\u{f6}rd ";
            let mut parts = make.bare(10);
            let stanza = make.password(&parts, password);
            parts.header.stanzas.push(text(&stanza));
            Draft::of(&parts).password(password)
        },
    ),
    Case::new(
        "success_password_long",
        "a password of 1000 characters",
        |make| {
            let password = "\u{6f22}".repeat(1000);
            let mut parts = make.bare(10);
            let stanza = make.password(&parts, &password);
            parts.header.stanzas.push(text(&stanza));
            Draft::of(&parts).password(&password)
        },
    ),
    Case::new(
        "success_password_four_lanes",
        "Argon2id with four lanes and two passes",
        |make| {
            let cost = Cost {
                memory_kib: 40,
                passes: 2,
                lanes: 4,
            };
            let mut parts = make.bare(10);
            let stanza = make.password_at(&parts, PASSWORD, cost);
            parts.header.stanzas.push(text(&stanza));
            Draft::of(&parts)
        },
    ),
    Case::new(
        "success_second_password",
        "two passwords, of which the second is given",
        |make| {
            let mut parts = make.bare(10);
            for password in [OTHER_PASSWORD, PASSWORD] {
                let stanza = make.password(&parts, password);
                parts.header.stanzas.push(text(&stanza));
            }
            Draft::of(&parts)
        },
    ),
    Case::new(
        "success_eighth_password",
        "eight passwords, as many as may be, of which the last is given",
        |make| {
            let mut parts = make.bare(10);
            for number in 1..8 {
                let stanza = make.password(&parts, &format!("number {number}"));
                parts.header.stanzas.push(text(&stanza));
            }
            let stanza = make.password(&parts, PASSWORD);
            parts.header.stanzas.push(text(&stanza));
            Draft::of(&parts)
        },
    ),
    Case::new("success_mlkem768x25519", "sealed to a hybrid key", |make| {
        let mut parts = make.bare(10);
        let secret = make.hybrid_key();
        parts
            .header
            .stanzas
            .push(text(&make.recipient(&parts, &secret)));
        Draft::of(&parts).identity(&secret)
    }),
    Case::new(
        "success_several_recipients",
        "sealed to three hybrid keys, of which the last is given; the header takes two units",
        |make| {
            let mut parts = make.bare(10);
            let keys = [make.hybrid_key(), make.hybrid_key(), make.hybrid_key()];
            for secret in &keys {
                let stanza = make.recipient(&parts, secret);
                parts.header.stanzas.push(text(&stanza));
            }
            assert_eq!(parts.header().len(), 2 * UNIT);
            Draft::of(&parts).identity(&keys[2])
        },
    ),
    Case::new(
        "success_recipient_twice",
        "the same key twice; the first stanza is enough",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.hybrid_key();
            for _ in 0..2 {
                let stanza = make.recipient(&parts, &secret);
                parts.header.stanzas.push(text(&stanza));
            }
            Draft::of(&parts).identity(&secret)
        },
    ),
    Case::new(
        "success_locked_key",
        "the password opens a locked key, and that opens the stanza for it, which stands before",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.hybrid_key();
            parts.header.stanzas = vec![
                text(&make.recipient(&parts, &secret)),
                text(&make.locked(&secret, PASSWORD)),
            ];
            Draft::of(&parts)
        },
    ),
    Case::new(
        "success_locked_key_by_key",
        "a header with a locked key opens with the key itself",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.hybrid_key();
            parts.header.stanzas = vec![
                text(&make.locked(&secret, PASSWORD)),
                text(&make.recipient(&parts, &secret)),
            ];
            Draft::of(&parts).identity(&secret)
        },
    ),
    Case::new(
        "success_password_beside_locked_key",
        "a locked key with another password stands before the password that is given",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.hybrid_key();
            parts.header.stanzas = vec![
                text(&make.locked(&secret, OTHER_PASSWORD)),
                text(&make.recipient(&parts, &secret)),
                text(&make.password(&parts, PASSWORD)),
            ];
            Draft::of(&parts)
        },
    ),
    Case::new(
        "success_key_beside_costly_password",
        "a password stanza that asks for too much is no matter to who has a key",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.hybrid_key();
            let mut costly = make.password(&parts, PASSWORD);
            costly.args[0] = "4294967295".to_owned();
            parts.header.stanzas = vec![text(&costly), text(&make.recipient(&parts, &secret))];
            Draft::of(&parts).identity(&secret)
        },
    ),
    Case::new(
        "success_restore_bundle",
        "no stanza at all: the file key is handed over",
        |make| {
            let parts = make.bare(CHUNK + 10);
            Draft::of(&parts).file_key(parts.file_key)
        },
    ),
    Case::new(
        "success_unknown_stanzas",
        "stanzas of unknown types, with and without arguments and bodies, are skipped",
        |make| {
            let mut parts = make.archive(10);
            let words = ["!\"#$%&'()*+,-./:;<=>?@", "[\\]^_`{|}~"];
            parts.header.stanzas.splice(
                0..0,
                [
                    raw::<&str>("grease", &[], ""),
                    raw("->", &words, &base64(b"skip me")),
                ],
            );
            parts
                .header
                .stanzas
                .push(raw("ARGON2ID", &["8", "1"], &base64(&[7; 500])));
            Draft::of(&parts)
        },
    ),
    Case::new(
        "success_body_of_full_lines",
        "the body of an unknown stanza fills two lines of 64 characters, so an empty line follows",
        |make| {
            let mut parts = make.archive(10);
            let body = base64(&[0xa5; 96]);
            assert_eq!(body.len(), 128);
            parts
                .header
                .stanzas
                .insert(0, raw::<&str>("grease", &[], &body));
            Draft::of(&parts)
        },
    ),
    Case::new(
        "success_longest_word",
        "an argument of 4096 characters, as long as may be",
        |make| {
            let mut parts = make.archive(10);
            parts
                .header
                .stanzas
                .insert(0, raw("grease", &["g".repeat(4096)], ""));
            Draft::of(&parts)
        },
    ),
    Case::new(
        "success_32_stanzas",
        "32 stanzas, as many as may be",
        |make| {
            let mut parts = make.archive(10);
            for _ in 0..31 {
                parts
                    .header
                    .stanzas
                    .insert(0, raw::<&str>("grease", &[], ""));
            }
            Draft::of(&parts)
        },
    ),
    Case::new(
        "success_header_padded",
        "a header block of three units whose text needs one",
        |make| Draft::of(&make.changed(10, |parts| parts.header.units = Some(3))),
    ),
    Case::new(
        "success_header_without_padding",
        "a text that fills the header block to its last byte",
        |make| {
            let mut parts = make.archive(10);
            let free = UNIT - 16 - parts.header.stanzas[0].len() - 48;
            // The words, blanks and line ends around it take 13 bytes.
            parts
                .header
                .stanzas
                .insert(0, raw("grease", &["g".repeat(free - 13 + 1)], ""));
            let block = parts.header();
            assert_eq!((block.len(), block[UNIT - 1]), (UNIT, b'\n'));
            Draft::of(&parts)
        },
    ),
    Case::new(
        "success_largest_header",
        "a header block of 16 units, as many as may be, nearly full",
        |make| {
            let mut parts = make.archive(10);
            for _ in 0..15 {
                parts
                    .header
                    .stanzas
                    .insert(0, raw("grease", &["g".repeat(4096)], ""));
            }
            assert_eq!(parts.header().len(), 16 * UNIT);
            Draft::of(&parts)
        },
    ),
];
