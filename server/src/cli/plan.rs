//! `coffer plan`

use std::{
    fmt, fs,
    io::Write,
    path::{Path, PathBuf},
};

use coffer_core::plan::{Plan, PlanFile, TargetFacts};
use serde::Serialize;

use super::{
    Failure, Output,
    foreign::ForeignArgs,
    output::{count, safe},
    publish::Unpublished,
    restore::{Planned, Shown, refusal},
    wanted::WantedArgs,
};
use crate::{
    progress::Progress,
    restore::{self, RestoredTable, TableSamples},
    safety::{DEFAULT_KEEP, SafetyStore},
};

/// The largest plan that is read: the shape of a database, twice, and what is said of it.
const MAX_PLAN: u64 = 256 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    wanted: WantedArgs,

    #[command(flatten)]
    foreign: ForeignArgs,

    /// Do all of it in a transaction that is rolled back. It takes as long as the restore, and shuts others out of the tables.
    #[arg(long)]
    rehearse: bool,

    /// Write the plan into a file, which `coffer restore --plan` carries out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Replace an existing file.
    #[arg(long, requires = "out")]
    overwrite: bool,

    /// Plan a restore that does not keep what it replaces.
    #[arg(long)]
    no_safety_backup: bool,
}

/// What a rehearsal came to.
#[derive(Serialize)]
struct Rehearsal {
    tables: Vec<RestoredTable>,
    rows: u64,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    planned: Planned<'a>,
    /// Rows that change, a few of each table.
    samples: &'a [TableSamples],
    /// Nothing if it was not rehearsed.
    rehearsal: Option<Rehearsal>,
}

/// Rows that change, for people.
pub(super) struct Samples<'a>(pub(super) &'a [TableSamples]);

impl fmt::Display for Samples<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in self.0 {
            let name = safe(&table.table.to_string());
            writeln!(f, "rows of {name} that change, for example:")?;
            for row in &table.rows {
                writeln!(f, "  {}", safe(&row.to_string()))?;
            }
        }
        Ok(())
    }
}

struct Words<'a> {
    plan: &'a Plan,
    samples: &'a [TableSamples],
    rehearsal: Option<&'a Rehearsal>,
    asked: bool,
    out: Option<&'a Path>,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.plan).fmt(f)?;
        Samples(self.samples).fmt(f)?;
        match self.rehearsal {
            Some(_) if self.plan.merges() => writeln!(
                f,
                "rehearsed: every byte of the archive was checked, its rows were brought together with the target's, and all of it was undone"
            )?,
            Some(rehearsal) => writeln!(
                f,
                "rehearsed: {} in {} were loaded, read back and equal to the archive, and all of it was undone",
                count(rehearsal.rows, "row"),
                count(rehearsal.tables.len() as u64, "table")
            )?,
            None if self.asked => {
                writeln!(f, "not rehearsed, since it is refused")?;
            }
            None => {}
        }
        if let Some(out) = self.out {
            let out = safe(&out.display().to_string());
            writeln!(
                f,
                "the plan is in {out}; `coffer restore --plan {out}` carries out exactly this"
            )?;
        }
        Ok(())
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    // Planning keeps nothing, so it needs no place for it.
    let nowhere = SafetyStore {
        folder: PathBuf::new(),
        recipients: Vec::new(),
        keep: DEFAULT_KEEP,
    };
    // It goes with its end: until then the plan reads it.
    let converted = args.wanted.converted(&args.foreign, *output).await?;
    if converted.is_some() && args.out.is_some() {
        return Err(Failure::usage(
            "a plan is kept for an archive of Coffer's own, which this one only becomes on the way; nothing was written; convert it first with coffer convert --like",
        ));
    }
    let declined = args.no_safety_backup;
    let mut request = args.wanted.request(nowhere, declined, converted.as_ref())?;
    let mut planned = restore::plan(&request, &Progress::default()).await?;
    let mut rehearsal = None;
    if args.rehearse && !planned.plan.blocked {
        request.expected_plan = Some(planned.plan.digest());
        let progress = Progress::default();
        let work = restore::rehearse(&request, &progress);
        let done = output.watch(&progress, work).await?;
        planned = done.planned;
        rehearsal = Some(Rehearsal {
            rows: done.tables.iter().map(|table| table.rows).sum(),
            tables: done.tables,
        });
    }
    let restore::Planned {
        plan,
        facts,
        samples,
    } = planned;
    if let Some(out) = &args.out {
        // A plan that nobody can carry out is shown, and not kept.
        if plan.blocked {
            output.note(Shown(&plan));
            return Err(refusal(&plan));
        }
        // The counts of a merge come from a rehearsal in any case.
        let rehearsed = rehearsal.is_some() || plan.merges();
        write(out, args.overwrite, &plan, &facts, rehearsed)?;
    }
    let words = Words {
        plan: &plan,
        samples: &samples,
        rehearsal: rehearsal.as_ref(),
        asked: args.rehearse,
        out: args.out.as_deref(),
    }
    .to_string();
    let answer = Answer {
        planned: Planned {
            plan: &plan,
            digest: plan.digest().to_string(),
        },
        samples: &samples,
        rehearsal,
    };
    output.result(&answer, words);
    Ok(())
}

fn write(
    out: &Path,
    overwrite: bool,
    plan: &Plan,
    facts: &TargetFacts,
    rehearsed: bool,
) -> Result<(), Failure> {
    let file = PlanFile::new(plan.clone(), facts.clone(), rehearsed);
    let unpublished = Unpublished::create(out, overwrite)?;
    let mut writer = unpublished.writer()?;
    writer
        .write_all(&file.to_json())
        .and_then(|()| writer.flush())
        .map_err(|error| Failure::file("write", out, &error))?;
    drop(writer);
    unpublished.publish()
}

/// Reads a plan that was written.
pub(super) fn read(path: &Path) -> Result<PlanFile, Failure> {
    let failed = |error: &std::io::Error| Failure::file("read the plan", path, error);
    let size = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > MAX_PLAN {
        return Err(Failure::refused(
            "plan_invalid",
            format!(
                "{} has {size} bytes, and no plan has more than {MAX_PLAN}; nothing was changed",
                path.display()
            ),
        ));
    }
    let json = fs::read(path).map_err(|error| failed(&error))?;
    PlanFile::parse(&json)
        .map_err(|error| Failure::refused("plan_invalid", format!("{}: {error}", path.display())))
}

/// The refusal of a plan that would be another one now.
pub(super) fn outdated(file: &PlanFile, now: &restore::Planned) -> Option<Failure> {
    let changes = file.changes(&now.plan, &now.facts);
    if changes.is_empty() {
        return None;
    }
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
    Some(Failure::refused(
        "plan_changed",
        format!(
            "refused: since the plan was made, {}; nothing was changed, make a new plan",
            safe(&changes.join("; "))
        ),
    ))
}
