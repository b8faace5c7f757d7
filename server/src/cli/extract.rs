//! `coffer extract`

use std::{
    io::{self, Write},
    path::PathBuf,
};

use super::{Failure, Output, output::count, publish::Unpublished, secret::OpenArgs, source};
use crate::{
    extract::{self, ExtractError, Format},
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
        required_unless_present = "path",
        conflicts_with = "path"
    )]
    table: Option<String>,

    /// The file to take out: the file set's name, a slash, and the file's path.
    #[arg(long = "file", value_name = "SET/PATH")]
    path: Option<String>,

    /// Write the table as CSV.
    #[arg(long, requires = "table", conflicts_with = "json")]
    csv: bool,

    /// Write into this file instead of standard output; it appears whole or not at all.
    #[arg(long, value_name = "FILE")]
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
