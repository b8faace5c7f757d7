//! `coffer --server URL download`
//!
//! Bytes are gathered in a file beside the final one, whose name holds the start of the backup's digest; so one that was
//! interrupted goes on, and bytes of two backups never meet. It gets its final name when it was read again as a whole.

use std::{
    fmt, fs,
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use tempfile::TempPath;

use super::{
    super::{
        Failure, Output, interrupt,
        output::{bytes, safe},
    },
    archive::address,
    aside,
    client::Client,
    views::Backup,
};
use crate::{
    progress::{Phase, Progress},
    read::{FileSource, ReadAt},
    sealed_check::{self, CheckError},
};

/// Bytes that are asked for at once.
const PIECE: u64 = 4 << 20;
/// Time in which a piece that is on its way may still arrive.
const GRACE: Duration = Duration::from_secs(2);
/// Characters of the digest that stand in the unfinished file's name.
const NAMED: usize = 16;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The backup, by its name or id.
    backup: String,

    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace an existing file.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Serialize)]
struct Done {
    file: String,
    backup: String,
    name: String,
    bytes: u64,
    /// How many of these bytes an earlier attempt had fetched.
    resumed_at: u64,
    sha256: String,
    verified: bool,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} fetched into {} and compared with its scrub table, {}",
            safe(&self.name),
            safe(&self.file),
            bytes(self.bytes)
        )?;
        if self.resumed_at > 0 {
            write!(f, ", {} of them before", bytes(self.resumed_at))?;
        }
        writeln!(f)
    }
}

pub(super) async fn run(args: Args, client: Client, output: &Output) -> Result<(), Failure> {
    let progress = Progress::default();
    let shown = progress.clone();
    let stopping = progress.clone();
    let work = async {
        tokio::select! {
            done = aside(move || fetch(&args, &client, &shown)) => done,
            // A connection over which nothing comes keeps nobody waiting: what is there lies on the disk.
            () = given_up(&stopping) => Err(Failure::cancelled(
                "cancelled; what arrived is kept, and the same command goes on from there",
            )),
        }
    };
    let done = output.watch(&progress, work).await?;
    output.result(&done, &done);
    Ok(())
}

/// Ends a while after somebody has asked to stop.
async fn given_up(progress: &Progress) {
    while !progress.cancelled() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(GRACE).await;
}

fn fetch(args: &Args, client: &Client, progress: &Progress) -> Result<Done, Failure> {
    let out = &args.out;
    if !args.overwrite && out.symlink_metadata().is_ok() {
        return Err(exists(out));
    }
    let backup: Backup = client.find("api/backups", &args.backup)?;
    let source = client.file(&address(&backup.id))?;
    let tag = source.tag().unwrap_or(&backup.id).to_owned();
    let (path, mut file) = begin(out, &tag)?;
    let wrong = |error: io::Error| Failure::file("write", &path, &error);

    let size = source.size();
    let mut had = file.seek(SeekFrom::End(0)).map_err(wrong)?;
    if had > size {
        file.set_len(0).map_err(wrong)?;
        had = file.seek(SeekFrom::Start(0)).map_err(wrong)?;
    }
    progress.begin(Phase::Copying, size);
    progress.add_bytes(had);
    let mut piece = vec![0; usize::try_from(PIECE.min(size)).unwrap_or(0)];
    let mut at = had;
    while at < size {
        if progress.cancelled() {
            return Err(stopped(&path, at, size));
        }
        let len = usize::try_from(PIECE.min(size - at)).unwrap_or(0);
        let bytes = piece.get_mut(..len).unwrap_or_default();
        source
            .read_exact_at(at, bytes)
            .map_err(|error| unfinished(&error, &path))?;
        file.write_all(bytes).map_err(wrong)?;
        at += len as u64;
        progress.add_bytes(len as u64);
    }
    file.sync_all().map_err(wrong)?;
    let sha256 = prove(&path, &tag, progress).map_err(|failure| match failure {
        Proof::Cancelled => stopped(&path, at, size),
        Proof::Wrong(failure) => {
            // Whatever is wrong with these bytes, going on with them would not mend it.
            let _ = fs::remove_file(&path);
            failure
        }
    })?;
    publish(&path, out, args.overwrite)?;
    Ok(Done {
        file: out.display().to_string(),
        backup: backup.id,
        name: backup.name,
        bytes: size,
        resumed_at: had,
        sha256,
        verified: true,
    })
}

/// The unfinished file, which nobody else is writing.
fn begin(out: &Path, tag: &str) -> Result<(PathBuf, File), Failure> {
    let named: String = tag
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(NAMED)
        .collect();
    let name = out
        .file_name()
        .ok_or_else(|| Failure::usage(format!("{} cannot be the name of a file", out.display())))?;
    let mut part = name.to_owned();
    part.push(format!(".{named}.part"));
    let path = out.with_file_name(part);
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| Failure::file("write", &path, &error))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Failure::refused(
            "busy",
            format!(
                "another command is fetching this backup into {}; nothing was changed",
                path.display()
            ),
        )
    })?;
    Ok((path, file))
}

enum Proof {
    Cancelled,
    Wrong(Failure),
}

/// Reads the whole file again: it is what the server stores, and a sealed archive that is what its own table says.
fn prove(path: &Path, tag: &str, progress: &Progress) -> Result<String, Proof> {
    let source = FileSource::open(path)
        .map_err(|error| Proof::Wrong(Failure::file("read", path, &error)))?;
    let checked = match sealed_check::check(&source, progress) {
        Ok(checked) => checked,
        Err(CheckError::Read(crate::read::ReadError::Cancelled)) => return Err(Proof::Cancelled),
        Err(CheckError::Read(error)) => return Err(Proof::Wrong(error.into())),
        Err(error) => {
            let detail = format!("{error}; it was not kept, the backup needs a look at the server");
            return Err(Proof::Wrong(Failure::damaged(error.code(), detail)));
        }
    };
    let sha256 = checked.sha256.to_string();
    // A backup that was adopted has no digest that the server could tell.
    if tag.len() == sha256.len() && tag != sha256 {
        return Err(Proof::Wrong(Failure::damaged(
            "stored_bytes_differ",
            "what arrived is not what the server stored; it was not kept, fetch it again",
        )));
    }
    Ok(sha256)
}

fn publish(path: &Path, out: &Path, overwrite: bool) -> Result<(), Failure> {
    interrupt::publishing();
    let failed = |error: io::Error| Failure::file("write", out, &error);
    if overwrite {
        fs::rename(path, out).map_err(failed)?;
    } else {
        let part = TempPath::try_from_path(path).map_err(failed)?;
        part.persist_noclobber(out).map_err(|error| {
            // It is whole, and wanted.
            let _ = error.path.keep();
            match error.error.kind() {
                io::ErrorKind::AlreadyExists => exists(out),
                _ => failed(error.error),
            }
        })?;
    }
    let folder = out
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

fn exists(out: &Path) -> Failure {
    Failure::refused(
        "exists",
        format!(
            "{} exists already; nothing was written, use --overwrite to replace it",
            out.display()
        ),
    )
}

fn stopped(path: &Path, at: u64, size: u64) -> Failure {
    Failure::cancelled(format!(
        "cancelled; {} of {} are in {}, and the same command goes on from there",
        bytes(at),
        bytes(size),
        path.display()
    ))
}

fn unfinished(error: &io::Error, path: &Path) -> Failure {
    Failure::failed(
        "read_failed",
        format!(
            "{error}; what arrived is in {}, and the same command goes on from there",
            path.display()
        ),
    )
}
