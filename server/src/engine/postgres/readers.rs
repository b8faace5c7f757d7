//! Reading one table over several connections that share one snapshot, in the order of its rows.
//!
//! A table is read in ranges of its pages, each connection taking every n-th range. What a range gives goes through a short
//! channel of its connection, and the channels are emptied in the order of the ranges: so the rows come as one
//! connection would give them, and no more of them wait in memory than the channels hold.

use coffer_core::{
    rows::{Part, PartCutter},
    schema::TableName,
};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    catalog::Relation,
    copy::{self, OutStatement},
    export::{Wanted, read},
    link::{Id, Link, Step},
};
use crate::{
    engine::{EngineError, sql, url::PostgresUrl},
    lanes,
};

/// Pages of a range: 16 MiB, which gives about two parts.
pub(super) const RANGE_PAGES: u32 = 2048;
/// Parts that may wait for the ranges before them.
const QUEUE: usize = 2;
/// The first version that reads a range of pages without reading those before it.
const READS_RANGES: i32 = 140_000;

/// Connections that see the same moment as another one.
pub(super) struct Readers {
    links: Vec<Link>,
    /// Tables that are worth being read side by side, with their pages.
    large: Vec<(Id, u32)>,
}

impl Readers {
    /// Opens connections onto the snapshot of `first`, if there is a table among `relations` that is worth it. Fewer than
    /// two are none: where the role, a pool or a lock stands in the way, `first` can read alone.
    pub(super) async fn open(
        url: &PostgresUrl,
        first: &mut Link,
        relations: &[Relation],
    ) -> Result<Self, EngineError> {
        let none = Self {
            links: Vec::new(),
            large: Vec::new(),
        };
        if first.number() < READS_RANGES || lanes::count() < 2 {
            return Ok(none);
        }
        let large = large(first, relations).await?;
        if large.is_empty() {
            return Ok(none);
        }
        let step = Step::new("sharing a snapshot");
        let row = first.row(step, "SELECT pg_export_snapshot()").await?;
        let snapshot: String = first.get(&row, 0)?;
        let mut links = Vec::new();
        for _ in 0..lanes::count() {
            match join(url, &snapshot, relations).await {
                Ok(link) => links.push(link),
                Err(error) => {
                    tracing::debug!(%error, "a further connection could not be used to read");
                    break;
                }
            }
        }
        if links.len() < 2 {
            return Ok(none);
        }
        Ok(Self { links, large })
    }

    /// The pages of a table, if it is to be read side by side.
    pub(super) fn pages(&self, relation: &Relation) -> Option<u32> {
        self.large
            .iter()
            .find(|(id, _)| *id == relation.id)
            .map(|(_, pages)| *pages)
    }

    /// Sends the rows of a table as parts, in their order. Ends early when the receiver is gone; no table can be read
    /// after that.
    pub(super) async fn export(
        &mut self,
        wanted: &Wanted<'_>,
        pages: u32,
        parts: &mpsc::Sender<Part>,
    ) -> Result<(), EngineError> {
        let ranges: Vec<OutStatement> = (0..pages)
            .step_by(RANGE_PAGES as usize)
            .map(|start| {
                let end = start.checked_add(RANGE_PAGES).filter(|end| *end < pages);
                copy::out_statement(wanted.relation, &wanted.columns, Some((start, end)))
            })
            .collect();
        let count = self.links.len();
        if count == 0 {
            return Err(EngineError::Ended {
                target: wanted.relation.name.to_string(),
                why: "an earlier step failed or was cancelled",
            });
        }
        // Aborts the tasks, and thereby closes their connections, when this is left early.
        let mut tasks = JoinSet::new();
        let mut queues = Vec::with_capacity(count);
        for (number, link) in self.links.drain(..).enumerate() {
            let (send, receive) = mpsc::channel(QUEUE);
            queues.push(receive);
            let own: Vec<(OutStatement, PartCutter)> = ranges
                .iter()
                .skip(number)
                .step_by(count)
                .map(|range| (range.clone(), wanted.cutter()))
                .collect();
            let table = wanted.relation.name.clone();
            tasks.spawn(async move {
                let link = read_ranges(link, own, &table, &send).await?;
                Ok::<_, EngineError>((number, link))
            });
        }
        'ranges: for range in 0..ranges.len() {
            let Some(queue) = queues.get_mut(range % count) else {
                break;
            };
            loop {
                match queue.recv().await {
                    Some(Some(part)) => {
                        if parts.send(part).await.is_err() {
                            return Ok(());
                        }
                    }
                    Some(None) => break,
                    // A reader that ends without the end of its range has failed, and its task says why.
                    None => break 'ranges,
                }
            }
        }
        drop(queues);
        let mut links = Vec::with_capacity(count);
        while let Some(ended) = tasks.join_next().await {
            links.push(ended.unwrap_or_else(|_| {
                Err(EngineError::Ended {
                    target: wanted.relation.name.to_string(),
                    why: "a reader stopped because of a defect",
                })
            })?);
        }
        links.sort_by_key(|(number, _)| *number);
        self.links.extend(links.into_iter().map(|(_, link)| link));
        Ok(())
    }
}

/// The tables of several ranges whose pages can be told apart, with their pages as of now: what is added later belongs to
/// no snapshot that exists.
async fn large(link: &mut Link, relations: &[Relation]) -> Result<Vec<(Id, u32)>, EngineError> {
    let sql = "
        SELECT c.oid, (pg_relation_size(c.oid) / current_setting('block_size')::int8)::int8
          FROM pg_class c JOIN pg_am a ON a.oid = c.relam
         WHERE c.oid = ANY($1) AND c.relkind = 'r' AND a.amname = 'heap'";
    let ids: Vec<Id> = relations.iter().map(|relation| relation.id).collect();
    let rows = link
        .rows(Step::new("measuring the tables"), sql, ids)
        .await?;
    let mut large = Vec::new();
    for row in &rows {
        let pages = u32::try_from(link.get::<i64>(row, 1)?).unwrap_or(0);
        if pages > 2 * RANGE_PAGES {
            large.push((link.get(row, 0)?, pages));
        }
    }
    Ok(large)
}

/// Opens a connection that sees a snapshot, with the same locks: it must never wait for one while the snapshot's own
/// transaction holds what somebody else waits for.
async fn join(
    url: &PostgresUrl,
    snapshot: &str,
    relations: &[Relation],
) -> Result<Link, EngineError> {
    let mut link = Link::open(url).await?;
    let step = Step::new("joining a snapshot");
    let names: Vec<String> = relations
        .iter()
        .map(|relation| sql::table(&relation.name))
        .collect();
    // A range is read from its first page to its last by this connection alone, so that its rows keep their order.
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
         SET TRANSACTION SNAPSHOT {};
         SET LOCAL enable_tidscan = on;
         SET LOCAL enable_seqscan = off;
         SET LOCAL max_parallel_workers_per_gather = 0;
         LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT",
        sql::literal(snapshot),
        names.join(", ")
    );
    link.run(step, begin).await?;
    Ok(link)
}

/// Reads ranges one after the other; sends the parts of each, and nothing behind them.
async fn read_ranges(
    mut link: Link,
    ranges: Vec<(OutStatement, PartCutter)>,
    table: &TableName,
    parts: &mpsc::Sender<Option<Part>>,
) -> Result<Link, EngineError> {
    for (statement, cutter) in ranges {
        let wanted = read(&mut link, &statement, cutter, table, parts, Some).await?;
        if !wanted || parts.send(None).await.is_err() {
            break;
        }
    }
    Ok(link)
}
