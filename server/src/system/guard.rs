//! What a restore of Coffer's own configuration must not do, asked inside of its transaction: nobody gains rights by it that the
//! one who restores could not give, whoever restores keeps the own account as it is, somebody can administer afterwards, and
//! every secret can be read by this installation.

use std::collections::{BTreeMap, BTreeSet};

use coffer_core::{
    app_secret::{VaultKey, VaultPlace},
    schema::TableName,
};

use crate::{
    access::{Grant, Permission, Permissions, Rights},
    catalog::Id,
    engine::{EngineError, ReplaceSession, sql},
    vault::Vault,
};

use super::TOKENS;

/// Columns that are wrapped under the secret key.
const WRAPPED: [(&str, &str); 3] = [
    ("sources", "url"),
    ("destinations", "secret"),
    ("channels", "secret"),
];

/// Rows that go with what they belong to, where that goes, as the catalog's own foreign keys say. What is itself restored is
/// not asked.
const ALONG: [(&str, &str, &str, &str); 11] = [
    ("sessions", "user_id", "users", "id"),
    ("links", "user_id", "users", "id"),
    ("tokens", "user_id", "users", "id"),
    ("token_sources", "token_id", "tokens", "id"),
    ("token_sources", "source_id", "sources", "id"),
    ("group_members", "user_id", "users", "id"),
    ("group_members", "group_id", "user_groups", "id"),
    ("group_sources", "group_id", "user_groups", "id"),
    ("group_sources", "source_id", "sources", "id"),
    ("job_runs", "job", "jobs", "id"),
    ("notices", "channel", "channels", "id"),
];

/// Who restores.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Somebody at the machine, who can read and write the catalog anyway.
    Console,
    /// Somebody who has the one-time link of a new installation, before there is any user.
    SetUp,
    /// A user, with what this session or token may do.
    User {
        /// The user.
        id: Id,
        /// What may be done.
        rights: Rights,
    },
}

/// Looks after one restore.
#[derive(Clone, Debug)]
pub struct Guard {
    actor: Actor,
    vault: Vault,
}

/// Why a restore of the configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Somebody would gain rights.
    #[error(
        "{name} could do more after this restore than now, and more than you may give; everything was undone; leave people out, or have somebody restore who may do all of that"
    )]
    MoreRights {
        /// The user.
        name: String,
    },
    /// The own account would change.
    #[error(
        "your own account would have another name, password, or more or fewer permissions after this restore; everything was undone; leave people out, use mode skip, or have another administrator restore"
    )]
    OwnAccount,
    /// Nobody could administer.
    #[error(
        "nobody who can sign in could administer this server after this restore; everything was undone; leave people out, or use mode skip"
    )]
    LastAdministrator,
    /// A source would be described by a file.
    #[error(
        "the archive has the source {name}, which the file {path} on the server's machine describes, and such a file can run programs, so it comes only from whoever starts the server; everything was undone; restore on that machine with coffer system restore, or leave sources out"
    )]
    Described {
        /// The source.
        name: String,
        /// The file.
        path: String,
    },
    /// Tokens come back into new installations alone.
    #[error(
        "tokens are not restored into an installation that is in use, because one that was revoked would come back; everything was undone; leave tokens and token_sources out of the selection"
    )]
    Tokens,
    /// There are users already.
    #[error("this installation has users already; nothing was changed; sign in and restore there")]
    NotNew,
    /// A secret can't be read.
    #[error(
        "the secret {place} is wrapped under a key that this installation doesn't have; everything was undone; restore from a sensitive system backup, which holds secrets without that key"
    )]
    Secret {
        /// Where it is.
        place: String,
    },
    /// A row makes no sense.
    #[error("the archive's {what} cannot be read; everything was undone")]
    Content {
        /// What it is.
        what: &'static str,
    },
}

impl Denied {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MoreRights { .. } => "more_rights",
            Self::OwnAccount => "own_account",
            Self::LastAdministrator => "last_administrator",
            Self::Described { .. } => "described_source",
            Self::Tokens => "tokens",
            Self::NotNew => "not_new",
            Self::Secret { .. } => "app_secret_does_not_fit",
            Self::Content { .. } => "bad_content",
        }
    }
}

/// Why a look failed.
#[derive(Debug)]
pub(crate) enum GuardError {
    Denied(Denied),
    Engine(EngineError),
}

impl From<Denied> for GuardError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<EngineError> for GuardError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// A user at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    name: String,
    password: Option<String>,
    disabled: bool,
    rights: Rights,
}

impl Account {
    /// What can be done by signing in to it.
    fn power(&self) -> Rights {
        if self.disabled || self.password.is_none() {
            Rights::default()
        } else {
            self.rights.clone()
        }
    }

    fn signs_in_as(&self) -> (&str, Option<&str>, bool) {
        (&self.name, self.password.as_deref(), self.disabled)
    }
}

/// What was seen at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    accounts: BTreeMap<String, Account>,
    /// Sources that files describe: the files, with the sources' names.
    described: BTreeMap<String, String>,
    /// Wrapped values that can't be read.
    unreadable: BTreeSet<(String, String)>,
}

impl Guard {
    /// A guard of a restore into a catalog whose secrets this vault wraps.
    pub(crate) const fn new(actor: Actor, vault: Vault) -> Self {
        Self { actor, vault }
    }

    /// Looks before anything changes, with the tables locked.
    pub(crate) async fn before(
        &self,
        session: &mut dyn ReplaceSession,
    ) -> Result<Seen, GuardError> {
        let seen = self.look(session, false).await?;
        if matches!(self.actor, Actor::SetUp) && !seen.accounts.is_empty() {
            return Err(Denied::NotNew.into());
        }
        Ok(seen)
    }

    /// Looks once all rows are written, and before anything is put back in place. `restored` are the tables that the restore
    /// itself writes.
    pub(crate) async fn after(
        &self,
        session: &mut dyn ReplaceSession,
        before: &Seen,
        restored: &[TableName],
    ) -> Result<(), GuardError> {
        let revoked = |table: &TableName| TOKENS.tables.contains(&table.name.as_str());
        if matches!(self.actor, Actor::User { .. }) && restored.iter().any(revoked) {
            return Err(Denied::Tokens.into());
        }
        for (table, column, owner, key) in ALONG {
            let (table, owner) = (named(session, table)?, named(session, owner)?);
            if restored.contains(&table) {
                continue;
            }
            let remove = format!(
                "DELETE FROM {table_name} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT {key} FROM {owner})",
                table_name = sql::table(&table),
                owner = sql::table(&owner),
            );
            session.run(&table, remove).await?;
        }
        let after = self.look(session, true).await?;
        if let Some((_, place)) = after
            .unreadable
            .iter()
            .find(|value| !before.unreadable.contains(*value))
        {
            let place = place.clone();
            return Err(Denied::Secret { place }.into());
        }
        judge(&self.actor, before, &after)?;
        self.end_sessions(session, before, &after).await
    }

    /// Whoever was signed in with a password that is another one now has to sign in again.
    async fn end_sessions(
        &self,
        session: &mut dyn ReplaceSession,
        before: &Seen,
        after: &Seen,
    ) -> Result<(), GuardError> {
        let table = named(session, "sessions")?;
        for (id, account) in &before.accounts {
            let now = after.accounts.get(id);
            if now.is_some_and(|now| now.signs_in_as() != account.signs_in_as()) {
                let remove = format!(
                    "DELETE FROM {} WHERE user_id = {}",
                    sql::table(&table),
                    sql::literal(id)
                );
                session.run(&table, remove).await?;
            }
        }
        Ok(())
    }

    async fn look(&self, session: &mut dyn ReplaceSession, bind: bool) -> Result<Seen, GuardError> {
        Ok(Seen {
            accounts: accounts(session).await?,
            described: described(session).await?,
            unreadable: self.secrets(session, bind).await?,
        })
    }

    /// Finds the wrapped values that can't be read. What a merge has bound to no row yet is bound to its own.
    async fn secrets(
        &self,
        session: &mut dyn ReplaceSession,
        bind: bool,
    ) -> Result<BTreeSet<(String, String)>, GuardError> {
        let key = VaultKey::of(&self.vault.secret())
            .map_err(|_| Denied::Content { what: "secret key" })?;
        let mut unreadable = BTreeSet::new();
        for (table, column) in WRAPPED {
            let name = named(session, table)?;
            let query = format!(
                "SELECT id, {column} FROM {} WHERE {column} IS NOT NULL AND {column} <> ''",
                sql::table(&name)
            );
            for row in session.texts(&name, query, 2).await? {
                let [Some(id), Some(value)] = row.as_slice() else {
                    continue;
                };
                let place = |row| VaultPlace { table, row, column }.to_string();
                let own = place(Some(id.as_str()));
                if key.unwrap(&own, value).is_some() {
                    continue;
                }
                let unbound = key.unwrap(&place(None), value).filter(|_| bind);
                let Some(plain) = unbound else {
                    unreadable.insert((value.clone(), own));
                    continue;
                };
                let wrapped = self.vault.wrap(&own, &plain);
                let wrapped = wrapped.map_err(|_| Denied::Secret { place: own })?;
                let update = format!(
                    "UPDATE {} SET {column} = {} WHERE id = {}",
                    sql::table(&name),
                    sql::literal(&wrapped),
                    sql::literal(id)
                );
                session.run(&name, update).await?;
            }
        }
        Ok(unreadable)
    }
}

/// Whether what would be is allowed.
fn judge(actor: &Actor, before: &Seen, after: &Seen) -> Result<(), Denied> {
    if matches!(actor, Actor::Console) {
        return Ok(());
    }
    let new = after
        .described
        .iter()
        .find(|(path, _)| !before.described.contains_key(*path));
    if let Some((path, name)) = new {
        return Err(Denied::Described {
            name: name.clone(),
            path: path.clone(),
        });
    }
    let Actor::User { id, rights } = actor else {
        return Ok(());
    };
    let own = |seen: &Seen| seen.accounts.get(id.as_str()).cloned();
    match (own(before), own(after)) {
        (Some(before), Some(after))
            if before.signs_in_as() == after.signs_in_as() && before.rights == after.rights => {}
        _ => return Err(Denied::OwnAccount),
    }
    for (id, account) in &after.accounts {
        let former = before.accounts.get(id);
        // Another password is that of somebody else.
        let held = former
            .filter(|former| former.signs_in_as() == account.signs_in_as())
            .map(|former| former.rights.clone())
            .unwrap_or_default();
        let gains = !held.cover(&account.rights);
        if gains && !rights.cover(&account.rights) {
            return Err(Denied::MoreRights {
                name: account.name.clone(),
            });
        }
    }
    let administers = |seen: &Seen| {
        let mut accounts = seen.accounts.values();
        accounts.any(|account| account.power().allow(Permission::Administer))
    };
    if administers(before) && !administers(after) {
        return Err(Denied::LastAdministrator);
    }
    Ok(())
}

async fn accounts(
    session: &mut dyn ReplaceSession,
) -> Result<BTreeMap<String, Account>, GuardError> {
    let users = named(session, "users")?;
    let mut grants = grants(session).await?;
    let query = format!(
        "SELECT id, name_key, password, CAST(disabled AS TEXT) FROM {}",
        sql::table(&users)
    );
    let mut accounts = BTreeMap::new();
    for row in session.texts(&users, query, 4).await? {
        let [Some(id), Some(name), password, Some(disabled)] = row.as_slice() else {
            return Err(Denied::Content { what: "users" }.into());
        };
        let held = grants.remove(id).unwrap_or_default();
        let account = Account {
            name: name.clone(),
            password: password.clone(),
            disabled: disabled != "0",
            rights: Rights::of(&held),
        };
        accounts.insert(id.clone(), account);
    }
    Ok(accounts)
}

/// What groups give their members.
async fn grants(
    session: &mut dyn ReplaceSession,
) -> Result<BTreeMap<String, Vec<Grant>>, GuardError> {
    let members = named(session, "group_members")?;
    let groups = named(session, "user_groups")?;
    let sources = named(session, "group_sources")?;
    let query = format!(
        "SELECT m.user_id, g.permissions, CAST(g.all_sources AS TEXT), s.source_id
           FROM {} m JOIN {} g ON g.id = m.group_id LEFT JOIN {} s ON s.group_id = g.id",
        sql::table(&members),
        sql::table(&groups),
        sql::table(&sources)
    );
    let wrong = || Denied::Content { what: "groups" };
    let mut grants: BTreeMap<String, Vec<Grant>> = BTreeMap::new();
    for row in session.texts(&members, query, 4).await? {
        let [Some(user), Some(words), Some(everywhere), source] = row.as_slice() else {
            return Err(wrong().into());
        };
        let permissions: Permissions = words.parse().map_err(|_| wrong())?;
        let source = source.as_deref().map(Id::parse).transpose();
        let source = source.map_err(|_| wrong())?;
        grants.entry(user.clone()).or_default().push(Grant {
            permissions,
            sources: (everywhere == "0").then(|| source.into_iter().collect()),
        });
    }
    Ok(grants)
}

async fn described(
    session: &mut dyn ReplaceSession,
) -> Result<BTreeMap<String, String>, GuardError> {
    let sources = named(session, "sources")?;
    let query = format!(
        "SELECT config, name FROM {} WHERE config IS NOT NULL",
        sql::table(&sources)
    );
    let rows = session.texts(&sources, query, 2).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter().flatten();
            Some((row.next()?, row.next()?))
        })
        .collect())
}

/// A table of the catalog, with its schema.
fn named(session: &dyn ReplaceSession, name: &'static str) -> Result<TableName, GuardError> {
    let mut tables = session.database().schema.names();
    let found = tables.find(|table| table.name == name).cloned();
    Ok(found.ok_or(Denied::Content { what: name })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, words: &str) -> Account {
        Account {
            name: name.into(),
            password: Some("digest".into()),
            disabled: false,
            rights: Rights::of(&[Grant {
                permissions: words.parse().unwrap(),
                sources: None,
            }]),
        }
    }

    const ADA: &str = "00000000000000000000000000000001";

    fn seen(accounts: &[(&str, Account)]) -> Seen {
        let accounts = accounts
            .iter()
            .map(|(id, account)| ((*id).to_owned(), account.clone()));
        Seen {
            accounts: accounts.collect(),
            ..Seen::default()
        }
    }

    fn ada(words: &str) -> Actor {
        Actor::User {
            id: Id::parse(ADA).unwrap(),
            rights: account("ada", words).rights,
        }
    }

    #[test]
    fn nobody_gets_more_than_who_restores_may_give() {
        let some = "restore configure administer";
        let before = seen(&[(ADA, account("ada", some)), ("b", account("bob", "view"))]);
        let with = |id: &str, account: Account| {
            let mut after = before.clone();
            after.accounts.insert(id.to_owned(), account);
            judge(&ada(some), &before, &after)
        };
        assert_eq!(judge(&ada(some), &before, &before), Ok(()));
        // Ada has no view and can't give it, but Bob has it.
        assert_eq!(with("b", account("bob", "view restore")), {
            let name = "bob".into();
            Err(Denied::MoreRights { name })
        });
        assert_eq!(with("b", account("bob", "restore")), Ok(()));
        assert_eq!(with("c", account("cy", "configure")), Ok(()));
        let name = "cy".into();
        assert_eq!(
            with("c", account("cy", "view")),
            Err(Denied::MoreRights { name })
        );
        // With another password, Bob's account would be that of whoever knows it.
        let mut other = account("bob", "view");
        other.password = Some("of somebody else".into());
        assert!(matches!(with("b", other), Err(Denied::MoreRights { .. })));
        // What a token may not do, nobody gets by it.
        let mut after = before.clone();
        after
            .accounts
            .insert("c".into(), account("cy", "configure"));
        assert!(judge(&ada("restore"), &before, &after).is_err());
    }

    #[test]
    fn who_restores_stays_who_that_is_and_somebody_administers() {
        let before = seen(&[(ADA, account("ada", "restore administer"))]);
        let judged = |change: fn(&mut Account)| {
            let mut after = before.clone();
            change(after.accounts.get_mut(ADA).unwrap());
            judge(&ada("restore administer"), &before, &after)
        };
        assert_eq!(judged(|_| {}), Ok(()));
        let own = Err(Denied::OwnAccount);
        assert_eq!(judged(|ada| ada.password = None), own);
        assert_eq!(judged(|ada| ada.disabled = true), own);
        assert_eq!(judged(|ada| ada.name = "bob".into()), own);
        assert_eq!(judged(|ada| ada.rights = account("", "view").rights), own);
        assert_eq!(judge(&ada("restore"), &before, &seen(&[])), own);
        // By somebody who is not among the administrators.
        let before = seen(&[
            (ADA, account("ada", "restore")),
            ("b", account("bob", "administer")),
        ]);
        let mut after = before.clone();
        after.accounts.get_mut("b").unwrap().rights = Rights::default();
        assert_eq!(
            judge(&ada("restore administer"), &before, &after),
            Err(Denied::LastAdministrator)
        );
        assert_eq!(judge(&Actor::Console, &before, &after), Ok(()));
    }

    #[test]
    fn no_archive_makes_the_server_run_programs() {
        let before = seen(&[]);
        let mut after = before.clone();
        after
            .described
            .insert("/tmp/evil.toml".into(), "shop".into());
        let refused = judge(&Actor::SetUp, &before, &after);
        assert!(matches!(refused, Err(Denied::Described { .. })));
        assert_eq!(judge(&Actor::SetUp, &after, &after), Ok(()));
        assert_eq!(judge(&Actor::Console, &before, &after), Ok(()));
    }
}
