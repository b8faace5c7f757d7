//! Facts about the live target, and the plan that follows from them.

use coffer_core::{
    Digest,
    manifest::{Manifest, Selection},
    plan::{self, Consent, Mode, Origin, Plan, Reference, TargetFacts},
    schema::TableName,
};

use super::{RestoreError, RestoreRequest, open};
use crate::{
    engine::{self, Database},
    files::{self, FilesError},
    read::OpenArchive,
    source::SourceConfig,
};

/// Reads what a plan needs to know from the live target, all of one moment.
///
/// # Errors
/// [`RestoreError::Engine`] or [`RestoreError::Files`].
pub async fn target_facts(
    target: &SourceConfig,
    archive: &Manifest,
    selection: &Selection,
) -> Result<TargetFacts, RestoreError> {
    let database = engine::open(&target.url.covering(archive.schema.names()));
    let mut snapshot = database.snapshot().await?;
    let rows = snapshot.count_rows().await?;
    let tables = selected_tables(archive, selection);
    let references = snapshot.references_into(&tables).await?;
    facts(snapshot.database(), rows, references, target)
}

/// The tables whose rows are replaced.
pub(super) fn selected_tables(archive: &Manifest, selection: &Selection) -> Vec<TableName> {
    archive
        .tables
        .iter()
        .map(|data| &data.table)
        .filter(|table| selection.has_table(table))
        .cloned()
        .collect()
}

pub(super) fn facts(
    database: &Database,
    rows: Vec<(TableName, u64)>,
    references: Vec<Reference>,
    target: &SourceConfig,
) -> Result<TargetFacts, RestoreError> {
    let files = target
        .file_sets
        .iter()
        .map(|(name, folder)| Ok((name.clone(), Some(files::count(folder)?))))
        .collect::<Result<_, FilesError>>()?;
    Ok(TargetFacts {
        engine: database.engine,
        name: database.name.clone(),
        schema: database.schema.clone(),
        rows,
        references,
        migration: database.migration.clone(),
        files,
    })
}

/// Plans the restore of an archive whose manifest is given, without its rows.
///
/// # Errors
/// [`RestoreError`].
pub async fn plan_manifest(
    target: &SourceConfig,
    manifest_json: &[u8],
    selection: &Selection,
    mode: Mode,
    consent: Consent,
) -> Result<Plan, RestoreError> {
    let manifest = Manifest::parse(manifest_json)?;
    let facts = target_facts(target, &manifest, selection).await?;
    Ok(plan::plan(
        &manifest,
        Digest::of(manifest_json),
        // A bundle is sealed under a one-time key by the page that opened the archive, which says who sealed that.
        Origin::Unsaid,
        &facts,
        selection,
        mode,
        consent,
    )?)
}

/// Plans the restore of an archive.
///
/// # Errors
/// [`RestoreError`].
pub async fn plan(request: &RestoreRequest) -> Result<Plan, RestoreError> {
    let archive = open(request).await?;
    let facts = target_facts(&request.target, &archive.manifest, &request.selection).await?;
    plan_with(request, &archive, &facts)
}

pub(super) fn plan_with(
    request: &RestoreRequest,
    archive: &OpenArchive,
    facts: &TargetFacts,
) -> Result<Plan, RestoreError> {
    Ok(plan::plan(
        &archive.manifest,
        archive.manifest_digest,
        archive.plain().origin(),
        facts,
        &request.selection,
        request.mode,
        request.consent,
    )?)
}
