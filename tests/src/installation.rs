//! One installation of an application, on SQLite or PostgreSQL: filled by SQL, backed up and restored as the program does
//! it, looked at by queries.

use std::{fs::File, path::PathBuf, sync::Arc};

use coffer_core::{
    manifest::Selection,
    merge::{Counts, FileCounts},
    plan::{Consent, Mode, Plan},
    policy::Preset,
};
use coffer_server::{
    backup::{self, BackupRequest},
    engine::DatabaseUrl,
    progress::Progress,
    read::{FileSource, Unlock},
    restore::{self, RestoreError, RestoreReport, RestoreRequest},
    safety::{DEFAULT_KEEP, SafetyStore},
    signed::TrustedSenders,
    source::SourceConfig,
    undo,
};
use rusqlite::{Connection, types::ValueRef};
use tempfile::TempDir;

use crate::{
    planned::{self, There},
    postgres::{self, Server},
};

enum Place {
    Sqlite(PathBuf),
    Postgres(Arc<Server>, String),
}

/// An installation with a database of its own.
pub struct Installation {
    folder: TempDir,
    place: Place,
    /// The rules of its application.
    pub preset: Option<Preset>,
    /// The names of its file sets.
    sets: Vec<String>,
}

impl std::fmt::Debug for Installation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Installation")
            .field(&self.folder.path())
            .finish()
    }
}

/// The kinds of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An SQLite file.
    Sqlite,
    /// A database on the shared server.
    Postgres,
}

impl Installation {
    /// An installation with these tables.
    pub async fn new(kind: Kind, schema: &str, preset: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = match kind {
            Kind::Sqlite => Place::Sqlite(folder.path().join("app.sqlite")),
            Kind::Postgres => {
                let server = Server::shared();
                let name = server.create_database().await;
                Place::Postgres(server, name)
            }
        };
        let installation = Self {
            folder,
            place,
            preset: preset.map(|text| toml::from_str(text).unwrap()),
            sets: Vec::new(),
        };
        installation.sql(schema).await;
        installation
    }

    /// Gives it a file set of these files: paths with their content.
    pub fn add_files(&mut self, set: &str, files: &[(&str, &str)]) {
        self.sets.push(set.to_owned());
        std::fs::create_dir_all(self.set(set)).unwrap();
        for (path, content) in files {
            let path = self.set(set).join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }

    /// The folder of a file set.
    #[must_use]
    pub fn set(&self, set: &str) -> PathBuf {
        self.folder.path().join(set)
    }

    /// The files of a set, `path: content`, what was made anew as `new`.
    #[must_use]
    pub fn files(&self, set: &str) -> Vec<String> {
        let folder = self.set(set);
        let mut files: Vec<String> = crate::two_sides::files_below(&folder)
            .iter()
            .map(|path| {
                let content = std::fs::read_to_string(path).unwrap();
                let path = path.strip_prefix(&folder).unwrap().to_str().unwrap();
                format!("{}: {content}", without_word(path))
            })
            .collect();
        files.sort();
        files
    }

    /// The safety backups that its restores took.
    #[must_use]
    pub fn safety_backups(&self) -> usize {
        let folder = self.folder.path().join("safety");
        let paths = crate::two_sides::files_below(&folder);
        let archives = paths
            .iter()
            .filter(|path| path.extension().is_some_and(|suffix| suffix == "coffer"));
        archives.count()
    }

    /// Runs SQL that may hold several statements.
    pub async fn sql(&self, sql: &str) {
        match &self.place {
            Place::Sqlite(file) => {
                let connection = Connection::open(file).unwrap();
                let off = "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; BEGIN;";
                connection
                    .execute_batch(&format!("{off}{sql};COMMIT"))
                    .unwrap_or_else(|error| panic!("{error} in {sql}"));
            }
            Place::Postgres(server, name) => {
                let mut connection = server.connect(name).await;
                postgres::run(&mut connection, sql).await;
            }
        }
    }

    /// Runs statements that insert rows, which may refer to rows that come later.
    pub async fn fill(&self, sql: &str) {
        match &self.place {
            Place::Sqlite(_) => self.sql(sql).await,
            Place::Postgres(server, name) => {
                let mut connection = server.connect_superuser(name).await;
                let sql =
                    format!("BEGIN; SET LOCAL session_replication_role = replica; {sql}; COMMIT");
                postgres::run(&mut connection, &sql).await;
            }
        }
    }

    /// Removes all rows of these tables.
    pub async fn empty(&self, tables: &[&str]) {
        match &self.place {
            Place::Sqlite(_) => {
                let all: Vec<String> = tables
                    .iter()
                    .map(|name| format!("DELETE FROM {name}"))
                    .collect();
                self.sql(&all.join(";")).await;
            }
            Place::Postgres(..) => self.sql(&format!("TRUNCATE {}", tables.join(", "))).await,
        }
    }

    /// The rows of a query, values parted by `|`, NULL as `-`, in their order.
    pub async fn rows(&self, query: &str) -> Vec<String> {
        match &self.place {
            Place::Sqlite(file) => {
                let connection = Connection::open(file).unwrap();
                let mut statement = connection
                    .prepare(query)
                    .unwrap_or_else(|error| panic!("{error} in {query}"));
                let columns = statement.column_count();
                let rows = statement.query_map([], |row| {
                    let values: Vec<String> = (0..columns)
                        .map(|index| match row.get_ref(index).unwrap() {
                            ValueRef::Null => "-".to_owned(),
                            ValueRef::Integer(number) => number.to_string(),
                            ValueRef::Real(number) => number.to_string(),
                            ValueRef::Text(text) | ValueRef::Blob(text) => {
                                String::from_utf8_lossy(text).into_owned()
                            }
                        })
                        .collect();
                    Ok(values.join("|"))
                });
                rows.unwrap().map(Result::unwrap).collect()
            }
            Place::Postgres(server, name) => {
                use sqlx::Row;
                let mut connection = server.connect(name).await;
                let values = format!(
                    "SELECT ARRAY(SELECT coalesce(value, '-') FROM json_each_text(row_to_json(one_row)) WITH ORDINALITY e (key, value, place) ORDER BY place) FROM ({query}) AS one_row"
                );
                sqlx::query(sqlx::AssertSqlSafe(values))
                    .fetch_all(&mut connection)
                    .await
                    .unwrap_or_else(|error| panic!("{error} in {query}"))
                    .iter()
                    .map(|row| row.get::<Vec<String>, _>(0).join("|"))
                    .collect()
            }
        }
    }

    /// The database's URL.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.place {
            Place::Sqlite(file) => format!("sqlite:{}", file.display()),
            Place::Postgres(server, name) => server.url(name),
        }
    }

    fn source(&self) -> SourceConfig {
        SourceConfig {
            url: DatabaseUrl::parse(&self.url()).unwrap(),
            file_sets: self
                .sets
                .iter()
                .map(|set| (set.clone(), self.set(set)))
                .collect(),
            file_rules: Vec::new(),
            preset: self.preset.clone(),
            app: None,
            hooks: Vec::new(),
            app_secrets: Default::default(),
        }
    }

    /// Takes a backup into a file of its own.
    pub async fn backup(&self) -> PathBuf {
        let (file, path) = tempfile::NamedTempFile::new_in(self.folder.path())
            .unwrap()
            .keep()
            .unwrap();
        let request = BackupRequest {
            source: self.source(),
            seal: None,
            sensitive: false,
            unwrap_app_secrets: false,
            exclude: Vec::new(),
            without: Vec::new(),
        };
        backup::run(request, file, Progress::default())
            .await
            .unwrap();
        path
    }

    /// The restore of an archive.
    #[must_use]
    pub fn request(&self, archive: &std::path::Path, mode: Mode) -> RestoreRequest {
        let _: File = File::open(archive).unwrap();
        RestoreRequest {
            target: self.source(),
            archive: Arc::new(FileSource::open(archive).unwrap()),
            unlock: Unlock::None,
            senders: TrustedSenders::default(),
            selection: Selection::ALL,
            mode,
            consent: Consent {
                replace_existing: true,
                no_safety_backup: true,
                ..Consent::default()
            },
            expected_plan: None,
            planned_without_rows: false,
            safety: SafetyStore {
                folder: self.folder.path().join("safety"),
                recipients: Vec::new(),
                keep: DEFAULT_KEEP,
            },
            undoes: None,
            guard: None,
        }
    }

    fn there(&self) -> There {
        let sets = self.sets.iter().map(|set| (set.clone(), self.set(set)));
        There::at(Some(&self.url()), sets)
    }

    /// Plans and restores, and compares what was done with what was planned.
    ///
    /// # Errors
    /// As planning.
    ///
    /// # Panics
    /// If something else was done than planned.
    pub async fn try_restore(
        &self,
        mut request: RestoreRequest,
    ) -> Result<(Plan, RestoreReport), RestoreError> {
        let plan = restore::plan(&request, &Progress::default()).await?.plan;
        if plan.blocked {
            return Err(RestoreError::Blocked(Box::new(plan)));
        }
        request.expected_plan = Some(plan.digest());
        let before = self.there();
        let report = restore::run(request, Progress::default()).await?;
        planned::as_planned(&plan, &report);
        before.became(&self.there(), &serde_json::to_value(&plan).unwrap());
        Ok((plan, report))
    }

    /// What a restore does to each table, by the table's name.
    pub async fn restore(&self, archive: &std::path::Path, mode: Mode) -> Vec<(String, Counts)> {
        let (_, report) = self
            .try_restore(self.request(archive, mode))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        report
            .merged
            .into_iter()
            .map(|table| (table.name, table.counts))
            .collect()
    }

    /// As [`Self::restore`], for files.
    pub async fn restore_files(
        &self,
        archive: &std::path::Path,
        mode: Mode,
    ) -> Vec<(String, FileCounts)> {
        let (_, report) = self
            .try_restore(self.request(archive, mode))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        report
            .file_sets
            .into_iter()
            .map(|set| (set.name, set.merged.unwrap()))
            .collect()
    }

    /// Undoes the last restore that kept what it replaced.
    pub async fn undo(&self) {
        let store = self.request(&self.backup().await, Mode::Replace).safety;
        let url = self.source().url;
        let record = undo::find(&store.folder, &url, None).await.unwrap();
        let prepared = undo::prepare(store, &url, &record, None, undo::Allowed::default())
            .await
            .unwrap();
        self.try_restore(prepared.request)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A path with `new` in place of a word that was made up for it.
#[must_use]
pub fn without_word(path: &str) -> String {
    const WORD: usize = 36;
    match path.split_once("__") {
        Some((before, after)) if after.len() >= WORD => {
            format!("{before}__new{}", &after[WORD..])
        }
        _ => path.to_owned(),
    }
}
