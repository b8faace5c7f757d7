//! The formats once more, from `docs/format.md` and with other crates than the code under test where there are any.

use base64ct::{Base64Unpadded, Encoding};
use coffer_core::archive::{Entry, Method};
use flate2::{Decompress, FlushDecompress, Status};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// Bytes of the line that ends a header's text: `--- `, 43 characters of base64, LF.
pub const MAC_LINE: usize = 48;

/// `Expand(file key, label, 32)` of section 3.1: HKDF-Expand with SHA-512, the key padded with zeros.
#[must_use]
pub fn expand(file_key: &[u8; 32], label: &str) -> [u8; 32] {
    let mut prk = [0; 64];
    prk[..32].copy_from_slice(file_key);
    let mut out = [0; 32];
    Hkdf::<Sha512>::from_prk(&prk)
        .unwrap()
        .expand(label.as_bytes(), &mut out)
        .unwrap();
    out
}

/// The line that ends a header's text, for everything before it.
#[must_use]
pub fn mac_line(file_key: &[u8; 32], before: &[u8]) -> Vec<u8> {
    let key = expand(file_key, "coffer/v1/header");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(before);
    mac.update(b"---");
    let mac = Base64Unpadded::encode_string(&mac.finalize().into_bytes());
    format!("--- {mac}\n").into_bytes()
}

/// The text of a sealed archive's header, without the line of its MAC.
#[must_use]
pub fn header_text(file: &[u8]) -> &[u8] {
    let len = u32::from_be_bytes(file[12..16].try_into().unwrap()) as usize;
    &file[16..16 + len - MAC_LINE]
}

/// A header block around a text without its last line.
#[must_use]
pub fn header_block(file_key: &[u8; 32], text: &[u8], units: u16) -> Vec<u8> {
    let mut block = b"\x89CFR\r\n\x1a\n\0\x01".to_vec();
    block.extend_from_slice(&units.to_be_bytes());
    block.extend_from_slice(&u32::try_from(text.len() + MAC_LINE).unwrap().to_be_bytes());
    block.extend_from_slice(text);
    block.extend_from_slice(&mac_line(file_key, &block));
    block.resize(block.len().max(usize::from(units) * 4096), 0);
    block
}

/// Scrub table, sender block and footer for a payload region.
#[must_use]
pub fn sealed_end(payload: &[u8], sender: &[u8]) -> Vec<u8> {
    let mut end: Vec<u8> = payload
        .chunks(1 << 20)
        .flat_map(|block| Sha256::digest(block).to_vec())
        .collect();
    let (table_len, root) = (end.len() as u64, Sha256::digest(&end));
    end.extend_from_slice(sender);
    end.extend_from_slice(b"\0\x01\0\0");
    end.extend_from_slice(&u32::try_from(sender.len()).unwrap().to_be_bytes());
    end.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    end.extend_from_slice(&table_len.to_be_bytes());
    end.extend_from_slice(&[0; 8]);
    end.extend_from_slice(&root);
    end.extend_from_slice(b"\x89CFE\r\n\x1a\n");
    end
}

/// Inflates a DEFLATE stream that must end with its last byte, as another implementation does. `None` if it is not one,
/// or gives more than `most` bytes.
#[must_use]
pub fn inflate(stream: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut inflate = Decompress::new(false);
    let mut out = vec![0; most + 1];
    let status = inflate
        .decompress(stream, &mut out, FlushDecompress::Finish)
        .ok()?;
    out.truncate(usize::try_from(inflate.total_out()).unwrap());
    (status == Status::StreamEnd && out.len() <= most && inflate.total_in() == stream.len() as u64)
        .then_some(out)
}

struct Record(Vec<u8>);

impl Record {
    fn put(mut self, width: usize, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes()[..width]);
        self
    }
    fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }
}

const MARK: u64 = 0xffff_ffff;

fn has_wide_sizes(entry: &Entry) -> bool {
    entry.streamed || entry.size >= MARK || entry.compressed >= MARK
}

/// What a local and a central header share, from "version needed" to "length of the name".
fn common(record: Record, entry: &Entry, wide: bool, sizes: [u64; 3]) -> Record {
    record
        .put(2, if wide { 45 } else { 20 })
        .put(2, if entry.streamed { 0x0808 } else { 0x0800 })
        .put(
            2,
            match entry.method {
                Method::Store => 0,
                Method::Deflate => 8,
            },
        )
        .put(2, 0)
        .put(2, 0x21)
        .put(4, sizes[0])
        .put(4, sizes[1])
        .put(4, sizes[2])
        .put(2, entry.name.len() as u64)
}

/// The local header of an entry.
#[must_use]
pub fn local_header(entry: &Entry) -> Vec<u8> {
    let wide = has_wide_sizes(entry);
    let [crc, compressed, size] = if entry.streamed {
        [0; 3]
    } else {
        [entry.crc32.into(), entry.compressed, entry.size]
    };
    let fixed = if wide {
        [crc, MARK, MARK]
    } else {
        [crc, compressed, size]
    };
    let record = common(Record(b"PK\x03\x04".to_vec()), entry, wide, fixed)
        .put(2, if wide { 20 } else { 0 })
        .text(&entry.name);
    if wide {
        record
            .put(2, 1)
            .put(2, 16)
            .put(8, size)
            .put(8, compressed)
            .0
    } else {
        record.0
    }
}

/// The data descriptor of an entry.
#[must_use]
pub fn descriptor(entry: &Entry) -> Vec<u8> {
    if entry.streamed {
        Record(b"PK\x07\x08".to_vec())
            .put(4, entry.crc32.into())
            .put(8, entry.compressed)
            .put(8, entry.size)
            .0
    } else {
        Vec::new()
    }
}

/// The central header of an entry.
#[must_use]
pub fn central_header(entry: &Entry) -> Vec<u8> {
    let (wide, far) = (has_wide_sizes(entry), entry.offset >= MARK);
    let sizes = if wide {
        [entry.crc32.into(), MARK, MARK]
    } else {
        [entry.crc32.into(), entry.compressed, entry.size]
    };
    let extra = u64::from(wide) * 16 + u64::from(far) * 8;
    let version = if extra > 0 { 45 } else { 20 };
    let mut record = common(
        Record(b"PK\x01\x02".to_vec()).put(2, 0x0300 + version),
        entry,
        extra > 0,
        sizes,
    )
    .put(2, if extra > 0 { extra + 4 } else { 0 })
    .put(8, 0) // comment, disk, internal attributes, and the lower half of the external ones
    .put(2, 0x81a4)
    .put(4, if far { MARK } else { entry.offset })
    .text(&entry.name);
    if extra > 0 {
        record = record.put(2, 1).put(2, extra);
    }
    if wide {
        record = record.put(8, entry.size).put(8, entry.compressed);
    }
    if far {
        record = record.put(8, entry.offset);
    }
    record.0
}

/// The records behind the directory of an archive with few entries and a directory in the first 4 GiB.
#[must_use]
pub fn end_record(entries: u64, offset: u64, len: u64) -> Vec<u8> {
    Record(b"PK\x05\x06".to_vec())
        .put(4, 0)
        .put(2, entries)
        .put(2, entries)
        .put(4, len)
        .put(4, offset)
        .put(2, 0)
        .0
}
