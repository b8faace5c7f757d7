//! Archives that are larger than the reader allows.

use coffer_core::archive::{ArchiveError, Limits};

use super::{Layout, layout};
use crate::Zip;
use crate::case::{Case, case, spoiled};

pub(super) fn cases() -> Vec<Case> {
    let Layout {
        end: end_at,
        directory: directory_at,
        ..
    } = layout();
    let limited = |name, limit, found, allowed, limits| Case {
        limits,
        ..case(
            name,
            ArchiveError::Limit {
                limit,
                found,
                allowed,
            },
            || Zip::archive().bytes(),
        )
    };
    let manifest = u64::from(Zip::archive().members[3].central.size);
    let index = u64::from(Zip::archive().members[2].central.size);
    vec![
        limited(
            "more entries than allowed",
            "the number of entries",
            4,
            3,
            Limits {
                entries: 3,
                ..Limits::default()
            },
        ),
        Case {
            limits: Limits {
                entries: 3,
                ..Limits::default()
            },
            ..case(
                "more entries than allowed and than counted",
                ArchiveError::Limit {
                    limit: "the number of entries",
                    found: 4,
                    allowed: 3,
                },
                || spoiled(|zip| (zip.end.entries, zip.end.entries_here) = (1, 1)),
            )
        },
        limited(
            "a directory larger than allowed",
            "bytes of the directory",
            end_at - directory_at,
            200,
            Limits {
                directory_bytes: 200,
                ..Limits::default()
            },
        ),
        limited(
            "a manifest larger than allowed",
            "bytes of the manifest",
            manifest,
            100,
            Limits {
                manifest_bytes: 100,
                ..Limits::default()
            },
        ),
        limited(
            "a files index larger than allowed",
            "bytes of the files index",
            index,
            100,
            Limits {
                index_bytes: 100,
                ..Limits::default()
            },
        ),
        Case {
            limits: Limits {
                entry_bytes: 10,
                ..Limits::default()
            },
            ..case(
                "a manifest larger than any entry may be",
                ArchiveError::Limit {
                    limit: "bytes of one entry",
                    found: manifest,
                    allowed: 10,
                },
                || Zip::archive().bytes(),
            )
        },
    ]
}
