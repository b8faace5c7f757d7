//! Who may do what: permissions, what they reach, and how they add up. Pure; what stands here is asked everywhere.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::catalog::Id;

/// What somebody may do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See sources, backups and runs, and download archives.
    View,
    /// Take backups.
    BackUp,
    /// Restore into a source's database and folders, and undo that.
    Restore,
    /// Change what is backed up, where to, and for whom.
    Configure,
    /// Change who may do what, and read the audit log.
    Administer,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::View,
        Self::BackUp,
        Self::Restore,
        Self::Configure,
        Self::Administer,
    ];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::BackUp => "back_up",
            Self::Restore => "restore",
            Self::Configure => "configure",
            Self::Administer => "administer",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was given is the word of no permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no permission")]
pub struct NoPermission(String);

impl FromStr for Permission {
    type Err = NoPermission;

    fn from_str(word: &str) -> Result<Self, NoPermission> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.as_str() == word)
            .ok_or_else(|| NoPermission(word.to_owned()))
    }
}

/// Several permissions, in text as their words with spaces between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(from = "Vec<Permission>", into = "Vec<Permission>")]
#[schema(value_type = Vec<Permission>)]
pub struct Permissions(u8);

impl Permissions {
    /// None.
    pub const NONE: Self = Self(0);

    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Permission::ALL.into_iter().collect()
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether all of these are among them.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .into_iter()
            .filter(move |permission| self.has(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(
            permissions
                .into_iter()
                .fold(0, |bits, permission| bits | permission.bit()),
        )
    }
}

impl From<Vec<Permission>> for Permissions {
    fn from(permissions: Vec<Permission>) -> Self {
        permissions.into_iter().collect()
    }
}

impl From<Permissions> for Vec<Permission> {
    fn from(permissions: Permissions) -> Self {
        permissions.iter().collect()
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Permission::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

impl FromStr for Permissions {
    type Err = NoPermission;

    fn from_str(words: &str) -> Result<Self, NoPermission> {
        words.split_whitespace().map(str::parse).collect()
    }
}

/// What a group gives its members, or a token its bearer: permissions, for everything or for some sources alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What may be done.
    pub permissions: Permissions,
    /// With which sources; nothing means with all, and with what is of no source.
    pub sources: Option<Vec<Id>>,
}

/// What somebody may do, all groups together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    everywhere: Permissions,
    sources: BTreeMap<Id, Permissions>,
}

impl Rights {
    /// What these give together.
    #[must_use]
    pub fn of<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Self {
        let mut rights = Self::default();
        for grant in grants {
            match &grant.sources {
                None => rights.everywhere = rights.everywhere.or(grant.permissions),
                Some(sources) => {
                    for source in sources {
                        let held = rights.sources.entry(source.clone()).or_default();
                        *held = held.or(grant.permissions);
                    }
                }
            }
        }
        rights
    }

    /// Whether it is allowed with everything.
    #[must_use]
    pub const fn allow(&self, permission: Permission) -> bool {
        self.everywhere.has(permission)
    }

    /// Whether it is allowed with this source.
    #[must_use]
    pub fn allow_for(&self, permission: Permission, source: &Id) -> bool {
        self.held(source).has(permission)
    }

    /// Whether it is allowed with any source at all.
    #[must_use]
    pub fn allow_somewhere(&self, permission: Permission) -> bool {
        self.allow(permission) || self.sources.values().any(|held| held.has(permission))
    }

    /// Whether whoever has these could do all that the other ones allow.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        self.everywhere.covers(other.everywhere)
            && other
                .sources
                .iter()
                .all(|(source, held)| self.held(source).covers(*held))
    }

    /// What is in both: what a token allows of what its owner may.
    #[must_use]
    pub fn within(&self, scope: &Self) -> Self {
        let sources = self
            .sources
            .keys()
            .chain(scope.sources.keys())
            .map(|source| (source.clone(), self.held(source).and(scope.held(source))))
            .collect();
        Self {
            everywhere: self.everywhere.and(scope.everywhere),
            sources,
        }
    }

    /// What may be done with everything.
    #[must_use]
    pub const fn everywhere(&self) -> Permissions {
        self.everywhere
    }

    /// What may be done with single sources.
    pub fn by_source(&self) -> impl Iterator<Item = (&Id, Permissions)> {
        self.sources
            .keys()
            .map(|source| (source, self.held(source)))
    }

    fn held(&self, source: &Id) -> Permissions {
        let here = self.sources.get(source).copied().unwrap_or_default();
        self.everywhere.or(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(words: &str, sources: Option<&[&Id]>) -> Grant {
        Grant {
            permissions: words.parse().unwrap(),
            sources: sources.map(|sources| sources.iter().map(|&id| id.clone()).collect()),
        }
    }

    #[test]
    fn permissions_are_words() {
        let some: Permissions = "restore view".parse().unwrap();
        assert_eq!(some.to_string(), "view restore");
        assert_eq!(
            serde_json::to_string(&some).unwrap(),
            r#"["view","restore"]"#
        );
        assert_eq!("".parse(), Ok(Permissions::NONE));
        assert!("view fly".parse::<Permissions>().is_err());
        assert_eq!(Permissions::all().iter().count(), 5);
    }

    #[test]
    fn a_permission_for_one_source_is_none_for_another() {
        let (shop, blog) = (Id::random().unwrap(), Id::random().unwrap());
        let rights = Rights::of(&[grant("view", None), grant("restore", Some(&[&shop]))]);
        assert!(rights.allow_for(Permission::Restore, &shop));
        assert!(!rights.allow_for(Permission::Restore, &blog));
        assert!(!rights.allow(Permission::Restore));
        assert!(rights.allow_somewhere(Permission::Restore));
        assert!(!rights.allow_somewhere(Permission::BackUp));
        assert!(rights.allow_for(Permission::View, &blog));
    }

    #[test]
    fn nobody_covers_what_he_lacks() {
        let (shop, blog) = (Id::random().unwrap(), Id::random().unwrap());
        let of = |grants: &[Grant]| Rights::of(grants);
        let all = of(&[grant("view back_up restore configure administer", None)]);
        let some = of(&[
            grant("view restore", Some(&[&shop])),
            grant("administer", None),
        ]);
        assert!(all.cover(&some));
        assert!(!some.cover(&all));
        assert!(some.cover(&of(&[grant("restore", Some(&[&shop]))])));
        assert!(!some.cover(&of(&[grant("restore", Some(&[&blog]))])));
        assert!(!some.cover(&of(&[grant("restore", None)])));
        assert!(of(&[]).cover(&of(&[])));
    }

    #[test]
    fn a_token_never_allows_more_than_its_owner() {
        let (shop, blog) = (Id::random().unwrap(), Id::random().unwrap());
        let owner = Rights::of(&[grant("view back_up", Some(&[&shop])), grant("view", None)]);
        let token = Rights::of(&[grant("view back_up restore", None)]);
        let both = owner.within(&token);
        assert!(both.allow_for(Permission::BackUp, &shop));
        assert!(!both.allow_for(Permission::BackUp, &blog));
        assert!(!both.allow_somewhere(Permission::Restore));
        assert!(both.allow(Permission::View));
        let narrow = Rights::of(&[grant("view back_up", Some(&[&blog]))]);
        let both = owner.within(&narrow);
        assert!(both.allow_for(Permission::View, &blog));
        assert!(!both.allow_for(Permission::View, &shop));
        assert!(!both.allow(Permission::View));
        assert!(!both.allow_somewhere(Permission::BackUp));
        assert!(owner.cover(&both) && narrow.cover(&both));
    }
}
