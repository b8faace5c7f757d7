//! Identities and unique keys as texts, and the lists of rows that have them.

use coffer_core::{
    merge::{Alternative, Class, Part, When},
    plan::Mode,
};

use super::{
    fate,
    sql::{Dialect, Sql, unknown},
};
use crate::engine::{EngineError, sql};

impl Sql<'_> {
    /// The value of a column of an archive's row, as far as it is known when rows are recognised: `x` is the row.
    pub(super) fn early(&self, index: usize, column: &str) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let own = self.archived(index, column).ok_or_else(unknown)?;
        Ok(if self.linked(table, false).contains(&column) {
            format!("x.r{own}")
        } else {
            format!("x.c{own}")
        })
    }

    /// What an alternative says of a row, as one text: NULL where it says nothing. `rows` is the table that has its columns.
    pub(super) fn identity(
        &self,
        rows: usize,
        alternative: &Alternative,
        value: &dyn Fn(&str) -> Result<String, EngineError>,
    ) -> Result<String, EngineError> {
        let mut values = Vec::new();
        let mut applies = Vec::new();
        for column in &alternative.columns {
            let plain = value(column)?;
            let type_name = self.type_of(rows, column)?;
            let normal = self
                .dialect
                .normalised(&plain, type_name, alternative.normalise);
            if !alternative.may_be_null.contains(column) {
                applies.push(format!("({plain}) IS NOT NULL"));
                if !alternative.empty_is_value {
                    applies.push(format!("{} <> ''", self.dialect.text(&normal)));
                }
            }
            values.push(normal);
        }
        if alternative.through.is_none() {
            for column in &alternative.owners {
                values.push(self.dialect.text(&value(column)?));
            }
        }
        Ok(format!(
            "CASE WHEN {} THEN {} END",
            applies.join(" AND "),
            self.dialect.as_one(&values)
        ))
    }

    /// A unique key as one text, NULL where it has no say.
    pub(super) fn unique(
        &self,
        index: usize,
        columns: &[String],
        value: &dyn Fn(&str) -> Result<String, EngineError>,
    ) -> Result<String, EngineError> {
        let mut values = Vec::new();
        let mut applies = Vec::new();
        for column in columns {
            let plain = value(column)?;
            applies.push(format!("({plain}) IS NOT NULL"));
            values.push(
                self.dialect
                    .normalised(&plain, self.type_of(index, column)?, None),
            );
        }
        Ok(format!(
            "CASE WHEN {} THEN {} END",
            applies.join(" AND "),
            self.dialect.as_one(&values)
        ))
    }

    /// Identities and unique keys of a row.
    pub(super) fn keys(
        &self,
        index: usize,
        value: &dyn Fn(&str) -> Result<String, EngineError>,
    ) -> Result<Vec<String>, EngineError> {
        let table = self.table(index)?;
        let mut keys = Vec::new();
        for (place, alternative) in table.identity.iter().enumerate() {
            let key = if alternative.through.is_some() {
                self.told_key(place, alternative, value)?
            } else {
                self.identity(index, alternative, value)?
            };
            keys.push(format!("{key} AS k{place}"));
        }
        if let Some(rest) = &table.rest {
            let values = rest
                .columns
                .iter()
                .map(|column| value(column))
                .collect::<Result<Vec<_>, _>>()?;
            keys.push(format!("{} AS kr", self.dialect.as_digest(&values)));
        }
        if table.part == Part::Merge {
            for (place, key) in table.unique.iter().enumerate() {
                keys.push(format!(
                    "{} AS q{place}",
                    self.unique(index, &key.columns, value)?
                ));
            }
        }
        Ok(keys)
    }

    /// The target's rows, numbered by their primary key.
    pub(super) fn listed(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let place = self.place(index)?;
        let order: Vec<String> = if table.primary_key.is_empty() {
            place.at.iter().map(|at| format!("x.{at}")).collect()
        } else {
            table
                .primary_key
                .iter()
                .map(|column| format!("x.{}", sql::name(column)))
                .collect()
        };
        // In which order they are only matters where several may be the same.
        let id = match (table.is_told_by_key(), self.dialect) {
            (false, _) => format!("row_number() OVER (ORDER BY {})", order.join(", ")),
            (true, Dialect::Postgres) => "row_number() OVER ()".into(),
            (true, Dialect::Sqlite) => match place.at.as_slice() {
                [rowid] if place.by_rowid => format!("x.{rowid}"),
                _ => format!("row_number() OVER (ORDER BY {})", order.join(", ")),
            },
        };
        let mut columns = vec![format!("{id} AS id")];
        for (number, at) in place.at.iter().enumerate() {
            columns.push(format!("x.{at} AS at{number}"));
        }
        for (number, column) in table.referenced.iter().enumerate() {
            columns.push(format!("x.{} AS t{number}", sql::name(column)));
        }
        if table.part != Part::Along {
            columns.extend(self.keys(index, &|column| Ok(format!("x.{}", sql::name(column))))?);
        }
        Ok(format!(
            "SELECT {} FROM {} x{}",
            columns.join(", "),
            place.rows,
            self.told_in_target(index)?
        ))
    }

    /// Only SQLite needs to be told what will be looked up; PostgreSQL joins whole tables anyway.
    fn index_on(&self, kind: &str, index: usize, columns: &[String]) -> Option<String> {
        (self.dialect == Dialect::Sqlite).then(|| {
            let name = columns.join("_").replace(", ", "_");
            format!(
                "CREATE INDEX temp.coffer_{kind}{index}_{name} ON coffer_{kind}{index} ({})",
                columns.join(", ")
            )
        })
    }

    pub(super) fn listed_indexes(&self, index: usize) -> Result<Vec<String>, EngineError> {
        let table = self.table(index)?;
        let mut wanted = Vec::new();
        if !table.is_told_by_key() {
            wanted.push("id".to_owned());
        }
        if table.part != Part::Along {
            wanted.extend((0..table.identity.len()).map(|place| format!("k{place}")));
            wanted.extend(table.rest.iter().map(|_| "kr".to_owned()));
        }
        Ok(wanted
            .into_iter()
            .filter_map(|column| self.index_on("l", index, &[column]))
            .collect())
    }

    pub(super) fn resolved_index(&self, index: usize) -> Option<String> {
        self.index_on("a", index, &["n".to_owned()])
    }

    pub(super) fn staged_index(&self, index: usize) -> Option<String> {
        self.index_on("s", index, &["n".to_owned()])
    }

    pub(super) fn mapped_indexes(&self, index: usize) -> Result<Vec<String>, EngineError> {
        let table = self.table(index)?;
        let mut wanted = vec!["n".to_owned()];
        wanted.extend((0..table.referenced.len()).map(|place| format!("o{place}")));
        Ok(wanted
            .into_iter()
            .filter_map(|column| self.index_on("m", index, &[column]))
            .collect())
    }

    /// The archive's rows with early links resolved. In rounds, those whose own parents are decided.
    pub(super) fn resolved_rows(
        &self,
        index: usize,
        round: i64,
        ready: Option<bool>,
    ) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut inner = vec!["s.*".to_owned()];
        for column in self.linked(table, false) {
            let own = self.archived(index, column).ok_or_else(unknown)?;
            inner.push(format!(
                "{} AS r{own}",
                self.resolved(index, column, false)?
            ));
        }
        inner.push(format!("{} AS st", self.standing(index)?));
        inner.push(format!("{} AS cp", self.is_carried(index)?));
        inner.push(format!("{} AS e", self.cleared(index, false)?));
        let mut outer = vec![format!("x.n, {round} AS rd, x.st, x.cp, x.e")];
        if self.chooses() {
            outer.push("x.pick".into());
        }
        for (number, column) in table.referenced.iter().enumerate() {
            let own = self.archived(index, column).ok_or_else(unknown)?;
            outer.push(format!("x.c{own} AS o{number}"));
        }
        for column in self.linked(table, false) {
            let own = self.archived(index, column).ok_or_else(unknown)?;
            outer.push(format!("x.r{own}"));
        }
        outer.extend(self.keys(index, &|column| self.early(index, column))?);
        // What a new row is named by, where that is no number.
        for (number, column) in table.referenced.iter().enumerate() {
            outer.push(format!("{} AS w{number}", self.early(index, column)?));
        }
        let condition = match ready {
            None => String::new(),
            Some(only_ready) => format!(
                " WHERE NOT EXISTS (SELECT 1 FROM {} done WHERE done.n = s.n){}",
                self.own("m", index),
                if only_ready {
                    self.ready(index)?
                } else {
                    String::new()
                }
            ),
        };
        Ok(format!(
            "SELECT {} FROM (SELECT {} FROM {} s{}{condition}) x{}",
            outer.join(", "),
            inner.join(", "),
            self.own("s", index),
            self.joins(index, false)?,
            self.told_in_archive(index)?
        ))
    }

    /// That a row's own parents are decided, or are not in the archive at all.
    fn ready(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut ready = String::new();
        for (place, link) in self.resolvable(table) {
            if link.when != When::Rounds || link.to.is_none() {
                continue;
            }
            let on: Vec<String> = link
                .columns
                .iter()
                .zip(&link.referenced)
                .filter_map(|(own, there)| {
                    Some(format!(
                        "parent.c{} = s.c{}",
                        self.archived(index, there)?,
                        self.archived(index, own)?
                    ))
                })
                .collect();
            ready.push_str(&format!(
                " AND ({} OR p{place}.n IS NOT NULL OR NOT EXISTS (SELECT 1 FROM {} parent WHERE {}))",
                self.is_null(index, link),
                self.own("s", index),
                on.join(" AND ")
            ));
        }
        Ok(ready)
    }

    /// 0 if a row may come and everything is there that it belongs to, else what becomes of it.
    fn standing(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut lost = Vec::new();
        let mut withheld = Vec::new();
        for (place, link) in self.resolvable(table) {
            if link.class != Class::Ownership || link.when == When::Late {
                continue;
            }
            let unresolved = self.is_unresolved(index, place, link);
            match self.found_in(link) {
                Some(_) => {
                    let follows = format!("coalesce(p{place}.fate, 0) = {}", fate::WITH_PARENT);
                    lost.push(format!("({unresolved} AND NOT ({follows}))"));
                    withheld.push(format!("({unresolved} AND {follows})"));
                }
                None => lost.push(unresolved),
            }
            if link.needed {
                lost.push(self.is_null(index, link));
            }
        }
        let left_out = self.left_out_by_preset(index)?;
        let mut standing = String::from("CASE");
        for (conditions, fate) in [
            (left_out, fate::LEFT_OUT),
            (lost, fate::UNRESOLVED),
            (withheld, fate::WITH_PARENT),
        ] {
            if !conditions.is_empty() {
                standing.push_str(&format!(" WHEN {} THEN {fate}", conditions.join(" OR ")));
            }
        }
        Ok(if standing == "CASE" {
            "0".into()
        } else {
            format!("{standing} ELSE 0 END")
        })
    }

    /// Whether all that a row follows was there before.
    fn is_carried(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut any = Vec::new();
        let mut all = Vec::new();
        for (place, link) in self.resolvable(table) {
            if link.carried && self.found_in(link).is_some() {
                let null = self.is_null(index, link);
                // A chosen record follows nobody but other chosen ones.
                let owner = self.is_mine(&format!("p{place}"));
                any.push(format!("(NOT {null} AND {owner})"));
                all.push(format!(
                    "({null} OR NOT {owner} OR coalesce(p{place}.mt, 0) = 1)"
                ));
            }
        }
        Ok(if any.is_empty() || self.program.mode != Mode::Skip {
            "0".into()
        } else {
            format!(
                "CASE WHEN ({}) AND {} THEN 1 ELSE 0 END",
                any.join(" OR "),
                all.join(" AND ")
            )
        })
    }
}
