//! The records of a ZIP (PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16) as the strict profile has them.
//!
//! Each record is built by one function. The reader compares what it finds with what that function gives, byte by
//! byte, so that nothing in a record goes unchecked.

use alloc::{string::String, vec::Vec};

use super::{
    Field,
    raw::{
        CENTRAL_SIGNATURE, DESCRIPTOR_SIGNATURE, END_SIGNATURE, FLAG_DESCRIPTOR, FLAG_UTF8,
        LOCAL_FIXED, LOCAL_SIGNATURE, MAX32, ZIP64_END_LEN, ZIP64_END_SIGNATURE,
        ZIP64_LOCATOR_SIGNATURE, ZIP64_TAG, number,
    },
};
use crate::range::ByteRange;

const DESCRIPTOR_LEN: u64 = 24;
/// 1 January 1980, the first day that the format can express: times stand in the files index.
const DOS_DATE: u16 = 0x0021;
/// Made on Unix, in the upper byte of "version made by": of names from DOS, Info-ZIP's unzip believes that they are in
/// an old code page, whatever the flag for UTF-8 says.
const MADE_ON_UNIX: u16 = 3 << 8;
/// A file that its owner may write and everybody read, as Unix has it, in the upper half: without a mode, such a file
/// could be read by nobody once it is unpacked. The real mode stands in the files index.
const FILE_ATTRIBUTES: u32 = 0o100_644 << 16;

/// How an entry's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As they are.
    Store,
    /// DEFLATE (RFC 1951).
    Deflate,
}

impl Method {
    pub(crate) const fn number(self) -> u16 {
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
    const fn wide_sizes(&self) -> bool {
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

    /// Bytes of values in the central header's ZIP64 field.
    pub(super) const fn zip64_len(&self) -> u64 {
        let sizes = if self.wide_sizes() { 16 } else { 0 };
        let offset = if self.offset >= MAX32 { 8 } else { 0 };
        sizes + offset
    }

    /// The central header (4.3.12).
    pub(super) fn central_header(&self) -> Vec<u8> {
        let wide_sizes = self.wide_sizes();
        let wide_offset = self.offset >= MAX32;
        let wide = wide_sizes || wide_offset;
        let mark = |value: u64| if wide_sizes { u32::MAX } else { capped(value) };
        let fields = u16::try_from(self.zip64_len()).unwrap_or(u16::MAX);
        let mut bytes = Bytes::default()
            .u32(CENTRAL_SIGNATURE)
            .u16(MADE_ON_UNIX | self.version(wide))
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
            .u32(FILE_ATTRIBUTES)
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

    /// Where its stored content lies, behind its local header.
    #[must_use]
    pub fn content_range(&self) -> ByteRange {
        let header = LOCAL_FIXED + self.name.len() + if self.wide_sizes() { 20 } else { 0 };
        ByteRange::new(self.offset.saturating_add(header as u64), self.compressed)
    }

    /// Bytes of local header, data and descriptor; `None` if that is more than 64 bits hold.
    #[must_use]
    pub fn record_len(&self) -> Option<u64> {
        self.record_len_named(self.name.len())
    }

    /// The same with a name of another length in its local header.
    pub(super) fn record_len_named(&self, name_len: usize) -> Option<u64> {
        let header = (LOCAL_FIXED + name_len + if self.wide_sizes() { 20 } else { 0 }) as u64;
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

pub(super) const fn needs_zip64(entries: u64, directory_offset: u64, directory_len: u64) -> bool {
    entries >= 0xffff || directory_offset >= MAX32 || directory_len >= MAX32
}

/// A field with its position and length in a record.
type Layout = &'static [(Field, usize, usize)];

pub(super) const CENTRAL_LAYOUT: Layout = &[
    (Field::Signature, 0, 4),
    (Field::MadeBy, 4, 2),
    (Field::Needed, 6, 2),
    (Field::Flags, 8, 2),
    (Field::Method, 10, 2),
    (Field::Time, 12, 4),
    (Field::Crc, 16, 4),
    (Field::Compressed, 20, 4),
    (Field::Size, 24, 4),
    (Field::Name, 28, 2),
    (Field::Extra, 30, 2),
    (Field::Comment, 32, 2),
    (Field::Disk, 34, 2),
    (Field::Internal, 36, 2),
    (Field::External, 38, 4),
    (Field::Offset, 42, 4),
];

const LOCAL_LAYOUT: Layout = &[
    (Field::Signature, 0, 4),
    (Field::Needed, 4, 2),
    (Field::Flags, 6, 2),
    (Field::Method, 8, 2),
    (Field::Time, 10, 4),
    (Field::Crc, 14, 4),
    (Field::Compressed, 18, 4),
    (Field::Size, 22, 4),
    (Field::Name, 26, 2),
    (Field::Extra, 28, 2),
];

const DESCRIPTOR_LAYOUT: Layout = &[
    (Field::Signature, 0, 4),
    (Field::Crc, 4, 4),
    (Field::Compressed, 8, 8),
    (Field::Size, 16, 8),
];

/// The fields in which two records of one kind differ.
pub(super) fn differing(layout: Layout, one: &[u8], other: &[u8]) -> impl Iterator<Item = Field> {
    layout
        .iter()
        .filter(|(_, at, len)| number(one, *at, *len) != number(other, *at, *len))
        .map(|(field, ..)| *field)
}

/// The first field in which a local header differs from the one that its entry has.
pub(super) fn local_difference(entry: &Entry, found: &[u8]) -> Option<Field> {
    let expected = entry.local_header();
    let name_end = LOCAL_FIXED + entry.name.len();
    differing(LOCAL_LAYOUT, &expected, found)
        .next()
        .or_else(|| {
            if found.get(..name_end) != expected.get(..name_end) {
                Some(Field::Name)
            } else {
                (found != expected).then_some(Field::Extra)
            }
        })
}

/// The first field in which a data descriptor differs from the one that its entry has.
pub(super) fn descriptor_difference(entry: &Entry, found: &[u8]) -> Option<Field> {
    differing(DESCRIPTOR_LAYOUT, &entry.descriptor(), found).next()
}
