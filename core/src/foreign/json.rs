//! JSON (RFC 8259) of other products, read as a stream: cut into rows of bounded size, whose numbers stay text, so that
//! `9007199254740993` and `10.000` arrive as they were written.

mod cutter;
mod row;
mod walk;

pub(super) use cutter::{Cutter, Piece, Shape};
pub(super) use row::{Members, text};
pub use row::{Row, Value};
pub(super) use walk::{Step as Segment, members, walk};
