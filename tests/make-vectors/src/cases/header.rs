//! Faults of the header block: its start, its lengths, its MAC.

use super::{
    super::parts::{CHUNK, UNIT, base64},
    Case, Draft, Make, raw, text,
};

/// The usual archive with a change that no reader gets past.
fn malformed(make: &mut Make, code: &'static str, change: impl FnOnce(&mut super::Parts)) -> Draft {
    Draft::of(&make.changed(10, change)).malformed(code)
}

/// The usual archive with another header, under its old MAC.
fn forged(make: &mut Make, change: impl FnOnce(&mut super::Parts)) -> Draft {
    let mut parts = make.archive(10);
    let grease = raw("grease", &["one", "two"], &base64(b"body"));
    parts.header.stanzas.push(grease);
    let line = format!(" {}\n", base64(&parts.header.mac()));
    parts.header.mac = Some(line.into_bytes());
    change(&mut parts);
    Draft::of(&parts).locked_out("header_damaged")
}

/// The usual archive whose MAC line is another.
fn mac_line(make: &mut Make, line: impl FnOnce(String) -> String) -> Draft {
    malformed(make, "header_malformed", |parts| {
        let right = format!(" {}\n", base64(&parts.header.mac()));
        parts.header.mac = Some(line(right).into_bytes());
    })
}

pub(super) const CASES: &[Case] = &[
    Case::new("empty_file", "a file without bytes", |make| {
        malformed(make, "empty", |_| ()).edited(Vec::clear)
    }),
    Case::new("not_sealed_zip", "a ZIP", |make| {
        malformed(make, "not_sealed", |_| ())
            .edited(|file| file[..4].copy_from_slice(b"PK\x03\x04"))
    }),
    Case::new("not_sealed_one_byte", "a single zero byte", |make| {
        malformed(make, "not_sealed", |_| ()).edited(|file| *file = vec![0])
    }),
    Case::new(
        "not_sealed_footer_magic",
        "the footer's magic where the header's should be",
        |make| {
            malformed(make, "not_sealed", |parts| {
                parts.header.magic = parts.footer.magic
            })
        },
    ),
    Case::new(
        "not_sealed_last_byte",
        "the last byte of the magic is wrong",
        |make| malformed(make, "not_sealed", |parts| parts.header.magic[7] = b'\r'),
    ),
    Case::new(
        "not_sealed_carriage_returns",
        "each CR LF turned into CR, which no transfer does",
        |make| {
            malformed(make, "not_sealed", |_| ()).edited(|file| {
                file.remove(5);
            })
        },
    ),
    Case::new("text_mode_lf", "a transfer turned CR LF into LF", |make| {
        malformed(make, "text_mode", |_| ()).edited(|file| {
            let mut out = Vec::new();
            for (at, byte) in file.iter().enumerate() {
                if *byte != b'\r' || file.get(at + 1) != Some(&b'\n') {
                    out.push(*byte);
                }
            }
            *file = out;
        })
    }),
    Case::new(
        "text_mode_crlf",
        "a transfer turned LF into CR LF",
        |make| {
            malformed(make, "text_mode", |_| ()).edited(|file| {
                let mut out = Vec::new();
                for byte in file.iter() {
                    if *byte == b'\n' {
                        out.push(b'\r');
                    }
                    out.push(*byte);
                }
                *file = out;
            })
        },
    ),
    Case::new(
        "text_mode_seven_bits",
        "a transfer cut off the eighth bit of every byte",
        |make| {
            malformed(make, "text_mode", |_| ())
                .edited(|file| file.iter_mut().for_each(|byte| *byte &= 0x7f))
        },
    ),
    Case::new("version_0", "format version 0", |make| {
        malformed(make, "unsupported_version", |parts| {
            parts.header.version = 0
        })
    }),
    Case::new("version_2", "format version 2", |make| {
        malformed(make, "unsupported_version", |parts| {
            parts.header.version = 2
        })
    }),
    Case::new(
        "version_256",
        "format version 256: the number is big-endian",
        |make| {
            malformed(make, "unsupported_version", |parts| {
                parts.header.version = 256
            })
        },
    ),
    Case::new(
        "version_2_of_another_form",
        "a newer version is told before anything else of the header is looked at",
        |make| {
            malformed(make, "unsupported_version", |parts| {
                parts.header.version = 2;
                parts.header.units = Some(0);
                parts.header.len = Some(UNIT);
                parts.header.text_len = Some(u32::MAX);
            })
        },
    ),
    Case::new("header_units_0", "a header block of no units", |make| {
        malformed(make, "header_malformed", |parts| {
            parts.header.units = Some(0);
            parts.header.len = Some(UNIT);
        })
    }),
    Case::new(
        "header_units_17",
        "a header block of 17 units, one more than may be",
        |make| {
            malformed(make, "header_malformed", |parts| {
                parts.header.units = Some(17)
            })
        },
    ),
    Case::new(
        "header_units_65535",
        "a header that claims 256 MiB is refused before that is allocated",
        |make| {
            malformed(make, "header_malformed", |parts| {
                parts.header.units = Some(u16::MAX);
                parts.header.len = Some(UNIT);
            })
        },
    ),
    Case::new(
        "header_units_beyond_file",
        "a header block of 16 units in a file of two",
        |make| {
            malformed(make, "cut_short", |parts| {
                parts.header.units = Some(16);
                parts.header.len = Some(UNIT);
            })
        },
    ),
    Case::new(
        "header_units_too_many",
        "a header that takes the start of the payload for its padding",
        |make| {
            let mut parts = make.archive(CHUNK);
            parts.header.units = Some(2);
            parts.header.len = Some(UNIT);
            Draft::of(&parts).malformed("header_malformed")
        },
    ),
    Case::new(
        "header_units_too_few",
        "a header text that is longer than its block",
        |make| {
            malformed(make, "header_malformed", |parts| {
                let grease = raw("grease", &["g".repeat(4000)], "");
                parts.header.stanzas.push(grease);
                parts.header.units = Some(1);
                parts.header.len = Some(2 * UNIT);
            })
        },
    ),
    Case::new("header_text_len_0", "a header text of no bytes", |make| {
        malformed(make, "header_malformed", |parts| {
            parts.header.text_len = Some(0)
        })
    }),
    Case::new(
        "header_text_len_short",
        "a text length that leaves the last line feed out",
        |make| {
            malformed(make, "header_malformed", |parts| {
                let len = parts.header.stanzas.concat().len() + 47;
                parts.header.text_len = Some(u32::try_from(len).unwrap());
            })
        },
    ),
    Case::new(
        "header_text_len_long",
        "a text length that takes a byte of padding in",
        |make| {
            malformed(make, "header_malformed", |parts| {
                let len = parts.header.stanzas.concat().len() + 49;
                parts.header.text_len = Some(u32::try_from(len).unwrap());
            })
        },
    ),
    Case::new(
        "header_text_len_of_block",
        "a text length of the whole block, which leaves no room for the fixed part",
        |make| {
            malformed(make, "header_malformed", |parts| {
                parts.header.text_len = Some(4096)
            })
        },
    ),
    Case::new(
        "header_text_len_max",
        "a text length of 4 GiB less one",
        |make| {
            malformed(make, "header_malformed", |parts| {
                parts.header.text_len = Some(u32::MAX)
            })
        },
    ),
    Case::new(
        "header_padding_first",
        "the first byte of padding is not zero",
        |make| {
            let parts = make.archive(10);
            let end = 16 + parts.header.stanzas.concat().len() + 48;
            Draft::of(&parts)
                .malformed("header_malformed")
                .edited(|file| file[end] = 1)
        },
    ),
    Case::new(
        "header_padding_last",
        "the last byte of padding is not zero",
        |make| malformed(make, "header_malformed", |_| ()).edited(|file| file[UNIT - 1] = 0x20),
    ),
    Case::new(
        "header_mac_missing",
        "stanzas without a MAC after them",
        |make| {
            malformed(make, "header_malformed", |parts| {
                parts
                    .header
                    .stanzas
                    .push(raw("grease", &["g".repeat(100)], ""));
            })
            .edited(|file| {
                let dashes = file.windows(4).position(|four| four == b"--- ").unwrap();
                let len = u32::try_from(dashes - 16).unwrap();
                file[12..16].copy_from_slice(&len.to_be_bytes());
                file[dashes..dashes + 48].fill(0);
            })
        },
    ),
    Case::new("header_mac_short", "a MAC of 31 bytes", |make| {
        mac_line(make, |right| format!(" {}\n", &right[1..43]))
    }),
    Case::new("header_mac_long", "a MAC of 33 bytes", |make| {
        mac_line(make, |right| format!(" {}A\n", right.trim()))
    }),
    Case::new(
        "header_mac_padded",
        "a MAC in base64 with its padding",
        |make| mac_line(make, |right| format!(" {}=\n", right.trim())),
    ),
    Case::new(
        "header_mac_not_canonical",
        "the right MAC with one of the unused bits of its last character set",
        |make| {
            mac_line(make, |right| {
                let right = right.trim();
                let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
                let last = alphabet.find(right.chars().last().unwrap()).unwrap();
                format!(" {}{}\n", &right[..42], &alphabet[last + 1..last + 2])
            })
        },
    ),
    Case::new(
        "header_mac_of_another_alphabet",
        "a MAC with a character of the alphabet for URLs",
        |make| mac_line(make, |right| format!(" _{}", &right[2..])),
    ),
    Case::new(
        "header_mac_two_blanks",
        "two blanks before the MAC",
        |make| mac_line(make, |right| format!(" {right}")),
    ),
    Case::new("header_mac_crlf", "CR LF after the MAC", |make| {
        mac_line(make, |right| format!(" {}\r\n", right.trim()))
    }),
    Case::new(
        "header_mac_without_line_feed",
        "a text that ends right after the MAC",
        |make| mac_line(make, |right| format!(" {}", right.trim())),
    ),
    Case::new(
        "header_mac_then_more",
        "another stanza after the MAC",
        |make| mac_line(make, |right| format!("{right}-> grease\n\n")),
    ),
    Case::new(
        "header_mac_flipped",
        "one bit of the MAC is wrong",
        |make| {
            let parts = make.changed(10, |parts| {
                let mut mac = parts.header.mac();
                mac[31] ^= 1;
                parts.header.mac = Some(format!(" {}\n", base64(&mac)).into_bytes());
            });
            Draft::of(&parts).locked_out("header_damaged")
        },
    ),
    Case::new("header_mac_zeros", "a MAC of zeros", |make| {
        let parts = make.changed(10, |parts| {
            parts.header.mac = Some(format!(" {}\n", base64(&[0; 32])).into_bytes());
        });
        Draft::of(&parts).locked_out("header_damaged")
    }),
    Case::new(
        "header_mac_of_another_key",
        "a MAC by another key, as somebody without the file key would make it",
        |make| {
            let parts = make.changed(10, |parts| parts.header.mac_key = [7; 32]);
            Draft::of(&parts).locked_out("header_damaged")
        },
    ),
    Case::new(
        "header_mac_by_the_file_key",
        "a MAC by the file key itself instead of the header key",
        |make| {
            let parts = make.changed(10, |parts| parts.header.mac_key = parts.file_key);
            Draft::of(&parts).locked_out("header_damaged")
        },
    ),
    Case::new(
        "header_forged_stanza_dropped",
        "a stanza was taken out after the header was made",
        |make| {
            forged(make, |parts| {
                parts.header.stanzas.pop();
            })
        },
    ),
    Case::new(
        "header_forged_stanza_added",
        "a stanza was added after the header was made",
        |make| {
            forged(make, |parts| {
                parts.header.stanzas.push(raw::<&str>("grease", &[], ""));
            })
        },
    ),
    Case::new(
        "header_forged_stanza_doubled",
        "a stanza was doubled after the header was made",
        |make| {
            forged(make, |parts| {
                let last = parts.header.stanzas[1].clone();
                parts.header.stanzas.push(last);
            })
        },
    ),
    Case::new(
        "header_forged_order",
        "two stanzas changed places after the header was made",
        |make| forged(make, |parts| parts.header.stanzas.swap(0, 1)),
    ),
    Case::new(
        "header_forged_type",
        "the type of an unknown stanza was changed after the header was made",
        |make| {
            forged(make, |parts| {
                parts.header.stanzas[1] = raw("geese", &["one", "two"], &base64(b"body"));
            })
        },
    ),
    Case::new(
        "header_forged_argument",
        "an argument of an unknown stanza was changed after the header was made",
        |make| {
            forged(make, |parts| {
                parts.header.stanzas[1] = raw("grease", &["one", "too"], &base64(b"body"));
            })
        },
    ),
    Case::new(
        "header_forged_body",
        "the body of an unknown stanza was changed after the header was made",
        |make| {
            forged(make, |parts| {
                parts.header.stanzas[1] = raw("grease", &["one", "two"], &base64(b"bodY"));
            })
        },
    ),
    Case::new(
        "header_forged_units",
        "the header block was made longer after the header was made",
        |make| forged(make, |parts| parts.header.units = Some(2)),
    ),
    Case::new(
        "header_of_another_archive",
        "the header of an archive with the same password and another file key: its MAC is right, its payload is not",
        |make| {
            let other = make.archive(10);
            let parts = make.changed(10, |parts| {
                parts.header = other.header;
            });
            Draft::of(&parts).locked_out("commitment_mismatch")
        },
    ),
    Case::new(
        "header_stanza_of_another_archive",
        "a stanza that gives another archive's file key",
        |make| {
            let other = make.bare(10);
            let stanza = make.password(&other, super::PASSWORD);
            let parts = make.changed(10, |parts| parts.header.stanzas = vec![text(&stanza)]);
            Draft::of(&parts).locked_out("header_damaged")
        },
    ),
];
