//! Facts about the live target, and the plan that follows from them.

use coffer_core::{
    Digest,
    manifest::{Manifest, Selection},
    merge::Sample,
    plan::{self, Archived, Consent, Mode, Origin, Plan, Reference, TargetFacts},
    schema::{Survey, TableName},
};
use serde::{Deserialize, Serialize};

use super::{RestoreError, RestoreRequest, merge, open, survey};
use crate::{
    engine::{self, Database, Snapshot},
    files::{self, FilesError},
    progress::Progress,
    read::OpenArchive,
    source::SourceConfig,
};

/// Reads what a plan needs to know from the live target, all of one moment. Values of the consent are brought into the
/// form in which the target prints them.
///
/// # Errors
/// [`RestoreError::Engine`] or [`RestoreError::Files`].
pub(super) async fn target_facts(
    target: &SourceConfig,
    archive: &Manifest,
    selection: &Selection,
    consent: &mut Consent,
    guarded: bool,
) -> Result<TargetFacts, RestoreError> {
    let database = engine::open(&target.url.covering(archive.schema.names()));
    let mut snapshot = database.snapshot().await?;
    let tables = selected_tables(archive, selection);
    let rows = watched(guarded, &tables, snapshot.count_rows().await?);
    let references = snapshot.references_into(&tables).await?;
    print_fills(&mut *snapshot, consent).await?;
    facts(snapshot.database(), rows, references, target, archive)
}

async fn print_fills(
    snapshot: &mut dyn Snapshot,
    consent: &mut Consent,
) -> Result<(), RestoreError> {
    for fill in &mut consent.decisions.fill {
        let schema = &snapshot.database().schema;
        let column = schema
            .table(&fill.table)
            .and_then(|table| table.column(&fill.column));
        if let (Some(column), Some(value)) = (column, &mut fill.value)
            // As a value of a type with a limit, the database would cut a text that is too long.
            && !column.generated
            && !column.type_name.starts_with("character")
        {
            *value = snapshot.printed(&fill.table, &fill.column, value).await?;
        }
    }
    Ok(())
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

/// Of which tables the rows are part of a plan: of all, but not where Coffer's own configuration is restored by itself, whose
/// history of runs and requests grows by the very request that confirms the plan.
pub(super) fn watched(
    guarded: bool,
    restored: &[TableName],
    mut rows: Vec<(TableName, u64)>,
) -> Vec<(TableName, u64)> {
    if guarded {
        rows.retain(|(table, _)| restored.contains(table));
    }
    rows
}

pub(super) fn facts(
    database: &Database,
    rows: Vec<(TableName, u64)>,
    references: Vec<Reference>,
    target: &SourceConfig,
    archive: &Manifest,
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
        states: Vec::new(),
        labels: database.labels.clone(),
        migration: database.migration.clone(),
        files,
        app_secrets: target.app_secrets.held(archive)?,
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
    mut consent: Consent,
) -> Result<Plan, RestoreError> {
    if mode != Mode::Replace {
        return Err(RestoreError::NeedsRows(mode));
    }
    let manifest = Manifest::parse(manifest_json)?;
    let facts = target_facts(target, &manifest, selection, &mut consent, false).await?;
    let archive = Archived {
        manifest: &manifest,
        digest: Digest::of(manifest_json),
        // A bundle is sealed under a one-time key by the page that opened the archive, which says who sealed that.
        origin: Origin::Unsaid,
        survey: None,
    };
    Ok(plan::plan(archive, &facts, selection, mode, consent)?)
}

/// A plan, and what it says of the target follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The facts.
    pub facts: TargetFacts,
    /// Rows that change, a few of each table. They are for whoever looks at the plan, and no part of it.
    pub samples: Vec<TableSamples>,
}

/// Rows of one table that change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSamples {
    /// The table.
    pub table: TableName,
    /// The rows, before and after.
    pub rows: Vec<Sample>,
}

impl Planned {
    /// A plan of which no row is shown.
    pub(super) const fn new(plan: Plan, facts: TargetFacts) -> Self {
        Self {
            plan,
            facts,
            samples: Vec::new(),
        }
    }
}

/// Plans the restore of an archive. Reads the rows of tables whose outcome depends on them, and changes nothing. A merge is
/// rehearsed for that, in a transaction that is rolled back.
///
/// # Errors
/// [`RestoreError`].
pub async fn plan(request: &RestoreRequest, progress: &Progress) -> Result<Planned, RestoreError> {
    let archive = open(request).await?;
    let (manifest, mut request) = (&archive.manifest, request.clone());
    let (target, selection) = (&request.target, &request.selection);
    let guarded = request.guard.is_some();
    let consent = &mut request.consent;
    let facts = target_facts(target, manifest, selection, consent, guarded).await?;
    let survey = survey::survey(&request, &archive, &facts, Survey::default(), progress).await?;
    let plan = plan_with(&request, &archive, &facts, Some(&survey))?;
    let planned = Planned::new(plan, facts);
    if !request.merges() || planned.plan.blocked {
        return Ok(planned);
    }
    Ok(merge::rehearse(&request, &archive, survey, progress)
        .await?
        .planned)
}

pub(super) fn plan_with(
    request: &RestoreRequest,
    archive: &OpenArchive,
    facts: &TargetFacts,
    survey: Option<&Survey>,
) -> Result<Plan, RestoreError> {
    let archived = Archived {
        manifest: &archive.manifest,
        digest: archive.manifest_digest,
        origin: archive.plain().origin(),
        survey,
    };
    let (selection, consent) = (&request.selection, request.consent.clone());
    Ok(plan::plan(
        archived,
        facts,
        selection,
        request.mode,
        consent,
    )?)
}
