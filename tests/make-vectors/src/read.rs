//! Reads a vector with core, in every way that core can be driven.

use coffer_core::{
    ByteRange, Digest,
    seal::{
        CHUNK_BYTES, FileKey, Located, Locks, Opening, Password, PayloadBlocks, ScrubChecker,
        SealError, Sealed, SealedStream, SecretKey, Sender, Unsealer,
    },
};

use super::{Finding, Open};

/// Bytes of content in a chunk.
pub const CHUNK: u64 = CHUNK_BYTES as u64;

/// How reading ended, and what was released before that.
#[derive(Debug)]
pub struct Reading {
    /// Who sealed it, or the failure.
    pub result: Result<Option<Sender>, SealError>,
    /// All plaintext that was released.
    pub released: Vec<u8>,
}

impl Reading {
    /// As vectors say it.
    #[must_use]
    pub fn finding(&self) -> Finding {
        Finding {
            code: self
                .result
                .as_ref()
                .map_or_else(SealError::code, |_| "success")
                .to_owned(),
            payload: Digest::of(&self.released),
        }
    }

    /// In one line: the code, the digest, and who sealed it.
    #[must_use]
    pub fn line(&self) -> String {
        let Finding { code, payload } = self.finding();
        let sender = self.sender().unwrap_or_else(|| "-".to_owned());
        format!("{code} {payload} {sender}")
    }

    /// The text of who sealed it.
    #[must_use]
    pub fn sender(&self) -> Option<String> {
        let sender = self.result.as_ref().ok()?.as_ref()?;
        Some(sender.to_string())
    }
}

fn range(file: &[u8], range: ByteRange) -> &[u8] {
    let at = |place| usize::try_from(place).unwrap();
    &file[at(range.offset)..at(range.end())]
}

/// Reads header and footer, giving at most `step` bytes at a time, and checks the signature.
fn open(file: &[u8], step: usize) -> Result<(Sealed, Option<Sender>), SealError> {
    let mut opening = Opening::new(file.len() as u64)?;
    while let Some(wanted) = opening.wants() {
        let bytes = range(file, wanted);
        opening.feed(&bytes[..bytes.len().min(step)])?;
    }
    let sealed = opening.finish()?;
    let sender = sealed
        .sender_range()
        .map(|block| sealed.sender(range(file, sealed.prefix_range()), range(file, block)))
        .transpose()?;
    Ok((sealed, sender))
}

fn unlock(locks: &Locks, key: &Open) -> Result<FileKey, SealError> {
    match key {
        Open::Password(password) => locks.unlock(&Password::new(password)),
        Open::Identity(text) => locks.unlock_with_key(&SecretKey::parse(text)?),
        Open::FileKey(bytes) => {
            let file_key = FileKey::new(*bytes);
            locks.unlock_with_file_key(&file_key)?;
            Ok(file_key)
        }
    }
}

/// An archive that is unlocked.
#[derive(Debug)]
struct Unlocked {
    sealed: Sealed,
    sender: Option<Sender>,
    unsealer: Unsealer,
    /// Of a signed archive.
    blocks: Option<PayloadBlocks>,
}

impl Unlocked {
    /// Reads and unlocks the header, giving at most `step` bytes at a time.
    fn new(file: &[u8], key: &Open, step: usize) -> Result<Self, SealError> {
        let (sealed, sender) = open(file, step)?;
        let file_key = unlock(sealed.header_locks(), key)?;
        let unsealer = sealed.unsealer(&file_key, range(file, sealed.prefix_range()))?;
        let blocks = sender
            .map(|_| PayloadBlocks::new(&sealed, range(file, sealed.scrub_range())))
            .transpose()?;
        Ok(Self {
            sealed,
            sender,
            unsealer,
            blocks,
        })
    }

    /// Where to read for a range of plaintext. In a signed archive, every block that it is made from is compared with the
    /// table before.
    fn locate(&self, file: &[u8], wanted: ByteRange) -> Result<Located, SealError> {
        let located = self.unsealer.locate(wanted)?;
        if let Some(blocks) = &self.blocks {
            for number in blocks.holding(located.sealed)? {
                let block = blocks.range(number).unwrap();
                blocks.check(number, range(file, block))?;
            }
        }
        Ok(located)
    }

    /// After the last chunk: all of them were authentic, so wherever they differ it is the table that is wrong.
    fn end(&self, file: &[u8], step: usize) -> Result<Option<Sender>, SealError> {
        match compare(file, &self.sealed, step)?.as_slice() {
            [] => Ok(self.sender),
            _ => Err(SealError::ScrubTableDamaged),
        }
    }
}

/// Compares the payload with the scrub table, in order.
fn compare(file: &[u8], sealed: &Sealed, step: usize) -> Result<Vec<u64>, SealError> {
    let table = range(file, sealed.scrub_range());
    let mut checker = ScrubChecker::new(table, sealed.footer().scrub_root)?;
    for piece in range(file, sealed.payload_range()).chunks(step) {
        checker.update(piece);
    }
    Ok(checker.finish())
}

/// The ranges in which content is read. Empty content has a chunk to read too, so there is always one.
#[derive(Debug)]
struct Ranges {
    len: u64,
    piece: u64,
    next: Option<u64>,
}

impl Ranges {
    const fn new(len: u64, piece: u64) -> Self {
        Self {
            len,
            piece,
            next: Some(0),
        }
    }
}

impl Iterator for Ranges {
    type Item = ByteRange;

    fn next(&mut self) -> Option<ByteRange> {
        let offset = self.next?;
        let wanted = ByteRange::new(offset, self.piece.min(self.len - offset));
        self.next = Some(wanted.end()).filter(|end| *end < self.len);
        Some(wanted)
    }
}

/// Reads with random access: header and footer in steps of `step` bytes, then the content in ranges of `piece` bytes,
/// then the scrub table.
#[must_use]
pub fn random(file: &[u8], key: &Open, step: usize, piece: u64) -> Reading {
    let mut released = Vec::new();
    let result = (|| {
        let archive = Unlocked::new(file, key, step)?;
        for wanted in Ranges::new(archive.unsealer.plain_len(), piece) {
            let located = archive.locate(file, wanted)?;
            let sealed = range(file, located.sealed).to_vec();
            released.extend(archive.unsealer.open(located, sealed)?);
        }
        archive.end(file, step)
    })();
    Reading { result, released }
}

/// Reads like [`random`], but has the chunks decrypted elsewhere: by a browser's WebCrypto, or another library.
#[derive(Debug)]
pub struct Elsewhere {
    file: Vec<u8>,
    step: usize,
    ranges: Ranges,
    located: Option<Located>,
    archive: Result<Unlocked, SealError>,
    released: Vec<u8>,
}

/// Chunks to decrypt.
#[derive(Debug)]
pub struct Job {
    /// A nonce for each chunk.
    pub nonces: Vec<[u8; 12]>,
    /// The chunks; only the last may be shorter than the others.
    pub sealed: Vec<u8>,
}

impl Elsewhere {
    /// Reads and unlocks the header.
    #[must_use]
    pub fn new(file: Vec<u8>, key: &Open, step: usize, piece: u64) -> Self {
        let archive = Unlocked::new(&file, key, step);
        let len = archive
            .as_ref()
            .map_or(0, |archive| archive.unsealer.plain_len());
        Self {
            file,
            step,
            ranges: Ranges::new(len, piece),
            located: None,
            archive,
            released: Vec::new(),
        }
    }

    /// The key to decrypt with; `None` if it has ended already.
    #[must_use]
    pub fn key(&self) -> Option<[u8; 32]> {
        let archive = self.archive.as_ref().ok()?;
        Some(*archive.unsealer.payload_key().expose())
    }

    /// The next chunks; `None` at the end.
    pub fn next_job(&mut self) -> Option<Job> {
        let archive = self.archive.as_ref().ok()?;
        let wanted = self.ranges.next()?;
        let job = archive.locate(&self.file, wanted).and_then(|located| {
            let batch = archive.unsealer.batch(&located)?;
            self.located = Some(located);
            Ok(Job {
                nonces: batch.nonces().collect(),
                sealed: range(&self.file, located.sealed).to_vec(),
            })
        });
        job.map_err(|error| self.archive = Err(error)).ok()
    }

    /// Takes what they were decrypted to, or the place of the first that did not authenticate.
    pub fn settle(&mut self, opened: Result<&[u8], usize>) {
        let (Ok(archive), Some(located)) = (&self.archive, self.located.take()) else {
            return;
        };
        match archive.unsealer.settle(&located, opened.map(<[u8]>::len)) {
            Ok(wanted) => self.released.extend(&opened.unwrap()[wanted]),
            Err(error) => self.archive = Err(error),
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> Reading {
        let result = self
            .archive
            .and_then(|archive| archive.end(&self.file, self.step));
        Reading {
            result,
            released: self.released,
        }
    }
}

/// Reads all content as one range.
#[must_use]
pub fn whole(file: &[u8], key: &Open) -> Reading {
    random(file, key, usize::MAX, u64::MAX)
}

/// Reads from the first byte to the last, given `step` bytes at a time.
#[must_use]
pub fn sequential(file: &[u8], key: &Open, step: usize) -> Reading {
    let mut released = Vec::new();
    let result = (|| {
        let mut stream = SealedStream::new();
        for mut piece in file.chunks(step) {
            while !piece.is_empty() {
                let taken = stream.push(piece, &mut released)?;
                piece = &piece[taken..];
                if let Some(locks) = stream.locks() {
                    let file_key = unlock(locks, key)?;
                    stream.unlock(&file_key)?;
                }
            }
        }
        let end = stream.finish(&mut released)?;
        match (end.sender, end.unlike_table.as_slice()) {
            (sender, []) => Ok(sender),
            (None, _) => Err(SealError::ScrubTableDamaged),
            (Some(_), [part, ..]) => Err(SealError::NotWhatWasSigned {
                block: 0,
                offset: part.offset,
            }),
        }
    })();
    Reading { result, released }
}

/// Looks for rot without any key.
#[must_use]
pub fn scrub(file: &[u8], step: usize) -> String {
    let found = open(file, step).and_then(|(sealed, _)| compare(file, &sealed, step));
    match found {
        Ok(blocks) if blocks.is_empty() => "ok".to_owned(),
        Ok(blocks) => blocks.iter().fold("damaged".to_owned(), |text, block| {
            format!("{text} {block}")
        }),
        Err(error) => error.code().to_owned(),
    }
}
