//! The rows of one table as parts, through whatever transaction sees them.

use coffer_core::{
    policy::TablePolicy,
    rows::{Part, PartCutter},
    schema::Column,
};
use futures_util::TryStreamExt;
use tokio::sync::mpsc;

use super::{
    catalog::Catalog,
    copy,
    link::{Link, Step},
};
use crate::engine::EngineError;

/// Sends the rows of one table as parts. Ends early when the receiver is gone; the link may not be usable after that.
pub(super) async fn export(
    link: &mut Link,
    catalog: &Catalog,
    policy: &TablePolicy,
    parts: mpsc::Sender<Part>,
) -> Result<(), EngineError> {
    let relation = catalog.relation(&policy.table)?;
    let columns: Vec<&Column> = catalog.table(&policy.table)?.stored_columns().collect();
    if columns.len() != policy.columns.len() {
        return Err(EngineError::NoColumn {
            target: link.target().to_owned(),
            table: policy.table.clone(),
            column: format!("number {}", columns.len().max(policy.columns.len())),
        });
    }
    let mut cutter = PartCutter::new(columns.iter().map(|column| column.name.as_str()));
    let pairs: Vec<_> = columns
        .into_iter()
        .zip(policy.columns.iter().cloned())
        .collect();
    let statement = copy::out_statement(relation, &pairs);
    let connection = link.for_copy()?;
    let result = async {
        let mut rows = connection.copy_out_raw(&statement).await?;
        while let Some(row) = rows.try_next().await? {
            if let Some(part) = cutter.push(&row)
                && parts.send(part).await.is_err()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
    .await;
    let step = Step::of("reading the rows of", &policy.table);
    if !result.map_err(|error| link.fail(step, &error))? {
        return Ok(());
    }
    link.copied();
    let last = cutter.finish().map_err(|error| EngineError::BadRows {
        table: policy.table.clone(),
        error,
    })?;
    if let Some(part) = last {
        // Whoever has stopped listening doesn't want the last part either.
        let _ = parts.send(part).await;
    }
    Ok(())
}
