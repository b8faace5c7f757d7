//! From lines and columns to bytes.
use std::ops::Range;

use crate::change::{Position, Span};

/// Where each line of a text begins.
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after).collect(),
        }
    }

    fn byte(&self, position: &Position) -> usize {
        let start = self.starts[position.line - 1];
        let line = &self.text[start..];
        let column = line.char_indices().nth(position.column - 1);
        start + column.map_or(line.len(), |(at, _)| at)
    }

    /// The stretch in bytes.
    pub fn bytes(&self, span: &Span) -> Range<usize> {
        self.byte(&span.start)..self.byte(&span.end)
    }
}
