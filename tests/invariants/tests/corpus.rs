//! Replays what fuzzing has found worth keeping: inputs that reach every part of a reader, and those that once broke a
//! promise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{collections::BTreeSet, fs, panic, path::Path};

use coffer_invariants::TARGETS;

/// `tests/fuzz/corpus`, a folder a target.
fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

#[test]
fn every_input_of_the_corpus_keeps_the_promises() {
    for (target, body) in TARGETS {
        let mut count = 0;
        for file in fs::read_dir(corpus().join(target)).unwrap() {
            let path = file.unwrap().path();
            let input = fs::read(&path).unwrap();
            let kept = panic::catch_unwind(|| body(&input));
            assert!(kept.is_ok(), "{} breaks a promise", path.display());
            count += 1;
        }
        assert!(
            count >= 10,
            "the corpus of {target} has only {count} inputs"
        );
    }
}

#[test]
fn there_is_a_corpus_for_each_target_and_no_other() {
    let folders: BTreeSet<String> = fs::read_dir(corpus())
        .unwrap()
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    let targets: BTreeSet<String> = TARGETS.map(|(name, _)| name.to_owned()).into();
    assert_eq!(folders, targets);
}
