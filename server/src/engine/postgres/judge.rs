//! Tables that have the unique indexes of a target's table that texts of values can't stand for.

use super::{
    catalog::Relation,
    link::{Link, Step},
};
use crate::engine::EngineError;

/// Types whose values are equal exactly where their texts are, or whose texts are made so.
const PLAIN: &str =
    "'{int2,int4,int8,text,varchar,uuid,bool,date,timestamp,timestamptz,bytea,oid,citext,numeric}'";

/// The statements that make such a table under a name; none if there is no such index.
pub(super) async fn judge(
    link: &mut Link,
    relation: &Relation,
    name: &str,
) -> Result<Vec<String>, EngineError> {
    let step = Step::of("reading the unique indexes of", &relation.name);
    // What stands behind the table's name in an index's definition, or the whole of a constraint's.
    let query = format!(
        "SELECT coalesce(
             'ALTER TABLE {name} ADD ' || regexp_replace(pg_get_constraintdef(k.oid), '( NOT)? DEFERRABLE.*$', ''),
             'CREATE UNIQUE INDEX ON {name} ' || substring(z.rest from strpos(z.rest, quote_ident(r.relname) || ' USING ') + length(quote_ident(r.relname))))
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class r ON r.oid = i.indrelid
          CROSS JOIN LATERAL (SELECT substring(pg_get_indexdef(i.indexrelid) from length('CREATE UNIQUE INDEX ' || quote_ident(c.relname)) + 1)) z (rest)
           LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'x'
          WHERE i.indrelid = {} AND i.indisvalid AND (i.indisunique OR k.oid IS NOT NULL)
            AND (k.oid IS NOT NULL OR i.indpred IS NOT NULL OR i.indexprs IS NOT NULL
                 OR coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
                 OR EXISTS (SELECT 1 FROM unnest(i.indcollation::oid[]) u JOIN pg_collation l ON l.oid = u WHERE NOT l.collisdeterministic)
                 OR EXISTS (SELECT 1 FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (number, place)
                              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number
                              JOIN pg_type t ON t.oid = a.atttypid
                             WHERE u.place <= i.indnkeyatts AND t.typtype <> 'e' AND NOT t.typname = ANY ({PLAIN})))
          ORDER BY c.relname",
        relation.id.0
    );
    let rows = link.composed(step, query).await?;
    let found: Vec<String> = rows
        .iter()
        .map(|row| link.get(row, 0))
        .collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Ok(found);
    }
    let own = name.trim_start_matches("pg_temp.");
    let mut statements = vec![
        format!(
            "CREATE TEMPORARY TABLE {own} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED) ON COMMIT DROP",
            crate::engine::sql::table(&relation.name)
        ),
        format!("ALTER TABLE {name} ADD COLUMN coffer_n bigint, ADD COLUMN coffer_kind bigint"),
    ];
    statements.extend(found);
    Ok(statements)
}
