//! What `cargo mutants --list --json` says of one change.
use serde::Deserialize;

/// A change of one stretch of a file.
#[derive(Deserialize)]
pub struct Change {
    /// Relative to the tree.
    pub file: String,
    pub genre: Genre,
    /// What comes instead of the stretch.
    pub replacement: String,
    pub span: Span,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
pub enum Genre {
    BinaryOperator,
    FnValue,
    MatchArm,
    MatchArmGuard,
    StructField,
    UnaryOperator,
}

#[derive(Deserialize)]
pub struct Span {
    pub start: Position,
    /// The first place after the stretch.
    pub end: Position,
}

#[derive(Deserialize)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}
