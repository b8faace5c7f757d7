//! Archives that are not what they promise, and bytes that are nothing.

use super::*;

/// A ZIP of stored entries.
fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let offset = file.len() as u32;
        let mut fields = Vec::new();
        fields.extend(20_u16.to_le_bytes());
        fields.extend(0x0800_u16.to_le_bytes());
        fields.extend([0; 6]);
        fields.extend(crc32fast::hash(content).to_le_bytes());
        fields.extend((content.len() as u32).to_le_bytes());
        fields.extend((content.len() as u32).to_le_bytes());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0; 2]);
        file.extend(b"PK\x03\x04");
        file.extend(&fields);
        file.extend(name.bytes());
        file.extend(*content);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.bytes());
    }
    let at = file.len() as u32;
    let count = (entries.len() as u16).to_le_bytes();
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(at.to_le_bytes());
    file.extend([0; 2]);
    file
}

fn manifest(tables: &[(&str, u64, &[u8])], files: &str) -> String {
    let tables: Vec<String> = tables
        .iter()
        .map(|(name, count, content)| {
            let digest = Digest::of(content);
            format!("\"{name}\": {{\"count\": {count}, \"sha256\": \"{digest}\"}}")
        })
        .collect();
    format!(
        "{{\"backup_format_version\": 2, \"nosdesk_version\": \"1.0.12\", \"schema_hash\": \"x\", \"created_at\": \"x\", \
         \"tables\": {{{}}}, \"files\": {files}}}",
        tables.join(", ")
    )
}

fn errors(file: &[u8]) -> Vec<String> {
    let overview = overview(&Sample::new(file));
    let errors = findings(&overview, Level::Error);
    assert_eq!(errors.len() as u64, overview.errors);
    errors
}

#[test]
fn nosdesk_does_not_skip_in_silence_what_its_product_does() {
    let (one, two) = (&b"[{\"id\": 1}]"[..], &b"[]"[..]);
    let totals = "{\"total_count\": 2, \"total_size_bytes\": 9}";
    let text = manifest(&[("a", 2, one), ("b", 0, b"other"), ("c", 0, two)], totals);
    let file = zip_of(&[
        ("data/a.json", one),
        ("data/b.json", two),
        ("data/d.json", two),
        ("files/x", b"xyz"),
        ("manifest.json", text.as_bytes()),
    ]);
    assert_eq!(
        errors(&file),
        [
            "file_totals ",
            "missing_table c",
            "row_count a",
            "table_digest b",
            "unlisted_table data/d.json",
        ]
    );
}

#[test]
fn files_are_compared_with_what_rows_say() {
    let digest = Digest::of(b"abc");
    let rows = format!(
        "[{{\"url\": \"/uploads/a\", \"file_size\": 3, \"checksum\": \"{digest}\"}},\
          {{\"url\": \"/uploads/b\", \"file_size\": 4, \"checksum\": \"{digest}\"}},\
          {{\"url\": \"/uploads/../../etc/passwd\"}},\
          {{\"url\": \"https://example.org/c\"}}]"
    );
    let totals = "{\"total_count\": 2, \"total_size_bytes\": 6}";
    let text = manifest(&[("attachments", 4, rows.as_bytes())], totals);
    let file = zip_of(&[
        ("data/attachments.json", rows.as_bytes()),
        ("files/a", b"abc"),
        ("files/b", b"abd"),
        ("manifest.json", text.as_bytes()),
    ]);
    assert_eq!(
        errors(&file),
        [
            "file_digest files/b",
            "file_size files/b",
            "path attachments"
        ]
    );
}

#[test]
fn one_bad_row_is_one_finding() {
    let rows = &b"[{\"id\": 1}, {\"id\": 1, \"id\": 2}, 7, {\"id\": \"\\ud800\"}, {\"id\": 3}]"[..];
    let text = manifest(&[("a", 5, rows)], "null");
    let file = zip_of(&[("data/a.json", rows), ("manifest.json", text.as_bytes())]);
    assert_eq!(errors(&file), ["row a", "row a", "row a"]);
    let open = Sample::new(&file).open().unwrap();
    assert_eq!(open.rows("a").unwrap().len(), 2);
    assert_eq!(
        open.rows("b").err(),
        Some(ForeignError::NoTable("b".to_string()))
    );
}

#[test]
fn a_holiday_photo_is_no_archive_of_nojoin() {
    let photo = zip_of(&[("photo.jpg", b"x")]);
    assert_eq!(
        Sample::new(&photo).open().err(),
        Some(ForeignError::Unknown)
    );
    let info = &b"{\"format_version\": 2}"[..];
    let empty = zip_of(&[("photo.jpg", b"x"), ("backup_info.json", info)]);
    assert_eq!(
        Sample::new(&empty).open().err(),
        Some(ForeignError::NoTables(Product::Nojoin))
    );
    let newer = zip_of(&[
        ("users.json", b"[]"),
        ("backup_info.json", b"{\"format_version\": 3}"),
    ]);
    assert!(matches!(
        Sample::new(&newer).open().err(),
        Some(ForeignError::UnsupportedVersion { .. })
    ));
}

#[test]
fn nojoin_tables_that_lack_are_named() {
    let entries = [("users.json", &b"[]"[..]), ("recordings.json", b"[]")];
    let old = overview(&Sample::new(&zip_of(&entries)));
    assert_eq!((old.format.as_str(), old.errors), ("1", 0));
    let absent = findings(&old, Level::Note);
    assert_eq!(
        absent
            .iter()
            .filter(|line| line.starts_with("absent_part"))
            .count(),
        18
    );
    let info: (&str, &[u8]) = ("backup_info.json", b"{\"format_version\": 2}");
    let new = errors(&zip_of(&[entries[0], entries[1], info]));
    assert_eq!(new.len(), 18);
    assert!(new.contains(&"missing_table transcripts.json".to_string()));
}

#[test]
fn nojoin_paths_select_members_only() {
    let rows = br#"[{"audio_path": "recordings/a.opus"}, {"audio_path": "recordings/a.opus"}, {"audio_path": "/etc/shadow"},
                    {"audio_path": "recordings/../../x"}, {"audio_path": "documents/a"}]"#;
    let file = zip_of(&[
        ("users.json", b"[]"),
        ("recordings.json", rows),
        ("recordings/a.opus", b"x"),
        ("recordings/b.opus", b"y"),
    ]);
    assert_eq!(errors(&file), ["path recordings"; 3]);
    let overview = overview(&Sample::new(&file));
    assert!(findings(&overview, Level::Warning).contains(&"shared_file recordings".to_string()));
    assert!(
        findings(&overview, Level::Note).contains(&"unnamed_file recordings/b.opus".to_string())
    );
}

#[test]
fn json_that_is_no_backup_is_told_apart() {
    let error = |file: &[u8]| {
        let open = Sample::new(file).open().unwrap();
        open.survey(Depth::Rows, 7).unwrap_err()
    };
    assert!(matches!(
        error(b"{\"a\": [1]}"),
        ForeignError::NotSystemBackup(_)
    ));
    assert!(matches!(
        error(b"{\"metadata\": {\"sourceType\": \"DATABASE\"}}"),
        ForeignError::NotSystemBackup(_)
    ));
    assert!(matches!(
        error(b"{\"metadata\": {"),
        ForeignError::NotJson { .. }
    ));
    assert!(matches!(
        error(b"\x1f\x8b\x08nonsense...."),
        ForeignError::NotGzip(_)
    ));
    assert!(matches!(
        error(&NO_SECRETS[..NO_SECRETS.len() - 5]),
        ForeignError::NotGzip(_)
    ));
}

#[test]
fn a_backup_says_what_contradicts_its_promise() {
    let json = String::from_utf8(samples::unpacked()).unwrap();
    let denied = json.replace("\"includeSecrets\": true", "\"includeSecrets\": false");
    assert_ne!(json, denied);
    let overview = overview(&Sample::new(denied.as_bytes()));
    assert!(
        findings(&overview, Level::Warning)
            .contains(&"credentials_left_in EncryptionProfile.secretKey 2".to_string())
    );
    let other = Sample::new(NO_SECRETS).sidecar(b"{\"size\": 7}");
    assert_eq!(
        findings(&super::overview(&other), Level::Error),
        ["sidecar_size "]
    );
}

/// Findings that there is no room for are counted, errors among them too.
#[test]
fn findings_do_not_fill_the_memory() {
    let rows = format!("[{}]", ["7"; 5_000].join(","));
    let text = manifest(&[("a", 5_000, rows.as_bytes())], "null");
    let file = zip_of(&[
        ("data/a.json", rows.as_bytes()),
        ("manifest.json", text.as_bytes()),
    ]);
    let overview = overview(&Sample::new(&file));
    assert_eq!(overview.errors, 5_000);
    assert!(overview.findings.len() < 1_100);
    assert!(overview.more_findings >= 4_000);
}

/// No byte that changes makes it panic; what can't be read is an error, what can is surveyed.
#[test]
fn any_byte_may_differ() {
    let samples: [(&[u8], Option<&[u8]>); 4] = [
        (PLAIN, None),
        (NOJOIN, None),
        (NO_SECRETS, Some(NO_SECRETS_SIDECAR)),
        (&samples::unpacked(), None),
    ];
    for (file, sidecar) in samples {
        let step = file.len() / 60;
        let ends = (0..60).map(|part| file.len() - 1 - part * 7);
        for at in (0..file.len()).step_by(step).chain(ends) {
            let mut changed = file.to_vec();
            changed[at] ^= 0x15;
            let mut sample = Sample::new(&changed);
            if let Some(sidecar) = sidecar {
                sample = sample.sidecar(sidecar);
            }
            if let Ok(open) = sample.open() {
                let _ = open.survey(Depth::Everything, usize::MAX);
            }
        }
        for len in (0..file.len()).step_by(step) {
            if let Ok(open) = Sample::new(&file[..len]).open() {
                let _ = open.survey(Depth::Everything, usize::MAX);
            }
        }
    }
}
