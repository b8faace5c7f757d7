//! The rows that name files, and what they name once it is decided where the files go.

use coffer_core::{
    merge::{MergeTable, Part, Standing},
    plan::Mode,
    schema::ColumnName,
};

use super::{
    Merge,
    sql::{Sql, unknown},
};
use crate::engine::{EngineError, NamedFile, NamedFiles, sql};

/// Rows that are given other values at once.
const BATCH: usize = 500;

impl Merge<'_, '_> {
    /// The rows that name files in a column.
    pub(super) async fn named_files(
        &mut self,
        column: &ColumnName,
    ) -> Result<NamedFiles, EngineError> {
        let mut found = NamedFiles::default();
        let index = self.sql.index_of(column);
        let Some(index) = index else {
            // No row of it is concerned.
            let all = format!(
                "SELECT {} FROM {}",
                self.sql.dialect.text(&sql::name(&column.column)),
                sql::table(&column.table)
            );
            let values = self.run.texts(&column.table, all, 1).await?;
            found.held = values.into_iter().flatten().flatten().collect();
            return Ok(found);
        };
        if let Some(query) = self.sql.archived_names(index, &column.column)? {
            for row in self.run.texts(&column.table, query, 5).await? {
                let [Some(number), Some(standing), Some(archived), after, before] = row.as_slice()
                else {
                    return Err(unknown());
                };
                found.archived.push(NamedFile {
                    row: number.parse().map_err(|_| unknown())?,
                    standing: match standing.as_str() {
                        "new" => Standing::New,
                        "changed" => Standing::Changed,
                        _ => Standing::Stays,
                    },
                    archived: archived.clone(),
                    after: after.clone(),
                    before: before.clone(),
                });
            }
        }
        let query = self.sql.own_names(index, &column.column)?;
        for row in self.run.texts(&column.table, query, 2).await? {
            let [Some(value), Some(stays)] = row.as_slice() else {
                continue;
            };
            let list = if stays == "1" {
                &mut found.held
            } else {
                &mut found.former
            };
            list.push(value.clone());
        }
        Ok(found)
    }

    /// Writes down the new values of a column that names files, and gives the place of table and column.
    pub(super) async fn rename_files(
        &mut self,
        column: &ColumnName,
        values: &[(i64, String)],
    ) -> Result<Option<(usize, usize)>, EngineError> {
        if values.is_empty() {
            return Ok(None);
        }
        let index = self.sql.index_of(column).ok_or_else(unknown)?;
        let own = self.sql.archived(index, &column.column);
        let own = own.ok_or_else(unknown)?;
        let table = self.table(index)?;
        let is_key = self.sql.referenced(index, &column.column).is_some()
            || table.primary_key.contains(&column.column)
            || table
                .links
                .iter()
                .any(|link| link.columns.contains(&column.column));
        if is_key {
            return Err(EngineError::PathInKey {
                table: column.table.clone(),
                column: column.column.clone(),
            });
        }
        let text = self.sql.dialect.cast("NULL", "text");
        let empty = format!(
            "SELECT n, {text} AS v FROM {} LIMIT 0",
            self.sql.own("m", index)
        );
        let kind = format!("f{own}_");
        self.make(index, &kind, empty).await?;
        let into = self.sql.own(&kind, index);
        for values in values.chunks(BATCH) {
            self.run.put(&column.table, &into, values).await?;
        }
        Ok(Some((index, own)))
    }
}

impl Sql<'_> {
    /// The index of the table that a column is of, if the table takes part.
    fn index_of(&self, column: &ColumnName) -> Option<usize> {
        let mut tables = self.program.tables.iter();
        tables.position(|table| table.table == column.table)
    }

    /// Whether matched rows take the archive's file: not where a table is merely filled in.
    fn takes_files(&self, table: &MergeTable, column: &str) -> bool {
        self.updates(table) && table.may_change(column)
    }

    /// The archive's rows that have a value in a column: number, standing, value, value afterwards, the target's own.
    fn archived_names(&self, index: usize, column: &str) -> Result<Option<String>, EngineError> {
        let table = self.table(index)?;
        let (Part::Merge, Some(own)) = (table.part, self.archived(index, column)) else {
            return Ok(None);
        };
        let (Some(inserted), false) = (
            self.inserted(index, column)?,
            table.on_insert.contains_key(column),
        ) else {
            return Ok(None);
        };
        let null = self.dialect.cast("NULL", "text");
        let mut standing = "WHEN m.fate = 1 THEN 'new'".to_owned();
        let mut after = format!("WHEN m.fate = 1 THEN {}", self.dialect.text(&inserted));
        let mut before = null;
        let mut joins = String::new();
        if self.takes_files(table, column) {
            let own_value = self.dialect.text(&format!("t.{}", sql::name(column)));
            // Where only what is empty is filled in, a row that has a file keeps it.
            let only_empty = if self.program.mode == Mode::Skip {
                format!(" AND coalesce({own_value}, '') = ''")
            } else {
                String::new()
            };
            standing.push_str(&format!(" WHEN m.up = 1{only_empty} THEN 'changed'"));
            after.push_str(&format!(
                " WHEN m.up = 1 THEN {}",
                self.dialect.text(&self.updated(index, column)?)
            ));
            before = format!("CASE WHEN m.up = 1 THEN {own_value} END");
            joins = format!(
                " LEFT JOIN {} l ON l.id = m.lid LEFT JOIN {} t ON {}",
                self.own("l", index),
                self.place(index)?.rows,
                self.lies(index)?
            );
        }
        Ok(Some(format!(
            "SELECT {}, CASE {standing} ELSE 'stays' END, {}, CASE {after} END, {before} FROM {} m JOIN {} s ON s.n = m.n{}{}{joins} WHERE s.c{own} IS NOT NULL",
            self.dialect.text("m.n"),
            self.dialect.text(&format!("s.c{own}")),
            self.own("m", index),
            self.own("s", index),
            self.late_joins(index)?,
            self.exchanged_joins(index)?,
        )))
    }

    /// The target's rows that have a value in a column, and whether they stay as they are.
    fn own_names(&self, index: usize, column: &str) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut leaves = Vec::new();
        if self.program.mode != Mode::Skip {
            leaves.push(format!("l.id IN (SELECT id FROM {})", self.own("x", index)));
        }
        if self.takes_files(table, column) {
            leaves.push(format!(
                "l.id IN (SELECT lid FROM {} WHERE up = 1)",
                self.own("m", index)
            ));
        }
        let stays = if leaves.is_empty() {
            "'1'".to_owned()
        } else {
            format!("CASE WHEN {} THEN '0' ELSE '1' END", leaves.join(" OR "))
        };
        let value = format!("t.{}", sql::name(column));
        Ok(format!(
            "SELECT {}, {stays} FROM {} l JOIN {} t ON {} WHERE {value} IS NOT NULL",
            self.dialect.text(&value),
            self.own("l", index),
            self.place(index)?.rows,
            self.lies(index)?
        ))
    }
}
