//! The archive's plaintext: the file's bytes as they are, or decrypted.

use std::rc::Rc;

use coffer_core::{
    ByteRange,
    seal::{FileKey, Located, SCRUB_BLOCK_BYTES, ScrubChecker, SealError, Sealed, Unsealer},
};
use js_sys::Uint8Array;

use crate::{
    failure::Failure,
    lanes::{LaneKey, Lanes, Worked},
    scrub::Blocks,
    signed::SignedPayload,
    source::Source,
    task::Task,
};

/// Plaintext that can be read anywhere.
#[derive(Debug)]
pub(crate) struct Plain {
    source: Rc<Source>,
    len: u64,
    seal: Option<Seal>,
}

#[derive(Debug)]
struct Seal {
    unsealer: Unsealer,
    /// `None` if the module decrypts.
    key: Option<LaneKey>,
    /// `None` if nobody signed the archive.
    signed: Option<SignedPayload>,
}

/// A range of plaintext that is on its way.
#[derive(Debug)]
pub(crate) struct Coming {
    pub(crate) range: ByteRange,
    /// Bytes of the file that it is made from.
    pub(crate) stored: u64,
    task: Task<Raw>,
}

impl Coming {
    /// Waits until nothing is read for it any more.
    pub(crate) async fn give_up(self) {
        // Whatever came of it is of no use.
        let _ = self.task.end().await;
    }
}

#[derive(Debug)]
enum Raw {
    /// The file's bytes.
    Stored(Uint8Array, Option<Located>),
    /// What a lane made of them.
    Worked(Worked, Located),
}

/// Plaintext, wherever it lies.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// In the module's memory.
    Inside(Vec<u8>),
    /// Outside of it.
    Outside(Uint8Array),
}

impl Bytes {
    pub(crate) fn outside(self) -> Uint8Array {
        match self {
            Self::Inside(bytes) => Uint8Array::from(bytes.as_slice()),
            Self::Outside(bytes) => bytes,
        }
    }
}

impl Plain {
    /// The content of a file of `len` bytes that isn't sealed.
    pub(crate) const fn open(source: Rc<Source>, len: u64) -> Self {
        Self {
            source,
            len,
            seal: None,
        }
    }

    /// The content of a sealed file, decrypted by the browser where there are lanes.
    pub(crate) async fn unseal(
        source: Rc<Source>,
        sealed: &Sealed,
        key: &FileKey,
        lanes: Option<&Lanes>,
    ) -> Result<Self, Failure> {
        let signed = SignedPayload::open(&source, sealed).await?;
        let prefix = match &signed {
            Some(signed) => signed
                .read(&source, lanes, sealed.prefix_range())
                .await?
                .to_vec(),
            None => source.read(sealed.prefix_range()).await?,
        };
        let unsealer = sealed.unsealer(key, &prefix)?;
        let key = match lanes {
            Some(lanes) => Some(LaneKey::new(lanes, &unsealer.payload_key()).await?),
            None => None,
        };
        Ok(Self {
            source,
            len: unsealer.plain_len(),
            seal: Some(Seal {
                unsealer,
                key,
                signed,
            }),
        })
    }

    /// Bytes of plaintext.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Begins to read a range. `compared_later` says that whoever reads compares all of a signed archive with its scrub
    /// table, and uses nothing before that is done.
    pub(crate) fn begin(
        self: &Rc<Self>,
        range: ByteRange,
        compared_later: bool,
    ) -> Result<Coming, Failure> {
        let located = match &self.seal {
            Some(seal) => Some(seal.unsealer.locate(range)?),
            None => None,
        };
        let stored = located.map_or(range, |located| located.sealed);
        let plain = self.clone();
        let task = Task::begin(async move {
            let compared = match compared_later {
                true => None,
                false => plain.compared(stored).await?,
            };
            let bytes = match compared {
                Some(bytes) => bytes,
                None => plain.source.read_outside(stored).await?,
            };
            match (&plain.seal, located) {
                (
                    Some(Seal {
                        unsealer,
                        key: Some(key),
                        ..
                    }),
                    Some(located),
                ) => {
                    let batch = unsealer.batch(&located)?;
                    let worked = key.open(&batch, &bytes, compared_later).await?;
                    Ok(Raw::Worked(worked, located))
                }
                (_, located) => Ok(Raw::Stored(bytes, located)),
            }
        });
        Ok(Coming {
            range,
            stored: stored.len,
            task,
        })
    }

    /// A range of a signed archive's payload, compared with what was signed; `None` if nobody signed it.
    async fn compared(&self, range: ByteRange) -> Result<Option<Uint8Array>, Failure> {
        let Some(Seal {
            key,
            signed: Some(signed),
            ..
        }) = &self.seal
        else {
            return Ok(None);
        };
        let lanes = key.as_ref().map(|key| &key.lanes);
        Ok(Some(signed.read(&self.source, lanes, range).await?))
    }

    /// Waits for a range. What `scrub` is given must come in the order of the file.
    pub(crate) async fn arrive(
        &self,
        coming: Coming,
        scrub: Option<&mut Scrub>,
    ) -> Result<Bytes, Failure> {
        match coming.task.end().await? {
            Raw::Stored(bytes, located) => {
                let (Some(seal), Some(located)) = (&self.seal, located) else {
                    return Ok(Bytes::Outside(bytes));
                };
                let bytes = bytes.to_vec();
                if let Some(scrub) = scrub {
                    scrub.checker.update(&bytes);
                }
                Ok(Bytes::Inside(seal.unsealer.open(located, bytes)?))
            }
            Raw::Worked(worked, located) => {
                let Some(seal) = &self.seal else {
                    return Err(Failure::crashed("a lane has opened what was not sealed"));
                };
                let wanted = seal.unsealer.settle(&located, worked.opened())?;
                if let Some(scrub) = scrub {
                    scrub.take(&worked).await?;
                }
                let bytes = worked.bytes();
                // Addresses have 32 bits here.
                Ok(Bytes::Outside(
                    bytes.subarray(wanted.start as u32, wanted.end as u32),
                ))
            }
        }
    }

    /// Takes what has arrived into `inside`, in place of what that holds.
    pub(crate) fn take(&self, arrived: Bytes, inside: &mut Vec<u8>) {
        match arrived {
            Bytes::Inside(bytes) => *inside = bytes,
            Bytes::Outside(bytes) => {
                inside.resize(bytes.length() as usize, 0);
                bytes.copy_to(inside);
                self.source.give_back(&bytes);
            }
        }
    }

    /// A comparison with the scrub table, of everything from the first byte of the payload to the last.
    pub(crate) async fn scrub(&self, sealed: &Sealed) -> Result<Scrub, Failure> {
        let table = self.source.read(sealed.scrub_range()).await?;
        let prefix = self.source.read(sealed.prefix_range()).await?;
        let mut checker = ScrubChecker::new(&table, sealed.footer().scrub_root)?;
        let key = self.seal.as_ref().and_then(|seal| seal.key.as_ref());
        let mut blocks = key.map(|key| Blocks::new(&key.lanes));
        match &mut blocks {
            Some(blocks) => blocks.after_bytes(&prefix),
            None => checker.update(&prefix),
        }
        Ok(Scrub {
            checker,
            blocks,
            signed: sealed.sender_range().map(|_| sealed.payload_range().offset),
        })
    }
}

/// Compares the sealed bytes with the scrub table on the way.
#[derive(Debug)]
pub(crate) struct Scrub {
    checker: ScrubChecker,
    /// `None` if the module hashes.
    blocks: Option<Blocks>,
    /// Where the payload of a signed archive starts.
    signed: Option<u64>,
}

impl Scrub {
    async fn take(&mut self, worked: &Worked) -> Result<(), Failure> {
        if let Some(blocks) = &mut self.blocks {
            blocks.after(worked);
            for digest in blocks.ready().await? {
                self.checker.accept(digest);
            }
        }
        Ok(())
    }

    /// What was compared agrees with the table.
    pub(crate) async fn finish(mut self) -> Result<(), Failure> {
        if let Some(blocks) = self.blocks {
            for digest in blocks.finish().await? {
                self.checker.accept(digest);
            }
        }
        match (self.checker.finish().first(), self.signed) {
            (None, _) => Ok(()),
            (Some(block), Some(payload)) => Err(SealError::NotWhatWasSigned {
                block: *block,
                offset: payload + block * SCRUB_BLOCK_BYTES,
            }
            .into()),
            // Every chunk was authentic, so it is the table that is wrong.
            (Some(_), None) => Err(SealError::ScrubTableDamaged.into()),
        }
    }
}
