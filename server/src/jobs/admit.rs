//! Taking a destination in: tried out as it is to be, marked, and recorded.

use super::open::{marked, opened, opened_unmarked};
use crate::{
    catalog::{Catalog, CatalogError, DestinationRecord},
    destination::{DestinationError, Patience, Probe, ProbeError, Probed, probe},
    store::Archives,
};

/// Why a destination was not taken in, or does not pass its test.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// It can't be opened.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// It isn't fit for backups.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Tries a destination out, and records it if all is well. With `new_place`, its folder is marked as this destination; without, it
/// must have been.
///
/// # Errors
/// [`AdmitError`]; the catalog is as it was then.
pub async fn admit(
    catalog: &Catalog,
    record: &DestinationRecord,
    new_place: bool,
) -> Result<Probed, AdmitError> {
    let archives = match new_place {
        true => opened_unmarked(record).await?,
        false => opened(record, Patience::Short).await?,
    };
    let probed = tried(record, &archives).await?;
    if new_place {
        // Before the catalog knows it: a mark that nobody asks about does no harm.
        marked(record).await?;
    }
    catalog.put_destination(record).await?;
    Ok(probed)
}

/// Tries out a destination of the catalog.
///
/// # Errors
/// [`AdmitError`].
pub async fn try_out(record: &DestinationRecord) -> Result<Probed, AdmitError> {
    tried(record, &opened(record, Patience::Short).await?).await
}

async fn tried(record: &DestinationRecord, archives: &Archives) -> Result<Probed, AdmitError> {
    let place = &record.config.place();
    Ok(probe(Probe { archives, place }).await?)
}
