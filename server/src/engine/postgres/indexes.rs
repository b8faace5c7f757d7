//! Indexes that are taken off the tables before their rows are loaded, and built again from all rows at once: filling an
//! index row by row takes several times as long.
//!
//! Those of primary and unique keys go together with their constraint, which is put back onto the index that was built.
//! Afterwards the catalog must show each as it was, else nothing is committed.

use coffer_core::schema::TableName;

use super::link::{Id, Link, Step};
use crate::engine::{EngineError, FilledIndex, IndexesBuilt, RowByRow, sql};

/// PostgreSQL's code for two rows with the same key.
const UNIQUE_VIOLATION: &str = "23505";
/// The indexes of the tables as they were.
#[derive(Debug, Default)]
pub(super) struct Indexes(Vec<Index>);

/// Everything that an index is besides its content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Index {
    name: TableName,
    table: TableName,
    /// The whole statement that makes it, without its tablespace.
    definition: String,
    /// `None` is the database's own.
    tablespace: Option<String>,
    comment: Option<String>,
    clustered: bool,
    replica_identity: bool,
    /// `(number of the column, statistics target)`, where one was set.
    statistics: Vec<(i16, i32)>,
    /// The primary or unique key that it belongs to.
    key: Option<Key>,
    /// Why it stays, if it does.
    stays: Option<Stays>,
}

/// A constraint that an index serves.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    name: String,
    /// The words between its name and its index, and those behind.
    kind: String,
    deferrable: String,
    comment: Option<String>,
    /// A query for the number of the first row that has the same key as one before it. The rows of a table that was empty
    /// lie in the order in which they were loaded.
    first_duplicate: String,
}

/// Why an index stays in place, and is filled row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stays {
    /// It belongs to an exclusion, which can't be put onto an index.
    Exclusion,
    /// Another reason, which the report tells.
    Told(RowByRow),
}

impl Indexes {
    /// Drops the plain indexes of the tables `ids`. Foreign keys must be out of the way.
    pub(super) async fn take(link: &mut Link, ids: &[Id]) -> Result<Self, EngineError> {
        let indexes = Self(read(link, ids).await?);
        for index in indexes.taken() {
            let step = Step::of("taking an index off", &index.table);
            let drop = match &index.key {
                None => format!("DROP INDEX {} RESTRICT", sql::table(&index.name)),
                Some(key) => format!(
                    "ALTER TABLE {} DROP CONSTRAINT {} RESTRICT",
                    sql::table(&index.table),
                    sql::name(&key.name)
                ),
            };
            link.run(step, drop).await?;
        }
        Ok(indexes)
    }

    fn taken(&self) -> impl Iterator<Item = &Index> {
        self.0.iter().filter(|index| index.stays.is_none())
    }

    /// Builds what was taken, in the order in which it was made once.
    pub(super) async fn build(&self, link: &mut Link) -> Result<(), EngineError> {
        for index in self.taken() {
            let step = Step::of("building an index of", &index.table);
            let build = format!("SAVEPOINT index;\n{}", index.statements());
            if !link.run_unless(step, build, UNIQUE_VIOLATION).await? {
                return Err(index.refused(link).await?);
            }
            link.run(step, "RELEASE SAVEPOINT index".into()).await?;
        }
        Ok(())
    }

    /// Compares the indexes of the tables `ids` with what they were before.
    pub(super) async fn prove(
        &self,
        link: &mut Link,
        ids: &[Id],
    ) -> Result<IndexesBuilt, EngineError> {
        let now = read(link, ids).await?;
        let find = |list: &[Index], name: &TableName| {
            list.iter().find(|index| index.name == *name).cloned()
        };
        let same = |index: &&Index| find(&now, &index.name).as_ref() == Some(*index);
        let lost = self.0.iter().find(|index| !same(index));
        let added = now
            .iter()
            .find(|index| find(&self.0, &index.name).is_none());
        if let Some(index) = lost.or(added) {
            link.end();
            return Err(EngineError::IndexDiffers {
                index: index.name.clone(),
                table: index.table.clone(),
            });
        }
        let filled = self.0.iter().filter_map(|index| match index.stays {
            Some(Stays::Told(why)) => Some(FilledIndex {
                name: index.name.to_string(),
                table: index.table.to_string(),
                why,
            }),
            _ => None,
        });
        Ok(IndexesBuilt {
            built: self.taken().count() as u64,
            filled: filled.collect(),
        })
    }
}

impl Index {
    /// Why it could not be built: two rows have the same key. Ends the session.
    async fn refused(&self, link: &mut Link) -> Result<EngineError, EngineError> {
        let step = Step::of("looking for a key that is there twice in", &self.table);
        link.run(step, "ROLLBACK TO SAVEPOINT index".into()).await?;
        let row = match &self.key {
            None => None,
            Some(key) => {
                let row = link.row(step, &key.first_duplicate).await?;
                let number: i64 = link.get(&row, 0)?;
                (number > 0).then_some(number.unsigned_abs())
            }
        };
        link.end();
        Ok(EngineError::RowRefused {
            table: self.table.clone(),
            row,
            reason: format!("two rows have the same key in {}", self.name.name),
        })
    }

    /// The statements that make it what it was.
    fn statements(&self) -> String {
        let (name, table) = (sql::table(&self.name), sql::table(&self.table));
        let mut statements = format!(
            "SELECT pg_catalog.set_config('default_tablespace', {}, true);\n{};",
            // Nothing means the database's own, whatever the role's setting is.
            sql::literal(self.tablespace.as_deref().unwrap_or_default()),
            self.definition
        );
        let mut add = |statement: String| {
            statements.push('\n');
            statements.push_str(&statement);
        };
        if let Some(key) = &self.key {
            let constraint = sql::name(&key.name);
            add(format!(
                "ALTER TABLE {table} ADD CONSTRAINT {constraint} {} USING INDEX {}{};",
                key.kind,
                sql::name(&self.name.name),
                key.deferrable
            ));
            if let Some(comment) = &key.comment {
                add(format!(
                    "COMMENT ON CONSTRAINT {constraint} ON {table} IS {};",
                    sql::literal(comment)
                ));
            }
        }
        for (column, target) in &self.statistics {
            add(format!(
                "ALTER INDEX {name} ALTER COLUMN {column} SET STATISTICS {target};"
            ));
        }
        if let Some(comment) = &self.comment {
            add(format!(
                "COMMENT ON INDEX {name} IS {};",
                sql::literal(comment)
            ));
        }
        if self.clustered {
            add(format!(
                "ALTER TABLE {table} CLUSTER ON {};",
                sql::name(&self.name.name)
            ));
        }
        if self.replica_identity {
            add(format!(
                "ALTER TABLE {table} REPLICA IDENTITY USING INDEX {};",
                sql::name(&self.name.name)
            ));
        }
        statements
    }
}

/// The indexes of tables, in the order in which they were made.
async fn read(link: &mut Link, ids: &[Id]) -> Result<Vec<Index>, EngineError> {
    // What depends on an index or its constraint would go with it, or refuse to let it go.
    let sql = "
        SELECT n.nspname::text, x.relname::text, tn.nspname::text, t.relname::text,
               pg_get_indexdef(x.oid), s.spcname::text, obj_description(x.oid, 'pg_class'),
               i.indisclustered, i.indisreplident,
               ARRAY(SELECT a.attnum FROM pg_attribute a
                      WHERE a.attrelid = x.oid AND a.attstattarget >= 0 ORDER BY a.attnum),
               ARRAY(SELECT a.attstattarget::int4 FROM pg_attribute a
                      WHERE a.attrelid = x.oid AND a.attstattarget >= 0 ORDER BY a.attnum),
               CASE WHEN x.relkind = 'I' OR x.relispartition THEN 'partitioned'
                    WHEN k.contype = 'x' OR k.oid IS NOT NULL AND a.amname <> 'btree' THEN 'exclusion'
                    WHEN NOT (i.indisvalid AND i.indisready AND i.indislive) THEN 'invalid'
                    WHEN EXISTS (SELECT FROM pg_depend d
                                  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = x.oid
                                     OR d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid AND d.deptype <> 'i'
                                     OR d.classid = 'pg_class'::regclass AND d.objid = x.oid AND d.deptype IN ('e', 'x'))
                    THEN 'depended'
                    WHEN NOT has_schema_privilege(n.oid, 'CREATE')
                      OR x.reltablespace <> 0 AND NOT has_tablespace_privilege(x.reltablespace, 'CREATE')
                    THEN 'refused' END,
               k.conname::text, CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END,
               CASE WHEN k.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED'
                    WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END,
               obj_description(k.oid, 'pg_constraint'),
               (SELECT format('SELECT count(*) FROM ONLY %1$I.%2$I WHERE ctid <= (SELECT c FROM (SELECT ctid AS c,
                               row_number() OVER (PARTITION BY %3$s ORDER BY ctid) AS n FROM ONLY %1$I.%2$I
                               WHERE (%3$s) IS NOT NULL) AS k WHERE n > 1 ORDER BY c LIMIT 1)',
                              tn.nspname, t.relname, string_agg(format('%I', c.attname), ', ' ORDER BY u.place))
                  FROM unnest(k.conkey) WITH ORDINALITY u (number, place)
                  JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum = u.number)
          FROM pg_index i
          JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
          JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
          JOIN pg_am a ON a.oid = x.relam
          LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.contype IN ('p', 'u', 'x')
          LEFT JOIN pg_tablespace s ON s.oid = x.reltablespace
         WHERE i.indrelid = ANY($1)
         ORDER BY x.oid";
    let rows = link
        .rows(Step::new("reading the indexes"), sql, ids.to_vec())
        .await?;
    rows.iter()
        .map(|row| {
            let columns: Vec<i16> = link.get(row, 9)?;
            let targets: Vec<i32> = link.get(row, 10)?;
            let stays: Option<String> = link.get(row, 11)?;
            let key = match link.get::<Option<String>>(row, 12)? {
                None => None,
                Some(name) => Some(Key {
                    name,
                    kind: link.get(row, 13)?,
                    deferrable: link.get(row, 14)?,
                    comment: link.get(row, 15)?,
                    first_duplicate: link.get(row, 16)?,
                }),
            };
            Ok(Index {
                name: TableName::new(link.get::<String>(row, 0)?, link.get::<String>(row, 1)?),
                table: TableName::new(link.get::<String>(row, 2)?, link.get::<String>(row, 3)?),
                definition: link.get(row, 4)?,
                tablespace: link.get(row, 5)?,
                comment: link.get(row, 6)?,
                clustered: link.get(row, 7)?,
                replica_identity: link.get(row, 8)?,
                statistics: columns.into_iter().zip(targets).collect(),
                key,
                stays: stays.as_deref().map(|why| match why {
                    "exclusion" => Stays::Exclusion,
                    "partitioned" => Stays::Told(RowByRow::PartOfPartitioned),
                    "invalid" => Stays::Told(RowByRow::Invalid),
                    "refused" => Stays::Told(RowByRow::NotPermitted),
                    _ => Stays::Told(RowByRow::DependedOn),
                }),
            })
        })
        .collect()
}
