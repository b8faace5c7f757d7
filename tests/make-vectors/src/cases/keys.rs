//! Faults of stanzas for `x25519` keys, made by an HPKE of our own.

use coffer_core::seal::{KeyType, SecretKey};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{
    super::{
        hpke,
        parts::{Parts, base64},
    },
    Case, Draft, Make, PASSWORD, raw, text,
};

const INFO: &[u8] = b"coffer/v1/x25519";

/// A stanza's parts.
struct X25519 {
    fingerprint: String,
    encapsulated: Vec<u8>,
    body: Vec<u8>,
}

impl X25519 {
    fn text(&self) -> Vec<u8> {
        let args = [self.fingerprint.clone(), base64(&self.encapsulated)];
        raw("x25519", &args, &base64(&self.body))
    }
}

/// The public key of a pair.
fn public(secret: &SecretKey) -> [u8; 32] {
    let text = secret.recipient().unwrap().to_string();
    let (hrp, bytes) = bech32::decode(&text).unwrap();
    assert_eq!((hrp.as_str(), bytes[0]), ("coffer", 2));
    bytes[1..].try_into().unwrap()
}

impl Make {
    fn short_key(&mut self) -> SecretKey {
        SecretKey::generate_of(KeyType::X25519, &mut self.0)
    }

    fn x25519(&mut self, parts: &Parts, secret: &SecretKey) -> X25519 {
        let ephemeral = StaticSecret::from(self.0.array::<32>());
        let public = public(secret);
        let encapsulated = PublicKey::from(&ephemeral).to_bytes();
        let agreed = ephemeral.diffie_hellman(&PublicKey::from(public));
        stanza(parts, &public, agreed.as_bytes(), encapsulated)
    }
}

fn stanza(parts: &Parts, public: &[u8; 32], agreed: &[u8; 32], encapsulated: [u8; 32]) -> X25519 {
    let named = [b"coffer/v1/fingerprint\x02".as_slice(), public].concat();
    let fingerprint = coffer_core::Digest::of(&named).to_string()[..32].to_owned();
    X25519 {
        fingerprint,
        body: hpke::seal(agreed, &encapsulated, public, INFO, &parts.file_key),
        encapsulated: encapsulated.to_vec(),
    }
}

/// An archive sealed to a short key, with its stanza changed, opened with the key.
fn changed(make: &mut Make, change: impl FnOnce(&mut X25519)) -> Draft {
    let mut parts = make.bare(10);
    let secret = make.short_key();
    let mut stanza = make.x25519(&parts, &secret);
    change(&mut stanza);
    parts.header.stanzas.push(stanza.text());
    Draft::of(&parts).identity(&secret)
}

/// An archive for which the key agreement gives zeros, as it does for a point of low order: with the right key schedule
/// after that, so that only who checks for it refuses it.
fn low_order(make: &mut Make, point: [u8; 32]) -> Draft {
    let mut parts = make.bare(10);
    let secret = make.short_key();
    let stanza = stanza(&parts, &public(&secret), &[0; 32], point);
    parts.header.stanzas.push(stanza.text());
    Draft::of(&parts)
        .identity(&secret)
        .locked_out("header_damaged")
}

pub(super) const CASES: &[Case] = &[
    Case::new("success_x25519", "sealed to a short key", |make| {
        changed(make, |_| ())
    }),
    Case::new(
        "success_x25519_capitals",
        "a secret key in lower case: either case is read",
        |make| {
            let mut draft = changed(make, |_| ());
            if let super::Open::Identity(text) = &mut draft.open {
                text.make_ascii_lowercase();
            }
            draft
        },
    ),
    Case::new(
        "success_keys_of_both_types",
        "sealed to a hybrid and to a short key, of which the short one is given",
        |make| {
            let mut parts = make.bare(10);
            let (hybrid, short) = (make.hybrid_key(), make.short_key());
            parts.header.stanzas = vec![
                text(&make.recipient(&parts, &hybrid)),
                make.x25519(&parts, &short).text(),
            ];
            Draft::of(&parts).identity(&short)
        },
    ),
    Case::new(
        "success_locked_x25519",
        "the password opens a locked short key; its type shows by the fingerprint only",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.short_key();
            parts.header.stanzas = vec![
                text(&make.locked(&secret, PASSWORD)),
                make.x25519(&parts, &secret).text(),
            ];
            Draft::of(&parts)
        },
    ),
    Case::new(
        "x25519_of_another_key",
        "another short key than the one that it is sealed to",
        |make| {
            let stranger = make.short_key();
            changed(make, |_| ())
                .identity(&stranger)
                .locked_out("not_a_recipient")
        },
    ),
    Case::new(
        "x25519_of_the_other_type",
        "a hybrid key for an archive that is sealed to a short one",
        |make| {
            let stranger = make.hybrid_key();
            changed(make, |_| ())
                .identity(&stranger)
                .locked_out("not_a_recipient")
        },
    ),
    Case::new("x25519_argument_missing", "no encapsulated key", |make| {
        let mut parts = make.bare(10);
        let secret = make.short_key();
        let stanza = make.x25519(&parts, &secret);
        let body = base64(&stanza.body);
        parts
            .header
            .stanzas
            .push(raw("x25519", &[stanza.fingerprint], &body));
        Draft::of(&parts)
            .identity(&secret)
            .malformed("header_malformed")
    }),
    Case::new("x25519_argument_more", "an argument too many", |make| {
        changed(make, |stanza| stanza.fingerprint.push_str(" 1")).malformed("header_malformed")
    }),
    Case::new(
        "x25519_fingerprint_capitals",
        "a fingerprint in capitals",
        |make| {
            changed(make, |stanza| stanza.fingerprint.make_ascii_uppercase())
                .malformed("header_malformed")
        },
    ),
    Case::new(
        "x25519_encapsulated_short",
        "an encapsulated key of 31 bytes",
        |make| {
            changed(make, |stanza| stanza.encapsulated.truncate(31)).malformed("header_malformed")
        },
    ),
    Case::new(
        "x25519_encapsulated_long",
        "an encapsulated key of 33 bytes",
        |make| changed(make, |stanza| stanza.encapsulated.push(0)).malformed("header_malformed"),
    ),
    Case::new(
        "x25519_encapsulated_changed",
        "one bit of the encapsulated key is wrong",
        |make| changed(make, |stanza| stanza.encapsulated[3] ^= 1).locked_out("header_damaged"),
    ),
    Case::new(
        "x25519_encapsulated_high_bit",
        "the encapsulated key's unused bit is set: the same point, and another context for the key schedule",
        |make| changed(make, |stanza| stanza.encapsulated[31] ^= 0x80).locked_out("header_damaged"),
    ),
    Case::new(
        "x25519_low_order_zero",
        "the point 0 for the encapsulated key, and a body for the secret of zeros that it gives",
        |make| low_order(make, [0; 32]),
    ),
    Case::new(
        "x25519_low_order_one",
        "the point 1 for the encapsulated key, and a body for the secret of zeros that it gives",
        |make| {
            let mut one = [0; 32];
            one[0] = 1;
            low_order(make, one)
        },
    ),
    Case::new(
        "x25519_low_order_eight",
        "a point of order 8 for the encapsulated key, and a body for the secret of zeros that it gives",
        |make| {
            low_order(
                make,
                [
                    0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1,
                    0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62,
                    0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
                ],
            )
        },
    ),
    Case::new("x25519_body_short", "a body of 47 bytes", |make| {
        changed(make, |stanza| stanza.body.truncate(47)).malformed("header_malformed")
    }),
    Case::new("x25519_body_long", "a body of 49 bytes", |make| {
        changed(make, |stanza| stanza.body.push(0)).malformed("header_malformed")
    }),
    Case::new(
        "x25519_body_changed",
        "one bit of the body is wrong",
        |make| changed(make, |stanza| stanza.body[47] ^= 0x80).locked_out("header_damaged"),
    ),
    Case::new(
        "x25519_of_another_info",
        "a body of the same construction for another use",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.short_key();
            let ephemeral = StaticSecret::from(make.0.array::<32>());
            let mut stanza = make.x25519(&parts, &secret);
            let (public, encapsulated) = (public(&secret), PublicKey::from(&ephemeral).to_bytes());
            let agreed = ephemeral.diffie_hellman(&PublicKey::from(public));
            stanza.body = hpke::seal(
                agreed.as_bytes(),
                &encapsulated,
                &public,
                b"coffer/v1/mlkem768x25519",
                &parts.file_key,
            );
            stanza.encapsulated = encapsulated.to_vec();
            parts.header.stanzas.push(stanza.text());
            Draft::of(&parts)
                .identity(&secret)
                .locked_out("header_damaged")
        },
    ),
    Case::new(
        "x25519_damaged_before_the_right_one",
        "a stanza for the key that does not open stands before a good one: nothing is tried after it",
        |make| {
            let mut parts = make.bare(10);
            let secret = make.short_key();
            let mut first = make.x25519(&parts, &secret);
            first.body[0] ^= 1;
            parts.header.stanzas = vec![first.text(), make.x25519(&parts, &secret).text()];
            Draft::of(&parts)
                .identity(&secret)
                .locked_out("header_damaged")
        },
    ),
];
