//! Doing all of a restore but the commit.

use coffer_core::schema::Survey;

use super::{
    Planned, RestoreError, RestoreRequest, RestoredTable, accept, blocking,
    facts::target_facts,
    load::{self, Replaced},
    merge, open, selected, survey,
};
use crate::{
    engine::{Dangling, IndexesBuilt},
    progress::Progress,
    verify,
};

/// A plan that was carried out and undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The plan.
    pub planned: Planned,
    /// Rows that were loaded and read back.
    pub tables: Vec<RestoredTable>,
    /// What became of the tables' indexes meanwhile.
    pub indexes: IndexesBuilt,
    /// Rows that would point at nothing, as they did where they were backed up.
    pub dangling: Vec<Dangling>,
}

/// Checks every byte of the archive, then loads, settles and proves the rows in a transaction that is rolled back. No
/// file is written, no safety backup is taken, no hook is called. The tables are locked for as long as a restore would lock them.
///
/// # Errors
/// What the restore would fail with; nothing is changed in any case.
pub async fn rehearse(
    request: &RestoreRequest,
    progress: &Progress,
) -> Result<Rehearsed, RestoreError> {
    let mut request = request.clone();
    let archive = open(&request).await?;
    let (target, selection) = (&request.target, &request.selection);
    let guarded = request.guard.is_some();
    let consent = &mut request.consent;
    let facts = target_facts(target, &archive.manifest, selection, consent, guarded).await?;
    let nothing = Survey::default();
    let survey = survey::survey(&request, &archive, &facts, nothing, progress).await?;
    let plan = if request.merges() {
        None
    } else {
        Some(accept(&request, &archive, &facts, &survey)?)
    };
    {
        let (archive, progress) = (archive.clone(), progress.clone());
        blocking(move || Ok(verify::verify_rest(&archive, &[], &progress)?)).await?;
    }
    let Some(plan) = plan else {
        return merge::rehearse(&request, &archive, survey, progress).await;
    };
    let selected = selected(&request, &archive);
    if selected.is_empty() {
        return Ok(Rehearsed {
            planned: Planned::new(plan, facts),
            tables: Vec::new(),
            indexes: IndexesBuilt::default(),
            dangling: Vec::new(),
        });
    }
    // What is planned with the tables locked is what counts.
    let begun = load::begin(&request, &archive, survey, &selected, progress).await?;
    let planned = begun.planned();
    let Replaced {
        tables, settled, ..
    } = load::rehearse(begun, &request, &archive, &selected, progress).await?;
    Ok(Rehearsed {
        planned,
        tables,
        indexes: settled.indexes,
        dangling: settled.dangling,
    })
}
