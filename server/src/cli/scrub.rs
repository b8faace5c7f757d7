//! `coffer scrub`

use std::fmt;

use coffer_core::{ByteRange, seal::Slice};
use serde::Serialize;

use super::{
    Failure, Output,
    output::{bytes, count},
    source,
};
use crate::{
    progress::Progress,
    read::{Look, look},
    scrub,
};

/// Damaged ranges that a message names at most; `--json` has all of them.
const NAMED: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sealed archive.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    /// Check only a part of it, such as 3/30, the third of thirty: thirty runs check everything once.
    #[arg(long, value_name = "I/N")]
    slice: Option<Slice>,
}

impl Args {
    /// A scrub of all of it.
    pub(super) const fn whole(file: source::Location) -> Self {
        Self { file, slice: None }
    }
}

#[derive(Serialize)]
struct Scrubbed {
    scrubbed: bool,
    slice: String,
    blocks: usize,
    blocks_in_all: usize,
    bytes: u64,
}

impl fmt::Display for Scrubbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no accidental damage in {} of sealed content",
            bytes(self.bytes)
        )?;
        if self.blocks < self.blocks_in_all {
            write!(
                f,
                " ({} of {})",
                self.blocks,
                count(self.blocks_in_all as u64, "block")
            )?;
        }
        writeln!(f)
    }
}

/// A damaged part of the file.
#[derive(Serialize)]
struct Damaged {
    offset: u64,
    len: u64,
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let source = source::archive(&args.file)?;
    let Look::Sealed(sealed) = look(&*source)? else {
        return Err(Failure::usage(
            "only a sealed archive has a scrub table; use verify for others",
        ));
    };
    let slice = args.slice.unwrap_or(Slice::WHOLE);
    let progress = Progress::default();
    let task = {
        let progress = progress.clone();
        tokio::task::spawn_blocking(move || scrub::scrub(&*source, &sealed, slice, &progress))
    };
    let stopped = |_| Failure::failed("defect", "checking the archive stopped");
    let found = output.watch(&progress, task).await.map_err(stopped)??;
    if !found.damaged.is_empty() {
        return Err(damaged(&found.damaged));
    }
    let scrubbed = Scrubbed {
        scrubbed: true,
        slice: slice.to_string(),
        blocks: found.blocks,
        blocks_in_all: found.blocks_in_all,
        bytes: found.bytes,
    };
    output.result(&scrubbed, &scrubbed);
    Ok(())
}

fn damaged(ranges: &[ByteRange]) -> Failure {
    let named: Vec<String> = ranges
        .iter()
        .take(NAMED)
        .map(|range| format!("{}-{}", range.offset, range.end().saturating_sub(1)))
        .collect();
    let more = match ranges.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let total: u64 = ranges.iter().map(|range| range.len).sum();
    let details: Vec<Damaged> = ranges
        .iter()
        .map(|range| Damaged {
            offset: range.offset,
            len: range.len,
        })
        .collect();
    Failure::damaged(
        "scrub_damaged",
        format!(
            "{} of the file is damaged, at bytes {}{more}; nothing was changed: copy it again from another place, \
             or save what is left with coffer salvage",
            bytes(total),
            named.join(", ")
        ),
    )
    .with_details("damaged", &details)
}
