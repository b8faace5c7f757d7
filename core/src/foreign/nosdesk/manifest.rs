//! What the archive says of itself.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::Deserialize;

use super::MANIFEST;
use crate::{
    Digest,
    foreign::{ForeignError, Product, json::Members},
};

/// The manifest, of a format that is known.
#[derive(Clone, Debug)]
pub(in crate::foreign) struct Manifest {
    pub(in crate::foreign) format: u64,
    pub(in crate::foreign) app_version: Option<String>,
    pub(in crate::foreign) created_at: Option<String>,
    pub(in crate::foreign) facts: Vec<(String, String)>,
    /// Names, rows and digests.
    pub(in crate::foreign) tables: Vec<(String, Listed)>,
    pub(in crate::foreign) files: Option<Totals>,
}

/// A table of the manifest's list.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::foreign) struct Listed {
    pub(in crate::foreign) count: u64,
    pub(in crate::foreign) sha256: Digest,
}

/// All files.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::foreign) struct Totals {
    pub(in crate::foreign) total_count: u64,
    pub(in crate::foreign) total_size_bytes: u64,
}

#[derive(Deserialize)]
struct Version {
    backup_format_version: Option<serde_json::Value>,
    version: Option<String>,
    nosdesk_version: Option<String>,
}

#[derive(Deserialize)]
struct Rest {
    schema_hash: Option<String>,
    migration_version: Option<String>,
    schema_sha256: Option<String>,
    created_at: Option<String>,
    tables: Members<Listed>,
    files: Option<Totals>,
}

/// Releases whose fingerprint of the schema is known.
const SCHEMAS: [(&str, &str); 3] = [
    ("bfd48f513ed7ebd7", "1.0.0 to 1.0.6"),
    ("be184d8bc927013a", "1.0.8 to 1.0.10"),
    ("0319c33351b4a3c4", "1.0.11 to 1.0.13"),
];

impl Manifest {
    /// Parses it; `None` if it is the manifest of something else.
    ///
    /// # Errors
    /// [`ForeignError::UnsupportedVersion`], [`ForeignError::Description`].
    pub(in crate::foreign) fn parse(json: &[u8]) -> Result<Option<Self>, ForeignError> {
        let Ok(version) = serde_json::from_slice::<Version>(json) else {
            return Ok(None);
        };
        let unsupported = |found| ForeignError::UnsupportedVersion {
            product: Product::Nosdesk,
            what: "archives",
            found,
            known: "1 and 2",
        };
        let format = match (&version.backup_format_version, &version.version) {
            (Some(found), _) => match found.as_u64() {
                Some(known @ (1 | 2)) => known,
                _ => return Err(unsupported(found.to_string())),
            },
            (None, Some(old)) if version.nosdesk_version.is_some() => {
                return Err(unsupported(format!("{old} (from before Nosdesk 1.0)")));
            }
            (None, _) => return Ok(None),
        };
        let rest: Rest =
            serde_json::from_slice(json).map_err(|error| ForeignError::Description {
                entry: MANIFEST,
                why: error.to_string(),
            })?;
        if rest.tables.0.is_empty() {
            return Err(ForeignError::NoTables(Product::Nosdesk));
        }
        let mut facts = Vec::new();
        if let Some(hash) = rest.schema_hash {
            let known = SCHEMAS.iter().find(|(known, _)| *known == hash);
            facts.push((
                "schema".to_string(),
                match known {
                    Some((_, releases)) => format!("{hash}, that of {releases}"),
                    None => hash,
                },
            ));
        }
        for (name, value) in [
            ("last migration", rest.migration_version),
            ("schema digest", rest.schema_sha256),
        ] {
            facts.extend(value.map(|value| (name.to_string(), value)));
        }
        Ok(Some(Self {
            format,
            app_version: version.nosdesk_version,
            created_at: rest.created_at,
            facts,
            tables: rest.tables.0,
            files: rest.files,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let parse = |json: &str| Manifest::parse(json.as_bytes());
        assert!(parse("[]").unwrap().is_none());
        assert!(parse("{\"format_version\": 1}").unwrap().is_none());
        for (json, found) in [
            ("{\"backup_format_version\": 3}", "3"),
            ("{\"backup_format_version\": 1.5}", "1.5"),
            ("{\"backup_format_version\": \"2\"}", "\"2\""),
            (
                "{\"version\": \"1.0\", \"nosdesk_version\": \"0.9\"}",
                "1.0 (from before Nosdesk 1.0)",
            ),
        ] {
            match parse(json) {
                Err(ForeignError::UnsupportedVersion { found: is, .. }) => assert_eq!(is, found),
                other => panic!("{json}: {other:?}"),
            }
        }
        assert_eq!(
            parse("{\"backup_format_version\": 2, \"tables\": {}}").err(),
            Some(ForeignError::NoTables(Product::Nosdesk))
        );
        for wrong in [
            "{\"backup_format_version\": 2}",
            "{\"backup_format_version\": 2, \"tables\": {\"a\": {\"count\": -1, \"sha256\": \"00\"}}}",
        ] {
            assert!(matches!(
                parse(wrong),
                Err(ForeignError::Description { .. })
            ));
        }
    }
}
