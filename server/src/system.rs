//! Backups of Coffer's own configuration, and their restore: the catalog is a source like any other, by the preset `coffer`. What
//! is particular is here: which tables belong together, what a restore must not do, and what has to be entered again.

use coffer_core::schema::TableName;
use serde::Serialize;

use crate::{
    catalog::{Catalog, CatalogError},
    destination::DestinationConfig,
    notify::ChannelConfig,
};

mod guard;

pub use guard::{Actor, Denied, Guard};
pub(crate) use guard::{GuardError, Seen};

/// What its preset calls this application.
pub const APP: &str = "Coffer";

/// Tables that are restored together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Area {
    /// Its name.
    pub name: &'static str,
    /// Its tables, without their schema.
    pub tables: &'static [&'static str],
}

/// What can be chosen from a backup of Coffer's own configuration.
pub const AREAS: [Area; 6] = [
    Area {
        name: "sources",
        tables: &["sources", "file_sets"],
    },
    Area {
        name: "destinations",
        tables: &["destinations"],
    },
    Area {
        name: "profiles",
        tables: &["profiles", "profile_keys"],
    },
    Area {
        name: "jobs",
        tables: &["jobs", "job_sources", "job_destinations"],
    },
    Area {
        name: "channels",
        tables: &["channels"],
    },
    Area {
        name: "people",
        tables: &["users", "user_groups", "group_members", "group_sources"],
    },
];

/// Restored into a new installation alone: a token that was revoked since must not come back.
pub const TOKENS: Area = Area {
    name: "tokens",
    tables: &["tokens", "token_sources"],
};

/// There is no such area.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is no area of the configuration; nothing was changed; the areas are {}",
    AREAS.map(|area| area.name).join(", ")
)]
pub struct NoArea {
    /// What was given.
    pub name: String,
}

/// The tables of an archive that belong to some areas; nothing chosen means all areas, but not tokens.
///
/// # Errors
/// [`NoArea`].
pub fn tables_of<'a>(
    chosen: &[String],
    archived: impl IntoIterator<Item = &'a TableName>,
) -> Result<Vec<TableName>, NoArea> {
    for name in chosen {
        if !AREAS.iter().any(|area| area.name == name) {
            return Err(NoArea { name: name.clone() });
        }
    }
    let areas = AREAS
        .iter()
        .filter(|area| chosen.is_empty() || chosen.iter().any(|name| name == area.name));
    let wanted: Vec<&str> = areas.flat_map(|area| area.tables).copied().collect();
    Ok(archived
        .into_iter()
        .filter(|table| wanted.contains(&table.name.as_str()))
        .cloned()
        .collect())
}

/// What a restored configuration lacks, by the names that people know: credentials are in sensitive archives alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = SystemNeeds)]
pub struct Needs {
    /// Sources whose URL has to be entered again.
    pub sources: Vec<String>,
    /// Destinations whose key has to be entered again.
    pub destinations: Vec<String>,
    /// Channels whose password or secret has to be entered again.
    pub channels: Vec<String>,
    /// Users who have to choose a password, by a one-time link.
    pub users: Vec<String>,
}

impl Needs {
    /// What the catalog lacks now.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn of(catalog: &Catalog) -> Result<Self, CatalogError> {
        let sources = catalog.sources().await?.into_iter();
        let destinations = catalog.destinations().await?.into_iter();
        let channels = catalog.channels().await?.into_iter();
        let users = catalog.users().await?.into_iter();
        Ok(Self {
            sources: sources
                .filter(|source| source.needs_url())
                .map(|source| source.name)
                .collect(),
            destinations: destinations
                .filter(|one| {
                    matches!(one.config, DestinationConfig::S3 { .. }) && one.key.is_none()
                })
                .map(|one| one.name)
                .collect(),
            channels: channels
                .filter(|one| {
                    let has_one = match &one.config {
                        ChannelConfig::Email(email) => email.user.is_some(),
                        ChannelConfig::Webhook(_) => true,
                    };
                    has_one && one.secret.is_none()
                })
                .map(|one| one.name)
                .collect(),
            users: users
                .filter(|user| user.password.is_none() && !user.disabled)
                .map(|user| user.name)
                .collect(),
        })
    }

    /// Whether it lacks nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use coffer_core::{
        manifest::LeftOut,
        policy::{self, LeaveOutRule},
    };

    use super::*;
    use crate::{
        catalog,
        engine::{self, DatabaseUrl},
        preset::{COFFER, PresetText},
    };

    #[tokio::test]
    async fn every_table_of_the_catalog_is_left_out_or_in_an_area() {
        let (_folder, catalog) = catalog::temporary().await;
        let url = DatabaseUrl::parse(catalog.system().url.expose()).unwrap();
        let snapshot = engine::open(&url).snapshot().await.unwrap();
        let schema = &snapshot.database().schema;
        let preset = PresetText::parse("coffer", COFFER.into()).unwrap().preset;
        let left_out: Vec<&str> = preset
            .leave_out
            .iter()
            .map(|rule: &LeaveOutRule| rule.table.as_str())
            .collect();
        let in_area = |name: &str| {
            let areas = AREAS.iter().chain([&TOKENS]);
            areas.filter(|area| area.tables.contains(&name)).count()
        };
        for table in schema.names() {
            let name = table.name.as_str();
            let times = in_area(name) + usize::from(left_out.contains(&name));
            assert_eq!(
                times, 1,
                "{name}: say in presets/coffer.toml and AREAS what it is"
            );
        }
        // And what is wrapped is a credential: nothing of it is in a standard archive.
        let policy = policy::decide(schema, Some(&preset), false, &[]).unwrap();
        for secret in &preset.app_secrets {
            for column in &secret.columns {
                let told = policy.left_out.iter().any(|left_out| {
                    matches!(left_out, LeftOut::Column { table, column: name, .. }
                        if table.name == column.table && *name == column.column)
                });
                assert!(told, "{}.{}", column.table, column.column);
            }
        }
        assert!(policy.app_secrets.is_empty());
    }

    #[test]
    fn areas_are_chosen_by_their_names() {
        let names = ["jobs", "job_sources", "users", "tokens", "strange"];
        let archived: Vec<TableName> = names
            .map(|name| TableName::new("main", name))
            .into_iter()
            .collect();
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            tables_of(&names, &archived).map(|tables| {
                let names = tables.into_iter().map(|table| table.name);
                names.collect::<Vec<_>>()
            })
        };
        assert_eq!(chosen(&["jobs"]).unwrap(), ["jobs", "job_sources"]);
        assert_eq!(chosen(&[]).unwrap(), ["jobs", "job_sources", "users"]);
        let wrong = chosen(&["jobs", "tokens"]).unwrap_err();
        assert!(
            wrong
                .to_string()
                .contains("sources, destinations, profiles")
        );
    }
}
