//! What happens exactly at a limit, one before and one behind it; and that no secret shows.

use alloc::{format, string::String, string::ToString, vec, vec::Vec};

use super::{
    header::block_len,
    open::layout,
    password::{Purpose, Wrapped},
    payload::{ChunkCipher, MAX_CHUNKS},
    scrub::{block_range, table_len},
    testing::{CHEAP, TestRng},
    *,
};
use crate::{digest::Digest, range::ByteRange};

mod header;
mod keys;
mod payload;

fn key() -> FileKey {
    FileKey::new([0xa7; 32])
}

fn stanza(args: &[&str], body: usize) -> Stanza {
    Stanza {
        tag: "x".into(),
        args: args.iter().map(ToString::to_string).collect(),
        body: vec![1; body],
    }
}

/// An authentic header around any text.
fn around(text: &str) -> Vec<u8> {
    // The MAC line is one of a header of the same length whose text is changed afterwards: grammar comes first.
    let text_len = text.len() + 48;
    let units = (16 + text_len).div_ceil(4096);
    let mut block = MAGIC.to_vec();
    block.extend_from_slice(&[0, 1]);
    block.extend_from_slice(&u16::try_from(units).unwrap().to_be_bytes());
    block.extend_from_slice(&u32::try_from(text_len).unwrap().to_be_bytes());
    block.extend_from_slice(text.as_bytes());
    block.extend_from_slice(format!("--- {}\n", "A".repeat(43)).as_bytes());
    block.resize(units * 4096, 0);
    block
}

fn parsed(text: &str) -> Result<Vec<Stanza>, &'static str> {
    match Header::parse(&around(text)) {
        Ok(header) => Ok(header.stanzas().to_vec()),
        Err(SealError::HeaderMalformed { what }) => Err(what),
        Err(error) => panic!("{error}"),
    }
}
