//! Taking a backup into the store, and proving it from the stored bytes.

use std::sync::Arc;

use coffer_core::{
    Digest,
    seal::{LockedKey, Recipient, Sender, SenderKey},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{RunFailure, source_config};
use crate::{
    backup::{self, BackupReport, BackupRequest, SealTo},
    catalog::{
        BackupOrigin, BackupRecord, BackupState, Catalog, CatalogError, Id, Profile, SourceRecord,
    },
    clock,
    hooks::{self, Occasion},
    progress::Progress,
    read::{Look, ReadAt, ReadError, Unlock, look},
    source::SourceConfig,
    store::{Archives, Written},
    verify,
};

/// Longest part of an archive's name that comes from the application's name.
const MAX_STEM: usize = 60;

/// A backup that is about to be taken.
#[derive(Debug)]
pub struct BackupRun {
    catalog: Catalog,
    archives: Archives,
    record: BackupRecord,
    request: BackupRequest,
}

impl BackupRun {
    /// Prepares a backup of `source`, sealed for `profile` and signed by `sender`.
    ///
    /// # Errors
    /// What is wrong with source or profile; `profile_not_ready` if nobody is known to have what opens it.
    pub fn new(
        catalog: &Catalog,
        archives: &Archives,
        source: &SourceRecord,
        profile: &Profile,
        sender: &SenderKey,
        sensitive: bool,
    ) -> Result<Self, RunFailure> {
        let (record, request) = prepare(source, profile, sender, sensitive)?;
        Ok(Self {
            catalog: catalog.clone(),
            archives: archives.clone(),
            record,
            request,
        })
    }

    /// Takes the backup. Unless it ends well, nothing of it stays.
    ///
    /// # Errors
    /// Why there is no backup.
    pub async fn run(self, progress: Progress) -> Result<Value, RunFailure> {
        let Self {
            catalog,
            archives,
            record,
            request,
        } = self;
        let name = catalog.begin_backup(&record).await?;
        let hooks = request.source.hooks.clone();
        let work = async {
            let (written, report) = take(&archives, &name, request, progress.clone()).await?;
            record_verified(&catalog, &record.id, written, &report).await?;
            Ok::<_, RunFailure>((written, report))
        };
        let recorded = hooks::around(&hooks, Occasion::Backup, &progress, work).await;
        match recorded {
            Ok((written, report)) => Ok(json!({
                "backup": record.id,
                "name": name,
                "size": written.size,
                "tables": report.manifest.tables.len(),
                "rows": report.manifest.total_rows(),
                "files": report.manifest.file_sets.iter().map(|set| set.files).sum::<u64>(),
            })),
            Err(failure) => {
                remove(&catalog, &archives, &record.id, &name).await;
                Err(failure.into())
            }
        }
    }
}

/// A backup of `source` as it will be recorded, and what the pipeline takes: sealed for `profile` and signed by `sender`.
pub(crate) fn prepare(
    source: &SourceRecord,
    profile: &Profile,
    sender: &SenderKey,
    sensitive: bool,
) -> Result<(BackupRecord, BackupRequest), RunFailure> {
    if !profile.ready() {
        return Err(RunFailure::new(
            "profile_not_ready",
            "no recovery kit of this profile was opened again since it was saved, so what is sealed to it might never be opened; nothing was started; check its kit first",
        ));
    }
    let key = |error| RunFailure::new("bad_profile", error);
    let seal = SealTo {
        password: None,
        recipients: profile
            .active()
            .map(|key| Recipient::parse(&key.recipient))
            .collect::<Result<_, _>>()
            .map_err(key)?,
        locked: profile
            .active()
            .filter_map(|key| key.locked.as_deref())
            .map(LockedKey::parse)
            .collect::<Result<_, _>>()
            .map_err(key)?,
        sender: Some(sender.clone()),
    };
    let config = source_config(source)?;
    let unwrap_app_secrets = sensitive && config.app_secrets.has_own();
    let fingerprints: Vec<&str> = profile
        .active()
        .map(|key| key.fingerprint.as_str())
        .collect();
    let id = Id::random().map_err(|error| RunFailure::new("no_randomness", error))?;
    let now = clock::now();
    let record = BackupRecord {
        id,
        origin: BackupOrigin::Taken,
        uploaded_by: String::new(),
        source: source.id.clone(),
        source_name: source.name.clone(),
        name: archive_name(&config, &source.name, now),
        state: BackupState::Storing,
        size: 0,
        sha256: String::new(),
        fingerprint: fingerprints.join(" "),
        sender: sender.sender().fingerprint().to_string(),
        contents: String::new(),
        created_at: clock::text(now),
        scrubbed_at: None,
        job: None,
    };
    let request = BackupRequest {
        source: config,
        seal: Some(seal),
        sensitive,
        // Of what this program has itself, nobody has to give the key.
        unwrap_app_secrets,
        exclude: Vec::new(),
        without: Vec::new(),
    };
    Ok((record, request))
}

async fn record_verified(
    catalog: &Catalog,
    id: &Id,
    written: Written,
    report: &BackupReport,
) -> Result<(), CatalogError> {
    let contents = serde_json::to_value(report.manifest.contents).unwrap_or_default();
    let contents = contents.as_str().unwrap_or_default();
    catalog
        .backup_verified(id, written.size, &written.sha256.to_string(), contents)
        .await
}

/// What failed, and what an earlier process did not bring to an end, leaves nothing behind.
async fn remove(catalog: &Catalog, archives: &Archives, id: &Id, name: &str) {
    if let Err(error) = archives.remove(name).await {
        // The catalog keeps its record, by which the next start tries again.
        tracing::error!(archive = name, %error, "what is left of a backup could not be removed");
        return;
    }
    if let Err(error) = catalog.remove_backup(id).await {
        tracing::error!(archive = name, %error, "a failed backup could not be removed from the catalog");
    }
}

/// Removes what backups of an earlier process left half done, and says how many there were.
///
/// # Errors
/// [`CatalogError::Database`].
pub(crate) async fn remove_unfinished(
    catalog: &Catalog,
    archives: &Archives,
) -> Result<usize, CatalogError> {
    let unfinished = catalog.unfinished_backups().await?;
    for backup in &unfinished {
        remove(catalog, archives, &backup.id, &backup.name).await;
    }
    Ok(unfinished.len())
}

async fn take(
    archives: &Archives,
    name: &str,
    request: BackupRequest,
    progress: Progress,
) -> Result<(Written, BackupReport), RunFailure> {
    let sender = request
        .seal
        .as_ref()
        .and_then(|seal| seal.sender.as_ref())
        .map(SenderKey::sender);
    let (sink, incoming) = archives.create(name).await?;
    let report = match backup::run(request, sink, progress.clone()).await {
        Ok(report) => report,
        Err(error) => {
            let discarded = incoming.discard().await;
            if let Err(error) = discarded {
                tracing::error!(archive = name, %error, "what is left of a backup could not be removed");
            }
            return Err(error.into());
        }
    };
    let written = incoming.publish().await?;
    let stored = archives.read_at(name).await?;
    let key = report
        .file_key
        .clone()
        .map_or(Unlock::None, Unlock::FileKey);
    let manifest = report.manifest_digest;
    tokio::task::spawn_blocking(move || prove(&stored, written, &key, manifest, sender, &progress))
        .await
        .map_err(|_| RunFailure::defect())??;
    Ok((written, report))
}

/// Reads the stored bytes again: first as anybody can who has no key, then with the key, down to each part and file.
pub(crate) fn prove(
    stored: &Arc<dyn ReadAt>,
    written: Written,
    key: &Unlock,
    manifest: Digest,
    sender: Option<Sender>,
    progress: &Progress,
) -> Result<(), RunFailure> {
    let damaged = |what: String| {
        RunFailure::new(
            "stored_bytes_differ",
            format!(
                "{what}; the backup was removed, and the database was only read; check the disk that the store is on"
            ),
        )
    };
    if stored.size() != written.size {
        return Err(damaged(format!(
            "{} bytes were written, and {} are stored",
            written.size,
            stored.size()
        )));
    }
    let Look::Sealed(sealed) = look(&**stored)? else {
        return Err(ReadError::Unknown.into());
    };
    let whole = coffer_core::seal::Slice::WHOLE;
    let scrubbed = crate::scrub::scrub(&**stored, &sealed, whole, progress)?;
    if let Some(first) = scrubbed.damaged.first() {
        return Err(damaged(format!(
            "{} stored ranges are not what was written, the first at byte {}",
            scrubbed.damaged.len(),
            first.offset
        )));
    }
    let report = verify::verify_written(stored, key, manifest, progress)?;
    if report.sender != sender {
        return Err(damaged(
            "what is stored is not signed by this server".to_owned(),
        ));
    }
    Ok(())
}

/// `helpdesk-2026-11-21T040506Z.coffer`
fn archive_name(config: &SourceConfig, source: &str, now: OffsetDateTime) -> String {
    let app = config.preset.as_ref().map_or(source, |preset| &preset.app);
    let stem = match slug(app) {
        stem if stem.is_empty() => slug(source),
        stem => stem,
    };
    let stem = if stem.is_empty() { "backup" } else { &stem };
    format!("{stem}-{}.coffer", clock::name(now))
}

/// What of a name can stand in the name of a stored file: small letters and digits of ASCII, and hyphens.
pub(crate) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        if slug.len() >= MAX_STEM {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_whatever_the_application_is_called() {
        assert_eq!(slug("Lindenhof IT  Help-Desk!"), "lindenhof-it-help-desk");
        assert_eq!(slug("../../etc"), "etc");
        assert_eq!(slug("東京"), "");
        assert!(slug(&"x".repeat(500)).len() <= MAX_STEM);
        let config = SourceConfig {
            url: crate::engine::DatabaseUrl::parse("sqlite:a.db").unwrap(),
            file_sets: vec![],
            file_rules: vec![],
            preset: None,
            app: None,
            hooks: vec![],
            app_secrets: Default::default(),
        };
        let now = OffsetDateTime::from_unix_timestamp(1_795_233_906).unwrap();
        assert_eq!(
            archive_name(&config, "東京", now),
            "backup-2026-11-21T040506Z.coffer"
        );
    }
}
