use super::*;
use crate::fixture::{Fixture, changed, fixture, note};
use alloc::{vec, vec::Vec};

fn export(archive: &Fixture, table: &str, format: Format) -> Result<String, PreviewError> {
    let mut export = TableExport::new(
        &archive.directory,
        &archive.manifest,
        &TableName::new("public", table),
        format,
        Limits::default(),
    )?;
    let mut out = vec![];
    loop {
        match export.step(&mut out)? {
            Step::Want(range) => {
                let bytes = archive.range(range);
                export.feed(&bytes[..bytes.len().min(1000)])?;
            }
            Step::Output => {}
            Step::Done => return Ok(String::from_utf8(out).unwrap()),
        }
    }
}

fn search(archive: &Fixture, text: &str, skip: u64, limit: usize) -> Result<Matches, PreviewError> {
    let mut search = RowSearch::new(
        &archive.directory,
        &archive.manifest,
        &TableName::new("public", "notes"),
        text,
        skip,
        limit,
        Limits::default(),
    )?;
    loop {
        match search.step()? {
            Step::Want(range) => search.feed(archive.range(range))?,
            Step::Output => {}
            Step::Done => return Ok(search.finish()),
        }
    }
}

#[test]
fn all_rows_are_written_in_every_form() {
    let archive = fixture();
    let csv = export(&archive, "notes", Format::Csv).unwrap();
    assert!(csv.starts_with("id,body\r\n"));
    let json: Vec<serde_json::Value> =
        serde_json::from_str(&export(&archive, "notes", Format::Json).unwrap()).unwrap();
    assert_eq!(json.len(), 1000);
    for (index, row) in (0..).zip(&json) {
        let expected = note(index);
        let text = |name: &str| row.get(name).and_then(|value| value.as_str());
        assert_eq!(text("id"), expected[0].as_deref());
        assert_eq!(text("body"), expected[1].as_deref());
    }
    assert_eq!(export(&archive, "empty", Format::Json).unwrap(), "[\n]\n");
    assert!(matches!(
        export(&archive, "nope", Format::Csv),
        Err(PreviewError::NoTable(_))
    ));
}

#[test]
fn what_is_not_what_was_archived_is_not_written() {
    let archive = changed(|entries, _| {
        let last = entries[0].1.len() - 2;
        entries[0].1[last] ^= 1;
    });
    assert!(export(&archive, "notes", Format::Csv).is_err());
    assert!(search(&archive, "a", 0, 10).is_err());
}

#[test]
fn rows_are_found_from_anywhere_a_page_at_a_time() {
    let archive = fixture();
    for text in ["99", "NOTE", "no row holds this"] {
        let wanted = text.to_lowercase();
        let expected: Vec<u64> = (0..1000)
            .filter(|row| {
                note(*row)
                    .iter()
                    .flatten()
                    .any(|value| value.to_lowercase().contains(&wanted))
            })
            .map(u64::from)
            .collect();
        for limit in [1, 7, 2000] {
            let mut found = vec![];
            let mut skip = 0;
            loop {
                let page = search(&archive, text, skip, limit).unwrap();
                assert!(page.rows.len() <= limit && page.rows.len() == page.numbers.len());
                for (row, number) in page.rows.iter().zip(&page.numbers) {
                    let texts: Vec<_> = row.iter().map(|value| value.text.clone()).collect();
                    assert_eq!(texts, note(u32::try_from(*number).unwrap()));
                }
                found.extend(page.numbers);
                match page.next {
                    Some(next) => skip = next,
                    None => break,
                }
            }
            assert_eq!(found, expected, "{text} {limit}");
        }
    }
}
