//! What becomes of the files of a file set where archive and target are brought together.
//!
//! Files follow the rows that name them. A file of an inserted row comes, and of several files of one path each gets one of
//! its own, which the column that names it follows. A file of a matched row that takes the archive's values comes in place
//! of the row's own. Files of rows that stay or are left out don't come. Where no row of the archive names a file, its path
//! alone decides: skip adds what isn't there, overwrite replaces what is.
//!
//! Nothing else of a folder is touched, but for one thing: where overwrite gives a row another file, or removes the row,
//! the file that it named goes too if no row names it any more.

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use crate::{manifest::FileEntry, plan::Mode};

/// What becomes of a row of the archive, as far as its files are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is inserted.
    New,
    /// A row of the target takes its values.
    Changed,
    /// The target's row stays as it is, or the row is left out.
    Stays,
}

/// A row of the archive that names a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The column, as its number among those that name files of the set.
    pub column: usize,
    /// The row's number.
    pub row: i64,
    /// The path within the set that it has in the archive.
    pub from: String,
    /// The path that it names afterwards; `None` if that is no file of the set.
    pub to: Option<String>,
    /// The path that the target's row names before, if there is such a row.
    pub before: Option<String>,
    /// What becomes of the row.
    pub standing: Standing,
}

/// What the target's folder holds at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// A file with the same content.
    Same,
    /// A file with other content.
    Other,
    /// No file can be put there: it is no regular file, or what should be a folder above it is none.
    Blocked,
}

/// A file set of which the archive's files are to be brought together with the target's.
#[derive(Clone, Debug)]
pub struct SetMerge<'a> {
    /// How archive and target are brought together; all but [`Mode::Skip`] replace.
    pub mode: Mode,
    /// The archive's files of the set.
    pub files: Vec<&'a FileEntry>,
    /// The archive's rows that name some.
    pub namings: Vec<Naming>,
    /// Paths that rows of the target name which stay as they are.
    pub held: BTreeSet<String>,
    /// Paths that rows of the target named which change or go.
    pub former: BTreeSet<String>,
    /// Whether files that no row of the archive names stay out: where single records are restored.
    pub only_named: bool,
}

/// A file that comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The archive's file, with the path that it gets.
    pub file: FileEntry,
    /// Whether a file is there whose place it takes.
    pub replaces: bool,
}

/// A row whose column has to name another path than it would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The column's number.
    pub column: usize,
    /// The row's number.
    pub row: i64,
    /// The path.
    pub to: String,
}

/// What a merge does to the files of one set, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileCounts {
    /// Files that come where none was.
    pub add: u64,
    /// Files that take the place of others.
    pub replace: u64,
    /// Files of the archive that the target has at their path already, or that stay out for what it has there.
    pub keep: u64,
    /// Files of the target that go, since the rows that named them name others or are gone.
    pub remove: u64,
    /// Of those that come, files that get another path than they have in the archive.
    pub rename: u64,
    /// Files of the archive that only rows name which stay as they are or are left out.
    pub skipped: u64,
}

impl FileCounts {
    /// Whether nothing of the folder changes.
    #[must_use]
    pub const fn is_unchanged(&self) -> bool {
        self.add == 0 && self.replace == 0 && self.remove == 0
    }
}

/// What becomes of one file set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileMerge {
    /// Files that come, each to a path of its own.
    pub puts: Vec<Put>,
    /// Paths of files that go.
    pub removes: Vec<String>,
    /// Rows that follow their file to another path.
    pub renamed: Vec<Renamed>,
    /// Paths at which no file can be put.
    pub blocked: Vec<String>,
    /// All of it, counted.
    pub counts: FileCounts,
}

/// A file that is to be at a path, for some rows.
struct Wish<'a> {
    file: &'a FileEntry,
    to: Option<String>,
    rows: Vec<&'a Naming>,
}

impl Wish<'_> {
    fn is_change(&self) -> bool {
        self.rows
            .iter()
            .any(|row| row.standing == Standing::Changed)
    }

    /// The path that its rows name in the target already, if they all name one.
    fn before(&self) -> Option<&str> {
        let mut before = self.rows.iter().map(|row| row.before.as_deref());
        let first = before.next()??;
        before.all(|other| other == Some(first)).then_some(first)
    }
}

impl<'a> SetMerge<'a> {
    /// Decides. `there` looks at a path of the target's folder, `fresh` gives a word that no file's name has.
    ///
    /// # Errors
    /// What `there` and `fresh` fail with.
    pub fn decide<E>(
        &self,
        mut there: impl FnMut(&FileEntry, &str) -> Result<There, E>,
        mut fresh: impl FnMut() -> Result<String, E>,
    ) -> Result<FileMerge, E> {
        let mut merge = FileMerge::default();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let (named, unnamed) = self.wishes(&mut merge.counts);
        self.stay_with_their_own(&mut merge, &mut taken);
        for wish in &named {
            let to = match self.place(wish, &taken, &mut there)? {
                Some(to) => to,
                None => {
                    // Named like the row's own, so that people find it beside.
                    let like = wish.to.as_deref().filter(|to| is_path(to));
                    renamed(like.unwrap_or(&wish.file.path), &wish.file.path, &fresh()?)
                }
            };
            let other = wish.rows.iter().filter(|row| row.to.as_ref() != Some(&to));
            merge.renamed.extend(other.map(|row| Renamed {
                column: row.column,
                row: row.row,
                to: to.clone(),
            }));
            let found = there(wish.file, &to)?;
            merge.put(wish.file, to.clone(), found);
            taken.insert(to);
        }
        for file in unnamed {
            if self.only_named {
                merge.counts.skipped += 1;
                continue;
            }
            let to = file.path.clone();
            let found = there(file, &to)?;
            let is_ours = taken.contains(&to) || self.held.contains(&to);
            if found == There::Other && (is_ours || self.mode == Mode::Skip) || taken.contains(&to)
            {
                merge.counts.keep += 1;
            } else {
                merge.put(file, to.clone(), found);
                taken.insert(to);
            }
        }
        if self.mode != Mode::Skip {
            self.leave(&mut merge, &taken, &mut there)?;
        }
        Ok(merge)
    }

    /// A row whose file the archive lacks keeps the one that it has.
    fn stay_with_their_own(&self, merge: &mut FileMerge, taken: &mut BTreeSet<String>) {
        let there: BTreeSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        for row in &self.namings {
            let Some(before) = row.before.as_ref().filter(|before| {
                row.standing == Standing::Changed
                    && row.to.as_ref() != Some(before)
                    && !there.contains(row.from.as_str())
            }) else {
                continue;
            };
            taken.insert(before.clone());
            merge.renamed.push(Renamed {
                column: row.column,
                row: row.row,
                to: before.clone(),
            });
        }
    }

    /// What is to be where, and the files that no row of the archive names.
    fn wishes(&'a self, counts: &mut FileCounts) -> (Vec<Wish<'a>>, Vec<&'a FileEntry>) {
        let mut rows: BTreeMap<&str, Vec<&Naming>> = BTreeMap::new();
        for naming in &self.namings {
            rows.entry(&naming.from).or_default().push(naming);
        }
        let (mut named, mut unnamed) = (Vec::new(), Vec::new());
        for file in &self.files {
            let Some(rows) = rows.get(file.path.as_str()) else {
                unnamed.push(*file);
                continue;
            };
            let mut by_path: BTreeMap<Option<&String>, Wish<'a>> = BTreeMap::new();
            for row in rows.iter().filter(|row| row.standing != Standing::Stays) {
                let wish = by_path.entry(row.to.as_ref()).or_insert_with(|| Wish {
                    file,
                    to: row.to.clone(),
                    rows: Vec::new(),
                });
                wish.rows.push(row);
            }
            counts.skipped += u64::from(by_path.is_empty());
            named.extend(by_path.into_values());
        }
        (named, unnamed)
    }

    /// Where a file can go that rows name: where it is meant to, else where its rows' own file is; nowhere if all of that
    /// is somebody else's.
    fn place<E>(
        &self,
        wish: &Wish<'_>,
        taken: &BTreeSet<String>,
        there: &mut impl FnMut(&FileEntry, &str) -> Result<There, E>,
    ) -> Result<Option<String>, E> {
        for (to, is_meant) in [(wish.to.as_deref(), true), (wish.before(), false)] {
            let Some(to) = to.filter(|to| is_path(to) && !taken.contains(*to)) else {
                continue;
            };
            let fits = suffix(to) == suffix(&wish.file.path);
            let free = match there(wish.file, to)? {
                There::Same => true,
                There::Nothing | There::Blocked => is_meant && fits,
                There::Other => fits && self.may_replace(wish, to),
            };
            if free {
                return Ok(Some(to.to_owned()));
            }
        }
        Ok(None)
    }

    /// Whether a file that is at a path with other content may go for one of the archive.
    fn may_replace(&self, wish: &Wish<'_>, to: &str) -> bool {
        self.mode != Mode::Skip
            && !self.held.contains(to)
            // What a changing row named stays with it, should it have nowhere else to go.
            && (wish.is_change() || !self.former.contains(to))
    }

    /// Finds the files that no row names any more.
    fn leave<E>(
        &self,
        merge: &mut FileMerge,
        taken: &BTreeSet<String>,
        there: &mut impl FnMut(&FileEntry, &str) -> Result<There, E>,
    ) -> Result<(), E> {
        let Some(any) = self.files.first() else {
            return Ok(());
        };
        let mut named: BTreeSet<&str> = taken.iter().map(String::as_str).collect();
        named.extend(self.held.iter().map(String::as_str));
        let elsewhere: BTreeSet<(usize, i64)> = merge
            .renamed
            .iter()
            .map(|renamed| (renamed.column, renamed.row))
            .collect();
        named.extend(
            self.namings
                .iter()
                .filter(|row| !elsewhere.contains(&(row.column, row.row)))
                .filter_map(|row| row.to.as_deref()),
        );
        for path in &self.former {
            if named.contains(path.as_str()) || !is_path(path) {
                continue;
            }
            if matches!(there(any, path)?, There::Same | There::Other) {
                merge.counts.remove += 1;
                merge.removes.push(path.clone());
            }
        }
        Ok(())
    }
}

impl FileMerge {
    fn put(&mut self, file: &FileEntry, to: String, found: There) {
        match found {
            There::Same => {
                self.counts.keep += 1;
                return;
            }
            There::Blocked => {
                self.blocked.push(to);
                return;
            }
            There::Nothing => self.counts.add += 1,
            There::Other => self.counts.replace += 1,
        }
        self.counts.rename += u64::from(to != file.path);
        self.puts.push(Put {
            file: FileEntry {
                path: to,
                ..file.clone()
            },
            replaces: found == There::Other,
        });
    }
}

/// No value of a row is ever used as a path that leads out of the folder, or to what a restore keeps in it.
fn is_path(path: &str) -> bool {
    !path.starts_with(".coffer-")
        && !path.contains('\0')
        && path
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."))
}

/// The last suffix of a path with its dot; nothing if its name has none.
fn suffix(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rfind('.') {
        Some(at) if at > 0 => name.get(at..).unwrap_or_default(),
        _ => "",
    }
}

/// A path like another one, with a word before the suffix that the file has.
fn renamed(like: &str, file: &str, word: &str) -> String {
    let stem = like.strip_suffix(suffix(like)).unwrap_or(like);
    format!("{stem}__{word}{}", suffix(file))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloc::{string::ToString, vec};
    use core::convert::Infallible;

    use super::*;
    use crate::Digest;

    fn file(path: &str) -> FileEntry {
        FileEntry {
            set: "audio".to_owned(),
            path: path.to_owned(),
            entry: format!("files/audio/{path}"),
            size: 1,
            sha256: Digest::of(path.as_bytes()),
            mode: 0o644,
            mtime: 0,
        }
    }

    fn naming(row: i64, from: &str, to: &str, standing: Standing) -> Naming {
        Naming {
            column: 0,
            row,
            from: from.to_owned(),
            to: Some(to.to_owned()),
            before: None,
            standing,
        }
    }

    struct Case {
        mode: Mode,
        files: Vec<FileEntry>,
        namings: Vec<Naming>,
        held: &'static [&'static str],
        former: &'static [&'static str],
        there: &'static [(&'static str, There)],
    }

    impl Case {
        /// What is done, as short lines: `+` added, `=` replaced, `-` removed, `!` blocked, `>` a row that follows.
        fn run(&self) -> (Vec<String>, FileCounts) {
            let set = |paths: &[&str]| paths.iter().map(ToString::to_string).collect();
            let merge = SetMerge {
                mode: self.mode,
                files: self.files.iter().collect(),
                namings: self.namings.clone(),
                held: set(self.held),
                former: set(self.former),
                only_named: false,
            };
            let mut word = 0;
            let done = merge
                .decide::<Infallible>(
                    |_, path| {
                        let found = self.there.iter().find(|(there, _)| *there == path);
                        Ok(found.map_or(There::Nothing, |(_, there)| *there))
                    },
                    || {
                        word += 1;
                        Ok(format!("w{word}"))
                    },
                )
                .unwrap();
            let mut lines: Vec<String> = Vec::new();
            for put in &done.puts {
                let sign = if put.replaces { '=' } else { '+' };
                lines.push(format!("{sign}{} {}", put.file.entry, put.file.path));
            }
            lines.extend(done.removes.iter().map(|path| format!("-{path}")));
            lines.extend(done.blocked.iter().map(|path| format!("!{path}")));
            let renamed = done.renamed.iter();
            lines.extend(renamed.map(|row| format!(">{} {}", row.row, row.to)));
            (lines, done.counts)
        }
    }

    fn counts(
        add: u64,
        replace: u64,
        keep: u64,
        remove: u64,
        rename: u64,
        skipped: u64,
    ) -> FileCounts {
        FileCounts {
            add,
            replace,
            keep,
            remove,
            rename,
            skipped,
        }
    }

    #[test]
    fn skip_adds_files_of_new_rows_and_those_that_nobody_names() {
        let case = Case {
            mode: Mode::Skip,
            files: vec![
                file("stays.wav"),
                file("new.wav"),
                file("clash.wav"),
                file("same.wav"),
                file("free.txt"),
                file("there.txt"),
            ],
            namings: vec![
                naming(1, "stays.wav", "b.wav", Standing::Stays),
                naming(2, "new.wav", "new.wav", Standing::New),
                naming(3, "clash.wav", "clash.wav", Standing::New),
                naming(4, "same.wav", "same.wav", Standing::New),
            ],
            held: &["clash.wav", "b.wav"],
            former: &[],
            there: &[
                ("clash.wav", There::Other),
                ("same.wav", There::Same),
                ("there.txt", There::Other),
            ],
        };
        assert_eq!(
            case.run(),
            (
                vec![
                    "+files/audio/new.wav new.wav".to_owned(),
                    "+files/audio/clash.wav clash__w1.wav".to_owned(),
                    "+files/audio/free.txt free.txt".to_owned(),
                    ">3 clash__w1.wav".to_owned(),
                ],
                counts(3, 0, 2, 0, 1, 1)
            )
        );
    }

    #[test]
    fn overwrite_replaces_what_is_a_rows_own_and_removes_what_nobody_names() {
        let mut kept = naming(2, "b.wav", "b.wav", Standing::Changed);
        kept.before = Some("own.wav".to_owned());
        let mut other_suffix = naming(3, "c.wav", "c.opus", Standing::Changed);
        other_suffix.before = Some("c.opus".to_owned());
        let case = Case {
            mode: Mode::Overwrite,
            files: vec![file("a.wav"), file("b.wav"), file("c.wav"), file("d.wav")],
            namings: vec![
                naming(1, "a.wav", "a.wav", Standing::Changed),
                kept,
                other_suffix,
            ],
            held: &["b.wav"],
            former: &["a.opus", "own.wav", "gone.wav", "c.opus"],
            there: &[
                ("a.wav", There::Other),
                ("a.opus", There::Other),
                ("b.wav", There::Other),
                ("own.wav", There::Other),
                ("c.opus", There::Other),
                ("d.wav", There::Other),
            ],
        };
        assert_eq!(
            case.run(),
            (
                vec![
                    "=files/audio/a.wav a.wav".to_owned(),
                    "=files/audio/b.wav own.wav".to_owned(),
                    "+files/audio/c.wav c__w1.wav".to_owned(),
                    "=files/audio/d.wav d.wav".to_owned(),
                    "-a.opus".to_owned(),
                    "-c.opus".to_owned(),
                    ">2 own.wav".to_owned(),
                    ">3 c__w1.wav".to_owned(),
                ],
                counts(1, 3, 0, 2, 2, 0)
            )
        );
    }

    #[test]
    fn a_rows_value_never_leads_out_of_the_folder() {
        let mut row = naming(1, "a.wav", "../a.wav", Standing::Changed);
        row.before = Some("/etc/passwd".to_owned());
        let case = Case {
            mode: Mode::Overwrite,
            files: vec![file("a.wav")],
            namings: vec![row],
            held: &[],
            former: &["/etc/passwd", "../b"],
            there: &[("/etc/passwd", There::Other), ("../b", There::Other)],
        };
        let (lines, _) = case.run();
        assert_eq!(
            lines,
            ["+files/audio/a.wav a__w1.wav", ">1 a__w1.wav"].map(str::to_owned)
        );
    }

    #[test]
    fn no_two_files_get_one_path_and_what_is_no_file_is_told() {
        let case = Case {
            mode: Mode::Overwrite,
            files: vec![file("a.wav"), file("b.wav"), file("c.wav")],
            namings: vec![
                naming(1, "a.wav", "x.wav", Standing::New),
                naming(2, "b.wav", "x.wav", Standing::New),
            ],
            held: &[],
            former: &[],
            there: &[("c.wav", There::Blocked)],
        };
        assert_eq!(
            case.run().0,
            [
                "+files/audio/a.wav x.wav",
                "+files/audio/b.wav x__w1.wav",
                "!c.wav",
                ">2 x__w1.wav"
            ]
            .map(str::to_owned)
        );
    }

    #[test]
    fn suffixes_belong_to_names() {
        assert_eq!(suffix("a.b/c"), "");
        assert_eq!(suffix("a/.hidden"), "");
        assert_eq!(suffix("a/b.tar.gz"), ".gz");
        assert_eq!(renamed("a/b.opus", "c.wav", "w"), "a/b__w.wav");
    }
}
