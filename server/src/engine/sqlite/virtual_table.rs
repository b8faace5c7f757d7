//! Virtual tables: which of them hold data of their own, and how it is read.
//!
//! A full-text index over another table's rows can be computed again. One with its own content, and an R-tree, are read
//! and written as tables, through their modules: what lies in their shadow tables is an index that the target's module
//! builds by itself, with the target's own options. Every other virtual table that stores something, one of an extension
//! for example, holds data in a form that only its module knows. Copying that behind the module's back may break it, so
//! such a database is refused instead of archived with a hole in it.

/// What a virtual table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Computed from other tables whenever it is read.
    Computed,
    /// A full-text index over the table or view of this name.
    IndexOf(String),
    /// A full-text index that doesn't keep what it indexes.
    Contentless,
    /// A full-text index with what it indexes: rows of its columns and the rowid.
    FullText,
    /// An R-tree: rows of its columns, of which the first is the rowid.
    RTree,
    /// It holds, or may hold, data of its own that can't be read as rows.
    OwnData,
}

/// Modules that store nothing: they show other tables, or the file itself, in another way.
const COMPUTED: [&str; 5] = [
    "fts4aux",
    "fts5vocab",
    "fts3tokenize",
    "dbstat",
    "sqlite_dbpage",
];

/// Options of full-text tables that hide a part of what is in a row, or need functions of the application.
const HIDING: [&str; 4] = ["languageid", "compress", "uncompress", "locale"];

/// Tells a virtual table's kind from the statement that made it.
pub(super) fn kind(statement: &str) -> Kind {
    let Some((module, arguments)) = module_and_arguments(statement) else {
        return Kind::OwnData;
    };
    if COMPUTED.contains(&module.as_str()) {
        return Kind::Computed;
    }
    if ["rtree", "rtree_i32"].contains(&module.as_str()) {
        return Kind::RTree;
    }
    if !["fts3", "fts4", "fts5"].contains(&module.as_str()) {
        return Kind::OwnData;
    }
    let options = || {
        arguments.iter().filter_map(|argument| {
            let (key, value) = argument.split_once('=')?;
            Some((key.trim().to_ascii_lowercase(), value.trim()))
        })
    };
    let content = options().find_map(|(key, value)| (key == "content").then(|| unquote(value)));
    match content {
        None if options().any(|(key, _)| HIDING.contains(&key.as_str())) => Kind::OwnData,
        None => Kind::FullText,
        Some(table) if table.is_empty() => Kind::Contentless,
        Some(table) => Kind::IndexOf(table),
    }
}

/// The module's name in lower case and its arguments, from `CREATE VIRTUAL TABLE name USING module(arguments)`.
fn module_and_arguments(statement: &str) -> Option<(String, Vec<String>)> {
    let mut rest = statement;
    let mut words = 0;
    // The table's name may be `using` itself, in quotes.
    loop {
        let (word, after) = next_word(rest)?;
        rest = after;
        words += 1;
        if words > 3 && word.eq_ignore_ascii_case("using") {
            break;
        }
    }
    let (module, rest) = next_word(rest)?;
    let module = unquote(module).to_ascii_lowercase();
    let rest = rest.trim_start();
    let Some(inside) = rest.strip_prefix('(') else {
        return Some((module, Vec::new()));
    };
    Some((module, split_arguments(inside)))
}

/// The next word or quoted name, and what comes after it.
fn next_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let first = text.chars().next()?;
    let end = match closing_quote(first) {
        Some(close) => quoted_length(text, close)?,
        None => text
            .char_indices()
            .find(|(at, c)| *at > 0 && (c.is_whitespace() || "(\"'`[.".contains(*c)))
            .map_or(text.len(), |(at, _)| at),
    };
    Some((text.get(..end)?, text.get(end..)?))
}

const fn closing_quote(open: char) -> Option<char> {
    match open {
        '"' | '\'' | '`' => Some(open),
        '[' => Some(']'),
        _ => None,
    }
}

/// Bytes of the quoted text at the start of `text`, quotes included. A doubled quote is a quote inside.
fn quoted_length(text: &str, close: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c != close {
            continue;
        }
        match characters.peek() {
            Some((_, next)) if *next == close && close != ']' => {
                characters.next();
            }
            _ => return Some(at + c.len_utf8()),
        }
    }
    None
}

/// The arguments up to the closing parenthesis, split at commas outside of quotes and parentheses.
fn split_arguments(text: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut current = String::new();
    let mut depth = 0_u32;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = closing_quote(c).and_then(|close| quoted_length(rest, close)) {
            let (quoted, after) = rest.split_at(length);
            current.push_str(quoted);
            rest = after;
            continue;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            ')' if depth == 0 => break,
            ',' if depth == 0 => {
                arguments.push(std::mem::take(&mut current).trim().to_owned());
                continue;
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        current.push(c);
    }
    arguments.push(current.trim().to_owned());
    arguments
}

fn unquote(text: &str) -> String {
    let quote = text.chars().next().and_then(closing_quote);
    match quote {
        Some(close) if text.len() >= 2 && text.ends_with(close) => {
            let inside = text.get(1..text.len() - 1).unwrap_or_default();
            if close == ']' {
                inside.to_owned()
            } else {
                inside.replace(&format!("{close}{close}"), &close.to_string())
            }
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_read_or_computed_again_is_let_through() {
        for (statement, expected) in [
            ("CREATE VIRTUAL TABLE t USING fts5(a, b)", Kind::FullText),
            (
                "CREATE VIRTUAL TABLE t USING fts5(a, locale = 1)",
                Kind::OwnData,
            ),
            (
                "CREATE VIRTUAL TABLE t USING fts4(a, LanguageID=\"lid\")",
                Kind::OwnData,
            ),
            ("CREATE VIRTUAL TABLE t USING fts3", Kind::FullText),
            (
                "CREATE VIRTUAL TABLE t USING fts5(a, content='')",
                Kind::Contentless,
            ),
            (
                "create virtual table if not exists \"using\" using FTS5(a, content = \"it\"\"s\", content_rowid=id)",
                Kind::IndexOf("it\"s".into()),
            ),
            (
                "CREATE VIRTUAL TABLE main.t USING fts4(content=[my, table], body, tokenize=unicode61 \"x=,)\")",
                Kind::IndexOf("my, table".into()),
            ),
            (
                "CREATE VIRTUAL TABLE t USING fts5(\"content=x\", b)",
                Kind::FullText,
            ),
            (
                "CREATE VIRTUAL TABLE t USING fts5(a, prefix='2,content=x')",
                Kind::FullText,
            ),
            (
                "CREATE VIRTUAL TABLE t USING fts5(a, contentless_delete=1)",
                Kind::FullText,
            ),
            (
                "CREATE VIRTUAL TABLE t USING fts5vocab('docs', 'row')",
                Kind::Computed,
            ),
            (
                "CREATE VIRTUAL TABLE t USING rtree(id, x0, x1)",
                Kind::RTree,
            ),
            ("CREATE VIRTUAL TABLE t USING vec0", Kind::OwnData),
            ("CREATE VIRTUAL TABLE", Kind::OwnData),
            ("", Kind::OwnData),
        ] {
            assert_eq!(kind(statement), expected, "{statement}");
        }
    }
}
