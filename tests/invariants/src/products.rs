//! Archives of other products: whatever is in them, reading ends, with findings or an error.

use coffer_core::{
    ByteRange,
    archive::Step,
    foreign::{
        Content, Depth, ForeignError, Found, Look, Opening, Overview, RowStream, Survey,
        dbackup::{KeyRing, Sidecar},
    },
};

/// Any bytes, as each kind of content, as a sidecar and as a key file.
///
/// # Panics
/// If a promise is broken.
pub fn products(bytes: &[u8]) {
    let (first, file) = bytes.split_first().unwrap_or((&0, &[]));
    let step = usize::from(*first) + 1;
    let _ = Sidecar::parse(file);
    let _ = KeyRing::parse(file);
    let _ = Look::at(file, file.len() as u64, None);
    for content in [Content::Zip, Content::Gzip, Content::Json] {
        let whole = survey(content, file, usize::MAX);
        let pieces = survey(content, file, step);
        match (&whole, &pieces) {
            // How many rows come before the place where deflate breaks does depend on it.
            (Ok(whole), Ok(pieces)) if whole.errors > 0 => assert!(pieces.errors > 0),
            (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces),
            (Err(_), Err(_)) => {}
            _ => panic!("the size of pieces matters: {whole:?} {pieces:?}"),
        }
    }
    // As a table of an archive that promises nothing.
    let zip = coffer_hostile::Zip::of(
        [
            ("users.json", file),
            ("recordings.json", file),
            ("config.json", file),
        ]
        .into_iter()
        .map(|(name, content)| coffer_hostile::Member::stored(name, content))
        .collect(),
    )
    .bytes();
    let overview = survey(Content::Zip, &zip, step).expect("what is wrong is among the findings");
    let errors = overview
        .findings
        .iter()
        .any(|finding| finding.level() == coffer_core::foreign::Level::Error);
    assert_eq!(errors, overview.errors > 0);
}

fn survey(content: Content, file: &[u8], step: usize) -> Result<Overview, ForeignError> {
    let slice = |range: ByteRange| {
        let at = usize::try_from(range.offset).unwrap_or(usize::MAX);
        let len = usize::try_from(range.len).unwrap_or(usize::MAX).min(step);
        file.get(at..at + len)
            .expect("only what is there is asked for")
    };
    let mut opening = Opening::new(content, file.len() as u64, None, None)?;
    while let Some(range) = opening.wants() {
        opening.feed(slice(range))?;
    }
    let archive = opening.finish()?;
    let mut survey = Survey::new(&archive, Depth::Everything);
    loop {
        match survey.step()? {
            Step::Want(range) => survey.feed(slice(range))?,
            Step::Output => {}
            Step::Done => break,
        }
    }
    let overview = survey.finish();
    for table in &overview.tables {
        assert!(rows(&archive, &table.name, slice) <= table.rows);
    }
    Ok(overview)
}

/// Rows of a table that can be read.
fn rows<'a>(
    archive: &coffer_core::foreign::Archive,
    table: &str,
    slice: impl Fn(ByteRange) -> &'a [u8],
) -> u64 {
    let Ok(mut stream) = RowStream::new(archive, table) else {
        return 0;
    };
    let (mut found, mut count) = (Vec::new(), 0);
    loop {
        let step = stream.step(&mut found);
        let is_row = |found: &Found| matches!(found, Found::Row { .. });
        count += found.drain(..).filter(is_row).count() as u64;
        match step {
            Ok(Step::Want(range)) => {
                if stream.feed(slice(range)).is_err() {
                    return count;
                }
            }
            Ok(Step::Output) => {}
            Ok(Step::Done) | Err(_) => return count,
        }
    }
}
