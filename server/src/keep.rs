//! Keeping an archive that was uploaded whole: stored, read again from the store to its last byte, and recorded.

use std::{io::Write, sync::Arc};

use coffer_core::seal::Lock;

use crate::{
    catalog::{BackupOrigin, BackupRecord, BackupState, Catalog, CatalogError, Id},
    clock,
    progress::Progress,
    read_at::ReadAt,
    runs::slug,
    sealed_check::{CheckError, Checked, check},
    store::{Archives, CompleteUpload, Sink, StoreError, Uploads, Written},
};

/// Bytes that are copied at once.
const SLAB: u64 = 1 << 20;

/// Why an upload was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The store, or the upload itself.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The catalog.
    #[error("{0}")]
    Catalog(#[from] CatalogError),
    /// A defect.
    #[error(
        "the upload was not kept because of a defect of the program; it waits to be tried again"
    )]
    Defect,
}

/// Keeps the upload of this id, if it is an archive of which all bytes are here. Unless it ends well, nothing is stored: the
/// upload is refused for what is wrong with it, or waits for the next try.
///
/// # Errors
/// [`KeepError`].
pub async fn keep(
    catalog: &Catalog,
    archives: &Archives,
    uploads: &Uploads,
    id: &Id,
) -> Result<(), KeepError> {
    let Some(upload) = uploads.complete(id)? else {
        return Ok(());
    };
    let _turn = uploads.turn().await;
    let record = new_backup(&upload)?;
    let name = catalog.begin_backup(&record).await?;
    let kept = match store(archives, &upload, &name).await {
        Ok((written, checked)) => {
            let size = written.size;
            let locks = fingerprints(&checked.locks);
            let sender = checked
                .sender
                .map(|sender| sender.fingerprint().to_string());
            let sha256 = written.sha256.to_string();
            catalog
                .backup_uploaded(
                    &record.id,
                    size,
                    &sha256,
                    &locks,
                    &sender.unwrap_or_default(),
                    &clock::text(clock::now()),
                )
                .await
                .map_err(KeepError::from)
        }
        Err(error) => Err(error),
    };
    if let Err(error) = kept {
        remove(catalog, archives, &record.id, &name).await;
        if let KeepError::Store(why @ StoreError::NotWhole { .. }) = &error {
            upload.refused(why)?;
        }
        return Err(error);
    }
    tracing::info!(
        archive = name,
        by = record.uploaded_by,
        "kept an uploaded archive"
    );
    Ok(upload.stored(record.id)?)
}

fn new_backup(upload: &CompleteUpload) -> Result<BackupRecord, KeepError> {
    let record = upload.record()?;
    let id = Id::random().map_err(StoreError::from)?;
    let now = clock::now();
    let stem = slug(record.name.trim_end_matches(".coffer"));
    let stem = if stem.is_empty() { "upload" } else { &stem };
    Ok(BackupRecord {
        // It is of no source, and nothing else has this id.
        id: id.clone(),
        name: format!("{stem}-{}.coffer", clock::name(now)),
        state: BackupState::Storing,
        source: id,
        source_name: if record.name.is_empty() {
            stem.to_owned()
        } else {
            record.name
        },
        origin: BackupOrigin::Uploaded,
        uploaded_by: record.owner,
        size: 0,
        sha256: String::new(),
        fingerprint: String::new(),
        sender: String::new(),
        // Nobody here can look inside.
        contents: String::new(),
        created_at: clock::text(now),
        scrubbed_at: None,
        job: None,
    })
}

/// Copies it into the store, and reads what is stored there.
async fn store(
    archives: &Archives,
    upload: &CompleteUpload,
    name: &str,
) -> Result<(Written, Checked), KeepError> {
    let source = upload.read_at()?;
    let (sink, incoming) = archives.create(name).await?;
    let copied = tokio::task::spawn_blocking(move || copy(&*source, sink)).await;
    if !matches!(copied, Ok(Ok(()))) {
        incoming.discard().await?;
        return match copied {
            Ok(Err(error)) => Err(StoreError::from(error).into()),
            _ => Err(KeepError::Defect),
        };
    }
    let written = incoming.publish().await?;
    let stored = archives.read_at(name).await?;
    let source = upload.read_at()?;
    tokio::task::spawn_blocking(move || proven(&stored, &source, written))
        .await
        .map_err(|_| KeepError::Defect)?
}

fn copy(source: &dyn ReadAt, mut sink: Sink) -> std::io::Result<()> {
    let size = source.size();
    let mut offset = 0;
    let mut slab = vec![0; usize::try_from(SLAB.min(size)).unwrap_or(0)];
    while offset < size {
        let len = usize::try_from(SLAB.min(size - offset)).unwrap_or(0);
        let piece = slab.get_mut(..len).unwrap_or_default();
        source.read_exact_at(offset, piece)?;
        sink.write_all(piece)?;
        offset += len as u64;
    }
    Ok(())
}

/// What is stored must be a whole sealed archive. If it is none, what came tells who is to blame.
fn proven(
    stored: &Arc<dyn ReadAt>,
    came: &Arc<dyn ReadAt>,
    written: Written,
) -> Result<(Written, Checked), KeepError> {
    let quiet = Progress::default();
    let differs = || std::io::Error::other("what is stored is not what was written");
    match check(&**stored, &quiet) {
        Ok(checked) if checked.sha256 == written.sha256 && checked.size == written.size => {
            Ok((written, checked))
        }
        Ok(_) => Err(StoreError::from(differs()).into()),
        Err(error) if error.blames_the_file() => match check(&**came, &quiet) {
            Err(error) if error.blames_the_file() => Err(StoreError::NotWhole { error }.into()),
            _ => Err(StoreError::from(differs()).into()),
        },
        Err(CheckError::Read(crate::read::ReadError::Io(error))) => {
            Err(StoreError::from(error).into())
        }
        Err(_) => Err(KeepError::Defect),
    }
}

/// The names of the keys that open it, in the order of its header, each once.
pub(crate) fn fingerprints(locks: &[Lock]) -> String {
    let mut names: Vec<String> = Vec::new();
    for lock in locks {
        if let Lock::Key { fingerprint, .. } | Lock::LockedKey(fingerprint) = lock {
            let name = fingerprint.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.join(" ")
}

async fn remove(catalog: &Catalog, archives: &Archives, id: &Id, name: &str) {
    let removed = async {
        archives.remove(name).await?;
        Ok::<_, KeepError>(catalog.remove_backup(id).await?)
    };
    if let Err(error) = removed.await {
        // The catalog keeps its record, by which the next start tries again.
        tracing::error!(archive = name, %error, "what is left of an upload could not be removed");
    }
}
