//! Taking backups into the catalog that a destination holds: the catalog is only a cache of what archives say themselves.

use coffer_core::seal::Sender;
use serde::Serialize;

use crate::{
    catalog::{
        BackupOrigin, BackupRecord, BackupState, Catalog, CatalogError, CopyState,
        DestinationRecord, Id,
    },
    clock,
    destination::{
        Adoptable, DestinationError, Doing, Patience, StoreFault, adoptable, taken_by_name,
    },
    jobs::opened,
    progress::Progress,
    runs::RunFailure,
    sealed_check::check,
    store::Archives,
};

/// An archive that the catalog does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was taken, by its name.
    pub created_at: Option<String>,
}

/// What became of an archive that was to be adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adopted {
    /// Its name.
    pub name: String,
    /// The backup that it is, or is a copy of; nothing if it was not adopted.
    pub backup: Option<Id>,
    /// What the archive says; nothing if it was not adopted.
    pub archive: Option<Adoptable>,
    /// Why it was not.
    pub error: Option<RunFailure>,
}

/// Why nothing can be adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The destination can't be opened.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// It doesn't say what is there.
    #[error("{0}")]
    Listing(StoreFault),
    /// Somebody stopped it.
    #[error(
        "cancelled; of {wanted} archives {adopted} were adopted and stay so; the others are as they were"
    )]
    Cancelled {
        /// How many were adopted.
        adopted: usize,
        /// How many there are in all.
        wanted: usize,
    },
}

impl AdoptError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Catalog(_) => "catalog",
            Self::Destination(error) => error.code(),
            Self::Listing(_) => "cannot_list",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

/// Which archives are to be adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Those of these names.
    Names(Vec<String>),
    /// All that the catalog does not know.
    All,
}

async fn list(
    archives: &Archives,
    record: &DestinationRecord,
) -> Result<Vec<(String, u64)>, AdoptError> {
    let listed = archives.list().await;
    listed.map_err(|error| {
        AdoptError::Listing(StoreFault::new(&error, Doing::List, &record.config.place()))
    })
}

/// The archives of a destination that the catalog does not know, by their names only: looking into each takes time.
///
/// # Errors
/// [`AdoptError`].
pub async fn found(
    catalog: &Catalog,
    record: &DestinationRecord,
) -> Result<Vec<Found>, AdoptError> {
    let archives = opened(record, Patience::Short).await?;
    let known = catalog.names_in(&record.id).await?;
    let mut found: Vec<Found> = list(&archives, record)
        .await?
        .into_iter()
        .filter(|(name, _)| !known.contains(name) && !name.starts_with("coffer-probe-"))
        .map(|(name, size)| Found {
            created_at: taken_by_name(&name).map(clock::text),
            name,
            size,
        })
        .collect();
    found.sort_by(|a, b| {
        b.created_at
            .cmp(&a.created_at)
            .then_with(|| a.name.cmp(&b.name))
    });
    Ok(found)
}

/// Looks into archives of a destination and takes them into the catalog. Those that this server once signed are read to their ends
/// and count as verified if they are as they were; of others nobody here can say that. Progress counts archives as rows, and the
/// bytes of the one that is read.
///
/// # Errors
/// [`AdoptError`]; what is wrong with one archive is told in its place.
pub async fn adopt(
    catalog: &Catalog,
    record: &DestinationRecord,
    wanted: Wanted,
    ours: Sender,
    progress: &Progress,
) -> Result<Vec<Adopted>, AdoptError> {
    let names = match wanted {
        Wanted::Names(names) => names,
        Wanted::All => {
            let found = found(catalog, record).await?;
            found.into_iter().map(|found| found.name).collect()
        }
    };
    let archives = opened(record, Patience::Long).await?;
    let known = catalog.names_in(&record.id).await?;
    progress.expect_rows(names.len() as u64);
    let wanted = names.len();
    let mut outcomes = Vec::new();
    let mut adopted = 0;
    for name in names {
        let outcome = match known.contains(&name) {
            _ if progress.cancelled() => return Err(AdoptError::Cancelled { adopted, wanted }),
            true => Err(RunFailure::new(
                "taken",
                "the catalog knows this archive already; nothing was changed",
            )),
            false => adopt_one(catalog, record, &archives, &name, ours, progress).await,
        };
        let (backup, archive, error) = match outcome {
            Ok((backup, archive)) => (Some(backup), Some(archive), None),
            Err(error) if error.is_cancelled() => {
                return Err(AdoptError::Cancelled { adopted, wanted });
            }
            Err(error) => (None, None, Some(error)),
        };
        adopted += usize::from(backup.is_some());
        progress.add_rows(1);
        outcomes.push(Adopted {
            name,
            backup,
            archive,
            error,
        });
    }
    Ok(outcomes)
}

async fn adopt_one(
    catalog: &Catalog,
    record: &DestinationRecord,
    archives: &Archives,
    name: &str,
    ours: Sender,
    progress: &Progress,
) -> Result<(Id, Adoptable), RunFailure> {
    let stored = archives.read_at(name).await?;
    let (given, watched) = (name.to_owned(), progress.clone());
    let looking =
        tokio::task::spawn_blocking(move || adoptable(&given, &stored, Some(ours), &watched));
    let found = looking.await.map_err(|_| RunFailure::defect())??;
    let (state, backup_state) = match found.verified {
        true => (CopyState::Verified, BackupState::Verified),
        false => (CopyState::Unverified, BackupState::Unverified),
    };
    if let Some(known) = catalog.backup_named(name).await? {
        let state = another_copy(catalog, &known, archives, &found, state, progress).await?;
        catalog
            .add_copy(&known.id, &record.id, state, &clock::text(clock::now()))
            .await?;
        return Ok((known.id, found));
    }
    let id = Id::random().map_err(|error| RunFailure::new("no_randomness", error))?;
    let source_name = name
        .rsplit_once("-20")
        .map_or(name, |(stem, _)| stem)
        .to_owned();
    let backup = BackupRecord {
        id: id.clone(),
        origin: BackupOrigin::Adopted,
        uploaded_by: String::new(),
        source: id.clone(),
        source_name,
        name: name.to_owned(),
        state: backup_state,
        size: i64::try_from(found.size).unwrap_or(i64::MAX),
        sha256: String::new(),
        fingerprint: found.fingerprint.clone(),
        sender: found.sender.clone(),
        contents: found.contents.clone(),
        created_at: found
            .created_at
            .clone()
            .unwrap_or_else(|| clock::text(clock::now())),
        scrubbed_at: None,
        job: None,
    };
    catalog.adopt_backup(&backup, &record.id, state).await?;
    Ok((id, found))
}

/// Whether an archive of the name of a backup is another copy of it, and how far that can be relied on.
async fn another_copy(
    catalog: &Catalog,
    known: &BackupRecord,
    archives: &Archives,
    found: &Adoptable,
    state: CopyState,
    progress: &Progress,
) -> Result<CopyState, RunFailure> {
    let other = || {
        RunFailure::new(
            "taken",
            "the catalog knows another backup of this name; nothing was changed; give the archive another name in the destination",
        )
    };
    let alike = i64::try_from(found.size) == Ok(known.size)
        && (&found.sender, &found.fingerprint) == (&known.sender, &known.fingerprint);
    // One without copies lies in a server's own store, which is looked at no more once there is a copy elsewhere.
    if !alike || catalog.copies(&known.id).await?.is_empty() {
        return Err(other());
    }
    if known.sha256.is_empty() {
        return Ok(state);
    }
    let stored = archives.read_at(&known.name).await?;
    let watched = progress.clone();
    let checking = tokio::task::spawn_blocking(move || check(&*stored, &watched));
    let checked = checking.await.map_err(|_| RunFailure::defect())?;
    let checked = checked.map_err(|error| RunFailure::new(error.code(), error))?;
    match checked.sha256.to_string() == known.sha256 {
        true => Ok(CopyState::Verified),
        false => Err(other()),
    }
}
