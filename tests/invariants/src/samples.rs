//! Whole files, made once by the writers under test and then damaged by the targets.

use core::convert::Infallible;
use std::sync::OnceLock;

use coffer_core::{
    Digest,
    archive::{ArchiveWriter, pack},
    manifest::{
        Contents, CredentialColumn, FILES_INDEX_PATH, FORMAT_VERSION, FileEntry, MANIFEST_PATH,
        Manifest, PartData, TableData, files,
    },
    rows::RowSet,
    schema::{Column, Schema, Table, TableName},
    seal::{
        Access, Cost, FileKey, KeyType, LockedKey, Password, Sealer, SecretKey, SenderKey,
        seal_header,
    },
};
use rand_core::{TryCryptoRng, TryRng};

/// The file key of every sample.
pub const FILE_KEY: [u8; 32] = *b"the file key that samples share.";
/// The password of those that have one.
pub const PASSWORD: &str = "correct horse";

/// Bytes that look random and are the same in every run.
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    /// Starts at a seed, which is not 0.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let Ok(()) = self.try_fill_bytes(&mut bytes);
        bytes
    }
}

impl TryRng for Noise {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.try_next_u64()? >> 32) as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Ok(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for piece in out.chunks_mut(8) {
            let bytes = self.try_next_u64()?.to_be_bytes();
            piece.copy_from_slice(&bytes[..piece.len()]);
        }
        Ok(())
    }
}
impl TryCryptoRng for Noise {}

/// A sealed archive and its content.
#[derive(Debug)]
pub struct SealedSample {
    /// The content.
    pub plain: Vec<u8>,
    /// The sealed archive.
    pub file: Vec<u8>,
    /// Bytes of its header block.
    pub header_len: usize,
}

/// A secret key of each type; [`sealed`] seals some samples to them.
///
/// # Panics
/// Never: the noise is good enough for any key.
#[must_use]
pub fn secret_keys() -> &'static [SecretKey; 2] {
    static KEYS: OnceLock<[SecretKey; 2]> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut noise = Noise::new(7);
        [
            SecretKey::generate_of(KeyType::MlKem768X25519, &mut noise),
            SecretKey::generate_of(KeyType::X25519, &mut noise),
        ]
    })
}

/// The key that signs some samples.
#[must_use]
pub fn sender_key() -> &'static SenderKey {
    static KEY: OnceLock<SenderKey> = OnceLock::new();
    KEY.get_or_init(|| SenderKey::generate(&mut Noise::new(13)))
}

/// Seals content under [`FILE_KEY`], pushed in these pieces.
///
/// # Panics
/// If the writer refuses.
#[must_use]
pub fn seal<'p>(
    access: &[Access<'_>],
    pieces: impl IntoIterator<Item = &'p [u8]>,
    sender: Option<&SenderKey>,
    seed: u64,
) -> SealedSample {
    let mut noise = Noise::new(seed);
    let key = FileKey::new(FILE_KEY);
    let block = seal_header(&key, access, &mut noise).unwrap();
    let (mut file, mut plain) = (Vec::new(), Vec::new());
    let mut sealer = Sealer::new(&key, &block, &mut noise, &mut file).unwrap();
    for piece in pieces {
        plain.extend_from_slice(piece);
        sealer.push(piece, &mut file).unwrap();
    }
    match sender {
        Some(sender) => sealer.finish_signed(sender, &mut file).unwrap(),
        None => sealer.finish(&mut file).unwrap(),
    }
    SealedSample {
        plain,
        file,
        header_len: block.len(),
    }
}

/// The least that checking a password can cost.
pub const CHEAP: Cost = Cost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

/// The second of [`secret_keys`], locked with [`PASSWORD`].
///
/// # Panics
/// Never: the noise is good enough for any key.
#[must_use]
pub fn locked_key() -> &'static LockedKey {
    static LOCKED: OnceLock<LockedKey> = OnceLock::new();
    LOCKED.get_or_init(|| {
        let mut noise = Noise::new(17);
        LockedKey::lock(
            &secret_keys()[1],
            &Password::new(PASSWORD),
            CHEAP,
            &mut noise,
        )
        .unwrap()
    })
}

/// Sealed archives of every shape: content that ends before, at and after the end of a chunk, and every way in.
#[must_use]
pub fn sealed() -> &'static [SealedSample] {
    static SAMPLES: OnceLock<Vec<SealedSample>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let mut noise = Noise::new(11);
        let password = Password::new(PASSWORD);
        let [hybrid, short] = secret_keys();
        let recipients = [hybrid.recipient().unwrap(), short.recipient().unwrap()];
        let locked = LockedKey::lock(short, &password, CHEAP, &mut noise).unwrap();
        let by_password = Access::Password {
            password: &password,
            cost: CHEAP,
        };
        let access: [&[Access<'_>]; 5] = [
            &[],
            &[by_password],
            &[
                Access::Recipient(&recipients[1]),
                Access::LockedKey(&locked),
            ],
            &[Access::Recipient(&recipients[0])],
            &[by_password, Access::Recipient(&recipients[1])],
        ];
        [0, 100, 16_384, 20_000, 50_000]
            .into_iter()
            .zip(access)
            .zip(21..)
            .map(|((len, access), seed)| {
                let sender = (seed % 2 == 0).then(sender_key);
                seal(access, [noise.bytes(len).as_slice()], sender, seed)
            })
            .collect()
    })
}

/// A small archive as the backup writes it: a table in two parts, an empty one, and a file set.
///
/// # Panics
/// If the writer refuses.
#[must_use]
pub fn archive() -> &'static [u8] {
    static ARCHIVE: OnceLock<Vec<u8>> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let (manifest, entries) = contents();
        written(&manifest, entries)
    })
}

/// An archive of these entries.
fn written(manifest: &Manifest, entries: Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    for (name, content) in entries {
        if name.ends_with("noise") {
            // One whose sizes stand behind its data.
            writer.begin(&name, &mut out).unwrap();
            writer.push(&content, &mut out).unwrap();
            writer.end(&mut out).unwrap();
        } else {
            writer.add(&name, &pack(content), &mut out).unwrap();
        }
    }
    let json = manifest.to_json().unwrap();
    writer.add(MANIFEST_PATH, &pack(json), &mut out).unwrap();
    writer.finish(&mut out).unwrap();
    out
}

/// An archive whose table `notes` has these parts and credentials in `body`, with this placeholder.
///
/// # Panics
/// If the writer refuses.
#[must_use]
pub fn sensitive(parts: &[Vec<u8>], placeholder: Option<&str>) -> (Manifest, Vec<u8>) {
    let (mut manifest, mut entries) = contents();
    let (notes, of_notes) = table_data("notes", parts);
    entries.retain(|(name, _)| !name.starts_with(&notes.path));
    entries.extend(of_notes);
    manifest.contents = Contents::Sensitive;
    manifest.credentials = Some(vec![CredentialColumn::new(
        notes.table.clone(),
        "body".into(),
        placeholder.map(Into::into),
    )]);
    for table in &mut manifest.tables {
        if table.table == notes.table {
            *table = notes.clone();
        }
    }
    let file = written(&manifest, entries);
    (manifest, file)
}

/// The manifest of [`archive`].
#[must_use]
pub fn manifest() -> Manifest {
    contents().0
}

fn table(name: &str, columns: &[&str]) -> Table {
    Table {
        name: TableName::new("public", name),
        columns: columns
            .iter()
            .map(|name| Column {
                name: (*name).into(),
                type_name: "text".into(),
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

fn table_data<T: AsRef<[u8]>>(name: &str, texts: &[T]) -> (TableData, Vec<(String, Vec<u8>)>) {
    let mut row_set = RowSet::new();
    let path = format!("tables/public.{name}");
    let (mut parts, mut entries) = (Vec::new(), Vec::new());
    for (index, text) in texts.iter().enumerate() {
        let text = text.as_ref();
        let header = text.iter().position(|byte| *byte == b'\n');
        let rows = &text[header.map_or(text.len(), |at| at + 1)..];
        row_set.add_rows(rows);
        parts.push(PartData {
            rows: rows.split_inclusive(|byte| *byte == b'\n').count() as u64,
            bytes: text.len() as u64,
            sha256: Digest::of(text),
        });
        entries.push((format!("{path}/{:06}.tsv", index + 1), text.to_vec()));
    }
    let data = TableData {
        table: TableName::new("public", name),
        path,
        rows: parts.iter().map(|part| part.rows).sum(),
        bytes: parts.iter().map(|part| part.bytes).sum(),
        digest: TableData::digest_of(&parts),
        row_set,
        parts,
    };
    (data, entries)
}

fn contents() -> (Manifest, Vec<(String, Vec<u8>)>) {
    let long = format!("id\tbody\n1\t\\N\n2\t{}\n", "some text, ".repeat(30));
    let (notes, mut entries) = table_data("notes", &[long.as_str(), "id\tbody\n3\ta\\tb\\\\c\n"]);
    let (empty, _) = table_data::<&str>("empty", &[]);
    let mut noise = Noise::new(3);
    let mut list = Vec::new();
    for (path, len) in [("a/noise", 300), ("none", 0)] {
        let content = noise.bytes(len);
        let entry = format!("files/uploads/{path}");
        list.push(FileEntry {
            set: "uploads".into(),
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
    let schema = Schema {
        tables: vec![table("empty", &["id"]), table("notes", &["id", "body"])],
    };
    let manifest = serde_json::json!({
        "format_version": FORMAT_VERSION,
        "tool": { "name": "coffer" },
        "app": { "name": "notes" },
        "engine": "postgres",
        "engine_version": "15",
        "created_at": "2026-11-21T04:05:06Z",
        "contents": "unclassified",
        "schema_sha256": schema.hash(),
        "schema": schema,
        "tables": [empty, notes],
        "file_sets": [{ "name": "uploads", "files": 2, "bytes": 300 }],
        "files_index": { "bytes": index.len(), "sha256": Digest::of(&index) },
    });
    let manifest = serde_json::from_value(manifest).unwrap();
    entries.push((FILES_INDEX_PATH.into(), index));
    (manifest, entries)
}
