//! Patterns that say which files of a file set are left out.
//!
//! A pattern is compared with paths within the set, segments joined by `/`; upper and lower case differ.
//!
//! - `*` and `?` stand for characters of one name, never for `/`; `[…]` for one of some characters, `{a,b}` for either.
//! - `**` as a whole segment stands for any number of folders, also none.
//! - A pattern without `/` means the name, wherever it is: `*.tmp`. Any other is of the whole path: `cache/*.png`, and
//!   `/cache` means only the one at the top.
//! - What ends in `/` or `/**` means folders. Of a folder that is left out, nothing is archived, and it isn't listed.
//! - A backslash takes the meaning from the character behind it.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A pattern that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pattern {pattern:?} of files to leave out cannot be read: {reason}; nothing was read or written"
)]
pub struct GlobError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Patterns of files to leave out. By default none.
#[derive(Clone, Debug, Default)]
pub struct Globs {
    set: GlobSet,
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    folders_only: bool,
}

impl Globs {
    /// Reads patterns.
    ///
    /// # Errors
    /// [`GlobError`], for the first that can't be read.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, GlobError> {
        let mut set = GlobSetBuilder::new();
        let mut read = Vec::new();
        for pattern in patterns {
            let text = pattern.as_ref();
            let wrong = |reason: String| GlobError {
                pattern: text.to_owned(),
                reason,
            };
            let (glob, folders_only) = meaning(text);
            if glob.is_empty() || glob.ends_with('/') {
                return Err(wrong("it names nothing".to_owned()));
            }
            let glob = GlobBuilder::new(&glob)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| wrong(error.kind().to_string()))?;
            set.add(glob);
            read.push(Pattern {
                text: text.to_owned(),
                folders_only,
            });
        }
        let set = set.build().map_err(|error| GlobError {
            pattern: error.glob().unwrap_or_default().to_owned(),
            reason: error.kind().to_string(),
        })?;
        Ok(Self {
            set,
            patterns: read,
        })
    }

    /// The patterns as they were given.
    pub fn patterns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.patterns.iter().map(|pattern| pattern.text.as_str())
    }

    /// The number of the first pattern that leaves out what is at `path` within the set.
    #[must_use]
    pub fn matching(&self, path: &Path, is_folder: bool) -> Option<usize> {
        self.set.matches(path).into_iter().find(|index| {
            self.patterns
                .get(*index)
                .is_some_and(|pattern| is_folder || !pattern.folders_only)
        })
    }
}

/// A pattern as one of whole paths, and whether it means folders only.
fn meaning(text: &str) -> (String, bool) {
    let below = text.strip_suffix("/**").filter(|rest| !rest.is_empty());
    let (rest, folders_only) = match (below, text.strip_suffix('/')) {
        (Some(rest), _) | (None, Some(rest)) => (rest, true),
        (None, None) => (text, false),
    };
    if below.is_some() || rest.contains('/') {
        let anchored = rest.strip_prefix('/').unwrap_or(rest);
        (anchored.to_owned(), folders_only)
    } else if rest.is_empty() {
        (String::new(), folders_only)
    } else {
        (format!("**/{rest}"), folders_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves_out(pattern: &str, path: &str) -> bool {
        let (path, is_folder) = match path.strip_suffix('/') {
            Some(folder) => (folder, true),
            None => (path, false),
        };
        Globs::new([pattern])
            .unwrap()
            .matching(Path::new(path), is_folder)
            .is_some()
    }

    #[test]
    fn patterns_mean_what_is_documented() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            (
                "*.tmp",
                &["a.tmp", "x/y/b.tmp", ".tmp", "d.tmp/"],
                &["a.tmp2", "tmp", "a.TMP", "a.tmp/x"],
            ),
            ("cache/", &["cache/", "x/cache/"], &["cache", "cached/"]),
            ("/cache", &["cache", "cache/"], &["x/cache", "x/cache/"]),
            ("cache/**", &["cache/"], &["cache", "x/cache/", "cached/"]),
            ("**/cache/**", &["cache/", "x/cache/"], &["x/cache"]),
            (
                "thumbs/*.png",
                &["thumbs/a.png"],
                &["thumbs/b/a.png", "x/thumbs/a.png", "a.png"],
            ),
            (
                "a/**/z",
                &["a/z", "a/b/z", "a/b/c/z"],
                &["z", "b/z", "a/z/y"],
            ),
            ("?.[ch]", &["x.c", "d/y.h"], &["xy.c", "x.o", "/.c"]),
            ("{one,two}.log", &["one.log", "two.log"], &["three.log"]),
            ("\\*", &["*", "x/*"], &["a"]),
            ("**", &["a", "a/b", "a/"], &[]),
            ("Größe*", &["Größen.txt"], &["größen.txt"]),
        ];
        for (pattern, out, kept) in cases {
            for path in *out {
                assert!(leaves_out(pattern, path), "{pattern} and {path}");
            }
            for path in *kept {
                assert!(!leaves_out(pattern, path), "{pattern} and {path}");
            }
        }
    }

    #[test]
    fn the_first_pattern_that_matches_counts_and_none_leaves_nothing_out() {
        let globs = Globs::new(["*.log", "a/*", "a/b.log"]).unwrap();
        assert_eq!(globs.matching(Path::new("a/b.log"), false), Some(0));
        assert_eq!(globs.matching(Path::new("a/c"), false), Some(1));
        assert_eq!(globs.matching(Path::new("c"), false), None);
        assert_eq!(
            globs.patterns().collect::<Vec<_>>(),
            ["*.log", "a/*", "a/b.log"]
        );
        assert_eq!(Globs::default().matching(Path::new("a"), false), None);
    }

    #[test]
    fn a_pattern_that_makes_no_sense_is_named() {
        for pattern in ["", "/", "[a", "{a", "a\\", "//"] {
            let error = Globs::new(["*.ok", pattern]).unwrap_err();
            assert_eq!(error.pattern, pattern);
        }
    }
}
