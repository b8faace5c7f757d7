//! Reads a vector with core, in every way that core can be driven.

use coffer_core::{
    ByteRange, Digest,
    seal::{
        CHUNK_BYTES, FileKey, Locks, Opening, Password, PayloadBlocks, ScrubChecker, SealError,
        Sealed, SealedStream, SecretKey, Sender, Unsealer,
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

/// A range of plaintext. In a signed archive, every block that it is made from is compared with the table before.
fn plain(
    file: &[u8],
    unsealer: &Unsealer,
    signed: Option<&PayloadBlocks>,
    wanted: ByteRange,
) -> Result<Vec<u8>, SealError> {
    let located = unsealer.locate(wanted)?;
    if let Some(blocks) = signed {
        for number in blocks.holding(located.sealed)? {
            let block = blocks.range(number).unwrap();
            blocks.check(number, range(file, block))?;
        }
    }
    unsealer.open(located, range(file, located.sealed).to_vec())
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

/// Reads with random access: header and footer in steps of `step` bytes, then the content in ranges of `piece` bytes,
/// then the scrub table.
#[must_use]
pub fn random(file: &[u8], key: &Open, step: usize, piece: u64) -> Reading {
    let mut released = Vec::new();
    let result = (|| {
        let (sealed, sender) = open(file, step)?;
        let file_key = unlock(sealed.header_locks(), key)?;
        let unsealer = sealed.unsealer(&file_key, range(file, sealed.prefix_range()))?;
        let signed = sender
            .map(|_| PayloadBlocks::new(&sealed, range(file, sealed.scrub_range())))
            .transpose()?;
        let len = unsealer.plain_len();
        let mut offset = 0;
        // Empty content has a chunk to read too.
        loop {
            let wanted = ByteRange::new(offset, piece.min(len - offset));
            released.extend(plain(file, &unsealer, signed.as_ref(), wanted)?);
            offset = wanted.end();
            if offset == len {
                break;
            }
        }
        // Every chunk was authentic, so wherever they differ it is the table that is wrong.
        match compare(file, &sealed, step)?.as_slice() {
            [] => Ok(sender),
            _ => Err(SealError::ScrubTableDamaged),
        }
    })();
    Reading { result, released }
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
