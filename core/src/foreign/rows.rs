//! Rows of an archive, as a stream.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use super::{
    Archive, Content, ForeignError, Row,
    archive::Body,
    dbackup,
    gzip::Gunzip,
    json::{Cutter, Piece, Shape},
    zip,
};
use crate::{Digest, archive::Step, digest::Hasher, request::Intake};

/// What a stream of rows gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A row.
    Row {
        /// Its table, by the name in the product's database.
        table: Arc<str>,
        /// From 1, in the order of the archive.
        number: u64,
        /// Its values.
        row: Row,
    },
    /// A row that can't be read.
    Bad {
        /// Its table.
        table: Arc<str>,
        /// From 1.
        number: u64,
        /// What is wrong, for people.
        why: String,
    },
    /// A part of a JSON document begins, with this key.
    Part(String),
    /// What a JSON document says of itself.
    Metadata(Vec<u8>),
}

/// Bytes of an archive, unpacked.
#[derive(Debug)]
pub(super) enum Stream {
    Entry(zip::Reader),
    Gzip(Gunzip),
    Plain(Intake),
}

impl Stream {
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), ForeignError> {
        match self {
            Self::Entry(reader) => Ok(reader.feed(bytes)?),
            Self::Gzip(reader) => reader.feed(bytes),
            Self::Plain(intake) => Ok(intake.feed(bytes)?),
        }
    }

    pub(super) fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, ForeignError> {
        const STEP_BYTES: usize = 1 << 20;
        match self {
            Self::Entry(reader) => Ok(reader.step(out)?),
            Self::Gzip(reader) => reader.step(out),
            Self::Plain(intake) => {
                let waiting = intake.waiting();
                let now = waiting.get(..STEP_BYTES).unwrap_or(waiting);
                if now.is_empty() {
                    let wanted = intake.want_up_to(intake.end());
                    return Ok(wanted.map_or(Step::Done, Step::Want));
                }
                out.extend_from_slice(now);
                let len = now.len();
                intake.consume(len);
                Ok(Step::Output)
            }
        }
    }
}

/// Reads rows: of one table, or of all tables of an archive that has them in one document.
#[derive(Debug)]
pub struct RowStream {
    stream: Stream,
    cutter: Cutter,
    /// The table, if the stream has only one.
    table: Option<Arc<str>>,
    /// The only table that is wanted.
    only: Option<String>,
    /// Rows of each table so far.
    counts: BTreeMap<&'static str, (Arc<str>, u64)>,
    number: u64,
    hasher: Hasher,
    buffer: Vec<u8>,
    /// Why it is no JSON. That may be because the bytes are damaged, which shows at their end and says more.
    malformed: Option<ForeignError>,
}

impl RowStream {
    /// The rows of one table, by its name in the product's database.
    ///
    /// # Errors
    /// [`ForeignError::NoTable`], or what forbids to read its entry.
    pub fn new(archive: &Archive, table: &str) -> Result<Self, ForeignError> {
        let missing = || ForeignError::NoTable(table.to_string());
        match &archive.body {
            Body::Zip { zip, tables, .. } => {
                let of = tables
                    .iter()
                    .find(|of| of.name == table)
                    .ok_or_else(missing)?;
                let reader = zip::Reader::new(zip.item(&of.entry)?, archive.limits)?;
                let mut stream = Self::over(Stream::Entry(reader), Shape::Rows, &of.entry);
                stream.table = Some(of.name.as_str().into());
                Ok(stream)
            }
            Body::Stream { .. } => {
                let mut stream = Self::all(archive).ok_or_else(missing)?;
                stream.only = Some(table.to_string());
                Ok(stream)
            }
        }
    }

    /// The rows of all tables, of an archive that has them in one document; `None` for others.
    #[must_use]
    pub fn all(archive: &Archive) -> Option<Self> {
        let Body::Stream { content, len } = archive.body else {
            return None;
        };
        let stream = match content {
            Content::Json => Stream::Plain(Intake::new(0, len)),
            _ => Stream::Gzip(Gunzip::new(len, archive.limits.entry_bytes)),
        };
        Some(Self::over(stream, Shape::Backup, "the content"))
    }

    fn over(stream: Stream, shape: Shape, entry: &str) -> Self {
        Self {
            stream,
            cutter: Cutter::new(shape, entry),
            table: None,
            only: None,
            counts: BTreeMap::new(),
            number: 0,
            hasher: Hasher::new(),
            buffer: Vec::new(),
            malformed: None,
        }
    }

    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ForeignError::Archive`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ForeignError> {
        self.stream.feed(bytes)
    }

    /// Does a bounded piece of work, and appends what it finds.
    ///
    /// # Errors
    /// [`ForeignError`]; what was given out before may be used, but is not all.
    pub fn step(&mut self, out: &mut Vec<Found>) -> Result<Step, ForeignError> {
        self.buffer.clear();
        let step = self.stream.step(&mut self.buffer)?;
        self.hasher.update(&self.buffer);
        if self.malformed.is_none() {
            self.malformed = self.cut(out).err();
        }
        if step == Step::Done {
            if let Some(error) = self.malformed.take() {
                return Err(error);
            }
            self.cutter.finish()?;
        }
        Ok(step)
    }

    /// Finds the rows in what was unpacked.
    fn cut(&mut self, out: &mut Vec<Found>) -> Result<(), ForeignError> {
        let (table, only) = (&self.table, &self.only);
        let (counts, number) = (&mut self.counts, &mut self.number);
        self.cutter.push(&self.buffer, &mut |piece| {
            match (table, piece) {
                (Some(table), Piece::Element(_, raw)) => {
                    *number += 1;
                    out.push(found(table, *number, Row::parse(raw)));
                }
                (Some(_), _) => {}
                (None, Piece::Array(key)) => out.push(Found::Part(key.to_string())),
                (None, Piece::Member("metadata", raw)) => {
                    out.push(Found::Part("metadata".to_string()));
                    out.push(Found::Metadata(raw.to_vec()));
                }
                (None, Piece::Element(key, raw) | Piece::Member(key, raw)) => {
                    if matches!(piece, Piece::Member(..)) {
                        out.push(Found::Part(key.to_string()));
                    }
                    document(key, raw, only.as_deref(), counts, out);
                }
            }
            Ok(())
        })
    }

    /// SHA-256 of what was read.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }
}

fn found(table: &Arc<str>, number: u64, row: Result<Row, String>) -> Found {
    let table = table.clone();
    match row {
        Ok(row) => Found::Row { table, number, row },
        Err(why) => Found::Bad { table, number, why },
    }
}

/// The rows of a part of a document.
fn document(
    key: &str,
    raw: &[u8],
    only: Option<&str>,
    counts: &mut BTreeMap<&'static str, (Arc<str>, u64)>,
    out: &mut Vec<Found>,
) {
    match dbackup::rows(key, raw) {
        Ok(rows) => {
            for (name, row) in rows {
                let (table, number) = counts.entry(name).or_insert_with(|| (name.into(), 0));
                *number += 1;
                if only.is_none_or(|only| only == name) {
                    out.push(found(table, *number, Ok(row)));
                }
            }
        }
        Err(why) => {
            let name = dbackup::table(key).unwrap_or("_Notifications");
            let (table, number) = counts.entry(name).or_insert_with(|| (name.into(), 0));
            *number += 1;
            if only.is_none_or(|only| only == name) {
                out.push(found(table, *number, Err(why)));
            }
        }
    }
}
