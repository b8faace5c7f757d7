//! Bringing an archive's rows together with those of the target: once for the plan, and the very same once more for good.

use std::{collections::BTreeMap, sync::Arc};

use coffer_core::{
    manifest::{Selection, TableData},
    merge::{Counts, Part, Program, Sample},
    plan::{self, Counted, Plan, TargetFacts},
    policy,
    rows::RowMap,
    schema::{Survey, TableName},
};

use super::{
    MergedTable, Planned, Rehearsed, RestoreError, RestoreRequest, RestoredFileSet, RestoredTable,
    TableSamples, confirmed,
    facts::{facts, plan_with, watched},
    guard_after, guard_before, keep,
    load::{self, Replaced},
    merge_files::{self, MergedFiles},
    survey,
};
use crate::{
    backup::Reader,
    engine::{self, EngineError, ReplaceSession, Settled},
    progress::{Phase, Progress},
    read::OpenArchive,
    safety::{self, Content, Taken},
    switch::FileSwitch,
    system::Seen,
};

/// A merge that is decided about, with nothing written yet.
struct Decided {
    session: Box<dyn ReplaceSession>,
    /// Without what it does to rows.
    plan: Plan,
    facts: TargetFacts,
    /// All tables that take part.
    names: Vec<TableName>,
    written: Vec<TableName>,
    before: Vec<(TableName, u64)>,
    counted: Counted,
    files: MergedFiles,
    samples: Vec<TableSamples>,
    seen: Seen,
}

/// A merge that only has to be committed, or forgotten.
struct Merged {
    session: Box<dyn ReplaceSession>,
    planned: Planned,
    counted: Counted,
    /// Rows of the tables afterwards.
    rows: Vec<(TableName, u64)>,
    settled: Settled,
}

impl Merged {
    /// The tables with the rows that they have now.
    fn tables(&self) -> Vec<RestoredTable> {
        let tables = self.counted.tables.iter();
        tables
            .map(|(table, _)| RestoredTable {
                schema: table.schema.clone(),
                name: table.name.clone(),
                rows: rows_of(&self.rows, table),
                not_compared: Vec::new(),
            })
            .collect()
    }

    fn report(&self) -> (Vec<MergedTable>, Vec<RestoredFileSet>) {
        let tables = self.counted.tables.iter();
        let tables = tables.map(|(table, counts)| MergedTable {
            schema: table.schema.clone(),
            name: table.name.clone(),
            counts: counts.clone(),
        });
        let files = self.counted.files.iter();
        let files = files.map(|(name, counts, _)| RestoredFileSet {
            name: name.clone(),
            files: counts.add + counts.replace,
            merged: Some(*counts),
        });
        (tables.collect(), files.collect())
    }
}

/// The plan of a merge: what it does, counted by doing it and taking it back.
pub(super) async fn rehearse(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    survey: Survey,
    progress: &Progress,
) -> Result<Rehearsed, RestoreError> {
    let decided = decide(request, archive, survey, progress).await?;
    let merged = write(request, decided, progress).await?;
    let tables = merged.tables();
    merged.session.roll_back().await?;
    Ok(Rehearsed {
        planned: merged.planned,
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
    switch: &mut FileSwitch,
    kept: &mut Option<Taken>,
    progress: &Progress,
) -> Result<Replaced, RestoreError> {
    let mut decided = decide(request, archive, survey, progress).await?;
    let changes = !decided.counted.is_unchanged();
    if changes {
        // Refused at once where it would be refused later, before anything is kept.
        let plan = decided.plan.clone().rehearsed(&decided.counted);
        if plan.blocked {
            return Err(RestoreError::Blocked(Box::new(plan)));
        }
        let now = keep::Facts::of(decided.session.database(), decided.before.clone());
        let reader = Reader::Session(&mut *decided.session);
        let changing = (decided.written.as_slice(), decided.files.changing());
        *kept = keep::keep(request, archive, reader, now, changing, progress).await?;
        decided
            .files
            .stage(request, archive, switch, progress)
            .await?;
    }
    let (files, written) = (std::mem::take(&mut decided.files), decided.written.clone());
    let mut merged = write(request, decided, progress).await?;
    confirmed(request, merged.planned.clone())?;
    if progress.cancelled() {
        return Err(RestoreError::Cancelled);
    }
    let tables = merged.tables();
    let (merged_tables, merged_files) = merged.report();
    if changes {
        if let Some(taken) = kept {
            taken.arm(Content {
                tables: safety::of_session(&mut *merged.session, written.iter()).await?,
                file_sets: files.left()?,
            })?;
        }
        let database = engine::open(&request.target.url);
        load::commit(merged.session, &*database, switch, progress).await?;
    } else {
        // What wouldn't change anything isn't done.
        merged.session.roll_back().await?;
    }
    Ok(Replaced {
        tables,
        merged: merged_tables,
        files: merged_files,
        settled: merged.settled,
        planned: Some(Box::new(merged.planned)),
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

/// Everything up to the moment in which the target's rows would change.
async fn decide(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    survey: Survey,
    progress: &Progress,
) -> Result<Decided, RestoreError> {
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
    let seen = guard_before(request, &mut *session).await?;
    let mut facts = facts(
        session.database(),
        watched(request.guard.is_some(), &names, before.clone()),
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
    // Of rows that change or stay, it matters which they are.
    for table in &names {
        let state = session.state(table).await?;
        facts.states.push((table.clone(), state));
    }
    let survey = survey::survey(request, archive, &facts, survey, progress).await?;
    let plan = plan_with(request, archive, &facts, Some(&survey))?;
    if plan.blocked {
        return Err(RestoreError::Blocked(Box::new(plan)));
    }
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
    session.decide().await?;
    let files = merge_files::decide(request, archive, &mut *session, progress).await?;
    let mut counted = Counted::default();
    let mut samples = Vec::new();
    for (table, merged) in names.iter().zip(session.compose().await?) {
        if !written.contains(table) {
            continue;
        }
        if !merged.samples.is_empty() {
            samples.push(shown(request, table.clone(), merged.samples));
        }
        counted.tables.push((table.clone(), merged.counts));
    }
    files.count(&mut counted);
    Ok(Decided {
        session,
        plan,
        facts,
        names,
        written,
        before,
        counted,
        files,
        samples,
        seen,
    })
}

/// Everything else but the commit.
async fn write(
    request: &RestoreRequest,
    decided: Decided,
    progress: &Progress,
) -> Result<Merged, RestoreError> {
    let Decided {
        mut session,
        plan,
        facts,
        names,
        before,
        mut counted,
        samples,
        written,
        seen,
        ..
    } = decided;
    progress.begin(Phase::Proving, 0);
    let (rows, settled) = if counted.is_unchanged() {
        (before, Settled::default())
    } else {
        // Where the application's counters are, they are ahead of all rows.
        let sequences = session.database().sequences.clone();
        for (table, detached) in names.iter().zip(session.write().await?) {
            let mut tables = counted.tables.iter_mut();
            if let Some((_, counts)) = tables.find(|(name, _)| name == table) {
                counts.detached = detached;
            }
        }
        guard_after(request, &mut *session, &seen, &written).await?;
        let settled = session.settle(&sequences).await?;
        let rows = session.count_rows().await?;
        prove(&counted.tables, &before, &rows)?;
        (rows, settled)
    };
    Ok(Merged {
        session,
        planned: Planned {
            plan: plan.rehearsed(&counted),
            facts,
            samples,
        },
        counted,
        rows,
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
