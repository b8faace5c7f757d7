//! The rules that a manifest must keep.

use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
};

use super::{Contents, CredentialColumn, FORMAT_VERSION, LeftOut, Manifest, TableData};
use crate::{
    app_secret::SecretColumn,
    archive::name,
    policy::{AppSecretForm, Given, MAX_PLACEHOLDER_BYTES, Replacement, Scalar},
    rows::RowSet,
    schema::Table,
};

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is not JSON, or not of the manifest's form.
    #[error("the manifest is not readable: {0}")]
    Json(String),
    /// It has no `format_version`, so another program wrote it.
    #[error("the manifest is not one of Coffer's: it names no format version")]
    NotCoffer,
    /// It is of another version.
    #[error(
        "the archive has format version {found}, and this Coffer reads version {FORMAT_VERSION}; use a newer Coffer"
    )]
    Version {
        /// The version found.
        found: u32,
    },
    /// A time is not RFC 3339 in UTC with whole seconds.
    #[error("the manifest's time {0:?} is not in UTC with whole seconds")]
    Time(String),
    /// Two entries would have the same name, or a name is not allowed.
    #[error("the manifest names the entry {0:?} twice or not in the allowed form")]
    Path(String),
    /// The same thing is described twice.
    #[error("the manifest describes {0} twice")]
    Twice(String),
    /// Rows of a table that the schema doesn't have, or a table that is neither archived nor left out.
    #[error("the manifest's schema and contents disagree about {0}")]
    Schema(String),
    /// A sum or digest is not what its parts give.
    #[error("the manifest's {what} of {of} is not what its parts give")]
    Sum {
        /// Which figure.
        what: &'static str,
        /// Of what.
        of: String,
    },
    /// File sets without an index, or an index without file sets.
    #[error("the manifest's file sets and files index do not fit together")]
    FilesIndex,
    /// What it says about credentials doesn't fit what it says that it is: left out of an archive that is not
    /// standard, listed in one that is not sensitive, or not listed in one that is.
    #[error("the manifest contradicts itself about credentials")]
    Contents,
    /// A selection names what the archive doesn't hold.
    #[error("the archive holds no {name}")]
    NotInArchive {
        /// What was asked for.
        name: String,
    },
}

impl ManifestError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "json",
            Self::NotCoffer => "not_coffer",
            Self::Version { .. } => "version",
            Self::Time(_) => "time",
            Self::Path(_) => "path",
            Self::Twice(_) => "twice",
            Self::Schema(_) => "schema",
            Self::Sum { .. } => "sum",
            Self::FilesIndex => "files_index",
            Self::Contents => "contents",
            Self::NotInArchive { .. } => "not_in_archive",
        }
    }
}

pub(super) fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    if manifest.format_version != FORMAT_VERSION {
        return Err(ManifestError::Version {
            found: manifest.format_version,
        });
    }
    if !is_utc_time(&manifest.created_at) {
        return Err(ManifestError::Time(manifest.created_at.clone()));
    }
    if manifest.schema.hash() != manifest.schema_sha256 {
        return Err(ManifestError::Sum {
            what: "hash",
            of: "the schema".to_string(),
        });
    }
    check_schema(manifest)?;
    let mut paths = BTreeSet::new();
    for table in &manifest.tables {
        check_table(table)?;
        for index in 0..table.parts.len() {
            let path = table.part_path(index);
            if name::check(&path).is_err() || !paths.insert(name::fold(&path)) {
                return Err(ManifestError::Path(path));
            }
        }
    }
    let mut sets = BTreeSet::new();
    for set in &manifest.file_sets {
        if name::check(&format!("files/{}/x", set.name)).is_err() || set.name.contains('/') {
            return Err(ManifestError::Path(set.name.clone()));
        }
        if !sets.insert(name::fold(&set.name)) {
            return Err(ManifestError::Twice(format!("file set {}", set.name)));
        }
    }
    if manifest.file_sets.is_empty() != manifest.files_index.is_none() {
        return Err(ManifestError::FilesIndex);
    }
    let says_credential = manifest.left_out.iter().any(|left_out| {
        matches!(
            left_out,
            LeftOut::Column {
                reason: super::LeftOutReason::Credential,
                ..
            } | LeftOut::Table {
                reason: super::LeftOutReason::Credential,
                ..
            } | LeftOut::Rows {
                reason: super::LeftOutReason::Credential,
                ..
            }
        )
    });
    if says_credential && manifest.contents != Contents::Standard {
        return Err(ManifestError::Contents);
    }
    if manifest.credentials.is_some() != (manifest.contents == Contents::Sensitive) {
        return Err(ManifestError::Contents);
    }
    check_credentials(manifest)?;
    check_app_secrets(manifest)
}

/// Each mark is about columns that are in the archive, and is there once.
fn check_app_secrets(manifest: &Manifest) -> Result<(), ManifestError> {
    let mut seen = BTreeSet::new();
    for mark in &manifest.app_secrets {
        let name = format!("the secret {}", mark.variable);
        let is_there = |column: &SecretColumn| {
            let shape = manifest.schema.table(&column.table);
            manifest.table(&column.table).is_some()
                && shape.is_some_and(|table| {
                    table
                        .stored_columns()
                        .any(|stored| stored.name == column.column)
                })
        };
        let opened = mark.unwrapped && mark.form == AppSecretForm::Opaque;
        if mark.columns.is_empty() || opened || !mark.columns.iter().all(is_there) {
            return Err(ManifestError::Schema(name));
        }
        if !seen.insert(&mark.variable) {
            return Err(ManifestError::Twice(name));
        }
    }
    Ok(())
}

/// Each rule can be applied: its columns are in the archive, and can hold what it says; and none is there twice.
fn check_credentials(manifest: &Manifest) -> Result<(), ManifestError> {
    let rules = manifest.credentials.as_deref().unwrap_or_default();
    for (index, rule) in rules.iter().enumerate() {
        let column = format!("the credential {}.{}", rule.table, rule.column);
        let shape = manifest.schema.table(&rule.table);
        let applies = manifest.table(&rule.table).is_some()
            && shape.is_some_and(|table| can_apply(rule, table));
        if !applies {
            return Err(ManifestError::Schema(column));
        }
        if rules
            .iter()
            .take(index)
            .any(|other| other.is_for_same(rule))
        {
            return Err(ManifestError::Twice(column));
        }
    }
    Ok(())
}

fn can_apply(rule: &CredentialColumn, table: &Table) -> bool {
    let find = |name: &String| table.stored_columns().find(|column| column.name == *name);
    let small = |text: &String| text.len() <= MAX_PLACEHOLDER_BYTES;
    let fits = find(&rule.column).is_some_and(|column| match rule.replacement() {
        Replacement::Null => column.nullable || !rule.path.is_empty(),
        Replacement::Fixed(_) | Replacement::Random(_) | Replacement::OmitRow => true,
    });
    let given = |value: &Given| match value {
        Given::Scalar(Scalar::Text(text)) => small(text),
        Given::Scalar(_) | Given::Special(_) => true,
    };
    fits && rule.placeholder.as_ref().is_none_or(small)
        && rule
            .random
            .as_ref()
            .is_none_or(|random| small(&random.prefix))
        && rule.condition.keys().all(|name| find(name).is_some())
        && rule
            .also_set
            .iter()
            .all(|(name, value)| find(name).is_some() && given(value))
}

fn check_schema(manifest: &Manifest) -> Result<(), ManifestError> {
    let mut known = BTreeSet::new();
    for table in &manifest.schema.tables {
        if !known.insert(&table.name) {
            return Err(ManifestError::Twice(format!("table {}", table.name)));
        }
        let mut columns = BTreeSet::new();
        if !table
            .columns
            .iter()
            .all(|column| columns.insert(&column.name))
        {
            return Err(ManifestError::Twice(format!("a column of {}", table.name)));
        }
        let mut key_columns = table
            .primary_key
            .iter()
            .chain(table.unique.iter().flatten())
            .chain(table.foreign_keys.iter().flat_map(|key| &key.columns));
        if !key_columns.all(|column| columns.contains(column)) {
            return Err(ManifestError::Schema(format!("the keys of {}", table.name)));
        }
    }
    let mut accounted = BTreeSet::new();
    for table in &manifest.tables {
        if !known.contains(&table.table) {
            return Err(ManifestError::Schema(format!("table {}", table.table)));
        }
        if !accounted.insert(&table.table) {
            return Err(ManifestError::Twice(format!("table {}", table.table)));
        }
    }
    for left_out in &manifest.left_out {
        if let LeftOut::Table { table, .. } = left_out
            && !accounted.insert(table)
        {
            return Err(ManifestError::Twice(format!("table {table}")));
        }
    }
    match known.into_iter().find(|table| !accounted.contains(table)) {
        Some(table) => Err(ManifestError::Schema(format!("table {table}"))),
        None => Ok(()),
    }
}

fn check_table(table: &TableData) -> Result<(), ManifestError> {
    let wrong = |what| ManifestError::Sum {
        what,
        of: format!("table {}", table.table),
    };
    let sum = |pick: fn(&super::PartData) -> u64| {
        table
            .parts
            .iter()
            .try_fold(0_u64, |sum, part| sum.checked_add(pick(part)))
    };
    if sum(|part| part.rows) != Some(table.rows) {
        return Err(wrong("row count"));
    }
    if sum(|part| part.bytes) != Some(table.bytes) {
        return Err(wrong("size"));
    }
    if TableData::digest_of(&table.parts) != table.digest {
        return Err(wrong("digest"));
    }
    if table.parts.iter().any(|part| part.rows == 0)
        || (table.parts.is_empty() && table.row_set != RowSet::new())
    {
        return Err(wrong("row set"));
    }
    Ok(())
}

/// `YYYY-MM-DDTHH:MM:SSZ` with every figure in range.
fn is_utc_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = b"0000-00-00T00:00:00Z";
    let shaped = bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, want)| match want {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        });
    let in_range = |at: usize, low: u8, high: u8| {
        text.get(at..at + 2)
            .and_then(|digits| digits.parse::<u8>().ok())
            .is_some_and(|value| (low..=high).contains(&value))
    };
    shaped
        && in_range(5, 1, 12)
        && in_range(8, 1, 31)
        && in_range(11, 0, 23)
        && in_range(14, 0, 59)
        && in_range(17, 0, 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::{
        manifest::{CredentialColumn, LeftOutReason, PartData, Product, Selection},
        schema::{Column, Engine, Schema, Table, TableName},
    };
    use alloc::{vec, vec::Vec};

    fn table(name: &str) -> Table {
        Table {
            name: TableName::new("public", name),
            columns: vec![Column {
                name: "id".into(),
                type_name: "integer".into(),
                nullable: false,
                default: None,
                generated: false,
                identity: false,
            }],
            primary_key: vec!["id".into()],
            unique: vec![],
            foreign_keys: vec![],
        }
    }

    fn rows(name: &str, parts: Vec<PartData>) -> TableData {
        TableData {
            table: TableName::new("public", name),
            path: format!("tables/public.{name}"),
            rows: parts.iter().map(|part| part.rows).sum(),
            bytes: parts.iter().map(|part| part.bytes).sum(),
            digest: TableData::digest_of(&parts),
            row_set: RowSet::new(),
            parts,
        }
    }

    fn manifest() -> Manifest {
        let schema = Schema {
            tables: vec![table("a"), table("b")],
        };
        Manifest {
            format_version: FORMAT_VERSION,
            tool: Product {
                name: "coffer".into(),
                version: Some("0.1.0".into()),
            },
            app: Product {
                name: "demo".into(),
                version: None,
            },
            engine: Engine::Postgres,
            engine_version: "15.1".into(),
            created_at: "2026-11-21T04:05:06Z".into(),
            contents: Contents::Standard,
            credentials: None,
            app_secrets: alloc::vec![],
            migration: None,
            schema_sha256: schema.hash(),
            schema,
            tables: vec![
                rows(
                    "a",
                    vec![PartData {
                        rows: 2,
                        bytes: 9,
                        sha256: Digest::of(b"x"),
                    }],
                ),
                rows("b", vec![]),
            ],
            sequences: vec![],
            file_sets: vec![],
            files_index: None,
            left_out: vec![],
            notices: vec![],
        }
    }

    /// Makes a manifest sensitive, with these columns as its credentials.
    fn credentials(manifest: &mut Manifest, columns: &[(&str, &str, Option<&str>)]) {
        manifest.contents = Contents::Sensitive;
        let rules = columns.iter().map(|(table, column, placeholder)| {
            CredentialColumn::new(
                TableName::new("public", *table),
                (*column).into(),
                placeholder.map(Into::into),
            )
        });
        manifest.credentials = Some(rules.collect());
    }

    #[test]
    fn what_is_written_is_read() {
        let mut manifest = manifest();
        for sensitive in [false, true] {
            if sensitive {
                credentials(&mut manifest, &[("a", "id", Some("0"))]);
            }
            let json = manifest.to_json().unwrap();
            assert_eq!(Manifest::parse(&json).as_ref(), Ok(&manifest));
        }
    }

    #[test]
    fn every_contradiction_is_named() {
        type Change = fn(&mut Manifest);
        let cases: &[(Change, ManifestError)] = &[
            (
                |m| m.format_version = 2,
                ManifestError::Version { found: 2 },
            ),
            (
                |m| m.created_at = "yesterday".into(),
                ManifestError::Time("yesterday".into()),
            ),
            (
                |m| m.created_at = "2026-13-01T00:00:00Z".into(),
                ManifestError::Time("2026-13-01T00:00:00Z".into()),
            ),
            (
                |m| m.schema_sha256 = Digest([0; 32]),
                ManifestError::Sum {
                    what: "hash",
                    of: "the schema".into(),
                },
            ),
            (
                |m| m.tables[0].rows = 3,
                ManifestError::Sum {
                    what: "row count",
                    of: "table public.a".into(),
                },
            ),
            (
                |m| m.tables[0].bytes = 3,
                ManifestError::Sum {
                    what: "size",
                    of: "table public.a".into(),
                },
            ),
            (
                |m| m.tables[0].digest = Digest([0; 32]),
                ManifestError::Sum {
                    what: "digest",
                    of: "table public.a".into(),
                },
            ),
            (
                |m| drop(m.tables.pop()),
                ManifestError::Schema("table public.b".into()),
            ),
            (
                |m| m.tables[1] = m.tables[0].clone(),
                ManifestError::Twice("table public.a".into()),
            ),
            (
                |m| m.tables[0].path = "tables/../x".into(),
                ManifestError::Path("tables/../x/000001.tsv".into()),
            ),
            (
                |m| {
                    m.file_sets.push(super::super::FileSet {
                        name: "u".into(),
                        files: 0,
                        bytes: 0,
                        transform: None,
                    })
                },
                ManifestError::FilesIndex,
            ),
            (
                |m| {
                    m.contents = Contents::Sensitive;
                    m.credentials = Some(vec![]);
                    m.left_out.push(LeftOut::Column {
                        table: TableName::new("public", "a"),
                        column: "id".into(),
                        reason: LeftOutReason::Credential,
                        placeholder: None,
                    });
                },
                ManifestError::Contents,
            ),
            (
                |m| m.contents = Contents::Sensitive,
                ManifestError::Contents,
            ),
            (|m| m.credentials = Some(vec![]), ManifestError::Contents),
            (
                |m| credentials(m, &[("a", "id", Some("0")), ("a", "id", Some("1"))]),
                ManifestError::Twice("the credential public.a.id".into()),
            ),
            (
                |m| credentials(m, &[("a", "id", None)]),
                ManifestError::Schema("the credential public.a.id".into()),
            ),
            (
                |m| {
                    let long = "x".repeat(MAX_PLACEHOLDER_BYTES + 1);
                    credentials(m, &[("a", "id", Some(&long))])
                },
                ManifestError::Schema("the credential public.a.id".into()),
            ),
            (
                |m| credentials(m, &[("a", "key", Some("0"))]),
                ManifestError::Schema("the credential public.a.key".into()),
            ),
            (
                |m| credentials(m, &[("c", "id", Some("0"))]),
                ManifestError::Schema("the credential public.c.id".into()),
            ),
        ];
        for (change, error) in cases {
            let mut changed = manifest();
            change(&mut changed);
            assert_eq!(changed.to_json().as_ref(), Err(error));
            let json = serde_json::to_vec(&changed).unwrap();
            assert_eq!(Manifest::parse(&json).as_ref(), Err(error));
        }
    }

    #[test]
    fn other_json_is_told_apart() {
        assert_eq!(
            Manifest::parse(br#"{"version":"1.0"}"#),
            Err(ManifestError::NotCoffer)
        );
        assert!(matches!(
            Manifest::parse(b"PK"),
            Err(ManifestError::Json(_))
        ));
        let mut json = serde_json::to_value(manifest()).unwrap();
        json["surprise"] = true.into();
        assert!(matches!(
            Manifest::parse(&serde_json::to_vec(&json).unwrap()),
            Err(ManifestError::Json(_))
        ));
    }

    #[test]
    fn a_selection_lists_the_rest_as_left_out() {
        let a = TableName::new("public", "a");
        let selection = Selection {
            tables: Some(vec![a.clone()]),
            file_sets: None,
            ..Selection::ALL
        };
        let selected = manifest().select(&selection).unwrap();
        assert_eq!(selected.tables.len(), 1);
        assert_eq!(selected.left_out.len(), 1);
        assert!(selected.to_json().is_ok());
        let mut sensitive = manifest();
        credentials(
            &mut sensitive,
            &[("a", "id", Some("0")), ("b", "id", Some("0"))],
        );
        let selected = sensitive.select(&selection).unwrap();
        assert_eq!(selected.credentials.as_ref().map(Vec::len), Some(1));
        assert!(selected.to_json().is_ok());
        let unknown = Selection {
            tables: Some(vec![TableName::new("public", "c")]),
            file_sets: None,
            ..Selection::ALL
        };
        assert!(matches!(
            manifest().select(&unknown),
            Err(ManifestError::NotInArchive { .. })
        ));
    }
}
