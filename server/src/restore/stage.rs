//! Writing files beside their folders, before anything is changed.

use std::{io::Write, path::PathBuf, sync::Arc};

use super::{RestoreError, RestoreRequest, blocking};
use crate::{
    files::Staging,
    progress::{Phase, Progress},
    read::OpenArchive,
};

/// Staged folders: the file set's name, its staging, and the number of its files.
pub(super) type Staged = Vec<(String, Staging, u64)>;

/// Writes the selected file sets beside their folders, compared with their digests.
pub(super) async fn stage(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    progress: &Progress,
) -> Result<Staged, RestoreError> {
    let sets: Vec<(String, PathBuf)> = archive
        .manifest
        .file_sets
        .iter()
        .filter(|set| request.selection.has_file_set(&set.name))
        .filter_map(|set| {
            request
                .target
                .file_sets
                .iter()
                .find(|(name, _)| *name == set.name)
                .cloned()
        })
        .collect();
    let (archive, progress) = (archive.clone(), progress.clone());
    blocking(move || {
        let listed = archive.files()?;
        let of_sets = |file: &&coffer_core::manifest::FileEntry| {
            sets.iter().any(|(name, _)| *name == file.set)
        };
        progress.begin(
            Phase::Files,
            listed.iter().filter(of_sets).map(|file| file.size).sum(),
        );
        let mut staged = Vec::new();
        for (name, folder) in &sets {
            let staging = Staging::new(folder)?;
            let mut count = 0;
            for file in listed.iter().filter(|file| file.set == *name) {
                if progress.cancelled() {
                    return Err(RestoreError::Cancelled);
                }
                staging.add::<RestoreError>(file, |out| {
                    archive.read_file(file, |bytes| {
                        progress.add_bytes(bytes.len() as u64);
                        out.write_all(bytes)
                    })?;
                    Ok(())
                })?;
                count += 1;
            }
            staged.push((name.clone(), staging, count));
        }
        Ok(staged)
    })
    .await
}
