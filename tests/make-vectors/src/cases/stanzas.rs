//! Faults of the stanzas' grammar, each under a right MAC: only the fault itself can be what a reader stumbles over.

use super::{
    super::parts::{UNIT, base64},
    Case, Draft, Make, raw,
};

/// The usual archive with this text as one more stanza, in front.
fn stanza(make: &mut Make, text: impl Into<Vec<u8>>) -> Draft {
    let parts = make.changed(10, |parts| parts.header.stanzas.insert(0, text.into()));
    Draft::of(&parts).malformed("header_malformed")
}

/// The usual archive with one stanza more whose body is this text, line feeds and all.
fn body(make: &mut Make, lines: &str) -> Draft {
    stanza(make, format!("-> grease\n{lines}"))
}

pub(super) const CASES: &[Case] = &[
    Case::new(
        "stanza_without_arrow",
        "a line where a stanza should begin",
        |make| stanza(make, "grease\n\n"),
    ),
    Case::new(
        "stanza_arrow_without_blank",
        "no blank after the arrow",
        |make| stanza(make, "->grease\n\n"),
    ),
    Case::new("stanza_without_type", "an arrow and nothing else", |make| {
        stanza(make, "-> \n\n")
    }),
    Case::new("stanza_two_blanks", "two blanks between words", |make| {
        stanza(make, "-> grease  one\n\n")
    }),
    Case::new(
        "stanza_blank_at_end",
        "a blank at the end of a stanza's first line",
        |make| stanza(make, "-> grease one \n\n"),
    ),
    Case::new("stanza_tab", "a tab between words", |make| {
        stanza(make, "-> grease\tone\n\n")
    }),
    Case::new("stanza_control", "a control character in a word", |make| {
        stanza(make, "-> gre\x07ase\n\n")
    }),
    Case::new("stanza_delete", "the character DEL in a word", |make| {
        stanza(make, "-> gre\x7fase\n\n")
    }),
    Case::new("stanza_nul", "a zero byte in a word", |make| {
        stanza(make, "-> gre\0ase\n\n")
    }),
    Case::new("stanza_not_ascii", "a word in UTF-8 beyond ASCII", |make| {
        stanza(make, "-> gr\u{f6}ase\n\n")
    }),
    Case::new("stanza_not_utf8", "a word with the byte FF", |make| {
        stanza(make, b"-> gre\xffase\n\n".as_slice())
    }),
    Case::new(
        "stanza_word_too_long",
        "an argument of 4097 characters, one more than may be",
        |make| stanza(make, raw("grease", &["g".repeat(4097)], "")),
    ),
    Case::new(
        "stanza_type_too_long",
        "a type of 4097 characters, one more than may be",
        |make| stanza(make, raw::<&str>(&"g".repeat(4097), &[], "")),
    ),
    Case::new("stanzas_33", "33 stanzas, one more than may be", |make| {
        let grease = raw::<&str>("grease", &[], "");
        stanza(make, grease.repeat(32))
    }),
    Case::new("stanza_crlf", "line ends CR LF in the whole text", |make| {
        let mut parts = make.archive(10);
        let text = String::from_utf8(parts.header.stanzas.concat()).unwrap();
        parts.header.stanzas = vec![text.replace('\n', "\r\n").into_bytes()];
        Draft::of(&parts).malformed("header_malformed")
    }),
    Case::new(
        "stanza_blank_line_between",
        "an empty line between two stanzas",
        |make| stanza(make, "-> grease\n\n\n"),
    ),
    Case::new(
        "stanza_without_body",
        "a stanza without the line that its body must have",
        |make| stanza(make, "-> grease\n"),
    ),
    Case::new(
        "stanza_without_body_at_end",
        "the last stanza without the line that its body must have, before the MAC",
        |make| {
            let parts = make.changed(10, |parts| {
                parts.header.stanzas.push(b"-> grease\n".to_vec());
            });
            Draft::of(&parts).malformed("header_malformed")
        },
    ),
    Case::new(
        "stanza_without_line_feed",
        "the MAC follows a stanza's body on the same line",
        |make| {
            let parts = make.changed(10, |parts| {
                parts.header.stanzas.push(b"-> grease\nAAAA".to_vec());
            });
            Draft::of(&parts).malformed("header_malformed")
        },
    ),
    Case::new(
        "body_line_65",
        "a body line of 65 characters, and a body that would be valid if joined",
        |make| body(make, &format!("{}\nAAA\n", "A".repeat(65))),
    ),
    Case::new(
        "body_line_short_in_the_middle",
        "a body line of 60 characters that is not the last",
        |make| body(make, &format!("{}\nAAAA\n", "A".repeat(60))),
    ),
    Case::new(
        "body_full_line_last",
        "a body whose last line is full, without the empty line after it",
        |make| body(make, &format!("{}\n", "A".repeat(64))),
    ),
    Case::new("body_padded", "a body in base64 with its padding", |make| {
        body(make, "AA==\n")
    }),
    Case::new(
        "body_not_canonical",
        "a body with one of the unused bits of its last character set",
        |make| body(make, "AB\n"),
    ),
    Case::new(
        "body_of_another_alphabet",
        "a body in the alphabet for URLs",
        |make| body(make, "A-_A\n"),
    ),
    Case::new("body_blank", "a body with a blank in it", |make| {
        body(make, "AA AA\n")
    }),
    Case::new(
        "body_one_character",
        "a body of one character, which stands for no byte",
        |make| body(make, "A\n"),
    ),
    Case::new(
        "text_without_stanza_end",
        "a text of a single line feed before the MAC",
        |make| {
            let mut parts = make.bare(10);
            parts.header.stanzas = vec![b"\n".to_vec()];
            let key = parts.file_key;
            Draft::of(&parts)
                .malformed("header_malformed")
                .file_key(key)
        },
    ),
    Case::new(
        "text_of_zeros",
        "a text of zeros as long as the block",
        |make| {
            let parts = make.archive(10);
            Draft::of(&parts)
                .malformed("header_malformed")
                .edited(|file| {
                    file[12..16].copy_from_slice(&4080_u32.to_be_bytes());
                    file[16..UNIT].fill(0);
                })
        },
    ),
    Case::new("mac_dashes_four", "four dashes before the MAC", |make| {
        let parts = make.changed(10, |parts| {
            let mac = base64(&parts.header.mac());
            parts.header.mac = Some(format!("- {mac}\n").into_bytes());
        });
        Draft::of(&parts).malformed("header_malformed")
    }),
];
