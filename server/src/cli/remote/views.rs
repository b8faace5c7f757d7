//! What the server tells, as far as commands look at it. Fields that a newer server adds are passed over.

use serde::Deserialize;

use crate::progress::ProgressSnapshot;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Source {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) engine: String,
    pub(super) database: String,
    pub(super) app: Option<String>,
    pub(super) preset: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Backup {
    pub(super) id: String,
    pub(super) source_name: String,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) created_at: String,
    pub(super) state: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) enabled: bool,
    pub(super) schedule: Option<String>,
    pub(super) time_zone: String,
    pub(super) next: Vec<String>,
    pub(super) last_run: Option<JobRun>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JobRun {
    pub(super) state: String,
    pub(super) due_at: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Profile {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) ready: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct ActiveRun {
    pub(super) source: String,
    pub(super) started_at: String,
    pub(super) run: Run,
}

#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) progress: ProgressSnapshot,
    pub(super) result: Option<serde_json::Value>,
    pub(super) error: Option<super::failure::Problem>,
}

/// What begins a run answers.
#[derive(Debug, Deserialize)]
pub(super) struct Begun {
    pub(super) run: String,
}

/// What has an id and a name that people know it by.
pub(super) trait Named {
    /// How one is called in a sentence.
    const WHAT: &'static str;
    /// How `coffer --server URL list` calls them.
    const LIST: &'static str;
    fn id(&self) -> &str;
    fn name(&self) -> &str;
}

macro_rules! named {
    ($type:ty, $what:literal, $list:literal) => {
        impl Named for $type {
            const WHAT: &'static str = $what;
            const LIST: &'static str = $list;

            fn id(&self) -> &str {
                &self.id
            }

            fn name(&self) -> &str {
                &self.name
            }
        }
    };
}

named!(Source, "source", "sources");
named!(Backup, "backup", "backups");
named!(Profile, "profile", "profiles");
