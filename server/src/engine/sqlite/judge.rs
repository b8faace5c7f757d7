//! Tables that have the unique indexes of a file's table that texts of values can't stand for.

use super::{catalog::all, link::Link};
use crate::engine::{EngineError, sql};

/// The statements that make such a table under a name; none if there is no such index.
pub(super) fn judge(link: &Link, table: &str, name: &str) -> Result<Vec<String>, EngineError> {
    let own = name.trim_start_matches("temp.");
    let indexes: Vec<(String, bool, Option<String>)> = all(
        link,
        "SELECT l.name, l.partial, (SELECT s.sql FROM main.sqlite_schema s WHERE s.type = 'index' AND s.name = l.name)
           FROM pragma_index_list(?1, 'main') l WHERE l.\"unique\" ORDER BY l.name",
        [table],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let mut statements = Vec::new();
    for (place, (index, partial, text)) in indexes.iter().enumerate() {
        let columns: Vec<(Option<String>, String)> = all(
            link,
            "SELECT name, coll FROM pragma_index_xinfo(?1, 'main') WHERE \"key\" ORDER BY seqno",
            [index],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let plain = |(name, collation): &(Option<String>, String)| {
            name.is_some() && collation.eq_ignore_ascii_case("BINARY")
        };
        if !partial && columns.iter().all(plain) {
            continue;
        }
        let parts = text.as_deref().and_then(parts);
        let mut terms = Vec::new();
        for (place, (name, collation)) in columns.iter().enumerate() {
            terms.push(match name {
                Some(name) => format!("{} COLLATE {}", sql::name(name), sql::name(collation)),
                None => match parts.as_ref().and_then(|(terms, _)| terms.get(place)) {
                    Some(term) => (*term).to_owned(),
                    None => continue,
                },
            });
        }
        let condition = parts.map(|(_, rest)| rest).unwrap_or_default();
        statements.push(format!(
            "CREATE UNIQUE INDEX temp.{own}_{place} ON {own} ({}) {condition}",
            terms.join(", ")
        ));
    }
    if statements.is_empty() {
        return Ok(statements);
    }
    statements.insert(
        0,
        format!(
            "CREATE TEMPORARY TABLE {own} AS SELECT CAST(0 AS INTEGER) AS coffer_n, CAST(0 AS INTEGER) AS coffer_kind, * FROM main.{} LIMIT 0",
            sql::name(table)
        ),
    );
    Ok(statements)
}

/// The terms of an index and what follows them, from its CREATE INDEX statement.
fn parts(text: &str) -> Option<(Vec<&str>, &str)> {
    let mut depth = 0_usize;
    let mut quote: Option<u8> = None;
    let (mut from, mut terms) = (0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        if let Some(end) = quote {
            if byte == end {
                quote = None;
            }
            continue;
        }
        match byte {
            b'\'' | b'"' | b'`' => quote = Some(byte),
            b'[' => quote = Some(b']'),
            b'(' => {
                depth += 1;
                if depth == 1 {
                    from = at + 1;
                }
            }
            b',' if depth == 1 => {
                terms.push(text.get(from..at)?.trim());
                from = at + 1;
            }
            b')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    terms.push(text.get(from..at)?.trim());
                    return Some((terms, text.get(at + 1..)?.trim()));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn terms_are_parted_where_no_quote_or_bracket_is_open() {
        assert_eq!(
            parts("CREATE UNIQUE INDEX \"a(b\" ON [t,] (lower(x, ','), \"y)\" DESC) WHERE z > (1)"),
            Some((vec!["lower(x, ',')", "\"y)\" DESC"], "WHERE z > (1)"))
        );
        assert_eq!(parts("CREATE UNIQUE INDEX a ON t (x"), None);
        assert_eq!(parts("CREATE UNIQUE INDEX a ON t"), None);
    }
}
