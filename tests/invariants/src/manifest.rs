//! Manifests and files indexes.

use std::collections::BTreeSet;

use coffer_core::{
    Digest,
    archive::name,
    manifest::{FILES_INDEX_PATH, Manifest, PartData, Selection, TableData, files},
    schema::Schema,
};
use serde_json::Value;

use crate::{choices::Choices, edit::edit, samples};

/// A manifest or files index that is accepted means the same when it is written again.
pub fn manifest(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    match choices.byte() % 4 {
        0 => any_json(choices.rest()),
        1 => repaired(choices.rest()),
        2 => {
            let mut json = serde_json::to_vec(&samples::manifest()).unwrap();
            while choices.any() {
                edit(&mut json, &mut choices);
            }
            json.truncate(20_000);
            any_json(&json);
            repaired(&json);
        }
        _ => files_index(&mut choices),
    }
}

fn any_json(json: &[u8]) {
    let Ok(manifest) = Manifest::parse(json) else {
        return;
    };
    let again = manifest.to_json().unwrap();
    assert_eq!(Manifest::parse(&again).as_ref(), Ok(&manifest));
    // What a reader relies on without looking again.
    let mut paths = BTreeSet::from([name::fold(FILES_INDEX_PATH)]);
    for table in &manifest.tables {
        assert!(manifest.schema.table(&table.table).is_some());
        let sum = |pick: fn(&PartData) -> u64| table.parts.iter().map(pick).sum::<u64>();
        assert_eq!(
            (sum(|part| part.rows), sum(|part| part.bytes)),
            (table.rows, table.bytes)
        );
        for index in 0..table.parts.len() {
            let path = table.part_path(index);
            assert_eq!(name::check(&path), Ok(()));
            assert!(paths.insert(name::fold(&path)), "{path} twice");
        }
    }
    for table in &manifest.tables {
        let selection = Selection {
            tables: Some(vec![table.table.clone()]),
            file_sets: Some(vec![]),
            ..Selection::ALL
        };
        let selected = manifest.select(&selection).unwrap();
        assert_eq!(selected.tables, std::slice::from_ref(table));
        let json = selected.to_json().unwrap();
        assert_eq!(Manifest::parse(&json), Ok(selected));
    }
}

/// JSON whose digests are made right, so that the rules behind them are reached.
fn repaired(json: &[u8]) {
    let Ok(mut value) = serde_json::from_slice::<Value>(json) else {
        return;
    };
    let Some(object) = value.as_object_mut() else {
        return;
    };
    if let Some(schema) = object
        .get("schema")
        .and_then(|schema| serde_json::from_value::<Schema>(schema.clone()).ok())
    {
        object.insert("schema_sha256".into(), text(schema.hash()));
    }
    if let Some(Value::Array(tables)) = object.get_mut("tables") {
        for table in tables {
            let parts = table
                .get("parts")
                .and_then(|parts| serde_json::from_value::<Vec<PartData>>(parts.clone()).ok());
            if let (Some(parts), Some(table)) = (parts, table.as_object_mut()) {
                table.insert("digest".into(), text(TableData::digest_of(&parts)));
            }
        }
    }
    any_json(&serde_json::to_vec(&value).unwrap());
}

fn text(digest: Digest) -> Value {
    Value::String(digest.to_string())
}

fn files_index(choices: &mut Choices<'_>) {
    let mut index = Vec::new();
    files::push_header(&mut index);
    if choices.byte().is_multiple_of(2) {
        let digest = Digest::of(b"");
        while choices.any() {
            let field = |choices: &mut Choices<'_>| choices.run().to_vec();
            let numbers = (choices.number(), choices.number(), choices.number());
            for part in [field(choices), b"\t".into(), field(choices), b"\t".into()] {
                index.extend_from_slice(&part);
            }
            let mtime = numbers.2.cast_signed();
            let line = format!("e\t{}\t{digest}\t{:o}\t{mtime}\n", numbers.0, numbers.1);
            index.extend_from_slice(line.as_bytes());
        }
    } else {
        index.extend_from_slice(choices.rest());
    }
    let Ok(files) = files::parse(&index) else {
        return;
    };
    let mut again = Vec::new();
    files::push_header(&mut again);
    for file in &files {
        assert!(files::is_safe_path(&file.path) && file.mode <= 0o7777 && !file.set.is_empty());
        // Joined to a folder, it stays inside.
        let path = std::path::Path::new(&file.path);
        assert!(
            path.components()
                .all(|part| matches!(part, std::path::Component::Normal(_)))
        );
        files::push_entry(file, &mut again);
    }
    assert_eq!(files::parse(&again), Ok(files));
}
