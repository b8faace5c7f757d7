//! Ids that no foreign key shows, exchanged in the texts that hold them. The texts come a few at a time, so that memory
//! stays bounded; all rows of such a batch are answered by one query.

use std::collections::{BTreeMap, BTreeSet};

use coffer_core::merge::{Hidden, Ids, Part, rewrite};

use super::{
    Merge,
    sql::{Sql, unknown},
};
use crate::engine::{EngineError, sql};

/// Rows whose texts are looked at together.
pub(super) const BATCH: usize = 500;
/// Bytes that an id has at most. Longer texts are none.
const LONGEST_ID: usize = 200;

/// Whether a text may be an id.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "iterators filter by it")]
pub(super) fn is_id(text: &&str) -> bool {
    text.len() <= LONGEST_ID && !text.contains('\0')
}

impl Merge<'_, '_> {
    /// Exchanges the ids in the columns of one table, for the rows that will be written.
    pub(super) async fn find_hidden(&mut self, index: usize) -> Result<(), EngineError> {
        let table = self.table(index)?;
        if table.part != Part::Merge {
            return Ok(());
        }
        let mut made: BTreeSet<usize> = BTreeSet::new();
        for hidden in &table.hidden {
            let Some(own) = self.sql.archived(index, &hidden.column) else {
                continue;
            };
            if made.insert(own) {
                let text = self.sql.dialect.cast("NULL", "text");
                let empty = format!(
                    "SELECT n, {text} AS v FROM {} LIMIT 0",
                    self.sql.own("m", index)
                );
                self.make(index, &format!("j{own}_"), empty).await?;
            }
            self.exchange(index, own, hidden).await?;
        }
        Ok(())
    }

    async fn exchange(
        &mut self,
        index: usize,
        own: usize,
        hidden: &Hidden,
    ) -> Result<(), EngineError> {
        let name = &self.table(index)?.table;
        let into = self.sql.own(&format!("j{own}_"), index);
        let mut last = 0;
        loop {
            let query = self.sql.texts(index, own, hidden, last)?;
            let texts = self.run.pairs(name, query).await?;
            let Some((number, _)) = texts.last() else {
                return Ok(());
            };
            last = number.parse().map_err(|_| unknown())?;
            let found: Vec<(&str, &str, Ids)> = texts
                .iter()
                .map(|(number, text)| {
                    (
                        number.as_str(),
                        text.as_str(),
                        Ids::find(text, &hidden.paths),
                    )
                })
                .collect();
            let ids: BTreeSet<&str> = found
                .iter()
                .flat_map(|(_, _, ids)| ids.iter())
                .filter(is_id)
                .collect();
            let new = self.new_ids(hidden, &ids).await?;
            let mut changed = Vec::new();
            for (number, text, ids) in &found {
                if let Some(rewritten) = rewrite(text, ids, &new, hidden.unresolved) {
                    let number: i64 = number.parse().map_err(|_| unknown())?;
                    changed.push((number, rewritten.text));
                }
            }
            if changed.is_empty() {
                continue;
            }
            let numbers: Vec<String> = changed.iter().map(|(n, _)| n.to_string()).collect();
            let earlier = format!("DELETE FROM {into} WHERE n IN ({})", numbers.join(", "));
            self.run(index, earlier).await?;
            self.run.put(name, &into, &changed).await?;
        }
    }

    /// What rows with these ids are called in the target.
    async fn new_ids(
        &mut self,
        hidden: &Hidden,
        ids: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, String>, EngineError> {
        let Some(to) = hidden.to else {
            return Ok(BTreeMap::new());
        };
        if self.table(to)?.part == Part::Along {
            return Ok(BTreeMap::new());
        }
        let Some(query) = self.sql.renamed(to, &hidden.referenced, ids)? else {
            return Ok(BTreeMap::new());
        };
        let name = &self.table(to)?.table;
        Ok(self.run.pairs(name, query).await?.into_iter().collect())
    }
}

impl Sql<'_> {
    /// The next texts of rows that will be written.
    fn texts(
        &self,
        index: usize,
        own: usize,
        hidden: &Hidden,
        after: i64,
    ) -> Result<String, EngineError> {
        let text = self.dialect.printed_value(&format!("s.c{own}"));
        let conditions = self.holds_id(index, hidden)?;
        Ok(format!(
            "SELECT {}, coalesce(j.v, {text}) FROM {} m JOIN {} s ON s.n = m.n LEFT JOIN {} j ON j.n = m.n
              WHERE (m.fate = 1 OR m.up = 1) AND s.c{own} IS NOT NULL AND m.n > {after}{conditions} ORDER BY m.n LIMIT {BATCH}",
            self.dialect.printed_value("m.n"),
            self.own("m", index),
            self.own("s", index),
            self.own(&format!("j{own}_"), index)
        ))
    }

    /// That a staged row holds an id.
    pub(super) fn holds_id(&self, index: usize, hidden: &Hidden) -> Result<String, EngineError> {
        let mut conditions = String::new();
        for (column, values) in &hidden.condition {
            let place = self.archived(index, column).ok_or_else(unknown)?;
            let value = self.dialect.printed_value(&format!("s.c{place}"));
            conditions.push_str(&format!(" AND {}", self.dialect.is_one_of(&value, values)));
        }
        Ok(conditions)
    }

    /// What became of the ids of a table, old and new; nothing if there is nothing to ask.
    fn renamed(
        &self,
        to: usize,
        column: &str,
        ids: &BTreeSet<&str>,
    ) -> Result<Option<String>, EngineError> {
        let place = self.referenced(to, column).ok_or_else(unknown)?;
        let is_number = self.surrogate(to)? == Some(place);
        let wanted: Vec<String> = ids
            .iter()
            .filter_map(|id| {
                if is_number {
                    // Spelled as the database spells it, or it is no id.
                    let number: i64 = id.parse().ok()?;
                    (number.to_string() == **id).then(|| number.to_string())
                } else {
                    Some(sql::literal(id))
                }
            })
            .collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        let (old, new) = (
            self.dialect.printed_value(&format!("o{place}")),
            self.dialect.printed_value(&format!("f{place}")),
        );
        let key = if is_number {
            format!("o{place}")
        } else {
            old.clone()
        };
        Ok(Some(format!(
            "SELECT {old}, {new} FROM {} WHERE fate > 0 AND {key} IN ({})",
            self.own("m", to),
            wanted.join(", ")
        )))
    }
}
