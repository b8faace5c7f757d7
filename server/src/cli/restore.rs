//! `coffer restore`

use std::{
    fmt,
    io::{self, BufRead, IsTerminal, Write},
};

use coffer_core::{
    manifest::Selection,
    plan::{Consent, Mode, Plan},
    schema::TableName,
};
use indicatif::HumanCount;
use serde::Serialize;

use super::{
    Failure, Output,
    config::{Beside, ConfigArgs},
    decisions::{self, DecisionArgs},
    hooked,
    output::{bytes, count, safe},
    safety::SafetyArgs,
    secret::OpenArgs,
    signing::TrustArgs,
    source,
};
use crate::{
    hooks::{self, Occasion},
    progress::Progress,
    read::{Look, OpenArchive, look},
    restore::{self, RestoreReport, RestoreRequest},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    /// The database to restore into: postgres://… or sqlite:PATH. It must have its tables already.
    #[arg(
        long,
        value_name = "URL",
        env = "COFFER_TARGET",
        hide_env_values = true
    )]
    target: Option<String>,

    /// A schema of a PostgreSQL target that is looked at; may be repeated. The default is the archive's.
    #[arg(long = "schema", value_name = "SCHEMA")]
    schemas: Vec<String>,

    /// How archive and target are brought together. replace: the tables hold exactly what the archive holds.
    #[arg(long, value_enum)]
    mode: ModeArg,

    #[command(flatten)]
    described: ConfigArgs,

    /// Restore only this table; may be repeated.
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<String>,

    /// Restore no files.
    #[arg(long, conflicts_with = "files")]
    without_files: bool,

    /// A file set to leave as it is; may be repeated.
    #[arg(long, value_name = "NAME", conflicts_with = "without_files")]
    without_file_set: Vec<String>,

    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,

    /// Replace rows and files that are there now.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    decisions: DecisionArgs,

    /// Show the plan and stop.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    key: OpenArgs,

    #[command(flatten)]
    trust: TrustArgs,

    #[command(flatten)]
    safety: SafetyArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ModeArg {
    /// The tables hold exactly what the archive holds.
    Replace,
}

/// A plan for people.
pub(super) struct Shown<'a>(pub(super) &'a Plan);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.0;
        writeln!(
            f,
            "restore into {}, mode {}:",
            safe(&plan.target),
            plan.mode
        )?;
        let width = plan
            .tables
            .iter()
            .map(|table| safe(&table.table.to_string()).chars().count())
            .max()
            .unwrap_or(0);
        for table in &plan.tables {
            writeln!(
                f,
                "  {:width$}  {:>12} rows go  {:>12} rows come",
                safe(&table.table.to_string()),
                HumanCount(table.delete).to_string(),
                HumanCount(table.insert).to_string()
            )?;
        }
        for set in &plan.file_sets {
            writeln!(
                f,
                "  files {}: {} go, {} come ({})",
                safe(&set.name),
                HumanCount(set.delete),
                HumanCount(set.insert),
                bytes(set.bytes)
            )?;
        }
        for (finding, blocks) in restore::findings(plan) {
            writeln!(
                f,
                "  {} {}",
                if blocks { "refused:" } else { "note:" },
                safe(&finding.to_string())
            )?;
        }
        Ok(())
    }
}

/// A plan for programs.
#[derive(Serialize)]
pub(super) struct Planned<'a> {
    pub(super) plan: &'a Plan,
    pub(super) digest: String,
}

#[derive(Serialize)]
pub(super) struct Done {
    pub(super) restored: bool,
    #[serde(flatten)]
    pub(super) report: RestoreReport,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: u64 = self.report.file_sets.iter().map(|set| set.files).sum();
        writeln!(
            f,
            "restored: {} with {}, read back and equal to the archive, and {}",
            count(self.report.tables.len() as u64, "table"),
            count(self.report.rows, "row"),
            count(files, "file")
        )?;
        if !self.report.indexes.filled.is_empty() {
            writeln!(f, "filled row by row, which takes longer:")?;
        }
        for index in &self.report.indexes.filled {
            writeln!(f, "  the index {}: {}", safe(&index.name), index.why)?;
        }
        for table in &self.report.tables {
            if !table.not_compared.is_empty() {
                writeln!(
                    f,
                    "note: {} of {}.{}: loaded and counted, but not compared, since their type prints values in a form of its own",
                    safe(&table.not_compared.join(", ")),
                    safe(&table.schema),
                    safe(&table.name)
                )?;
            }
        }
        for dangling in &self.report.dangling {
            writeln!(
                f,
                "note: {} of {} still point by {} at nothing in {}, as they did where they were backed up",
                count(dangling.rows, "row"),
                safe(&dangling.table.to_string()),
                safe(&dangling.key),
                safe(&dangling.references)
            )?;
        }
        let Some(kept) = &self.report.safety_backup else {
            return Ok(());
        };
        writeln!(
            f,
            "what was replaced is kept: {} and {} in {} ({}); `coffer undo` brings them back",
            count(kept.rows, "row"),
            count(kept.files, "file"),
            kept.file,
            bytes(kept.bytes)
        )?;
        kept.lacks
            .iter()
            .try_for_each(|lack| writeln!(f, "  not kept: {}", safe(lack)))
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let (target, _) = args.described.source(Beside {
        url: (args.target.as_deref(), "--target"),
        schemas: args.schemas.clone(),
        ..Beside::default()
    })?;
    let archive = source::archive(&args.file)?;
    let looked = look(&*archive)?;
    let senders = args.trust.senders_of(&*archive, &looked)?;
    let unlock = args.key.unlock(matches!(looked, Look::Sealed(_)))?;
    let (selection, decisions) = {
        let archive = OpenArchive::open(archive.clone(), &unlock)?;
        let selection = Selection {
            tables: select_tables(&args.tables, &archive)?,
            file_sets: select_file_sets(&args, &archive)?,
        };
        (selection, args.decisions.of_archive(&archive.manifest)?)
    };
    let mut request = RestoreRequest {
        target,
        archive,
        unlock,
        senders,
        selection,
        mode: match args.mode {
            ModeArg::Replace => Mode::Replace,
        },
        consent: Consent {
            replace_existing: args.force,
            decisions,
            no_safety_backup: args.safety.declined(),
        },
        expected_plan: None,
        planned_without_rows: false,
        safety: args.safety.store()?,
        undoes: None,
    };
    let plan = restore::plan(&request).await?;
    if args.dry_run {
        output.result(
            &Planned {
                plan: &plan,
                digest: plan.digest().to_string(),
            },
            Shown(&plan),
        );
        return Ok(());
    }
    output.note(Shown(&plan));
    if plan.blocked {
        return Err(refusal(&plan));
    }
    if !args.yes {
        confirm(&plan)?;
    }
    request.expected_plan = Some(plan.digest());
    let progress = Progress::default();
    let hooks = request.target.hooks.clone();
    let work = async {
        let report = restore::run(request, progress.clone()).await?;
        Ok(Done {
            restored: true,
            report,
        })
    };
    let hooked = hooks::around(&hooks, Occasion::Restore, &progress, work);
    let outcome = output.watch(&progress, hooked).await;
    hooked::end(*output, &progress, outcome)
}

/// The file sets to restore; `None` for all.
fn select_file_sets(args: &Args, archive: &OpenArchive) -> Result<Option<Vec<String>>, Failure> {
    // Single tables are asked for without files, unless a folder for them is named.
    if args.without_files || (!args.tables.is_empty() && args.described.files().is_empty()) {
        return Ok(Some(Vec::new()));
    }
    let without = &args.without_file_set;
    let sets = || archive.manifest.file_sets.iter().map(|set| &set.name);
    if let Some(name) = without.iter().find(|name| !sets().any(|set| set == *name)) {
        return Err(Failure::usage(format!(
            "the archive holds no file set {name}; nothing was changed"
        )));
    }
    Ok((!without.is_empty()).then(|| {
        let rest = sets().filter(|name| !without.contains(name));
        rest.cloned().collect()
    }))
}

fn select_tables(
    names: &[String],
    archive: &OpenArchive,
) -> Result<Option<Vec<TableName>>, Failure> {
    if names.is_empty() {
        return Ok(None);
    }
    let tables: Result<_, _> = names
        .iter()
        .map(|name| source::table(name, archive))
        .collect();
    tables.map(Some)
}

pub(super) fn refusal(plan: &Plan) -> Failure {
    use coffer_core::plan::Finding;
    let reasons: Vec<String> = plan
        .blocking()
        .map(|finding| match finding {
            Finding::NotEmpty { .. } => format!("{finding} (--force allows it)"),
            Finding::Drift { drift } => format!("{finding}{}", decisions::options(drift)),
            Finding::NoFolder { set } => {
                format!("{finding} (give one with --files {set}=FOLDER, or use --without-files)")
            }
            other => other.to_string(),
        })
        .collect();
    Failure::refused(
        "plan_blocked",
        format!(
            "refused: {}; nothing was changed",
            safe(&reasons.join("; "))
        ),
    )
}

pub(super) fn confirm(plan: &Plan) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "there is no terminal to confirm the plan on; nothing was changed, use --yes to go on without asking",
        ));
    }
    let mut err = io::stderr().lock();
    let _ = write!(
        err,
        "Type the name of the target to go on ({}): ",
        safe(&plan.target)
    );
    let _ = err.flush();
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::failed("prompt", format!("cannot read the answer: {error}")))?;
    if answer.trim_end_matches(['\n', '\r']) == plan.target {
        Ok(())
    } else {
        Err(Failure::refused(
            "not_confirmed",
            "not confirmed; nothing was changed",
        ))
    }
}
