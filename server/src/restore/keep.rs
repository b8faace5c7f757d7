//! Keeping what a restore replaces, and looking whether an undo would lose anything.

use std::path::PathBuf;

use coffer_core::{rows::RowSet, schema::TableName};

use super::{RestoreError, RestoreRequest};
use crate::{
    backup::Reader,
    engine::{self, Database, ReplaceSession},
    progress::Progress,
    read::OpenArchive,
    safety::{self, Content, Occasion, Restored, Scope, SetContent, TableContent, Taken},
};

/// What the target says about itself.
pub(super) struct Facts {
    database: Database,
    counts: Vec<(TableName, u64)>,
}

impl Facts {
    pub(super) fn of(database: &Database, counts: Vec<(TableName, u64)>) -> Self {
        Self {
            database: database.clone(),
            counts,
        }
    }
}

/// The folders that will be replaced.
pub(super) fn folders(request: &RestoreRequest, archive: &OpenArchive) -> Vec<(String, PathBuf)> {
    let replaced = |name: &String| {
        request.selection.has_file_set(name)
            && archive
                .manifest
                .file_sets
                .iter()
                .any(|set| set.name == *name)
    };
    let sets = request.target.file_sets.iter();
    sets.filter(|(name, _)| replaced(name)).cloned().collect()
}

/// Takes the safety backup, unless it was declined.
pub(super) async fn keep(
    request: &RestoreRequest,
    archive: &OpenArchive,
    reader: Reader<'_>,
    facts: Facts,
    (tables, file_sets): (&[TableName], Vec<(String, PathBuf)>),
    progress: &Progress,
) -> Result<Option<Taken>, RestoreError> {
    if request.consent.no_safety_backup {
        return Ok(None);
    }
    let scope = Scope {
        target: engine::open(&request.target.url).target(),
        database: facts.database,
        counts: facts.counts,
        tables: tables.to_vec(),
        file_sets,
        before: if request.undoes.is_some() {
            Occasion::Undo
        } else {
            Occasion::Restore
        },
        restored: Restored {
            app: archive.manifest.app.name.clone(),
            created_at: archive.manifest.created_at.clone(),
            manifest: archive.manifest_digest,
        },
    };
    Ok(Some(
        safety::take(&request.safety, reader, scope, progress).await?,
    ))
}

/// What the restore leaves in one table: what was read back, over all of its columns.
pub(super) async fn table_left(
    session: &mut dyn ReplaceSession,
    table: &TableName,
    columns: Vec<String>,
    (rows, row_set): (u64, RowSet),
) -> Result<TableContent, RestoreError> {
    // A table that has columns which the archive lacks is read once more.
    if safety::columns(&session.database().schema, table).is_some_and(|all| all != columns) {
        let tables = safety::of_session(session, std::iter::once(table)).await?;
        return tables.into_iter().next().ok_or(RestoreError::Defect);
    }
    Ok(TableContent {
        table: table.clone(),
        columns,
        rows,
        row_set,
    })
}

/// What the restore leaves: tables as they were read back, and files as the archive lists them.
pub(super) fn left(
    request: &RestoreRequest,
    archive: &OpenArchive,
    tables: Vec<TableContent>,
) -> Result<Content, RestoreError> {
    let index = archive.files()?;
    Ok(Content {
        tables,
        file_sets: folders(request, archive)
            .iter()
            .map(|(name, _)| SetContent::of_index(name, &index))
            .collect(),
    })
}

/// Refuses an undo that would lose what came after the restore: with the tables locked, so that nothing comes in between.
pub(super) async fn unchanged(
    request: &RestoreRequest,
    session: &mut dyn ReplaceSession,
) -> Result<(), RestoreError> {
    let Some(left) = expected(request) else {
        return Ok(());
    };
    let tables = left.tables.iter().map(|table| &table.table);
    let tables = safety::of_session(session, tables).await?;
    compare(request, left, tables)
}

/// As [`unchanged`], for an undo of files alone.
pub(super) fn unchanged_files(request: &RestoreRequest) -> Result<(), RestoreError> {
    expected(request).map_or(Ok(()), |left| compare(request, left, Vec::new()))
}

fn expected(request: &RestoreRequest) -> Option<&Content> {
    request.undoes.as_ref()?.unless_changed_from.as_ref()
}

fn compare(
    request: &RestoreRequest,
    left: &Content,
    tables: Vec<TableContent>,
) -> Result<(), RestoreError> {
    let file_sets = request
        .target
        .file_sets
        .iter()
        .filter(|(name, _)| left.file_sets.iter().any(|set| set.name == *name))
        .map(|(name, folder)| SetContent::of_folder(name, folder))
        .collect::<Result<_, _>>()?;
    let changes = left.changes(&Content { tables, file_sets });
    if changes.is_empty() {
        Ok(())
    } else {
        Err(RestoreError::ChangedSince(changes))
    }
}
