//! Running the program of a transform on one file.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{IN, OUT, Transform};
use crate::{
    program::{End, Environment, Program},
    progress::Progress,
};

/// How the folders for results are called; what follows is random.
const FOLDER: &str = "coffer-transform-";
const LOCK: &str = "lock";

/// Runs the program of one file set. What it writes goes with it.
#[derive(Debug)]
pub(crate) struct Transformer {
    transform: Transform,
    folder: TempDir,
    /// Held so that [`sweep`] leaves the folder alone.
    _lock: File,
}

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The run was cancelled.
    Cancelled,
    /// What people need to know.
    Because(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Because(format!("its result could not be read: {error}"))
    }
}

/// A result. Its file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Transformed {
    pub(crate) file: File,
    _folder: TempDir,
}

impl Transformer {
    /// Makes a folder for results, which only this user can look into.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn new(transform: &Transform) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(FOLDER).tempdir()?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.try_lock().map_err(io::Error::from)?;
        Ok(Self {
            transform: transform.clone(),
            folder,
            _lock: lock,
        })
    }

    /// Runs the program on a file of `size` bytes.
    pub(crate) fn run(
        &self,
        file: &Path,
        size: u64,
        progress: &Progress,
    ) -> Result<Transformed, Failed> {
        let because = |what: String| Failed::Because(what);
        // Whole, so that no name can be taken for an option.
        let file = std::path::absolute(file)?;
        let folder = tempfile::tempdir_in(self.folder.path())?;
        let result = folder
            .path()
            .join(format!("result{}", self.transform.new_suffix));
        let limit = self.transform.limit(size);
        let program = Program {
            argv: arguments(&self.transform.program, &file, &result),
            time_limit: self.transform.time_limit,
            file_limit: Some(limit),
            folder: Some(folder.path().to_owned()),
            environment: Environment::Bare,
        };
        let ended = program
            .run(Some(progress))
            .map_err(|error| because(format!("{} could not be run: {error}", self.name())))?;
        if ended.end == End::Cancelled {
            return Err(Failed::Cancelled);
        }
        if let Some(fault) = ended.fault(self.transform.time_limit) {
            let said = ended
                .last_line()
                .map_or_else(String::new, |line| format!(", and said: {line}"));
            return Err(because(format!("{}: {fault}{said}", self.name())));
        }
        let opened = File::options()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&result)
            .map_err(|error| because(format!("{} wrote no result: {error}", self.name())))?;
        let metadata = opened.metadata()?;
        if !metadata.is_file() || (metadata.len() == 0 && size > 0) {
            return Err(because(format!("{} wrote an empty result", self.name())));
        }
        // One that was cut off there has exactly as much, whatever the program says.
        if metadata.len() >= limit {
            return Err(because(format!(
                "{} wrote {limit} bytes, which is more than is allowed",
                self.name()
            )));
        }
        Ok(Transformed {
            file: opened,
            _folder: folder,
        })
    }

    /// The program's name, without where it is.
    fn name(&self) -> String {
        program_name(&self.transform)
    }
}

/// The name of a transform's program, without where it is.
pub(crate) fn program_name(transform: &Transform) -> String {
    let path = transform.program.first().map(Path::new);
    path.and_then(Path::file_name)
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The program's name as it is, and its arguments with the paths in their places.
fn arguments(program: &[String], file: &Path, result: &Path) -> Vec<OsString> {
    program
        .iter()
        .enumerate()
        .map(|(index, part)| match index {
            0 => part.into(),
            _ => argument(part, file, result),
        })
        .collect()
}

fn argument(part: &str, file: &Path, result: &Path) -> OsString {
    let mut argument = OsString::new();
    let mut rest = part;
    loop {
        let places = [(IN, file), (OUT, result)];
        let next = places
            .into_iter()
            .filter_map(|(place, path)| Some((rest.split_once(place)?, path)))
            .min_by_key(|((before, _), _)| before.len());
        let Some(((before, after), path)) = next else {
            argument.push(rest);
            return argument;
        };
        argument.push(before);
        argument.push(path);
        rest = after;
    }
}

/// Removes the results of backups that were killed.
pub(crate) fn sweep() {
    let Ok(listing) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    let left = listing.flatten().filter(|entry| {
        entry.file_name().to_string_lossy().starts_with(FOLDER) && is_left(&entry.path())
    });
    for entry in left {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(folder = %entry.path().display(), %error, "what is left of a transform could not be removed");
        }
    }
}

/// Whether a folder is this user's own, and nobody works in it any more.
fn is_left(folder: &PathBuf) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == own)
        && File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use std::{io::Read, time::Duration};

    use super::*;

    fn transformer(script: &str) -> Transformer {
        Transformer::new(&Transform {
            program: ["sh", "-c", script, "sh", "{in}", "{out}"]
                .map(str::to_owned)
                .to_vec(),
            suffixes: vec![".txt".to_owned()],
            new_suffix: ".new".to_owned(),
            columns: Vec::new(),
            time_limit: Duration::from_secs(60),
            max_bytes: Some(1000),
        })
        .unwrap()
    }

    /// What the script makes of a file with the content `abc`.
    fn run(script: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("-a b.txt");
        fs::write(&file, "abc").unwrap();
        let transformer = transformer(script);
        let results = transformer.folder.path().to_owned();
        let made = match transformer.run(&file, 3, &Progress::default()) {
            Ok(mut made) => {
                let mut text = String::new();
                made.file.read_to_string(&mut text).unwrap();
                Ok(text)
            }
            Err(Failed::Because(why)) => Err(why),
            Err(Failed::Cancelled) => Err("cancelled".to_owned()),
        };
        // Only the lock is left of each run, and nothing of all.
        assert_eq!(fs::read_dir(&results).unwrap().count(), 1);
        drop(transformer);
        assert!(!results.exists());
        made
    }

    #[test]
    fn the_program_reads_the_file_and_writes_the_result() {
        assert_eq!(
            run("tr a-z A-Z < \"$1\" > \"$2\"; echo x > more").as_deref(),
            Ok("ABC")
        );
    }

    #[test]
    fn every_way_to_fail_is_told() {
        for (script, why) in [
            (
                "echo a; echo 'no such codec' >&2; exit 3",
                "sh: it ended with exit code 3, and said: no such codec",
            ),
            ("true", "sh wrote no result"),
            (": > \"$2\"", "sh wrote an empty result"),
            ("mkdir \"$2\"", "sh wrote an empty result"),
            ("ln -s \"$1\" \"$2\"", "sh wrote no result"),
            (
                "trap '' XFSZ; head -c 2000 /dev/zero > \"$2\"; true",
                "sh wrote 1000 bytes",
            ),
        ] {
            let told = run(script).unwrap_err();
            assert!(told.starts_with(why), "{script}: {told}");
        }
    }

    #[test]
    fn paths_are_put_in_their_places_once() {
        let at = |part: &str| argument(part, Path::new("/x/{out}"), Path::new("/y"));
        assert_eq!(at("{in}"), "/x/{out}");
        assert_eq!(at("a={out},{in}{out}."), "a=/y,/x/{out}/y.");
        assert_eq!(at("{IN} {"), "{IN} {");
    }

    #[test]
    fn only_what_nobody_works_in_is_swept() {
        let alive = transformer("true");
        let dead = tempfile::Builder::new()
            .prefix(FOLDER)
            .tempdir()
            .unwrap()
            .keep();
        File::create(dead.join(LOCK)).unwrap();
        fs::write(dead.join("result"), "plain").unwrap();
        // Somebody is just making this one.
        let new = tempfile::Builder::new().prefix(FOLDER).tempdir().unwrap();
        sweep();
        assert!(alive.folder.path().exists() && new.path().exists());
        assert!(!dead.exists());
    }
}
