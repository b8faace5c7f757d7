//! `coffer undo`

use std::fmt;

use coffer_core::schema::ColumnName;
use serde::Serialize;

use super::{
    Failure, Output,
    decisions::{self, DecisionArgs},
    output::{bytes, count, safe},
    restore::{Asked, Done, Planned, Shown, confirm, refusal},
    safety::SafetyArgs,
    secret::OpenArgs,
    source::url,
};
use crate::{
    engine::DatabaseUrl,
    progress::Progress,
    read::Unlock,
    restore,
    safety::{Changes, Listed, Occasion, Record, SafetyStore},
    system::{self, Guard},
    undo::{self, Allowed, Entry, Prepared},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The safety backup to restore; without it, the latest one of the target.
    #[arg(value_name = "ID", conflicts_with = "list")]
    id: Option<String>,

    /// The database that was restored into: postgres://… or sqlite:PATH.
    #[arg(
        long,
        value_name = "URL",
        env = "COFFER_TARGET",
        hide_env_values = true,
        required_unless_present = "list"
    )]
    target: Option<String>,

    /// List the safety backups, of all targets or of the one that is named, and stop.
    #[arg(long, conflicts_with_all = ["dry_run", "yes", "discard_changes", "drop_columns", "fill"])]
    list: bool,

    /// Show the plan and stop.
    #[arg(long)]
    dry_run: bool,

    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,

    /// Undo although rows or files changed since the restore, and lose these changes.
    #[arg(long)]
    discard_changes: bool,

    #[command(flatten)]
    decisions: DecisionArgs,

    #[command(flatten)]
    key: OpenArgs,

    #[command(flatten)]
    safety: SafetyArgs,
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.before {
            Occasion::Restore => "a restore",
            Occasion::Undo => "an undo",
        };
        let became = match self.restore {
            "begun" => ", which is going on",
            "committing" => ", which was interrupted and may have taken effect",
            _ => "",
        };
        write!(
            f,
            "{}  {}  {} in {} and {} ({}), before {what}{became}",
            self.id,
            safe(self.target),
            count(self.rows, "row"),
            count(self.tables as u64, "table"),
            count(self.files, "file"),
            bytes(self.bytes)
        )
    }
}

#[derive(Serialize)]
struct List<'a> {
    folder: String,
    safety_backups: Vec<Entry<'a>>,
    unreadable: Vec<String>,
}

impl<'a> List<'a> {
    fn of(folder: String, listed: &'a Listed) -> Self {
        Self {
            folder,
            safety_backups: listed.records.iter().map(Entry::of).collect(),
            unreadable: listed.unreadable.iter().map(ToString::to_string).collect(),
        }
    }
}

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.safety_backups.is_empty() {
            writeln!(f, "no safety backups in {}", self.folder)?;
        }
        for entry in &self.safety_backups {
            writeln!(f, "{entry}")?;
        }
        for unreadable in &self.unreadable {
            writeln!(f, "{}", safe(unreadable))?;
        }
        Ok(())
    }
}

/// A plan with what the undo would lose, for programs.
#[derive(Serialize)]
struct PlannedUndo<'a> {
    safety_backup: Entry<'a>,
    changed_since: &'a Changes,
    #[serde(flatten)]
    planned: Planned<'a>,
}

struct ShownUndo<'a>(&'a Record, &'a Changes, Shown<'a>);

impl fmt::Display for ShownUndo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(record, changes, shown) = self;
        writeln!(f, "undo with {}", Entry::of(record))?;
        shown.fmt(f)?;
        if !changes.is_empty() {
            writeln!(
                f,
                "  changed since the restore, and lost by the undo: {}",
                safe(&changes.to_string())
            )?;
        }
        Ok(())
    }
}

/// An undo that is asked for.
pub(super) struct Wanted {
    pub(super) store: SafetyStore,
    pub(super) target: DatabaseUrl,
    /// The safety backup; the latest one of the target if none is named.
    pub(super) id: Option<String>,
    pub(super) unlock: Option<Unlock>,
    pub(super) decisions: DecisionArgs,
    pub(super) discard_changes: bool,
    pub(super) no_safety_backup: bool,
    /// Looks after Coffer's own configuration, of which nothing else is undone.
    pub(super) guard: Option<Guard>,
    pub(super) asked: Asked,
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let store = args.safety.store()?;
    let target = args.target.as_deref().map(url).transpose()?;
    if args.list {
        let listed = undo::list(&store.folder, target.as_ref()).await?;
        let list = List::of(store.folder.display().to_string(), &listed);
        output.result(&list, &list);
        return Ok(());
    }
    let target = target.ok_or_else(|| Failure::usage("name the database with --target"))?;
    let unlock = args
        .key
        .given()
        .then(|| args.key.unlock(true))
        .transpose()?;
    let wanted = Wanted {
        store,
        target,
        id: args.id,
        unlock,
        decisions: args.decisions,
        discard_changes: args.discard_changes,
        no_safety_backup: args.safety.declined(),
        guard: None,
        asked: Asked {
            yes: args.yes,
            dry_run: args.dry_run,
        },
    };
    carry_out(wanted, output).await
}

/// Plans an undo, asks whether that is meant, and does it.
pub(super) async fn carry_out(wanted: Wanted, output: &Output) -> Result<(), Failure> {
    let record = undo::find(&wanted.store.folder, &wanted.target, wanted.id.as_deref()).await?;
    if record.restored.app == system::APP && wanted.guard.is_none() {
        return Err(Failure::refused(
            "needs_guard",
            "this is a configuration of Coffer, which is brought back only with its server stopped, and looked after; nothing was changed; use coffer system undo",
        ));
    }
    let held = record.left().into_iter().flat_map(|left| &left.tables);
    let columns: Vec<ColumnName> = held
        .flat_map(|table| {
            table
                .columns
                .iter()
                .map(|column| decisions::name(&table.table, column))
        })
        .collect();
    let allowed = Allowed {
        discard_changes: wanted.discard_changes,
        decisions: wanted.decisions.among(&columns)?,
        no_safety_backup: wanted.no_safety_backup,
        guard: wanted.guard,
    };
    let Prepared {
        plan,
        changes,
        request,
    } = undo::prepare(
        wanted.store,
        &wanted.target,
        &record,
        wanted.unlock,
        allowed,
    )
    .await?;
    let shown = ShownUndo(&record, &changes, Shown(&plan));
    if wanted.asked.dry_run {
        let planned = PlannedUndo {
            safety_backup: Entry::of(&record),
            changed_since: &changes,
            planned: Planned {
                plan: &plan,
                digest: plan.digest().to_string(),
            },
        };
        output.result(&planned, shown);
        return Ok(());
    }
    output.note(shown);
    if plan.blocked {
        return Err(refusal(&plan));
    }
    if !changes.is_empty() && !wanted.discard_changes {
        return Err(Failure::refused(
            "changed_since",
            format!(
                "refused: {} changed since the restore, and an undo would lose that (--discard-changes allows it); nothing was changed",
                safe(&changes.to_string())
            ),
        ));
    }
    if !wanted.asked.yes {
        confirm(&plan)?;
    }
    let progress = Progress::default();
    let report = output
        .watch(&progress, restore::run(request, progress.clone()))
        .await?;
    let done = Done {
        restored: true,
        report,
    };
    output.result(&done, &done);
    Ok(())
}
