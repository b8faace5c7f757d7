//! An application whose rows and files all say the same word, and an archive in which they all say another: whatever
//! happens to a restore, the words tell whether it took effect wholly or not at all.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use coffer_core::Digest;
use coffer_server::{
    engine::DatabaseUrl,
    recover::{self, RecoverReport},
};
use rusqlite::Connection;
use sqlx::{Executor, Row};
use tempfile::TempDir;

use crate::{
    coffer::{Run, coffer},
    postgres::{self, Server},
};

/// Rows of the table.
pub const ROWS: usize = 20_000;
/// Files of the set.
pub const FILES: usize = 40;
/// The table.
pub const SCHEMA: &str = "CREATE TABLE facts (id integer PRIMARY KEY, side text NOT NULL)";

enum Place {
    Sqlite(PathBuf),
    Postgres(Arc<Server>, String),
}

/// An application whose rows and files all say "old", and an archive in which they all say "new".
pub struct App {
    folder: TempDir,
    place: Place,
    uploads: PathBuf,
    /// What the tests' own statements run on.
    pub runtime: tokio::runtime::Runtime,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("App").field(&self.folder.path()).finish()
    }
}

/// Runs a test with an application on SQLite, then with one on PostgreSQL.
pub fn both(test: impl Fn(App)) {
    test(App::sqlite());
    test(App::postgres(Server::shared()));
}

impl App {
    /// With an SQLite file.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.sqlite");
        Self::with(folder, Place::Sqlite(file))
    }

    /// With a database of its own on a PostgreSQL server.
    #[must_use]
    pub fn postgres(server: Arc<Server>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = waited_for(server.create_database());
        Self::with(folder, Place::Postgres(server, name))
    }

    fn with(folder: TempDir, place: Place) -> Self {
        let uploads = folder.path().join("uploads");
        let app = Self {
            folder,
            place,
            uploads,
            runtime: tokio::runtime::Runtime::new().unwrap(),
        };
        app.sql(SCHEMA);
        app.fill("new");
        let _taken = coffer(app.backup(&app.url(), &app.path("backup.zip")), &[]).ok();
        app.fill("old");
        app
    }

    /// Moves the uploads into another folder.
    pub fn move_uploads(&mut self, folder: &Path) {
        fs::remove_dir_all(&self.uploads).unwrap();
        self.uploads = folder.join("uploads");
        self.fill("old");
    }

    /// Moves the SQLite file into another folder.
    pub fn move_database(&mut self, folder: &Path) {
        if let Place::Sqlite(file) = &mut self.place {
            let moved = folder.join("app.sqlite");
            fs::copy(&*file, &moved).unwrap();
            fs::remove_file(&*file).unwrap();
            *file = moved;
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

    /// The server and the database's name there.
    ///
    /// # Panics
    /// If the application is on SQLite.
    #[must_use]
    pub fn server(&self) -> (&Arc<Server>, &str) {
        match &self.place {
            Place::Sqlite(_) => panic!("an SQLite file has no server"),
            Place::Postgres(server, name) => (server, name),
        }
    }

    /// Whether the application is on SQLite.
    #[must_use]
    pub const fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Sqlite(_))
    }

    /// The URL, parsed.
    #[must_use]
    pub fn database(&self) -> DatabaseUrl {
        DatabaseUrl::parse(&self.url()).unwrap()
    }

    /// A path in the application's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of uploaded files.
    #[must_use]
    pub fn uploads(&self) -> &Path {
        &self.uploads
    }

    /// The file sets.
    #[must_use]
    pub fn sets(&self) -> Vec<(String, PathBuf)> {
        vec![("uploads".to_owned(), self.uploads.clone())]
    }

    /// The file set as an argument.
    #[must_use]
    pub fn files_argument(&self) -> String {
        format!("uploads={}", self.uploads.display())
    }

    /// The archive in which everything says "new".
    #[must_use]
    pub fn archive(&self) -> String {
        self.path("backup.zip").display().to_string()
    }

    /// The arguments of a backup.
    #[must_use]
    pub fn backup(&self, url: &str, out: &Path) -> Vec<String> {
        let (files, out) = (self.files_argument(), out.display().to_string());
        [
            "backup", "--json", "--source", url, "--files", &files, "--out", &out,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// The arguments of a restore.
    #[must_use]
    pub fn restore(&self, url: &str) -> Vec<String> {
        let (archive, files) = (self.archive(), self.files_argument());
        [
            "restore", &archive, "--json", "--target", url, "--mode", "replace",
        ]
        .iter()
        .chain(&["--files", &files, "--yes", "--force"])
        .map(ToString::to_string)
        .collect()
    }

    /// Restores, with safety backups in a folder of the application's.
    #[must_use]
    pub fn restored(&self) -> Run {
        let safety = self.path("safety").display().to_string();
        coffer(
            self.restore(&self.url()),
            &[("COFFER_SAFETY_FOLDER", &safety)],
        )
    }

    /// Runs statements.
    pub fn sql(&self, sql: &str) {
        match &self.place {
            Place::Sqlite(file) => connect(file).execute_batch(sql).unwrap(),
            Place::Postgres(server, name) => self.runtime.block_on(async {
                postgres::run(&mut server.connect(name).await, sql).await;
            }),
        }
    }

    /// Makes all rows and files say `side`.
    pub fn fill(&self, side: &str) {
        self.sql("DELETE FROM facts");
        self.sql(&if self.is_sqlite() {
            format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
                 INSERT INTO facts SELECT i, '{side}' FROM n"
            )
        } else {
            format!("INSERT INTO facts SELECT i, '{side}' FROM generate_series(1, {ROWS}) i")
        });
        let _ = fs::remove_dir_all(&self.uploads);
        for number in 0..FILES {
            let path = self.file(number);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{side} {number}")).unwrap();
        }
    }

    fn file(&self, number: usize) -> PathBuf {
        self.uploads.join(format!("{}/{number}", number % 3))
    }

    /// What the rows say, as side and count.
    #[must_use]
    pub fn rows(&self) -> Vec<(String, i64)> {
        let sql = "SELECT side, count(*) FROM facts GROUP BY side ORDER BY side";
        match &self.place {
            Place::Sqlite(file) => {
                let connection = connect(file);
                let mut statement = connection.prepare(sql).unwrap();
                let rows = statement
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                    .unwrap();
                rows.map(Result::unwrap).collect()
            }
            Place::Postgres(server, name) => self.runtime.block_on(async {
                let rows = server.connect(name).await.fetch_all(sql).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }),
        }
    }

    /// The side that rows and files are of, which has to be the same, and complete.
    ///
    /// # Panics
    /// If it isn't.
    #[must_use]
    pub fn side(&self) -> String {
        let rows = self.rows();
        let [(side, count)] = rows.as_slice() else {
            panic!("rows of {rows:?}");
        };
        assert_eq!(*count, ROWS as i64);
        for number in 0..FILES {
            let path = self.file(number);
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("{side} {number}"), "{}", path.display());
        }
        side.clone()
    }

    /// All that rows and files say, to be compared with what they say later.
    #[must_use]
    pub fn everything(&self) -> Vec<String> {
        let rows = self.rows().into_iter();
        let mut all: Vec<String> = rows.map(|(side, rows)| format!("{rows} {side}")).collect();
        for path in files_below(&self.uploads) {
            let bytes = fs::read(&path).unwrap();
            all.push(format!("{} {:?}", path.display(), Digest::of(&bytes)));
        }
        all
    }

    /// Checks that nothing of a restore is left: neither beside the folder, nor in the database.
    ///
    /// # Panics
    /// If something is.
    pub fn nothing_is_left(&self) {
        for folder in [self.folder.path(), self.uploads.parent().unwrap()] {
            assert_eq!(temporary_names(folder), [""; 0], "in {}", folder.display());
        }
        if let Place::Sqlite(file) = &self.place {
            let connection = connect(file);
            let ask = |sql| connection.query_row(sql, [], |row| row.get(0)).unwrap();
            let tables: String =
                ask("SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'");
            assert_eq!(tables, "facts", "the mark is still there");
            let sound: String = ask("PRAGMA integrity_check");
            assert_eq!(sound, "ok");
        }
    }

    /// Ends what was interrupted.
    ///
    /// # Panics
    /// If it can't be ended.
    pub fn recover(&self) -> RecoverReport {
        self.runtime
            .block_on(recover::run(&self.database(), &self.sets()))
            .unwrap()
    }
}

/// All regular files below a folder, if it is there, sorted.
#[must_use]
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(listing) = fs::read_dir(folder) else {
            continue;
        };
        for entry in listing {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Names in a folder that only a process at work has a use for.
#[must_use]
pub fn temporary_names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".coffer"))
        .collect()
}

fn connect(file: &Path) -> Connection {
    let connection = Connection::open(file).unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    connection
}

/// Waits for one thing outside of any runtime.
fn waited_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
