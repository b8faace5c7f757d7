//! The curated texts that the help desk's content is combined from.
//!
//! Conversations start with `== topic` and a subject; then come lines of the customer (`>`), of an agent (`<`) and
//! internal notes (`!`). `{customer}`, `{agent}`, `{device}`, `{room}` and `{n}` are filled in, the same for all
//! lines of one ticket.

use super::DemoError;

/// Who writes a line of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// The one who asks for help.
    Customer,
    /// The agent, to the customer.
    Agent,
    /// The agent, for colleagues only.
    Note,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) author: Author,
    pub(super) text: &'static str,
}

/// A ticket's course from the first message to its solution.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) topic: &'static str,
    pub(super) subject: &'static str,
    pub(super) lines: Vec<Line>,
}

/// What is written in one language.
#[derive(Debug)]
pub(super) struct Language {
    pub(super) code: &'static str,
    pub(super) conversations: Vec<Conversation>,
    /// Lines that fit into any conversation.
    pub(super) extras: Vec<Line>,
}

/// An article of the knowledge base; a draft has no body yet.
#[derive(Debug)]
pub(super) struct Article {
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    pub(super) language: &'static str,
    pub(super) body: Option<String>,
}

const CONVERSATIONS: [(&str, &str); 7] = [
    ("de", include_str!("texts/de.txt")),
    ("en", include_str!("texts/en.txt")),
    ("fr", include_str!("texts/fr.txt")),
    ("ja", include_str!("texts/ja.txt")),
    ("ar", include_str!("texts/ar.txt")),
    ("he", include_str!("texts/he.txt")),
    ("uk", include_str!("texts/uk.txt")),
];

/// Conversations and further lines by language.
pub(super) fn languages() -> Result<Vec<Language>, DemoError> {
    let mut languages = Vec::new();
    for (code, text) in CONVERSATIONS {
        languages.push(Language {
            code,
            conversations: conversations(code, text)?,
            extras: Vec::new(),
        });
    }
    for (number, text) in (1..).zip(include_str!("texts/extras.txt").lines()) {
        let malformed = || DemoError::Text {
            file: "extras.txt",
            line: number,
        };
        let (code, rest) = text.split_once(' ').ok_or_else(malformed)?;
        let line = line(rest).ok_or_else(malformed)?;
        languages
            .iter_mut()
            .find(|language| language.code == code)
            .ok_or_else(malformed)?
            .extras
            .push(line);
    }
    Ok(languages)
}

fn conversations(file: &'static str, text: &'static str) -> Result<Vec<Conversation>, DemoError> {
    let mut found: Vec<Conversation> = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, text)) = lines.next() {
        let malformed = || DemoError::Text { file, line: number };
        if let Some(topic) = text.strip_prefix("== ") {
            let (_, subject) = lines.next().ok_or_else(malformed)?;
            found.push(Conversation {
                topic,
                subject,
                lines: Vec::new(),
            });
        } else {
            let line = line(text).ok_or_else(malformed)?;
            found.last_mut().ok_or_else(malformed)?.lines.push(line);
        }
    }
    Ok(found)
}

fn line(text: &'static str) -> Option<Line> {
    let (mark, text) = text.split_once(' ')?;
    let author = match mark {
        ">" => Author::Customer,
        "<" => Author::Agent,
        "!" => Author::Note,
        _ => return None,
    };
    Some(Line { author, text })
}

/// Name, mailbox, organisation and language of every customer.
pub(super) fn customers() -> Result<Vec<[&'static str; 4]>, DemoError> {
    records("customers.txt", include_str!("texts/customers.txt"))
}

/// Name, mailbox, role and signature of every agent; `\n` in a signature is the end of a line.
pub(super) fn agents() -> Result<Vec<[&'static str; 4]>, DemoError> {
    records("agents.txt", include_str!("texts/agents.txt"))
}

fn records<const FIELDS: usize>(
    file: &'static str,
    text: &'static str,
) -> Result<Vec<[&'static str; FIELDS]>, DemoError> {
    (1..)
        .zip(text.lines())
        .map(|(line, text)| {
            let fields: Vec<_> = text.split('|').map(str::trim).collect();
            fields
                .try_into()
                .map_err(|_| DemoError::Text { file, line })
        })
        .collect()
}

/// The knowledge base.
pub(super) fn articles() -> Result<Vec<Article>, DemoError> {
    let mut found: Vec<Article> = Vec::new();
    for (number, text) in (1..).zip(include_str!("texts/articles.txt").lines()) {
        let malformed = || DemoError::Text {
            file: "articles.txt",
            line: number,
        };
        if let Some(head) = text.strip_prefix("== ") {
            let [slug, title, language] = head
                .split(" | ")
                .collect::<Vec<_>>()
                .try_into()
                .map_err(|_| malformed())?;
            found.push(Article {
                slug,
                title,
                language,
                body: None,
            });
        } else {
            let body = &mut found.last_mut().ok_or_else(malformed)?.body;
            let body = body.get_or_insert_default();
            body.push_str(text);
            body.push('\n');
        }
    }
    Ok(found)
}
