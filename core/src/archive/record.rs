//! The records of a ZIP (PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16) as the strict profile has them.
//!
//! Each record is built by one function. The reader compares what it finds with what that function gives, byte by
//! byte, so that nothing in a record goes unchecked.

use alloc::{string::String, vec::Vec};

pub(super) const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
pub(super) const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
pub(super) const DESCRIPTOR_SIGNATURE: u32 = 0x0807_4b50;
pub(super) const END_SIGNATURE: u32 = 0x0605_4b50;
const ZIP64_END_SIGNATURE: u32 = 0x0606_4b50;
const ZIP64_LOCATOR_SIGNATURE: u32 = 0x0706_4b50;

pub(super) const LOCAL_FIXED: usize = 30;
pub(super) const CENTRAL_FIXED: usize = 46;
pub(super) const END_LEN: usize = 22;
pub(super) const ZIP64_END_LEN: usize = 56;
pub(super) const ZIP64_LOCATOR_LEN: usize = 20;
const DESCRIPTOR_LEN: u64 = 24;

/// Bit 11: the name is UTF-8.
pub(super) const FLAG_UTF8: u16 = 0x0800;
/// Bit 3: sizes follow the data.
pub(super) const FLAG_DESCRIPTOR: u16 = 0x0008;
/// 1 January 1980, the first day that the format can express: times stand in the files index.
const DOS_DATE: u16 = 0x0021;
const ZIP64_TAG: u16 = 0x0001;
const MAX32: u64 = 0xffff_ffff;

/// How an entry's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As they are.
    Store,
    /// DEFLATE (RFC 1951).
    Deflate,
}

impl Method {
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Store => 0,
            Self::Deflate => 8,
        }
    }
}

/// One entry as the directory describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// How its bytes are stored.
    pub method: Method,
    /// CRC-32 of the content.
    pub crc32: u32,
    /// Bytes stored.
    pub compressed: u64,
    /// Bytes of content.
    pub size: u64,
    /// Start of its local header.
    pub offset: u64,
    /// Its sizes stand in a data descriptor behind the data, because they weren't known before.
    pub streamed: bool,
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    fn slice(mut self, value: &[u8]) -> Self {
        self.0.extend_from_slice(value);
        self
    }
}

/// The value as 32 bits, or the mark for "see the ZIP64 field".
fn capped(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl Entry {
    fn flags(&self) -> u16 {
        FLAG_UTF8 | if self.streamed { FLAG_DESCRIPTOR } else { 0 }
    }

    /// Whether the sizes stand in a ZIP64 field. A streamed entry always has one, so that its descriptor has room.
    fn wide_sizes(&self) -> bool {
        self.streamed || self.size >= MAX32 || self.compressed >= MAX32
    }

    fn version(&self, wide: bool) -> u16 {
        if wide { 45 } else { 20 }
    }

    fn name_len(&self) -> u16 {
        // Names are limited to far less than 65536 bytes, by the writer and by the reader.
        u16::try_from(self.name.len()).unwrap_or(u16::MAX)
    }

    /// The local header (4.3.7).
    pub(super) fn local_header(&self) -> Vec<u8> {
        let wide = self.wide_sizes();
        let (crc, compressed, size) = if self.streamed {
            (0, 0, 0)
        } else {
            (self.crc32, self.compressed, self.size)
        };
        let mark = |value: u64| if wide { u32::MAX } else { capped(value) };
        let bytes = Bytes::default()
            .u32(LOCAL_SIGNATURE)
            .u16(self.version(wide))
            .u16(self.flags())
            .u16(self.method.number())
            .u16(0)
            .u16(DOS_DATE)
            .u32(crc)
            .u32(mark(compressed))
            .u32(mark(size))
            .u16(self.name_len())
            .u16(if wide { 20 } else { 0 })
            .slice(self.name.as_bytes());
        if wide {
            bytes.u16(ZIP64_TAG).u16(16).u64(size).u64(compressed).0
        } else {
            bytes.0
        }
    }

    /// The data descriptor (4.3.9), empty if there is none.
    pub(super) fn descriptor(&self) -> Vec<u8> {
        if !self.streamed {
            return Vec::new();
        }
        Bytes::default()
            .u32(DESCRIPTOR_SIGNATURE)
            .u32(self.crc32)
            .u64(self.compressed)
            .u64(self.size)
            .0
    }

    /// The central header (4.3.12).
    pub(super) fn central_header(&self) -> Vec<u8> {
        let wide_sizes = self.wide_sizes();
        let wide_offset = self.offset >= MAX32;
        let wide = wide_sizes || wide_offset;
        let mark = |value: u64| if wide_sizes { u32::MAX } else { capped(value) };
        let fields = u16::from(wide_sizes) * 16 + u16::from(wide_offset) * 8;
        let mut bytes = Bytes::default()
            .u32(CENTRAL_SIGNATURE)
            .u16(self.version(wide))
            .u16(self.version(wide))
            .u16(self.flags())
            .u16(self.method.number())
            .u16(0)
            .u16(DOS_DATE)
            .u32(self.crc32)
            .u32(mark(self.compressed))
            .u32(mark(self.size))
            .u16(self.name_len())
            .u16(if wide { fields + 4 } else { 0 })
            .u16(0) // comment
            .u16(0) // disk
            .u16(0) // internal attributes
            .u32(0) // external attributes
            .u32(if wide_offset {
                u32::MAX
            } else {
                capped(self.offset)
            })
            .slice(self.name.as_bytes());
        if wide {
            bytes = bytes.u16(ZIP64_TAG).u16(fields);
        }
        if wide_sizes {
            bytes = bytes.u64(self.size).u64(self.compressed);
        }
        if wide_offset {
            bytes = bytes.u64(self.offset);
        }
        bytes.0
    }

    /// Bytes of local header, data and descriptor; `None` if that is more than 64 bits hold.
    pub(super) fn record_len(&self) -> Option<u64> {
        let header =
            (LOCAL_FIXED + self.name.len() + if self.wide_sizes() { 20 } else { 0 }) as u64;
        let descriptor = if self.streamed { DESCRIPTOR_LEN } else { 0 };
        header.checked_add(self.compressed)?.checked_add(descriptor)
    }
}

/// Bytes of an archive that holds these entries in this order, each with its sizes before its data, wherever they are
/// now. `None` if that is more than 64 bits hold.
#[must_use]
pub fn archive_len(entries: impl IntoIterator<Item = Entry>) -> Option<u64> {
    let (mut offset, mut directory, mut count) = (0_u64, 0_u64, 0_u64);
    for mut entry in entries {
        entry.offset = offset;
        entry.streamed = false;
        offset = offset.checked_add(entry.record_len()?)?;
        directory = directory.checked_add(entry.central_header().len() as u64)?;
        count += 1;
    }
    let end = end_records(count, offset, directory).len() as u64;
    offset.checked_add(directory)?.checked_add(end)
}

/// The records after the central directory: ZIP64 end and locator where needed, and the end record (4.3.14 to 4.3.16).
pub(super) fn end_records(entries: u64, directory_offset: u64, directory_len: u64) -> Vec<u8> {
    let wide = needs_zip64(entries, directory_offset, directory_len);
    let mut bytes = Bytes::default();
    if wide {
        bytes = bytes
            .u32(ZIP64_END_SIGNATURE)
            .u64(ZIP64_END_LEN as u64 - 12)
            .u16(45)
            .u16(45)
            .u32(0)
            .u32(0)
            .u64(entries)
            .u64(entries)
            .u64(directory_len)
            .u64(directory_offset)
            .u32(ZIP64_LOCATOR_SIGNATURE)
            .u32(0)
            .u64(directory_offset.saturating_add(directory_len))
            .u32(1);
    }
    let count = u16::try_from(entries).unwrap_or(u16::MAX);
    bytes
        .u32(END_SIGNATURE)
        .u16(0)
        .u16(0)
        .u16(count)
        .u16(count)
        .u32(capped(directory_len))
        .u32(capped(directory_offset))
        .u16(0)
        .0
}

const fn needs_zip64(entries: u64, directory_offset: u64, directory_len: u64) -> bool {
    entries >= 0xffff || directory_offset >= MAX32 || directory_len >= MAX32
}

/// A little-endian number at `at`, 0 where there are not enough bytes: callers compare whole records afterwards.
pub(super) fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes
        .get(at..at.saturating_add(len))
        .unwrap_or_default()
        .iter()
        .rev()
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// Where the directory lies, from the last bytes of the file. `None` if they are no end record.
pub(super) fn parse_end(tail: &[u8]) -> Option<EndOfDirectory> {
    let end = tail.get(tail.len().checked_sub(END_LEN)?..)?;
    if number(end, 0, 4) != u64::from(END_SIGNATURE) {
        return None;
    }
    let short = EndOfDirectory {
        entries: number(end, 10, 2),
        len: number(end, 12, 4),
        offset: number(end, 16, 4),
    };
    if short.entries < 0xffff && short.len < MAX32 && short.offset < MAX32 {
        return Some(short);
    }
    let wide = tail.get(
        tail.len()
            .checked_sub(END_LEN + ZIP64_LOCATOR_LEN + ZIP64_END_LEN)?..,
    )?;
    (number(wide, 0, 4) == u64::from(ZIP64_END_SIGNATURE)).then(|| EndOfDirectory {
        entries: number(wide, 32, 8),
        len: number(wide, 40, 8),
        offset: number(wide, 48, 8),
    })
}

/// What the end records say. To be compared with [`end_records`] before it is believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndOfDirectory {
    pub(super) entries: u64,
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// Reads the central header at the start of `bytes`. The result is what the header says; whether it says it in the
/// profile's form shows when its own [`Entry::central_header`] is compared with the bytes.
pub(super) fn parse_central(bytes: &[u8]) -> Option<RawCentral<'_>> {
    if bytes.len() < CENTRAL_FIXED || number(bytes, 0, 4) != u64::from(CENTRAL_SIGNATURE) {
        return None;
    }
    let short = |at| u16::try_from(number(bytes, at, 2)).unwrap_or(u16::MAX);
    let name_end = CENTRAL_FIXED + usize::from(short(28));
    let extra_end = name_end + usize::from(short(30));
    let end = extra_end + usize::from(short(32));
    let mut raw = RawCentral {
        bytes: bytes.get(..end)?,
        name: bytes.get(CENTRAL_FIXED..name_end)?,
        flags: short(8),
        method: short(10),
        crc32: u32::try_from(number(bytes, 16, 4)).unwrap_or(0),
        compressed: number(bytes, 20, 4),
        size: number(bytes, 24, 4),
        offset: number(bytes, 42, 4),
        external: number(bytes, 38, 4),
    };
    let extra = bytes.get(name_end..extra_end)?;
    if number(extra, 0, 2) == u64::from(ZIP64_TAG) {
        let mut at = 4;
        for value in [&mut raw.size, &mut raw.compressed, &mut raw.offset] {
            if *value == MAX32 {
                *value = number(extra, at, 8);
                at += 8;
            }
        }
    }
    Some(raw)
}

/// A central header's fields.
pub(super) struct RawCentral<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) name: &'a [u8],
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc32: u32,
    pub(super) compressed: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
    pub(super) external: u64,
}
