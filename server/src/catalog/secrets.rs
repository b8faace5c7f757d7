//! The catalog's secrets: under which key they are, and the change to another one.

use std::path::Path;

use sqlx::{SqliteConnection, SqlitePool};

use super::{Catalog, CatalogError, Id, connect, sources::url_place};
use crate::vault::{self, Rotation, Vault};

/// The vault of a catalog. Secrets that an older version wrote as they are get wrapped.
pub(super) async fn vault(pool: &SqlitePool, folder: &Path) -> Result<Vault, CatalogError> {
    let needed = key_id(pool).await?;
    let vault = vault::open(folder, needed.as_deref())?;
    if needed.is_none() {
        let mut transaction = pool.begin().await?;
        wrap_all(&mut transaction, None, &vault).await?;
        transaction.commit().await?;
        // What stood there is still in the log, and in pages that the rows were moved out of.
        sqlx::query("VACUUM").execute(pool).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(pool)
            .await?;
    }
    Ok(vault)
}

async fn key_id(pool: &SqlitePool) -> Result<Option<String>, CatalogError> {
    let id = sqlx::query_scalar("SELECT key_id FROM vault");
    Ok(id.fetch_optional(pool).await?)
}

/// Wraps every secret: those that are under `from`, or as they are.
async fn wrap_all(
    transaction: &mut SqliteConnection,
    from: Option<&Vault>,
    to: &Vault,
) -> Result<(), CatalogError> {
    let urls: Vec<(Id, String)> = sqlx::query_as("SELECT id, url FROM sources")
        .fetch_all(&mut *transaction)
        .await?;
    for (id, url) in urls {
        let place = url_place(&id);
        let plain = match from {
            Some(from) => from.unwrap(&place, &url)?,
            None => url.into(),
        };
        sqlx::query("UPDATE sources SET url = ? WHERE id = ?")
            .bind(to.wrap(&place, &plain)?)
            .bind(&id)
            .execute(&mut *transaction)
            .await?;
    }
    put_key_id(transaction, to).await
}

async fn put_key_id(transaction: &mut SqliteConnection, vault: &Vault) -> Result<(), CatalogError> {
    sqlx::query(
        "INSERT INTO vault (only_row, key_id) VALUES (1, ?)
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
    /// with the folder.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing was changed then, but for a key file that waits for the next start.
    pub async fn rotate(folder: &Path) -> Result<Rotated, CatalogError> {
        let catalog = Self::open(folder).await?;
        let rotation = Rotation::begin(folder, catalog.vault.id())?;
        let mut transaction = catalog.pool.begin().await?;
        wrap_all(&mut transaction, Some(&catalog.vault), &rotation.vault).await?;
        let secrets = sqlx::query_scalar("SELECT count(*) FROM sources")
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let rotated = Rotated {
            from: catalog.vault.id().to_owned(),
            to: rotation.vault.id().to_owned(),
            secrets,
        };
        catalog.close().await;
        rotation.end()?;
        Ok(rotated)
    }

    /// Forgets everything that is wrapped under a key that is lost, which is the sources, and starts with another key.
    /// Backups, profiles and runs stay. No server may run with the folder.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing was changed then.
    pub async fn forget_secrets(folder: &Path) -> Result<Rotated, CatalogError> {
        let pool = connect(&folder.join(super::FILE_NAME)).await?;
        let from = key_id(&pool).await?;
        let vault = vault::open(folder, None)?;
        let mut transaction = pool.begin().await?;
        let done = sqlx::query("DELETE FROM sources")
            .execute(&mut *transaction)
            .await?;
        put_key_id(&mut transaction, &vault).await?;
        transaction.commit().await?;
        pool.close().await;
        Ok(Rotated {
            from: from.unwrap_or_default(),
            to: vault.id().to_owned(),
            secrets: done.rows_affected(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::{SourceRecord, StoredUrl},
        vault::{SecretKeyError, VaultError},
    };
    use std::fs;

    fn source(name: &str) -> SourceRecord {
        SourceRecord {
            id: Id::random().unwrap(),
            name: name.into(),
            engine: "postgres".into(),
            database: "shop on 127.0.0.1:5432".into(),
            url: StoredUrl::new(&format!("postgres://app:hunter2@127.0.0.1/{name}")),
            app: None,
            preset: None,
            config: None,
            file_sets: Vec::new(),
            created_at: "2026-11-21T04:05:06Z".into(),
        }
    }

    /// Whether any file of the folder but the key holds the password.
    fn told(folder: &Path) -> bool {
        fs::read_dir(folder).unwrap().any(|entry| {
            let content = fs::read(entry.unwrap().path()).unwrap();
            content.windows(7).any(|bytes| bytes == b"hunter2")
        })
    }

    #[tokio::test]
    async fn the_files_tell_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let catalog = Catalog::open(folder).await.unwrap();
        let shop = source("shop");
        catalog.add_source(&shop).await.unwrap();
        assert!(!told(folder));
        catalog.close().await;
        assert!(!told(folder));
        // The search finds one that is there.
        fs::write(folder.join("note"), "it is hunter2").unwrap();
        assert!(told(folder));
        let again = Catalog::open(folder).await.unwrap();
        assert_eq!(again.sources().await.unwrap(), [shop]);
    }

    #[tokio::test]
    async fn what_an_older_version_wrote_as_it_is_gets_wrapped() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let pool = connect(&folder.join(super::super::FILE_NAME))
            .await
            .unwrap();
        let shop = source("shop");
        for (id, name, url) in [
            (&shop.id, "shop", shop.url.expose()),
            (&Id::random().unwrap(), "blog", "sqlite:/srv/hunter2.db"),
        ] {
            sqlx::query(
                "INSERT INTO sources (id, name, engine, database, url, created_at)
                 VALUES (?, ?, 'postgres', 'shop on 127.0.0.1:5432', ?, '2026-11-21T04:05:06Z')",
            )
            .bind(id)
            .bind(name)
            .bind(url)
            .execute(&pool)
            .await
            .unwrap();
        }
        pool.close().await;
        assert!(told(folder));
        let catalog = Catalog::open(folder).await.unwrap();
        assert!(!told(folder));
        assert_eq!(catalog.source(&shop.id).await.unwrap(), Some(shop));
        assert_eq!(catalog.sources().await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_url_that_was_moved_to_another_source_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).await.unwrap();
        for name in ["shop", "blog"] {
            catalog.add_source(&source(name)).await.unwrap();
        }
        sqlx::query("UPDATE sources SET url = (SELECT url FROM sources WHERE name = 'shop')")
            .execute(&catalog.pool)
            .await
            .unwrap();
        let error = catalog.sources().await.unwrap_err();
        assert!(
            matches!(error, CatalogError::Vault(VaultError::Damaged { .. })),
            "{error}"
        );
    }

    #[tokio::test]
    async fn all_secrets_change_their_key_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let catalog = Catalog::open(folder).await.unwrap();
        let sources = ["blog", "shop"].map(source);
        for source in &sources {
            catalog.add_source(source).await.unwrap();
        }
        catalog.close().await;
        let rotated = Catalog::rotate(folder).await.unwrap();
        assert_eq!(rotated.secrets, 2);
        assert_ne!(rotated.from, rotated.to);
        let catalog = Catalog::open(folder).await.unwrap();
        assert_eq!(catalog.vault.id(), rotated.to);
        assert_eq!(catalog.sources().await.unwrap(), sources);

        // One that can't be read: nothing changes.
        sqlx::query("UPDATE sources SET url = 'wrapped1:AAAA' WHERE name = 'shop'")
            .execute(&catalog.pool)
            .await
            .unwrap();
        catalog.close().await;
        assert!(Catalog::rotate(folder).await.is_err());
        let catalog = Catalog::open(folder).await.unwrap();
        assert_eq!(catalog.vault.id(), rotated.to);
        let blog = catalog.source(&sources[0].id).await.unwrap();
        assert_eq!(blog.as_ref(), Some(&sources[0]));
    }

    #[tokio::test]
    async fn without_its_key_a_catalog_opens_only_after_it_has_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let catalog = Catalog::open(folder).await.unwrap();
        catalog.add_source(&source("shop")).await.unwrap();
        catalog.close().await;
        fs::remove_file(folder.join(vault::FILE_NAME)).unwrap();
        let lost = Catalog::open(folder).await.unwrap_err();
        assert!(
            matches!(lost, CatalogError::SecretKey(SecretKeyError::Lost { .. })),
            "{lost}"
        );
        let forgotten = Catalog::forget_secrets(folder).await.unwrap();
        assert_eq!(forgotten.secrets, 1);
        let catalog = Catalog::open(folder).await.unwrap();
        assert_eq!(catalog.vault.id(), forgotten.to);
        assert_eq!(catalog.sources().await.unwrap(), []);
    }
}
