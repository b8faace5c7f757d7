//! The catalog's secrets: under which key they are, and the change to another one.

use sqlx::{AnyConnection, AnyExecutor};

use super::{
    AnyPool, Catalog, CatalogError, CatalogPlace, Id, Kind, begin_write, channels::channel_place,
    connect, connect::remove_copies, destinations::destination_place, sources::url_place,
};
use crate::vault::{self, Rotation, Vault};

/// The vault of a catalog. Secrets that an older version wrote as they are get wrapped.
pub(super) async fn vault(
    pool: &AnyPool,
    kind: Kind,
    place: &CatalogPlace,
) -> Result<Vault, CatalogError> {
    if let Some(needed) = key_id(pool).await? {
        return Ok(vault::open(&place.folder, Some(&needed))?);
    }
    let mut transaction = begin_write(pool, kind).await?;
    // Another server may have been first.
    let needed = key_id(&mut *transaction).await?;
    let vault = vault::open(&place.folder, needed.as_deref())?;
    if needed.is_none() {
        wrap_all(&mut transaction, None, &vault).await?;
    }
    transaction.commit().await?;
    if kind == Kind::Sqlite {
        // What stood there is still in the log, and in pages that the rows were moved out of.
        for clean in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            sqlx::query(clean).execute(pool).await?;
        }
        remove_copies(place)?;
    }
    Ok(vault)
}

async fn key_id<'a>(executor: impl AnyExecutor<'a>) -> Result<Option<String>, CatalogError> {
    let id = sqlx::query_scalar("SELECT key_id FROM vault");
    Ok(id.fetch_optional(executor).await?)
}

/// Wraps every secret: those that are under `from`, or as they are.
async fn wrap_all(
    transaction: &mut AnyConnection,
    from: Option<&Vault>,
    to: &Vault,
) -> Result<(), CatalogError> {
    let urls: Vec<(Id, String)> = sqlx::query_as("SELECT id, url FROM sources")
        .fetch_all(&mut *transaction)
        .await?;
    for (id, url) in urls {
        let place = url_place(&id);
        let plain = match from {
            // Restored without it.
            _ if url.is_empty() => continue,
            Some(from) => from.unwrap(&place, &url)?,
            None => url.into(),
        };
        sqlx::query("UPDATE sources SET url = $1 WHERE id = $2")
            .bind(to.wrap(&place, &plain)?)
            .bind(&id)
            .execute(&mut *transaction)
            .await?;
    }
    for (all, change, place) in [
        (
            "SELECT id, secret FROM destinations WHERE secret IS NOT NULL",
            "UPDATE destinations SET secret = $1 WHERE id = $2",
            destination_place as fn(&Id) -> String,
        ),
        (
            "SELECT id, secret FROM channels WHERE secret IS NOT NULL",
            "UPDATE channels SET secret = $1 WHERE id = $2",
            channel_place,
        ),
    ] {
        let secrets: Vec<(Id, String)> = sqlx::query_as(all).fetch_all(&mut *transaction).await?;
        for (id, secret) in secrets {
            let place = place(&id);
            let plain = match from {
                Some(from) => from.unwrap(&place, &secret)?,
                None => secret.into(),
            };
            sqlx::query(change)
                .bind(to.wrap(&place, &plain)?)
                .bind(&id)
                .execute(&mut *transaction)
                .await?;
        }
    }
    put_key_id(transaction, to).await
}

async fn put_key_id(transaction: &mut AnyConnection, vault: &Vault) -> Result<(), CatalogError> {
    sqlx::query(
        "INSERT INTO vault (only_row, key_id) VALUES (1, $1)
         ON CONFLICT (only_row) DO UPDATE SET key_id = excluded.key_id",
    )
    .bind(vault.id())
    .execute(transaction)
    .await?;
    Ok(())
}

/// A change of the secret key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rotated {
    /// The name of the old key.
    pub from: String,
    /// The name of the new one.
    pub to: String,
    /// Secrets that were wrapped anew, or forgotten.
    pub secrets: u64,
}

impl Catalog {
    /// Wraps all secrets under a new key, or none: an interruption leaves the old key or the new one. No server may run
    /// with the catalog.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing was changed then, but for a key file that waits for the next start.
    pub async fn rotate(place: &CatalogPlace) -> Result<Rotated, CatalogError> {
        let catalog = Self::open(place).await?;
        let rotation = Rotation::begin(&place.folder, catalog.vault.id())?;
        let mut transaction = catalog.begin_write().await?;
        wrap_all(&mut transaction, Some(&catalog.vault), &rotation.vault).await?;
        let secrets: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM sources) + (SELECT count(secret) FROM destinations)
                 + (SELECT count(secret) FROM channels)",
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let rotated = Rotated {
            from: catalog.vault.id().to_owned(),
            to: rotation.vault.id().to_owned(),
            secrets: u64::try_from(secrets).unwrap_or_default(),
        };
        catalog.close().await;
        rotation.end()?;
        Ok(rotated)
    }

    /// Forgets everything that is wrapped under a key that is lost, which is the sources, and starts with another key.
    /// Backups, profiles and runs stay. No server may run with the catalog.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing was changed then.
    pub async fn forget_secrets(place: &CatalogPlace) -> Result<Rotated, CatalogError> {
        let (pool, kind) = connect(place).await?;
        let from = key_id(&pool).await?;
        let vault = vault::open(&place.folder, None)?;
        let mut transaction = begin_write(&pool, kind).await?;
        let done = sqlx::query("DELETE FROM sources")
            .execute(&mut *transaction)
            .await?;
        let mut forgotten = done.rows_affected();
        // Without their keys these say where they are, and ask for the key again.
        for forget in [
            "UPDATE destinations SET secret = NULL WHERE secret IS NOT NULL",
            "UPDATE channels SET secret = NULL WHERE secret IS NOT NULL",
        ] {
            forgotten += sqlx::query(forget)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        }
        put_key_id(&mut transaction, &vault).await?;
        transaction.commit().await?;
        pool.close().await;
        Ok(Rotated {
            from: from.unwrap_or_default(),
            to: vault.id().to_owned(),
            secrets: forgotten,
        })
    }
}
