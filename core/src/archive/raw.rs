//! The records of any ZIP, taken apart without judging them (PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.5.3).

use super::Special;

pub(crate) const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
pub(crate) const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
pub(crate) const DESCRIPTOR_SIGNATURE: u32 = 0x0807_4b50;
pub(crate) const END_SIGNATURE: u32 = 0x0605_4b50;
pub(crate) const ZIP64_END_SIGNATURE: u32 = 0x0606_4b50;
pub(crate) const ZIP64_LOCATOR_SIGNATURE: u32 = 0x0706_4b50;

pub(crate) const LOCAL_FIXED: usize = 30;
pub(crate) const CENTRAL_FIXED: usize = 46;
pub(crate) const END_LEN: usize = 22;
pub(crate) const ZIP64_END_LEN: usize = 56;
pub(crate) const ZIP64_LOCATOR_LEN: usize = 20;

/// Bit 3: sizes follow the data.
pub(crate) const FLAG_DESCRIPTOR: u16 = 0x0008;
/// Bit 11: the name is UTF-8.
pub(crate) const FLAG_UTF8: u16 = 0x0800;
/// Bits 0, 6 and 13: encrypted, strongly so, directory encrypted too.
pub(crate) const FLAGS_ENCRYPTED: u16 = 0x2041;

pub(crate) const ZIP64_TAG: u16 = 0x0001;
/// The mark for "see the ZIP64 field", in 32 bits.
pub(crate) const MAX32: u64 = 0xffff_ffff;

/// A little-endian number at `at`, 0 where there are not enough bytes: callers have made sure of them, or compare
/// whole records afterwards.
pub(crate) fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes
        .get(at..at.saturating_add(len))
        .unwrap_or_default()
        .iter()
        .rev()
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

pub(crate) fn short(bytes: &[u8], at: usize) -> u16 {
    u16::try_from(number(bytes, at, 2)).unwrap_or(u16::MAX)
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::try_from(number(bytes, at, 4)).unwrap_or(u32::MAX)
}

fn starts_with(bytes: &[u8], at: usize, signature: u32) -> bool {
    bytes
        .get(at..)
        .is_some_and(|rest| rest.starts_with(&signature.to_le_bytes()))
}

/// A central header (4.3.12). Sizes and offset are those of the ZIP64 field where the header refers to it.
#[derive(Debug)]
pub(crate) struct Central<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) name: &'a [u8],
    pub(crate) extra: &'a [u8],
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) crc32: u32,
    pub(crate) compressed: u64,
    pub(crate) size: u64,
    pub(crate) offset: u64,
    pub(crate) external: u32,
    /// Bytes of values in its first ZIP64 field, 0 if there is none.
    pub(crate) zip64_len: u64,
}

impl<'a> Central<'a> {
    /// The header at the start of `bytes`, if it is one and whole.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if !starts_with(bytes, 0, CENTRAL_SIGNATURE) {
            return None;
        }
        let name_end = CENTRAL_FIXED + usize::from(short(bytes, 28));
        let extra_end = name_end + usize::from(short(bytes, 30));
        let end = extra_end + usize::from(short(bytes, 32));
        let extra = bytes.get(name_end..extra_end)?;
        let mut header = Self {
            bytes: bytes.get(..end)?,
            name: bytes.get(CENTRAL_FIXED..name_end)?,
            extra,
            flags: short(bytes, 8),
            method: short(bytes, 10),
            crc32: long(bytes, 16),
            compressed: number(bytes, 20, 4),
            size: number(bytes, 24, 4),
            offset: number(bytes, 42, 4),
            external: long(bytes, 38),
            zip64_len: 0,
        };
        if let Some(values) = field(extra, ZIP64_TAG) {
            header.zip64_len = values.len() as u64;
            let mut values = values.chunks_exact(8);
            for value in [&mut header.size, &mut header.compressed, &mut header.offset] {
                if *value == MAX32
                    && let Some(wide) = values.next()
                {
                    *value = number(wide, 0, 8);
                }
            }
        }
        Some(header)
    }
}

/// The first extra field with a tag.
pub(crate) fn field(extra: &[u8], tag: u16) -> Option<&[u8]> {
    extra_fields(extra)
        .map_while(Result::ok)
        .find_map(|(found, data)| (found == tag).then_some(data))
}

/// Extra fields that can't be told apart: the last one is longer than the bytes that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The extra fields (4.5.1), each with its tag; nothing follows [`Malformed`].
pub(crate) fn extra_fields(extra: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), Malformed>> {
    let mut rest = extra;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = 4 + usize::from(short(rest, 2));
        let found = match (rest.get(4..end), rest.get(end..)) {
            (Some(data), Some(next)) => {
                let tag = short(rest, 0);
                rest = next;
                Ok((tag, data))
            }
            _ => {
                rest = &[];
                Err(Malformed)
            }
        };
        Some(found)
    })
}

/// What an entry is besides a file, by its external attributes: the upper half is a Unix mode (`sys/stat.h`), the lower
/// one has the attributes of DOS and Windows.
pub(crate) const fn special(external: u32) -> Option<Special> {
    const REPARSE_POINT: u32 = 0x400;
    const DIRECTORY: u32 = 0x10;
    match external >> 28 {
        0xa => return Some(Special::Link),
        0x4 => return Some(Special::Folder),
        0x0 | 0x8 => {}
        _ => return Some(Special::Device),
    }
    if external & REPARSE_POINT != 0 {
        Some(Special::Link)
    } else if external & DIRECTORY != 0 {
        Some(Special::Folder)
    } else {
        None
    }
}

/// An end record (4.3.16).
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Where it starts in the bytes that it was found in.
    pub(crate) at: usize,
    pub(crate) disk: u64,
    pub(crate) directory_disk: u64,
    pub(crate) entries_here: u64,
    pub(crate) entries: u64,
    pub(crate) len: u64,
    pub(crate) offset: u64,
    pub(crate) comment: u64,
}

impl End {
    pub(crate) fn parse(bytes: &[u8], at: usize) -> Option<Self> {
        let record = bytes.get(at..at.checked_add(END_LEN)?)?;
        starts_with(record, 0, END_SIGNATURE).then(|| Self {
            at,
            disk: number(record, 4, 2),
            directory_disk: number(record, 6, 2),
            entries_here: number(record, 8, 2),
            entries: number(record, 10, 2),
            len: number(record, 12, 4),
            offset: number(record, 16, 4),
            comment: number(record, 20, 2),
        })
    }

    /// Whether a value is marked as standing in the ZIP64 records.
    pub(crate) const fn refers_to_zip64(&self) -> bool {
        self.entries == 0xffff || self.len == MAX32 || self.offset == MAX32
    }

    /// All end records in `bytes`, the last first.
    pub(crate) fn all(bytes: &[u8]) -> impl Iterator<Item = Self> {
        (0..=bytes.len().saturating_sub(END_LEN))
            .rev()
            .filter_map(|at| Self::parse(bytes, at))
    }
}

/// A ZIP64 end record (4.3.14) without what may follow its fixed part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zip64End {
    /// Bytes that follow the first 12.
    pub(crate) size: u64,
    pub(crate) disk: u64,
    pub(crate) directory_disk: u64,
    pub(crate) entries_here: u64,
    pub(crate) entries: u64,
    pub(crate) len: u64,
    pub(crate) offset: u64,
}

impl Zip64End {
    pub(crate) fn parse(bytes: &[u8], at: usize) -> Option<Self> {
        let record = bytes.get(at..at.checked_add(ZIP64_END_LEN)?)?;
        starts_with(record, 0, ZIP64_END_SIGNATURE).then(|| Self {
            size: number(record, 4, 8),
            disk: number(record, 16, 4),
            directory_disk: number(record, 20, 4),
            entries_here: number(record, 24, 8),
            entries: number(record, 32, 8),
            len: number(record, 40, 8),
            offset: number(record, 48, 8),
        })
    }
}

/// A ZIP64 locator (4.3.15).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zip64Locator {
    pub(crate) disk: u64,
    /// Where the ZIP64 end record starts.
    pub(crate) offset: u64,
    pub(crate) disks: u64,
}

impl Zip64Locator {
    pub(crate) fn parse(bytes: &[u8], at: usize) -> Option<Self> {
        let record = bytes.get(at..at.checked_add(ZIP64_LOCATOR_LEN)?)?;
        starts_with(record, 0, ZIP64_LOCATOR_SIGNATURE).then(|| Self {
            disk: number(record, 4, 4),
            offset: number(record, 8, 8),
            disks: number(record, 16, 4),
        })
    }
}
