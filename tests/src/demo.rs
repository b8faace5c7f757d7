//! The demo application of a test's server, compared before and after.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use coffer_core::Digest;
use rusqlite::{Connection, types::ValueRef};

/// Rows by table, each as text that tells every storage class apart, sorted.
pub type Dump = BTreeMap<String, Vec<String>>;

/// The demo's database.
#[must_use]
pub fn database(data: &Path) -> PathBuf {
    data.join("demo/helpdesk.sqlite")
}

/// The demo's uploaded files.
#[must_use]
pub fn uploads(data: &Path) -> PathBuf {
    data.join("demo/uploads")
}

/// All rows of all tables.
#[must_use]
pub fn dump(database: &Path) -> Dump {
    let connection = Connection::open(database).unwrap();
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let names: Vec<String> = tables
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    names
        .into_iter()
        .map(|name| {
            let mut query = connection
                .prepare(&format!("SELECT * FROM \"{name}\""))
                .unwrap();
            let width = query.column_count();
            let mut rows = query.query([]).unwrap();
            let mut dump = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                let values: Vec<String> = (0..width)
                    .map(|column| text(row.get_ref(column).unwrap()))
                    .collect();
                dump.push(values.join("\t"));
            }
            dump.sort();
            (name, dump)
        })
        .collect()
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(value) => format!("i{value}"),
        ValueRef::Real(value) => format!("r{value:?}"),
        ValueRef::Text(value) => format!("t{:?}", String::from_utf8_lossy(value)),
        ValueRef::Blob(value) => format!("b{}", Digest::of(value)),
    }
}

/// Runs SQL.
pub fn execute(database: &Path, sql: &str) {
    Connection::open(database)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

/// The digest of every file below a folder, by its path.
#[must_use]
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Digest> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let digest = Digest::of(&fs::read(&path).unwrap());
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), digest);
            }
        }
    }
    found
}
