//! The destinations that a run writes to.

use super::Watch;
use crate::{
    catalog::{Catalog, CatalogError, DestinationRecord, Id, JobRecord},
    destination::{DestinationConfig, DestinationError, Doing, Patience, StoreFault, mark},
    runs::RunFailure,
    store::{Archives, StoreError},
};

/// A destination that a run writes to.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) place: String,
    pub(super) archives: Archives,
}

impl Open {
    /// Whether the folder is still the one that was marked as this destination: a disk may be unmounted while a run is at work.
    pub(super) fn still_there(&self) -> Result<(), RunFailure> {
        let Some(folder) = self.archives.folder() else {
            return Ok(());
        };
        mark::check(folder, &self.id).map_err(|error| RunFailure::new(error.code(), error))
    }

    /// What failed with it, noted in the log.
    pub(super) fn failed(&self, error: &StoreError, doing: Doing, watch: &Watch) -> RunFailure {
        let fault = StoreFault::new(error, doing, &self.place);
        watch.note(&format!("{}: {fault}", self.name));
        RunFailure::new(
            "destination_failed",
            format!("{fault}; other destinations have their copies as far as the log says so"),
        )
    }
}

/// Opens a destination of the catalog.
///
/// # Errors
/// [`DestinationError`]; of a folder also if it isn't the one that was marked as this destination.
pub async fn opened(
    record: &DestinationRecord,
    patience: Patience,
) -> Result<Archives, DestinationError> {
    open_with(record, patience, |archives, id| {
        archives
            .folder()
            .map_or(Ok(()), |folder| mark::check(folder, id))
    })
    .await
}

/// Opens a destination that is about to be added, whatever its folder is marked as.
///
/// # Errors
/// [`DestinationError`].
pub(super) async fn opened_unmarked(
    record: &DestinationRecord,
) -> Result<Archives, DestinationError> {
    open_with(record, Patience::Short, |_, _| Ok(())).await
}

/// Marks the folder of a destination that was tried out, as this destination; nothing for a bucket, which nobody mounts.
///
/// # Errors
/// [`DestinationError::Folder`].
pub(super) async fn marked(record: &DestinationRecord) -> Result<(), DestinationError> {
    let DestinationConfig::Folder { path } = &record.config else {
        return Ok(());
    };
    let (path, id) = (path.clone(), record.id.clone());
    let marking = tokio::task::spawn_blocking(move || {
        mark::mark(&path, &id).map_err(|error| DestinationError::Folder {
            path: path.display().to_string(),
            error,
        })
    });
    marking.await.map_err(|_| DestinationError::Defect)?
}

async fn open_with(
    record: &DestinationRecord,
    patience: Patience,
    look: fn(&Archives, &Id) -> Result<(), DestinationError>,
) -> Result<Archives, DestinationError> {
    let record = record.clone();
    // A folder of another machine that is gone may not answer for long.
    let opening = tokio::task::spawn_blocking(move || {
        let archives = record.config.open(record.key.as_ref(), patience)?;
        look(&archives, &record.id)?;
        Ok(archives)
    });
    opening.await.map_err(|_| DestinationError::Defect)?
}

/// Opens a job's destinations. Those that can't be used are noted among the failures.
pub(super) async fn open_all(
    catalog: &Catalog,
    job: &JobRecord,
    watch: &Watch,
    failures: &mut Vec<RunFailure>,
) -> Result<Vec<Open>, RunFailure> {
    let mut open = Vec::new();
    for id in &job.destinations {
        match open_one(catalog, id).await {
            Ok(one) => open.push(one),
            // That is about all of them.
            Err(NotOpen::Catalog(error @ CatalogError::Database(_))) => return Err(error.into()),
            Err(error) => {
                let failure = RunFailure::from(error);
                watch.note(&format!("destination {id}: {}", failure.detail));
                failures.push(failure);
            }
        }
    }
    Ok(open)
}

/// Why a destination is not open.
enum NotOpen {
    Gone,
    Catalog(CatalogError),
    Destination(DestinationError),
}

impl From<NotOpen> for RunFailure {
    fn from(error: NotOpen) -> Self {
        match error {
            NotOpen::Gone => Self::new(
                "no_destination",
                "a destination of this job is gone; nothing was stored there; choose others for the job",
            ),
            NotOpen::Catalog(error) => error.into(),
            NotOpen::Destination(error) => Self::new(error.code(), error),
        }
    }
}

async fn open_one(catalog: &Catalog, id: &Id) -> Result<Open, NotOpen> {
    let record = catalog.destination(id).await.map_err(NotOpen::Catalog)?;
    let record = record.ok_or(NotOpen::Gone)?;
    let archives = opened(&record, Patience::Long)
        .await
        .map_err(NotOpen::Destination)?;
    Ok(Open {
        id: record.id,
        name: record.name,
        place: record.config.place(),
        archives,
    })
}
