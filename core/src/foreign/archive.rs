//! An archive of another product whose directory and description are read.

use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    Content, FileInfo, ForeignError, Problem, Product, dbackup, nojoin,
    nosdesk::{self, Manifest},
    zip::{self, Zip},
};
use crate::{
    ByteRange,
    archive::{ArchiveError, Limits, Step},
};

/// Bytes of a description, or of a configuration file, at most.
const DESCRIPTION_BYTES: u64 = 16 << 20;

/// An archive of another product, open to be read.
#[derive(Clone, Debug)]
pub struct Archive {
    pub(super) about: About,
    pub(super) body: Body,
    pub(super) problems: Vec<Problem>,
    pub(super) sealed: Option<String>,
    pub(super) limits: Limits,
}

/// What it says of itself.
#[derive(Clone, Debug)]
pub(super) enum About {
    Nosdesk(Manifest),
    Nojoin(nojoin::Info),
    DBackup {
        /// The profile that the sidecar names.
        profile: Option<String>,
    },
}

/// Where its rows and files are.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Zip {
        zip: Zip,
        tables: Vec<Table>,
        /// Entries that are uploaded files, by their place in the directory.
        files: Vec<usize>,
    },
    Stream {
        content: Content,
        len: u64,
    },
}

/// A table of a ZIP.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) entry: String,
    pub(super) listed: Option<nosdesk::Listed>,
}

impl Archive {
    /// Who wrote it.
    #[must_use]
    pub const fn product(&self) -> Product {
        match self.about {
            About::Nosdesk(_) => Product::Nosdesk,
            About::Nojoin(_) => Product::Nojoin,
            About::DBackup { .. } => Product::DBackup,
        }
    }

    /// A reader for an uploaded file.
    ///
    /// # Errors
    /// [`ForeignError::Archive`] if it isn't there or can't be read.
    pub fn file(&self, entry: &str) -> Result<zip::Reader, ForeignError> {
        match &self.body {
            Body::Zip { zip, .. } => Ok(zip::Reader::new(zip.item(entry)?, self.limits)?),
            Body::Stream { .. } => Err(ArchiveError::NoEntry(entry.to_string()).into()),
        }
    }

    /// Its uploaded files, as the directory has them.
    pub(super) fn files(&self) -> Vec<FileInfo> {
        let Body::Zip { zip, files, .. } = &self.body else {
            return Vec::new();
        };
        files
            .iter()
            .filter_map(|index| zip.items().get(*index))
            .map(|item| FileInfo {
                entry: item.entry.name.clone(),
                size: item.entry.size,
                named: false,
            })
            .collect()
    }
}

/// Reads directory and description, given the ranges that it asks for.
#[derive(Debug)]
pub struct Opening {
    state: State,
    limits: Limits,
    sealed: Option<String>,
}

#[derive(Debug)]
enum State {
    Directory(zip::Opening),
    Description {
        zip: Zip,
        nosdesk: bool,
        reader: zip::Reader,
        json: Vec<u8>,
        want: Option<ByteRange>,
    },
    Done(Archive),
    Failed,
}

impl Opening {
    /// Starts on content of `len` bytes. `encryption` says how it was encrypted, if it was; `sidecar` is what lies beside a
    /// backup of DBackup, and `stored` how many bytes that has as a file.
    ///
    /// # Errors
    /// [`ForeignError::Archive`] if it is empty.
    pub fn new(
        content: Content,
        len: u64,
        encryption: Option<String>,
        sidecar: Option<&dbackup::Sidecar>,
    ) -> Result<Self, ForeignError> {
        let limits = Limits::default();
        let state = match content {
            Content::Zip => State::Directory(zip::Opening::new(len, limits)?),
            Content::Gzip | Content::Json => {
                // Encryption keeps the length.
                let declared = sidecar.and_then(|sidecar| sidecar.size);
                let problems = declared
                    .filter(|declared| *declared != len)
                    .map(|declared| Problem::SidecarSize {
                        declared,
                        found: len,
                    })
                    .into_iter()
                    .collect();
                let encryption = sidecar.and_then(|sidecar| sidecar.encryption.as_ref());
                State::Done(Archive {
                    about: About::DBackup {
                        profile: encryption.and_then(|encryption| encryption.profile.clone()),
                    },
                    body: Body::Stream { content, len },
                    problems,
                    sealed: None,
                    limits,
                })
            }
        };
        Ok(Self {
            state,
            limits,
            sealed: encryption,
        })
    }

    /// The bytes it needs next; `None` when it is done.
    #[must_use]
    pub fn wants(&self) -> Option<ByteRange> {
        match &self.state {
            State::Directory(opening) => opening.wants(),
            State::Description { want, .. } => *want,
            State::Done(_) | State::Failed => None,
        }
    }

    /// Takes some or all of the bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ForeignError::Unknown`] if it is a ZIP of something else; what is wrong with directory or description.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ForeignError> {
        self.state = match core::mem::replace(&mut self.state, State::Failed) {
            State::Directory(mut opening) => {
                opening.feed(bytes)?;
                match opening.wants() {
                    Some(_) => State::Directory(opening),
                    None => self.directory(opening.finish()?)?,
                }
            }
            State::Description {
                zip,
                nosdesk,
                mut reader,
                json,
                ..
            } => {
                reader.feed(bytes)?;
                self.description(zip, nosdesk, reader, json)?
            }
            other => other,
        };
        Ok(())
    }

    /// The archive.
    ///
    /// # Errors
    /// [`ForeignError::Archive`] if it still wants bytes.
    pub fn finish(self) -> Result<Archive, ForeignError> {
        match self.state {
            State::Done(archive) => Ok(Archive {
                sealed: self.sealed,
                ..archive
            }),
            _ => Err(ArchiveError::Misfed {
                wanted: self.wants().map_or(0, |range| range.len),
                given: 0,
            }
            .into()),
        }
    }

    fn directory(&self, zip: Zip) -> Result<State, ForeignError> {
        let names: BTreeSet<&str> = zip
            .items()
            .iter()
            .filter(|item| !item.folder)
            .map(|item| item.entry.name.as_str())
            .collect();
        let has = |name: &str| names.contains(name);
        let nosdesk = has(nosdesk::MANIFEST);
        let entry = if nosdesk {
            nosdesk::MANIFEST
        } else if nojoin::recognises(has) {
            nojoin::INFO
        } else {
            return Err(ForeignError::Unknown);
        };
        if !has(entry) {
            let info = nojoin::Info::parse(None)?;
            return Ok(State::Done(self.nojoin(info, zip)?));
        }
        let item = zip.item(entry)?;
        if item.entry.size > DESCRIPTION_BYTES {
            return Err(ForeignError::Limit {
                entry: entry.to_string(),
                limit: "bytes of a description",
                allowed: DESCRIPTION_BYTES,
            });
        }
        let reader = zip::Reader::new(item, self.limits)?;
        self.description(zip, nosdesk, reader, Vec::new())
    }

    fn description(
        &self,
        zip: Zip,
        nosdesk: bool,
        mut reader: zip::Reader,
        mut json: Vec<u8>,
    ) -> Result<State, ForeignError> {
        loop {
            match reader.step(&mut json)? {
                Step::Want(range) => {
                    return Ok(State::Description {
                        zip,
                        nosdesk,
                        reader,
                        json,
                        want: Some(range),
                    });
                }
                Step::Output => {}
                Step::Done if nosdesk => {
                    let manifest = Manifest::parse(&json)?.ok_or(ForeignError::Unknown)?;
                    return Ok(State::Done(self.nosdesk(manifest, zip)));
                }
                Step::Done => {
                    let info = nojoin::Info::parse(Some(&json))?;
                    return Ok(State::Done(self.nojoin(info, zip)?));
                }
            }
        }
    }

    fn nosdesk(&self, manifest: Manifest, zip: Zip) -> Archive {
        let mut problems = notes(&zip);
        let mut tables = Vec::new();
        let mut listed = BTreeSet::new();
        for (name, of) in &manifest.tables {
            let entry = alloc::format!("{}{name}.json", nosdesk::TABLES);
            if zip.item(&entry).is_err_and(|error| is_missing(&error)) {
                problems.push(Problem::MissingTable(name.clone()));
            } else {
                tables.push(Table {
                    name: name.clone(),
                    entry: entry.clone(),
                    listed: Some(*of),
                });
            }
            listed.insert(entry);
        }
        tables.sort_by(|one, other| one.name.cmp(&other.name));
        let mut files = Vec::new();
        for (index, item) in zip
            .items()
            .iter()
            .enumerate()
            .filter(|(_, item)| !item.folder)
        {
            let name = &item.entry.name;
            if name.starts_with(nosdesk::FILES) {
                files.push(index);
            } else if name.starts_with(nosdesk::TABLES) && !listed.contains(name) {
                problems.push(Problem::UnlistedTable(name.clone()));
            } else if name != nosdesk::MANIFEST && !listed.contains(name) {
                problems.push(Problem::UnknownPart(name.clone()));
            }
        }
        self.zip(About::Nosdesk(manifest), zip, tables, files, problems)
    }

    fn nojoin(&self, info: nojoin::Info, zip: Zip) -> Result<Archive, ForeignError> {
        let mut problems = notes(&zip);
        let mut tables = Vec::new();
        for (key, name) in nojoin::TABLES {
            let entry = alloc::format!("{key}.json");
            match zip.item(&entry) {
                Err(error) if is_missing(&error) => problems.push(match info.format {
                    1 => Problem::AbsentPart(entry),
                    _ => Problem::MissingTable(entry),
                }),
                _ => tables.push(Table {
                    name: name.to_string(),
                    entry,
                    listed: None,
                }),
            }
        }
        if tables.is_empty() {
            return Err(ForeignError::NoTables(Product::Nojoin));
        }
        let mut files = Vec::new();
        for (index, item) in zip
            .items()
            .iter()
            .enumerate()
            .filter(|(_, item)| !item.folder)
        {
            let name = &item.entry.name;
            if nojoin::FILES.iter().any(|folder| name.starts_with(folder)) {
                files.push(index);
            } else if name != nojoin::INFO
                && name != nojoin::CONFIG
                && !tables.iter().any(|table| table.entry == *name)
            {
                problems.push(Problem::UnknownPart(name.clone()));
            }
        }
        Ok(self.zip(About::Nojoin(info), zip, tables, files, problems))
    }

    fn zip(
        &self,
        about: About,
        zip: Zip,
        tables: Vec<Table>,
        files: Vec<usize>,
        problems: Vec<Problem>,
    ) -> Archive {
        Archive {
            about,
            body: Body::Zip { zip, tables, files },
            problems,
            sealed: None,
            limits: self.limits,
        }
    }
}

fn notes(zip: &Zip) -> Vec<Problem> {
    zip.findings().iter().cloned().map(Problem::Zip).collect()
}

const fn is_missing(error: &ArchiveError) -> bool {
    matches!(error, ArchiveError::NoEntry(_))
}

/// Reads a configuration file of the ZIP as a whole; `None` if there is none, or if it is too large to be one.
pub(super) fn config(archive: &Archive) -> Option<zip::Reader> {
    let (Body::Zip { zip, .. }, About::Nojoin(_)) = (&archive.body, &archive.about) else {
        return None;
    };
    let item = zip.item(nojoin::CONFIG).ok()?;
    (item.entry.size <= DESCRIPTION_BYTES)
        .then(|| zip::Reader::new(item, archive.limits).ok())
        .flatten()
}
