//! Checking every byte of an archive.

use std::{collections::VecDeque, ops::RangeInclusive};

use coffer_core::{
    archive::{ExpectedDigest, Step},
    digest::Digest,
    verify::{Verified, Verifier},
};
use js_sys::Date;
use wasm_bindgen::JsValue;

use crate::{
    cursor::Cursor,
    failure::Failure,
    lanes::{self, Lanes},
    task::Task,
};

/// Milliseconds between two reports of progress.
const REPORT_EVERY: f64 = 100.0;
/// Sizes of the entries that the browser hashes: a call costs more than hashing a smaller one here, and a larger one
/// would have to be held as a whole.
const HASHED_OUTSIDE: RangeInclusive<u64> = (8 << 10)..=(64 << 20);
/// Bytes of entries whose digests are on their way at once, beside the last one of them.
const WAITING_BYTES: usize = 64 << 20;

/// Runs a check to its end. `report` is told the bytes of the file that were read, and may end it.
pub(crate) async fn check(
    mut verifier: Verifier<'_>,
    mut cursor: Cursor,
    lanes: Option<&Lanes>,
    report: impl Fn(u64) -> Result<(), JsValue>,
) -> Result<Verified, JsValue> {
    if lanes.is_some() {
        verifier = verifier.hash_elsewhere(HASHED_OUTSIDE);
    }
    let checked = run(&mut verifier, &mut cursor, lanes, report).await;
    match checked {
        Ok(offset) => {
            let done = verifier.so_far();
            cursor.finish(offset).await?;
            Ok(done)
        }
        Err(thrown) => {
            // Whoever ended it may rely on it that nothing is read any more.
            cursor.stop().await;
            Err(thrown)
        }
    }
}

/// Runs the verifier; where the last bytes that it took end.
async fn run(
    verifier: &mut Verifier<'_>,
    cursor: &mut Cursor,
    lanes: Option<&Lanes>,
    report: impl Fn(u64) -> Result<(), JsValue>,
) -> Result<u64, JsValue> {
    let mut reported = Date::now();
    let mut offset = 0;
    let mut digests = Digests::default();
    loop {
        let step = verifier.step();
        if let (Some(lanes), Some(whole)) = (lanes, verifier.unhashed()) {
            digests.make_room(whole.content.len()).await?;
            digests.begin(lanes, whole.content, whole.expected);
        }
        let step = match step {
            Ok(step) => step,
            Err(error) => {
                // What was read before comes first.
                digests.finish().await?;
                return Err(Failure::from(error).into());
            }
        };
        match step {
            Step::Want(range) => match cursor.read(range).await {
                Ok(bytes) => {
                    offset = range.offset + bytes.len() as u64;
                    verifier.feed(bytes).map_err(Failure::from)?;
                }
                Err(failure) => {
                    digests.finish().await?;
                    return Err(failure.into());
                }
            },
            Step::Output => {}
            Step::Done => {
                digests.finish().await?;
                return Ok(offset);
            }
        }
        let now = Date::now();
        if now - reported >= REPORT_EVERY {
            reported = now;
            report(cursor.stored())?;
        }
    }
}

/// Digests that the browser is making, in the order of the entries.
#[derive(Default)]
struct Digests {
    waiting: VecDeque<Waiting>,
    /// Of all that wait.
    bytes: usize,
}

struct Waiting {
    expected: ExpectedDigest,
    bytes: usize,
    digest: Task<Digest>,
}

impl Digests {
    fn begin(&mut self, lanes: &Lanes, content: &[u8], expected: ExpectedDigest) {
        let digest = lanes::digest_inside(lanes, content);
        self.bytes += content.len();
        self.waiting.push_back(Waiting {
            expected,
            bytes: content.len(),
            digest: Task::begin(digest),
        });
    }

    /// Compares the oldest ones until one of so many bytes may begin.
    async fn make_room(&mut self, bytes: usize) -> Result<(), Failure> {
        while self.bytes + bytes > WAITING_BYTES && self.compare_first().await? {}
        Ok(())
    }

    /// Compares all.
    async fn finish(&mut self) -> Result<(), Failure> {
        while self.compare_first().await? {}
        Ok(())
    }

    /// Compares the oldest one, if there is any.
    async fn compare_first(&mut self) -> Result<bool, Failure> {
        let Some(first) = self.waiting.pop_front() else {
            return Ok(false);
        };
        self.bytes -= first.bytes;
        first.expected.compare(first.digest.end().await?)?;
        Ok(true)
    }
}
