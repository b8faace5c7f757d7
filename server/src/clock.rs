//! The wall clock, as the catalog and archive names write it: UTC, whole seconds.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The moment now.
#[must_use]
pub fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now)
}

/// RFC 3339, e.g. `2026-11-21T04:05:06Z`.
#[must_use]
pub fn text(moment: OffsetDateTime) -> String {
    // Years beyond 9999 are all that RFC 3339 can't write.
    moment.format(&Rfc3339).unwrap_or_default()
}

/// The moment that [`text`] wrote; nothing if it is not in that form.
#[must_use]
pub fn parse(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// A form that fits into a file's name, e.g. `2026-11-21T040506Z`.
#[must_use]
pub fn name(moment: OffsetDateTime) -> String {
    text(moment).replace(':', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_the_same_second() {
        let moment = OffsetDateTime::from_unix_timestamp(1_795_233_906).unwrap();
        assert_eq!(text(moment), "2026-11-21T04:05:06Z");
        assert_eq!(parse(&text(moment)), Some(moment));
        assert_eq!(name(moment), "2026-11-21T040506Z");
    }
}
