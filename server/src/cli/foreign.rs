//! Archives of other products, for the commands that read archives.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use coffer_core::foreign::{
    Content, Depth, Finding, ForeignError, Level, Look, Overview, Secret,
    dbackup::{KeyRing, Sidecar},
};
use indicatif::HumanCount;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    Failure, Output,
    output::{bytes, count, safe},
    secret::OpenArgs,
    source::Location,
};
use crate::{
    foreign::{self, Open},
    progress::Progress,
    read::{self, ReadAt, ReadError},
};

/// What opens archives of DBackup.
#[derive(Debug, clap::Args)]
pub(super) struct ForeignArgs {
    /// Of an encrypted backup of DBackup: the key, as 64 hexadecimal digits or as a Recovery Kit (ZIP).
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Of a backup of DBackup: its sidecar; without this option FILE.meta.json is used if it is there.
    #[arg(long, value_name = "FILE")]
    sidecar: Option<PathBuf>,
}

/// A file that looks like an archive of another product.
pub(super) struct Known {
    source: Arc<dyn ReadAt>,
    look: Look,
    sidecar: Option<Sidecar>,
}

impl ForeignArgs {
    /// Looks at the first bytes; `None` for what no other product writes.
    pub(super) fn recognise(
        &self,
        location: &Location,
        source: &Arc<dyn ReadAt>,
    ) -> Result<Option<Known>, Failure> {
        if source.size() == 0 {
            return Ok(None);
        }
        let sidecar = match &self.sidecar {
            Some(path) => Some(sidecar(path)?),
            // One that is there by chance is none.
            None => location
                .path()
                .map(beside)
                .filter(|path| path.is_file())
                .and_then(|path| sidecar(&path).ok()),
        };
        let ours = matches!(read::look(&**source), Ok(read::Look::Sealed(_)));
        if ours {
            return Ok(None);
        }
        let look = foreign::look(&**source, sidecar.as_ref())?;
        let encrypted_by_name = location
            .path()
            .is_some_and(|path| path.extension().is_some_and(|extension| extension == "enc"));
        match look {
            Some(look) => Ok(Some(Known {
                source: source.clone(),
                look,
                sidecar,
            })),
            None if (self.key_file.is_some() || encrypted_by_name)
                && matches!(read::look(&**source), Err(ReadError::Unknown)) =>
            {
                Err(foreign::Error::from(ForeignError::SidecarMissing).into())
            }
            None => Ok(None),
        }
    }

    fn keys(&self) -> Result<Secret, Failure> {
        let Some(path) = &self.key_file else {
            return Ok(Secret::None);
        };
        let file = Zeroizing::new(bounded(path, KeyRing::MAX_BYTES, "key file")?);
        let keys = KeyRing::parse(&file).map_err(foreign::Error::from)?;
        Ok(Secret::Keys(keys))
    }
}

/// The sidecar's place: the file's name with `.meta.json` behind it.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".meta.json");
    name.into()
}

fn sidecar(path: &Path) -> Result<Sidecar, Failure> {
    let json = bounded(path, Sidecar::MAX_BYTES, "sidecar")?;
    Ok(Sidecar::parse(&json).map_err(foreign::Error::from)?)
}

/// A file that is small.
fn bounded(path: &Path, limit: u64, thing: &str) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file(&format!("read the {thing}"), path, &error);
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > limit {
        return Err(Failure::usage(format!(
            "{} has {size} bytes, more than the {limit} that a {thing} may have",
            path.display()
        )));
    }
    fs::read(path).map_err(failed)
}

impl Known {
    /// Unlocks it and reads its description; `None` if it is a ZIP of something else.
    pub(super) async fn open(
        self,
        key: &OpenArgs,
        args: &ForeignArgs,
        output: Output,
    ) -> Result<Option<Open>, Failure> {
        let secret = match &self.look {
            Look::Nosdesk(_) => Secret::Password(key.password()?),
            Look::DBackup(_) => args.keys()?,
            Look::Plain(_) | Look::Other => Secret::None,
        };
        let zip = matches!(self.look, Look::Plain(Content::Zip));
        let progress = Progress::default();
        let opened = task(output, &progress, {
            let progress = progress.clone();
            move || {
                let Self {
                    source,
                    look,
                    sidecar,
                } = self;
                foreign::open(source, &look, &secret, sidecar.as_ref(), &progress)
            }
        })
        .await;
        match opened {
            Ok(open) => Ok(Some(open)),
            // It may be one of Coffer's own, or an ordinary ZIP: those are explained elsewhere.
            Err(foreign::Error::Foreign(ForeignError::Unknown | ForeignError::Archive(_)))
                if zip =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What shows without a key.
    pub(super) fn show_locked(&self, output: Output) {
        let locked = Locked {
            sealed: self.look.encryption().is_some(),
            encryption: self.look.encryption(),
            content_bytes: self.source.size(),
        };
        output.result(&locked, &locked);
    }
}

#[derive(Serialize)]
struct Locked {
    sealed: bool,
    encryption: Option<String>,
    content_bytes: u64,
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.encryption {
            Some(how) => writeln!(
                f,
                "encrypted {}, {} in all",
                safe(how),
                bytes(self.content_bytes)
            ),
            None => writeln!(f, "not sealed"),
        }
    }
}

/// Runs a task that blocks, and shows its progress.
async fn task<T: Send + 'static>(
    output: Output,
    progress: &Progress,
    work: impl FnOnce() -> Result<T, foreign::Error> + Send + 'static,
) -> Result<T, foreign::Error> {
    let task = tokio::task::spawn_blocking(work);
    match output.watch(progress, task).await {
        Ok(result) => result,
        Err(_) => Err(ReadError::Cancelled.into()),
    }
}

pub(super) async fn survey(
    open: Arc<Open>,
    depth: Depth,
    output: Output,
) -> Result<Overview, Failure> {
    let progress = Progress::default();
    let watched = progress.clone();
    Ok(task(output, &watched, move || open.survey(depth, &progress)).await?)
}

/// `coffer inspect`
pub(super) async fn inspect(open: Open, output: Output) -> Result<(), Failure> {
    let overview = survey(Arc::new(open), Depth::Rows, output).await?;
    output.result(&overview, Shown(&overview));
    Ok(())
}

/// `coffer verify`
pub(super) async fn verify(open: Open, output: Output) -> Result<(), Failure> {
    let overview = survey(Arc::new(open), Depth::Everything, output).await?;
    if overview.errors == 0 {
        output.result(&overview, Shown(&overview));
        return Ok(());
    }
    if !output.is_json() {
        output.result(&(), Shown(&overview));
    }
    let message = format!(
        "the archive is not what it promises to be: {} found, {} in all of what was read; nothing was changed",
        count(overview.errors, "error"),
        count(overview.findings.len() as u64, "finding"),
    );
    Err(Failure::damaged("errors_found", message).with_details("overview", &overview))
}

/// An overview for people.
struct Shown<'a>(&'a Overview);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let overview = self.0;
        write!(f, "{}", overview.product)?;
        if let Some(version) = &overview.app_version {
            write!(f, " {}", safe(version))?;
        }
        write!(f, ", format {}", safe(&overview.format))?;
        match &overview.created_at {
            Some(at) => writeln!(f, ", made {}", safe(at))?,
            None => writeln!(f, ", it does not say when it was made")?,
        }
        let sealed = match &overview.sealed {
            Some(how) => format!("encrypted {}", safe(how)),
            None => "not encrypted".to_owned(),
        };
        let contents = if overview.sensitive {
            "sensitive: it holds credentials"
        } else {
            "standard: the product took its credentials out"
        };
        writeln!(f, "{contents}; {sealed}")?;
        for (name, value) in &overview.facts {
            writeln!(f, "{}: {}", safe(name), safe(value))?;
        }
        let with_rows = || overview.tables.iter().filter(|table| table.rows > 0);
        writeln!(
            f,
            "{}, {} of them with {}",
            count(overview.tables.len() as u64, "table"),
            HumanCount(with_rows().count() as u64),
            count(overview.rows, "row"),
        )?;
        let width = with_rows()
            .map(|table| safe(&table.name).chars().count())
            .max()
            .unwrap_or(0);
        for table in with_rows() {
            let rows = count(table.rows, "row");
            writeln!(f, "  {:width$}  {rows:>17}", safe(&table.name))?;
        }
        if !overview.files.is_empty() {
            writeln!(
                f,
                "files: {}, {}{}",
                count(overview.files.len() as u64, "file"),
                bytes(overview.file_bytes),
                if overview.files_read {
                    ", all of them read"
                } else {
                    ", not read"
                }
            )?;
        }
        for (level, title) in [
            (Level::Error, "errors"),
            (Level::Warning, "warnings"),
            (Level::Note, "to know"),
        ] {
            let of = |finding: &&Finding| finding.level() == level;
            let mut findings = overview.findings.iter().filter(of).peekable();
            if findings.peek().is_some() {
                writeln!(f, "{title}:")?;
            }
            for finding in findings {
                writeln!(f, "  {}", safe(&finding.to_string()))?;
            }
        }
        if overview.more_findings > 0 {
            writeln!(f, "and {} more", count(overview.more_findings, "finding"))?;
        }
        Ok(())
    }
}
