//! Which of several end records is the archive's.

use super::*;

/// An end record as in an archive without entries.
fn fake_end() -> Vec<u8> {
    let mut record = b"PK\x05\x06".to_vec();
    record.resize(22, 0);
    record
}

/// What is found wrong with the records of a file.
fn findings(file: &[u8]) -> Vec<Fault> {
    match open(file, usize::MAX) {
        Err(ArchiveError::Profile(findings)) => {
            findings.into_iter().map(|finding| finding.fault).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_end_record_in_the_comment_is_not_the_end() {
    let mut file = write();
    let comment = [fake_end(), b"more".to_vec()].concat();
    let len = file.len();
    file[len - 2..].copy_from_slice(&(comment.len() as u16).to_le_bytes());
    file.extend_from_slice(&comment);
    let bytes = comment.len() as u64;
    assert_eq!(findings(&file), [Fault::End(EndFault::Comment { bytes })]);
}
