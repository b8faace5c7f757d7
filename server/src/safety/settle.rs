//! Telling what became of restores that were killed, from what their target holds.

use std::path::Path;

use super::{Content, Record, SafetyError, SafetyFolder, SetContent, State, content};
use crate::{
    engine::{self, DatabaseUrl},
    recover,
};

/// Brings the records of a target up to date, and removes what dead processes left unfinished.
///
/// A safety backup whose restore never came to its commit is removed, and so is one that equals what the target holds,
/// since it saves nothing. What can't be told stays as it is.
///
/// # Errors
/// [`SafetyError`].
pub async fn settle(folder: &Path, url: &DatabaseUrl) -> Result<(), SafetyError> {
    let Some(folder) = SafetyFolder::existing(folder) else {
        return Ok(());
    };
    let target = engine::open(url).target();
    let mut unsettled = Vec::new();
    {
        let guard = folder.lock()?;
        folder.sweep(&guard)?;
        for record in folder.list()?.records {
            if record.target != target || matches!(record.state, State::Committed { .. }) {
                continue;
            }
            if !folder.is_idle(&record.id)? {
                continue;
            }
            if record.state == State::Begun || !folder.archive(&record.id).exists() {
                folder.remove(&record.id, &guard)?;
            } else {
                unsettled.push(record);
            }
        }
    }
    for mut record in unsettled {
        let Some(left) = record.left().cloned() else {
            continue;
        };
        // Rows and files have to be of one side before they tell anything.
        recover::run(url, &record.file_sets).await?;
        let now = observe(url, &record).await?;
        let guard = folder.lock()?;
        if record.held.changes(&now).is_empty() {
            folder.remove(&record.id, &guard)?;
        } else if left.changes(&now).is_empty() {
            record.state = State::Committed { left };
            folder.write(&record, &guard)?;
        }
    }
    Ok(())
}

/// What the target of a safety backup holds now, of the tables and folders that the backup is of.
///
/// # Errors
/// [`SafetyError::Engine`] or [`SafetyError::Files`].
pub(crate) async fn observe(url: &DatabaseUrl, record: &Record) -> Result<Content, SafetyError> {
    let tables = if record.held.tables.is_empty() {
        Vec::new()
    } else {
        let mut snapshot = engine::open(&url.covering(record.tables()))
            .snapshot()
            .await?;
        content::of_snapshot(&mut *snapshot, record.tables()).await?
    };
    let file_sets = record
        .file_sets
        .iter()
        .map(|(name, folder)| SetContent::of_folder(name, folder))
        .collect::<Result<_, _>>()?;
    Ok(Content { tables, file_sets })
}
