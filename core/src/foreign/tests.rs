//! The samples of all three products, and what hostile hands make of them.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::*;
use crate::{ByteRange, Digest, archive::Step, seal::Password};

const PLAIN: &[u8] = include_bytes!("../../../tests/samples/nosdesk-plain.zip");
const SEALED: &[u8] = include_bytes!("../../../tests/samples/nosdesk-sensitive.zip");
const NOJOIN: &[u8] = include_bytes!("../../../tests/samples/nojoin.zip");
const ENCRYPTED: &[u8] = include_bytes!("../../../tests/samples/dbackup.json.gz.enc");
const SIDECAR: &[u8] = include_bytes!("../../../tests/samples/dbackup.json.gz.enc.meta.json");
const KEY: &[u8] = include_bytes!("../../../tests/samples/dbackup.key.hex");
const NO_SECRETS: &[u8] = include_bytes!("../../../tests/samples/dbackup-no-secrets.json.gz");
const NO_SECRETS_SIDECAR: &[u8] =
    include_bytes!("../../../tests/samples/dbackup-no-secrets.json.gz.meta.json");

/// A file, and what opens it.
struct Sample<'a> {
    file: &'a [u8],
    sidecar: Option<dbackup::Sidecar>,
    secret: Secret,
}

impl<'a> Sample<'a> {
    fn new(file: &'a [u8]) -> Self {
        Self {
            file,
            sidecar: None,
            secret: Secret::None,
        }
    }

    fn password(mut self, password: &str) -> Self {
        self.secret = Secret::Password(Password::new(password));
        self
    }

    fn key(mut self, key: &[u8]) -> Self {
        self.secret = Secret::Keys(dbackup::KeyRing::parse(key).unwrap());
        self
    }

    fn sidecar(mut self, sidecar: &[u8]) -> Self {
        self.sidecar = Some(dbackup::Sidecar::parse(sidecar).unwrap());
        self
    }

    fn open(&self) -> Result<Opened, ForeignError> {
        let start = &self.file[..self.file.len().min(Look::START_BYTES as usize)];
        let look = Look::at(start, self.file.len() as u64, self.sidecar.as_ref())?;
        let (bytes, content, how) = match Unlocking::new(&look, &self.secret)? {
            Some(mut unlocking) => {
                while let Some(range) = unlocking.wants() {
                    unlocking.feed(slice(self.file, range))?;
                }
                let (decrypted, content) = unlocking.finish()?;
                let all = ByteRange::new(0, decrypted.plain_len());
                let bytes =
                    decrypted.open(all, slice(self.file, decrypted.locate(all)).to_vec())?;
                (bytes, content, Some("encrypted".to_string()))
            }
            None => match look {
                Look::Plain(content) => (self.file.to_vec(), content, None),
                _ => return Err(ForeignError::Unknown),
            },
        };
        let len = bytes.len() as u64;
        let mut opening = Opening::new(content, len, how, self.sidecar.as_ref())?;
        while let Some(range) = opening.wants() {
            opening.feed(slice(&bytes, range))?;
        }
        Ok(Opened {
            bytes,
            archive: opening.finish()?,
        })
    }
}

#[derive(Debug)]
struct Opened {
    bytes: Vec<u8>,
    archive: Archive,
}

impl Opened {
    /// Everything, in pieces of at most `step` bytes.
    fn survey(&self, depth: Depth, step: usize) -> Result<Overview, ForeignError> {
        let mut survey = Survey::new(&self.archive, depth);
        loop {
            match survey.step()? {
                Step::Want(range) => {
                    let bytes = slice(&self.bytes, range);
                    survey.feed(&bytes[..bytes.len().min(step)])?;
                }
                Step::Output => {}
                Step::Done => return Ok(survey.finish()),
            }
        }
    }

    fn rows(&self, table: &str) -> Result<Vec<Row>, ForeignError> {
        let mut stream = RowStream::new(&self.archive, table)?;
        let mut found = Vec::new();
        loop {
            match stream.step(&mut found)? {
                Step::Want(range) => stream.feed(slice(&self.bytes, range))?,
                Step::Output => {}
                Step::Done => break,
            }
        }
        Ok(found
            .into_iter()
            .filter_map(|found| match found {
                Found::Row { row, .. } => Some(row),
                _ => None,
            })
            .collect())
    }
}

fn slice(file: &[u8], range: ByteRange) -> &[u8] {
    &file[range.offset as usize..range.end() as usize]
}

fn overview(sample: &Sample<'_>) -> Overview {
    sample
        .open()
        .unwrap()
        .survey(Depth::Everything, 9_999)
        .unwrap()
}

fn counts(overview: &Overview) -> Vec<(&str, u64)> {
    let counted = overview.tables.iter();
    counted
        .map(|table| (table.name.as_str(), table.rows))
        .collect()
}

/// Findings of one weight as `code place count`.
fn findings(overview: &Overview, level: Level) -> Vec<String> {
    let mut lines: Vec<String> = overview
        .findings
        .iter()
        .filter(|finding| finding.level() == level)
        .map(|Finding(problem)| {
            let count = problem
                .rows()
                .map(|rows| format!(" {}", rows.count))
                .unwrap_or_default();
            format!("{} {}{count}", problem.code(), problem.place())
        })
        .collect();
    lines.sort();
    lines
}

mod hostile;
mod samples;
