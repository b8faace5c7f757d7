//! What the archive says of itself.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::Deserialize;

use crate::foreign::{ForeignError, Product};

/// `backup_info.json`, as far as there is one.
#[derive(Clone, Debug, Default)]
pub(in crate::foreign) struct Info {
    pub(in crate::foreign) format: u64,
    pub(in crate::foreign) app_version: Option<String>,
    pub(in crate::foreign) created_at: Option<String>,
    pub(in crate::foreign) include_audio: Option<bool>,
    pub(in crate::foreign) warnings: Option<Warnings>,
    pub(in crate::foreign) facts: Vec<(String, String)>,
}

/// What the product found missing when it wrote the archive.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::foreign) struct Warnings {
    recordings_without_audio: u64,
    recordings_audio_failed: u64,
    documents_without_files: u64,
    documents_failed: u64,
}

impl Warnings {
    pub(in crate::foreign) const fn recordings(&self) -> u64 {
        self.recordings_without_audio
            .saturating_add(self.recordings_audio_failed)
    }

    pub(in crate::foreign) const fn documents(&self) -> u64 {
        self.documents_without_files
            .saturating_add(self.documents_failed)
    }
}

#[derive(Deserialize)]
struct Raw {
    format_version: Option<serde_json::Value>,
    version: Option<String>,
    timestamp: Option<String>,
    include_audio: Option<bool>,
    archive_quality: Option<String>,
    warnings: Option<Warnings>,
}

impl Info {
    /// Parses it. The product's rule: what can't be read, and what has no whole number as version, is format 1.
    ///
    /// # Errors
    /// [`ForeignError::UnsupportedVersion`].
    pub(in crate::foreign) fn parse(json: Option<&[u8]>) -> Result<Self, ForeignError> {
        let raw = json.and_then(|json| serde_json::from_slice::<Raw>(json).ok());
        let Some(raw) = raw else {
            return Ok(Self {
                format: 1,
                ..Self::default()
            });
        };
        let version = raw.format_version.as_ref();
        let format = match version.and_then(serde_json::Value::as_i64) {
            None if version.is_some_and(serde_json::Value::is_u64) => u64::MAX,
            None => 1,
            Some(number) => u64::try_from(number).unwrap_or(0),
        };
        if !matches!(format, 1 | 2) {
            return Err(ForeignError::UnsupportedVersion {
                product: Product::Nojoin,
                what: "archives",
                found: version.map(ToString::to_string).unwrap_or_default(),
                known: "1 and 2",
            });
        }
        let audio = raw.include_audio.map(|audio| {
            let said = if audio { "included" } else { "left out" };
            ("audio".to_string(), said.to_string())
        });
        let quality = raw
            .archive_quality
            .map(|quality| ("quality".to_string(), quality));
        Ok(Self {
            format,
            app_version: raw.version,
            created_at: raw.timestamp,
            include_audio: raw.include_audio,
            warnings: raw.warnings,
            facts: audio.into_iter().chain(quality).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_products_rule_for_versions() {
        for (json, format) in [
            (None, Some(1)),
            (Some("nonsense"), Some(1)),
            (Some("{}"), Some(1)),
            (Some("{\"format_version\": \"2\"}"), Some(1)),
            (Some("{\"format_version\": 1}"), Some(1)),
            (Some("{\"format_version\": 2}"), Some(2)),
            (Some("{\"format_version\": 3}"), None),
            (Some("{\"format_version\": 0}"), None),
            (Some("{\"format_version\": 18446744073709551615}"), None),
        ] {
            let info = Info::parse(json.map(str::as_bytes));
            assert_eq!(info.ok().map(|info| info.format), format, "{json:?}");
        }
    }
}
