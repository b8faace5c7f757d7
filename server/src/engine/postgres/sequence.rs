//! Sequences: read as they are, and set so that no value is given out twice.

use std::collections::HashSet;

use coffer_core::{
    manifest::{OwnedBy, Sequence},
    schema::{Schema, TableName},
};

use super::link::{Id, Link, Step};
use crate::engine::{EngineError, sql};

/// Sequences whose state one query reads.
const BATCH: usize = 100;

/// Where a sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// The last value, or the first one if none was given out.
    last_value: i64,
    /// Whether `last_value` was given out.
    is_called: bool,
}

/// Which values a sequence may give out.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    min: i64,
    max: i64,
    descending: bool,
}

impl Bounds {
    /// The state with its last value inside of the bounds; past the end is used up, before the start is new.
    fn clamp(self, state: State) -> State {
        let (past_end, before_start) = if self.descending {
            (state.last_value < self.min, state.last_value > self.max)
        } else {
            (state.last_value > self.max, state.last_value < self.min)
        };
        State {
            last_value: state.last_value.clamp(self.min, self.max),
            is_called: past_end || (state.is_called && !before_start),
        }
    }

    /// The state after which neither the values behind `state` nor `value` are given out again.
    fn past(self, state: State, value: i64) -> State {
        let behind = if self.descending {
            value < state.last_value || (value == state.last_value && !state.is_called)
        } else {
            value > state.last_value || (value == state.last_value && !state.is_called)
        };
        if behind {
            self.clamp(State {
                last_value: value,
                is_called: true,
            })
        } else {
            state
        }
    }
}

/// One column that a sequence feeds.
#[derive(Clone, Debug)]
struct Feed {
    column: OwnedBy,
    /// Whether its values can be compared with the sequence's.
    numeric: bool,
}

/// A sequence of a live database.
#[derive(Clone, Debug)]
pub(super) struct TargetSequence {
    id: Id,
    name: TableName,
    bounds: Bounds,
    /// Whether it begins anew after its last value, so that it may give out values that are there.
    cycles: bool,
    state: State,
    feeds: Vec<Feed>,
    /// The column of the schema that owns it, else the first one that it feeds.
    owner: Option<OwnedBy>,
}

impl TargetSequence {
    /// As an archive records it.
    pub(super) fn describe(&self) -> Sequence {
        Sequence {
            name: self.name.clone(),
            owned_by: self.owner.clone(),
            last_value: self.state.last_value,
            is_called: self.state.is_called,
        }
    }

    /// Gives the sequence, as it stands now, a file of its own until the savepoint or transaction is rolled back, so
    /// that numbers drawn meanwhile are not lost.
    pub(super) async fn hold(&self, link: &mut Link) -> Result<(), EngineError> {
        let mut now = [self.clone()];
        read_states(link, &mut now).await?;
        let [now] = &now;
        set(link, self, now.state).await
    }

    fn feeds_any(&self, tables: &[TableName]) -> bool {
        self.feeds
            .iter()
            .any(|feed| tables.contains(&feed.column.table))
    }

    /// The archive's record of it: by name, or by the column if the sequence was renamed.
    fn archived<'a>(&self, archive: &'a [Sequence]) -> Option<&'a Sequence> {
        archive
            .iter()
            .find(|sequence| sequence.name == self.name)
            .or_else(|| {
                archive.iter().find(|sequence| {
                    sequence
                        .owned_by
                        .as_ref()
                        .is_some_and(|owner| self.feeds.iter().any(|feed| feed.column == *owner))
                })
            })
    }
}

/// The sequences that feed columns of a table.
pub(super) fn feeding<'a>(
    sequences: &'a [TargetSequence],
    table: &TableName,
) -> impl Iterator<Item = &'a TargetSequence> {
    sequences
        .iter()
        .filter(|sequence| sequence.feeds_any(std::slice::from_ref(table)))
}

/// The columns of a table that hold the very numbers of sequences, none of which comes twice.
pub(super) fn fed_numbers<'a>(sequences: &'a [TargetSequence], table: &TableName) -> Vec<&'a str> {
    feeding(sequences, table)
        .filter(|sequence| !sequence.cycles)
        .flat_map(|sequence| &sequence.feeds)
        .filter(|feed| feed.numeric && feed.column.table == *table)
        .map(|feed| feed.column.column.as_str())
        .collect()
}

/// Reads the sequences of the schemas and those that feed tables of `schema`. Sequences that belong to a table
/// outside of `schema` (a migration ledger, an extension) are that table's affair.
pub(super) async fn read(
    link: &mut Link,
    schemas: &[String],
    schema: &Schema,
) -> Result<Vec<TargetSequence>, EngineError> {
    let step = Step::new("reading the catalog");
    let sql = "
        SELECT s.oid, sn.nspname::text, s.relname::text, q.seqmin, q.seqmax, q.seqincrement < 0,
               sn.nspname = ANY($1), n.nspname::text, c.relname::text, a.attname::text, feed.owned,
               COALESCE((WITH RECURSIVE base (oid, of) AS (
                             SELECT t.oid, t.typbasetype
                              UNION ALL
                             SELECT b.oid, b.typbasetype FROM base JOIN pg_type b ON b.oid = base.of)
                         SELECT bool_or(oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype))
                           FROM base), false),
               q.seqcycle
          FROM pg_sequence q JOIN pg_class s ON s.oid = q.seqrelid JOIN pg_namespace sn ON sn.oid = s.relnamespace
          LEFT JOIN (
              SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS number, true AS owned
                FROM pg_depend d
               WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                 AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
              UNION
              SELECT d.refobjid, f.adrelid, f.adnum, false
                FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
               WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
          ) feed ON feed.sequence = s.oid
          LEFT JOIN pg_class c ON c.oid = feed.relation
          LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_attribute a ON a.attrelid = feed.relation AND a.attnum = feed.number
          LEFT JOIN pg_type t ON t.oid = a.atttypid
         WHERE s.relpersistence <> 't'
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                              AND d.objid = s.oid AND d.deptype = 'e')
         ORDER BY s.oid, feed.owned DESC NULLS LAST, 8, 9, 10";
    let known: HashSet<&TableName> = schema.tables.iter().map(|table| &table.name).collect();
    let mut sequences: Vec<TargetSequence> = Vec::new();
    let mut elsewhere: HashSet<Id> = HashSet::new();
    let mut covered: HashSet<Id> = HashSet::new();
    for row in &link.rows(step, sql, schemas.to_vec()).await? {
        let id: Id = link.get(row, 0)?;
        if sequences.last().is_none_or(|last| last.id != id) {
            sequences.push(TargetSequence {
                id,
                name: TableName::new(link.get::<String>(row, 1)?, link.get::<String>(row, 2)?),
                bounds: Bounds {
                    min: link.get(row, 3)?,
                    max: link.get(row, 4)?,
                    descending: link.get(row, 5)?,
                },
                cycles: link.get(row, 12)?,
                state: State {
                    last_value: 0,
                    is_called: false,
                },
                feeds: Vec::new(),
                owner: None,
            });
            if link.get(row, 6)? {
                covered.insert(id);
            }
        }
        let Some(sequence) = sequences.last_mut() else {
            continue;
        };
        let (Some(table_schema), Some(table), Some(column)) = (
            link.get::<Option<String>>(row, 7)?,
            link.get::<Option<String>>(row, 8)?,
            link.get::<Option<String>>(row, 9)?,
        ) else {
            continue;
        };
        let column = OwnedBy {
            table: TableName::new(table_schema, table),
            column,
        };
        if known.contains(&column.table) {
            covered.insert(id);
            sequence.owner.get_or_insert_with(|| column.clone());
        } else if link.get(row, 10)? {
            elsewhere.insert(id);
        }
        // A column that owns the sequence and is fed by it comes twice.
        if !sequence.feeds.iter().any(|feed| feed.column == column) {
            sequence.feeds.push(Feed {
                column,
                numeric: link.get(row, 11)?,
            });
        }
    }
    sequences.retain(|sequence| {
        covered.contains(&sequence.id)
            && (sequence.owner.is_some() || !elsewhere.contains(&sequence.id))
    });
    sequences.sort_by(|a, b| a.name.cmp(&b.name));
    read_states(link, &mut sequences).await?;
    Ok(sequences)
}

async fn read_states(link: &mut Link, sequences: &mut [TargetSequence]) -> Result<(), EngineError> {
    for batch in sequences.chunks_mut(BATCH) {
        let queries: Vec<String> = batch
            .iter()
            .enumerate()
            .map(|(index, sequence)| {
                format!(
                    "SELECT {index}::int8, last_value, is_called FROM {}",
                    sql::table(&sequence.name)
                )
            })
            .collect();
        let step = Step::new("reading the sequences");
        for row in &link.composed(step, queries.join(" UNION ALL ")).await? {
            let index: i64 = link.get(row, 0)?;
            let sequence = usize::try_from(index)
                .ok()
                .and_then(|index| batch.get_mut(index));
            if let Some(sequence) = sequence {
                sequence.state = State {
                    last_value: link.get(row, 1)?,
                    is_called: link.get(row, 2)?,
                };
            }
        }
    }
    Ok(())
}

/// Sets the sequences of the replaced tables to where the archive had them, and ahead of every value of the
/// columns that they feed. A sequence that feeds no column only ever moves ahead. What was set is read back.
pub(super) async fn settle(
    link: &mut Link,
    sequences: &[TargetSequence],
    archive: &[Sequence],
    replaced: &[TableName],
) -> Result<(), EngineError> {
    let mut settled = Vec::new();
    for sequence in sequences {
        let archived = sequence.archived(archive).map(|archived| State {
            last_value: archived.last_value,
            is_called: archived.is_called,
        });
        let mut state = match archived {
            Some(archived) if sequence.feeds.is_empty() => {
                let archived = sequence.bounds.clamp(archived);
                if archived.is_called {
                    sequence.bounds.past(sequence.state, archived.last_value)
                } else {
                    sequence.state
                }
            }
            _ if !sequence.feeds_any(replaced) => continue,
            Some(archived) => sequence.bounds.clamp(archived),
            None => sequence.state,
        };
        for feed in sequence.feeds.iter().filter(|feed| feed.numeric) {
            if let Some(value) = furthest(link, sequence.bounds, &feed.column).await? {
                state = sequence.bounds.past(state, value);
            }
        }
        if state != sequence.state {
            set(link, sequence, state).await?;
        }
        settled.push(TargetSequence {
            state,
            ..sequence.clone()
        });
    }
    let mut found = settled.clone();
    read_states(link, &mut found).await?;
    match settled
        .iter()
        .zip(&found)
        .find(|(one, other)| one.state != other.state)
    {
        Some((sequence, found)) => {
            link.end();
            Err(EngineError::SequenceNotSet {
                sequence: sequence.name.clone(),
                expected: sequence.state.last_value,
                found: found.state.last_value,
            })
        }
        None => Ok(()),
    }
}

/// The column's value that is furthest along the sequence's way, as far as the sequence reaches at all.
async fn furthest(
    link: &mut Link,
    bounds: Bounds,
    column: &OwnedBy,
) -> Result<Option<i64>, EngineError> {
    let name = sql::name(&column.column);
    let table = sql::table(&column.table);
    // A minus sign binds less than `::`, so the least bigint has to be a quoted literal. Numeric columns may hold
    // more than a sequence can, so the value is clamped before it is made a bigint; and as greatest() and least()
    // pass over NULL, an empty column is told apart first.
    let (extreme, clamp, bound, reached) = if bounds.descending {
        (
            "min",
            "greatest",
            bounds.min,
            format!("<= '{}'::int8", bounds.max),
        )
    } else {
        (
            "max",
            "least",
            bounds.max,
            format!(">= '{}'::int8", bounds.min),
        )
    };
    let sql = format!(
        "SELECT CASE WHEN value IS NOT NULL THEN {clamp}(value, '{bound}'::int8)::int8 END
           FROM (SELECT {extreme}({name}) FROM {table} WHERE {name} {reached}) AS furthest (value)"
    );
    let step = Step::of("looking for the greatest number in", &column.table);
    let row = link.row(step, &sql).await?;
    link.get(&row, 0)
}

async fn set(link: &mut Link, sequence: &TargetSequence, state: State) -> Result<(), EngineError> {
    let name = sql::table(&sequence.name);
    let step = Step::of("setting the sequence", &sequence.name);
    // setval alone would outlast a rollback. RESTART gives the sequence a new file that belongs to this
    // transaction, and setval then writes to that.
    link.run(step, format!("ALTER SEQUENCE {name} RESTART"))
        .await?;
    link.run(
        step,
        format!(
            "SELECT setval({}::regclass, {}, {})",
            sql::literal(&name),
            state.last_value,
            state.is_called
        ),
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Bounds = Bounds {
        min: 1,
        max: 100,
        descending: false,
    };
    const DOWN: Bounds = Bounds {
        min: -100,
        max: -1,
        descending: true,
    };

    const fn state(last_value: i64, is_called: bool) -> State {
        State {
            last_value,
            is_called,
        }
    }

    #[test]
    fn a_sequence_is_never_behind_a_value() {
        assert_eq!(UP.past(state(1, false), 1), state(1, true));
        assert_eq!(UP.past(state(1, true), 1), state(1, true));
        assert_eq!(UP.past(state(7, false), 3), state(7, false));
        assert_eq!(UP.past(state(7, true), 9), state(9, true));
        assert_eq!(DOWN.past(state(-1, false), -1), state(-1, true));
        assert_eq!(DOWN.past(state(-7, true), -3), state(-7, true));
        assert_eq!(DOWN.past(state(-7, true), -9), state(-9, true));
    }

    #[test]
    fn values_outside_of_the_bounds_use_it_up_or_leave_it_new() {
        assert_eq!(UP.clamp(state(500, false)), state(100, true));
        assert_eq!(UP.clamp(state(-5, true)), state(1, false));
        assert_eq!(UP.clamp(state(50, true)), state(50, true));
        assert_eq!(DOWN.clamp(state(-500, false)), state(-100, true));
        assert_eq!(DOWN.clamp(state(5, true)), state(-1, false));
        assert_eq!(UP.past(state(1, false), 500), state(100, true));
    }
}
