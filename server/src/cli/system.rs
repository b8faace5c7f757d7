//! `coffer system`: Coffer's own configuration, on the server's own machine.

use std::{fmt, path::PathBuf};

use clap::Subcommand;
use coffer_core::{
    manifest::Selection,
    plan::{Consent, Mode},
};

use super::{
    Failure, Output, backup,
    decisions::DecisionArgs,
    publish::Unpublished,
    restore::{self, Asked},
    secret::{OpenArgs, SealArgs},
    serve::data_folder,
    signing::TrustArgs,
    source, undo,
    wanted::ModeArg,
};
use crate::{
    backup::BackupRequest,
    catalog::{Catalog, CatalogPlace, CatalogUrl},
    http::{self, SAFETY},
    read::{Look, OpenArchive, look},
    restore::RestoreRequest,
    runs::source_config,
    safety::{DEFAULT_KEEP, SafetyStore},
    system::{Actor, Needs, NoArea, TOKENS, tables_of},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Back up the configuration: sources, destinations, jobs, profiles, channels, users and groups. The server may be running.
    Backup(BackupArgs),
    /// Restore the configuration, into a new installation or into one that has one. The server must not be running.
    Restore(RestoreArgs),
    /// Bring back the configuration of before the last restore into it. The server must not be running.
    Undo(UndoArgs),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The server's data folder [default: coffer in the user's data folder].
    #[arg(long, value_name = "FOLDER", env = "COFFER_DATA")]
    data: Option<PathBuf>,

    /// The catalog, as for coffer serve.
    #[arg(long, value_name = "URL or FILE")]
    catalog: Option<String>,
}

#[derive(Debug, clap::Args)]
struct BackupArgs {
    #[command(flatten)]
    place: Place,

    /// The archive to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace the archive if there is one of this name.
    #[arg(long)]
    overwrite: bool,

    /// Seal the archive: with a password, unless recipients are given.
    #[arg(long)]
    sealed: bool,

    #[command(flatten)]
    to: SealArgs,

    /// Keep credentials in the archive, without the server's secret key; needs --sealed.
    #[arg(long, requires = "sealed")]
    sensitive: bool,
}

#[derive(Debug, clap::Args)]
struct RestoreArgs {
    /// The archive.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    #[command(flatten)]
    place: Place,

    /// How archive and configuration are brought together [default: replace, where there is no configuration yet].
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,

    /// Restore only this area: sources, destinations, profiles, jobs, channels or people; may be repeated.
    #[arg(long = "only", value_name = "AREA")]
    only: Vec<String>,

    /// Replace rows that are there now.
    #[arg(long)]
    force: bool,

    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,

    /// Show the plan and stop.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    key: OpenArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Debug, clap::Args)]
struct UndoArgs {
    /// The safety backup to restore; without it, the latest one.
    #[arg(value_name = "ID")]
    id: Option<String>,

    #[command(flatten)]
    place: Place,

    /// Undo although the configuration changed since the restore, and lose these changes.
    #[arg(long)]
    discard_changes: bool,

    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,

    /// Show the plan and stop.
    #[arg(long)]
    dry_run: bool,
}

impl From<NoArea> for Failure {
    fn from(error: NoArea) -> Self {
        Self::usage(error)
    }
}

impl Place {
    fn read(self) -> Result<CatalogPlace, Failure> {
        let url = CatalogUrl::read(self.catalog.as_deref())?;
        let folder = self.data.map_or_else(data_folder, Ok)?;
        Ok(CatalogPlace { folder, url })
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    match args.command {
        Command::Backup(args) => back_up(args, output).await,
        Command::Restore(args) => restore(args, output).await,
        Command::Undo(args) => undo(args, output).await,
    }
}

async fn back_up(args: BackupArgs, output: &Output) -> Result<(), Failure> {
    if args.to.given() && !args.sealed {
        return Err(Failure::usage(
            "a password or recipient was given without --sealed; nothing was written",
        ));
    }
    let place = args.place.read()?;
    if !place.folder.is_dir() {
        return Err(Failure::usage(format!(
            "there is no folder {}; name the server's with --data",
            place.folder.display()
        )));
    }
    let catalog = Catalog::open(&place).await?;
    let file = Unpublished::create(&args.out, args.overwrite)?;
    let seal = match args.sealed {
        true => Some(args.to.seal_to()?),
        false => None,
    };
    let request = BackupRequest {
        source: source_config(&catalog.system()).map_err(Failure::usage)?,
        seal,
        sensitive: args.sensitive,
        unwrap_app_secrets: args.sensitive,
        exclude: Vec::new(),
        without: Vec::new(),
    };
    let written = backup::write(request, file, args.out, output).await;
    catalog.close().await;
    written
}

async fn restore(args: RestoreArgs, output: &Output) -> Result<(), Failure> {
    let mut place = args.place.read()?;
    // A plan alone makes no installation: it is made against an empty one that goes again.
    let scratch = if args.dry_run && !Catalog::is_there(&place).await? {
        Some(empty(&mut place, output)?)
    } else {
        None
    };
    http::make_data_folder(&place.folder)?;
    let _lock = http::lock_data(&place.folder)?;
    let archive = source::archive(&args.file)?;
    let look = look(&*archive)?;
    // Whoever is not to be trusted is refused before any password is asked for.
    let senders = args.trust.senders_of(&*archive, &look)?;
    let unlock = args.key.unlock(matches!(look, Look::Sealed(_)))?;
    let opened = OpenArchive::open(archive.clone(), &unlock)?;
    let catalog = Catalog::open(&place).await?;
    let is_new = !catalog.has_users().await? && catalog.sources().await?.is_empty();
    let mode = match args.mode {
        Some(mode) => mode.into(),
        None if is_new => Mode::Replace,
        None => {
            return Err(Failure::usage(
                "this installation has a configuration; say with --mode how the archive and it are brought together; nothing was changed",
            ));
        }
    };
    let archived = || opened.manifest.tables.iter().map(|table| &table.table);
    let mut tables = tables_of(&args.only, archived())?;
    if is_new && args.only.is_empty() {
        let tokens = |name: &&str| TOKENS.tables.contains(name);
        tables.extend(
            archived()
                .filter(|table| tokens(&table.name.as_str()))
                .cloned(),
        );
    }
    let request = RestoreRequest {
        target: source_config(&catalog.system()).map_err(Failure::usage)?,
        archive,
        unlock,
        senders,
        selection: Selection {
            tables: Some(tables),
            ..Selection::ALL
        },
        mode,
        consent: Consent {
            replace_existing: args.force,
            // There is nothing to keep.
            no_safety_backup: is_new,
            ..Consent::default()
        },
        expected_plan: None,
        planned_without_rows: false,
        safety: safety(&place),
        undoes: None,
        guard: Some(catalog.guard(Actor::Console)),
    };
    let asked = Asked {
        yes: args.yes,
        dry_run: args.dry_run,
    };
    restore::carry_out(request, None, asked, output).await?;
    if !args.dry_run {
        let needs = Needs::of(&catalog).await?;
        if !needs.is_empty() {
            output.note(Lacking(&needs));
        }
    }
    catalog.close().await;
    drop(scratch);
    Ok(())
}

/// Puts an empty installation into the place of one that there isn't yet.
fn empty(place: &mut CatalogPlace, output: &Output) -> Result<tempfile::TempDir, Failure> {
    if place.url.is_some() {
        return Err(Failure::refused(
            "no_installation",
            "there is no installation in this database yet, and a dry run makes none; nothing was changed; a restore into it takes all of the archive",
        ));
    }
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::failed("file", format!("cannot plan in a folder: {error}")))?;
    output.note(format_args!(
        "there is no installation in {} yet: this is the plan for an empty one, which was made in another folder and goes again",
        place.folder.display()
    ));
    scratch.path().clone_into(&mut place.folder);
    Ok(scratch)
}

async fn undo(args: UndoArgs, output: &Output) -> Result<(), Failure> {
    let place = args.place.read()?;
    if !Catalog::is_there(&place).await? {
        return Err(Failure::usage(format!(
            "there is no installation in {}; name the server's folder with --data, and its catalog with --catalog",
            place.folder.display()
        )));
    }
    let _lock = http::lock_data(&place.folder)?;
    let catalog = Catalog::open(&place).await?;
    let wanted = undo::Wanted {
        store: safety(&place),
        target: source_config(&catalog.system())
            .map_err(Failure::usage)?
            .url,
        id: args.id,
        unlock: None,
        decisions: DecisionArgs::default(),
        discard_changes: args.discard_changes,
        no_safety_backup: false,
        guard: Some(catalog.guard(Actor::Console)),
        asked: Asked {
            yes: args.yes,
            dry_run: args.dry_run,
        },
    };
    let undone = undo::carry_out(wanted, output).await;
    catalog.close().await;
    undone
}

/// Where the server keeps what restores replaced.
fn safety(place: &CatalogPlace) -> SafetyStore {
    SafetyStore {
        folder: place.folder.join(SAFETY),
        recipients: Vec::new(),
        keep: DEFAULT_KEEP,
    }
}

/// What has to be entered again, for people.
struct Lacking<'a>(&'a Needs);

impl fmt::Display for Lacking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Needs {
            sources,
            destinations,
            channels,
            users,
        } = self.0;
        for (names, what) in [
            (
                sources,
                "need their URL again (in the page, or PUT /api/sources/ID/url)",
            ),
            (destinations, "need their key again"),
            (channels, "need their password or secret again"),
            (
                users,
                "have no password (coffer user reset NAME gives a link to choose one)",
            ),
        ] {
            if !names.is_empty() {
                let names = super::output::safe(&names.join(", "));
                writeln!(f, "note: {names}: {what}")?;
            }
        }
        Ok(())
    }
}
