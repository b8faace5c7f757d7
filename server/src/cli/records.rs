//! Single records, as somebody names them.

use std::collections::BTreeMap;

use coffer_core::{manifest::Record, schema::Table};

use super::{Failure, source};
use crate::read::OpenArchive;

#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct RecordArgs {
    /// Restore only this record, with all that belongs to it and the files that it names; may be repeated. It is known by its
    /// primary key, a unique key or an identity of the preset.
    #[arg(
        long = "record",
        value_name = "TABLE:COLUMN=VALUE[,…]",
        conflicts_with = "tables"
    )]
    records: Vec<String>,
}

impl RecordArgs {
    /// Whether none is named.
    pub(super) const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records of an archive that are named.
    pub(super) fn of_archive(&self, archive: &OpenArchive) -> Result<Vec<Record>, Failure> {
        let records = self.records.iter();
        records.map(|text| record(text, archive)).collect()
    }
}

/// The record of an archive that a text names.
pub(super) fn record(text: &str, archive: &OpenArchive) -> Result<Record, Failure> {
    let misspelt = || {
        Failure::usage(format!(
            "{text} names no record; write TABLE:COLUMN=VALUE, such as tickets:id=42; nothing was changed"
        ))
    };
    let (table, key) = text.split_once(':').ok_or_else(misspelt)?;
    let table = source::table(table, archive)?;
    let shape = archive.manifest.schema.table(&table).ok_or_else(misspelt)?;
    let key = pairs(key, shape).ok_or_else(misspelt)?;
    Ok(Record { table, key })
}

/// Columns with their values. A comma parts two columns only where the name of one follows, since values may have commas.
fn pairs(text: &str, table: &Table) -> Option<BTreeMap<String, String>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for piece in text.split(',') {
        let named = piece.split_once('=').filter(|(column, _)| {
            pairs.is_empty() || table.columns.iter().any(|own| own.name == *column)
        });
        match (named, pairs.last_mut()) {
            (Some((column, value)), _) => pairs.push((column.to_owned(), value.to_owned())),
            (None, Some((_, value))) => {
                value.push(',');
                value.push_str(piece);
            }
            (None, None) => return None,
        }
    }
    let count = pairs.len();
    let pairs: BTreeMap<String, String> = pairs.into_iter().collect();
    (pairs.len() == count).then_some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_core::schema::{Column, TableName};

    fn table() -> Table {
        let column = |name: &str| Column {
            name: name.into(),
            type_name: "text".into(),
            nullable: true,
            default: None,
            generated: false,
            identity: false,
        };
        Table {
            name: TableName::new("main", "tickets"),
            columns: ["id", "subject", "created_at"].map(column).into(),
            primary_key: Vec::new(),
            unique: Vec::new(),
            foreign_keys: Vec::new(),
        }
    }

    #[test]
    fn values_may_have_commas_and_equal_signs() {
        let read =
            |text: &str| pairs(text, &table()).map(|pairs| pairs.into_iter().collect::<Vec<_>>());
        let pair = |column: &str, value: &str| (column.to_owned(), value.to_owned());
        assert_eq!(read("id=42"), Some(vec![pair("id", "42")]));
        assert_eq!(
            read("subject=a, b=c,created_at=x=1"),
            Some(vec![pair("created_at", "x=1"), pair("subject", "a, b=c")])
        );
        // A column that there is not is for core to name.
        assert_eq!(read("nothing=1"), Some(vec![pair("nothing", "1")]));
        assert_eq!(read("subject="), Some(vec![pair("subject", "")]));
        for wrong in ["", "42", "id=1,id=2"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
