//! `coffer restore`

use std::{
    fmt,
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
};

use coffer_core::{
    merge::{Counts, FileCounts},
    plan::{Plan, PlanFile},
};
use indicatif::HumanCount;
use serde::Serialize;

use super::{
    Failure, Output, decisions,
    foreign::ForeignArgs,
    hooked,
    output::{bytes, count, safe},
    plan,
    safety::SafetyArgs,
    wanted::{ANSWERED_BY_A_PLAN, WantedArgs},
};
use crate::{
    hooks::{self, Occasion},
    progress::Progress,
    restore::{self, RestoreError, RestoreReport, RestoreRequest, TableSamples},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    wanted: WantedArgs,

    /// Carry out exactly the plan that `coffer plan` wrote into this file, or nothing if anything has changed since.
    #[arg(long, value_name = "FILE", conflicts_with_all = ANSWERED_BY_A_PLAN, conflicts_with = "no_safety_backup")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    foreign: ForeignArgs,

    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,

    /// Show the plan and stop.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    safety: SafetyArgs,
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
            if let Some(counts) = &table.merge {
                let name = safe(&table.table.to_string());
                writeln!(f, "  {name:width$}  {}", Counted(counts))?;
                continue;
            }
            writeln!(
                f,
                "  {:width$}  {:>12} rows go  {:>12} rows come",
                safe(&table.table.to_string()),
                HumanCount(table.delete).to_string(),
                HumanCount(table.insert).to_string()
            )?;
        }
        for set in &plan.file_sets {
            if let Some(counts) = &set.merge {
                let (name, counts) = (safe(&set.name), CountedFiles(counts));
                writeln!(f, "  files {name}: {counts} ({})", bytes(set.bytes))?;
                continue;
            }
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

/// What a merge does to one table, for people.
struct Counted<'a>(&'a Counts);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(counts) = self;
        write!(
            f,
            "{} new, {} changed, {} kept, {} removed",
            HumanCount(counts.insert),
            HumanCount(counts.update),
            HumanCount(counts.keep),
            HumanCount(counts.delete)
        )?;
        for (reason, rows) in &counts.skipped {
            write!(f, ", {} left out: {reason}", HumanCount(*rows))?;
        }
        for (rows, what) in [
            (counts.remapped, "under another number"),
            (counts.remade, "with a unique value that another row has"),
            (counts.cleared, "references to nothing made NULL"),
            (counts.detached, "references to removed rows made NULL"),
        ] {
            if rows > 0 {
                write!(f, ", {} {what}", HumanCount(rows))?;
            }
        }
        Ok(())
    }
}

/// What a merge does to the files of one set, for people.
struct CountedFiles<'a>(&'a FileCounts);

impl fmt::Display for CountedFiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(counts) = self;
        write!(
            f,
            "{} new, {} replaced, {} kept, {} removed",
            HumanCount(counts.add),
            HumanCount(counts.replace),
            HumanCount(counts.keep),
            HumanCount(counts.remove)
        )?;
        for (files, what) in [
            (counts.rename, "under another name"),
            (counts.skipped, "left out with their rows"),
        ] {
            if files > 0 {
                write!(f, ", {} {what}", HumanCount(files))?;
            }
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
        if !self.report.merged.is_empty() {
            writeln!(f, "brought together, exactly as planned:")?;
            for table in &self.report.merged {
                let name = safe(&format!("{}.{}", table.schema, table.name));
                writeln!(f, "  {name}  {}", Counted(&table.counts))?;
            }
            for set in &self.report.file_sets {
                if let Some(counts) = &set.merged {
                    writeln!(f, "  files {}: {}", safe(&set.name), CountedFiles(counts))?;
                }
            }
            return self.kept(f);
        }
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
        self.kept(f)
    }
}

impl Done {
    /// Where what was replaced is kept.
    fn kept(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// There was nothing to do.
#[derive(Serialize)]
pub(super) struct Unchanged<'a> {
    restored: bool,
    #[serde(flatten)]
    planned: Planned<'a>,
}

impl<'a> Unchanged<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        Self {
            restored: false,
            planned: Planned {
                plan,
                digest: plan.digest().to_string(),
            },
        }
    }
}

/// What is said of it.
pub(super) const NOTHING: &str =
    "nothing would change: the target has all of it already; nothing was done\n";

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let store = args.safety.store()?;
    let file = args.plan.as_deref().map(plan::read).transpose()?;
    // It goes with its end: until then the restore reads it.
    let converted = match &file {
        Some(_) => None,
        None => args.wanted.converted(&args.foreign, *output).await?,
    };
    let request = match &file {
        Some(file) => args.wanted.planned(store, file)?,
        None => args
            .wanted
            .request(store, args.safety.declined(), converted.as_ref())?,
    };
    let asked = Asked {
        yes: args.yes,
        dry_run: args.dry_run,
    };
    carry_out(request, file.as_ref(), asked, output).await
}

/// Whether somebody is asked, and whether it comes to that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) yes: bool,
    pub(super) dry_run: bool,
}

/// Plans a restore, asks whether that is meant, and does it.
pub(super) async fn carry_out(
    mut request: RestoreRequest,
    file: Option<&PlanFile>,
    asked: Asked,
    output: &Output,
) -> Result<(), Failure> {
    // A merge's plan is a rehearsal of all of it. Where nobody is asked in between, and nobody has to be told to stop the
    // application, once is enough: what the transaction comes to is the plan.
    let at_once =
        asked.yes && !asked.dry_run && request.merges() && request.target.hooks.is_empty();
    if at_once {
        request.expected_plan = file.map(|file| file.plan.digest());
        let progress = Progress::default();
        let restored = output
            .watch(&progress, restore::run(request, progress.clone()))
            .await;
        return at_once_ended(restored, file, output);
    }
    let planned = restore::plan(&request, &Progress::default()).await?;
    if let Some(outdated) = file.and_then(|file| plan::outdated(file, &planned)) {
        return Err(outdated);
    }
    let restore::Planned { plan, samples, .. } = planned;
    if asked.dry_run {
        output.result(
            &Planned {
                plan: &plan,
                digest: plan.digest().to_string(),
            },
            Shown(&plan),
        );
        return Ok(());
    }
    note(output, &plan, &samples);
    if plan.blocked {
        return Err(refusal(&plan));
    }
    if plan.is_unchanged() {
        // No application has to be stopped for that.
        output.result(&Unchanged::of(&plan), NOTHING);
        return Ok(());
    }
    if !asked.yes {
        confirm(&plan)?;
    }
    request.expected_plan = Some(plan.digest());
    let progress = Progress::default();
    let hooks = request.target.hooks.clone();
    let work = async {
        let report = restore::run(request, progress.clone())
            .await
            .map_err(|error| failed(error, file))?;
        Ok::<_, Failure>(Done {
            restored: true,
            report,
        })
    };
    let hooked = hooks::around(&hooks, Occasion::Restore, &progress, work);
    let outcome = output.watch(&progress, hooked).await;
    hooked::end(*output, &progress, outcome)
}

/// Shows a plan, with rows that change.
fn note(output: &Output, plan: &Plan, samples: &[TableSamples]) {
    output.note(Shown(plan));
    if !samples.is_empty() {
        output.note(plan::Samples(samples));
    }
}

/// What a restore failed with.
fn failed(error: RestoreError, file: Option<&PlanFile>) -> Failure {
    match (file, error) {
        // With the tables locked, something had changed after all.
        (Some(file), RestoreError::PlanChanged(now)) => {
            plan::outdated(file, &now).unwrap_or_else(|| RestoreError::PlanChanged(now).into())
        }
        (_, error) => error.into(),
    }
}

/// Shows what a merge came to that was planned and carried out at once.
fn at_once_ended(
    restored: Result<RestoreReport, RestoreError>,
    file: Option<&PlanFile>,
    output: &Output,
) -> Result<(), Failure> {
    let report = match restored {
        Ok(report) => report,
        Err(RestoreError::Blocked(plan)) => {
            output.note(Shown(&plan));
            return Err(refusal(&plan));
        }
        Err(error) => return Err(failed(error, file)),
    };
    if let Some(planned) = &report.planned {
        note(output, &planned.plan, &planned.samples);
    }
    let planned = report.planned.as_ref();
    let done = Done {
        restored: planned.is_none_or(|planned| !planned.plan.is_unchanged()),
        report,
    };
    if done.restored {
        output.result(&done, &done);
    } else {
        output.result(&done, NOTHING);
    }
    Ok(())
}

pub(super) fn refusal(plan: &Plan) -> Failure {
    refusal_without_folder(plan, |set| {
        format!("give one with --files {set}=FOLDER, or use --without-files")
    })
}

/// As [`refusal`], with what helps where a file set has no folder.
pub(super) fn refusal_without_folder(plan: &Plan, helps: impl Fn(&str) -> String) -> Failure {
    use coffer_core::plan::Finding;
    let reasons: Vec<String> = plan
        .blocking()
        .map(|finding| match finding {
            Finding::NotEmpty { .. } | Finding::RowsChange { .. } | Finding::FilesChange { .. } => {
                format!("{finding} (--force allows it)")
            }
            Finding::Drift { drift } => format!("{finding}{}", decisions::options(drift)),
            Finding::NoFolder { set } => format!("{finding} ({})", helps(set)),
            Finding::PathsTaken { .. } => {
                format!("{finding} (--without-files leaves files out)")
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
