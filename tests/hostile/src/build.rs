//! A whole ZIP of records: truthful at first, for a case to spoil.

use coffer_core::{
    Digest,
    archive::name::encode_path,
    manifest::{
        Contents, EntryDigest, FILES_INDEX_PATH, FORMAT_VERSION, FileEntry, FileSet, MANIFEST_PATH,
        Manifest, Product, files,
    },
    schema::{Engine, Schema},
};
use miniz_oxide::deflate::compress_to_vec;

use crate::record::{Central, Descriptor, End, Local, Locator, Zip64End};

/// One entry.
#[derive(Clone, Debug)]
pub struct Member {
    /// Bytes before its local header that belong to nothing.
    pub gap: Vec<u8>,
    /// Its local header.
    pub local: Local,
    /// Its stored bytes.
    pub data: Vec<u8>,
    /// Its data descriptor.
    pub descriptor: Option<Descriptor>,
    /// Its central header.
    pub central: Central,
}

/// A ZIP.
#[derive(Clone, Debug)]
pub struct Zip {
    /// Its entries.
    pub members: Vec<Member>,
    /// Bytes between the last entry and the directory.
    pub gap: Vec<u8>,
    /// Bytes between the directory and the end records.
    pub behind_directory: Vec<u8>,
    /// The ZIP64 end record.
    pub zip64_end: Option<Zip64End>,
    /// The ZIP64 locator.
    pub locator: Option<Locator>,
    /// The end record.
    pub end: End,
    /// Bytes behind everything.
    pub trailing: Vec<u8>,
}

/// Content as a raw deflate stream. Not by flate2: what that writes depends on what else is built with it, and the cases
/// name sizes.
pub(crate) fn deflate(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, 9)
}

impl Member {
    /// A stored entry in the form of the strict profile.
    #[must_use]
    pub fn stored(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        Self::new(name.as_ref(), 0, content, content.to_vec())
    }

    /// A deflated entry in the form of the strict profile.
    #[must_use]
    pub fn deflated(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        Self::new(name.as_ref(), 8, content, deflate(content))
    }

    /// A deflated entry with a data descriptor, in the form of the strict profile.
    #[must_use]
    pub fn streamed(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        let mut member = Self::deflated(name, content);
        let (compressed, size) = (member.data.len() as u64, content.len() as u64);
        member.descriptor = Some(Descriptor {
            signature: Some(0x0807_4b50),
            crc32: member.local.crc32,
            compressed,
            size,
            wide: true,
        });
        member.local.crc32 = 0;
        (member.local.compressed, member.local.size) = (u32::MAX, u32::MAX);
        (member.central.compressed, member.central.size) = (u32::MAX, u32::MAX);
        (member.local.flags, member.central.flags) = (0x0808, 0x0808);
        member.local.extra = crate::record::zip64(&[0, 0]);
        member.central.extra = crate::record::zip64(&[size, compressed]);
        member.local.needed = 45;
        (member.central.made_by, member.central.needed) = (0x0300 + 45, 45);
        member
    }

    fn new(name: &[u8], method: u16, content: &[u8], data: Vec<u8>) -> Self {
        let crc32 = crc32fast::hash(content);
        let compressed = u32::try_from(data.len()).unwrap();
        let size = u32::try_from(content.len()).unwrap();
        Self {
            gap: Vec::new(),
            local: Local {
                signature: 0x0403_4b50,
                needed: 20,
                flags: 0x0800,
                method,
                time: 0,
                date: 0x21,
                crc32,
                compressed,
                size,
                name_len: None,
                name: name.to_vec(),
                extra: Vec::new(),
            },
            data,
            descriptor: None,
            central: Central {
                signature: 0x0201_4b50,
                made_by: 0x0300 + 20,
                needed: 20,
                flags: 0x0800,
                method,
                time: 0,
                date: 0x21,
                crc32,
                compressed,
                size,
                disk: 0,
                internal: 0,
                external: 0o100_644 << 16,
                offset: 0,
                name: name.to_vec(),
                extra: Vec::new(),
                comment: Vec::new(),
            },
        }
    }

    /// The same change to local and central header alike.
    #[must_use]
    pub fn with(
        mut self,
        local: impl FnOnce(&mut Local),
        central: impl FnOnce(&mut Central),
    ) -> Self {
        local(&mut self.local);
        central(&mut self.central);
        self
    }

    /// Another name, in both headers.
    #[must_use]
    pub fn named(self, name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref().to_vec();
        self.with(
            |local| local.name.clone_from(&name),
            |central| central.name.clone_from(&name),
        )
    }

    /// Bytes of local header, data and descriptor.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let mut out = self.local.bytes();
        out.extend_from_slice(&self.data);
        if let Some(descriptor) = &self.descriptor {
            out.extend_from_slice(&descriptor.bytes());
        }
        out
    }
}

/// What a files index says of a file `files/up/<path>`.
pub(crate) fn listed(path: &str, size: u64, content: &[u8]) -> FileEntry {
    FileEntry {
        set: "up".into(),
        path: path.into(),
        entry: encode_path("files/up", path),
        size,
        sha256: Digest::of(content),
        mode: 0o644,
        mtime: 0,
    }
}

/// A manifest that lists these files, as JSON, and its files index.
pub(crate) fn manifest(listed: &[FileEntry]) -> (Vec<u8>, Vec<u8>) {
    let mut index = Vec::new();
    files::push_header(&mut index);
    for file in listed {
        files::push_entry(file, &mut index);
    }
    let schema = Schema::default();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        tool: Product {
            name: "hostile".into(),
            version: None,
        },
        app: Product {
            name: "hostile".into(),
            version: None,
        },
        engine: Engine::Sqlite,
        engine_version: "3".into(),
        created_at: "2026-11-21T00:00:00Z".into(),
        contents: Contents::Unclassified,
        credentials: None,
        app_secrets: Vec::new(),
        migration: None,
        schema_sha256: schema.hash(),
        schema,
        tables: Vec::new(),
        sequences: Vec::new(),
        file_sets: vec![FileSet {
            name: "up".into(),
            files: listed.len() as u64,
            bytes: listed.iter().map(|file| file.size).sum(),
            transform: None,
        }],
        files_index: Some(EntryDigest {
            bytes: index.len() as u64,
            sha256: Digest::of(&index),
        }),
        left_out: Vec::new(),
        notices: Vec::new(),
    };
    (manifest.to_json().unwrap(), index)
}

/// A text that deflate makes shorter.
pub(crate) const NOTE: &[u8] = b"to be or not to be, to be or not to be, that is the question\n";
/// Bytes that it does not.
pub(crate) const NOISE: &[u8] = b"\x89\x00\xff\x1bq7\x02\xd3";

impl Zip {
    /// A ZIP of these entries, laid out truthfully.
    #[must_use]
    pub fn of(members: Vec<Member>) -> Self {
        let mut zip = Self {
            members,
            gap: Vec::new(),
            behind_directory: Vec::new(),
            zip64_end: None,
            locator: None,
            end: End {
                disk: 0,
                directory_disk: 0,
                entries_here: 0,
                entries: 0,
                len: 0,
                offset: 0,
                comment_len: None,
                comment: Vec::new(),
            },
            trailing: Vec::new(),
        };
        zip.lay_out();
        zip
    }

    /// A whole archive of Coffer with two files: `files/up/note.txt` (entry 0, deflated) and `files/up/noise` (entry 1,
    /// stored), then the files index and the manifest.
    #[must_use]
    pub fn archive() -> Self {
        let files = [
            listed("note.txt", NOTE.len() as u64, NOTE),
            listed("noise", NOISE.len() as u64, NOISE),
        ];
        let note = Member::deflated("files/up/note.txt", NOTE);
        Self::holding(&files, vec![note, Member::stored("files/up/noise", NOISE)])
    }

    /// A whole archive of Coffer whose manifest lists these files, whatever the entries before it are.
    #[must_use]
    pub fn holding(listed: &[FileEntry], mut members: Vec<Member>) -> Self {
        let (manifest, index) = manifest(listed);
        members.push(Member::deflated(FILES_INDEX_PATH, &index));
        members.push(Member::deflated(MANIFEST_PATH, &manifest));
        Self::of(members)
    }

    /// Writes the truth into all offsets, lengths and counts that are found by adding up.
    pub fn lay_out(&mut self) {
        let mut at = 0;
        for member in &mut self.members {
            at += member.gap.len();
            member.central.offset = u32::try_from(at).unwrap();
            at += member.record().len();
        }
        at += self.gap.len();
        let len = self.directory().len();
        let count = self.members.len();
        self.end.entries = u16::try_from(count).unwrap_or(u16::MAX);
        self.end.entries_here = self.end.entries;
        self.end.offset = u32::try_from(at).unwrap();
        self.end.len = u32::try_from(len).unwrap();
        if let Some(end) = &mut self.zip64_end {
            (end.entries_here, end.entries) = (count as u64, count as u64);
            (end.offset, end.len) = (at as u64, len as u64);
        }
        if let Some(locator) = &mut self.locator {
            locator.offset = (at + len + self.behind_directory.len()) as u64;
        }
    }

    /// Gives it ZIP64 end records.
    pub fn widen(&mut self) {
        self.zip64_end = Some(Zip64End {
            size: 44,
            made_by: 45,
            needed: 45,
            disk: 0,
            directory_disk: 0,
            entries_here: 0,
            entries: 0,
            len: 0,
            offset: 0,
            more: Vec::new(),
        });
        self.locator = Some(Locator {
            disk: 0,
            offset: 0,
            disks: 1,
        });
        self.lay_out();
    }

    /// The central directory.
    #[must_use]
    pub fn directory(&self) -> Vec<u8> {
        self.members
            .iter()
            .flat_map(|member| member.central.bytes())
            .collect()
    }

    /// The whole file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for member in &self.members {
            out.extend_from_slice(&member.gap);
            out.extend_from_slice(&member.record());
        }
        out.extend_from_slice(&self.gap);
        out.extend_from_slice(&self.directory());
        out.extend_from_slice(&self.behind_directory);
        if let Some(end) = &self.zip64_end {
            out.extend_from_slice(&end.bytes());
        }
        if let Some(locator) = &self.locator {
            out.extend_from_slice(&locator.bytes());
        }
        out.extend_from_slice(&self.end.bytes());
        out.extend_from_slice(&self.trailing);
        out
    }
}
