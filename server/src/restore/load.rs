//! Replacing rows in one transaction, with the proof before the commit.

use std::sync::Arc;

use coffer_core::{
    manifest::TableData,
    plan::{self, Plan},
    rows::{Mapped, RowMap, RowSet},
    schema::{Survey, TableName},
};
use tokio::sync::mpsc;

use super::{
    RestoreError, RestoreRequest, RestoredTable, accept, facts::facts, keep, rows, survey,
};
use crate::{
    backup::Reader,
    engine::{self, EngineError, Outcome, ReplaceSession, Settled},
    progress::{Phase, Progress},
    read::OpenArchive,
    recover,
    safety::Taken,
    switch::FileSwitch,
};

/// Pieces of row text that may wait between reading and loading.
const QUEUE: usize = 2;

/// What was replaced, and what was done besides.
#[derive(Default)]
pub(super) struct Replaced {
    pub(super) tables: Vec<RestoredTable>,
    pub(super) settled: Settled,
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
    progress.begin(Phase::Planning, 0);
    let names: Vec<TableName> = selected.iter().map(|table| table.table.clone()).collect();
    let database = engine::open(&request.target.url.covering(archive.manifest.schema.names()));
    let mut session = database.begin_replace(&names).await?;
    // Planned once more with the tables locked: from here on the target can't change under the plan.
    let rows = session.count_rows().await?;
    let now = keep::Facts::of(session.database(), rows.clone());
    let references = session.references_into(&names).await?;
    let facts = facts(session.database(), rows, references, &request.target)?;
    let survey = survey::survey(request, archive, &facts, survey, progress).await?;
    let plan = accept(request, archive, &facts, &survey)?;
    keep::unchanged(request, &mut *session).await?;
    let reader = Reader::Session(&mut *session);
    *kept = keep::keep(request, archive, reader, now, &names, progress).await?;

    session.clear().await?;
    progress.begin(
        Phase::Loading,
        selected.iter().map(|table| table.bytes).sum(),
    );
    progress.expect_rows(selected.iter().map(|table| table.rows).sum());
    let decisions = &request.consent.decisions;
    let mut maps = plan::row_maps(&archive.manifest, &facts, &request.selection, decisions);
    let mut expected = Vec::with_capacity(selected.len());
    for table in selected {
        let at = maps.iter().position(|(name, _)| *name == table.table);
        // The plan refuses a target without the table.
        let map = at.map(|at| maps.swap_remove(at).1);
        let map = map.ok_or(RestoreError::Defect)?;
        let (loaded, mapped) = load(&mut *session, archive, table, map, progress).await?;
        as_planned(&plan, &survey, &table.table, table.rows, &mapped)?;
        expected.push(loaded);
    }
    progress.begin(Phase::Proving, 0);
    let manifest = archive.manifest.select(&request.selection)?;
    let settled = session.settle(&manifest.sequences).await?;
    let mut replaced = Replaced {
        tables: Vec::with_capacity(selected.len()),
        settled,
    };
    let mut left = Vec::new();
    for (table, loaded) in selected.iter().zip(expected) {
        let (rows, set) = prove(&mut *session, table, &loaded).await?;
        if kept.is_some() {
            let columns = loaded.compared;
            left.push(keep::table_left(&mut *session, &table.table, columns, (rows, set)).await?);
        }
        if progress.cancelled() {
            return Err(RestoreError::Cancelled);
        }
        replaced.tables.push(RestoredTable {
            schema: table.table.schema.clone(),
            name: table.table.name.clone(),
            rows,
            not_compared: loaded.not_compared,
        });
    }
    if let Some(taken) = kept {
        taken.arm(keep::left(request, archive, left)?)?;
    }
    progress.begin(Phase::Committing, 0);
    if switch.is_empty() {
        session.commit().await?;
        return Ok(replaced);
    }
    let mark = session.mark(switch.id()).await?;
    switch.arm(&database.target(), mark.clone())?;
    match session.commit().await {
        Ok(()) => Ok(replaced),
        // The files wait for the answer that was lost.
        Err(EngineError::CommitUnknown { target, reason }) => {
            match recover::outcome(&*database, &mark).await {
                Ok(Outcome::Committed) => Ok(replaced),
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
struct Loaded {
    /// The columns that are read back and compared.
    compared: Vec<String>,
    /// Those that are loaded, but whose type prints values in a form of its own.
    not_compared: Vec<String>,
    /// The rows, over the compared columns.
    set: RowSet,
}

/// Reads a table's rows on one side, and loads them on the other.
async fn load(
    session: &mut dyn ReplaceSession,
    archive: &Arc<OpenArchive>,
    table: &TableData,
    map: RowMap,
    progress: &Progress,
) -> Result<(Loaded, Mapped), RestoreError> {
    let (columns, compared) = (map.loaded(), map.compared());
    let (send, receive) = mpsc::channel(QUEUE);
    let reading = {
        let (archive, table, progress) = (archive.clone(), table.clone(), progress.clone());
        tokio::task::spawn_blocking(move || rows::read(&archive, &table, &map, &send, &progress))
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

/// That loading did to the rows of a table what the plan says.
fn as_planned(
    plan: &Plan,
    survey: &Survey,
    table: &TableName,
    rows: u64,
    mapped: &Mapped,
) -> Result<(), RestoreError> {
    let differs = |what: String, planned, found| RestoreError::NotAsPlanned {
        what,
        planned,
        found,
    };
    let planned = plan.tables.iter().find(|planned| planned.table == *table);
    let insert = planned.map_or(0, |planned| planned.insert);
    if rows != insert {
        return Err(differs(format!("rows loaded into {table}"), insert, rows));
    }
    let counted = survey.tables.iter().find(|counted| counted.table == *table);
    for (planned, found) in counted
        .iter()
        .flat_map(|counted| &counted.found.affected)
        .zip(&mapped.affected)
    {
        if planned != found {
            let what = format!("rows of {table} that do not fit");
            return Err(differs(what, *planned, *found));
        }
    }
    Ok(())
}
