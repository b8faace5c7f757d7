//! Faults of known stanzas: their exact form, what they cost, and what they give.

use coffer_core::seal::Stanza;

use super::{
    super::parts::{Parts, base64},
    Case, Draft, Make, OTHER_PASSWORD, PASSWORD, text,
};

/// An archive whose only stanza is for the usual password, changed.
fn password(make: &mut Make, change: impl FnOnce(&mut Stanza)) -> Draft {
    let mut parts = make.bare(10);
    let mut stanza = make.password(&parts, PASSWORD);
    change(&mut stanza);
    parts.header.stanzas.push(text(&stanza));
    Draft::of(&parts)
}

/// The same, where the stanza no longer has its form.
fn password_form(make: &mut Make, change: impl FnOnce(&mut Stanza)) -> Draft {
    password(make, change).malformed("header_malformed")
}

/// The same with one of the numbers replaced: 0 is the memory, 1 the passes, 2 the lanes.
fn number(make: &mut Make, argument: usize, number: &str) -> Draft {
    password(make, |stanza| number.clone_into(&mut stanza.args[argument]))
}

/// An archive sealed to a hybrid key, with its stanza changed, opened with the key.
fn hybrid(make: &mut Make, change: impl FnOnce(&mut Stanza)) -> Draft {
    let mut parts = make.bare(10);
    let secret = make.hybrid_key();
    let mut stanza = make.recipient(&parts, &secret);
    change(&mut stanza);
    parts.header.stanzas.push(text(&stanza));
    Draft::of(&parts).identity(&secret)
}

/// An archive with a locked key and its recipient's stanza, the former changed, opened with the password.
fn locked(make: &mut Make, change: impl FnOnce(&mut Stanza)) -> Draft {
    let mut parts = make.bare(10);
    let secret = make.hybrid_key();
    let mut stanza = make.locked(&secret, PASSWORD);
    change(&mut stanza);
    parts.header.stanzas = vec![text(&stanza), text(&make.recipient(&parts, &secret))];
    Draft::of(&parts)
}

/// The usual archive with a second password stanza in front.
fn beside(make: &mut Make, change: impl FnOnce(&mut Stanza)) -> Parts {
    let mut parts = make.archive(10);
    let mut first = make.password(&parts, OTHER_PASSWORD);
    change(&mut first);
    parts.header.stanzas.insert(0, text(&first));
    parts
}

/// Changes bytes that stand in base64.
fn recode(argument: &mut String, change: impl FnOnce(&mut Vec<u8>)) {
    use base64ct::{Base64Unpadded, Encoding};
    let mut bytes = Base64Unpadded::decode_vec(argument).unwrap();
    change(&mut bytes);
    *argument = base64(&bytes);
}

/// Sets an unused bit of the last character.
fn not_canonical(argument: &mut String) {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let last = alphabet.find(argument.pop().unwrap()).unwrap();
    argument.push_str(&alphabet[last + 1..last + 2]);
}

pub(super) const CASES: &[Case] = &[
    Case::new("wrong_password", "another password", |make| {
        Draft::of(&make.archive(10))
            .password(OTHER_PASSWORD)
            .locked_out("wrong_password")
    }),
    Case::new(
        "wrong_password_case",
        "the same password in capitals",
        |make| {
            Draft::of(&make.archive(10))
                .password(&PASSWORD.to_uppercase())
                .locked_out("wrong_password")
        },
    ),
    Case::new(
        "wrong_password_compatibility",
        "a ligature is not the two letters that it stands for: form C, not KC",
        |make| {
            let mut parts = make.bare(10);
            let stanza = make.password(&parts, "\u{fb01}ne");
            parts.header.stanzas.push(text(&stanza));
            Draft::of(&parts)
                .password("fine")
                .locked_out("wrong_password")
        },
    ),
    Case::new(
        "wrong_password_of_several",
        "two passwords, and neither is given",
        |make| {
            Draft::of(&beside(make, |_| ()))
                .password("a third one")
                .locked_out("wrong_password")
        },
    ),
    Case::new(
        "wrong_password_for_locked_key",
        "another password than the locked key's",
        |make| {
            locked(make, |_| ())
                .password(OTHER_PASSWORD)
                .locked_out("wrong_password")
        },
    ),
    Case::new(
        "not_a_recipient_password",
        "a password for an archive that is sealed to a key",
        |make| {
            hybrid(make, |_| ())
                .password(PASSWORD)
                .locked_out("not_a_recipient")
        },
    ),
    Case::new(
        "not_a_recipient_key",
        "a key for an archive that is sealed with a password",
        |make| {
            let secret = make.hybrid_key();
            Draft::of(&make.archive(10))
                .identity(&secret)
                .locked_out("not_a_recipient")
        },
    ),
    Case::new(
        "not_a_recipient_other_key",
        "another key than the one that it is sealed to",
        |make| {
            let stranger = make.hybrid_key();
            hybrid(make, |_| ())
                .identity(&stranger)
                .locked_out("not_a_recipient")
        },
    ),
    Case::new(
        "not_a_recipient_unknown_stanza",
        "only stanzas of unknown types",
        |make| {
            let mut parts = make.bare(10);
            parts.header.stanzas = vec![super::raw("scrypt", &["18"], &base64(&[1; 32]))];
            Draft::of(&parts).locked_out("not_a_recipient")
        },
    ),
    Case::new(
        "not_a_recipient_restore_bundle",
        "a password for a restore bundle",
        |make| Draft::of(&make.bare(10)).locked_out("not_a_recipient"),
    ),
    Case::new(
        "wrong_file_key",
        "another file key than the restore bundle's",
        |make| {
            Draft::of(&make.bare(10))
                .file_key([7; 32])
                .locked_out("header_damaged")
        },
    ),
    Case::new(
        "passwords_9",
        "nine stanzas that need a password, one more than may be",
        |make| {
            let mut parts = make.archive(10);
            let stanza = parts.header.stanzas[0].clone();
            parts.header.stanzas = vec![stanza; 9];
            Draft::of(&parts).malformed("header_malformed")
        },
    ),
    Case::new(
        "passwords_9_with_locked_keys",
        "five passwords and four locked keys: all need a password",
        |make| {
            let mut parts = make.archive(10);
            let secret = make.hybrid_key();
            let password = parts.header.stanzas[0].clone();
            let locked = text(&make.locked(&secret, PASSWORD));
            parts.header.stanzas = [vec![password; 5], vec![locked; 4]].concat();
            Draft::of(&parts).malformed("header_malformed")
        },
    ),
    // What a password costs
    Case::new(
        "cost_memory",
        "1 KiB more memory than a reader gives",
        |make| number(make, 0, "1048577").locked_out("cost_too_high"),
    ),
    Case::new("cost_memory_max", "4 TiB of memory", |make| {
        number(make, 0, "4294967295").locked_out("cost_too_high")
    }),
    Case::new("cost_passes", "one pass more than a reader makes", |make| {
        number(make, 1, "17").locked_out("cost_too_high")
    }),
    Case::new("cost_passes_max", "four thousand million passes", |make| {
        number(make, 1, "4294967295").locked_out("cost_too_high")
    }),
    Case::new("cost_lanes", "one lane more than a reader runs", |make| {
        password(make, |stanza| {
            "1024".clone_into(&mut stanza.args[0]);
            "5".clone_into(&mut stanza.args[2]);
        })
        .locked_out("cost_too_high")
    }),
    Case::new(
        "cost_lanes_max",
        "four thousand million lanes, for which no memory is enough",
        |make| number(make, 2, "4294967295").locked_out("cost_too_high"),
    ),
    Case::new("cost_all_max", "the largest numbers there are", |make| {
        password(make, |stanza| {
            for number in &mut stanza.args[..3] {
                "4294967295".clone_into(number);
            }
        })
        .locked_out("cost_too_high")
    }),
    Case::new(
        "cost_before_the_right_password",
        "a stanza that costs too much stands before the one that the password opens: nothing is tried after it",
        |make| {
            let parts = beside(make, |stanza| "1048577".clone_into(&mut stanza.args[0]));
            Draft::of(&parts).locked_out("cost_too_high")
        },
    ),
    Case::new(
        "cost_after_the_right_password",
        "a stanza that costs too much stands after the one that the password opens, and is not reached",
        |make| {
            let mut parts = beside(make, |stanza| "1048577".clone_into(&mut stanza.args[0]));
            parts.header.stanzas.swap(0, 1);
            Draft::of(&parts)
        },
    ),
    Case::new(
        "cost_locked_key",
        "a locked key that asks for more memory than a reader gives",
        |make| {
            locked(make, |stanza| "1048577".clone_into(&mut stanza.args[1]))
                .locked_out("cost_too_high")
        },
    ),
    Case::new("cost_no_passes", "no pass at all", |make| {
        number(make, 1, "0").locked_out("header_malformed")
    }),
    Case::new("cost_no_lanes", "no lane at all", |make| {
        number(make, 2, "0").locked_out("header_malformed")
    }),
    Case::new(
        "cost_memory_too_small",
        "less memory than 8 KiB for each lane",
        |make| {
            password(make, |stanza| {
                "31".clone_into(&mut stanza.args[0]);
                "4".clone_into(&mut stanza.args[2]);
            })
            .locked_out("header_malformed")
        },
    ),
    // The form of a password stanza
    Case::new(
        "argon2id_leading_zero",
        "a number with a leading zero",
        |make| number(make, 0, "08").malformed("header_malformed"),
    ),
    Case::new("argon2id_plus", "a number with a sign", |make| {
        number(make, 1, "+1").malformed("header_malformed")
    }),
    Case::new("argon2id_minus", "a negative number", |make| {
        number(make, 1, "-1").malformed("header_malformed")
    }),
    Case::new("argon2id_hexadecimal", "a number in hexadecimal", |make| {
        number(make, 0, "0x8").malformed("header_malformed")
    }),
    Case::new(
        "argon2id_number_beyond_32_bits",
        "2^32, which no parameter can be",
        |make| number(make, 0, "4294967296").malformed("header_malformed"),
    ),
    Case::new(
        "argon2id_number_wraps",
        "2^32 + 8, which is 8 to who counts modulo 2^32",
        |make| number(make, 0, "4294967304").malformed("header_malformed"),
    ),
    Case::new("argon2id_argument_missing", "no lanes", |make| {
        password_form(make, |stanza| {
            stanza.args.remove(2);
        })
    }),
    Case::new("argon2id_argument_more", "an argument too many", |make| {
        password_form(make, |stanza| stanza.args.push("1".to_owned()))
    }),
    Case::new("argon2id_salt_short", "a salt of 15 bytes", |make| {
        password_form(make, |stanza| {
            recode(&mut stanza.args[3], |salt| salt.truncate(15))
        })
    }),
    Case::new("argon2id_salt_long", "a salt of 17 bytes", |make| {
        password_form(make, |stanza| {
            recode(&mut stanza.args[3], |salt| salt.push(0))
        })
    }),
    Case::new(
        "argon2id_salt_not_canonical",
        "a salt with one of the unused bits of its last character set",
        |make| password_form(make, |stanza| not_canonical(&mut stanza.args[3])),
    ),
    Case::new("argon2id_salt_padded", "a salt with padding", |make| {
        password_form(make, |stanza| stanza.args[3].push_str("=="))
    }),
    Case::new(
        "argon2id_commitment_short",
        "a commitment of 31 bytes",
        |make| {
            password_form(make, |stanza| {
                recode(&mut stanza.args[4], |bytes| bytes.truncate(31));
            })
        },
    ),
    Case::new(
        "argon2id_commitment_long",
        "a commitment of 33 bytes",
        |make| {
            password_form(make, |stanza| {
                recode(&mut stanza.args[4], |bytes| bytes.push(0))
            })
        },
    ),
    Case::new("argon2id_body_short", "a body of 47 bytes", |make| {
        password_form(make, |stanza| stanza.body.truncate(47))
    }),
    Case::new("argon2id_body_long", "a body of 49 bytes", |make| {
        password_form(make, |stanza| stanza.body.push(0))
    }),
    Case::new("argon2id_body_empty", "no body", |make| {
        password_form(make, |stanza| stanza.body.clear())
    }),
    Case::new(
        "argon2id_malformed_beside_a_key",
        "a password stanza without its form is refused even where a key would open the archive",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.hybrid_key();
            let mut stanza = make.password(&parts, PASSWORD);
            stanza.body.truncate(47);
            parts.header.stanzas = vec![text(&make.recipient(&parts, &secret)), text(&stanza)];
            Draft::of(&parts)
                .identity(&secret)
                .malformed("header_malformed")
        },
    ),
    // What a password stanza gives
    Case::new(
        "argon2id_commitment_changed",
        "a commitment that is not the password's: the password is told to be wrong",
        |make| {
            password(make, |stanza| {
                recode(&mut stanza.args[4], |bytes| bytes[31] ^= 1)
            })
            .locked_out("wrong_password")
        },
    ),
    Case::new(
        "argon2id_salt_changed",
        "another salt: the password is told to be wrong",
        |make| {
            password(make, |stanza| {
                recode(&mut stanza.args[3], |bytes| bytes[0] ^= 1)
            })
            .locked_out("wrong_password")
        },
    ),
    Case::new(
        "argon2id_cost_changed",
        "another number of passes: the password is told to be wrong",
        |make| number(make, 1, "2").locked_out("wrong_password"),
    ),
    Case::new(
        "argon2id_body_changed",
        "the password is right and the body does not open",
        |make| password(make, |stanza| stanza.body[0] ^= 1).locked_out("header_damaged"),
    ),
    Case::new(
        "argon2id_tag_changed",
        "the password is right and the body's tag is not",
        |make| password(make, |stanza| stanza.body[47] ^= 1).locked_out("header_damaged"),
    ),
    Case::new(
        "argon2id_damaged_before_the_right_one",
        "a stanza that the password fits and whose body is damaged stands before a good one: nothing is tried after it",
        |make| {
            let mut parts = make.archive(10);
            let mut first = make.password(&parts, PASSWORD);
            first.body[3] ^= 0x40;
            parts.header.stanzas.insert(0, text(&first));
            Draft::of(&parts).locked_out("header_damaged")
        },
    ),
    Case::new(
        "argon2id_of_a_locked_key",
        "a locked key's wrapping under the type argon2id: another label, another commitment",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.hybrid_key();
            let mut stanza = make.locked(&secret, PASSWORD);
            "argon2id".clone_into(&mut stanza.tag);
            stanza.args.remove(0);
            parts.header.stanzas.push(text(&stanza));
            Draft::of(&parts).locked_out("wrong_password")
        },
    ),
    // Locked keys
    Case::new(
        "locked_key_without_recipient",
        "the password opens a locked key, and no stanza is for that",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.hybrid_key();
            parts
                .header
                .stanzas
                .push(text(&make.locked(&secret, PASSWORD)));
            Draft::of(&parts).locked_out("header_damaged")
        },
    ),
    Case::new(
        "locked_key_of_another",
        "the key inside is not the one that is named",
        |make| {
            let other = make.hybrid_key();
            let locked_other = make.locked(&other, PASSWORD);
            locked(make, |stanza| {
                stanza.args[1..].clone_from_slice(&locked_other.args[1..]);
                stanza.body = locked_other.body;
            })
            .locked_out("header_damaged")
        },
    ),
    Case::new(
        "locked_key_body_changed",
        "the password is right and the locked key does not open",
        |make| locked(make, |stanza| stanza.body[20] ^= 1).locked_out("header_damaged"),
    ),
    Case::new(
        "locked_key_commitment_changed",
        "a commitment that is not the password's",
        |make| {
            locked(make, |stanza| {
                recode(&mut stanza.args[5], |bytes| bytes[0] ^= 0x80)
            })
            .locked_out("wrong_password")
        },
    ),
    Case::new(
        "locked_key_fingerprint_capitals",
        "a fingerprint in capitals",
        |make| {
            locked(make, |stanza| stanza.args[0].make_ascii_uppercase())
                .malformed("header_malformed")
        },
    ),
    Case::new(
        "locked_key_fingerprint_short",
        "a fingerprint of 15 bytes",
        |make| locked(make, |stanza| stanza.args[0].truncate(30)).malformed("header_malformed"),
    ),
    Case::new("locked_key_argument_missing", "no commitment", |make| {
        locked(make, |stanza| {
            stanza.args.pop();
        })
        .malformed("header_malformed")
    }),
    Case::new(
        "locked_key_leading_zero",
        "a number with a leading zero",
        |make| {
            locked(make, |stanza| "01".clone_into(&mut stanza.args[2]))
                .malformed("header_malformed")
        },
    ),
    Case::new("locked_key_body_long", "a body of 49 bytes", |make| {
        locked(make, |stanza| stanza.body.push(0)).malformed("header_malformed")
    }),
    // Hybrid keys
    Case::new(
        "mlkem768x25519_argument_missing",
        "no encapsulated key",
        |make| {
            hybrid(make, |stanza| {
                stanza.args.pop();
            })
            .malformed("header_malformed")
        },
    ),
    Case::new(
        "mlkem768x25519_argument_more",
        "an argument too many",
        |make| {
            hybrid(make, |stanza| stanza.args.push("1".to_owned())).malformed("header_malformed")
        },
    ),
    Case::new(
        "mlkem768x25519_fingerprint_capitals",
        "a fingerprint in capitals",
        |make| {
            hybrid(make, |stanza| stanza.args[0].make_ascii_uppercase())
                .malformed("header_malformed")
        },
    ),
    Case::new(
        "mlkem768x25519_fingerprint_long",
        "a fingerprint of 17 bytes",
        |make| hybrid(make, |stanza| stanza.args[0].push_str("00")).malformed("header_malformed"),
    ),
    Case::new(
        "mlkem768x25519_fingerprint_no_hexadecimal",
        "a fingerprint with a letter that is no digit",
        |make| {
            hybrid(make, |stanza| stanza.args[0].replace_range(..1, "g"))
                .malformed("header_malformed")
        },
    ),
    Case::new(
        "mlkem768x25519_fingerprint_of_another",
        "a fingerprint of a key that nobody has",
        |make| {
            hybrid(make, |stanza| {
                let other = if stanza.args[0].starts_with('0') {
                    "1"
                } else {
                    "0"
                };
                stanza.args[0].replace_range(..1, other);
            })
            .locked_out("not_a_recipient")
        },
    ),
    Case::new(
        "mlkem768x25519_encapsulated_short",
        "an encapsulated key of 1119 bytes",
        |make| {
            hybrid(make, |stanza| {
                recode(&mut stanza.args[1], |bytes| bytes.truncate(1119))
            })
            .malformed("header_malformed")
        },
    ),
    Case::new(
        "mlkem768x25519_encapsulated_long",
        "an encapsulated key of 1121 bytes",
        |make| {
            hybrid(make, |stanza| {
                recode(&mut stanza.args[1], |bytes| bytes.push(0))
            })
            .malformed("header_malformed")
        },
    ),
    Case::new(
        "mlkem768x25519_encapsulated_not_canonical",
        "an encapsulated key with one of the unused bits of its last character set",
        |make| {
            hybrid(make, |stanza| not_canonical(&mut stanza.args[1])).malformed("header_malformed")
        },
    ),
    Case::new(
        "mlkem768x25519_mlkem_changed",
        "one bit of the ML-KEM ciphertext is wrong, so that it gives another secret",
        |make| {
            hybrid(make, |stanza| {
                recode(&mut stanza.args[1], |bytes| bytes[0] ^= 1)
            })
            .locked_out("header_damaged")
        },
    ),
    Case::new(
        "mlkem768x25519_x25519_changed",
        "one bit of the X25519 key is wrong",
        |make| {
            hybrid(make, |stanza| {
                recode(&mut stanza.args[1], |bytes| bytes[1088] ^= 1)
            })
            .locked_out("header_damaged")
        },
    ),
    Case::new(
        "mlkem768x25519_low_order",
        "a point of low order for the X25519 key",
        |make| {
            hybrid(make, |stanza| {
                recode(&mut stanza.args[1], |bytes| bytes[1088..].fill(0))
            })
            .locked_out("header_damaged")
        },
    ),
    Case::new("mlkem768x25519_body_short", "a body of 47 bytes", |make| {
        hybrid(make, |stanza| stanza.body.truncate(47)).malformed("header_malformed")
    }),
    Case::new("mlkem768x25519_body_long", "a body of 49 bytes", |make| {
        hybrid(make, |stanza| stanza.body.push(0)).malformed("header_malformed")
    }),
    Case::new(
        "mlkem768x25519_body_changed",
        "one bit of the body is wrong",
        |make| hybrid(make, |stanza| stanza.body[31] ^= 1).locked_out("header_damaged"),
    ),
    Case::new(
        "mlkem768x25519_damaged_before_the_right_one",
        "a stanza for the key that does not open stands before a good one: nothing is tried after it",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.hybrid_key();
            let mut first = make.recipient(&parts, &secret);
            first.body[0] ^= 1;
            parts.header.stanzas = vec![text(&first), text(&make.recipient(&parts, &secret))];
            Draft::of(&parts)
                .identity(&secret)
                .locked_out("header_damaged")
        },
    ),
    Case::new(
        "mlkem768x25519_of_another_archive",
        "a stanza for the key from another archive",
        |make| {
            let other = make.bare(10);
            let mut parts = make.bare(10);
            let secret = make.hybrid_key();
            parts
                .header
                .stanzas
                .push(text(&make.recipient(&other, &secret)));
            Draft::of(&parts)
                .identity(&secret)
                .locked_out("header_damaged")
        },
    ),
];
