//! Replacing rows in one transaction, with the proof before the commit.

use std::sync::Arc;

use coffer_core::{
    manifest::TableData,
    plan::{self, Plan, TargetFacts},
    rows::{Mapped, RowMap, RowSet},
    schema::{Survey, TableName},
};
use tokio::sync::mpsc;

use super::{
    MergedTable, Planned, RestoreError, RestoreRequest, RestoredFileSet, RestoredTable, accept,
    facts::{facts, watched},
    guard_after, guard_before, keep, rows, survey,
};
use crate::{
    backup::Reader,
    engine::{self, Engine, EngineError, Outcome, ReplaceSession, Settled},
    progress::{Phase, Progress},
    read::OpenArchive,
    recover,
    safety::{TableContent, Taken},
    switch::FileSwitch,
    system::Seen,
};

/// Pieces of row text that may wait between reading and loading.
const QUEUE: usize = 2;

/// What was replaced, and what was done besides.
#[derive(Default)]
pub(super) struct Replaced {
    pub(super) tables: Vec<RestoredTable>,
    pub(super) merged: Vec<MergedTable>,
    pub(super) files: Vec<RestoredFileSet>,
    pub(super) settled: Settled,
    /// The plan of a merge.
    pub(super) planned: Option<Box<Planned>>,
}

/// A write transaction with the tables locked, and the plan that was accepted in it.
pub(super) struct Begun {
    session: Box<dyn ReplaceSession>,
    tables: Vec<TableName>,
    rows: Vec<(TableName, u64)>,
    facts: TargetFacts,
    survey: Survey,
    plan: Plan,
    seen: Seen,
}

impl Begun {
    /// The plan that was accepted.
    pub(super) fn planned(&self) -> Planned {
        Planned::new(self.plan.clone(), self.facts.clone())
    }
}

/// Begins the transaction, and plans once more with the tables locked: from here on the target can't change under the
/// plan.
pub(super) async fn begin(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    survey: Survey,
    selected: &[TableData],
    progress: &Progress,
) -> Result<Begun, RestoreError> {
    progress.begin(Phase::Planning, 0);
    let tables: Vec<TableName> = selected.iter().map(|table| table.table.clone()).collect();
    let database = engine::open(&request.target.url.covering(archive.manifest.schema.names()));
    let mut session = database.begin_replace(&tables).await?;
    let rows = session.count_rows().await?;
    let references = session.references_into(&tables).await?;
    let facts = facts(
        session.database(),
        watched(request.guard.is_some(), &tables, rows.clone()),
        references,
        &request.target,
        &archive.manifest,
    )?;
    let survey = survey::survey(request, archive, &facts, survey, progress).await?;
    let plan = accept(request, archive, &facts, &survey)?;
    let seen = guard_before(request, &mut *session).await?;
    Ok(Begun {
        session,
        tables,
        rows,
        facts,
        survey,
        plan,
        seen,
    })
}

/// Replaces the rows of the selected tables, up to the point where only the commit is missing. What was
/// read back of each is added to `left`.
async fn fill(
    begun: &mut Begun,
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    selected: &[TableData],
    left: Option<&mut Vec<TableContent>>,
    progress: &Progress,
) -> Result<Replaced, RestoreError> {
    let Begun {
        session,
        facts,
        survey,
        plan,
        seen,
        tables,
        ..
    } = begun;
    session.clear().await?;
    progress.begin(
        Phase::Loading,
        selected.iter().map(|table| table.bytes).sum(),
    );
    progress.expect_rows(selected.iter().map(|table| table.rows).sum());
    let decisions = &request.consent.decisions;
    let mut maps = plan::row_maps(&archive.manifest, facts, &request.selection, decisions);
    let mut expected = Vec::with_capacity(selected.len());
    for table in selected {
        let at = maps.iter().position(|(name, _)| *name == table.table);
        // The plan refuses a target without the table.
        let map = at.map(|at| maps.swap_remove(at).1);
        let map = map.ok_or(RestoreError::Defect)?;
        let (loaded, mapped) = load(&mut **session, request, archive, table, map, progress).await?;
        as_planned(plan, &table.table, table.rows)?;
        as_counted(survey, &table.table, &mapped)?;
        expected.push(loaded);
    }
    progress.begin(Phase::Proving, 0);
    guard_after(request, &mut **session, seen, tables).await?;
    let manifest = archive.manifest.select(&request.selection)?;
    let settled = session.settle(&manifest.sequences).await?;
    let mut replaced = Replaced {
        tables: Vec::with_capacity(selected.len()),
        merged: Vec::new(),
        files: Vec::new(),
        planned: None,
        settled,
    };
    let mut read_back = Vec::with_capacity(selected.len());
    for (table, loaded) in selected.iter().zip(expected) {
        let found = prove(&mut **session, table, &loaded).await?;
        if left.is_some() {
            let (session, columns) = (&mut **session, loaded.compared);
            read_back.push(keep::table_left(session, &table.table, columns, found).await?);
        }
        if progress.cancelled() {
            return Err(RestoreError::Cancelled);
        }
        replaced.tables.push(RestoredTable {
            schema: table.table.schema.clone(),
            name: table.table.name.clone(),
            rows: found.0,
            not_compared: loaded.not_compared,
        });
    }
    if let Some(left) = left {
        *left = read_back;
    }
    Ok(replaced)
}

/// Does all that a restore does to the rows, and undoes it: what is rehearsed would have been committed.
pub(super) async fn rehearse(
    mut begun: Begun,
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    selected: &[TableData],
    progress: &Progress,
) -> Result<Replaced, RestoreError> {
    let done = fill(&mut begun, request, archive, selected, None, progress).await;
    let undone = begun.session.roll_back().await;
    // What went wrong first explains more. Without an answer, the database has rolled back when the connection ended.
    let done = done?;
    undone?;
    Ok(done)
}

/// Replaces the rows of the selected tables.
pub(super) async fn replace(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    survey: Survey,
    selected: &[TableData],
    switch: &mut FileSwitch,
    kept: &mut Option<Taken>,
    progress: &Progress,
) -> Result<Replaced, RestoreError> {
    let database = engine::open(&request.target.url.covering(archive.manifest.schema.names()));
    let mut begun = begin(request, archive, survey, selected, progress).await?;
    keep::unchanged(request, &mut *begun.session).await?;
    let now = keep::Facts::of(begun.session.database(), begun.rows.clone());
    let reader = Reader::Session(&mut *begun.session);
    let replaced = (begun.tables.as_slice(), keep::folders(request, archive));
    *kept = keep::keep(request, archive, reader, now, replaced, progress).await?;
    let mut left = Vec::new();
    let read_back = kept.is_some().then_some(&mut left);
    let replaced = fill(&mut begun, request, archive, selected, read_back, progress).await?;
    let session = begun.session;
    if let Some(taken) = kept {
        taken.arm(keep::left(request, archive, left)?)?;
    }
    commit(session, &*database, switch, progress).await?;
    Ok(replaced)
}

/// Commits. The files wait for it; from the moment in which they do, the database decides what becomes of them.
pub(super) async fn commit(
    mut session: Box<dyn ReplaceSession>,
    database: &dyn Engine,
    switch: &mut FileSwitch,
    progress: &Progress,
) -> Result<(), RestoreError> {
    progress.begin(Phase::Committing, 0);
    if switch.is_empty() {
        return Ok(session.commit().await?);
    }
    let mark = session.mark(switch.id()).await?;
    switch.arm(&database.target(), mark.clone())?;
    match session.commit().await {
        Ok(()) => Ok(()),
        // The files wait for the answer that was lost.
        Err(EngineError::CommitUnknown { target, reason }) => {
            match recover::outcome(database, &mark).await {
                Ok(Outcome::Committed) => Ok(()),
                Ok(Outcome::RolledBack) => Err(EngineError::ConnectionLost {
                    target,
                    doing: "committing".to_owned(),
                    reason,
                }
                .into()),
                _ => Err(RestoreError::OutcomeUnknown { target, reason }),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// What is expected of one table once its rows are loaded.
pub(super) struct Loaded {
    /// The columns that are read back and compared.
    compared: Vec<String>,
    /// Those that are loaded, but whose type prints values in a form of its own.
    not_compared: Vec<String>,
    /// The rows, over the compared columns.
    set: RowSet,
}

/// Reads a table's rows on one side, and loads them on the other.
pub(super) async fn load(
    session: &mut dyn ReplaceSession,
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    table: &TableData,
    map: RowMap,
    progress: &Progress,
) -> Result<(Loaded, Mapped), RestoreError> {
    let (columns, compared) = (map.loaded(), map.compared());
    let (send, receive) = mpsc::channel(QUEUE);
    let wrap = rows::wrapping(request, archive, table)?;
    let reading = {
        let (archive, table, progress) = (archive.clone(), table.clone(), progress.clone());
        tokio::task::spawn_blocking(move || {
            rows::read(&archive, &table, (wrap.as_ref(), &map), &send, &progress)
        })
    };
    let loaded = session.load(&table.table, &columns, receive).await;
    // What stopped the reading explains more than that the rows stopped coming.
    let mapped = reading.await.map_err(|_| RestoreError::Defect)??;
    let rows = loaded?;
    if rows != table.rows {
        return Err(RestoreError::NotProven {
            table: table.table.clone(),
            expected: table.rows,
            found: rows,
        });
    }
    let not_compared = columns
        .iter()
        .filter(|name| !compared.contains(name))
        .cloned()
        .collect();
    let expected = Loaded {
        compared,
        not_compared,
        set: mapped.set,
    };
    Ok((expected, mapped))
}

/// Reads one table back and compares it with what was loaded.
async fn prove(
    session: &mut dyn ReplaceSession,
    table: &TableData,
    loaded: &Loaded,
) -> Result<(u64, RowSet), RestoreError> {
    // Where no column can be compared, the rows are still counted.
    let columns = if loaded.compared.is_empty() {
        &loaded.not_compared
    } else {
        &loaded.compared
    };
    let (rows, set) = session.read_back(&table.table, columns).await?;
    if rows == table.rows && (set == loaded.set || loaded.compared.is_empty()) {
        return Ok((rows, set));
    }
    Err(RestoreError::NotProven {
        table: table.table.clone(),
        expected: table.rows,
        found: rows,
    })
}

/// That as many rows were loaded into a table as the plan says.
fn as_planned(plan: &Plan, table: &TableName, rows: u64) -> Result<(), RestoreError> {
    let planned = plan.tables.iter().find(|planned| planned.table == *table);
    let planned = planned.map_or(0, |planned| planned.insert);
    if rows == planned {
        return Ok(());
    }
    Err(RestoreError::NotAsPlanned {
        what: format!("rows loaded into {table}"),
        planned,
        found: rows,
    })
}

/// That loading did to the values of a table what was counted for the plan.
pub(super) fn as_counted(
    survey: &Survey,
    table: &TableName,
    mapped: &Mapped,
) -> Result<(), RestoreError> {
    let counted = survey.tables.iter().find(|counted| counted.table == *table);
    let affected = counted.iter().flat_map(|counted| &counted.found.affected);
    match affected
        .zip(&mapped.affected)
        .find(|(planned, found)| planned != found)
    {
        None => Ok(()),
        Some((planned, found)) => Err(RestoreError::NotAsPlanned {
            what: format!("rows of {table} that do not fit"),
            planned: *planned,
            found: *found,
        }),
    }
}
