//! The rules themselves, as a preset's TOML spells them. Everything but the application's name may be missing.
//!
//! A table is named with or without its schema. `docs/presets.md` explains every rule with examples.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{JsonPath, LeaveOutRule};
use crate::schema::Engine;

/// Rules for one application, written by somebody who knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The application's name.
    pub app: String,
    /// A query that gives the application's version as one text value.
    #[serde(default)]
    pub version_query: Option<String>,
    /// The kind of database that the application has; nothing means any.
    #[serde(default)]
    pub engine: Option<Engine>,
    /// Tables, and columns as `table.column`, that some versions of the application don't have: rules that name them
    /// are for databases that do.
    #[serde(default)]
    pub may_lack: Vec<String>,
    /// Columns, as `table.column`, whose names only look like those of credentials.
    #[serde(default)]
    pub not_credential: Vec<String>,
    /// Tables, and rows of tables, that are never archived.
    #[serde(default, rename = "leave_out")]
    pub leave_out: Vec<LeaveOutRule>,
    /// Values that are credentials.
    #[serde(default, rename = "credential")]
    pub credentials: Vec<CredentialRule>,
    /// How rows of tables are recognised in another installation.
    #[serde(default, rename = "table")]
    pub tables: Vec<TableRule>,
    /// What foreign keys mean.
    #[serde(default, rename = "foreign_key")]
    pub foreign_keys: Vec<ForeignKeyRule>,
    /// Ids that no foreign key shows, such as those inside of JSON.
    #[serde(default, rename = "reference")]
    pub references: Vec<ReferenceRule>,
    /// What is done where an inserted row would break a unique key.
    #[serde(default, rename = "collision")]
    pub collisions: Vec<CollisionRule>,
    /// Folders of uploaded files.
    #[serde(default, rename = "file_set")]
    pub file_sets: Vec<FileSetRule>,
    /// Secrets of the application's environment that columns are wrapped with.
    #[serde(default, rename = "app_secret")]
    pub app_secrets: Vec<AppSecretRule>,
}

/// A value that is a credential: a column, or what paths find inside of a column of JSON.
///
/// Of `placeholder`, `random` and `omit_rows` there is at most one; none means NULL. NULL is no credential and stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialRule {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// Where in the column's JSON; nothing means the whole value. One path or a list of them.
    #[serde(
        default,
        deserialize_with = "one_or_more",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub path: Vec<JsonPath>,
    /// What a standard archive holds in its place.
    #[serde(default)]
    pub placeholder: Option<String>,
    /// A standard archive holds a fresh random secret in its place, another one in each row.
    #[serde(default)]
    pub random: Option<Random>,
    /// A standard archive doesn't hold the rows that have one.
    #[serde(default)]
    pub omit_rows: bool,
    /// The rows that the rule is for: those where each of these columns has (one of) these values. Nothing means all.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, OneOf>,
    /// Columns of the same row that change along with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub also_set: BTreeMap<String, Given>,
}

/// What a standard archive holds in place of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement<'a> {
    /// NULL; inside of JSON `null`.
    Null,
    /// Always the same text.
    Fixed(&'a str),
    /// A fresh random secret.
    Random(&'a Random),
    /// The row is not there.
    OmitRow,
}

impl<'a> Replacement<'a> {
    pub(crate) const fn of(
        omit_rows: bool,
        random: Option<&'a Random>,
        placeholder: Option<&'a str>,
    ) -> Self {
        match (omit_rows, random, placeholder) {
            (true, _, _) => Self::OmitRow,
            (false, Some(random), _) => Self::Random(random),
            (false, None, Some(text)) => Self::Fixed(text),
            (false, None, None) => Self::Null,
        }
    }
}

impl fmt::Display for Replacement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Fixed(text) => write!(f, "{text:?}"),
            Self::Random(_) => f.write_str("a fresh random secret"),
            Self::OmitRow => f.write_str("no row"),
        }
    }
}

impl CredentialRule {
    /// What a standard archive holds in its place.
    #[must_use]
    pub fn replacement(&self) -> Replacement<'_> {
        Replacement::of(
            self.omit_rows,
            self.random.as_ref(),
            self.placeholder.as_deref(),
        )
    }
}

/// A secret made anew for each row: a prefix and random bytes in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// What it begins with, e.g. `whsec_`.
    #[serde(default)]
    pub prefix: String,
    /// Random bytes; twice as many digits are written.
    #[serde(default = "Random::usual_bytes")]
    pub bytes: u8,
}

impl Random {
    const fn usual_bytes() -> u8 {
        32
    }
}

/// How rows of a table are recognised in another installation, and what is done with those that are found there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRule {
    /// The table.
    pub table: String,
    /// Alternatives: a row is the same as one of the target if any of them says so.
    #[serde(default)]
    pub identity: Vec<Identity>,
    /// Whether the mode decides about a matched row.
    #[serde(default)]
    pub matched: Matched,
    /// Columns that skip fills where the target's are NULL or empty, and that are all that overwrite replaces.
    #[serde(default)]
    pub fill: Vec<String>,
    /// Columns that skip takes where the archive has a value, and overwrite replaces.
    #[serde(default)]
    pub prefer: Vec<String>,
    /// Flags that skip sets where the archive has them set, and overwrite replaces.
    #[serde(default)]
    pub either: Vec<String>,
    /// Columns that keep their value in every mode where the archive has none.
    #[serde(default)]
    pub never_emptied: Vec<String>,
    /// Columns that an inserted row doesn't take from the archive.
    #[serde(default)]
    pub on_insert: BTreeMap<String, Given>,
    /// What a matched row takes in mode skip if the archive's is the newer one.
    #[serde(default)]
    pub newer: Option<Newer>,
    /// Values that only meant something while the backup was taken, and what a merge writes in their place.
    #[serde(default)]
    pub settled: BTreeMap<String, Settled>,
}

/// Which of two rows is newer, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newer {
    /// The column that tells: the greater value is the newer one.
    pub by: String,
    /// The columns that are taken over; nothing means all.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// A value that stands for something under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// The values.
    pub when: OneOf,
    /// What is written in their place; nothing means that they stay.
    #[serde(default)]
    pub value: Option<Scalar>,
    /// Rows for which it came to an end all the same, and what is written for these.
    #[serde(default)]
    pub unless: Option<Unless>,
    /// Columns of the same row that are written along with it.
    #[serde(default)]
    pub also_set: BTreeMap<String, Given>,
}

/// Rows of another table that say that something has come to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unless {
    /// The other table.
    pub table: String,
    /// Its foreign key to the row.
    pub columns: Vec<String>,
    /// What one of its rows has to have.
    #[serde(rename = "where")]
    pub condition: BTreeMap<String, OneOf>,
    /// What is written then.
    pub value: Scalar,
}

impl TableRule {
    /// Whether it says which columns of matched rows may change, so that nothing else follows from a match.
    #[must_use]
    pub const fn is_picky(&self) -> bool {
        !(self.fill.is_empty() && self.prefer.is_empty() && self.either.is_empty())
            || self.newer.is_some()
    }

    /// The lists of columns that it has, each with its key.
    pub fn lists(&self) -> [(&'static str, &Vec<String>); 4] {
        [
            ("fill", &self.fill),
            ("prefer", &self.prefer),
            ("either", &self.either),
            ("never_emptied", &self.never_emptied),
        ]
    }

    /// The columns that its rules for values under way name.
    pub fn settled_columns(&self) -> impl Iterator<Item = &String> {
        let also = self.settled.values().flat_map(|one| one.also_set.keys());
        self.settled.keys().chain(also)
    }

    /// The other tables that tell about rows: with the columns of their foreign keys, and all others that are looked at.
    pub fn tellers(&self) -> impl Iterator<Item = (&str, &[String], Vec<&String>)> {
        let identity = self.identity.iter().filter_map(|identity| {
            let through = identity.through.as_ref()?;
            let columns = identity.columns.iter().chain(through.condition.keys());
            Some((
                through.table.as_str(),
                through.columns.as_slice(),
                columns.collect(),
            ))
        });
        let settled = self.settled.values().filter_map(|settled| {
            let unless = settled.unless.as_ref()?;
            let columns = unless.condition.keys().collect();
            Some((unless.table.as_str(), unless.columns.as_slice(), columns))
        });
        identity.chain(settled)
    }
}

/// Columns that together say which row it is. A row with NULL or empty text in one of them is not recognised by it; only a
/// foreign key beside other columns may be NULL, as that of a tag without a parent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The columns.
    pub columns: Vec<String>,
    /// The columns are those of a row of another table, which refers to the row.
    #[serde(default)]
    pub through: Option<Through>,
    /// What is done to text before it is compared.
    #[serde(default)]
    pub normalise: Option<Normalise>,
    /// Only for rows of the archive to which no other alternative applies.
    #[serde(default)]
    pub fallback: bool,
}

/// Rows of another table that say which row it is, as addresses say whose account it is. Of several, the one with the least
/// values does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Through {
    /// The other table.
    pub table: String,
    /// Its foreign key to the row.
    pub columns: Vec<String>,
    /// Those of its rows that count: where each of these columns has (one of) these values. Nothing means all.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, OneOf>,
}

impl Identity {
    /// The columns of the table itself that it needs; none if another table says which row it is.
    pub fn own_columns(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().filter(|_| self.through.is_none())
    }
}

/// What is done to text before it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// Blanks around it go, and letters become lower-case ones.
    TrimLower,
    /// What follows the last `/`, without its last suffix.
    FileStem,
}

/// What decides about a row that the target has too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matched {
    /// The mode does.
    #[default]
    Mode,
    /// It is never changed, in any mode.
    Keep,
}

/// A foreign key's class, or a foreign key that the database doesn't declare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignKeyRule {
    /// The table.
    pub table: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// What it means.
    pub class: ForeignKeyClass,
    /// What it refers to, where the database doesn't declare it.
    #[serde(default)]
    pub references: Option<Referenced>,
    /// Whether a row may do without an owner by this key: one of several keys says whose it is.
    #[serde(default)]
    pub may_be_null: bool,
}

/// What a foreign key means for a row that it finds nothing for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForeignKeyClass {
    /// The row belongs to what it refers to: it is left out without it, and follows it.
    Ownership,
    /// The row can't do without, but stands for itself: it is left out without it, and doesn't follow it. A text has an
    /// author, a ticket a state.
    Required,
    /// The row can do without: it becomes NULL.
    Enrichment,
    /// Set in a second pass, since rows refer to each other.
    Deferred,
}

/// Columns of a table that are referred to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Referenced {
    /// The table.
    pub table: String,
    /// Its columns, pairwise.
    pub columns: Vec<String>,
}

/// Ids inside of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceRule {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// Where in its JSON. One path or a list of them; nothing means that the whole value, as text, is the id.
    #[serde(
        default,
        deserialize_with = "one_or_more",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub path: Vec<JsonPath>,
    /// The table whose primary key is meant.
    pub references: String,
    /// The rows that the rule is for. Nothing means all.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, OneOf>,
    /// What becomes of an id that nothing is found for.
    #[serde(default)]
    pub unresolved: Unresolved,
}

/// What becomes of an id that nothing is found for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unresolved {
    /// It becomes `null`.
    #[default]
    Null,
    /// It stays.
    Keep,
}

/// What is done where an inserted row would break a unique key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollisionRule {
    /// The table.
    pub table: String,
    /// The unique key.
    pub columns: Vec<String>,
    /// The column of it that gets another value.
    pub column: String,
    /// Which value.
    pub with: Made,
}

/// How a value is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// A random UUID (RFC 9562, version 4).
    Uuid,
    /// The old text with a suffix that is free.
    Suffix,
    /// Random letters and digits.
    Random,
}

/// A folder of uploaded files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSetRule {
    /// Its name, as in `files/<name>/…`.
    pub name: String,
    /// Where the application keeps it unless it is told otherwise: a hint for people, never opened.
    #[serde(default)]
    pub folder: Option<String>,
    /// Patterns of what is not archived.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Whether a backup may leave it out by hand.
    #[serde(default)]
    pub optional: bool,
    /// The columns whose values name its files.
    #[serde(default, rename = "column")]
    pub columns: Vec<FileColumn>,
}

/// A column whose values name files of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileColumn {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// What stands before the path in the file set.
    #[serde(default)]
    pub prefix: String,
}

/// A secret of the application's environment, without which some columns can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSecretRule {
    /// How people call it.
    pub name: String,
    /// The environment variable that the application reads it from.
    pub variable: String,
    /// The file that it is read from otherwise: a hint for people, never opened.
    #[serde(default)]
    pub file: Option<String>,
    /// How values are wrapped with it.
    pub form: AppSecretForm,
    /// The columns.
    #[serde(default, rename = "column")]
    pub columns: Vec<AppSecretColumn>,
}

/// How values are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppSecretForm {
    /// Fernet tokens; the key is the SHA-256 of the secret's text.
    Fernet,
    /// `hex(IV, 16 bytes):hex(tag):hex(ciphertext)` of AES-256-GCM; the key is the secret's 64 hexadecimal digits.
    IvTagCiphertext,
    /// Coffer's own: AES-256-GCM, bound to table, row and column ([`crate::app_secret::VaultKey`]); the key is made of the secret's 64
    /// hexadecimal digits.
    Coffer,
    /// A form that is bound to its row or not known: it can be named, but not unwrapped.
    Opaque,
}

/// A column with wrapped values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSecretColumn {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// The keys, at any depth of the column's JSON, whose values are wrapped; nothing means that the whole value is.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Columns of the row that its values are bound to: where a matched row of the target has others, they would not open there.
    #[serde(default)]
    pub bound_to: Vec<String>,
}

/// A value in a rule that rows are compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected text, a whole number or a boolean")]
pub enum Scalar {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(yes) => write!(f, "{yes}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// One value or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected text, a whole number, a boolean, or a list of these"
)]
pub enum OneOf {
    /// Exactly this one.
    One(Scalar),
    /// Any of these.
    Any(Vec<Scalar>),
}

impl OneOf {
    /// The values.
    #[must_use]
    pub fn values(&self) -> &[Scalar] {
        match self {
            Self::One(value) => core::slice::from_ref(value),
            Self::Any(values) => values,
        }
    }
}

/// A value that a rule gives a column. TOML has no null, so that one is written `{ value = "null" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected text, a whole number, a boolean, { value = \"null\" } or { value = \"default\" }"
)]
pub enum Given {
    /// This value.
    Scalar(Scalar),
    /// Something that TOML has no literal for.
    Special(Special),
}

/// Values that TOML has no literal for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "value", rename_all = "snake_case", deny_unknown_fields)]
pub enum Special {
    /// NULL.
    Null,
    /// The column's default in the target; only for inserted rows.
    Default,
}

/// One path, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<JsonPath>, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<JsonPath>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a path inside of JSON, or a list of such paths")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let path = text.parse().map_err(E::custom)?;
            Ok(alloc::vec![path])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut paths = Vec::new();
            while let Some(path) = list.next_element()? {
                paths.push(path);
            }
            Ok(paths)
        }
    }
    deserializer.deserialize_any(Visitor)
}
