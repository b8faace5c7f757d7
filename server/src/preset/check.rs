//! `coffer preset check`: a preset held against a database.

use std::fmt;

use coffer_core::{
    policy::ForeignKeyClass,
    schema::{Engine, Schema},
};
use serde::Serialize;

use super::{PresetText, Wrong};

/// What a preset says of a database, and what it doesn't.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The file, or the name of a preset that comes with the program.
    pub preset: String,
    /// The application.
    pub app: String,
    /// Whether a database was looked at.
    pub against_database: bool,
    /// Rules that name what isn't there, or can't be applied.
    pub errors: Vec<Wrong>,
    /// Tables that no rule leaves out or describes.
    pub unclassified_tables: Vec<String>,
    /// Foreign keys that no rule is for, with the class that they have then.
    pub unclassified_foreign_keys: Vec<Unruled>,
    /// Columns that look like credentials, and that no rule says anything about.
    pub suspicious_columns: Vec<String>,
    /// Tables of the database.
    pub tables: usize,
    /// Foreign keys of the database.
    pub foreign_keys: usize,
}

/// A foreign key that no rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unruled {
    /// The table.
    pub table: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// What they refer to.
    pub references: String,
    /// The class that it has without a rule.
    pub class: ForeignKeyClass,
}

impl Report {
    /// Whether anything keeps the preset from being used.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether a strict check finds anything: what is unclassified counts too.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.is_wrong()
            || !self.unclassified_tables.is_empty()
            || !self.unclassified_foreign_keys.is_empty()
            || !self.suspicious_columns.is_empty()
    }
}

/// Holds a preset against a database, or only against itself.
#[must_use]
pub fn check(preset: &PresetText, database: Option<(Engine, &Schema)>) -> Report {
    let mut report = Report {
        preset: preset.name.clone(),
        app: preset.preset.app.clone(),
        against_database: database.is_some(),
        errors: Vec::new(),
        unclassified_tables: Vec::new(),
        unclassified_foreign_keys: Vec::new(),
        suspicious_columns: Vec::new(),
        tables: 0,
        foreign_keys: 0,
    };
    let Some((engine, schema)) = database else {
        return report;
    };
    report.errors = preset.check_for(engine, schema);
    report.tables = schema.tables.len();
    let keys = schema.tables.iter().map(|table| table.foreign_keys.len());
    report.foreign_keys = keys.sum();
    let unclassified = preset.preset.unclassified(schema);
    let tables = unclassified.tables.iter();
    report.unclassified_tables = tables.map(ToString::to_string).collect();
    let keys = unclassified.foreign_keys.into_iter();
    report.unclassified_foreign_keys = keys
        .map(|(table, key, class)| Unruled {
            table: table.to_string(),
            columns: key.columns,
            references: key.references.to_string(),
            class,
        })
        .collect();
    let columns = unclassified.suspicious.iter();
    report.suspicious_columns = columns
        .map(|(table, column)| format!("{table}.{column}"))
        .collect();
    report
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for wrong in &self.errors {
            writeln!(f, "{wrong}")?;
        }
        for column in &self.suspicious_columns {
            writeln!(
                f,
                "{column} looks like a credential: add a [[credential]] rule for it, or name it in not_credential"
            )?;
        }
        for table in &self.unclassified_tables {
            writeln!(
                f,
                "{table} is not classified: add a [[table]] rule with its identity, or a [[leave_out]] rule with the reason"
            )?;
        }
        for key in &self.unclassified_foreign_keys {
            writeln!(
                f,
                "the foreign key of {} ({}) to {} has no rule; without one it is {}",
                key.table,
                key.columns.join(", "),
                key.references,
                class_name(key.class),
            )?;
        }
        match (self.against_database, self.is_incomplete()) {
            (false, _) => writeln!(
                f,
                "the preset {} for {} can be read; give --source to hold it against a database",
                self.preset, self.app
            ),
            (true, false) => writeln!(
                f,
                "the preset {} for {} fits: all {} tables and {} foreign keys are classified",
                self.preset, self.app, self.tables, self.foreign_keys
            ),
            (true, true) => Ok(()),
        }
    }
}

/// A class as presets write it.
pub(super) const fn class_name(class: ForeignKeyClass) -> &'static str {
    match class {
        ForeignKeyClass::Ownership => "ownership",
        ForeignKeyClass::Required => "required",
        ForeignKeyClass::Enrichment => "enrichment",
        ForeignKeyClass::Deferred => "deferred",
    }
}
