//! Rows that a preset leaves out, on both sides of a merge.

use coffer_core::policy::RowCondition;

use super::sql::{Sql, unknown};
use crate::engine::{EngineError, sql};

impl Sql<'_> {
    /// That the preset leaves a staged row `s` out: a condition for each rule.
    pub(super) fn left_out_by_preset(&self, index: usize) -> Result<Vec<String>, EngineError> {
        let value = |column: &str| {
            let own = self.archived(index, column).ok_or_else(unknown)?;
            Ok(format!("s.c{own}"))
        };
        // What the archive doesn't hold can't be asked.
        let rules = self.table(index)?.left_out.iter().filter(|rule| {
            let mut columns = rule.columns();
            columns.all(|column| self.archived(index, column).is_some())
        });
        rules.map(|rule| self.meets(rule, &value)).collect()
    }

    /// That the preset speaks of a row `t` of the target, so that it doesn't go for being missing in the archive. Nothing if it
    /// speaks of none.
    pub(super) fn left_alone(&self, index: usize) -> Result<Option<String>, EngineError> {
        let value = |column: &str| Ok(format!("t.{}", sql::name(column)));
        let table = self.table(index)?;
        let rules = table.left_out.iter().chain(&table.withheld);
        let rules: Vec<String> = rules
            .map(|rule| self.meets(rule, &value))
            .collect::<Result<_, _>>()?;
        Ok((!rules.is_empty()).then(|| format!("({})", rules.join(" OR "))))
    }

    /// That a row meets a condition: never unknown.
    fn meets(
        &self,
        rule: &RowCondition,
        value: &dyn Fn(&str) -> Result<String, EngineError>,
    ) -> Result<String, EngineError> {
        let mut all = Vec::new();
        for (column, values) in &rule.condition {
            let printed = self.dialect.printed_value(&value(column)?);
            all.push(self.dialect.is_one_of(&printed, values));
        }
        for (column, patterns) in &rule.matching {
            let text = self.dialect.printed_value(&value(column)?);
            let patterns = patterns.patterns().iter();
            let any: Vec<String> = patterns
                .map(|pattern| self.dialect.fits(&text, pattern))
                .collect();
            all.push(format!("({})", any.join(" OR ")));
        }
        if let Some(column) = &rule.given {
            all.push(format!("{} IS NOT NULL", value(column)?));
        }
        if all.is_empty() {
            return Ok("1 = 1".into());
        }
        Ok(format!("(({}) IS TRUE)", all.join(" AND ")))
    }
}
