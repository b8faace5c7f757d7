//! From an archive of another product to one of Coffer's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use coffer_core::{
    Digest,
    foreign::{Found, Overview, Product, Row, Value, stand_ins},
    manifest::{LeftOut, LeftOutReason, Product as App},
    policy::{self, AppSecretForm, Policy, Preset, TablePolicy},
    schema::{Column, Schema, TableName},
};
use tempfile::TempDir;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use tokio::sync::mpsc;

use super::{Error, Open};
use crate::{
    app_secrets::AppSecrets,
    backup::{self, BackupError, BackupReport, Plan, Reader, SealTo},
    clock,
    engine::{self, DatabaseUrl, EngineError, given::Given},
    progress::{Phase, Progress},
    source::FileRules,
};

/// What becomes of an archive.
#[derive(Clone, Debug)]
pub struct ConvertRequest {
    /// A database of the product, whose catalogue says what types the columns have. Nothing in it is changed.
    pub like: DatabaseUrl,
    /// Rules for the product's data.
    pub preset: Option<Preset>,
    /// Keep credentials; needs a seal.
    pub sensitive: bool,
    /// The application's own secrets, for the fingerprints of those that values are wrapped with.
    pub app_secrets: AppSecrets,
    /// Whom the archive is sealed to.
    pub seal: Option<SealTo>,
}

/// Why nothing was converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The archive can't be read.
    #[error("{0}")]
    Read(#[from] Error),
    /// The new one can't be written.
    #[error("{0}")]
    Write(#[from] BackupError),
    /// It is not what it promises to be.
    #[error(
        "the archive is not what it promises to be, so it is not converted: {errors} errors were found; `coffer verify` lists \
         them, nothing was written"
    )]
    Errors {
        /// How many.
        errors: u64,
    },
    /// The database has another shape.
    #[error(
        "the database has another shape than the archive, so it can't say what types its values have: {}; nothing was \
         written, use a database of the version that wrote the archive",
        .0.join("; ")
    )]
    Shape(Vec<String>),
    /// Files can't be staged.
    #[error("the archive's files can't be unpacked: {0}; nothing was written")]
    Files(io::Error),
    /// Values that the product wraps with a key of its own.
    #[error(
        "this archive of {0} holds in the clear what the application keeps wrapped with its own key, and only a preset says \
         where, so that a restore wraps it again; nothing was written, leave out --without-preset"
    )]
    Unwrapped(Product),
}

impl From<EngineError> for ConvertError {
    fn from(error: EngineError) -> Self {
        Self::Write(error.into())
    }
}

/// Writes what an archive holds as an archive of Coffer's into `out`.
///
/// # Errors
/// [`ConvertError`].
pub async fn convert(
    open: Arc<Open>,
    overview: Overview,
    request: ConvertRequest,
    out: impl Write + Send + 'static,
    progress: Progress,
) -> Result<BackupReport, ConvertError> {
    if overview.errors > 0 {
        return Err(ConvertError::Errors {
            errors: overview.errors,
        });
    }
    if request.sensitive && request.seal.is_none() {
        return Err(BackupError::SensitiveNeedsSeal.into());
    }
    let standard = request.preset.is_some() && !request.sensitive;
    let clear = keeps_in_the_clear(overview.product);
    if clear && overview.sensitive && request.preset.is_none() {
        return Err(ConvertError::Unwrapped(overview.product));
    }
    let unwrapped = clear && overview.sensitive && request.sensitive;
    let staged = {
        let (open, overview, progress) = (open.clone(), overview.clone(), progress.clone());
        let job = tokio::task::spawn_blocking(move || stage(&open, &overview, &progress));
        job.await.map_err(|_| BackupError::Defect)??
    };
    let probe = engine::open(&request.like).snapshot().await?;
    let facts = probe.database().clone();
    drop(probe);
    // Without rules nobody would see that they are none: only what the product itself empties may be empty.
    let standing_in = !overview.sensitive && (standard || overview.product == Product::DBackup);
    let rows = Arc::new(Rows::new(
        open,
        &overview,
        &facts.schema,
        standing_in,
        unwrapped,
    )?);
    let mut snapshot = engine::given::converting(&request.like, rows.clone()).await?;
    let preset = request.preset.as_ref();
    let absent: Vec<String> = facts
        .schema
        .tables
        .iter()
        .filter(|table| !rows.counts.contains_key(&table.name))
        .map(|table| table.name.to_string())
        .collect();
    let mut policy = policy::decide(&facts.schema, preset, request.sensitive, &absent)
        .map_err(BackupError::from)?;
    if unwrapped {
        for mark in &mut policy.app_secrets {
            mark.unwrapped = mark.form != AppSecretForm::Opaque;
        }
        let standard = policy::decide(&facts.schema, preset, false, &absent);
        lower_flags(
            overview.product,
            &mut policy,
            &standard.map_err(BackupError::from)?,
            &facts.schema,
        );
    } else if clear {
        // What it holds is wrapped with nothing.
        policy.app_secrets.clear();
    } else {
        let mut salts = Vec::new();
        for _ in &policy.app_secrets {
            salts.push(Digest(backup::random()?));
        }
        let complete = request
            .app_secrets
            .complete(&mut policy.app_secrets, false, &salts);
        complete.map_err(BackupError::from)?;
    }
    backup::print_placeholders(&mut *snapshot, facts.engine, &mut policy).await?;
    let counts = rows.counts();
    progress.expect_rows(counts.iter().map(|(_, rows)| rows).sum());
    let app = App {
        name: preset.map_or_else(|| overview.product.to_string(), |preset| preset.app.clone()),
        version: overview.app_version.clone(),
    };
    let plan = Plan {
        // Nothing is unwrapped here.
        app_secrets: Vec::new(),
        facts,
        policy,
        counts,
        app,
        created_at: created_at(&overview),
        file_rules: staged
            .sets
            .iter()
            .map(|(name, _)| FileRules::none(name))
            .collect(),
        file_sets: staged.sets.clone(),
        named: Vec::new(),
        missing_folders_are_empty: false,
        seal: request.seal,
    };
    let report = backup::archive(Reader::Snapshot(snapshot), plan, out, progress).await;
    // Until here the files are needed.
    drop(staged);
    Ok(report?)
}

/// Whether a product's archives hold in the clear what its database keeps wrapped with the application's own secret.
#[must_use]
pub const fn keeps_in_the_clear(product: Product) -> bool {
    matches!(product, Product::Nojoin | Product::DBackup)
}

/// Columns that say of a row that others belong to it which the product's archives never hold.
const FLAGS: [(Product, &str, &str); 2] = [
    (Product::DBackup, "User", "twoFactorEnabled"),
    (Product::DBackup, "User", "passkeyTwoFactor"),
];

/// Treats flags whose rows can't come along as a standard archive does: they are lowered in new rows, and stay as they are in
/// those of the target. Raised, they would lock people out; lowered there, they would let others in.
fn lower_flags(product: Product, policy: &mut Policy, standard: &Policy, schema: &Schema) {
    for (of, table, column) in FLAGS {
        if of != product {
            continue;
        }
        let mut shapes = schema.tables.iter();
        let Some(shape) = shapes.find(|shape| shape.name.name == table) else {
            continue;
        };
        policy.left_out.push(LeftOut::Column {
            table: shape.name.clone(),
            column: column.to_owned(),
            reason: LeftOutReason::Local,
            placeholder: None,
        });
        let place = shape.stored_columns().position(|own| own.name == column);
        let named = |policies: &&TablePolicy| policies.table.name == table;
        let lowered = standard.tables.iter().find(named);
        let lowered = place.and_then(|place| lowered?.columns.get(place));
        let mut tables = policy.tables.iter_mut();
        let raised = tables.find(|policies| policies.table.name == table);
        let raised = place.and_then(|place| raised?.columns.get_mut(place));
        if let (Some(raised), Some(lowered)) = (raised, lowered) {
            raised.clone_from(lowered);
        }
    }
}

/// When the archive was made, as Coffer writes it; now, if it does not say.
fn created_at(overview: &Overview) -> String {
    let said = overview.created_at.as_deref();
    let moment = said.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let whole = moment.and_then(|moment| {
        let utc = moment.to_offset(UtcOffset::UTC);
        utc.replace_nanosecond(0).ok()
    });
    clock::text(whole.unwrap_or_else(clock::now))
}

/// Files, unpacked into folders that go with it.
struct Staged {
    sets: Vec<(String, PathBuf)>,
    _folder: Option<TempDir>,
}

/// The file set of an entry, and its path in it.
fn place(product: Product, entry: &str) -> Option<(&'static str, &str)> {
    match product {
        Product::Nosdesk => Some(("uploads", entry.strip_prefix("files/")?)),
        Product::Nojoin => ["recordings", "documents"].into_iter().find_map(|set| {
            let path = entry.strip_prefix(set)?.strip_prefix('/')?;
            Some((set, path))
        }),
        Product::DBackup => None,
    }
}

/// Unpacks the files into a folder that only this user can read.
fn stage(open: &Open, overview: &Overview, progress: &Progress) -> Result<Staged, ConvertError> {
    if overview.files.is_empty() {
        return Ok(Staged {
            sets: Vec::new(),
            _folder: None,
        });
    }
    progress.begin(Phase::Files, overview.file_bytes);
    let folder = tempfile::Builder::new()
        .prefix("coffer-convert-")
        .tempdir()
        .map_err(ConvertError::Files)?;
    let mut sets = BTreeMap::new();
    for file in &overview.files {
        let Some((set, path)) = place(overview.product, &file.entry) else {
            continue;
        };
        let root = folder.path().join(set);
        let target = root.join(Path::new(path));
        let parent = target.parent().unwrap_or(&root);
        fs::create_dir_all(parent).map_err(ConvertError::Files)?;
        let mut out = fs::File::create_new(&target).map_err(ConvertError::Files)?;
        open.file(&file.entry, |bytes| {
            progress.add_bytes(bytes.len() as u64);
            out.write_all(bytes).map_err(ConvertError::Files)
        })?;
        sets.insert(set.to_owned(), root);
    }
    Ok(Staged {
        sets: sets.into_iter().collect(),
        _folder: Some(folder),
    })
}

/// The rows of an archive, fitted to the tables of a database.
struct Rows {
    open: Arc<Open>,
    product: Product,
    /// The archive's tables by those of the database.
    names: BTreeMap<TableName, String>,
    counts: BTreeMap<TableName, u64>,
    columns: BTreeSet<(TableName, String)>,
    /// Values that stand in for credentials which the product took out, so that rules see where they were.
    standing_in: bool,
    /// Whether credentials that are in the clear are kept, under the names of the columns that wrap them.
    unwrapped: bool,
}

/// Where Nojoin's database keeps what its archives hold in the clear: table, name there, column.
const WRAPPED: [(&str, &str, &str); 3] = [
    (
        "calendar_provider_configs",
        "client_secret",
        "client_secret_encrypted",
    ),
    (
        "calendar_connections",
        "access_token",
        "access_token_encrypted",
    ),
    (
        "calendar_connections",
        "refresh_token",
        "refresh_token_encrypted",
    ),
];

/// The column that wraps a value of Nojoin's.
fn wrapped(table: &str, name: &str) -> Option<&'static str> {
    let mut all = WRAPPED.iter();
    all.find(|(of, from, _)| *of == table && *from == name)
        .map(|(.., column)| *column)
}

/// Values of Nojoin's rows that its database does not have, by table: computed, or credentials that it keeps wrapped under
/// another name.
const NOT_STORED: [(&str, &str); 5] = [
    ("global_speakers", "has_voiceprint"),
    ("recording_speakers", "has_voiceprint"),
    ("calendar_provider_configs", "client_secret"),
    ("calendar_connections", "access_token"),
    ("calendar_connections", "refresh_token"),
];

impl Rows {
    fn new(
        open: Arc<Open>,
        overview: &Overview,
        schema: &Schema,
        standing_in: bool,
        unwrapped: bool,
    ) -> Result<Self, ConvertError> {
        let product = overview.product;
        let mut rows = Self {
            open,
            product,
            names: BTreeMap::new(),
            counts: BTreeMap::new(),
            columns: BTreeSet::new(),
            standing_in,
            unwrapped,
        };
        let mut wrong = Vec::new();
        for table in &overview.tables {
            let mut shapes = schema.tables.iter();
            let Some(shape) = shapes.find(|shape| shape.name.name == table.name) else {
                if table.rows > 0 {
                    wrong.push(format!("it has no table {}", table.name));
                }
                continue;
            };
            let name = &shape.name;
            rows.names.insert(name.clone(), table.name.clone());
            rows.counts.insert(name.clone(), table.rows);
            for column in &table.columns {
                let stored = || shape.columns.iter().any(|of| of.name == *column);
                let renamed = wrapped(&table.name, column).filter(|_| unwrapped);
                if stored() {
                    rows.columns.insert((name.clone(), column.clone()));
                } else if let (Product::Nojoin, Some(column)) = (product, renamed) {
                    rows.columns.insert((name.clone(), column.to_owned()));
                } else if product != Product::Nojoin
                    || !NOT_STORED.contains(&(table.name.as_str(), column.as_str()))
                {
                    wrong.push(format!("{name} has no column {column}"));
                }
            }
            if table.rows > 0 {
                let lacking = shape.stored_columns().filter(|column| {
                    !rows.columns.contains(&(name.clone(), column.name.clone()))
                        && !rows.stands_in(&table.name, &column.name)
                        && is_needed(column)
                });
                for column in lacking {
                    wrong.push(format!(
                        "{name}.{} needs a value, and the archive has none",
                        column.name
                    ));
                }
            }
        }
        if wrong.is_empty() {
            Ok(rows)
        } else {
            Err(ConvertError::Shape(wrong))
        }
    }

    /// Whether a value stands in for those of a column which the archive lacks.
    fn stands_in(&self, table: &str, column: &str) -> bool {
        self.standing_in
            && stand_ins(self.product, table, &Row::default())
                .iter()
                .any(|(name, _)| *name == column)
    }

    fn fitted(&self, table: &str, mut row: Row) -> Row {
        if self.product == Product::Nojoin {
            if self.unwrapped {
                for (name, value) in &mut row.values {
                    if let Some(column) = wrapped(table, name) {
                        column.clone_into(name);
                    }
                    unredact(value);
                }
            }
            row.values
                .retain(|(name, _)| !NOT_STORED.contains(&(table, name.as_str())));
        }
        if self.standing_in {
            for (name, value) in stand_ins(self.product, table, &row) {
                if row.get(name).is_none_or(Value::is_null) {
                    row.values.retain(|(other, _)| other != name);
                    row.values.push((name.to_owned(), value));
                }
            }
        }
        row
    }
}

/// What Nojoin writes in place of what it takes out of settings. It is never a value.
const REDACTED: &str = "\"REDACTED\"";

/// Puts `null` where the product has taken something out of JSON.
fn unredact(value: &mut Value) {
    let Value::Json(text) = value else { return };
    let mut rest = text.as_str();
    let mut made = String::new();
    while let Some(at) = rest.find(REDACTED) {
        let (before, from) = rest.split_at(at);
        let after = from.get(REDACTED.len()..).unwrap_or_default();
        made.push_str(before);
        // Not the end of a longer text, and no key.
        let whole = !before.ends_with('\\') && !after.trim_start().starts_with(':');
        made.push_str(if whole { "null" } else { REDACTED });
        rest = after;
    }
    if !made.is_empty() {
        made.push_str(rest);
        *text = made;
    }
}

/// Whether no row can be without a value of a column.
fn is_needed(column: &Column) -> bool {
    !column.nullable && !column.generated && (column.default.is_none() || column.identity)
}

#[async_trait::async_trait]
impl Given for Rows {
    fn counts(&self) -> Vec<(TableName, u64)> {
        self.counts
            .iter()
            .map(|(table, rows)| (table.clone(), *rows))
            .collect()
    }

    fn has(&self, table: &TableName, column: &str) -> bool {
        let key = (table.clone(), column.to_owned());
        self.columns.contains(&key) || self.stands_in(&table.name, column)
    }

    fn rows(&self, table: &TableName, to: &mpsc::Sender<Vec<Row>>) -> Result<(), EngineError> {
        const BATCH: usize = 256;
        let Some(name) = self.names.get(table) else {
            return Ok(());
        };
        let given = |message: String| EngineError::Given { message };
        let mut batch = Vec::new();
        let sent = self.open.rows(name, &Progress::default(), |found| {
            match found {
                Found::Row { row, .. } => batch.push(self.fitted(name, row)),
                Found::Bad { number, why, .. } => {
                    return Err(Stop::Error(format!("row {number} of {name}: {why}")));
                }
                Found::Part(_) | Found::Metadata(_) => {}
            }
            if batch.len() >= BATCH {
                let full = std::mem::take(&mut batch);
                to.blocking_send(full).map_err(|_| Stop::HungUp)?;
            }
            Ok(())
        });
        match sent {
            Ok(()) | Err(Stop::HungUp) => {}
            Err(Stop::Error(message)) => return Err(given(message)),
        }
        // Whoever has hung up knows why.
        let _ = to.blocking_send(batch);
        Ok(())
    }
}

enum Stop {
    HungUp,
    Error(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error.to_string())
    }
}
