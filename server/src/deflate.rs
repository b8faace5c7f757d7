//! DEFLATE (RFC 1951) natively, by libdeflate: it packs row text about as fast as the implementation in core does, into a
//! quarter less. It only compresses; what others may have written is decompressed by core, in Rust.

use std::cell::RefCell;

use coffer_core::archive::Packed;
use libdeflater::{CompressionLvl, Compressor};

/// Bytes at the start, in the middle and at the end of content that show whether it packs at all.
const SAMPLE_BYTES: usize = 16 << 10;

/// The fastest level that packs: what libdeflate calls the fastest, level 0, only stores.
const LEVEL: CompressionLvl = match CompressionLvl::new(1) {
    Ok(level) => level,
    Err(_) => CompressionLvl::best(),
};

thread_local! {
    static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new(LEVEL));
}

/// Compresses content, or keeps it as it is where that gains nothing.
pub(crate) fn pack(content: Vec<u8>) -> Packed {
    match packs(&content).then(|| compress(&content)).flatten() {
        Some(data) => Packed::deflated(&content, data),
        None => Packed::stored(content),
    }
}

/// Whether content is worth trying: what is compressed already would take long to be found out.
fn packs(content: &[u8]) -> bool {
    let middle = content.len() / 2;
    let samples = [0, middle, content.len().saturating_sub(SAMPLE_BYTES)];
    if content.len() < 2 * samples.len() * SAMPLE_BYTES {
        return true;
    }
    let packed: usize = samples
        .iter()
        .filter_map(|start| content.get(*start..start + SAMPLE_BYTES))
        .map(|sample| compress(sample).map_or(SAMPLE_BYTES, |packed| packed.len()))
        .sum();
    packed < samples.len() * SAMPLE_BYTES / 16 * 15
}

/// The content compressed, if that is shorter.
fn compress(content: &[u8]) -> Option<Vec<u8>> {
    // No room for more than the content itself: when it is used up, storing is better.
    let mut out = vec![0; content.len().checked_sub(1)?];
    let len = COMPRESSOR
        .with_borrow_mut(|compressor| compressor.deflate_compress(content, &mut out).ok())?;
    out.truncate(len);
    out.shrink_to_fit();
    Some(out)
}

#[cfg(test)]
mod tests {
    use coffer_core::{
        ByteRange,
        archive::{self, ArchiveError, ArchiveWriter, EntryReader, Limits, Method},
    };

    use super::*;

    /// Writes content as an archive's only entry and reads it back by core.
    fn round_trip(content: &[u8]) -> Method {
        let (mut writer, mut file) = (ArchiveWriter::new(), Vec::new());
        for name in ["content", "manifest.json"] {
            writer
                .add(name, &pack(content.to_vec()), &mut file)
                .unwrap();
        }
        writer.finish(&mut file).unwrap();
        let read = |range: ByteRange| -> Result<Vec<u8>, ArchiveError> {
            let start = usize::try_from(range.offset).unwrap();
            Ok(file[start..start + usize::try_from(range.len).unwrap()].to_vec())
        };
        let mut opening = archive::Opening::new(file.len() as u64, Limits::default()).unwrap();
        while let Some(range) = opening.wants() {
            opening.feed(&read(range).unwrap()).unwrap();
        }
        let directory = opening.finish().unwrap();
        let entry = directory.entry("content").unwrap();
        let back = EntryReader::new(entry, Limits::default()).read_all("bytes", u64::MAX, read);
        assert!(back.unwrap() == content);
        entry.method
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[1]
        })
        .take(len)
        .collect()
    }

    #[test]
    fn what_is_packed_here_opens_by_core() {
        assert_eq!(round_trip(b""), Method::Store);
        assert_eq!(round_trip(b"x"), Method::Store);
        assert_eq!(round_trip(&b"row\n".repeat(30)), Method::Deflate);
        assert_eq!(
            round_trip(&b"1\tAnn\topen\n".repeat(500_000)),
            Method::Deflate
        );
        for len in [100, 1 << 14, 1 << 20] {
            assert_eq!(round_trip(&noise(len)), Method::Store);
        }
    }

    #[test]
    fn a_header_that_packs_does_not_make_a_picture_worth_packing() {
        let mut picture = noise(1 << 20);
        picture[..2000].fill(0);
        assert!(!packs(&picture));
        picture[..9000].fill(0);
        assert!(packs(&picture));
        assert_eq!(round_trip(&picture), Method::Deflate);
    }
}
