//! Who sealed an archive, on the command line: signing, accepting only whom one trusts, and what a forger can't do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{convert::Infallible, fs, os::unix::fs::PermissionsExt, path::Path};

use coffer_core::{
    ByteRange, Digest,
    seal::{
        FOOTER_BYTES, FileKey, Footer, Opening, PREFIX_BYTES, SCRUB_BLOCK_BYTES, Sealed, Sealer,
        SecretKey,
    },
};
use coffer_tests::coffer::{Run, coffer};
use rand_core::{TryCryptoRng, TryRng};
use rusqlite::Connection;
use serde_json::Value;

const PASSWORDS: [(&str, &str); 2] = [("RIGHT", "correct horse"), ("WRONG", "battery staple")];
const FOOTER: usize = FOOTER_BYTES as usize;

/// Runs `coffer` with arguments separated by blanks; `@name` is a file in the folder.
fn run(folder: &Path, arguments: &str) -> Run {
    let arguments = arguments.split_whitespace().map(|argument| {
        let (option, value) = argument.split_at(argument.find('@').unwrap_or(argument.len()));
        match value.strip_prefix('@') {
            Some(name) => format!("{option}{}", folder.join(name).display()),
            None => argument.to_owned(),
        }
    });
    coffer(arguments, &PASSWORDS)
}

fn text(json: &Value, field: &str) -> String {
    json[field].as_str().unwrap_or_default().to_owned()
}

/// A folder with a database `app.sqlite`, uploads of several megabytes, and keys: `key` opens, `one` and `two` sign.
struct Case {
    folder: tempfile::TempDir,
    recipient: String,
    /// Key and fingerprint.
    one: (String, String),
    two: (String, String),
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        make_database(&base.join("app.sqlite"), "from the archive");
        fs::create_dir(base.join("uploads")).unwrap();
        let noise: Vec<u8> = (0_u64..300_000)
            .flat_map(|at| Digest::of(&at.to_be_bytes()).0[..12].to_vec())
            .collect();
        fs::write(base.join("uploads/noise.bin"), noise).unwrap();
        let recipient = text(
            &run(base, "key new --json --type x25519 --out @key")
                .ok()
                .json(),
            "recipient",
        );
        let sender = |name: &str| {
            let made = run(base, &format!("sender new --json --out @{name}")).ok();
            let made = made.json();
            (text(&made, "sender"), text(&made, "fingerprint"))
        };
        let (one, two) = (sender("one"), sender("two"));
        Self {
            recipient,
            one,
            two,
            folder,
        }
    }

    fn run(&self, arguments: &str) -> Run {
        run(self.folder.path(), arguments)
    }

    fn backup(&self, name: &str, options: &str) {
        let _taken = self
            .run(&format!(
                "backup --source sqlite:@app.sqlite --files uploads=@uploads --out @{name} --sealed {options}"
            ))
            .ok();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    /// A command that must fail, with its exit code and stable name.
    fn refused(&self, arguments: &str, exit: i32, code: &str) {
        let run = self.run(&format!("{arguments} --json"));
        assert_eq!(run.code, exit, "{arguments}: {run:?}");
        assert_eq!(run.json()["error"]["code"], code, "{arguments}: {run:?}");
    }

    fn file_key(&self, file: &[u8]) -> FileKey {
        let text = String::from_utf8(self.read("key")).unwrap();
        let line = text.lines().find(|line| !line.starts_with('#')).unwrap();
        let key = SecretKey::parse(line).unwrap();
        open(file).unlock_with_key(&key).unwrap()
    }
}

fn make_database(path: &Path, body: &str) {
    let database = Connection::open(path).unwrap();
    database
        .execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
        .unwrap();
    database
        .execute("INSERT INTO notes VALUES (1, ?)", [body])
        .unwrap();
}

fn body(path: &Path) -> String {
    let database = Connection::open(path).unwrap();
    database
        .query_row("SELECT body FROM notes", [], |row| row.get(0))
        .unwrap()
}

fn range(file: &[u8], range: ByteRange) -> &[u8] {
    &file[usize::try_from(range.offset).unwrap()..usize::try_from(range.end()).unwrap()]
}

fn open(file: &[u8]) -> Sealed {
    let mut opening = Opening::new(file.len() as u64).unwrap();
    while let Some(wanted) = opening.wants() {
        opening.feed(range(file, wanted)).unwrap();
    }
    opening.finish().unwrap()
}

/// Gives what it was made of, again and again: the salt that a payload has already.
struct Salt(Vec<u8>);

impl TryRng for Salt {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0[..out.len()]);
        Ok(())
    }
}

impl TryCryptoRng for Salt {}

/// The archive as somebody leaves it who can open it and changes one byte of its content: every chunk authenticates,
/// table, signature and footer are the old ones.
fn forge(file: &[u8], key: &FileKey, at: u64) -> Vec<u8> {
    let sealed = open(file);
    let prefix = range(file, sealed.prefix_range());
    let unsealer = sealed.unsealer(key, prefix).unwrap();
    let located = unsealer
        .locate(ByteRange::new(0, unsealer.plain_len()))
        .unwrap();
    let mut plain = unsealer
        .open(located, range(file, located.sealed).to_vec())
        .unwrap();
    plain[usize::try_from(at).unwrap()] ^= 1;
    let header = &file[..usize::try_from(sealed.header_len()).unwrap()];
    let mut forged = Vec::new();
    let mut rng = Salt(prefix[..24].to_vec());
    let mut sealer = Sealer::new(key, header, &mut rng, &mut forged).unwrap();
    sealer.push(&plain, &mut forged).unwrap();
    sealer.finish(&mut forged).unwrap();
    let payload_end = usize::try_from(sealed.payload_range().end()).unwrap();
    assert_eq!(
        forged[..header.len() + PREFIX_BYTES],
        file[..header.len() + PREFIX_BYTES]
    );
    assert_ne!(forged[..payload_end], file[..payload_end]);
    forged.truncate(payload_end);
    forged.extend_from_slice(&file[payload_end..]);
    forged
}

/// Table and footer made to fit the payload again.
fn mend(file: &mut [u8]) {
    let sealed = open(file);
    let table: Vec<u8> = range(file, sealed.payload_range())
        .chunks(usize::try_from(SCRUB_BLOCK_BYTES).unwrap())
        .flat_map(|block| Digest::of(block).0)
        .collect();
    let at = usize::try_from(sealed.scrub_range().offset).unwrap();
    file[at..at + table.len()].copy_from_slice(&table);
    let footer = Footer {
        scrub_root: Digest::of(&table),
        ..*sealed.footer()
    };
    let at = file.len() - FOOTER;
    file[at..].copy_from_slice(&footer.encode());
}

/// The archive without its signature.
fn strip(file: &[u8]) -> Vec<u8> {
    let sealed = open(file);
    let block = usize::try_from(sealed.sender_range().unwrap().offset).unwrap();
    let footer = Footer {
        sender_len: 0,
        ..*sealed.footer()
    };
    let mut stripped = file[..block].to_vec();
    stripped.extend_from_slice(&footer.encode());
    stripped
}

#[test]
fn sender_keys_are_made_shown_and_locked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = run(folder, "sender new --out @a --json").ok().json();
    let sender = text(&made, "sender");
    assert!(sender.starts_with("coffer-sender1"), "{made}");
    let file = fs::read_to_string(folder.join("a")).unwrap();
    assert!(file.contains("\nCOFFER-SENDER-SECRET-1"), "{file}");
    let mode = fs::metadata(folder.join("a")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(run(folder, "sender show @a").ok().stdout.trim(), sender);
    let name = run(folder, "sender fingerprint @a").ok().stdout;
    assert_eq!(name.trim(), made["fingerprint"]);

    let locked = run(
        folder,
        "sender new --out @b --locked --password-env RIGHT --json",
    )
    .ok();
    let text_of = fs::read_to_string(folder.join("b")).unwrap();
    assert!(!text_of.contains("SECRET") && text_of.contains("coffer-locked-sender-1 "));
    let shown = run(folder, "sender show @b --password-env RIGHT --json").ok();
    assert_eq!(shown.json(), locked.json());
    let name = run(folder, "sender fingerprint @b --json").ok().json();
    assert_eq!(name["fingerprint"], locked.json()["fingerprint"]);
    assert_eq!(run(folder, "sender show @b --password-env WRONG").code, 3);

    // Nothing is overwritten, no password is taken for nothing, and other files are told apart.
    assert_eq!(run(folder, "sender new --out @a").code, 5);
    assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), file);
    assert_eq!(
        run(folder, "sender new --out @c --password-env RIGHT").code,
        2
    );
    assert!(!folder.join("c").exists());
    let _made = run(folder, "key new --out @k").ok();
    assert_eq!(run(folder, "sender show @k").code, 2);
    assert_eq!(run(folder, "key show @a").code, 2);
}

#[test]
fn an_archive_says_who_sealed_it_and_others_are_refused() {
    let case = Case::new();
    let recipient = &case.recipient;
    let (one, two) = (&case.one, &case.two);
    case.backup(
        "one.coffer",
        &format!("--recipient {recipient} --sign-with @one"),
    );
    case.backup("nobody.coffer", &format!("--recipient {recipient}"));
    let _plain = case
        .run("backup --source sqlite:@app.sqlite --out @plain.zip")
        .ok();
    case.write(
        "both",
        format!("# ours\n{}\n\n{}\n", two.0, one.1).as_bytes(),
    );
    case.write("empty", b"# nobody\n");

    let verified = case.run("verify @one.coffer --identity @key --json").ok();
    assert_eq!(verified.json()["sender"]["key"], *one.0);
    assert_eq!(verified.json()["sender"]["fingerprint"], *one.1);
    let words = case.run("verify @one.coffer --identity @key").ok().stdout;
    assert!(
        words.contains(&format!("sealed by {}, who signed every byte", one.1)),
        "{words}"
    );
    let words = case
        .run("verify @nobody.coffer --identity @key")
        .ok()
        .stdout;
    assert!(words.contains("nobody signed it"), "{words}");
    // Looking claims no more than it has checked, and needs no key.
    for options in ["--locked", "--identity @key"] {
        let shown = case
            .run(&format!("inspect @one.coffer {options} --json"))
            .ok();
        let shown = shown.json();
        assert_eq!(shown["sender"]["fingerprint"], *one.1);
        assert_eq!(shown["content_compared"], false);
        let words = case
            .run(&format!("inspect @one.coffer {options}"))
            .ok()
            .stdout;
        assert!(
            words.contains("claimed: sealed by") && words.contains("not compared"),
            "{words}"
        );
        let shown = case
            .run(&format!("inspect @nobody.coffer {options} --json"))
            .ok();
        assert_eq!(shown.json()["sender"], Value::Null);
    }

    for accepted in [
        format!("--expect-sender {}", one.0),
        format!("--expect-sender {}", one.1),
        format!("--expect-sender {} --expect-sender {}", two.0, one.0),
        "--senders-file @both".to_owned(),
    ] {
        for command in ["verify", "inspect", "inspect --locked"] {
            let key = if command.ends_with("locked") {
                ""
            } else {
                "--identity @key"
            };
            let _accepted = case
                .run(&format!("{command} @one.coffer {key} {accepted}"))
                .ok();
        }
        // Refused before any password is asked for: there is no terminal here to ask on.
        for command in [
            "verify",
            "inspect",
            "inspect --locked",
            "verify --scrub",
            "restore --mode replace --target sqlite:@app.sqlite --yes",
        ] {
            case.refused(
                &format!("{command} @nobody.coffer {accepted}"),
                5,
                "unsigned",
            );
            if !command.contains("scrub") {
                case.refused(&format!("{command} @plain.zip {accepted}"), 5, "unsigned");
            }
        }
    }
    for command in ["verify", "inspect", "inspect --locked"] {
        let expected = format!("--expect-sender {}", two.1);
        case.refused(
            &format!("{command} @one.coffer {expected}"),
            5,
            "other_sender",
        );
    }
    // A name with a typing error is none, and a list of nobody isn't one of everybody.
    assert_eq!(
        case.run("verify @one.coffer --expect-sender coffer-sender1qqqq")
            .code,
        2
    );
    assert_eq!(
        case.run("verify @one.coffer --identity @key --senders-file @empty")
            .code,
        2
    );
}

#[test]
fn what_is_sealed_is_signed_with_any_sender_key() {
    let case = Case::new();
    let locked = case
        .run("sender new --json --out @locked --locked --password-env RIGHT")
        .ok()
        .json();
    let _plain = case
        .run("backup --source sqlite:@app.sqlite --out @plain.zip")
        .ok();
    let seal = "seal @plain.zip --password-env RIGHT";
    let _sealed = case
        .run(&format!(
            "{seal} --out @a.coffer --sign-with @locked --sign-password-env RIGHT"
        ))
        .ok();
    let verified = case
        .run("verify @a.coffer --password-env RIGHT --json")
        .ok()
        .json();
    assert_eq!(verified["sender"]["fingerprint"], locked["fingerprint"]);
    // What was taken out of the seal is the archive that went in.
    let _plain = case
        .run("unseal @a.coffer --password-env RIGHT --out @b.zip")
        .ok();
    assert_eq!(case.read("plain.zip"), case.read("b.zip"));

    for (options, code) in [
        ("--sign-with @locked --sign-password-env WRONG", 3),
        ("--sign-with @locked", 2),
        ("--sign-with @one --sign-password-env RIGHT", 2),
        ("--sign-password-env RIGHT", 2),
        ("--sign-with @key", 2),
        ("--sign-with @missing", 1),
    ] {
        let run = case.run(&format!("{seal} --out @no.coffer {options}"));
        assert_eq!(run.code, code, "{options}: {run:?}");
        assert!(!case.folder.path().join("no.coffer").exists());
    }
    // Only a sealed archive is signed.
    let run = case.run("backup --source sqlite:@app.sqlite --out @no.zip --sign-with @one");
    assert_eq!(run.code, 2, "{run:?}");
}

#[test]
fn a_restore_says_who_sealed_the_archive_and_warns_where_nobody_did() {
    let case = Case::new();
    let recipient = &case.recipient;
    case.backup(
        "signed.coffer",
        &format!("--recipient {recipient} --sign-with @one"),
    );
    case.backup("unsigned.coffer", &format!("--recipient {recipient}"));
    case.backup("password.coffer", "--password-env RIGHT");
    case.backup(
        "mixed.coffer",
        &format!("--password-env RIGHT --recipient {recipient}"),
    );
    make_database(&case.folder.path().join("target.sqlite"), "live");
    let restore =
        "restore --mode replace --target sqlite:@target.sqlite --files uploads=@restored --force";
    let origin = |archive: &str, key: &str| {
        let plan = case
            .run(&format!("{restore} @{archive} {key} --dry-run --json"))
            .ok();
        let found: Vec<Value> = plan.json()["plan"]["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| {
                ["unsigned", "signed_by"].contains(&finding["code"].as_str().unwrap())
            })
            .cloned()
            .collect();
        assert!(found.len() <= 1);
        found.into_iter().next().unwrap_or_default()
    };
    let signed = origin("signed.coffer", "--identity @key");
    assert_eq!(text(&signed, "code"), "signed_by");
    assert_eq!(text(&signed, "sender"), case.one.1);
    assert_eq!(
        text(&origin("unsigned.coffer", "--identity @key"), "code"),
        "unsigned"
    );
    // Whoever wrapped the key under this password knew it; but by the key, that is not shown.
    assert_eq!(
        origin("password.coffer", "--password-env RIGHT"),
        Value::Null
    );
    assert_eq!(origin("mixed.coffer", "--password-env RIGHT"), Value::Null);
    assert_eq!(
        text(&origin("mixed.coffer", "--identity @key"), "code"),
        "unsigned"
    );

    // The warning is in words too, and asks for no consent.
    let restored = case
        .run(&format!("{restore} @unsigned.coffer --identity @key --yes"))
        .ok();
    assert!(
        restored.stderr.contains("nobody signed the archive"),
        "{restored:?}"
    );
    let target = case.folder.path().join("target.sqlite");
    assert_eq!(body(&target), "from the archive");
    let expected = format!("--expect-sender {}", case.one.0);
    let restored = case
        .run(&format!(
            "{restore} @signed.coffer --identity @key --yes {expected}"
        ))
        .ok();
    assert!(
        restored
            .stderr
            .contains(&format!("signed by {}", case.one.1)),
        "{restored:?}"
    );
    assert_eq!(
        case.read("restored/noise.bin"),
        case.read("uploads/noise.bin")
    );
}

#[test]
fn who_can_open_a_signed_archive_still_cannot_change_it() {
    let case = Case::new();
    let recipient = &case.recipient;
    case.backup(
        "good.coffer",
        &format!("--recipient {recipient} --sign-with @one"),
    );
    case.backup("unsigned.coffer", &format!("--recipient {recipient}"));
    let good = case.read("good.coffer");
    let sealed = open(&good);
    let key = case.file_key(&good);
    assert!(
        sealed.scrub_range().len >= 3 * 32,
        "the archive has too few blocks"
    );
    let target = case.folder.path().join("target.sqlite");
    make_database(&target, "live");
    let restore = "restore --mode replace --target sqlite:@target.sqlite --without-files --force --yes --identity @key";

    // In the middle of an upload, in the second block. It is not even looked at by some commands.
    case.write("upload.coffer", &forge(&good, &key, 1_500_000));
    // In the manifest or directory, which everybody reads.
    let unsealed = sealed.payload_range().len / 16_400 * 16_384;
    case.write("end.coffer", &forge(&good, &key, unsealed + 20));
    for name in ["upload", "end"] {
        case.refused(
            &format!("verify @{name}.coffer --identity @key"),
            4,
            "not_what_was_signed",
        );
        case.refused(
            &format!("{restore} @{name}.coffer"),
            4,
            "not_what_was_signed",
        );
        case.refused(
            &format!("unseal @{name}.coffer --identity @key --out @no.zip"),
            4,
            "not_what_was_signed",
        );
    }
    case.refused(
        "inspect @end.coffer --identity @key",
        4,
        "not_what_was_signed",
    );
    case.refused(
        "extract @upload.coffer --identity @key --file uploads/noise.bin --out @no.bin",
        4,
        "not_what_was_signed",
    );
    // Without a signature, it is the archive's own digests that notice: who forges one of those too isn't noticed.
    let unsigned = case.read("unsigned.coffer");
    case.write(
        "plain-forgery.coffer",
        &forge(&unsigned, &case.file_key(&unsigned), 1_500_000),
    );
    let found = case.run("verify @plain-forgery.coffer --identity @key --json");
    assert_eq!(found.code, 4, "{found:?}");
    assert_ne!(found.json()["error"]["code"], "not_what_was_signed");

    // With table and footer to match, the signature is wrong, for every command that opens it.
    let mut mended = forge(&good, &key, 1_500_000);
    mend(&mut mended);
    case.write("mended.coffer", &mended);
    for command in [
        "verify @mended.coffer --identity @key",
        "inspect @mended.coffer --identity @key",
        "inspect @mended.coffer --locked",
        "extract @mended.coffer --identity @key --table notes --out @no.tsv",
        &format!("{restore} @mended.coffer"),
    ] {
        case.refused(command, 4, "sender_signature_wrong");
    }
    // And without a signature, nobody signed it.
    case.write("stripped.coffer", &strip(&good));
    let _verified = case.run("verify @stripped.coffer --identity @key").ok();
    let expected = format!("--expect-sender {}", case.one.1);
    case.refused(
        &format!("{restore} @stripped.coffer {expected}"),
        5,
        "unsigned",
    );
    assert_eq!(body(&target), "live");
    for left in ["no.zip", "no.bin", "no.tsv"] {
        assert!(!case.folder.path().join(left).exists(), "{left}");
    }
}

#[test]
fn damage_to_a_signature_is_named_and_a_rekey_keeps_it() {
    let case = Case::new();
    case.backup(
        "good.coffer",
        &format!("--recipient {} --sign-with @one", case.recipient),
    );
    let good = case.read("good.coffer");
    let block = open(&good).sender_range().unwrap();
    let start = usize::try_from(block.offset).unwrap();
    let mut codes = Vec::new();
    for at in (start..start + 96).step_by(5) {
        let mut damaged = good.clone();
        damaged[at] ^= 0x20;
        case.write("damaged.coffer", &damaged);
        let found = case.run("inspect @damaged.coffer --locked --json");
        assert_eq!(found.code, 4, "{found:?}");
        codes.push(text(&found.json()["error"], "code"));
    }
    codes.sort();
    codes.dedup();
    assert_eq!(codes, ["sender_malformed", "sender_signature_wrong"]);

    case.write("rekeyed.coffer", &good);
    let _rekeyed = case
        .run("rekey @rekeyed.coffer --identity @key --new-password-env RIGHT")
        .ok();
    assert_ne!(case.read("rekeyed.coffer"), good);
    let verified = case
        .run("verify @rekeyed.coffer --password-env RIGHT --json")
        .ok();
    assert_eq!(verified.json()["sender"]["fingerprint"], *case.one.1);
}
