//! Rules applied to rows that come in pieces.

use alloc::vec::Vec;

use super::{PartSecrets, RowFate, RowRules, WithholdError};

/// Bytes of output after which it pauses.
const PIECE_BYTES: usize = 64 << 10;

/// The rows of one part, as they stream by. It holds one row at most.
#[derive(Debug, Default)]
pub struct RowStream {
    /// The start of a line whose end has not come.
    pending: Vec<u8>,
    /// Lines so far; the first names the columns.
    lines: u64,
    /// Rows that each rule left out.
    left_out: Vec<u64>,
}

impl RowStream {
    /// A part that `rules` are for.
    #[must_use]
    pub fn new(rules: &RowRules) -> Self {
        Self {
            left_out: alloc::vec![0; rules.leaving_out()],
            ..Self::default()
        }
    }

    /// Rows that each rule left out so far.
    #[must_use]
    pub fn left_out(&self) -> &[u64] {
        &self.left_out
    }

    /// Adds the next bytes of the part, and appends to `out` what `rules` leave of its rows, without a header line. Returns
    /// what is left of the bytes: to be given again once `out` was emptied, since a few bytes can make many.
    ///
    /// # Errors
    /// [`WithholdError`].
    pub fn push<'b>(
        &mut self,
        rules: &RowRules,
        bytes: &'b [u8],
        secrets: &PartSecrets<'_>,
        out: &mut Vec<u8>,
    ) -> Result<&'b [u8], WithholdError> {
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            rest = after.get(1..).unwrap_or_default();
            let number = self.lines;
            self.lines += 1;
            if self.pending.is_empty() {
                push_row(rules, number, line, secrets, out)?.count(&mut self.left_out);
            } else {
                self.pending.extend_from_slice(line);
                let fate = push_row(rules, number, &self.pending, secrets, out)?;
                fate.count(&mut self.left_out);
                self.pending.clear();
            }
            if out.len() >= PIECE_BYTES {
                return Ok(rest);
            }
        }
        self.pending.extend_from_slice(rest);
        Ok(&[])
    }
}

fn push_row(
    rules: &RowRules,
    number: u64,
    line: &[u8],
    secrets: &PartSecrets<'_>,
    out: &mut Vec<u8>,
) -> Result<RowFate, WithholdError> {
    // The first line names the columns.
    if number == 0 {
        return Ok(RowFate::Withheld);
    }
    let fate = rules.row(number, line, secrets, out)?;
    if fate == RowFate::Written {
        out.push(b'\n');
    }
    Ok(fate)
}
