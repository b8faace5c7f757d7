//! Random rows of random schemas: each mode comes to what a plain model says, single records to the same on both engines.

use std::{env, path::Path, time::Instant};

use coffer_core::{
    manifest::{Manifest, Record, Selection},
    merge::Program,
    plan::Mode,
    policy::Preset,
};
use coffer_server::{
    engine::EngineError,
    progress::Progress,
    read::{FileSource, OpenArchive, Unlock},
    restore::{self, RestoreError},
};
use coffer_tests::installation::{Installation, Kind};

use super::{
    model::{Model, NEW, Row, Tables},
    random::{Random, Schema, UIDS},
};

/// Schemas that are tried unless `COFFER_MERGE_SEEDS` says how many.
const SEEDS: u64 = 4;

/// What the tables hold, values that were made anew told as such.
async fn tables_of(installation: &Installation, schema: &Schema) -> Tables {
    let mut tables = Tables::new();
    for (index, name) in schema.names().enumerate() {
        let columns = schema.columns(index);
        let uid = columns.iter().position(|column| column == "uid");
        let query = format!("SELECT {} FROM {name}", columns.join(", "));
        let rows = installation.rows(&query).await;
        let row = |text: &String| -> Row {
            let values = text.split('|').enumerate();
            values
                .map(|(place, value)| match value {
                    "-" => None,
                    value if Some(place) == uid && !UIDS.contains(&value) => Some(NEW.to_owned()),
                    value => Some(value.to_owned()),
                })
                .collect()
        };
        tables.insert(name.to_owned(), sorted(rows.iter().map(row).collect()));
    }
    tables
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

fn sorted_all(tables: Tables) -> Tables {
    let tables = tables.into_iter();
    tables.map(|(name, rows)| (name, sorted(rows))).collect()
}

pub(super) fn manifest_of(archive: &Path) -> Manifest {
    let source = std::sync::Arc::new(FileSource::open(archive).unwrap());
    OpenArchive::open(source, &Unlock::None).unwrap().manifest
}

/// Merges random rows into others and compares with the model; returns what the target holds then.
async fn as_the_model(seed: u64, kind: Kind, mode: Mode) -> Option<Tables> {
    let mut random = Random::new(seed);
    let schema = Schema::new(&mut random);
    let (archived, held) = (schema.rows(&mut random), schema.rows(&mut random));
    let ddl = match kind {
        Kind::Sqlite => &schema.sqlite,
        Kind::Postgres => &schema.postgres,
    };
    let about = || format!("seed {seed}, {kind:?}, {mode}:\n{ddl}\n{}", schema.preset);
    let installation = Installation::new(kind, ddl, Some(&schema.preset)).await;
    installation.fill(&schema.inserts(&archived)).await;
    let archive = installation.backup().await;
    let manifest = manifest_of(&archive);
    let names: Vec<&str> = schema.names().collect();
    installation.empty(&names).await;
    installation.fill(&schema.inserts(&held)).await;
    if mode == Mode::Replace {
        let request = installation.request(&archive, mode);
        let done = installation.try_restore(request).await;
        let (plan, _) = done.unwrap_or_else(|error| panic!("{error}: {}", about()));
        for table in &plan.tables {
            let rows = |tables: &Tables| tables[&table.table.name].len() as u64;
            assert_eq!(
                (table.insert, table.delete),
                (rows(&archived), rows(&held)),
                "{}, {}",
                table.table,
                about()
            );
        }
        let now = tables_of(&installation, &schema).await;
        assert_eq!(now, sorted_all(archived), "{}", about());
        return Some(now);
    }
    let preset: Preset = toml::from_str(&schema.preset).unwrap();
    let loaded = manifest
        .schema
        .tables
        .iter()
        .map(|table| {
            let columns = table.stored_columns().map(|column| column.name.clone());
            (table.name.clone(), columns.collect())
        })
        .collect();
    let program = Program::new(
        mode,
        &manifest,
        &manifest.schema,
        &Selection::ALL,
        Some(&preset),
        &loaded,
    );
    let program = match program {
        Ok(program) => program,
        Err(expected) => {
            let refused =
                restore::plan(&installation.request(&archive, mode), &Progress::default()).await;
            let message = refused.map(|planned| planned.plan).unwrap_err().to_string();
            assert_eq!(message, expected.to_string(), "{}", about());
            return None;
        }
    };
    let (expected, counts) = Model::run(&program, &archived, &held);
    if schema.dangles(&expected) {
        // A row that is kept in any mode belonged to one that goes: nobody decides that for the user.
        let refused =
            restore::plan(&installation.request(&archive, mode), &Progress::default()).await;
        let refused = refused.map(|planned| planned.plan);
        assert!(
            matches!(
                refused,
                Err(RestoreError::Engine(EngineError::ForeignKey { .. }))
            ),
            "{refused:?} {}",
            about()
        );
        assert_eq!(tables_of(&installation, &schema).await, sorted_all(held));
        return None;
    }
    let done = installation
        .try_restore(installation.request(&archive, mode))
        .await;
    let (_, report) = done.unwrap_or_else(|error| panic!("{error}: {}", about()));
    let now = tables_of(&installation, &schema).await;
    for (table, counts) in program.tables.iter().zip(&counts) {
        let name = &table.table.name;
        assert_eq!(
            sorted(expected[name].clone()),
            now[name],
            "{name}, expected first, {}\narchive {:?}\ntarget {:?}\n{table:#?}",
            about(),
            archived[name],
            held[name]
        );
        let reported = report.merged.iter().find(|table| table.name == *name);
        assert_eq!(
            Some(counts),
            reported.map(|table| &table.counts),
            "{name}, {}",
            about()
        );
        let rows = archived[name].len() as u64;
        assert_eq!(counts.archived(), rows, "{name}, {}", about());
    }
    let again = installation.restore(&archive, mode).await;
    for (name, counts) in &again {
        assert_eq!(
            (counts.insert, counts.update, counts.delete, counts.detached),
            (0, 0, 0, 0),
            "a second time, {name}: {counts:?}, {}\nfirst {:?}",
            about(),
            now[name]
        );
    }
    assert_eq!(tables_of(&installation, &schema).await, now, "{}", about());
    Some(now)
}

/// The seeds to try.
fn seeds() -> std::ops::Range<u64> {
    let given =
        |name: &str, otherwise| env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let first = given("COFFER_MERGE_FIRST", 1);
    first..first + given("COFFER_MERGE_SEEDS", SEEDS)
}

#[tokio::test]
async fn random_data_is_merged_as_the_model_says() {
    let start = Instant::now();
    let mut merged = 0;
    for seed in seeds() {
        for mode in [Mode::Replace, Mode::Skip, Mode::Overwrite] {
            let one = as_the_model(seed, Kind::Sqlite, mode).await;
            let other = as_the_model(seed, Kind::Postgres, mode).await;
            assert_eq!(one, other, "seed {seed}, {mode}");
            merged += u64::from(mode != Mode::Replace && one.is_some());
        }
    }
    let count = seeds().count() as u64;
    assert!(merged * 2 >= count, "{merged} of {count} could be merged");
    println!(
        "{merged} merges of {count} schemas in {:?}",
        start.elapsed()
    );
}

/// Restores one random record, twice; returns what the target holds then, or by which name it is refused.
async fn one_record(seed: u64, kind: Kind, mode: Mode) -> Option<Result<Tables, &'static str>> {
    let mut random = Random::new(seed);
    let schema = Schema::new(&mut random);
    let (archived, held) = (schema.rows(&mut random), schema.rows(&mut random));
    let (name, key) = schema.any_key(&mut random, &archived)?;
    let ddl = match kind {
        Kind::Sqlite => &schema.sqlite,
        Kind::Postgres => &schema.postgres,
    };
    let about = || {
        format!(
            "seed {seed}, {kind:?}, {mode}, {key:?} of {name}:\n{ddl}\n{}",
            schema.preset
        )
    };
    let installation = Installation::new(kind, ddl, Some(&schema.preset)).await;
    installation.fill(&schema.inserts(&archived)).await;
    let archive = installation.backup().await;
    let manifest = manifest_of(&archive);
    let names: Vec<&str> = schema.names().collect();
    installation.empty(&names).await;
    installation.fill(&schema.inserts(&held)).await;
    let table = manifest.schema.names().find(|table| table.name == name);
    let record = Record {
        table: table.unwrap().clone(),
        key: key.clone(),
    };
    let selection = Selection::of_records(&manifest, installation.preset.as_ref(), vec![record]);
    let request = || {
        let mut request = installation.request(&archive, mode);
        request.selection = selection.clone().unwrap();
        request
    };
    let report = match installation.try_restore(request()).await {
        Ok((_, report)) => report,
        Err(error) => {
            let now = tables_of(&installation, &schema).await;
            assert_eq!(now, sorted_all(held), "{error}: {}", about());
            return Some(Err(error.code()));
        }
    };
    let now = tables_of(&installation, &schema).await;
    assert!(!schema.dangles(&now), "{}", about());
    for table in &report.merged {
        let rows = archived[&table.name].len() as u64;
        let all = table.counts.archived();
        assert!(all <= rows, "{table:?}, {}", about());
    }
    let again = installation.try_restore(request()).await;
    let (_, again) = again.unwrap_or_else(|error| panic!("{error}: {}", about()));
    for table in &again.merged {
        assert!(
            table.counts.is_unchanged(),
            "a second time, {table:?}, {}\nfirst {:?}",
            about(),
            report.merged
        );
    }
    assert_eq!(tables_of(&installation, &schema).await, now, "{}", about());
    Some(Ok(now))
}

#[tokio::test]
async fn random_records_are_restored_alike_by_both_engines() {
    let (mut restored, mut refused) = (0, 0);
    for seed in seeds() {
        for mode in [Mode::Skip, Mode::Overwrite, Mode::Replace] {
            let one = one_record(seed, Kind::Sqlite, mode).await;
            let other = one_record(seed, Kind::Postgres, mode).await;
            assert_eq!(one, other, "seed {seed}, {mode}");
            match one {
                Some(Ok(_)) => restored += 1,
                Some(Err(_)) => refused += 1,
                None => {}
            }
        }
    }
    assert!(restored > 0, "{refused} refused");
    println!("{restored} records restored, {refused} refused");
}
