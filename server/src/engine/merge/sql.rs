//! The queries. Names of tables and columns come from schemas and are quoted; nothing else of anybody's is part of them.

use coffer_core::{
    merge::{Alternative, Class, Link, MergeTable, Part, Program, When},
    plan::Mode,
    policy::{Given, Matched, Normalise, Scalar, Special},
};

use super::fate;
use crate::engine::{EngineError, sql};

/// Rows whose values are written.
pub(super) const WRITTEN: &str = "(fate = 1 OR up = 1)";

/// How an engine spells things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

/// Where a table's rows are in the target.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The table as it stands after FROM.
    pub(crate) rows: String,
    /// The table as it stands after INSERT INTO.
    pub(crate) into: String,
    /// Columns that say where a row lies, quoted.
    pub(crate) at: Vec<String>,
    /// The greatest number that was ever given to a row, as far as the database knows.
    pub(crate) numbered: i64,
}

impl Dialect {
    /// A table of this transaction.
    pub(crate) fn own(self, kind: &str, index: usize) -> String {
        match self {
            Self::Postgres => format!("pg_temp.coffer_{kind}{index}"),
            Self::Sqlite => format!("temp.coffer_{kind}{index}"),
        }
    }

    pub(super) fn create_as(self, name: &str, query: &str) -> String {
        match self {
            Self::Postgres => format!(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {query}",
                name.trim_start_matches("pg_temp.")
            ),
            Self::Sqlite => format!(
                "CREATE TEMPORARY TABLE {} AS {query}",
                name.trim_start_matches("temp.")
            ),
        }
    }

    pub(super) fn analyse(self, name: &str) -> Option<String> {
        (self == Self::Postgres).then(|| format!("ANALYZE {name}"))
    }

    /// A value of this type.
    pub(super) fn cast(self, value: &str, type_name: &str) -> String {
        match self {
            Self::Postgres => format!("CAST({value} AS {type_name})"),
            // Whatever the column's affinity does to it happens when it is written.
            Self::Sqlite => value.to_owned(),
        }
    }

    fn text(self, value: &str) -> String {
        match self {
            Self::Postgres => format!("({value})::text"),
            Self::Sqlite => format!("CAST({value} AS TEXT)"),
        }
    }

    fn normalised(self, value: &str, type_name: &str, how: Option<Normalise>) -> String {
        let text = self.text(value);
        match (self, how) {
            (Self::Postgres, None) if type_name.ends_with("citext") => format!("lower({text})"),
            (Self::Postgres, None) if type_name.starts_with("numeric") => {
                format!("trim_scale({value})::text")
            }
            (Self::Postgres, None) => text,
            (Self::Postgres, Some(Normalise::TrimLower)) => {
                format!("lower(btrim({text}) COLLATE \"C\")")
            }
            (Self::Postgres, Some(Normalise::FileStem)) => format!(
                "regexp_replace(regexp_replace({text}, '^.*/', ''), '^(.+)\\.[^.]*$', '\\1')"
            ),
            (Self::Sqlite, None) => value.to_owned(),
            (Self::Sqlite, Some(Normalise::TrimLower)) => format!("lower(trim({text}))"),
            (Self::Sqlite, Some(Normalise::FileStem)) => {
                let name =
                    format!("substr({text}, length(rtrim({text}, replace({text}, '/', ''))) + 1)");
                let stem = format!("rtrim({name}, replace({name}, '.', ''))");
                format!(
                    "CASE WHEN length({stem}) > 1 THEN substr({stem}, 1, length({stem}) - 1) ELSE {name} END"
                )
            }
        }
    }

    /// Values as one text that is the same exactly where they are.
    fn as_one(self, values: &[String]) -> String {
        match self {
            Self::Postgres => match values {
                [one] => format!("({one})::text"),
                values => format!("ROW({})::text", values.join(", ")),
            },
            Self::Sqlite => values
                .iter()
                .map(|value| {
                    // quote() ends a text at a NUL, so texts are spelled by their bytes.
                    format!(
                        "CASE typeof({value}) WHEN 'text' THEN 't' || hex({value}) ELSE quote({value}) END"
                    )
                })
                .collect::<Vec<_>>()
                .join(" || ',' || "),
        }
    }

    /// The same as [`Self::as_one`] for whole rows, short however long they are.
    fn as_digest(self, values: &[String]) -> String {
        match self {
            Self::Postgres => format!(
                "encode(sha256(convert_to(ROW({})::text, 'UTF8')), 'hex')",
                values.join(", ")
            ),
            Self::Sqlite => self.as_one(values),
        }
    }

    /// Whether values differ in any way, also in one that the type's own comparison doesn't see.
    pub(super) fn differ(self, pairs: &[(String, String)]) -> String {
        if pairs.is_empty() {
            return "1 = 0".into();
        }
        match self {
            Self::Postgres => {
                let (one, other): (Vec<_>, Vec<_>) = pairs.iter().cloned().unzip();
                format!(
                    "record_image_ne(ROW({}), ROW({}))",
                    one.join(", "),
                    other.join(", ")
                )
            }
            Self::Sqlite => pairs
                .iter()
                .map(|(one, other)| {
                    format!(
                        "{one} IS NOT {other} COLLATE BINARY OR typeof({one}) <> typeof({other})"
                    )
                })
                .collect::<Vec<_>>()
                .join(" OR "),
        }
    }

    fn scalar(self, scalar: &Scalar) -> String {
        match (self, scalar) {
            (_, Scalar::Integer(number)) => number.to_string(),
            (_, Scalar::Text(text)) => sql::literal(text),
            (Self::Postgres, Scalar::Boolean(true)) => "true".into(),
            (Self::Postgres, Scalar::Boolean(false)) => "false".into(),
            (Self::Sqlite, Scalar::Boolean(yes)) => i32::from(*yes).to_string(),
        }
    }

    /// A scalar as a column's value is printed, to compare it with.
    pub(super) fn printed(self, scalar: &Scalar) -> String {
        match scalar {
            Scalar::Text(text) => sql::literal(text),
            Scalar::Integer(number) => format!("'{number}'"),
            Scalar::Boolean(yes) => match self {
                Self::Postgres => format!("'{yes}'"),
                Self::Sqlite => format!("'{}'", i32::from(*yes)),
            },
        }
    }

    pub(super) fn printed_value(self, value: &str) -> String {
        self.text(value)
    }

    /// A random UUID of version 4 as text (RFC 9562, section 5.4).
    pub(super) const fn uuid(self) -> &'static str {
        match self {
            Self::Postgres => "gen_random_uuid()::text",
            Self::Sqlite => {
                "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))"
            }
        }
    }

    /// 32 random hexadecimal digits.
    pub(super) const fn random(self) -> &'static str {
        match self {
            Self::Postgres => "replace(gen_random_uuid()::text, '-', '')",
            Self::Sqlite => "lower(hex(randomblob(16)))",
        }
    }

    /// A text with something put before its last suffix.
    pub(super) fn suffixed(self, value: &str, with: &str) -> String {
        let text = self.text(value);
        match self {
            Self::Postgres => format!(
                "regexp_replace({text}, '(\\.[^./]*)?$', '') || '__' || {with} || coalesce(substring({text} from '\\.[^./]*$'), '')"
            ),
            Self::Sqlite => {
                let stem = format!("rtrim({text}, replace({text}, '.', ''))");
                let has = format!(
                    "length({stem}) > 0 AND instr(substr({text}, length({stem})), '/') = 0"
                );
                format!(
                    "CASE WHEN {has} THEN substr({stem}, 1, length({stem}) - 1) || '__' || {with} || substr({text}, length({stem})) ELSE {text} || '__' || {with} END"
                )
            }
        }
    }
}

/// Writes the queries of a program.
pub(crate) struct Sql<'a> {
    pub(super) program: &'a Program,
    pub(super) dialect: Dialect,
    pub(super) places: Vec<Place>,
}

impl<'a> Sql<'a> {
    pub(super) fn own(&self, kind: &str, index: usize) -> String {
        self.dialect.own(kind, index)
    }

    pub(super) fn table(&self, index: usize) -> Result<&'a MergeTable, EngineError> {
        self.program.tables.get(index).ok_or_else(unknown)
    }

    pub(super) fn place(&self, index: usize) -> Result<&Place, EngineError> {
        self.places.get(index).ok_or_else(unknown)
    }

    /// The place of a column in the archive's rows.
    pub(super) fn archived(&self, index: usize, column: &str) -> Option<usize> {
        let table = self.program.tables.get(index)?;
        table.archived.iter().position(|name| name == column)
    }

    /// The place of a column among those that others name rows by.
    pub(super) fn referenced(&self, index: usize, column: &str) -> Option<usize> {
        let table = self.program.tables.get(index)?;
        table.referenced.iter().position(|name| name == column)
    }

    /// The place of the surrogate key among those.
    pub(super) fn surrogate(&self, index: usize) -> Result<Option<usize>, EngineError> {
        let table = self.table(index)?;
        Ok(table
            .surrogate
            .as_ref()
            .and_then(|column| self.referenced(index, column))
            .filter(|_| table.part != Part::Along))
    }

    pub(super) fn type_of(&self, index: usize, column: &str) -> Result<&'a str, EngineError> {
        let table = self.table(index)?;
        let column = table.columns.iter().find(|own| own.name == column);
        Ok(column.map_or("", |column| column.type_name.as_str()))
    }

    /// Whether matched rows of a table may change.
    pub(super) fn updates(&self, table: &MergeTable) -> bool {
        table.part == Part::Merge
            && table.matched == Matched::Mode
            && (self.program.mode == Mode::Overwrite || !table.fill.is_empty())
    }

    /// The columns of matched rows that may change.
    pub(super) fn changing<'t>(&self, table: &'t MergeTable) -> Vec<&'t str> {
        table
            .columns
            .iter()
            .filter(|column| column.archived && !table.kept.contains(&column.name))
            .filter(|column| table.fill.is_empty() || table.fill.contains(&column.name))
            .map(|column| column.name.as_str())
            .collect()
    }

    /// The links that the archive's rows can be resolved by, with their places.
    fn resolvable(&self, table: &'a MergeTable) -> impl Iterator<Item = (usize, &'a Link)> {
        table.links.iter().enumerate().filter(|(_, link)| {
            link.columns
                .iter()
                .all(|column| table.archived.contains(column))
        })
    }

    /// The table that a link leads to, if rows of the archive can be found there.
    pub(super) fn found_in(&self, link: &Link) -> Option<usize> {
        let to = link.to?;
        (self.program.tables.get(to)?.part != Part::Along).then_some(to)
    }

    /// Joins what became of the rows that links of `when` lead to.
    fn joins(&self, index: usize, late: bool) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut joins = String::new();
        for (place, link) in self.resolvable(table) {
            if (link.when == When::Late) != late {
                continue;
            }
            let Some(to) = self.found_in(link) else {
                continue;
            };
            let on: Vec<String> = link
                .columns
                .iter()
                .zip(&link.referenced)
                .filter_map(|(own, there)| {
                    Some(format!(
                        "p{place}.o{} = s.c{}",
                        self.referenced(to, there)?,
                        self.archived(index, own)?
                    ))
                })
                .collect();
            joins.push_str(&format!(
                " LEFT JOIN {} p{place} ON {}",
                self.own("m", to),
                on.join(" AND ")
            ));
        }
        Ok(joins)
    }

    pub(super) fn late_joins(&self, index: usize) -> Result<String, EngineError> {
        self.joins(index, true)
    }

    fn is_null(&self, index: usize, link: &Link) -> String {
        let nulls: Vec<String> = link
            .columns
            .iter()
            .filter_map(|column| Some(format!("s.c{} IS NULL", self.archived(index, column)?)))
            .collect();
        format!("({})", nulls.join(" OR "))
    }

    fn is_resolved(&self, place: usize, link: &Link) -> String {
        match self.found_in(link) {
            Some(_) => format!("coalesce(p{place}.fate, 0) > 0"),
            None => "1 = 0".into(),
        }
    }

    fn is_unresolved(&self, index: usize, place: usize, link: &Link) -> String {
        format!(
            "(NOT {} AND NOT ({}))",
            self.is_null(index, link),
            self.is_resolved(place, link)
        )
    }

    /// The value of a column that links have, resolved: early ones from the archive's row, late ones from what early ones made.
    fn resolved(&self, index: usize, column: &str, late: bool) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let own = self.archived(index, column).ok_or_else(unknown)?;
        let having: Vec<(usize, &Link)> = self
            .resolvable(table)
            .filter(|(_, link)| link.columns.iter().any(|name| name == column))
            .collect();
        let is_early = having.iter().any(|(_, link)| link.when != When::Late);
        let of_pass: Vec<&(usize, &Link)> = having
            .iter()
            .filter(|(_, link)| (link.when == When::Late) == late)
            .collect();
        let mut value = if late && is_early {
            format!("m.r{own}")
        } else {
            format!("s.c{own}")
        };
        if !(late && is_early)
            && let Some((place, link)) = of_pass.first()
            && let Some(to) = self.found_in(link)
        {
            let there = link
                .columns
                .iter()
                .zip(&link.referenced)
                .find(|(name, _)| *name == column)
                .and_then(|(_, there)| self.referenced(to, there))
                .ok_or_else(unknown)?;
            let found = self
                .dialect
                .cast(&format!("p{place}.f{there}"), self.type_of(index, column)?);
            value = format!(
                "CASE WHEN {} THEN {found} ELSE {value} END",
                self.is_resolved(*place, link)
            );
        }
        let clearing: Vec<String> = of_pass
            .iter()
            .filter(|(_, link)| {
                link.class == Class::Enrichment && link.clears.iter().any(|name| name == column)
            })
            .map(|(place, link)| self.is_unresolved(index, *place, link))
            .collect();
        if !clearing.is_empty() {
            value = format!(
                "CASE WHEN {} THEN NULL ELSE {value} END",
                clearing.join(" OR ")
            );
        }
        Ok(value)
    }

    /// The columns of links that are resolved in a pass.
    pub(super) fn linked(&self, table: &'a MergeTable, late: bool) -> Vec<&'a str> {
        let mut columns: Vec<&str> = Vec::new();
        for (_, link) in self.resolvable(table) {
            if (link.when == When::Late) == late {
                for column in &link.columns {
                    if !columns.contains(&column.as_str()) {
                        columns.push(column);
                    }
                }
            }
        }
        columns
    }

    /// How many references of a row become NULL in a pass.
    pub(super) fn cleared(&self, index: usize, late: bool) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let cleared: Vec<String> = self
            .resolvable(table)
            .filter(|(_, link)| {
                (link.when == When::Late) == late && link.class == Class::Enrichment
            })
            .map(|(place, link)| {
                format!(
                    "CASE WHEN {} THEN 1 ELSE 0 END",
                    self.is_unresolved(index, place, link)
                )
            })
            .collect();
        Ok(if cleared.is_empty() {
            "0".into()
        } else {
            cleared.join(" + ")
        })
    }

    /// The value of a column of an archive's row, as far as it is known when rows are recognised: `x` is the row.
    fn early(&self, index: usize, column: &str) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let own = self.archived(index, column).ok_or_else(unknown)?;
        Ok(if self.linked(table, false).contains(&column) {
            format!("x.r{own}")
        } else {
            format!("x.c{own}")
        })
    }

    fn identity(
        &self,
        index: usize,
        alternative: &Alternative,
        value: &dyn Fn(&str) -> Result<String, EngineError>,
    ) -> Result<String, EngineError> {
        let mut values = Vec::new();
        let mut applies = Vec::new();
        for column in &alternative.columns {
            let plain = value(column)?;
            let type_name = self.type_of(index, column)?;
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
        for column in &alternative.owners {
            values.push(self.dialect.text(&value(column)?));
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
    fn keys(
        &self,
        index: usize,
        value: &dyn Fn(&str) -> Result<String, EngineError>,
    ) -> Result<Vec<String>, EngineError> {
        let table = self.table(index)?;
        let mut keys = Vec::new();
        for (place, alternative) in table.identity.iter().enumerate() {
            keys.push(format!(
                "{} AS k{place}",
                self.identity(index, alternative, value)?
            ));
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
        let mut columns = vec![format!(
            "row_number() OVER (ORDER BY {}) AS id",
            order.join(", ")
        )];
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
            "SELECT {} FROM {} x",
            columns.join(", "),
            place.rows
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
        let mut wanted = vec!["id".to_owned()];
        if table.part != Part::Along {
            wanted.extend((0..table.identity.len()).map(|place| format!("k{place}")));
            wanted.extend(table.rest.iter().map(|_| "kr".to_owned()));
        }
        wanted.extend((0..table.referenced.len()).map(|place| format!("t{place}")));
        Ok(wanted
            .into_iter()
            .filter_map(|column| self.index_on("l", index, &[column]))
            .collect())
    }

    pub(super) fn mapped_indexes(&self, index: usize) -> Result<Vec<String>, EngineError> {
        let table = self.table(index)?;
        let mut wanted = vec!["n".to_owned(), "lid".to_owned()];
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
            "SELECT {} FROM (SELECT {} FROM {} s{}{condition}) x",
            outer.join(", "),
            inner.join(", "),
            self.own("s", index),
            self.joins(index, false)?
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

    /// 0 if everything is there that a row belongs to, else what becomes of the row.
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
        let mut standing = String::from("CASE");
        for (conditions, fate) in [(lost, fate::UNRESOLVED), (withheld, fate::WITH_PARENT)] {
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
                any.push(format!("NOT {null}"));
                all.push(format!("({null} OR coalesce(p{place}.mt, 0) = 1)"));
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

    /// What an inserted row gets in a column: nothing if the column's default is meant. `s` and `m` are the row.
    pub(super) fn inserted(
        &self,
        index: usize,
        column: &str,
    ) -> Result<Option<String>, EngineError> {
        let table = self.table(index)?;
        let type_name = self.type_of(index, column)?;
        match table.on_insert.get(column) {
            Some(Given::Special(Special::Default)) => return Ok(None),
            Some(Given::Special(Special::Null)) => {
                return Ok(Some(self.dialect.cast("NULL", type_name)));
            }
            Some(Given::Scalar(scalar)) => {
                let value = self.dialect.scalar(scalar);
                return Ok(Some(self.dialect.cast(&value, type_name)));
            }
            None => {}
        }
        if self.archived(index, column).is_none() {
            return Ok(None);
        }
        if table.surrogate.as_deref() == Some(column)
            && let Some(number) = self.surrogate(index)?
        {
            return Ok(Some(format!("m.f{number}")));
        }
        let mut value = self.taken_over(index, column)?;
        for (place, _) in self.remade(table, column) {
            let made = self.dialect.cast(&format!("m.g{place}"), type_name);
            value = format!("CASE WHEN m.y{place} = 1 THEN {made} ELSE {value} END");
        }
        Ok(Some(value))
    }

    /// What the archive gives a row in a column. `s` and `m` are the row.
    fn taken_over(&self, index: usize, column: &str) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let own = self.archived(index, column).ok_or_else(unknown)?;
        let mut value = if self.linked(table, true).contains(&column) {
            self.resolved(index, column, true)?
        } else if self.linked(table, false).contains(&column) {
            format!("m.r{own}")
        } else {
            format!("s.c{own}")
        };
        if table.hidden.iter().any(|hidden| hidden.column == column) {
            let found = self
                .dialect
                .cast(&format!("j{own}.v"), self.type_of(index, column)?);
            value = format!("CASE WHEN j{own}.n IS NOT NULL THEN {found} ELSE {value} END");
        }
        Ok(value)
    }

    /// What a matched row gets in a column. `s` and `m` are the archive's row, `t` the target's.
    pub(super) fn updated(&self, index: usize, column: &str) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let kept = format!("t.{}", sql::name(column));
        if !self.changing(table).contains(&column) {
            return Ok(kept);
        }
        let mut value = self.taken_over(index, column)?;
        if table.identifies(column) {
            value = format!(
                "CASE WHEN ({value}) IS NULL OR {} = '' THEN {kept} ELSE {value} END",
                self.dialect.text(&value)
            );
        }
        if !table.fill.is_empty() && self.program.mode == Mode::Skip {
            value = format!(
                "CASE WHEN {kept} IS NULL OR {} = '' THEN {value} ELSE {kept} END",
                self.dialect.text(&kept)
            );
        }
        for (place, _) in self.remade(table, column) {
            value = format!("CASE WHEN m.y{place} = 1 THEN {kept} ELSE {value} END");
        }
        Ok(value)
    }

    /// The unique keys that give a column another value, with their places.
    pub(super) fn remade(
        &self,
        table: &'a MergeTable,
        column: &str,
    ) -> Vec<(usize, coffer_core::policy::Made)> {
        let keys = table.unique.iter().enumerate();
        keys.filter_map(|(place, key)| match &key.remake {
            Some((name, made)) if name == column && table.part == Part::Merge => {
                Some((place, *made))
            }
            _ => None,
        })
        .collect()
    }

    /// Joins the ids that were exchanged inside of columns.
    pub(super) fn hidden_joins(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut joins = String::new();
        let mut joined: Vec<&str> = Vec::new();
        for hidden in &table.hidden {
            if let Some(own) = self.archived(index, &hidden.column)
                && !joined.contains(&hidden.column.as_str())
            {
                joined.push(&hidden.column);
                joins.push_str(&format!(
                    " LEFT JOIN {} j{own} ON j{own}.n = m.n",
                    self.own(&format!("j{own}_"), index)
                ));
            }
        }
        Ok(joins)
    }

    /// That `l` says where `t` lies.
    pub(super) fn lies(&self, index: usize) -> Result<String, EngineError> {
        let place = self.place(index)?;
        Ok(place
            .at
            .iter()
            .enumerate()
            .map(|(number, at)| format!("t.{at} = l.at{number}"))
            .collect::<Vec<_>>()
            .join(" AND "))
    }
}

/// A program's indexes lead nowhere: a defect.
pub(super) fn unknown() -> EngineError {
    EngineError::Ended {
        target: "the merge".into(),
        why: "its program does not fit together; please report it",
    }
}
