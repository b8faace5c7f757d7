//! Every vector in `tests/vectors/`, read natively: a test for each file and each way of reading it, named after both.
#![allow(clippy::unwrap_used, clippy::panic)]

use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
use coffer_core::{
    Digest,
    seal::{SEALED_CHUNK_BYTES, SealError, TAG_BYTES},
};
use coffer_vectors::{
    Finding, Vector, cases,
    read::{self, Reading},
    stored,
};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("generator: it makes the stored files", generated_as_stored),
        Trial::test(
            "generator: every failure that a file can cause has a vector",
            failures_covered,
        ),
    ];
    for (name, file) in stored() {
        let vector = Vector::parse(&file);
        for (mode, test) in MODES {
            let vector = vector.clone();
            trials.push(Trial::test(format!("{name}: {mode}"), move || {
                test(&vector)
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

type Test = fn(&Vector) -> Result<(), Failed>;

const MODES: &[(&str, Test)] = &[
    ("whole", |vector| {
        let reading = read::whole(&vector.sealed, &vector.open);
        if let Err(error) = &reading.result {
            // A range is released as a whole or not at all. Only what is found after all content comes after it.
            let late = matches!(error, SealError::ScrubTableDamaged);
            if !late && !reading.released.is_empty() {
                return Err("a part of a damaged range was released".into());
            }
            let released = if late {
                vector.random.payload
            } else {
                reading.finding().payload
            };
            return same(&reading, &vector.random.code, released, vector);
        }
        same(&reading, &vector.random.code, vector.random.payload, vector)
    }),
    ("chunk by chunk", |vector| {
        let reading = read::random(&vector.sealed, &vector.open, 4096, read::CHUNK);
        same(&reading, &vector.random.code, vector.random.payload, vector)
    }),
    ("header byte by byte", |vector| {
        let reading = read::random(&vector.sealed, &vector.open, 1, read::CHUNK);
        same(&reading, &vector.random.code, vector.random.payload, vector)
    }),
    ("chunk by chunk, decrypted elsewhere", |vector| {
        let (sealed, open) = (vector.sealed.clone(), &vector.open);
        let mut reader = read::Elsewhere::new(sealed, open, 4096, read::CHUNK);
        if let Some(key) = reader.key() {
            let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
            while let Some(job) = reader.next_job() {
                match decrypt(&cipher, &job) {
                    Ok(plain) => reader.settle(Ok(&plain)),
                    Err(place) => {
                        reader.settle(Err(place));
                        break;
                    }
                }
            }
        }
        same(
            &reader.finish(),
            &vector.random.code,
            vector.random.payload,
            vector,
        )
    }),
    ("streamed", |vector| sequential(vector, 16_000)),
    ("streamed at once", |vector| sequential(vector, usize::MAX)),
    ("streamed byte by byte", |vector| sequential(vector, 1)),
    ("scrubbed", |vector| {
        for step in [usize::MAX, 4096, 1] {
            let found = read::scrub(&vector.sealed, step);
            if found != vector.scrub {
                return Err(format!("found {found:?}, expected {:?}", vector.scrub).into());
            }
        }
        Ok(())
    }),
];

/// AES by the crate itself, as a browser's WebCrypto does it.
fn decrypt(cipher: &Aes256Gcm, job: &read::Job) -> Result<Vec<u8>, usize> {
    let mut plain = Vec::new();
    let chunks = job.sealed.chunks(SEALED_CHUNK_BYTES);
    for (place, (chunk, nonce)) in chunks.zip(&job.nonces).enumerate() {
        let (text, tag) = chunk.split_at(chunk.len() - TAG_BYTES);
        let start = plain.len();
        plain.extend_from_slice(text);
        cipher
            .decrypt_inout_detached(
                nonce.into(),
                b"",
                plain[start..].as_mut().into(),
                tag.try_into().unwrap(),
            )
            .map_err(|_| place)?;
    }
    Ok(plain)
}

fn sequential(vector: &Vector, step: usize) -> Result<(), Failed> {
    let reading = read::sequential(&vector.sealed, &vector.open, step);
    let Finding { code, payload } = &vector.sequential;
    same(&reading, code, *payload, vector)
}

fn same(reading: &Reading, code: &str, payload: Digest, vector: &Vector) -> Result<(), Failed> {
    let expected = Finding {
        code: code.to_owned(),
        payload,
    };
    let found = reading.finding();
    if found != expected {
        return Err(format!("found {found:?}, expected {expected:?}").into());
    }
    // Who sealed it is known only of what was read to its end.
    if reading.result.is_ok() && reading.sender() != vector.sender {
        return Err(format!("found {:?}, expected {:?}", reading.sender(), vector.sender).into());
    }
    Ok(())
}

fn generated_as_stored() -> Result<(), Failed> {
    let mut stored = stored();
    for case in cases::all() {
        let file = stored
            .remove(case.name)
            .ok_or_else(|| format!("{} is missing", case.name))?;
        let (made, kept) = (case.vector(), Vector::parse(&file));
        if made != kept || !file.starts_with(made.head().as_bytes()) {
            return Err(format!("{} is not what the generator makes", case.name).into());
        }
    }
    match stored.keys().next() {
        None => Ok(()),
        Some(name) => Err(format!("no case makes {name}").into()),
    }
}

/// The failures that a file alone can cause; the others need a mistaken caller.
const FAILURES: &[&str] = &[
    "empty",
    "not_sealed",
    "text_mode",
    "unsupported_version",
    "header_malformed",
    "not_a_recipient",
    "wrong_password",
    "cost_too_high",
    "header_damaged",
    "commitment_mismatch",
    "chunk_damaged",
    "cut_short",
    "footer_malformed",
    "length_mismatch",
    "scrub_table_damaged",
    "sender_malformed",
    "sender_signature_wrong",
    "not_what_was_signed",
];

fn failures_covered() -> Result<(), Failed> {
    let cases: Vec<_> = cases::all().iter().map(cases::Case::vector).collect();
    for code in FAILURES {
        if !cases.iter().any(|vector| vector.random.code == *code) {
            return Err(format!("no vector expects {code}").into());
        }
    }
    Ok(())
}
