//! Users and groups: who there is, and who may do what.

use sqlx::{Any, AnyConnection, FromRow, Row, Transaction, any::AnyRow};

use super::{Catalog, CatalogError, Id, taken};
use crate::access::{Grant, Permission, Permissions, Rights};

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// Its id.
    pub id: Id,
    /// The name, as it is shown.
    pub name: String,
    /// Argon2id in PHC form; `None` until the user has chosen a password.
    pub password: Option<String>,
    /// Whether the user is kept out.
    pub disabled: bool,
    /// When it was added, RFC 3339.
    pub created_at: String,
    /// Counts changes.
    pub revision: i64,
    /// The groups that the user is in.
    pub groups: Vec<Id>,
}

impl std::fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRecord")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRecord {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// What its members may do.
    pub grant: Grant,
    /// When it was added, RFC 3339.
    pub created_at: String,
    /// Counts changes.
    pub revision: i64,
}

/// What is left of an administrator's power after a change.
const ADMINISTRATORS: &str = "SELECT count(DISTINCT u.id) FROM users AS u
     JOIN group_members AS m ON m.user_id = u.id JOIN user_groups AS g ON g.id = m.group_id
     WHERE u.disabled = 0 AND u.password IS NOT NULL AND g.all_sources = 1
     AND ' ' || g.permissions || ' ' LIKE '% administer %'";

/// A name as it is compared, so that two users don't look alike by case or by how letters are composed.
#[must_use]
pub fn name_key(name: &str) -> String {
    coffer_core::archive::name::fold(name.trim())
}

fn truth(row: &AnyRow, column: &str) -> Result<bool, sqlx::Error> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}

impl FromRow<'_, AnyRow> for UserRecord {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            password: row.try_get("password")?,
            disabled: truth(row, "disabled")?,
            created_at: row.try_get("created_at")?,
            revision: row.try_get("revision")?,
            groups: Vec::new(),
        })
    }
}

/// Reads permissions and whether they are for all sources; the sources are read apart.
pub(super) fn grant(row: &AnyRow) -> Result<Grant, sqlx::Error> {
    let words: String = row.try_get("permissions")?;
    let permissions: Permissions = words
        .parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Grant {
        permissions,
        sources: (!truth(row, "all_sources")?).then(Vec::new),
    })
}

impl FromRow<'_, AnyRow> for GroupRecord {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            grant: grant(row)?,
            created_at: row.try_get("created_at")?,
            revision: row.try_get("revision")?,
        })
    }
}

impl Catalog {
    /// Whether there is anybody yet who can sign in, or ever could.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn has_users(&self) -> Result<bool, CatalogError> {
        let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
            .fetch_one(&self.pool)
            .await?;
        Ok(users > 0)
    }

    /// All users by their names.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn users(&self) -> Result<Vec<UserRecord>, CatalogError> {
        let mut users: Vec<UserRecord> = sqlx::query_as("SELECT * FROM users ORDER BY name_key")
            .fetch_all(&self.pool)
            .await?;
        for user in &mut users {
            user.groups = self.groups_of(&user.id).await?;
        }
        Ok(users)
    }

    /// One user.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn user(&self, id: &Id) -> Result<Option<UserRecord>, CatalogError> {
        let user = sqlx::query_as("SELECT * FROM users WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        self.with_groups(user).await
    }

    /// The user of this name, however it is written.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn user_named(&self, name: &str) -> Result<Option<UserRecord>, CatalogError> {
        let user = sqlx::query_as("SELECT * FROM users WHERE name_key = $1")
            .bind(name_key(name))
            .fetch_optional(&self.pool)
            .await?;
        self.with_groups(user).await
    }

    async fn with_groups(
        &self,
        user: Option<UserRecord>,
    ) -> Result<Option<UserRecord>, CatalogError> {
        let Some(mut user) = user else {
            return Ok(None);
        };
        user.groups = self.groups_of(&user.id).await?;
        Ok(Some(user))
    }

    async fn groups_of(&self, user: &Id) -> Result<Vec<Id>, CatalogError> {
        let groups =
            sqlx::query_scalar("SELECT group_id FROM group_members WHERE user_id = $1 ORDER BY 1");
        Ok(groups.bind(user).fetch_all(&self.pool).await?)
    }

    /// What a user may do by all groups together.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn rights_of(&self, user: &Id) -> Result<Rights, CatalogError> {
        let groups = sqlx::query_as(
            "SELECT g.* FROM user_groups AS g JOIN group_members AS m ON m.group_id = g.id WHERE m.user_id = $1",
        )
        .bind(user)
        .fetch_all(&self.pool)
        .await?;
        let groups = self.with_sources(groups).await?;
        Ok(Rights::of(groups.iter().map(|group| &group.grant)))
    }

    /// All groups by their names.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn groups(&self) -> Result<Vec<GroupRecord>, CatalogError> {
        let groups = sqlx::query_as("SELECT * FROM user_groups ORDER BY name")
            .fetch_all(&self.pool)
            .await?;
        self.with_sources(groups).await
    }

    /// One group.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn group(&self, id: &Id) -> Result<Option<GroupRecord>, CatalogError> {
        let group = sqlx::query_as("SELECT * FROM user_groups WHERE id = $1")
            .bind(id)
            .fetch_all(&self.pool)
            .await?;
        Ok(self.with_sources(group).await?.pop())
    }

    async fn with_sources(
        &self,
        mut groups: Vec<GroupRecord>,
    ) -> Result<Vec<GroupRecord>, CatalogError> {
        for group in &mut groups {
            if let Some(sources) = &mut group.grant.sources {
                *sources = sqlx::query_scalar(
                    "SELECT source_id FROM group_sources WHERE group_id = $1 ORDER BY 1",
                )
                .bind(&group.id)
                .fetch_all(&self.pool)
                .await?;
            }
        }
        Ok(groups)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if one has the name, [`CatalogError::Database`].
    pub async fn add_user(&self, user: &UserRecord) -> Result<(), CatalogError> {
        let mut transaction = self.begin_write().await?;
        insert_user(&mut transaction, user).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Makes the first administrator, whose group may do everything. Says whether: only while there is no user.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn add_first_user(
        &self,
        user: &UserRecord,
        group: &GroupRecord,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin_write().await?;
        let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
            .fetch_one(&mut *transaction)
            .await?;
        if users > 0 {
            return Ok(false);
        }
        write_group(&mut transaction, group, true).await?;
        insert_user(&mut transaction, user).await?;
        sqlx::query("DELETE FROM links WHERE user_id IS NULL")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Whether somebody has to make the first administrator, or, after a restore without passwords, to give one a password.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn waits_for_set_up(&self) -> Result<bool, CatalogError> {
        let links: i64 = sqlx::query_scalar("SELECT count(*) FROM links WHERE user_id IS NULL")
            .fetch_one(&self.pool)
            .await?;
        Ok(links > 0 || !self.has_users().await?)
    }

    /// Forgets the links that make the first administrator.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn forget_set_up_links(&self) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM links WHERE user_id IS NULL")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Gives an administrator who has no password one, while none has. The links that make the first administrator are gone then.
    /// Nothing if there is no such user.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn claim_administrator(
        &self,
        name: &str,
        password: Option<&str>,
    ) -> Result<Option<UserRecord>, CatalogError> {
        let Some(user) = self.user_named(name).await? else {
            return Ok(None);
        };
        let mut transaction = self.begin_write().await?;
        let administrators: i64 = sqlx::query_scalar(ADMINISTRATORS)
            .fetch_one(&mut *transaction)
            .await?;
        if administrators > 0 {
            return Ok(None);
        }
        sqlx::query(
            "UPDATE users SET password = $1, revision = revision + 1 WHERE id = $2 AND password IS NULL",
        )
        .bind(password)
        .bind(&user.id)
        .execute(&mut *transaction)
        .await?;
        // Who is no administrator doesn't become one by a password.
        let administrators: i64 = sqlx::query_scalar(ADMINISTRATORS)
            .fetch_one(&mut *transaction)
            .await?;
        if administrators == 0 {
            return Ok(None);
        }
        sqlx::query("DELETE FROM links WHERE user_id IS NULL")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(user))
    }

    /// Writes a user's name, groups, and whether the user is disabled, if it is still at the revision that `user` has.
    /// A user who is disabled has no sessions any more.
    ///
    /// # Errors
    /// [`CatalogError::Changed`], [`CatalogError::LastAdministrator`], [`CatalogError::Taken`], [`CatalogError::Database`];
    /// nothing was changed then.
    pub async fn change_user(&self, user: &UserRecord) -> Result<(), CatalogError> {
        let mut transaction = self.begin_write().await?;
        let done = sqlx::query(
            "UPDATE users SET name = $1, name_key = $2, disabled = $3, revision = revision + 1 WHERE id = $4 AND revision = $5",
        )
        .bind(&user.name)
        .bind(name_key(&user.name))
        .bind(i64::from(user.disabled))
        .bind(&user.id)
        .bind(user.revision)
        .execute(&mut *transaction)
        .await
        .map_err(|error| taken(error, "a user", &[("users.name_key", "name")]))?;
        if done.rows_affected() == 0 {
            return Err(CatalogError::Changed);
        }
        sqlx::query("DELETE FROM group_members WHERE user_id = $1")
            .bind(&user.id)
            .execute(&mut *transaction)
            .await?;
        join(&mut transaction, user).await?;
        if user.disabled {
            sqlx::query("DELETE FROM sessions WHERE user_id = $1")
                .bind(&user.id)
                .execute(&mut *transaction)
                .await?;
        }
        commit_with_administrator(transaction).await
    }

    /// Sets a user's password. All sessions end but the one that is `kept`, and so do one-time links.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn set_password(
        &self,
        user: &Id,
        password: &str,
        kept: Option<&Id>,
    ) -> Result<(), CatalogError> {
        let mut transaction = self.begin_write().await?;
        sqlx::query("UPDATE users SET password = $1, revision = revision + 1 WHERE id = $2")
            .bind(password)
            .bind(user)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
            .bind(user)
            .bind(kept.map_or("", Id::as_str))
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM links WHERE user_id = $1")
            .bind(user)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Removes a user with sessions and tokens. Says whether there was one.
    ///
    /// # Errors
    /// [`CatalogError::LastAdministrator`], [`CatalogError::Database`]; nothing was changed then.
    pub async fn remove_user(&self, id: &Id) -> Result<bool, CatalogError> {
        self.remove_one("DELETE FROM users WHERE id = $1", id).await
    }

    /// Removes a group. Says whether there was one.
    ///
    /// # Errors
    /// [`CatalogError::LastAdministrator`], [`CatalogError::Database`]; nothing was changed then.
    pub async fn remove_group(&self, id: &Id) -> Result<bool, CatalogError> {
        self.remove_one("DELETE FROM user_groups WHERE id = $1", id)
            .await
    }

    async fn remove_one(&self, sql: &'static str, id: &Id) -> Result<bool, CatalogError> {
        let mut transaction = self.begin_write().await?;
        let done = sqlx::query(sql).bind(id).execute(&mut *transaction).await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        commit_with_administrator(transaction).await?;
        Ok(true)
    }

    /// Adds a group.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if one has the name, [`CatalogError::Database`].
    pub async fn add_group(&self, group: &GroupRecord) -> Result<(), CatalogError> {
        let mut transaction = self.begin_write().await?;
        write_group(&mut transaction, group, true).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Writes a group, if it is still at the revision that `group` has.
    ///
    /// # Errors
    /// [`CatalogError::Changed`], [`CatalogError::LastAdministrator`], [`CatalogError::Taken`], [`CatalogError::Database`];
    /// nothing was changed then.
    pub async fn change_group(&self, group: &GroupRecord) -> Result<(), CatalogError> {
        let mut transaction = self.begin_write().await?;
        write_group(&mut transaction, group, false).await?;
        commit_with_administrator(transaction).await
    }
}

async fn insert_user(
    connection: &mut AnyConnection,
    user: &UserRecord,
) -> Result<(), CatalogError> {
    sqlx::query(
        "INSERT INTO users (id, name, name_key, password, disabled, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&user.id)
    .bind(&user.name)
    .bind(name_key(&user.name))
    .bind(&user.password)
    .bind(i64::from(user.disabled))
    .bind(&user.created_at)
    .execute(&mut *connection)
    .await
    .map_err(|error| taken(error, "a user", &[("users.name_key", "name")]))?;
    join(connection, user).await
}

async fn join(connection: &mut AnyConnection, user: &UserRecord) -> Result<(), CatalogError> {
    for group in &user.groups {
        sqlx::query(
            "INSERT INTO group_members (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(group)
        .bind(&user.id)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn write_group(
    connection: &mut AnyConnection,
    group: &GroupRecord,
    new: bool,
) -> Result<(), CatalogError> {
    let sql = if new {
        "INSERT INTO user_groups (name, permissions, all_sources, id, revision, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
    } else {
        "UPDATE user_groups SET name = $1, permissions = $2, all_sources = $3, revision = revision + 1
         WHERE id = $4 AND revision = $5 AND created_at = $6"
    };
    let done = sqlx::query(sql)
        .bind(&group.name)
        .bind(group.grant.permissions.to_string())
        .bind(i64::from(group.grant.sources.is_none()))
        .bind(&group.id)
        .bind(group.revision)
        .bind(&group.created_at)
        .execute(&mut *connection)
        .await
        .map_err(|error| taken(error, "a group", &[("user_groups.name", "name")]))?;
    if done.rows_affected() == 0 {
        return Err(CatalogError::Changed);
    }
    sqlx::query("DELETE FROM group_sources WHERE group_id = $1")
        .bind(&group.id)
        .execute(&mut *connection)
        .await?;
    for source in group.grant.sources.iter().flatten() {
        sqlx::query("INSERT INTO group_sources (group_id, source_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(&group.id)
            .bind(source)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Commits unless nobody could administer any more.
async fn commit_with_administrator(
    mut transaction: Transaction<'static, Any>,
) -> Result<(), CatalogError> {
    debug_assert!(ADMINISTRATORS.contains(Permission::Administer.as_str()));
    let administrators: i64 = sqlx::query_scalar(ADMINISTRATORS)
        .fetch_one(&mut *transaction)
        .await?;
    if administrators == 0 {
        return Err(CatalogError::LastAdministrator);
    }
    transaction.commit().await?;
    Ok(())
}
