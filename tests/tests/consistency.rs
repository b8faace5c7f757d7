//! Backups that are taken while an application moves amounts between accounts are each of one moment.
//!
//! `COFFER_BACKUPS` says how many are taken for each engine; the default keeps the run short. Every row of every archive
//! is read by other means than Coffer's, and the last archive is restored and looked at by queries too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use coffer_tests::{
    coffer::coffer,
    postgres::{self, Server},
};
use rusqlite::Connection;
use sqlx::{Executor, Row};

/// Accounts, and what they hold together.
const ACCOUNTS: i64 = 400;
const TOTAL: i64 = ACCOUNTS * 1000;
/// Transfers that a writer leaves in the books; older ones are folded into what their accounts opened with.
const KEPT: i64 = 1000;
/// Writers, each with accounts and numbers of its own, so that none waits for a row of another.
const WRITERS: i64 = 2;
/// Longest wait for the first transfers.
const LIMIT: Duration = Duration::from_secs(60);

/// What is true at every moment between two transactions:
/// each account holds what it opened with and what was posted to it, each transfer has two postings that add up to
/// nothing, and all accounts together hold what they always held. The ballast lies between the tables, so that they
/// are not read at once.
const SCHEMA: &str = "
    CREATE TABLE accounts (id integer PRIMARY KEY, opened bigint NOT NULL, amount bigint NOT NULL);
    CREATE TABLE ballast (id integer PRIMARY KEY, noise text NOT NULL);
    CREATE TABLE transfers (id bigint PRIMARY KEY, writer integer NOT NULL);
    CREATE TABLE postings (
        transfer bigint NOT NULL REFERENCES transfers, account integer NOT NULL REFERENCES accounts, amount bigint NOT NULL,
        PRIMARY KEY (transfer, account)
    );";

/// Queries that give 0 for books that are in order.
const IN_ORDER: [&str; 5] = [
    "SELECT sum(amount) - 400000 FROM accounts",
    "SELECT count(*) FROM accounts a
      WHERE amount <> opened + (SELECT coalesce(sum(p.amount), 0) FROM postings p WHERE p.account = a.id)",
    "SELECT count(*) FROM transfers t
      WHERE (SELECT count(*) <> 2 OR sum(p.amount) <> 0 FROM postings p WHERE p.transfer = t.id)",
    "SELECT count(*) FROM postings WHERE transfer NOT IN (SELECT id FROM transfers)",
    "SELECT count(*) FROM postings WHERE account NOT IN (SELECT id FROM accounts)",
];

#[derive(Clone)]
enum Place {
    Sqlite(PathBuf),
    Postgres(Arc<Server>, String),
}

/// One connection, on which statements run as an application would run them.
enum Session {
    Sqlite(Connection),
    Postgres(tokio::runtime::Runtime, Box<sqlx::PgConnection>),
}

impl Place {
    fn empty(postgres: bool, folder: &Path, name: &str) -> Self {
        let place = if postgres {
            let server = Server::shared();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let name = runtime.block_on(server.create_database());
            Self::Postgres(server, name)
        } else {
            Self::Sqlite(folder.join(name))
        };
        place.session().run(SCHEMA);
        place
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("sqlite:{}", file.display()),
            Self::Postgres(server, name) => server.url(name),
        }
    }

    fn session(&self) -> Session {
        match self {
            Self::Sqlite(file) => {
                let connection = Connection::open(file).unwrap();
                connection.busy_timeout(LIMIT).unwrap();
                // As applications do that are written to while they are read.
                connection
                    .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
                    .unwrap();
                Session::Sqlite(connection)
            }
            Self::Postgres(server, name) => {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                let connection = runtime.block_on(server.connect(name));
                Session::Postgres(runtime, Box::new(connection))
            }
        }
    }

    fn fill(&self) {
        let numbers = |count: i64| match self {
            Self::Sqlite(_) => format!(
                "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n) AS numbers"
            ),
            Self::Postgres(..) => format!("generate_series(1, {count}) AS numbers(i)"),
        };
        let noise = match self {
            Self::Sqlite(_) => "hex(randomblob(40))",
            Self::Postgres(..) => "md5(random()::text) || md5(random()::text)",
        };
        self.session().run(&format!(
            "INSERT INTO accounts SELECT i, 1000, 1000 FROM {};
             INSERT INTO ballast SELECT i, {noise} FROM {};",
            numbers(ACCOUNTS),
            numbers(30_000)
        ));
    }
}

impl Session {
    fn run(&mut self, sql: &str) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(sql).unwrap(),
            Self::Postgres(runtime, connection) => {
                runtime.block_on(postgres::run(connection, sql));
            }
        }
    }

    fn number(&mut self, sql: &'static str) -> i64 {
        match self {
            Self::Sqlite(connection) => connection.query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Postgres(runtime, connection) => runtime.block_on(async {
                let sql = format!("SELECT CAST(({sql}) AS bigint)");
                let row = connection.fetch_one(sqlx::AssertSqlSafe(sql)).await;
                row.unwrap().get(0)
            }),
        }
    }
}

/// Moves amounts between the accounts of one writer, a transaction each, until it is told to stop. `done` is the number
/// of the last transfer that is committed.
fn write(mut session: Session, writer: i64, done: &AtomicI64, stop: &AtomicBool) {
    // Not random, but without a pattern that a reader could fall in step with.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ writer.unsigned_abs();
    let mut random = |below: i64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        i64::try_from(state >> 33).unwrap() % below
    };
    for number in 1.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let account = |of: i64| of * WRITERS + writer + 1;
        let from = random(ACCOUNTS / WRITERS);
        let to = (from + 1 + random(ACCOUNTS / WRITERS - 1)) % (ACCOUNTS / WRITERS);
        let (from, to, amount) = (account(from), account(to), 1 + random(100));
        let id = |number: i64| number * WRITERS + writer;
        let (new, old) = (id(number), id(number - KEPT));
        session.run(&format!(
            "BEGIN;
             INSERT INTO transfers VALUES ({new}, {writer});
             INSERT INTO postings VALUES ({new}, {from}, -{amount}), ({new}, {to}, {amount});
             UPDATE accounts SET amount = amount - {amount} WHERE id = {from};
             UPDATE accounts SET amount = amount + {amount} WHERE id = {to};
             UPDATE accounts SET opened = opened + (SELECT amount FROM postings WHERE transfer = {old} AND account = id)
              WHERE id IN (SELECT account FROM postings WHERE transfer = {old});
             DELETE FROM postings WHERE transfer = {old};
             DELETE FROM transfers WHERE id = {old};
             COMMIT;"
        ));
        done.store(number, Ordering::SeqCst);
    }
}

/// The rows of an archive's tables as numbers.
type Rows = BTreeMap<String, Vec<Vec<i64>>>;

/// Reads a plain archive as what it is: a ZIP with lines of text.
fn read(archive: &Path) -> Rows {
    let mut zip = zip::ZipArchive::new(File::open(archive).unwrap()).unwrap();
    let mut rows = Rows::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let Some(name) = name.strip_prefix("tables/") else {
            continue;
        };
        let (table, _) = name.split_once('/').unwrap();
        let (_, table) = table.split_once('.').unwrap();
        if table == "ballast" {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let numbers = |line: &str| line.split('\t').map(|text| text.parse().unwrap()).collect();
        // The first line names the columns.
        let lines = text.lines().skip(1).map(numbers);
        rows.entry(table.to_owned()).or_default().extend(lines);
    }
    rows
}

/// The last transfer of each writer in an archive whose books are in order; else what is wrong with them.
fn check(rows: &Rows) -> Result<Vec<i64>, String> {
    let mut posted: BTreeMap<i64, i64> = BTreeMap::new();
    let mut of_transfer: BTreeMap<i64, (u32, i64)> = BTreeMap::new();
    for posting in &rows["postings"] {
        *posted.entry(posting[1]).or_default() += posting[2];
        let sum = of_transfer.entry(posting[0]).or_default();
        *sum = (sum.0 + 1, sum.1 + posting[2]);
    }
    let mut last = vec![0; WRITERS as usize];
    for transfer in &rows["transfers"] {
        let sum = of_transfer.remove(&transfer[0]);
        if sum != Some((2, 0)) {
            return Err(format!(
                "the transfer {} has postings of {sum:?}",
                transfer[0]
            ));
        }
        let last = &mut last[usize::try_from(transfer[1]).unwrap()];
        *last = (*last).max(transfer[0] / WRITERS);
    }
    if !of_transfer.is_empty() {
        return Err(format!("postings without their transfers: {of_transfer:?}"));
    }
    let mut total = 0;
    for account in &rows["accounts"] {
        let posted = posted.remove(&account[0]).unwrap_or(0);
        if account[2] != account[1] + posted {
            return Err(format!("the account {account:?} was posted {posted}"));
        }
        total += account[2];
    }
    if !posted.is_empty() || rows["accounts"].len() as i64 != ACCOUNTS || total != TOTAL {
        return Err(format!(
            "{total} in all, and postings of no account: {posted:?}"
        ));
    }
    Ok(last)
}

/// A key to seal to, and its recipient.
fn key(folder: &Path) -> (String, String) {
    let file = folder.join("key").display().to_string();
    let made = coffer(["key", "new", "--json", "--out", &file], &[]).ok();
    let recipient = made.json()["recipient"].as_str().unwrap().to_owned();
    (file, recipient)
}

fn every_backup_is_of_one_moment(postgres: bool) {
    let backups: usize = env::var("COFFER_BACKUPS").map_or(4, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let place = Place::empty(postgres, folder.path(), "app.sqlite");
    place.fill();
    let (key, recipient) = key(folder.path());
    let stop = Arc::new(AtomicBool::new(false));
    let done: Vec<Arc<AtomicI64>> = (0..WRITERS).map(|_| Arc::default()).collect();
    let now = || -> Vec<i64> {
        done.iter()
            .map(|done| done.load(Ordering::SeqCst))
            .collect()
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (session, stop) = (place.session(), stop.clone());
            let done = done[usize::try_from(writer).unwrap()].clone();
            thread::spawn(move || write(session, writer, &done, &stop))
        })
        .collect();
    let until = |enough: &dyn Fn(&[i64]) -> bool| {
        let deadline = Instant::now() + LIMIT;
        while !enough(&now()) {
            assert!(
                Instant::now() < deadline,
                "the writers stand still at {:?}",
                now()
            );
            thread::sleep(Duration::from_millis(2));
        }
    };
    until(&|done| done.iter().all(|done| *done > 10));

    let url = place.url();
    let (taken, plain) = (folder.path().join("taken"), folder.path().join("plain.zip"));
    let mut meanwhile = 0;
    for backup in 0..backups {
        let before = now();
        let sealed = backup % 2 == 1;
        let out = taken.display().to_string();
        let mut arguments = vec!["backup", "--source", &url, "--out", &out];
        if sealed {
            arguments.extend(["--sealed", "--recipient", &recipient]);
        }
        let _taken = coffer(arguments, &[]).ok();
        let after = now();
        if sealed {
            let plain = plain.display().to_string();
            let _unsealed = coffer(["unseal", &out, "--identity", &key, "--out", &plain], &[]).ok();
            fs::remove_file(&taken).unwrap();
        } else {
            fs::rename(&taken, &plain).unwrap();
        }
        let last = check(&read(&plain)).unwrap_or_else(|wrong| panic!("backup {backup}: {wrong}"));
        for ((before, last), after) in before.iter().zip(&last).zip(&after) {
            // One more may be committed that its writer doesn't know of yet.
            assert!(
                before <= last && *last <= after + 1,
                "{before} {last} {after}"
            );
        }
        let moved: i64 = after.iter().sum::<i64>() - before.iter().sum::<i64>();
        assert!(moved > 0, "nobody wrote during backup {backup}");
        meanwhile += moved;
        if backup + 1 < backups {
            fs::remove_file(&plain).unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().unwrap();
    }

    // The check itself would notice.
    let rows = read(&plain);
    for table in ["accounts", "postings", "transfers"] {
        let mut short = rows.clone();
        short.get_mut(table).unwrap().pop().unwrap();
        check(&short).unwrap_err();
    }
    let target = Place::empty(postgres, folder.path(), "target.sqlite");
    let (archive, target_url) = (plain.display().to_string(), target.url());
    let restore = [
        "restore",
        &archive,
        "--target",
        &target_url,
        "--mode",
        "replace",
        "--yes",
    ];
    let _restored = coffer(restore, &[]).ok();
    let mut session = target.session();
    assert_eq!(session.number("SELECT count(*) FROM ballast"), 30_000);
    for query in IN_ORDER {
        assert_eq!(session.number(query), 0, "{query}");
    }
    println!(
        "{backups} backups while {meanwhile} transactions were committed; {:?} in all",
        now()
    );
}

#[test]
fn sqlite_backups_under_load_are_of_one_moment() {
    every_backup_is_of_one_moment(false);
}

#[test]
fn postgres_backups_under_load_are_of_one_moment() {
    every_backup_is_of_one_moment(true);
}
