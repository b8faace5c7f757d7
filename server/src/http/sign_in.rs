//! Signing in, by name and password or by a one-time link; and slowing down whoever guesses.

use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::{
    App,
    caller::{Origin, SESSION_AGE, digest},
    problem::Problem,
};
use crate::{
    access::{Grant, Permissions},
    catalog::{
        CatalogError, GroupRecord, Id, SessionRecord, TriesRecord, UserRecord, hex, name_key,
    },
    clock,
    password::{self, PasswordError},
};

/// Wrong tries in a row before further ones have to wait. One address may serve many people.
const WRONG_BY_NAME: i64 = 5;
const WRONG_BY_ADDRESS: i64 = 20;
/// How long, for the first time; it doubles with each further wrong try, up to the longest.
const FIRST_WAIT: Duration = Duration::minutes(1);
const LONGEST_WAIT: Duration = Duration::hours(1);
/// After so long without a wrong try, all is forgiven.
pub(super) const FORGIVEN: Duration = Duration::hours(24);
/// How long a one-time link works.
pub(crate) const LINK_AGE: Duration = Duration::hours(24);
/// Most characters that are kept of what a browser calls itself.
const MAX_AGENT: usize = 200;
/// How the first group is called.
const ADMINISTRATORS: &str = "Administrators";

/// Why somebody is not signed in.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Name or password is wrong, or the user is disabled: nobody is told which.
    Wrong,
    /// The link was used, is too old, or never was one.
    NoLink,
    /// The link makes the first administrator, who needs a name.
    NoName,
    /// Too many wrong tries; seconds until the next may be made.
    Wait(i64),
    /// The new password.
    Password(PasswordError),
    /// Something else.
    Failed(Problem),
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<getrandom::Error> for Refusal {
    fn from(error: getrandom::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// 32 random bytes, as 64 hexadecimal digits.
pub(crate) fn secret() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(Zeroizing::new(hex(bytes.as_slice())))
}

/// Somebody who has just signed in.
pub(super) struct SignedIn {
    pub(super) user: Id,
    pub(super) name: String,
    /// What the cookie holds.
    pub(super) cookie: Zeroizing<String>,
}

/// Signs in by name and password. Takes as long for a name that nobody has.
pub(super) async fn by_password(
    app: &App,
    name: &str,
    given: Zeroizing<String>,
    origin: &Origin,
    agent: &str,
) -> Result<SignedIn, Refusal> {
    let now = clock::now();
    let subjects = subjects(Some(name), origin);
    check_wait(app, &subjects, now).await?;
    let user = app.catalog.user_named(name).await?;
    let stored = user.as_ref().and_then(|user| user.password.clone());
    let fits = password::verify(given, stored).await;
    match user.filter(|user| fits && !user.disabled) {
        Some(user) => {
            // The address is not forgiven: else one account of one's own would do to guess at others.
            app.catalog.forget_tries(&subjects[0].0).await?;
            begin(app, user, origin, agent, now).await
        }
        None => {
            count_wrong(app, &subjects, now).await?;
            Err(Refusal::Wrong)
        }
    }
}

/// Signs in by a one-time link, with a new password; without users, that makes the first administrator.
pub(super) async fn by_link(
    app: &App,
    token: &str,
    name: Option<String>,
    chosen: Zeroizing<String>,
    origin: &Origin,
    agent: &str,
) -> Result<SignedIn, Refusal> {
    let now = clock::now();
    let subjects = subjects(None, origin);
    check_wait(app, &subjects, now).await?;
    let link = digest(token);
    let Some(user) = app.catalog.link(&link, &clock::text(now)).await? else {
        count_wrong(app, &subjects, now).await?;
        return Err(Refusal::NoLink);
    };
    // A password that is refused doesn't use the link up.
    let stored = password::hash(chosen).await.map_err(Refusal::Password)?;
    let user = match user {
        Some(id) => {
            let user = app.catalog.user(&id).await?.filter(|user| !user.disabled);
            let user = user.ok_or(Refusal::NoLink)?;
            if !app.catalog.take_link(&link).await? {
                return Err(Refusal::NoLink);
            }
            app.catalog.set_password(&id, &stored, None).await?;
            app.catalog.forget_tries(&by_name(&user.name)).await?;
            user
        }
        None => first_user(app, name.ok_or(Refusal::NoName)?, stored, now).await?,
    };
    begin(app, user, origin, agent, now).await
}

/// Refuses everything but the link of an installation that nobody can sign in to yet.
pub(super) async fn check_set_up(app: &App, token: &str, origin: &Origin) -> Result<(), Problem> {
    let now = clock::now();
    let subjects = subjects(None, origin);
    let allowed = async {
        check_wait(app, &subjects, now).await?;
        match app.catalog.link(&digest(token), &clock::text(now)).await? {
            Some(None) => Ok(()),
            _ => {
                count_wrong(app, &subjects, now).await?;
                Err(Refusal::NoLink)
            }
        }
    };
    allowed.await.map_err(super::session::problem)
}

async fn first_user(
    app: &App,
    name: String,
    password: String,
    now: OffsetDateTime,
) -> Result<UserRecord, Refusal> {
    let created_at = clock::text(now);
    let group = GroupRecord {
        id: Id::random()?,
        name: ADMINISTRATORS.to_owned(),
        grant: Grant {
            permissions: Permissions::all(),
            sources: None,
        },
        created_at: created_at.clone(),
        revision: 1,
    };
    let user = UserRecord {
        id: Id::random()?,
        name,
        password: Some(password),
        disabled: false,
        created_at,
        revision: 1,
        groups: vec![group.id.clone()],
    };
    // Restored from an archive without passwords: the link sets that of an administrator who is there.
    if app.catalog.has_users().await? {
        let claimed = app
            .catalog
            .claim_administrator(&user.name, user.password.as_deref());
        return claimed.await?.ok_or(Refusal::NoLink);
    }
    // Links are gone with the first user, so of two who come at once one finds this false.
    if app.catalog.add_first_user(&user, &group).await? {
        Ok(user)
    } else {
        Err(Refusal::NoLink)
    }
}

async fn begin(
    app: &App,
    user: UserRecord,
    origin: &Origin,
    agent: &str,
    now: OffsetDateTime,
) -> Result<SignedIn, Refusal> {
    let cookie = secret()?;
    let session = SessionRecord {
        id: Id::random()?,
        digest: digest(&cookie),
        user_id: user.id.clone(),
        created_at: clock::text(now),
        used_at: clock::text(now),
        expires_at: clock::text(now + SESSION_AGE),
        address: origin.address.clone(),
        agent: agent.chars().take(MAX_AGENT).collect(),
    };
    app.catalog.add_session(&session).await?;
    Ok(SignedIn {
        user: user.id,
        name: user.name,
        cookie,
    })
}

/// What wrong tries are counted for, with how many are let pass.
type Subjects = Vec<(String, i64)>;

fn by_name(name: &str) -> String {
    // Hashed: people type passwords where names belong.
    format!("name:{}", digest(&name_key(name)))
}

fn subjects(name: Option<&str>, origin: &Origin) -> Subjects {
    let name = name.map(|name| (by_name(name), WRONG_BY_NAME));
    let address = (format!("address:{}", origin.address), WRONG_BY_ADDRESS);
    name.into_iter().chain([address]).collect()
}

async fn check_wait(app: &App, subjects: &Subjects, now: OffsetDateTime) -> Result<(), Refusal> {
    for (subject, _) in subjects {
        if let Some(seconds) = app
            .catalog
            .tries(subject)
            .await?
            .and_then(|tries| wait(&tries, now))
        {
            return Err(Refusal::Wait(seconds));
        }
    }
    Ok(())
}

async fn count_wrong(app: &App, subjects: &Subjects, now: OffsetDateTime) -> Result<(), Refusal> {
    for (subject, allowed) in subjects {
        let before = app.catalog.tries(subject).await?;
        let tries = after_wrong(before.as_ref(), *allowed, now);
        app.catalog.write_tries(subject, &tries).await?;
    }
    Ok(())
}

/// Seconds until the next try; nothing if it may be made now.
fn wait(tries: &TriesRecord, now: OffsetDateTime) -> Option<i64> {
    let until = clock::parse(tries.locked_until.as_deref()?)?;
    (until > now).then(|| (until - now).whole_seconds().max(1))
}

/// What is recorded after one more wrong try.
fn after_wrong(before: Option<&TriesRecord>, allowed: i64, now: OffsetDateTime) -> TriesRecord {
    let counted = before
        .filter(|tries| clock::parse(&tries.last_at).is_some_and(|last| now - last < FORGIVEN))
        .map_or(0, |tries| tries.wrong);
    let wrong = counted + 1;
    let locked = (wrong >= allowed).then(|| {
        let doublings = u32::try_from(wrong - allowed).unwrap_or(u32::MAX).min(16);
        let wait = FIRST_WAIT * i32::try_from(1_u32 << doublings).unwrap_or(i32::MAX);
        clock::text(now + wait.min(LONGEST_WAIT))
    });
    TriesRecord {
        wrong,
        last_at: clock::text(now),
        locked_until: locked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_try_waits_longer_and_all_is_forgiven_in_the_end() {
        let start = clock::parse("2026-11-21T04:05:06Z").unwrap();
        let mut tries = None;
        let mut waits = Vec::new();
        for _ in 0..12 {
            let next = after_wrong(tries.as_ref(), 5, start);
            waits.push(wait(&next, start).unwrap_or(0));
            tries = Some(next);
        }
        assert_eq!(
            waits,
            [0, 0, 0, 0, 60, 120, 240, 480, 960, 1920, 3600, 3600]
        );
        let tries = tries.unwrap();
        assert_eq!(wait(&tries, start + Duration::hours(2)), None);
        let later = after_wrong(Some(&tries), 5, start + FORGIVEN);
        assert_eq!((later.wrong, later.locked_until), (1, None));
        let sooner = after_wrong(Some(&tries), 5, start + Duration::hours(2));
        assert_eq!(sooner.wrong, 13);
    }
}
