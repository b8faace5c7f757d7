//! `coffer extract`

use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
};

use coffer_core::policy::Preset;

use super::{
    Failure, Output,
    output::{bytes, count, safe},
    publish::{Unpublished, UnpublishedFolder},
    records::record,
    secret::OpenArgs,
    source,
};
use crate::{
    extract::{self, ExtractError, Format, RecordReport, RecordTable},
    preset::PresetText,
    progress::Progress,
    read::{Look, OpenArchive, look},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    /// The table to take out, as PostgreSQL's COPY text, or with --csv or --json.
    #[arg(
        long,
        value_name = "TABLE",
        required_unless_present_any = ["path", "records"],
        conflicts_with = "path"
    )]
    table: Option<String>,

    /// The file to take out: the file set's name, a slash, and the file's path.
    #[arg(long = "file", value_name = "SET/PATH")]
    path: Option<String>,

    /// The record to take out into a new folder, with all that belongs to it, what that refers to, and the files that it names;
    /// may be repeated. It is known by its primary key, a unique key or an identity of the preset.
    #[arg(
        long = "record",
        value_name = "TABLE:COLUMN=VALUE[,…]",
        conflicts_with_all = ["table", "path", "overwrite"],
        requires_all = ["out", "preset"]
    )]
    records: Vec<String>,

    /// What belongs to a record: a preset's file, or the name of one that comes with the program.
    #[arg(long, value_name = "FILE|NAME", requires = "records")]
    preset: Option<PathBuf>,

    /// Write rows as CSV; those of records are JSON otherwise.
    #[arg(long, conflicts_with_all = ["json", "path"])]
    csv: bool,

    /// Write into this file instead of standard output, records into this folder; it appears whole or not at all.
    #[arg(long, value_name = "FILE|FOLDER")]
    out: Option<PathBuf>,

    /// Replace the file if there is one of this name.
    #[arg(long, requires = "out")]
    overwrite: bool,

    #[command(flatten)]
    key: OpenArgs,
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let source = source::archive(&args.file)?;
    let unlock = args
        .key
        .unlock(matches!(look(&*source)?, Look::Sealed(_)))?;
    let archive = OpenArchive::open(source, &unlock)?;
    if let (false, Some(out), Some(preset)) = (args.records.is_empty(), &args.out, &args.preset) {
        let preset = PresetText::find(preset)?.preset;
        let format = if args.csv { Format::Csv } else { Format::Json };
        return records(archive, &args.records, preset, format, out, output).await;
    }
    let wanted = match (&args.table, &args.path) {
        (Some(table), _) => Wanted::Table(
            source::table(table, &archive)?,
            match (args.csv, output.is_json()) {
                (true, _) => Format::Csv,
                (false, true) => Format::Json,
                (false, false) => Format::Stored,
            },
        ),
        (None, path) => {
            let path = path.as_deref().unwrap_or_default();
            let (set, path) = path.split_once('/').ok_or_else(|| {
                Failure::usage("a file is named by its file set, a slash, and its path")
            })?;
            Wanted::File(set.to_owned(), path.to_owned())
        }
    };
    let progress = Progress::default();
    let stopped = |_| Failure::failed("defect", "taking it out stopped; nothing was published");
    match args.out {
        None => {
            let task_progress = progress.clone();
            let task = tokio::task::spawn_blocking(move || {
                let out = io::BufWriter::with_capacity(1 << 20, io::stdout().lock());
                wanted.write(&archive, out, &task_progress)
            });
            task.await.map_err(stopped)??;
        }
        Some(path) => {
            let file = Unpublished::create(&path, args.overwrite)?;
            let (out, task_progress) = (file.writer()?, progress.clone());
            let thing = wanted.thing();
            let task =
                tokio::task::spawn_blocking(move || wanted.write(&archive, out, &task_progress));
            let written = output.watch(&progress, task).await.map_err(stopped)??;
            file.publish()?;
            output.note(format!(
                "{} written, {}",
                path.display(),
                count(written, thing)
            ));
        }
    }
    Ok(())
}

/// Takes records out into a folder that wasn't there.
async fn records(
    archive: OpenArchive,
    named: &[String],
    preset: Preset,
    format: Format,
    out: &Path,
    output: &Output,
) -> Result<(), Failure> {
    let records = named
        .iter()
        .map(|text| record(text, &archive))
        .collect::<Result<Vec<_>, _>>()?;
    let folder = UnpublishedFolder::create(out)?;
    let progress = Progress::default();
    let (into, task_progress) = (folder.path().to_owned(), progress.clone());
    let task = tokio::task::spawn_blocking(move || {
        extract::record(&archive, &preset, records, format, &into, &task_progress)
    });
    let stopped = |_| Failure::failed("defect", "taking it out stopped; nothing was published");
    let report = output.watch(&progress, task).await.map_err(stopped)??;
    folder.publish()?;
    output.result(
        &report,
        Shown {
            out,
            report: &report,
        },
    );
    Ok(())
}

/// What was taken out of an archive, for people.
struct Shown<'a> {
    out: &'a Path,
    report: &'a RecordReport,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.report.tables {
            let RecordTable {
                table,
                belong,
                referred,
            } = table;
            writeln!(
                f,
                "{}: {} belonging, {referred} referred to",
                safe(table),
                count(*belong, "row")
            )?;
        }
        let files = count(self.report.files, "file");
        writeln!(f, "{files}, {}", bytes(self.report.bytes))?;
        for path in &self.report.missing_files {
            writeln!(f, "{} is named and not in the archive", safe(path))?;
        }
        write!(f, "{} written", self.out.display())
    }
}

enum Wanted {
    Table(coffer_core::schema::TableName, Format),
    File(String, String),
}

impl Wanted {
    const fn thing(&self) -> &'static str {
        match self {
            Self::Table(..) => "row",
            Self::File(..) => "byte",
        }
    }

    fn write(
        self,
        archive: &OpenArchive,
        out: impl Write,
        progress: &Progress,
    ) -> Result<u64, ExtractError> {
        match self {
            Self::Table(name, format) => extract::table(archive, &name, format, out, progress),
            Self::File(set, path) => extract::file(archive, &set, &path, out),
        }
    }
}
