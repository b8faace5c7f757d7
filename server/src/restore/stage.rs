//! Writing files beside their folders, before anything is changed.

use std::{io, io::Write, path::PathBuf, sync::Arc};

use coffer_core::{manifest::FileEntry, plan::Plan};

use super::{RestoreError, RestoreRequest, blocking};
use crate::{
    engine,
    files::FilesError,
    lanes,
    progress::{Phase, Progress},
    read::OpenArchive,
    switch::FileSwitch,
};

/// That as many files are staged as the plan says.
pub(super) fn as_planned(plan: &Plan, switch: &FileSwitch) -> Result<(), RestoreError> {
    let staged = switch.counts();
    for set in &plan.file_sets {
        let counts = staged.iter().find(|(name, _)| *name == set.name);
        let found = counts.map_or(0, |(_, files)| *files);
        if found != set.insert {
            return Err(RestoreError::NotAsPlanned {
                what: format!("files of {}", set.name),
                planned: set.insert,
                found,
            });
        }
    }
    Ok(())
}

/// A switch of nothing yet.
pub(super) fn begin(target: String) -> Result<FileSwitch, FilesError> {
    FileSwitch::new().map_err(|error| FilesError {
        doing: "name the files staged for",
        path: target,
        error: io::Error::other(error),
    })
}

/// Writes the selected file sets where a rename can put them in place, compared with their digests.
pub(super) async fn stage(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    progress: &Progress,
) -> Result<FileSwitch, RestoreError> {
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
    let request_target = engine::open(&request.target.url).target();
    blocking(move || {
        let listed = archive.files()?;
        let of_sets = |file: &&FileEntry| sets.iter().any(|(name, _)| *name == file.set);
        progress.begin(
            Phase::Files,
            listed.iter().filter(of_sets).map(|file| file.size).sum(),
        );
        let mut switch = begin(request_target)?;
        for (name, folder) in &sets {
            let staging = switch.stage(name, folder)?;
            let add = |file: &FileEntry| {
                if progress.cancelled() {
                    return Err(RestoreError::Cancelled);
                }
                staging.add::<RestoreError>(file, |out| {
                    archive.read_file(file, |bytes| {
                        progress.add_bytes(bytes.len() as u64);
                        let failed = FilesError::at("write", &folder.join(&file.path));
                        Ok(out.write_all(bytes).map_err(failed)?)
                    })
                })
            };
            let files = listed.iter().filter(|file| file.set == *name);
            lanes::each(files, add, || RestoreError::Defect, |()| {})?;
        }
        Ok(switch)
    })
    .await
}
