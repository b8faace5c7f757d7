//! Files that an external program makes smaller on their way into the archive, such as audio into Opus.
//!
//! Which files, and what they will be called, is decided by their names beforehand ([`Transform::plan`]). Each is then made by
//! the program; one that fails stays as it is, under its own name. Rows that name files are read from the same
//! snapshot but written after the files of such a set, so that they name what is really in the archive ([`Renames`]).

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

mod program;
mod renames;

pub(crate) use program::{Failed, Transformer, program_name, sweep};
pub use renames::NoSuchColumn;
pub(crate) use renames::{Named, Renames};

use crate::files::Found;

/// Stands for the file that is read, in an argument.
pub const IN: &str = "{in}";
/// Stands for the file that is written, in an argument.
pub const OUT: &str = "{out}";

/// What is done with the files of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// The program and its arguments, without a shell; some name [`IN`] and [`OUT`].
    pub program: Vec<String>,
    /// Suffixes of the files that it is for, each with its dot; upper and lower case are the same.
    pub suffixes: Vec<String>,
    /// What stands in place of the suffix afterwards.
    pub new_suffix: String,
    /// Columns that name files of the set.
    pub columns: Vec<PathColumn>,
    /// How long each file may take.
    pub time_limit: Duration,
    /// Bytes that a result has at most; by default twice those of the file, and 16 MiB.
    pub max_bytes: Option<u64>,
}

/// A column whose values name files of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathColumn {
    /// The table, with or without its schema.
    pub table: String,
    /// The column.
    pub column: String,
    /// What stands before the file's path within the set.
    pub prefix: String,
}

impl Transform {
    /// Which of the files are to be transformed, by their number, and what they are called then.
    ///
    /// A file whose new name another one has keeps its own: of several that would get the same name, only the first
    /// gets it.
    #[must_use]
    pub(crate) fn plan(&self, files: &[Found]) -> Vec<Planned> {
        let mut taken: HashSet<String> = files.iter().map(|file| file.path.clone()).collect();
        files
            .iter()
            .map(|file| match self.renamed(&file.path) {
                None => Planned::Keep,
                Some(path) if path == file.path || taken.insert(path.clone()) => {
                    Planned::Transform(path)
                }
                Some(path) => Planned::Taken(path),
            })
            .collect()
    }

    /// The new name of a file that the program is for.
    fn renamed(&self, path: &str) -> Option<String> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = self.suffixes.iter().find_map(|suffix| {
            let at = name.len().checked_sub(suffix.len()).filter(|at| *at > 0)?;
            let end = name.get(at..)?;
            end.eq_ignore_ascii_case(suffix)
                .then(|| path.len() - suffix.len())
        })?;
        Some(format!("{}{}", path.get(..stem)?, self.new_suffix))
    }

    /// The largest result that is taken for a file of `size` bytes.
    pub(crate) fn limit(&self, size: u64) -> u64 {
        const ROOM: u64 = 16 << 20;
        self.max_bytes
            .unwrap_or_else(|| size.saturating_mul(2).saturating_add(ROOM))
    }
}

/// What is to be done with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Planned {
    /// The program is not for it.
    Keep,
    /// It becomes another one of this path.
    Transform(String),
    /// It would become one of this path, which another file has.
    Taken(String),
}

/// What became of the files of one set: the new paths by the old ones.
pub(crate) type RenamedFiles = HashMap<String, String>;

#[cfg(test)]
mod tests {
    use super::*;

    fn opus() -> Transform {
        Transform {
            program: Vec::new(),
            suffixes: vec![".wav".to_owned(), ".tar.gz".to_owned()],
            new_suffix: ".opus".to_owned(),
            columns: Vec::new(),
            time_limit: Duration::from_secs(1),
            max_bytes: None,
        }
    }

    fn plan(transform: &Transform, paths: &[&str]) -> Vec<Planned> {
        let files: Vec<Found> = paths
            .iter()
            .map(|path| Found {
                disk: path.into(),
                path: (*path).to_owned(),
            })
            .collect();
        transform.plan(&files)
    }

    #[test]
    fn suffixes_decide() {
        let to = |path: &str| Planned::Transform(path.to_owned());
        assert_eq!(
            plan(
                &opus(),
                &[
                    "a/b.wav", "C.WAV", "d.tar.gz", "e.mp3", ".wav", "f/.wav", "wav", "ä.wav"
                ]
            ),
            [
                to("a/b.opus"),
                to("C.opus"),
                to("d.opus"),
                Planned::Keep,
                Planned::Keep,
                Planned::Keep,
                Planned::Keep,
                to("ä.opus")
            ]
        );
    }

    #[test]
    fn no_file_takes_the_name_of_another() {
        let taken = |path: &str| Planned::Taken(path.to_owned());
        assert_eq!(
            plan(&opus(), &["a.WAV", "a.wav", "b.opus", "b.wav"]),
            [
                Planned::Transform("a.opus".to_owned()),
                taken("a.opus"),
                Planned::Keep,
                taken("b.opus")
            ]
        );
        let same = Transform {
            new_suffix: ".wav".to_owned(),
            ..opus()
        };
        assert_eq!(
            plan(&same, &["a.wav"]),
            [Planned::Transform("a.wav".to_owned())]
        );
    }

    #[test]
    fn results_have_a_limit() {
        assert_eq!(opus().limit(10), (16 << 20) + 20);
        assert_eq!(opus().limit(u64::MAX), u64::MAX);
        let small = Transform {
            max_bytes: Some(7),
            ..opus()
        };
        assert_eq!(small.limit(u64::MAX), 7);
    }
}
