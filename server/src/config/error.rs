//! What is wrong with a source's file, and where.

use std::{fmt::Display, io, ops::Range};

/// Why a source's file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It can't be read.
    #[error("cannot read {path}: {error}; nothing was read or written besides")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// It says something that makes no sense. Nothing of the line is quoted: it may hold a password.
    #[error("{path}, line {line}, column {column}: {what}; nothing was read or written")]
    Wrong {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// It names programs, and somebody else owns it.
    #[error(
        "{path} names programs to run, and belongs to another user, who could make you run any; nothing was run; make the file your own or root's"
    )]
    Foreign {
        /// The file.
        path: String,
    },
    /// It names programs, and others may write to it.
    #[error(
        "{path} names programs to run, and others may write to it, who could make you run any; nothing was run; take that right away (chmod go-w)"
    )]
    Writable {
        /// The file.
        path: String,
    },
}

impl ConfigError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "file",
            Self::Wrong { .. } => "bad_config",
            Self::Foreign { .. } | Self::Writable { .. } => "unsafe_config",
        }
    }
}

/// What is wrong at some bytes of the text.
#[derive(Debug)]
pub(super) struct Fault {
    at: Range<usize>,
    what: String,
}

impl Fault {
    pub(super) fn new(at: Range<usize>, what: impl Display) -> Self {
        let what = what.to_string();
        Self { at, what }
    }

    pub(super) fn of(error: toml::de::Error) -> Self {
        Self::new(error.span().unwrap_or_default(), error.message())
    }

    pub(super) fn at(self, path: String, text: &str) -> ConfigError {
        let (line, column) = place(text, self.at.start);
        ConfigError::Wrong {
            path,
            line,
            column,
            what: self.what,
        }
    }
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(start..).map_or(0, |line| line.chars().count()) + 1;
    (line, column)
}
