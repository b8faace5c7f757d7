//! Rows of one table as parts, through any transaction that sees them.

use coffer_core::{
    policy::{ColumnPolicy, TablePolicy},
    rows::{Part, PartCutter},
    schema::{Column, TableName},
};
use futures_util::TryStreamExt;
use tokio::sync::mpsc;

use super::{
    catalog::{Catalog, Relation},
    copy::{self, OutStatement},
    link::{Link, Step},
};
use crate::engine::EngineError;

/// What is read of a table.
pub(super) struct Wanted<'a> {
    pub(super) relation: &'a Relation,
    pub(super) columns: Vec<(&'a Column, ColumnPolicy)>,
}

impl<'a> Wanted<'a> {
    /// What a policy says is read of its table.
    pub(super) fn of(
        link: &Link,
        catalog: &'a Catalog,
        policy: &TablePolicy,
    ) -> Result<Self, EngineError> {
        let relation = catalog.relation(&policy.table)?;
        let columns: Vec<&Column> = catalog.table(&policy.table)?.stored_columns().collect();
        if columns.len() != policy.columns.len() {
            return Err(EngineError::NoColumn {
                target: link.target().to_owned(),
                table: policy.table.clone(),
                column: format!("number {}", columns.len().max(policy.columns.len())),
            });
        }
        Ok(Self {
            relation,
            columns: columns
                .into_iter()
                .zip(policy.columns.iter().cloned())
                .collect(),
        })
    }

    /// A cutter for the rows.
    pub(super) fn cutter(&self) -> PartCutter {
        PartCutter::new(self.columns.iter().map(|(column, _)| column.name.as_str()))
    }
}

/// Sends the rows of one table as parts, in the stored columns' order. Ends early when the receiver is gone; the
/// connection can't be used after that.
pub(super) async fn export(
    link: &mut Link,
    catalog: &Catalog,
    policy: &TablePolicy,
    parts: mpsc::Sender<Part>,
) -> Result<(), EngineError> {
    let wanted = Wanted::of(link, catalog, policy)?;
    let statement = copy::out_statement(wanted.relation, &wanted.columns, None);
    let table = &policy.table;
    read(link, &statement, wanted.cutter(), table, &parts, |part| {
        part
    })
    .await
    .map(drop)
}

/// Reads what a COPY statement gives and hands it on as parts, wrapped, until nobody wants any more. Says whether it came to the
/// end; if it didn't, the connection can't be used again.
pub(super) async fn read<T: Send>(
    link: &mut Link,
    statement: &OutStatement,
    mut cutter: PartCutter,
    table: &TableName,
    parts: &mpsc::Sender<T>,
    wrap: fn(Part) -> T,
) -> Result<bool, EngineError> {
    link.use_path_of(statement).await?;
    let connection = link.for_copy()?;
    let result = async {
        let mut rows = connection.copy_out_raw(&statement.sql).await?;
        while let Some(row) = rows.try_next().await? {
            if let Some(part) = cutter.push(&row)
                && parts.send(wrap(part)).await.is_err()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
    .await;
    let step = Step::of("reading the rows of", table);
    if !result.map_err(|error| link.fail(step, &error))? {
        return Ok(false);
    }
    link.copied();
    link.use_own_path().await?;
    let last = cutter.finish().map_err(|error| EngineError::BadRows {
        table: table.clone(),
        error,
    })?;
    match last {
        Some(part) => Ok(parts.send(wrap(part)).await.is_ok()),
        None => Ok(true),
    }
}
