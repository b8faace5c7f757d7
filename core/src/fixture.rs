//! A small archive for tests: two tables in several parts, two file sets.

use alloc::{format, string::String, vec, vec::Vec};

use core::convert::Infallible;
use rand_core::{TryCryptoRng, TryRng};

use crate::{
    ByteRange, Digest,
    archive::Limits,
    archive::{ArchiveError, ArchiveWriter, Directory, Opening, pack},
    manifest::{
        Contents, EntryDigest, FILES_INDEX_PATH, FORMAT_VERSION, FileEntry, FileSet, MANIFEST_PATH,
        Manifest, PartData, Product, TableData, files,
    },
    rows::{RowSet, push_header},
    schema::{Column, Engine, Schema, Table, TableName},
};

/// Predictable bytes.
pub(crate) struct TestRng(pub(crate) u64);

impl TryRng for TestRng {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.try_next_u64()? >> 32) as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Ok(self.0)
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = (self.try_next_u64()? >> 24) as u8;
        }
        Ok(())
    }
}
impl TryCryptoRng for TestRng {}

/// An archive in memory.
pub(crate) struct Fixture {
    pub(crate) file: Vec<u8>,
    pub(crate) directory: Directory,
    pub(crate) manifest: Manifest,
    pub(crate) files: Vec<FileEntry>,
}

impl Fixture {
    pub(crate) fn range(&self, range: ByteRange) -> &[u8] {
        slice(&self.file, range)
    }
}

pub(crate) fn slice(file: &[u8], range: ByteRange) -> &[u8] {
    &file[usize::try_from(range.offset).unwrap()..usize::try_from(range.end()).unwrap()]
}

pub(crate) fn open(file: &[u8]) -> Result<Directory, ArchiveError> {
    let mut opening = Opening::new(file.len() as u64, Limits::default())?;
    while let Some(wanted) = opening.wants() {
        opening.feed(slice(file, wanted))?;
    }
    opening.finish()
}

fn table(name: &str, columns: &[(&str, &str)]) -> Table {
    Table {
        name: TableName::new("public", name),
        columns: columns
            .iter()
            .map(|(name, type_name)| Column {
                name: (*name).into(),
                type_name: (*type_name).into(),
                nullable: true,
                default: None,
                generated: false,
                identity: false,
            })
            .collect(),
        primary_key: vec![],
        unique: vec![],
        foreign_keys: vec![],
    }
}

/// Rows `from..to` of the table `notes`, as one part's text.
fn notes(from: u32, to: u32) -> Vec<u8> {
    let mut text = Vec::new();
    push_header(["id", "body"], &mut text);
    for id in from..to {
        let body = if id % 7 == 0 {
            String::from("\\N")
        } else {
            format!("line {id}\\nand more {}", "x".repeat(id as usize % 50))
        };
        text.extend_from_slice(format!("{id}\t{body}\n").as_bytes());
    }
    text
}

/// What the fixture's table `notes` shows as row `id`.
pub(crate) fn note(id: u32) -> Vec<Option<String>> {
    let body = (!id.is_multiple_of(7))
        .then(|| format!("line {id}\nand more {}", "x".repeat(id as usize % 50)));
    vec![Some(format!("{id}")), body]
}

pub(crate) fn fixture() -> Fixture {
    changed(|_, _| {})
}

/// The fixture, with entries (name, content) and manifest changed before they are written.
pub(crate) fn changed(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>, &mut Manifest)) -> Fixture {
    let mut rng = TestRng(9);
    let mut entries: Vec<(String, Vec<u8>)> = Vec::new();
    let mut tables = Vec::new();
    let parts_of = [
        ("empty", vec![]),
        (
            "notes",
            vec![notes(0, 400), notes(400, 401), notes(401, 1000)],
        ),
    ];
    for (name, texts) in parts_of {
        let mut row_set = RowSet::new();
        let mut parts = Vec::new();
        let path = format!("tables/public.{name}");
        for (index, text) in texts.into_iter().enumerate() {
            let start = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            row_set.add_rows(&text[start..]);
            let lines = text[start..].iter().filter(|byte| **byte == b'\n').count();
            parts.push(PartData {
                rows: lines as u64,
                bytes: text.len() as u64,
                sha256: Digest::of(&text),
            });
            entries.push((format!("{path}/{:06}.tsv", index + 1), text));
        }
        tables.push(TableData {
            table: TableName::new("public", name),
            path,
            rows: parts.iter().map(|part| part.rows).sum(),
            bytes: parts.iter().map(|part| part.bytes).sum(),
            digest: TableData::digest_of(&parts),
            row_set,
            parts,
        });
    }
    let mut list = Vec::new();
    for (set, path, len) in [
        ("uploads", "a/noise.bin", 300_000),
        ("uploads", "empty", 0),
        ("avatars", "ü.png", 1000),
    ] {
        let mut content = vec![0; len];
        TryRng::try_fill_bytes(&mut rng, &mut content).unwrap();
        let entry = format!("files/{set}/{path}");
        list.push(FileEntry {
            set: set.into(),
            path: path.into(),
            entry: entry.clone(),
            size: content.len() as u64,
            sha256: Digest::of(&content),
            mode: 0o644,
            mtime: 1_795_000_000,
        });
        entries.push((entry, content));
    }
    let mut index = Vec::new();
    files::push_header(&mut index);
    list.iter()
        .for_each(|file| files::push_entry(file, &mut index));
    let set = |name: &str| FileSet {
        name: name.into(),
        files: list.iter().filter(|file| file.set == name).count() as u64,
        transform: None,
        bytes: list
            .iter()
            .filter(|file| file.set == name)
            .map(|file| file.size)
            .sum(),
    };
    let schema = Schema {
        tables: vec![
            table("empty", &[("id", "integer")]),
            table("notes", &[("id", "integer"), ("body", "text")]),
        ],
    };
    let product = |name: &str| Product {
        name: name.into(),
        version: None,
    };
    let mut manifest = Manifest {
        format_version: FORMAT_VERSION,
        tool: product("coffer"),
        app: product("notes"),
        engine: Engine::Postgres,
        engine_version: "15".into(),
        created_at: "2026-11-21T04:05:06Z".into(),
        contents: Contents::Unclassified,
        credentials: None,
        app_secrets: alloc::vec![],
        migration: None,
        schema_sha256: schema.hash(),
        schema,
        tables,
        sequences: vec![],
        file_sets: vec![set("avatars"), set("uploads")],
        files_index: Some(EntryDigest {
            bytes: index.len() as u64,
            sha256: Digest::of(&index),
        }),
        left_out: vec![],
        notices: vec![],
    };
    entries.push((FILES_INDEX_PATH.into(), index));
    change(&mut entries, &mut manifest);
    entries.push((MANIFEST_PATH.into(), manifest.to_json().unwrap()));

    let mut file = Vec::new();
    let mut writer = ArchiveWriter::new();
    for (name, content) in entries {
        if name.ends_with("noise.bin") {
            // One whose sizes stand behind its data.
            writer.begin(&name, &mut file).unwrap();
            writer.push(&content, &mut file).unwrap();
            writer.end(&mut file).unwrap();
        } else {
            writer.add(&name, &pack(content), &mut file).unwrap();
        }
    }
    writer.finish(&mut file).unwrap();
    Fixture {
        directory: open(&file).unwrap(),
        file,
        manifest,
        files: list,
    }
}
