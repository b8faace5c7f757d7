//! The records of a ZIP (PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.5.3): plain fields, written as they are.

fn le(out: &mut Vec<u8>, value: impl Into<u64>, bytes: usize) {
    out.extend_from_slice(&value.into().to_le_bytes()[..bytes]);
}

/// An extra field (4.5.1).
#[must_use]
pub fn extra(tag: u16, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    le(&mut out, tag, 2);
    le(&mut out, data.len() as u64, 2);
    out.extend_from_slice(data);
    out
}

/// A ZIP64 extra field (4.5.3) with any number of values.
#[must_use]
pub fn zip64(values: &[u64]) -> Vec<u8> {
    let data: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    extra(1, &data)
}

/// An Info-ZIP Unicode path extra field (4.6.9) for a header name.
#[must_use]
pub fn unicode_path(header_name: &[u8], name: &str) -> Vec<u8> {
    let mut data = vec![1];
    le(&mut data, crc32fast::hash(header_name), 4);
    data.extend_from_slice(name.as_bytes());
    extra(0x7075, &data)
}

/// A local header (4.3.7).
#[derive(Clone, Debug)]
pub struct Local {
    /// `PK 03 04`.
    pub signature: u32,
    /// Version needed to extract.
    pub needed: u16,
    /// General purpose flags.
    pub flags: u16,
    /// Compression method.
    pub method: u16,
    /// Time of day.
    pub time: u16,
    /// Day.
    pub date: u16,
    /// CRC-32.
    pub crc32: u32,
    /// Stored bytes.
    pub compressed: u32,
    /// Bytes of content.
    pub size: u32,
    /// Bytes of the name, if the header is to lie about it.
    pub name_len: Option<u16>,
    /// The name.
    pub name: Vec<u8>,
    /// Extra fields.
    pub extra: Vec<u8>,
}

impl Local {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        le(&mut out, self.signature, 4);
        for value in [self.needed, self.flags, self.method, self.time, self.date] {
            le(&mut out, value, 2);
        }
        for value in [self.crc32, self.compressed, self.size] {
            le(&mut out, value, 4);
        }
        let name_len = self.name_len.map_or(self.name.len() as u64, u64::from);
        le(&mut out, name_len, 2);
        le(&mut out, self.extra.len() as u64, 2);
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&self.extra);
        out
    }
}

/// A data descriptor (4.3.9).
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// `PK 07 08`, or none: both occur.
    pub signature: Option<u32>,
    /// CRC-32.
    pub crc32: u32,
    /// Stored bytes.
    pub compressed: u64,
    /// Bytes of content.
    pub size: u64,
    /// Whether sizes have 8 bytes instead of 4.
    pub wide: bool,
}

impl Descriptor {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(signature) = self.signature {
            le(&mut out, signature, 4);
        }
        le(&mut out, self.crc32, 4);
        let width = if self.wide { 8 } else { 4 };
        le(&mut out, self.compressed, width);
        le(&mut out, self.size, width);
        out
    }
}

/// A central header (4.3.12).
#[derive(Clone, Debug)]
pub struct Central {
    /// `PK 01 02`.
    pub signature: u32,
    /// Version made by; the upper byte is the system.
    pub made_by: u16,
    /// Version needed to extract.
    pub needed: u16,
    /// General purpose flags.
    pub flags: u16,
    /// Compression method.
    pub method: u16,
    /// Time of day.
    pub time: u16,
    /// Day.
    pub date: u16,
    /// CRC-32.
    pub crc32: u32,
    /// Stored bytes.
    pub compressed: u32,
    /// Bytes of content.
    pub size: u32,
    /// Disk on which the entry starts.
    pub disk: u16,
    /// Internal attributes.
    pub internal: u16,
    /// External attributes.
    pub external: u32,
    /// Offset of the local header.
    pub offset: u32,
    /// The name.
    pub name: Vec<u8>,
    /// Extra fields.
    pub extra: Vec<u8>,
    /// Comment.
    pub comment: Vec<u8>,
}

impl Central {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        le(&mut out, self.signature, 4);
        for value in [
            self.made_by,
            self.needed,
            self.flags,
            self.method,
            self.time,
            self.date,
        ] {
            le(&mut out, value, 2);
        }
        for value in [self.crc32, self.compressed, self.size] {
            le(&mut out, value, 4);
        }
        for value in [&self.name, &self.extra, &self.comment] {
            le(&mut out, value.len() as u64, 2);
        }
        le(&mut out, self.disk, 2);
        le(&mut out, self.internal, 2);
        le(&mut out, self.external, 4);
        le(&mut out, self.offset, 4);
        for value in [&self.name, &self.extra, &self.comment] {
            out.extend_from_slice(value);
        }
        out
    }
}

/// A ZIP64 end record (4.3.14).
#[derive(Clone, Debug)]
pub struct Zip64End {
    /// Bytes that follow this field.
    pub size: u64,
    /// Version made by.
    pub made_by: u16,
    /// Version needed to extract.
    pub needed: u16,
    /// This disk.
    pub disk: u32,
    /// The directory's disk.
    pub directory_disk: u32,
    /// Entries on this disk.
    pub entries_here: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of the directory.
    pub len: u64,
    /// Offset of the directory.
    pub offset: u64,
    /// What follows in a newer version.
    pub more: Vec<u8>,
}

impl Zip64End {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"PK\x06\x06".to_vec();
        le(&mut out, self.size, 8);
        le(&mut out, self.made_by, 2);
        le(&mut out, self.needed, 2);
        le(&mut out, self.disk, 4);
        le(&mut out, self.directory_disk, 4);
        for value in [self.entries_here, self.entries, self.len, self.offset] {
            le(&mut out, value, 8);
        }
        out.extend_from_slice(&self.more);
        out
    }
}

/// A ZIP64 locator (4.3.15).
#[derive(Clone, Debug)]
pub struct Locator {
    /// Disk of the ZIP64 end record.
    pub disk: u32,
    /// Offset of the ZIP64 end record.
    pub offset: u64,
    /// Number of disks.
    pub disks: u32,
}

impl Locator {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"PK\x06\x07".to_vec();
        le(&mut out, self.disk, 4);
        le(&mut out, self.offset, 8);
        le(&mut out, self.disks, 4);
        out
    }
}

/// An end record (4.3.16).
#[derive(Clone, Debug)]
pub struct End {
    /// This disk.
    pub disk: u16,
    /// The directory's disk.
    pub directory_disk: u16,
    /// Entries on this disk.
    pub entries_here: u16,
    /// Entries.
    pub entries: u16,
    /// Bytes of the directory.
    pub len: u32,
    /// Offset of the directory.
    pub offset: u32,
    /// Bytes of the comment, if the record is to lie about it.
    pub comment_len: Option<u16>,
    /// Comment.
    pub comment: Vec<u8>,
}

impl End {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"PK\x05\x06".to_vec();
        for value in [
            self.disk,
            self.directory_disk,
            self.entries_here,
            self.entries,
        ] {
            le(&mut out, value, 2);
        }
        le(&mut out, self.len, 4);
        le(&mut out, self.offset, 4);
        let comment_len = self
            .comment_len
            .map_or(self.comment.len() as u64, u64::from);
        le(&mut out, comment_len, 2);
        out.extend_from_slice(&self.comment);
        out
    }
}
