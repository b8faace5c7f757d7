//! `coffer inspect`

use std::{fmt, sync::Arc};

use coffer_core::{
    manifest::{Contents, LeftOut, Manifest, Transformed},
    seal::{Lock, Sender},
};
use indicatif::HumanCount;
use serde::Serialize;

use super::{
    Failure, Output,
    foreign::{self, ForeignArgs},
    ordinary,
    output::{bytes, count, safe},
    secret::OpenArgs,
    signing::TrustArgs,
    source,
};
use crate::{
    read::{Look, OpenArchive, Plain, ReadError, look},
    signed::{self, SenderName},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    #[command(flatten)]
    key: OpenArgs,

    #[command(flatten)]
    foreign: ForeignArgs,

    #[command(flatten)]
    trust: TrustArgs,

    /// Show only what shows without a password: who can open the archive.
    #[arg(long)]
    locked: bool,
}

/// What an archive holds, at a glance.
#[derive(Serialize)]
pub(super) struct Overview {
    app: String,
    app_version: Option<String>,
    created_at: String,
    engine: String,
    engine_version: String,
    contents: Contents,
    migration: Option<String>,
    schema_sha256: String,
    rows: u64,
    tables: Vec<TableLine>,
    file_sets: Vec<FileSetLine>,
    left_out: Vec<String>,
    notices: Vec<String>,
}

#[derive(Serialize)]
struct TableLine {
    table: String,
    rows: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct FileSetLine {
    name: String,
    files: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    transform: Option<Transformed>,
}

impl Overview {
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self {
            app: manifest.app.name.clone(),
            app_version: manifest.app.version.clone(),
            created_at: manifest.created_at.clone(),
            engine: manifest.engine.to_string(),
            engine_version: manifest.engine_version.clone(),
            contents: manifest.contents,
            migration: manifest
                .migration
                .as_ref()
                .map(|migration| migration.head.clone()),
            schema_sha256: manifest.schema_sha256.to_string(),
            rows: manifest.total_rows(),
            tables: manifest
                .tables
                .iter()
                .map(|table| TableLine {
                    table: table.table.to_string(),
                    rows: table.rows,
                    bytes: table.bytes,
                })
                .collect(),
            file_sets: manifest
                .file_sets
                .iter()
                .map(|set| FileSetLine {
                    name: set.name.clone(),
                    files: set.files,
                    bytes: set.bytes,
                    transform: set.transform.clone(),
                })
                .collect(),
            left_out: manifest.left_out.iter().map(describe).collect(),
            notices: manifest.notices.iter().map(ToString::to_string).collect(),
        }
    }
}

fn transformed(outcome: &Transformed) -> String {
    let mut text = format!(
        "{} made {} by {}, {} before; {} kept as they were",
        outcome.files,
        outcome.new_suffix,
        outcome.program,
        bytes(outcome.original_bytes),
        outcome.kept
    );
    if let Some(unnamed @ 1..) = outcome.unnamed {
        text.push_str(&format!("; {unnamed} that no row names"));
    }
    text
}

/// A preset's own words, behind a reason.
fn in_words(detail: Option<&str>) -> String {
    detail
        .map(|detail| format!(": {detail}"))
        .unwrap_or_default()
}

fn describe(left_out: &LeftOut) -> String {
    match left_out {
        LeftOut::Table {
            table,
            reason,
            rows,
            detail,
        } => {
            let rows = rows
                .map(|rows| format!(" ({rows} rows)"))
                .unwrap_or_default();
            let detail = in_words(detail.as_deref());
            format!("table {table}{rows}: {reason}{detail}")
        }
        LeftOut::Rows {
            table,
            condition,
            reason,
            rows,
            detail,
        } => {
            let detail = in_words(detail.as_deref());
            format!("{rows} rows of {table} whose {condition}: {reason}{detail}")
        }
        LeftOut::Column {
            table,
            column,
            reason,
            placeholder,
        } => {
            let instead = placeholder
                .as_ref()
                .map(|text| format!(", {text} instead"))
                .unwrap_or_default();
            format!("column {table}.{column}: {reason}{instead}")
        }
        LeftOut::FileSet { name, reason } => format!("file set {name}: {reason}"),
        LeftOut::Files {
            set,
            pattern,
            found,
            reason,
        } => format!("files {pattern} of {set} ({found} found): {reason}"),
        LeftOut::Object { kind, name, reason } => format!("{kind} {name}: {reason}"),
    }
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self
            .app_version
            .as_deref()
            .map(|version| format!(" {version}"))
            .unwrap_or_default();
        writeln!(
            f,
            "{}{} of {}",
            safe(&self.app),
            safe(&version),
            self.created_at
        )?;
        write!(f, "{} {}", self.engine, safe(&self.engine_version))?;
        match &self.migration {
            Some(head) => writeln!(f, ", migration {}", safe(head))?,
            None => writeln!(f)?,
        }
        writeln!(
            f,
            "contents: {}",
            match self.contents {
                Contents::Standard => "standard, no credentials inside",
                Contents::Sensitive => "sensitive, credentials inside",
                Contents::Unclassified => "unclassified: no preset was used, treat it as secret",
            }
        )?;
        writeln!(
            f,
            "{}, {}",
            count(self.tables.len() as u64, "table"),
            count(self.rows, "row")
        )?;
        let width = self
            .tables
            .iter()
            .map(|line| safe(&line.table).chars().count())
            .max()
            .unwrap_or(0);
        for line in &self.tables {
            let rows = HumanCount(line.rows).to_string();
            writeln!(
                f,
                "  {:width$}  {rows:>12} rows  {:>12}",
                safe(&line.table),
                bytes(line.bytes)
            )?;
        }
        for set in &self.file_sets {
            writeln!(
                f,
                "files {}: {}, {}",
                safe(&set.name),
                count(set.files, "file"),
                bytes(set.bytes)
            )?;
            if let Some(outcome) = &set.transform {
                writeln!(f, "    {}", safe(&transformed(outcome)))?;
            }
        }
        if !self.left_out.is_empty() {
            writeln!(f, "left out:")?;
            self.left_out
                .iter()
                .try_for_each(|line| writeln!(f, "  {}", safe(line)))?;
        }
        if !self.notices.is_empty() {
            writeln!(f, "to know:")?;
            self.notices
                .iter()
                .try_for_each(|line| writeln!(f, "  {}", safe(line)))?;
        }
        Ok(())
    }
}

/// Who sealed an archive, as far as that was looked at.
#[derive(Serialize)]
struct Seal {
    sealed: bool,
    /// Its signature fits the scrub table.
    sender: Option<SenderName>,
    /// Whether all of the content was compared with what was signed, which only `verify` does.
    content_compared: bool,
}

impl Seal {
    fn of(sealed: bool, sender: Option<Sender>) -> Self {
        Self {
            sealed,
            sender: sender.map(Into::into),
            content_compared: false,
        }
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sender {
            Some(sender) => writeln!(
                f,
                "claimed: sealed by {}; the signature is valid, the content as a whole was not compared with it, which verify does",
                sender.fingerprint
            ),
            None if self.sealed => {
                writeln!(f, "nobody signed it, so it does not say who sealed it")
            }
            None => Ok(()),
        }
    }
}

#[derive(Serialize)]
struct Inspected {
    #[serde(flatten)]
    archive: Overview,
    #[serde(flatten)]
    seal: Seal,
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.archive.fmt(f)?;
        self.seal.fmt(f)
    }
}

#[derive(Serialize)]
struct Locked {
    #[serde(flatten)]
    seal: Seal,
    locks: Vec<String>,
    content_bytes: u64,
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.seal.sealed {
            return writeln!(f, "not sealed");
        }
        writeln!(
            f,
            "sealed, {} of content; opened by",
            bytes(self.content_bytes)
        )?;
        if self.locks.is_empty() {
            writeln!(f, "  a one-time key: this is a restore bundle")?;
        }
        // By these numbers `coffer rekey` removes them.
        (1..)
            .zip(&self.locks)
            .try_for_each(|(number, lock)| writeln!(f, "  #{number} {}", safe(lock)))?;
        self.seal.fmt(f)
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let source = source::archive(&args.file)?;
    if let Some(known) = args.foreign.recognise(&args.file, &source)? {
        if args.locked {
            known.show_locked(*output);
            return Ok(());
        }
        if let Some(open) = known.open(&args.key, &args.foreign, *output).await? {
            return foreign::inspect(open, *output).await;
        }
    }
    let look = look(&*source)?;
    let senders = args.trust.senders_of(&*source, &look)?;
    if args.locked {
        let locked = match &look {
            Look::Zip => Locked {
                seal: Seal::of(false, None),
                locks: Vec::new(),
                content_bytes: source.size(),
            },
            Look::Sealed(sealed) => Locked {
                seal: Seal::of(true, signed::sender(&*source, sealed)?),
                locks: sealed.locks().iter().map(Lock::to_string).collect(),
                content_bytes: sealed.payload_range().len,
            },
        };
        output.result(&locked, &locked);
        return Ok(());
    }
    let unlock = args.key.unlock(matches!(look, Look::Sealed(_)))?;
    let plain = Arc::new(Plain::open(source, &unlock)?);
    let archive = OpenArchive::of(plain.clone())
        .map_err(|error| ordinary::explain(error, &plain, *output))?;
    let sender = archive.plain().sender();
    senders.accept(sender).map_err(ReadError::from)?;
    let inspected = Inspected {
        archive: Overview::of(&archive.manifest),
        seal: Seal::of(archive.is_sealed(), sender),
    };
    output.result(&inspected, &inspected);
    Ok(())
}
