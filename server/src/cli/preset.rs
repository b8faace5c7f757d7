//! `coffer preset check` and `coffer preset init`

use std::{fs, path::PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;

use super::{Failure, Output, source::url};
use crate::{
    engine::{self, Database},
    preset::{self, PresetError, PresetText},
};

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hold a preset against a database: what is wrong with it, and what it says nothing about.
    Check(CheckArgs),
    /// Write a first draft of a preset from a database's shape, with its guesses marked.
    Init(InitArgs),
    /// Name the presets that come with the program, or print one.
    Show(ShowArgs),
}

#[derive(Debug, ClapArgs)]
struct CheckArgs {
    /// The preset: a file, or the name of one that comes with the program.
    #[arg(value_name = "FILE|NAME")]
    preset: PathBuf,

    /// The database; without one, the preset is only read.
    #[arg(
        long,
        value_name = "URL",
        env = "COFFER_SOURCE",
        hide_env_values = true
    )]
    source: Option<String>,

    /// A schema of a PostgreSQL database; may be repeated. The default is public.
    #[arg(long = "schema", value_name = "SCHEMA")]
    schemas: Vec<String>,

    /// Fail also on what is only unclassified: tables, foreign keys, columns that look like credentials.
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, ClapArgs)]
struct InitArgs {
    /// The database.
    #[arg(
        long,
        value_name = "URL",
        env = "COFFER_SOURCE",
        hide_env_values = true
    )]
    source: String,

    /// A schema of a PostgreSQL database; may be repeated. The default is public.
    #[arg(long = "schema", value_name = "SCHEMA")]
    schemas: Vec<String>,

    /// The application's name; the default is the database's.
    #[arg(long, value_name = "NAME")]
    app: Option<String>,

    /// The file to write; the default is standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
struct ShowArgs {
    /// The preset; without a name, all names are shown.
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl From<PresetError> for Failure {
    fn from(error: PresetError) -> Self {
        match error {
            PresetError::Read { .. } => Self::failed(error.code(), error),
            PresetError::Wrong(_) => Self {
                code: error.code().to_owned(),
                ..Self::usage(error)
            },
        }
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    match args.command {
        Command::Check(args) => check(args, output).await,
        Command::Init(args) => init(args, output).await,
        Command::Show(args) => show(args, output),
    }
}

async fn database(given: &str, schemas: Vec<String>) -> Result<Database, Failure> {
    let mut url = url(given)?;
    if !schemas.is_empty() {
        url = url.with_schemas(schemas).map_err(Failure::usage)?;
    }
    let snapshot = engine::open(&url).snapshot().await?;
    Ok(snapshot.database().clone())
}

async fn check(args: CheckArgs, output: &Output) -> Result<(), Failure> {
    let preset = PresetText::find(&args.preset)?;
    let database = match &args.source {
        Some(given) => Some(database(given, args.schemas).await?),
        None => None,
    };
    let database = database.as_ref();
    let report = preset::check(
        &preset,
        database.map(|database| (database.engine, &database.schema)),
    );
    if report.is_wrong() || (args.strict && report.is_incomplete()) {
        let counts = [
            (
                report.errors.len(),
                "rule that is wrong",
                "rules that are wrong",
            ),
            (
                report.suspicious_columns.len(),
                "column that looks like a credential",
                "columns that look like credentials",
            ),
            (
                report.unclassified_tables.len(),
                "unclassified table",
                "unclassified tables",
            ),
            (
                report.unclassified_foreign_keys.len(),
                "unclassified foreign key",
                "unclassified foreign keys",
            ),
        ];
        let counted = counts.iter().filter(|(count, ..)| *count > 0);
        let counted: Vec<String> = counted
            .map(|(count, one, more)| format!("{count} {}", if *count == 1 { one } else { more }))
            .collect();
        let failure = Failure::refused(
            "preset_unfit",
            format!(
                "{report}the preset {} does not pass: {}",
                report.preset,
                counted.join(", ")
            ),
        );
        return Err(failure.with_details("report", &report));
    }
    output.result(&report, &report);
    Ok(())
}

#[derive(Serialize)]
struct Drafted {
    file: Option<String>,
    preset: String,
}

async fn init(args: InitArgs, output: &Output) -> Result<(), Failure> {
    let database = database(&args.source, args.schemas).await?;
    let app = args.app.unwrap_or_else(|| database.name.clone());
    let text = preset::draft(&app, database.engine, &database.schema);
    // What can't be used is not handed out.
    let draft = PresetText::parse("draft", text)?;
    draft.must_fit(database.engine, &database.schema)?;
    let Some(path) = &args.out else {
        let drafted = Drafted {
            file: None,
            preset: draft.text,
        };
        output.result(&drafted, &drafted.preset);
        return Ok(());
    };
    fs::File::create_new(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, draft.text.as_bytes()))
        .map_err(|error| Failure::file("write the draft", path, &error))?;
    let drafted = Drafted {
        file: Some(path.display().to_string()),
        preset: draft.text,
    };
    let told = format!(
        "a draft for {} tables is in {}; look at each line with \"guess\"\n",
        database.schema.tables.len(),
        path.display()
    );
    output.result(&drafted, told);
    Ok(())
}

#[derive(Serialize)]
struct Shown {
    presets: Vec<&'static str>,
}

fn show(args: ShowArgs, output: &Output) -> Result<(), Failure> {
    let Some(name) = args.name else {
        let presets: Vec<&str> = preset::built_in().collect();
        let names = presets.join("\n") + "\n";
        output.result(&Shown { presets }, names);
        return Ok(());
    };
    if !preset::built_in().any(|known| known == name) {
        return Err(Failure::usage(format!(
            "no preset {name} comes with the program; nothing was read; there are {}",
            preset::built_in().collect::<Vec<_>>().join(", ")
        )));
    }
    let found = PresetText::find(name.as_ref())?;
    let drafted = Drafted {
        file: None,
        preset: found.text,
    };
    output.result(&drafted, &drafted.preset);
    Ok(())
}
