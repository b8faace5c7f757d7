//! Replacing rows in one transaction, with the proof before the commit.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use coffer_core::{
    manifest::{Manifest, TableData},
    plan::TargetFacts,
    rows::Rows,
    schema::{Drift, TableName, drift},
};
use tokio::sync::mpsc;

use super::{
    RestoreError, RestoreRequest, RestoredTable, accept,
    facts::{facts, plan_with},
    keep,
};
use crate::{
    backup::Reader,
    engine::{self, EngineError, Outcome, ReplaceSession, Settled},
    progress::{Phase, Progress},
    read::{OpenArchive, ReadError},
    recover,
    safety::Taken,
    switch::FileSwitch,
    verify,
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
    accept(request, plan_with(request, archive, &facts)?)?;
    keep::unchanged(request, &mut *session).await?;
    let reader = Reader::Session(&mut *session);
    *kept = keep::keep(request, archive, reader, now, &names, progress).await?;

    session.clear().await?;
    progress.begin(
        Phase::Loading,
        selected.iter().map(|table| table.bytes).sum(),
    );
    progress.expect_rows(selected.iter().map(|table| table.rows).sum());
    for table in selected {
        load(&mut *session, archive, table, progress).await?;
    }
    progress.begin(Phase::Proving, 0);
    let manifest = archive.manifest.select(&request.selection)?;
    let settled = session.settle(&manifest.sequences).await?;
    let changed = changed_tables(&archive.manifest, &facts);
    let mut replaced = Replaced {
        tables: Vec::with_capacity(selected.len()),
        settled,
    };
    let mut left = Vec::new();
    for table in selected {
        let columns = verify::stored_columns(archive, table)?;
        let (rows, set) = session.read_back(&table.table, &columns).await?;
        // Where a column's type differs, by consent, the same value may have another text.
        let same_text = changed.contains(&table.table) || set == table.row_set;
        if rows != table.rows || !same_text {
            return Err(RestoreError::NotProven {
                table: table.table.clone(),
                expected: table.rows,
                found: rows,
            });
        }
        if kept.is_some() {
            left.push(keep::table_left(&mut *session, &table.table, columns, (rows, set)).await?);
        }
        if progress.cancelled() {
            return Err(RestoreError::Cancelled);
        }
        replaced.tables.push(RestoredTable {
            schema: table.table.schema.clone(),
            name: table.table.name.clone(),
            rows,
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

fn changed_tables(manifest: &Manifest, facts: &TargetFacts) -> BTreeSet<TableName> {
    drift(&manifest.schema, &facts.schema)
        .into_iter()
        .filter_map(|drift| match drift {
            Drift::ColumnChanged { table, .. } => Some(table),
            _ => None,
        })
        .collect()
}

/// Reads a table's parts on one side, each compared with its digest before any of it is loaded, and loads them on
/// the other.
async fn load(
    session: &mut dyn ReplaceSession,
    archive: &Arc<OpenArchive>,
    table: &TableData,
    progress: &Progress,
) -> Result<(), RestoreError> {
    let columns = verify::stored_columns(archive, table)?;
    let (send, receive) = mpsc::channel(QUEUE);
    let reading = {
        let (archive, table, columns, progress) = (
            archive.clone(),
            table.clone(),
            columns.clone(),
            progress.clone(),
        );
        tokio::task::spawn_blocking(move || {
            read_parts(&archive, &table, &columns, &send, &progress)
        })
    };
    let loaded = session.load(&table.table, &columns, receive).await;
    // What stopped the reading explains more than that the rows stopped coming.
    reading.await.map_err(|_| RestoreError::Defect)??;
    let rows = loaded?;
    if rows != table.rows {
        return Err(RestoreError::NotProven {
            table: table.table.clone(),
            expected: table.rows,
            found: rows,
        });
    }
    Ok(())
}

fn read_parts(
    archive: &OpenArchive,
    table: &TableData,
    columns: &[String],
    send: &mpsc::Sender<Bytes>,
    progress: &Progress,
) -> Result<(), RestoreError> {
    for (index, part) in table.parts.iter().enumerate() {
        if progress.cancelled() {
            return Err(RestoreError::Cancelled);
        }
        let text = archive.part(table, index)?;
        let length = text.len() as u64;
        let in_table = |error| ReadError::Rows {
            table: table.table.to_string(),
            error,
        };
        let header = {
            let rows = Rows::new(&text, columns.iter().map(String::as_str)).map_err(in_table)?;
            text.len() - rows.remaining().len()
        };
        if send
            .blocking_send(Bytes::from(text).slice(header..))
            .is_err()
        {
            // The loading side has ended; its own error says why.
            return Ok(());
        }
        progress.add_rows(part.rows);
        progress.add_bytes(length);
    }
    Ok(())
}
