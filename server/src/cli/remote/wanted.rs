//! Arguments that say what is restored into which source of the server, and how.

use coffer_core::{
    archive::Limits,
    bundle::Bundler,
    manifest::Selection,
    plan::{Consent, Mode},
    policy::Preset,
    seal::FileKey,
};
use getrandom::SysRng;
use rand_core::{Rng, UnwrapErr};
use zeroize::Zeroizing;

use super::{
    super::{
        Failure, decisions::DecisionArgs, place::no_randomness, records::RecordArgs, source,
        wanted::ModeArg,
    },
    archive::ArchiveArgs,
    client::Client,
    upload,
};
use crate::{read::OpenArchive, restore::RestoreError};

#[derive(Debug, clap::Args)]
pub(super) struct WantedArgs {
    #[command(flatten)]
    archive: ArchiveArgs,

    /// The server's source to restore into, by its name or id.
    #[arg(long, value_name = "SOURCE")]
    target: String,

    /// How archive and target are brought together.
    #[arg(long, value_enum)]
    mode: ModeArg,

    /// Restore only this table; may be repeated.
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<String>,

    #[command(flatten)]
    records: RecordArgs,

    /// Restore no files.
    #[arg(long)]
    without_files: bool,

    /// A file set to leave as it is; may be repeated.
    #[arg(long, value_name = "NAME", conflicts_with = "without_files")]
    without_file_set: Vec<String>,

    /// Replace rows and files that are there now.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    decisions: DecisionArgs,

    /// Have the server keep nothing of what is replaced: it can't be undone.
    #[arg(long)]
    no_safety_backup: bool,
}

/// A restore that is asked for, with its archive opened here.
pub(super) struct Wanted {
    pub(super) archive: OpenArchive,
    pub(super) target: String,
    pub(super) mode: Mode,
    pub(super) consent: Consent,
    pub(super) selection: Selection,
}

/// A restore bundle that is still to be made, and the key that it alone is sealed under.
pub(super) struct Bundle {
    pub(super) bundler: Bundler,
    pub(super) key: Zeroizing<[u8; 32]>,
}

impl WantedArgs {
    /// Opens the archive and reads what is asked for. Blocks, and may ask for a password.
    pub(super) fn open(&self, client: &Client) -> Result<Wanted, Failure> {
        let target = client.source(&self.target)?;
        let archive = self.archive.open(client)?;
        let file_sets = self.file_sets(&archive)?;
        let selection = if self.records.is_empty() {
            Selection {
                tables: self.tables(&archive)?,
                file_sets,
                ..Selection::ALL
            }
        } else {
            let records = self.records.of_archive(&archive)?;
            let preset = target.preset.as_deref().map(preset).transpose()?;
            Selection::of_records(&archive.manifest, preset.as_ref(), records)
                .map_err(RestoreError::from)?
                .without_file_sets_but(file_sets.as_deref())
        };
        let consent = Consent {
            replace_existing: self.force,
            decisions: self.decisions.of_archive(&archive.manifest)?,
            no_safety_backup: self.no_safety_backup,
        };
        Ok(Wanted {
            archive,
            target: target.id,
            mode: self.mode.into(),
            consent,
            selection,
        })
    }

    /// The file sets to restore; `None` for all.
    fn file_sets(&self, archive: &OpenArchive) -> Result<Option<Vec<String>>, Failure> {
        let single = !self.tables.is_empty() && self.without_file_set.is_empty();
        if self.without_files || single {
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
    fn tables(
        &self,
        archive: &OpenArchive,
    ) -> Result<Option<Vec<coffer_core::schema::TableName>>, Failure> {
        if self.tables.is_empty() {
            return Ok(None);
        }
        let names = self.tables.iter();
        let tables: Result<_, _> = names.map(|name| source::table(name, archive)).collect();
        tables.map(Some)
    }
}

impl Wanted {
    /// Whether only the rows tell what the restore does.
    pub(super) const fn merges(&self) -> bool {
        self.mode.merges(&self.selection)
    }

    /// What is selected of the bundle: all of it, but for single records, whose tables it holds as a whole.
    pub(super) fn of_bundle(&self) -> Selection {
        if self.selection.records.is_empty() {
            Selection::ALL
        } else {
            self.selection.clone()
        }
    }

    /// The bundle of what is selected, under a fresh key.
    pub(super) fn bundle(&self) -> Result<Bundle, Failure> {
        // Whether there is randomness is asked once; the generator below could only panic.
        getrandom::u64().map_err(no_randomness)?;
        let mut rng = UnwrapErr(SysRng);
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut_slice());
        let whole = Selection {
            records: Vec::new(),
            ..self.selection.clone()
        };
        let bundler = Bundler::new(
            &self.archive.directory,
            &self.archive.manifest,
            &self.archive.files()?,
            &whole,
            Limits::default(),
            &FileKey::new(*key),
            &mut rng,
        )
        .map_err(upload::bundle)?;
        Ok(Bundle { bundler, key })
    }
}

/// The preset of a source, as the server stores it.
fn preset(text: &str) -> Result<Preset, Failure> {
    toml::from_str(text).map_err(|_| {
        Failure::failed(
            "wrong_answer",
            "the source's preset is one that this program does not understand; nothing was changed; is the server's Coffer newer?",
        )
    })
}
