//! Which vectors there are, how each is made, and what a reader must find in it.
//!
//! What is expected is said here, beside the fault; no reader is asked for it.

mod ends;
mod header;
mod keys;
mod payload;
mod recipients;
mod sender;
mod stanzas;
mod success;

use coffer_core::{
    Digest,
    seal::{Access, Cost, FileKey, Header, LockedKey, Password, SecretKey, Stanza, seal_header},
};

use super::{
    Finding, Open, Vector,
    parts::{CHUNK, Parts, base64},
    seeded::Seeded,
};

/// What opens a vector that says nothing else.
pub const PASSWORD: &str = "correct horse battery staple";
/// A password that opens none.
pub const OTHER_PASSWORD: &str = "incorrect horse battery staple";

/// Passwords cost next to nothing here, so that all vectors run in seconds, in a browser too.
const CHEAP: Cost = Cost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

/// One vector, and how it is made.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The name of its file.
    pub name: &'static str,
    comment: &'static str,
    make: fn(&mut Make) -> Draft,
}

impl Case {
    const fn new(name: &'static str, comment: &'static str, make: fn(&mut Make) -> Draft) -> Self {
        Self {
            name,
            comment,
            make,
        }
    }

    /// Makes the vector: the same in every run.
    #[must_use]
    pub fn vector(&self) -> Vector {
        let draft = (self.make)(&mut Make(Seeded::new(self.name)));
        let finding = |(code, released): (&str, Vec<u8>)| Finding {
            code: code.to_owned(),
            payload: Digest::of(&released),
        };
        Vector {
            comment: self.comment.to_owned(),
            open: draft.open,
            random: finding(draft.random),
            sequential: finding(draft.sequential),
            scrub: draft.scrub,
            sender: draft.sender,
            sealed: draft.sealed,
        }
    }
}

/// All vectors.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        success::CASES,
        header::CASES,
        stanzas::CASES,
        recipients::CASES,
        keys::CASES,
        payload::CASES,
        ends::CASES,
        sender::CASES,
    ]
    .concat()
}

/// A vector in the making: a file, and what is expected of it.
#[derive(Debug)]
struct Draft {
    sealed: Vec<u8>,
    content: Vec<u8>,
    open: Open,
    random: (&'static str, Vec<u8>),
    sequential: (&'static str, Vec<u8>),
    scrub: String,
    sender: Option<String>,
}

impl Draft {
    /// A file that opens with the usual password, and is whole.
    fn of(parts: &Parts) -> Self {
        Self {
            sealed: parts.bytes(),
            content: parts.content.clone(),
            open: Open::Password(PASSWORD.to_owned()),
            random: ("success", parts.content.clone()),
            sequential: ("success", parts.content.clone()),
            scrub: "ok".to_owned(),
            sender: None,
        }
    }

    /// With other bytes, by an edit of the finished file.
    fn edited(mut self, edit: impl FnOnce(&mut Vec<u8>)) -> Self {
        edit(&mut self.sealed);
        self
    }

    fn password(mut self, password: &str) -> Self {
        self.open = Open::Password(password.to_owned());
        self
    }

    fn identity(mut self, secret: &SecretKey) -> Self {
        self.open = Open::Identity(secret.expose().to_string());
        self
    }

    fn file_key(mut self, key: [u8; 32]) -> Self {
        self.open = Open::FileKey(key);
        self
    }

    /// Nobody gets in, key or not: what is wrong shows before any cryptography, and before the payload.
    fn malformed(mut self, code: &'static str) -> Self {
        self.random = (code, Vec::new());
        self.sequential = (code, Vec::new());
        self.scrub = code.to_owned();
        self
    }

    /// The key given does not get in; without any key, all is well.
    fn locked_out(mut self, code: &'static str) -> Self {
        self.random = (code, Vec::new());
        self.sequential = (code, Vec::new());
        self
    }

    /// Chunk by chunk until the one after `released` chunks fails.
    fn damaged(mut self, released: usize, scrub: &str) -> Self {
        let content = self.first(released);
        self.random = ("chunk_damaged", content.clone());
        self.sequential = ("chunk_damaged", content);
        scrub.clone_into(&mut self.scrub);
        self
    }

    /// With random access it shows at once that the file's end is wrong; a sequential reader has released chunks by then.
    fn wrong_end(mut self, code: &'static str, released: usize) -> Self {
        self.random = (code, Vec::new());
        self.sequential = (code, self.first(released));
        self.scrub = code.to_owned();
        self
    }

    /// All content is right; what is wrong shows at the very end.
    fn last_check(mut self, code: &'static str, scrub: &str) -> Self {
        self.random.0 = code;
        self.sequential.0 = code;
        scrub.clone_into(&mut self.scrub);
        self
    }

    /// The signature does not hold: with random access that shows at once, in sequence at the end.
    fn wrong_sender(mut self, code: &'static str) -> Self {
        self.sequential = (code, self.content.clone());
        self.random = (code, Vec::new());
        code.clone_into(&mut self.scrub);
        self
    }

    /// With random access, nothing is released before the failure.
    fn nothing_with_random_access(mut self) -> Self {
        self.random.1.clear();
        self
    }

    /// What a reader with random access finds, where it is not the same.
    fn random(mut self, code: &'static str, released: usize) -> Self {
        self.random = (code, self.first(released));
        self
    }

    fn sender(mut self, text: String) -> Self {
        self.sender = Some(text);
        self
    }

    /// What a sequential reader finds, where it is not the same.
    fn sequential(mut self, code: &'static str, released: usize) -> Self {
        self.sequential = (code, self.first(released));
        self
    }

    /// The content of the first chunks.
    fn first(&self, chunks: usize) -> Vec<u8> {
        self.content[..self.content.len().min(chunks * CHUNK)].to_vec()
    }
}

/// Makes what vectors are made of, from the vector's own random bytes.
struct Make(Seeded);

impl Make {
    /// An archive with `len` bytes of content and no way in.
    fn bare(&mut self, len: usize) -> Parts {
        let (file_key, salt) = (self.0.array(), self.0.array());
        let content = super::parts::Cipher::new(&file_key, &salt).content(len);
        Parts::new(file_key, salt, content)
    }

    /// An archive with `len` bytes of content, sealed with the usual password.
    fn archive(&mut self, len: usize) -> Parts {
        let mut parts = self.bare(len);
        let stanza = self.password(&parts, PASSWORD);
        parts.header.stanzas.push(text(&stanza));
        parts
    }

    /// The same, with changes.
    fn changed(&mut self, len: usize, change: impl FnOnce(&mut Parts)) -> Parts {
        let mut parts = self.archive(len);
        change(&mut parts);
        parts
    }

    fn stanza(&mut self, file_key: [u8; 32], access: Access<'_>) -> Stanza {
        let block = seal_header(&FileKey::new(file_key), &[access], &mut self.0).unwrap();
        Header::parse(&block).unwrap().stanzas()[0].clone()
    }

    fn password(&mut self, parts: &Parts, password: &str) -> Stanza {
        self.password_at(parts, password, CHEAP)
    }

    fn password_at(&mut self, parts: &Parts, password: &str, cost: Cost) -> Stanza {
        let password = &Password::new(password);
        self.stanza(parts.file_key, Access::Password { password, cost })
    }

    fn hybrid_key(&mut self) -> SecretKey {
        SecretKey::generate(&mut self.0)
    }

    fn recipient(&mut self, parts: &Parts, secret: &SecretKey) -> Stanza {
        let recipient = secret.recipient().unwrap();
        self.stanza(parts.file_key, Access::Recipient(&recipient))
    }

    fn locked(&mut self, secret: &SecretKey, password: &str) -> Stanza {
        let password = Password::new(password);
        let locked = LockedKey::lock(secret, &password, CHEAP, &mut self.0).unwrap();
        self.stanza([0; 32], Access::LockedKey(&locked))
    }
}

/// A stanza as the header has it.
fn text(stanza: &Stanza) -> Vec<u8> {
    raw(&stanza.tag, &stanza.args, &base64(&stanza.body))
}

/// A stanza of any words and any text for its body, which is broken into lines.
fn raw<S: AsRef<str>>(tag: &str, args: &[S], body: &str) -> Vec<u8> {
    let mut text = format!("-> {tag}");
    for arg in args {
        text.push(' ');
        text.push_str(arg.as_ref());
    }
    text.push('\n');
    for (at, character) in body.chars().enumerate() {
        text.push(character);
        if at % 64 == 63 {
            text.push('\n');
        }
    }
    text.push('\n');
    text.into_bytes()
}
