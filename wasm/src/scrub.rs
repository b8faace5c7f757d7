//! The scrub table of a payload whose bytes are hashed by the browser.

use std::collections::VecDeque;

use coffer_core::{digest::Digest, seal::SCRUB_BLOCK_BYTES};
use js_sys::Uint8Array;

use crate::{
    failure::Failure,
    lanes::{self, Lanes, Worked},
    task::Task,
};

/// Joined blocks that may be on their way: nobody waits for one while there is other work.
const ON_THEIR_WAY: usize = 8;

/// Joins what pieces of the payload hold of blocks that lie across their bounds.
#[derive(Debug)]
pub(crate) struct Blocks {
    lanes: Lanes,
    /// Room for one block.
    begun: Uint8Array,
    filled: u32,
    /// Digests in the order of the blocks.
    digests: VecDeque<Made>,
    on_their_way: usize,
}

#[derive(Debug)]
enum Made {
    /// Of blocks that lay in one piece.
    There(Vec<Digest>),
    /// Of a joined one.
    Coming(Task<Digest>),
}

impl Blocks {
    /// At the start of the payload region.
    pub(crate) fn new(lanes: &Lanes) -> Self {
        Self {
            lanes: lanes.clone(),
            begun: Uint8Array::new_with_length(SCRUB_BLOCK_BYTES as u32),
            filled: 0,
            digests: VecDeque::new(),
            on_their_way: 0,
        }
    }

    /// Adds the next batch.
    pub(crate) fn after(&mut self, worked: &Worked) {
        let (head, tail) = (worked.head(), worked.tail());
        self.join(&head);
        let whole = lanes::digests(&worked.digests());
        self.digests.push_back(Made::There(whole));
        self.join(&tail);
        self.lanes.forget(&head);
        self.lanes.forget(&tail);
    }

    /// Adds bytes that no lane has cut: at most as many as end one block.
    pub(crate) fn after_bytes(&mut self, bytes: &[u8]) {
        let room = (self.begun.length() - self.filled) as usize;
        let (head, tail) = bytes.split_at(room.min(bytes.len()));
        self.join(&Uint8Array::from(head));
        self.join(&Uint8Array::from(tail));
    }

    /// Digests of the next blocks; those of the last few come later.
    pub(crate) async fn ready(&mut self) -> Result<Vec<Digest>, Failure> {
        self.leave(ON_THEIR_WAY).await
    }

    /// Digests of all blocks that are left, also of the last one, which may be shorter.
    pub(crate) async fn finish(mut self) -> Result<Vec<Digest>, Failure> {
        self.end();
        self.leave(0).await
    }

    async fn leave(&mut self, on_their_way: usize) -> Result<Vec<Digest>, Failure> {
        let mut ready = Vec::new();
        while let Some(next) = self.digests.pop_front() {
            match next {
                Made::There(digests) => ready.extend(digests),
                Made::Coming(task) if self.on_their_way > on_their_way => {
                    self.on_their_way -= 1;
                    ready.push(task.end().await?);
                }
                Made::Coming(_) => {
                    self.digests.push_front(next);
                    break;
                }
            }
        }
        Ok(ready)
    }

    /// Adds bytes that lie in one block.
    fn join(&mut self, bytes: &Uint8Array) {
        if bytes.length() == 0 {
            return;
        }
        self.begun.set(bytes, self.filled);
        self.filled += bytes.length();
        if self.filled == self.begun.length() {
            self.end();
        }
    }

    /// Ends the block that was begun, if it has any bytes. They are copied before this returns.
    fn end(&mut self) {
        if self.filled > 0 {
            let block = self.begun.subarray(0, self.filled);
            let digest = Task::begin(lanes::digest(&self.lanes, &block));
            self.digests.push_back(Made::Coming(digest));
            self.on_their_way += 1;
            self.filled = 0;
        }
    }
}
