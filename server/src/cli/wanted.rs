//! Arguments that say what is restored, where, and how.

use std::{path::PathBuf, sync::Arc};

use coffer_core::{
    manifest::Selection,
    plan::{Consent, Mode, PlanFile},
    schema::TableName,
};

use super::{
    Failure, Output,
    config::{Beside, ConfigArgs},
    convert::Converted,
    decisions::DecisionArgs,
    foreign::ForeignArgs,
    records::RecordArgs,
    secret::OpenArgs,
    signing::TrustArgs,
    source,
};
use crate::{
    read::{Look, OpenArchive, ReadAt, Unlock, look},
    restore::{RestoreError, RestoreRequest},
    safety::SafetyStore,
    source::SourceConfig,
};

#[derive(Debug, clap::Args)]
pub(super) struct WantedArgs {
    /// The archive.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    /// The database to restore into: postgres://… or sqlite:PATH. It must have its tables already.
    #[arg(
        long,
        value_name = "URL",
        env = "COFFER_TARGET",
        hide_env_values = true
    )]
    target: Option<String>,

    /// A schema of a PostgreSQL target that is looked at; may be repeated. The default is the archive's.
    #[arg(long = "schema", value_name = "SCHEMA")]
    schemas: Vec<String>,

    /// How archive and target are brought together.
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,

    /// The application's rules: what belongs to what, and how rows of the target are recognised. A name means one that comes
    /// with the program.
    #[arg(long, value_name = "FILE|NAME")]
    preset: Option<PathBuf>,

    #[command(flatten)]
    described: ConfigArgs,

    /// Restore only this table; may be repeated.
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<String>,

    #[command(flatten)]
    records: RecordArgs,

    /// Restore no files.
    #[arg(long, conflicts_with = "files")]
    without_files: bool,

    /// A file set to leave as it is; may be repeated.
    #[arg(long, value_name = "NAME", conflicts_with = "without_files")]
    without_file_set: Vec<String>,

    /// Replace rows and files that are there now.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    decisions: DecisionArgs,

    #[command(flatten)]
    key: OpenArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

/// The arguments that a plan has answered already.
pub(super) const ANSWERED_BY_A_PLAN: [&str; 8] = [
    "mode",
    "tables",
    "records",
    "without_files",
    "without_file_set",
    "force",
    "drop_columns",
    "fill",
];

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum ModeArg {
    /// The tables hold exactly what the archive holds.
    Replace,
    /// Rows that the target has too take the archive's values, the rest is inserted, everything else stays.
    Overwrite,
    /// Rows that the target has too stay as they are; only new ones are inserted.
    Skip,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Replace => Self::Replace,
            ModeArg::Overwrite => Self::Overwrite,
            ModeArg::Skip => Self::Skip,
        }
    }
}

impl WantedArgs {
    /// The restore that is asked for.
    pub(super) fn request(
        &self,
        safety: SafetyStore,
        no_safety_backup: bool,
        converted: Option<&Converted>,
    ) -> Result<RestoreRequest, Failure> {
        let mode = match self.mode {
            Some(mode) => mode.into(),
            None => {
                return Err(Failure::usage(
                    "say with --mode how archive and target are brought together; nothing was changed",
                ));
            }
        };
        self.with(safety, converted, |target, archive, unlock| {
            let archive = OpenArchive::open(archive.clone(), unlock)?;
            let file_sets = self.select_file_sets(&archive)?;
            let selection = if self.records.is_empty() {
                Selection {
                    tables: self.select_tables(&archive)?,
                    file_sets,
                    ..Selection::ALL
                }
            } else {
                let records = self.records.of_archive(&archive)?;
                let preset = target.preset.as_ref();
                let named = Selection::of_records(&archive.manifest, preset, records)
                    .map_err(RestoreError::from)?;
                named.without_file_sets_but(file_sets.as_deref())
            };
            let consent = Consent {
                replace_existing: self.force,
                decisions: self.decisions.of_archive(&archive.manifest)?,
                no_safety_backup,
            };
            Ok((mode, selection, consent))
        })
    }

    /// The restore that a plan describes.
    pub(super) fn planned(
        &self,
        safety: SafetyStore,
        file: &PlanFile,
    ) -> Result<RestoreRequest, Failure> {
        let plan = &file.plan;
        self.with(safety, None, |_, _, _| {
            Ok((plan.mode, plan.selection.clone(), plan.consent.clone()))
        })
    }

    /// What another product's archive is as one of Coffer's, through the target's own catalogue; `None` if it is none.
    pub(super) async fn converted(
        &self,
        foreign: &ForeignArgs,
        output: Output,
    ) -> Result<Option<Converted>, Failure> {
        let source = source::archive(&self.file)?;
        let Some(known) = foreign.recognise(&self.file, &source)? else {
            return Ok(None);
        };
        let Some(open) = known.open(&self.key, foreign, output).await? else {
            return Ok(None);
        };
        let (target, _) = self.described.source(Beside {
            url: (self.target.as_deref(), "--target"),
            schemas: self.schemas.clone(),
            preset: self.preset.as_deref(),
            ..Beside::default()
        })?;
        Converted::of(open, target.url, &target.app_secrets, output)
            .await
            .map(Some)
    }

    fn with(
        &self,
        safety: SafetyStore,
        converted: Option<&Converted>,
        how: impl FnOnce(
            &SourceConfig,
            &Arc<dyn ReadAt>,
            &Unlock,
        ) -> Result<(Mode, Selection, Consent), Failure>,
    ) -> Result<RestoreRequest, Failure> {
        let (mut target, _) = self.described.source(Beside {
            url: (self.target.as_deref(), "--target"),
            schemas: self.schemas.clone(),
            preset: self.preset.as_deref(),
            ..Beside::default()
        })?;
        let archive = match converted {
            Some(converted) => converted.source.clone(),
            None => source::archive(&self.file)?,
        };
        let look = look(&*archive)?;
        // Whoever is not to be trusted is refused before any password is asked for.
        let senders = self.trust.senders_of(&*archive, &look)?;
        let unlock = match converted {
            Some(converted) => converted.unlock.clone(),
            None => self.key.unlock(matches!(look, Look::Sealed(_)))?,
        };
        if let (Some(converted), None) = (converted, &target.preset) {
            target.preset = Some(converted.preset.clone());
        }
        let (mode, selection, consent) = how(&target, &archive, &unlock)?;
        Ok(RestoreRequest {
            target,
            archive,
            unlock,
            senders,
            selection,
            mode,
            consent,
            expected_plan: None,
            planned_without_rows: false,
            safety,
            undoes: None,
            guard: None,
        })
    }

    /// The file sets to restore; `None` for all.
    fn select_file_sets(&self, archive: &OpenArchive) -> Result<Option<Vec<String>>, Failure> {
        // Single tables or records are asked for without files, unless a folder for them is named.
        let single = !self.tables.is_empty() || !self.records.is_empty();
        if self.without_files || (single && self.described.files().is_empty()) {
            return Ok(Some(Vec::new()));
        }
        let without = &self.without_file_set;
        let sets = || archive.manifest.file_sets.iter().map(|set| &set.name);
        if let Some(name) = without.iter().find(|name| !sets().any(|set| set == *name)) {
            return Err(Failure::usage(format!(
                "the archive holds no file set {name}; nothing was changed"
            )));
        }
        Ok((!without.is_empty()).then(|| {
            let rest = sets().filter(|name| !without.contains(name));
            rest.cloned().collect()
        }))
    }

    /// The tables to restore; `None` for all.
    fn select_tables(&self, archive: &OpenArchive) -> Result<Option<Vec<TableName>>, Failure> {
        if self.tables.is_empty() {
            return Ok(None);
        }
        let names = self.tables.iter();
        let tables: Result<_, _> = names.map(|name| source::table(name, archive)).collect();
        tables.map(Some)
    }
}
