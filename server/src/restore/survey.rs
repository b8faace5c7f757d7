//! Counting in the archive's rows what the outcome of a difference depends on.

use std::sync::Arc;

use coffer_core::{
    plan::{TargetFacts, row_maps},
    rows::{Mapped, RowMap},
    schema::{Decisions, Survey, Surveyed, TableName},
};

use super::{RestoreError, RestoreRequest, blocking, rows};
use crate::{progress::Progress, read::OpenArchive};

/// Reads the tables whose outcome depends on their rows, part by part, but for those that `known` says it of.
pub(super) async fn survey(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    facts: &TargetFacts,
    mut known: Survey,
    progress: &Progress,
) -> Result<Survey, RestoreError> {
    let manifest = &archive.manifest;
    if manifest.engine != facts.engine {
        return Ok(Survey::default());
    }
    let maps = row_maps(manifest, facts, &request.selection, &Decisions::default());
    let unknown: Vec<(TableName, RowMap)> = maps
        .into_iter()
        .filter(|(table, map)| map.affects() && !known.knows(table, map))
        .collect();
    if unknown.is_empty() {
        return Ok(known);
    }
    let (archive, progress) = (archive.clone(), progress.clone());
    blocking(move || {
        for (table, map) in unknown {
            let found = count(&archive, &table, &map, &progress)?;
            known.tables.retain(|surveyed| surveyed.table != table);
            known.tables.push(Surveyed { table, map, found });
        }
        Ok(known)
    })
    .await
}

fn count(
    archive: &OpenArchive,
    table: &TableName,
    map: &RowMap,
    progress: &Progress,
) -> Result<Mapped, RestoreError> {
    let mut found = map.begin();
    let Some(data) = archive.manifest.table(table) else {
        return Ok(found);
    };
    for index in 0..data.parts.len() {
        if progress.cancelled() {
            return Err(RestoreError::Cancelled);
        }
        let text = archive.part(data, index)?;
        let rows = rows::without_header(archive, data, &text)?;
        map.count(rows, &mut found)
            .map_err(|error| rows::wrong(data, error))?;
    }
    Ok(found)
}
