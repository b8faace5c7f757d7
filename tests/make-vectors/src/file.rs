//! The text form of a vector: header lines, a blank line, the sealed bytes.

use std::{
    fmt::Write as _,
    io::{Read, Write as _},
};

use coffer_core::Digest;
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

/// What the archive is to be opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// A password, exactly as typed.
    Password(String),
    /// The text of a secret key.
    Identity(String),
    /// The file key itself, as for a restore bundle.
    FileKey([u8; 32]),
}

/// What a reader finds: how reading ended, and the plaintext that it released before that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `success`, or the name of the failure.
    pub code: String,
    /// SHA-256 of all plaintext that was released.
    pub payload: Digest,
}

/// One vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    /// What it is about.
    pub comment: String,
    /// What to open it with.
    pub open: Open,
    /// What a reader with random access finds.
    pub random: Finding,
    /// What a reader that sees every byte once, in order, finds.
    pub sequential: Finding,
    /// What is found without any key: `ok`, `damaged` and the numbers of blocks, or the name of a failure.
    pub scrub: String,
    /// Who sealed it, where it is signed and the signature is right.
    pub sender: Option<String>,
    /// The file.
    pub sealed: Vec<u8>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> [u8; 32] {
    assert_eq!(text.len(), 64, "64 hexadecimal digits");
    std::array::from_fn(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap())
}

impl Vector {
    /// The header lines, with the blank line after them.
    #[must_use]
    pub fn head(&self) -> String {
        let mut lines = vec![
            ("expect", self.random.code.clone()),
            ("payload", hex(&self.random.payload.0)),
        ];
        if self.sequential.code != self.random.code {
            lines.push(("sequential expect", self.sequential.code.clone()));
        }
        if self.sequential.payload != self.random.payload {
            lines.push(("sequential payload", hex(&self.sequential.payload.0)));
        }
        lines.push(("scrub", self.scrub.clone()));
        if let Some(sender) = &self.sender {
            lines.push(("sender", sender.clone()));
        }
        lines.push(match &self.open {
            Open::Password(password) => ("password", password.clone()),
            Open::Identity(text) => ("identity", text.clone()),
            Open::FileKey(key) => ("file key", hex(key)),
        });
        lines.push(("comment", self.comment.clone()));
        lines.push(("compressed", "zlib".to_owned()));
        let mut head = String::new();
        for (name, value) in lines {
            writeln!(head, "{name}: {value}").unwrap();
        }
        head.push('\n');
        head
    }

    /// The vector's file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ZlibEncoder::new(self.head().into_bytes(), Compression::best());
        out.write_all(&self.sealed).unwrap();
        out.finish().unwrap()
    }

    /// Reads a vector's file.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn parse(file: &[u8]) -> Self {
        let end = file
            .windows(2)
            .position(|pair| pair == b"\n\n")
            .expect("a blank line ends the header");
        let (head, body) = (&file[..=end], &file[end + 2..]);
        let head = std::str::from_utf8(head).expect("header lines are UTF-8");
        let mut fields = head
            .lines()
            .map(|line| line.split_once(": ").expect("name: value"))
            .peekable();
        let mut take = |name: &str| {
            fields
                .next_if(|field| field.0 == name)
                .map(|field| field.1.to_owned())
        };
        let random = Finding {
            code: take("expect").expect("expect"),
            payload: Digest(unhex(&take("payload").expect("payload"))),
        };
        let sequential = Finding {
            code: take("sequential expect").unwrap_or_else(|| random.code.clone()),
            payload: take("sequential payload").map_or(random.payload, |text| Digest(unhex(&text))),
        };
        let scrub = take("scrub").expect("scrub");
        let sender = take("sender");
        let open = take("password")
            .map(Open::Password)
            .or_else(|| take("identity").map(Open::Identity))
            .or_else(|| take("file key").map(|text| Open::FileKey(unhex(&text))))
            .expect("what to open it with");
        let comment = take("comment").expect("comment");
        let mut sealed = Vec::new();
        match take("compressed").as_deref() {
            Some("zlib") => {
                ZlibDecoder::new(body).read_to_end(&mut sealed).unwrap();
            }
            Some(other) => panic!("compressed: {other}"),
            None => sealed.extend_from_slice(body),
        }
        assert_eq!(fields.next(), None, "known header lines in order");
        Self {
            comment,
            open,
            random,
            sequential,
            scrub,
            sender,
            sealed,
        }
    }
}
