//! `coffer preset init`: a first draft of a preset, from a database's shape. Everything that is guessed is marked by a comment,
//! for somebody who knows the application to decide.

use std::fmt::Write;

use coffer_core::{
    manifest::LeftOutReason,
    policy::{looks_like_credential, usual_class},
    schema::{Column, Engine, Schema, Table},
};

use super::check::class_name;

/// Words in names of tables whose rows lose their meaning with time.
const TRANSIENT: [&str; 8] = [
    "session",
    "lock",
    "queue",
    "outbox",
    "cache",
    "idempotency",
    "rate_limit",
    "tmp",
];
/// Words in names of tables that are made from others.
const DERIVED: [&str; 5] = [
    "search_index",
    "search_word",
    "embedding",
    "fts",
    "thumbnail",
];

/// The draft for an application of this name.
#[must_use]
pub fn draft(app: &str, engine: Engine, schema: &Schema) -> String {
    let mut out = String::new();
    // Writing to memory can't fail.
    let _ = write(app, engine, schema, &mut out);
    out
}

fn write(app: &str, engine: Engine, schema: &Schema, out: &mut String) -> std::fmt::Result {
    let engine = match engine {
        Engine::Postgres => "postgres",
        Engine::Sqlite => "sqlite",
    };
    writeln!(
        out,
        "# A first draft, made from the shape of a database. Lines with \"guess\" were guessed from names and types: look at\n\
         # each, then check the result with `coffer preset check FILE --source URL --strict`.\n\n\
         app = {}\nengine = {}\n\
         # version_query = \"SELECT value FROM settings WHERE key = 'version'\"",
        quoted(app),
        quoted(engine)
    )?;
    let left_out: Vec<(&Table, LeftOutReason)> = schema
        .tables
        .iter()
        .filter_map(|table| Some((table, guessed_reason(&table.name.name)?)))
        .collect();
    for (table, reason) in &left_out {
        let reason = match reason {
            LeftOutReason::Derived => "derived",
            _ => "transient",
        };
        writeln!(
            out,
            "\n# guess, from the table's name\n[[leave_out]]\ntable = {}\nreason = \"{reason}\"",
            named(table, schema)
        )?;
    }
    let kept: Vec<&Table> = schema
        .tables
        .iter()
        .filter(|table| !left_out.iter().any(|(other, _)| other.name == table.name))
        .collect();
    for table in &kept {
        for column in table
            .stored_columns()
            .filter(|column| looks_like_credential(&column.name))
        {
            credential(table, column, schema, out)?;
        }
    }
    for table in &kept {
        identity(table, schema, out)?;
    }
    for table in &kept {
        for key in &table.foreign_keys {
            let columns: Vec<String> = key.columns.iter().map(|column| quoted(column)).collect();
            writeln!(
                out,
                "\n# guess, from what may be NULL; refers to {}\n[[foreign_key]]\ntable = {}\ncolumns = [{}]\nclass = \"{}\"",
                one_line(&key.references.to_string()),
                named(table, schema),
                columns.join(", "),
                class_name(usual_class(table, key)),
            )?;
        }
    }
    Ok(())
}

fn guessed_reason(name: &str) -> Option<LeftOutReason> {
    let lower = name.to_ascii_lowercase();
    if TRANSIENT.iter().any(|word| lower.contains(word)) {
        Some(LeftOutReason::Transient)
    } else if DERIVED.iter().any(|word| lower.contains(word)) {
        Some(LeftOutReason::Derived)
    } else {
        None
    }
}

fn credential(
    table: &Table,
    column: &Column,
    schema: &Schema,
    out: &mut String,
) -> std::fmt::Result {
    writeln!(
        out,
        "\n# guess, from the column's name\n[[credential]]\ntable = {}\ncolumn = {}",
        named(table, schema),
        quoted(&column.name)
    )?;
    if column.nullable {
        return Ok(());
    }
    let keys = std::iter::once(&table.primary_key).chain(&table.unique);
    let is_key = keys.into_iter().any(|key| key.contains(&column.name));
    if is_key {
        writeln!(
            out,
            "# It cannot be NULL, and is part of a unique key.\nomit_rows = true"
        )
    } else if is_text(column) {
        writeln!(out, "# It cannot be NULL.\nplaceholder = \"!\"")
    } else {
        writeln!(
            out,
            "# It cannot be NULL, and is of type {}: rows are left out until a placeholder is given.\nomit_rows = true",
            one_line(&column.type_name)
        )
    }
}

fn is_text(column: &Column) -> bool {
    let name = column.type_name.to_ascii_lowercase();
    name == "text" || name.starts_with("character varying") || name.starts_with("varchar")
}

fn identity(table: &Table, schema: &Schema, out: &mut String) -> std::fmt::Result {
    // A key of something else than a number that was given out here says which row it is in another installation too.
    let is_surrogate = |key: &[String]| {
        let columns = || {
            table
                .columns
                .iter()
                .filter(|column| key.contains(&column.name))
        };
        key.len() == 1
            && columns().all(|column| {
                column.identity || column.type_name.to_ascii_lowercase().contains("int")
            })
    };
    let natural = table
        .unique
        .iter()
        .chain(std::iter::once(&table.primary_key));
    let natural: Vec<String> = natural
        .filter(|key| !key.is_empty() && !is_surrogate(key))
        .map(|key| {
            let columns: Vec<String> = key.iter().map(|column| quoted(column)).collect();
            format!("{{ columns = [{}] }}", columns.join(", "))
        })
        .collect();
    let why = if natural.is_empty() {
        "guess: no key says which row it is in another installation, so rows are never recognised there"
    } else {
        "guess, from the unique keys"
    };
    writeln!(
        out,
        "\n# {why}\n[[table]]\ntable = {}\nidentity = [{}]",
        named(table, schema),
        natural.join(", ")
    )
}

/// The table's name, with its schema if another one has a table of this name too.
fn named(table: &Table, schema: &Schema) -> String {
    let mut same = schema
        .tables
        .iter()
        .filter(|other| other.name.name == table.name.name);
    if same.nth(1).is_some() {
        quoted(&table.name.to_string())
    } else {
        quoted(&table.name.name)
    }
}

/// Text as a TOML string, whatever is in it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Text for a comment: names can hold line feeds.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
