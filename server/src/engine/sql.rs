//! Quoting, the same for both engines: every name and literal that goes into a statement goes through here.

use coffer_core::schema::TableName;

/// A name in double quotes.
pub(crate) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table or sequence with its schema.
pub(crate) fn table(table: &TableName) -> String {
    format!("{}.{}", name(&table.schema), name(&table.name))
}

/// A string literal. PostgreSQL's sessions have `standard_conforming_strings` on, so a backslash is itself.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Names in double quotes with commas between them.
pub(crate) fn names<'a>(list: impl IntoIterator<Item = &'a str>) -> String {
    list.into_iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(
            table(&TableName::new("public", "we\"ird \\ Größe")),
            "\"public\".\"we\"\"ird \\ Größe\""
        );
        assert_eq!(literal("O'Neil\\n"), "'O''Neil\\n'");
        assert_eq!(names(["a", "b"]), "\"a\", \"b\"");
    }
}
