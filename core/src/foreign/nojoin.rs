//! Nojoin's archives: a ZIP with a JSON file a table, the recordings and documents, and `backup_info.json`. Formats 1 and 2.

mod info;
mod rules;

pub(super) use info::Info;
pub(super) use rules::Rules;

/// The entry that describes the others.
pub(super) const INFO: &str = "backup_info.json";
/// The installation's configuration.
pub(super) const CONFIG: &str = "config.json";
/// Folders of files.
pub(super) const FILES: [&str; 2] = ["recordings/", "documents/"];

/// Tables in the order in which they are restored: their key, which is the name of their entry, and their name.
pub(super) const TABLES: [(&str, &str); 20] = [
    ("users", "users"),
    ("notes_templates", "notes_templates"),
    ("calendar_provider_configs", "calendar_provider_configs"),
    ("calendar_connections", "calendar_connections"),
    ("calendar_sources", "calendar_sources"),
    ("calendar_events", "calendar_events"),
    ("user_tasks", "user_tasks"),
    ("p_tags", "p_tags"),
    ("global_speakers", "global_speakers"),
    ("people_tag_links", "people_tags"),
    ("tags", "tags"),
    ("user_task_tags", "user_task_tags"),
    ("recordings", "recordings"),
    ("user_task_recordings", "user_task_recordings"),
    ("recording_speakers", "recording_speakers"),
    ("recording_tags", "recording_tags"),
    ("transcripts", "transcripts"),
    ("chat_messages", "chat_messages"),
    ("documents", "documents"),
    ("document_pages", "document_pages"),
];

/// Whether names of entries are those of an archive: by its description, or by two of its tables.
pub(super) fn recognises(has: impl Fn(&str) -> bool) -> bool {
    has(INFO) || (has("users.json") && has("recordings.json"))
}
