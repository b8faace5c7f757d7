use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

use base64ct::{Base64Url, Encoding};

use super::*;
use crate::{
    rows::Part,
    schema::{Column, Engine, Table},
    withhold::JsonError,
};

fn at(column: &str) -> Place<'_> {
    Place {
        column,
        vault: VaultPlace {
            table: "t",
            row: Some("1"),
            column,
        },
    }
}

#[test]
fn fernet_tokens_are_those_of_the_specification() {
    let key = Base64Url::decode_vec("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap();
    let key = fernet::Key::new(&key.try_into().unwrap());
    let iv: [u8; 16] = core::array::from_fn(|index| index as u8);
    let token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
    assert_eq!(key.seal("hello", &iv, 499_162_800), token);
    assert_eq!(key.open(token).as_deref(), Some("hello"));
    for at in 0..token.len() - 2 {
        let mut changed = token.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(
            key.open(core::str::from_utf8(&changed).unwrap()),
            None,
            "{at}"
        );
    }
    for wrong in ["", "gAAAAA==", "no base64!"] {
        assert_eq!(key.open(wrong), None);
    }
}

#[test]
fn keys_are_made_of_secrets_as_the_products_do() {
    let iv: [u8; 16] = core::array::from_fn(|index| index as u8 + 16);
    // Made by PyPI's cryptography: Fernet with base64url(SHA-256("my secret")), and AES-256-GCM with an IV of 16 bytes.
    let fernet = Key::of(AppSecretForm::Fernet, &AppSecret::new(" my secret\n"))
        .unwrap()
        .unwrap();
    let token = "gAAAAABlU_EAEBESExQVFhcYGRobHB0eH8EBshT4GHxTlaX7KQAROPPl75Tgad3bm_cPT-lJDzFYRQZT7QUNuIwog-_DQnzpjQ==";
    assert_eq!(
        fernet
            .wrap_with(at("c"), &iv, "tökn", 1_700_000_000)
            .as_deref(),
        Some(token)
    );
    assert_eq!(fernet.unwrap(at("c"), token).as_deref(), Some("tökn"));
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let key = Key::of(AppSecretForm::IvTagCiphertext, &AppSecret::new(hex))
        .unwrap()
        .unwrap();
    let wrapped =
        "101112131415161718191a1b1c1d1e1f:f19e107de4eeee47942980dba004bf7c:fa999e13944b4c6cdd79fa";
    assert_eq!(
        key.wrap_with(at("c"), &iv, "päss:wörd", 0).as_deref(),
        Some(wrapped)
    );
    assert_eq!(key.unwrap(at("c"), wrapped).as_deref(), Some("päss:wörd"));
    assert_eq!(key.unwrap(at("c"), &wrapped.replace('1', "2")), None);
    // Text that was never wrapped has not three parts.
    assert_eq!(key.unwrap(at("c"), "plain").as_deref(), Some("plain"));
    assert_eq!(key.unwrap(at("c"), "").as_deref(), Some(""));
    for wrong in ["", "00", &hex[1..]] {
        let refused = Key::of(AppSecretForm::IvTagCiphertext, &AppSecret::new(wrong)).err();
        assert_eq!(refused, Some(SecretError::NotAKey));
    }
    let opaque = Key::of(AppSecretForm::Opaque, &AppSecret::new(hex)).unwrap();
    assert!(opaque.is_none());
    assert_eq!(alloc::format!("{:?}", AppSecret::new(hex)), "AppSecret(…)");
}

#[test]
fn fingerprints_tell_secrets_apart() {
    let (one, other) = (AppSecret::new("one"), AppSecret::new("other"));
    let print = SecretFingerprint::of(&one, Digest([3; 32])).unwrap();
    assert_eq!(print.is_of(&one), Ok(true));
    assert_eq!(print.is_of(&other), Ok(false));
    let salted = SecretFingerprint::of(&one, Digest([4; 32])).unwrap();
    assert_ne!(salted.argon2id, print.argon2id);
}

fn table(types: &[&str]) -> Table {
    let columns = types.iter().enumerate().map(|(index, type_name)| Column {
        name: alloc::format!("c{index}"),
        type_name: (*type_name).into(),
        nullable: true,
        default: None,
        generated: false,
        identity: false,
    });
    Table {
        name: TableName::new("s", "t"),
        columns: columns.collect(),
        primary_key: vec![],
        unique: vec![],
        foreign_keys: vec![],
    }
}

fn mark(form: AppSecretForm, columns: &[(&str, &[&str])]) -> SecretMark {
    let columns = columns.iter().map(|(column, keys)| SecretColumn {
        table: TableName::new("s", "t"),
        column: (*column).into(),
        keys: keys.iter().map(|key| (*key).into()).collect(),
    });
    SecretMark {
        name: "key".into(),
        variable: "KEY".into(),
        form,
        columns: columns.collect(),
        fingerprint: None,
        unwrapped: true,
    }
}

#[test]
fn what_is_wrapped_on_its_way_out_is_unwrapped_on_its_way_in() {
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let secrets = [(String::from("KEY"), AppSecret::new(hex))];
    let rows = "a\\tb\tplain\t{\"password\": \"p\\\\\\\\\\\\\"x\", \"host\": 1.50, \"l\": [{\"password\": \"p\\\\\\\\\\\\\"x\"}, {\"password\": null}, {\"password\": \"\"}, {\"password\": 7}]}\n\\N\t\\N\t\\N\n\tx\t\n";
    for (engine, types) in [
        (Engine::Postgres, ["text", "text", "jsonb"]),
        (Engine::Sqlite, ["TEXT", "TEXT", "TEXT"]),
    ] {
        for form in [AppSecretForm::Fernet, AppSecretForm::IvTagCiphertext] {
            let marks = [mark(form, &[("c0", &[]), ("c2", &["password"])])];
            let wrapping = |at| {
                Wrapping::new(engine, &table(&types), &marks, &secrets, at)
                    .unwrap()
                    .unwrap()
            };
            let part = Part {
                text: [b"c0\tc1\tc2\n", rows.as_bytes()].concat(),
                rows: 3,
            };
            let wrapped = wrapping(Some(5)).part(part.clone()).unwrap();
            let text = String::from_utf8(wrapped.text.clone()).unwrap();
            assert!(!text.contains("a\\tb") && !text.contains("x\\\""), "{text}");
            assert!(text.contains("\tplain\t{\"password\": \"") && text.contains("\"host\": 1.50"));
            assert!(text.ends_with("{\"password\": null}, {\"password\": \"\"}, {\"password\": 7}]}\n\\N\t\\N\t\\N\n\tx\t\n"));
            // Wrapped once more, it is the same; in another column it is not.
            assert_eq!(wrapping(Some(5)).part(part.clone()).unwrap(), wrapped);
            let key = Key::of(form, &secrets[0].1).unwrap().unwrap();
            assert_ne!(key.wrap(at("a"), "text", 0), key.wrap(at("b"), "text", 0));
            assert_eq!(wrapping(None).part(wrapped).unwrap(), part);
        }
    }
}

#[test]
fn what_cant_be_unwrapped_is_named() {
    let secrets = [(String::from("KEY"), AppSecret::new("secret"))];
    let new = |marks: &[SecretMark], secrets: &[(String, AppSecret)]| {
        Wrapping::new(
            Engine::Postgres,
            &table(&["text", "json"]),
            marks,
            secrets,
            None,
        )
    };
    let marks = [mark(AppSecretForm::Fernet, &[("c0", &[]), ("c1", &["k"])])];
    let wrapping = new(&marks, &secrets).unwrap().unwrap();
    let refused = |rows: &str| wrapping.rows(rows.as_bytes(), &mut Vec::new()).unwrap_err();
    let wrapped = |place: &str, row| WrappingError::Wrapped {
        place: place.into(),
        row,
        variable: "KEY".into(),
    };
    assert_eq!(refused("\\N\t{}\nno token\t\\N\n"), wrapped("s.t.c0", 2));
    assert_eq!(refused("\\N\t{\"k\":\"no token\"}\n"), wrapped("s.t.c1", 1));
    assert!(matches!(
        refused("\\N\t{\n"),
        WrappingError::Value {
            row: 1,
            error: JsonError::Syntax { .. },
            ..
        }
    ));
    assert!(matches!(refused("x\n"), WrappingError::Wrapped { .. }));
    assert!(matches!(refused("\\N\n"), WrappingError::Row { .. }));
    assert!(matches!(
        new(&marks, &[]),
        Err(WrappingError::Secret { .. })
    ));
    let mut wrapped_ones = marks;
    wrapped_ones[0].unwrapped = false;
    assert!(new(&wrapped_ones, &[]).unwrap().is_none());
}

#[test]
fn what_a_vault_wraps_opens_in_its_row_alone() {
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let secret = AppSecret::new(hex);
    let key = VaultKey::of(&secret).unwrap();
    // Made by PyPI's cryptography: AESGCM(HKDF(SHA-256, salt "coffer vault 1", info "wrap")), nonce 16..28.
    let nonce = core::array::from_fn(|index| index as u8 + 16);
    let place = |row| {
        let (table, column) = ("sources", "url");
        VaultPlace { table, row, column }.to_string()
    };
    let wrapped = "wrapped1:EBESExQVFhcYGRob-SGCm9dayr_U9bfmblUcURSpjVJW";
    assert_eq!(
        key.wrap(&place(Some("ab")), "päss", nonce).as_deref(),
        Some(wrapped)
    );
    assert_eq!(key.id(), [248, 137, 208, 101, 174, 249, 240, 249]);
    let opened = |row, text: &str| key.unwrap(&place(row), text).map(|text| (*text).clone());
    assert_eq!(opened(Some("ab"), wrapped).as_deref(), Some("päss"));
    assert_eq!(opened(Some("ac"), wrapped), None);
    assert_eq!(opened(None, wrapped), None);
    assert_eq!(opened(Some("ab"), "päss"), None);
    for wrong in ["", "00", &hex[1..]] {
        assert_eq!(
            VaultKey::of(&AppSecret::new(wrong)).err(),
            Some(SecretError::NotAKey)
        );
    }

    // By rows: bound to the primary key, or to none yet where a merge decides.
    let mut shape = table(&["text", "text"]);
    shape.primary_key = vec!["c0".into()];
    let marks = [mark(AppSecretForm::Coffer, &[("c1", &[])])];
    let secrets = [(String::from("KEY"), secret)];
    let turned = |rows: &str, wrap_at, any_row| {
        let wrapping = Wrapping::new(Engine::Postgres, &shape, &marks, &secrets, wrap_at);
        let mut wrapping = wrapping.unwrap().unwrap();
        if any_row {
            wrapping = wrapping.for_any_row();
        }
        let mut out = Vec::new();
        wrapping.rows(rows.as_bytes(), &mut out)?;
        Ok::<_, WrappingError>(String::from_utf8(out).unwrap())
    };
    let rows = "a\tsecret\nb\tsecret\nc\t\nd\t\\N\n";
    let bound = turned(rows, Some(5), false).unwrap();
    assert!(!bound.contains("secret"), "{bound}");
    assert_eq!(turned(rows, Some(5), false).unwrap(), bound);
    assert_eq!(turned(&bound, None, false).unwrap(), rows);
    let exchanged = bound.replace("a\t", "x\t").replace("b\t", "a\t");
    assert!(matches!(
        turned(&exchanged, None, false),
        Err(WrappingError::Wrapped { row: 1, .. })
    ));
    let free = turned(rows, Some(5), true).unwrap();
    assert_ne!(free, bound);
    assert_eq!(turned(&free, None, true).unwrap(), rows);
    assert!(turned(&free, None, false).is_err());
    shape.primary_key.push("c1".into());
    let wrapping = Wrapping::new(Engine::Postgres, &shape, &marks, &secrets, None);
    let refused = wrapping.unwrap().unwrap().rows(b"a\tb\n", &mut Vec::new());
    assert!(matches!(refused, Err(WrappingError::Row { .. })));
}
