//! `coffer user`: the server's users, for who can read its catalog anyway. The server may be running.

use std::fmt;

use clap::Subcommand;
use serde::Serialize;

use super::{
    Failure, Output,
    place::{self, Place, no_randomness},
};
use crate::{
    catalog::{Catalog, CatalogError, Id, UserRecord},
    clock,
    http::{caller::digest, sign_in},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the users.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Add a user, and print a one-time link to choose a password by.
    Add {
        /// The name.
        name: String,
        /// A group that the user joins, by its name; may be repeated.
        #[arg(long = "group", value_name = "NAME")]
        groups: Vec<String>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        page: Page,
    },
    /// Print a one-time link by which a user chooses a new password. A disabled user is let in again.
    Reset {
        /// The name.
        name: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        page: Page,
    },
    /// Keep a user out: all sessions end, and tokens work no more.
    Disable {
        /// The name.
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Page {
    /// Where the server's page is, for the link.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8620")]
    page: String,
}

#[derive(Serialize)]
struct Listed {
    users: Vec<User>,
}

#[derive(Serialize)]
struct User {
    id: Id,
    name: String,
    groups: Vec<String>,
    disabled: bool,
    has_password: bool,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.users.is_empty() {
            writeln!(
                f,
                "There is no user yet; coffer serve prints a link to make the first."
            )?;
        }
        for user in &self.users {
            let groups = user.groups.join(", ");
            let note = if user.disabled {
                " (disabled)"
            } else if user.has_password {
                ""
            } else {
                " (has not chosen a password)"
            };
            writeln!(f, "{}: {groups}{note}", user.name)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Linked {
    user: String,
    link: String,
    expires_at: String,
}

impl fmt::Display for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "By this link {} chooses a password. It works once, until {}:",
            self.user, self.expires_at
        )?;
        writeln!(f, "  {}", self.link)
    }
}

#[derive(Serialize)]
struct Disabled {
    user: String,
}

impl fmt::Display for Disabled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is kept out from now on.", self.user)
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    match args.command {
        Command::List { place } => {
            let listed = list(&place.open().await?.0).await?;
            output.result(&listed, &listed);
        }
        Command::Add {
            name,
            groups,
            place,
            page,
        } => {
            let linked = add(&place.open().await?.0, &name, &groups, &page.page).await?;
            output.result(&linked, &linked);
        }
        Command::Reset { name, place, page } => {
            let linked = reset(&place.open().await?.0, &name, &page.page).await?;
            output.result(&linked, &linked);
        }
        Command::Disable { name, place } => {
            let disabled = disable(&place.open().await?.0, &name).await?;
            output.result(&disabled, &disabled);
        }
    }
    Ok(())
}

async fn list(catalog: &Catalog) -> Result<Listed, Failure> {
    let groups = catalog.groups().await?;
    let named = |id: &Id| {
        let group = groups.iter().find(|group| group.id == *id);
        group.map(|group| group.name.clone())
    };
    let users = catalog.users().await?.into_iter().map(|user| User {
        groups: user.groups.iter().filter_map(named).collect(),
        id: user.id,
        name: user.name,
        disabled: user.disabled,
        has_password: user.password.is_some(),
    });
    Ok(Listed {
        users: users.collect(),
    })
}

async fn add(
    catalog: &Catalog,
    name: &str,
    groups: &[String],
    page: &str,
) -> Result<Linked, Failure> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Failure::usage("a name has 1 to 100 characters on one line"));
    }
    let known = catalog.groups().await?;
    let mut joined = Vec::new();
    for name in groups {
        let group = known.iter().find(|group| group.name == *name);
        let group = group.ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|group| group.name.as_str()).collect();
            Failure::usage(format!(
                "there is no group {name:?}; there are: {}",
                names.join(", ")
            ))
        })?;
        joined.push(group.id.clone());
    }
    let user = UserRecord {
        id: Id::random().map_err(no_randomness)?,
        name: name.to_owned(),
        password: None,
        disabled: false,
        created_at: clock::text(clock::now()),
        revision: 1,
        groups: joined,
    };
    catalog.add_user(&user).await?;
    note(catalog, "add_user", &user).await?;
    link(catalog, &user, page).await
}

async fn reset(catalog: &Catalog, name: &str, page: &str) -> Result<Linked, Failure> {
    let mut user = find(catalog, name).await?;
    if user.disabled {
        user.disabled = false;
        catalog.change_user(&user).await?;
    }
    note(catalog, "make_link", &user).await?;
    link(catalog, &user, page).await
}

async fn disable(catalog: &Catalog, name: &str) -> Result<Disabled, Failure> {
    let mut user = find(catalog, name).await?;
    user.disabled = true;
    catalog.change_user(&user).await?;
    note(catalog, "change_user", &user).await?;
    Ok(Disabled { user: user.name })
}

async fn find(catalog: &Catalog, name: &str) -> Result<UserRecord, Failure> {
    catalog.user_named(name).await?.ok_or_else(|| {
        Failure::usage(format!(
            "there is no user {name:?}; coffer user list names them"
        ))
    })
}

async fn link(catalog: &Catalog, user: &UserRecord, page: &str) -> Result<Linked, Failure> {
    let token = sign_in::secret().map_err(no_randomness)?;
    let expires_at = clock::text(clock::now() + sign_in::LINK_AGE);
    catalog
        .add_link(&digest(&token), Some(&user.id), &expires_at)
        .await?;
    Ok(Linked {
        user: user.name.clone(),
        link: format!("{}/#link={}", page.trim_end_matches('/'), token.as_str()),
        expires_at,
    })
}

/// What is done here stands in the audit log too.
async fn note(catalog: &Catalog, action: &str, user: &UserRecord) -> Result<(), CatalogError> {
    place::note(catalog, action, format!("/api/users/{}", user.id)).await
}
