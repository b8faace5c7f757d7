//! The form of a source's file, and what its parts mean.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use toml::Spanned;

use super::error::Fault;
use crate::{
    hooks::{Action, Call, Header, HeaderValue, Hook, Method, When},
    transform::{IN, OUT, PathColumn, Transform},
};

/// The longest that a program may be given.
const MAX_SECONDS: u64 = 7 * 24 * 60 * 60;
const HOOK_SECONDS: u64 = 5 * 60;
const TRANSFORM_SECONDS: u64 = 60 * 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    pub(super) name: Option<String>,
    pub(super) database: Option<Spanned<String>>,
    pub(super) database_env: Option<Spanned<String>>,
    pub(super) schemas: Option<Spanned<Vec<String>>>,
    pub(super) preset: Option<Spanned<PathBuf>>,
    pub(super) app: Option<String>,
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    #[serde(default)]
    pub(super) file_set: Vec<FileSetText>,
    #[serde(default)]
    pub(super) hook: Vec<HookText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSetText {
    pub(super) name: Spanned<String>,
    pub(super) folder: Spanned<PathBuf>,
    pub(super) exclude: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(super) optional: bool,
    pub(super) transform: Option<TransformText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransformText {
    program: Spanned<Vec<String>>,
    suffixes: Spanned<Vec<String>>,
    new_suffix: Spanned<String>,
    #[serde(default)]
    columns: Vec<ColumnText>,
    time_limit_seconds: Option<Spanned<u64>>,
    max_bytes: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnText {
    table: String,
    column: String,
    #[serde(default)]
    prefix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookText {
    name: Spanned<String>,
    when: When,
    command: Option<Spanned<Vec<String>>>,
    http: Option<CallText>,
    even_if_failed: Option<Spanned<bool>>,
    time_limit_seconds: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallText {
    url: Spanned<String>,
    #[serde(default)]
    method: Method,
    #[serde(default)]
    headers: Vec<HeaderText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderText {
    name: Spanned<String>,
    value: Option<String>,
    value_env: Option<String>,
}

fn seconds(given: Option<Spanned<u64>>, usual: u64) -> Result<Duration, Fault> {
    match given {
        None => Ok(Duration::from_secs(usual)),
        Some(given) if (1..=MAX_SECONDS).contains(given.get_ref()) => {
            Ok(Duration::from_secs(*given.get_ref()))
        }
        Some(given) => Err(Fault::new(
            given.span(),
            format!("a time limit is 1 to {MAX_SECONDS} seconds"),
        )),
    }
}

/// A program with its arguments.
fn argv(given: Spanned<Vec<String>>) -> Result<Vec<String>, Fault> {
    let span = given.span();
    let argv = given.into_inner();
    match argv.first() {
        None => Err(Fault::new(span, "it names no program")),
        Some(name) if name.is_empty() => Err(Fault::new(span, "the program has no name")),
        Some(_) if argv.iter().any(|part| part.contains('\0')) => {
            Err(Fault::new(span, "an argument has a NUL character"))
        }
        Some(_) => Ok(argv),
    }
}

fn is_suffix(text: &str) -> bool {
    text.len() > 1 && text.starts_with('.') && !text.contains(['/', '\0'])
}

impl TransformText {
    pub(super) fn read(self) -> Result<Transform, Fault> {
        let span = self.program.span();
        let program = argv(self.program)?;
        let named = |place: &str| program.iter().skip(1).any(|part| part.contains(place));
        if !named(IN) || !named(OUT) {
            return Err(Fault::new(
                span,
                format!("the arguments name no {IN}, what is read, or no {OUT}, what is written"),
            ));
        }
        let span = self.suffixes.span();
        let suffixes = self.suffixes.into_inner();
        if suffixes.is_empty() || !suffixes.iter().all(|suffix| is_suffix(suffix)) {
            return Err(Fault::new(
                span,
                "name the suffixes that it applies to, each with its dot, such as \".wav\"",
            ));
        }
        if !is_suffix(self.new_suffix.get_ref()) {
            return Err(Fault::new(
                self.new_suffix.span(),
                "the new suffix starts with a dot, such as \".opus\"",
            ));
        }
        Ok(Transform {
            program,
            suffixes,
            new_suffix: self.new_suffix.into_inner(),
            columns: self
                .columns
                .into_iter()
                .map(|text| PathColumn {
                    table: text.table,
                    column: text.column,
                    prefix: text.prefix,
                })
                .collect(),
            time_limit: seconds(self.time_limit_seconds, TRANSFORM_SECONDS)?,
            max_bytes: self.max_bytes,
        })
    }
}

impl HookText {
    pub(super) fn read(self) -> Result<Hook, Fault> {
        let span = self.name.span();
        let name = self.name.into_inner();
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            return Err(Fault::new(span, "a hook has a name, on one line"));
        }
        let action = match (self.command, self.http) {
            (Some(command), None) => Action::Command(argv(command)?),
            (None, Some(call)) => Action::Http(call.read()?),
            (Some(_), Some(_)) | (None, None) => {
                return Err(Fault::new(span, "a hook has either a command or http"));
            }
        };
        let even_if_failed = match self.even_if_failed {
            Some(given) if self.when.is_before() => {
                return Err(Fault::new(
                    given.span(),
                    "even_if_failed is for hooks that run after something",
                ));
            }
            Some(given) => given.into_inner(),
            None => false,
        };
        Ok(Hook {
            name,
            when: self.when,
            action,
            even_if_failed,
            time_limit: seconds(self.time_limit_seconds, HOOK_SECONDS)?,
        })
    }
}

impl CallText {
    fn read(self) -> Result<Call, Fault> {
        let span = self.url.span();
        let wrong = |what: &str| Fault::new(span.clone(), what);
        let url = url::Url::parse(self.url.get_ref())
            .map_err(|error| wrong(&format!("the URL cannot be read: {error}")))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(wrong("the URL is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "the URL holds a user name or password; give them by a header with value_env",
            ));
        }
        Ok(Call {
            url: url.into(),
            method: self.method,
            headers: self
                .headers
                .into_iter()
                .map(HeaderText::read)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl HeaderText {
    fn read(self) -> Result<Header, Fault> {
        let span = self.name.span();
        let name = self.name.into_inner();
        let token = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            return Err(Fault::new(span, "that cannot be the name of a header"));
        }
        let value = match (self.value, self.value_env) {
            (Some(value), None) => HeaderValue::Text(value),
            (None, Some(name)) => HeaderValue::Variable(name),
            _ => return Err(Fault::new(span, "a header has either value or value_env")),
        };
        Ok(Header { name, value })
    }
}
