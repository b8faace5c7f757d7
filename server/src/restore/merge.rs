//! Bringing an archive's rows together with those of the target: once for the plan, and the very same once more for good.

use std::{collections::BTreeMap, sync::Arc};

use coffer_core::{
    manifest::{Selection, TableData},
    merge::{Counts, Part, Program, Sample},
    plan::{self, Plan, TargetFacts},
    policy,
    rows::RowMap,
    schema::{Survey, TableName},
};

use super::{
    MergedTable, Planned, Rehearsed, RestoreError, RestoreRequest, RestoredTable, TableSamples,
    confirmed,
    facts::{facts, plan_with},
    keep,
    load::{self, Replaced},
    survey,
};
use crate::{
    backup::Reader,
    engine::{self, EngineError, ReplaceSession, Settled},
    progress::{Phase, Progress},
    read::OpenArchive,
    safety::{self, Content, Taken},
};

/// A merge that only has to be committed, or forgotten.
struct Merged {
    session: Box<dyn ReplaceSession>,
    plan: Plan,
    facts: TargetFacts,
    counts: Vec<(TableName, Counts)>,
    samples: Vec<TableSamples>,
    /// Rows of the tables afterwards.
    rows: Vec<(TableName, u64)>,
    written: Vec<TableName>,
    settled: Settled,
}

impl Merged {
    /// The tables with the rows that they have now.
    fn tables(&self) -> Vec<RestoredTable> {
        self.counts
            .iter()
            .map(|(table, _)| RestoredTable {
                schema: table.schema.clone(),
                name: table.name.clone(),
                rows: rows_of(&self.rows, table),
                not_compared: Vec::new(),
            })
            .collect()
    }
}

/// The plan of a merge: what it does, counted by doing it and taking it back.
pub(super) async fn rehearse(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    survey: Survey,
    progress: &Progress,
) -> Result<Rehearsed, RestoreError> {
    let merged = merge(request, archive, survey, None, progress).await?;
    let tables = merged.tables();
    merged.session.roll_back().await?;
    Ok(Rehearsed {
        planned: Planned {
            plan: merged.plan,
            facts: merged.facts,
            samples: merged.samples,
        },
        tables,
        indexes: merged.settled.indexes,
        dangling: merged.settled.dangling,
    })
}

/// Merges for good, if that comes to what was planned.
pub(super) async fn apply(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    survey: Survey,
    kept: &mut Option<Taken>,
    progress: &Progress,
) -> Result<Replaced, RestoreError> {
    let mut merged = merge(request, archive, survey, Some(kept), progress).await?;
    let planned = Planned::new(merged.plan.clone(), merged.facts.clone());
    confirmed(request, planned)?;
    if progress.cancelled() {
        return Err(RestoreError::Cancelled);
    }
    if let Some(taken) = kept {
        let tables = safety::of_session(&mut *merged.session, merged.written.iter()).await?;
        taken.arm(Content {
            tables,
            file_sets: Vec::new(),
        })?;
    }
    progress.begin(Phase::Committing, 0);
    let tables = merged.tables();
    merged.session.commit().await?;
    Ok(Replaced {
        tables,
        merged: merged
            .counts
            .iter()
            .map(|(table, counts)| MergedTable {
                schema: table.schema.clone(),
                name: table.name.clone(),
                counts: counts.clone(),
            })
            .collect(),
        settled: merged.settled,
    })
}

/// The program, and how the archive's rows become rows of the target's tables.
fn decided(
    request: &RestoreRequest,
    archive: &OpenArchive,
    facts: &TargetFacts,
) -> Result<(Program, BTreeMap<TableName, RowMap>), RestoreError> {
    let decisions = &request.consent.decisions;
    let maps: BTreeMap<TableName, RowMap> =
        plan::row_maps(&archive.manifest, facts, &Selection::ALL, decisions)
            .into_iter()
            .collect();
    let loaded = maps
        .iter()
        .map(|(table, map)| (table.clone(), map.loaded()))
        .collect();
    let program = Program::new(
        request.mode,
        &archive.manifest,
        &facts.schema,
        &request.selection,
        request.target.preset.as_ref(),
        &loaded,
    )?;
    Ok((program, maps))
}

/// Everything but the commit. What will change is kept first where `kept` says where.
async fn merge(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    survey: Survey,
    kept: Option<&mut Option<Taken>>,
    progress: &Progress,
) -> Result<Merged, RestoreError> {
    progress.begin(Phase::Planning, 0);
    let manifest = &archive.manifest;
    let database = engine::open(&request.target.url.covering(manifest.schema.names()));
    let (program, _) = {
        let snapshot = database.snapshot().await?;
        let seen = facts(
            snapshot.database(),
            Vec::new(),
            Vec::new(),
            &request.target,
            manifest,
        )?;
        decided(request, archive, &seen)?
    };
    let names: Vec<TableName> = program
        .tables
        .iter()
        .map(|table| table.table.clone())
        .collect();
    let mut session = database.begin_replace(&names).await?;
    let before = session.count_rows().await?;
    let facts = facts(
        session.database(),
        before.clone(),
        Vec::new(),
        &request.target,
        manifest,
    )?;
    // Decided before the tables were locked, and once more since.
    let (again, mut maps) = decided(request, archive, &facts)?;
    if again != program {
        return Err(EngineError::Restless {
            target: session.database().name.clone(),
            attempts: 1,
        }
        .into());
    }
    let written: Vec<TableName> = program.written().map(|table| table.table.clone()).collect();
    let now = keep::Facts::of(session.database(), before.clone());
    let survey = survey::survey(request, archive, &facts, survey, progress).await?;
    let plan = plan_with(request, archive, &facts, Some(&survey))?;
    if plan.blocked {
        return Err(RestoreError::Blocked(Box::new(plan)));
    }
    if let Some(kept) = kept {
        let reader = Reader::Session(&mut *session);
        *kept = keep::keep(request, archive, reader, now, &written, progress).await?;
    }
    // Where the application's counters are, they are ahead of all rows.
    let sequences = session.database().sequences.clone();
    session.stage(&program).await?;
    let staged: Vec<&TableData> = program
        .tables
        .iter()
        .filter(|table| table.part != Part::Along)
        .filter_map(|table| manifest.table(&table.table))
        .collect();
    progress.begin(Phase::Loading, staged.iter().map(|table| table.bytes).sum());
    progress.expect_rows(staged.iter().map(|table| table.rows).sum());
    for table in staged {
        let map = maps.remove(&table.table).ok_or(RestoreError::Defect)?;
        let (_, mapped) = load::load(&mut *session, request, archive, table, map, progress).await?;
        load::as_counted(&survey, &table.table, &mapped)?;
    }
    progress.begin(Phase::Proving, 0);
    let mut counts: Vec<(TableName, Counts)> = Vec::new();
    let mut samples = Vec::new();
    for (table, merged) in names.into_iter().zip(session.merge().await?) {
        if !written.contains(&table) {
            continue;
        }
        if !merged.samples.is_empty() {
            samples.push(shown(request, table.clone(), merged.samples));
        }
        counts.push((table, merged.counts));
    }
    let settled = session.settle(&sequences).await?;
    let rows = session.count_rows().await?;
    prove(&counts, &before, &rows)?;
    Ok(Merged {
        plan: plan.rehearsed(&counts),
        facts,
        session,
        counts,
        samples,
        rows,
        written,
        settled,
    })
}

/// Rows as they are shown: without what a preset calls a credential, or what is called like one.
fn shown(request: &RestoreRequest, table: TableName, mut rows: Vec<Sample>) -> TableSamples {
    let rules = request.target.preset.iter();
    let rules: Vec<&str> = rules
        .flat_map(|preset| &preset.credentials)
        .filter(|rule| policy::names(&rule.table, &table))
        .map(|rule| rule.column.as_str())
        .collect();
    let is_secret = |column: &str| rules.contains(&column) || policy::looks_like_credential(column);
    for row in &mut rows {
        row.hide(is_secret);
    }
    TableSamples { table, rows }
}

/// Each table holds as many rows as what was counted comes to.
fn prove(
    counts: &[(TableName, Counts)],
    before: &[(TableName, u64)],
    after: &[(TableName, u64)],
) -> Result<(), RestoreError> {
    for (table, counts) in counts {
        let expected = (rows_of(before, table) + counts.insert).saturating_sub(counts.delete);
        let found = rows_of(after, table);
        if found != expected {
            return Err(RestoreError::NotProven {
                table: table.clone(),
                expected,
                found,
            });
        }
    }
    Ok(())
}

fn rows_of(counted: &[(TableName, u64)], name: &TableName) -> u64 {
    let found = counted.iter().find(|(table, _)| table == name);
    found.map_or(0, |(_, rows)| *rows)
}
