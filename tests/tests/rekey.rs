//! Changing who can open an archive, on the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs::{self, File, Permissions},
    ops::Range,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use coffer_core::{
    Digest,
    seal::{Access, Change, Cost, LockedKey, Opening, Password, SecretKey},
};
use coffer_tests::coffer::{Run, coffer};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use rusqlite::Connection;

const PASSWORDS: [(&str, &str); 3] = [
    ("OLD", "correct horse"),
    ("NEW", "battery staple"),
    ("OTHER", "wrong"),
];

/// A folder with a sealed archive, `a.coffer`, that the password OLD opens.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        Connection::open(folder.path("app.sqlite"))
            .unwrap()
            .execute_batch(
                "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'x');",
            )
            .unwrap();
        let source = format!("sqlite:{}", folder.path("app.sqlite").display());
        let _taken = folder
            .run(&[
                "backup",
                "--source",
                &source,
                "--out",
                "@a.coffer",
                "--sealed",
                "--password-env",
                "OLD",
            ])
            .ok();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Runs `coffer`; `@name` is a file in the folder.
    fn run(&self, arguments: &[&str]) -> Run {
        let arguments = arguments
            .iter()
            .map(|argument| match argument.strip_prefix('@') {
                Some(name) => self.path(name).display().to_string(),
                None => (*argument).to_owned(),
            });
        coffer(arguments, &PASSWORDS)
    }

    fn rekey(&self, arguments: &[&str]) -> Run {
        self.run(&[&["rekey", "--json", "@a.coffer"], arguments].concat())
    }

    /// A new key file; its recipient.
    fn key(&self, name: &str, kind: &str) -> String {
        let made = self
            .run(&["key", "new", "--json", "--type", kind, "--out", name])
            .ok();
        made.json()["recipient"].as_str().unwrap().to_owned()
    }

    /// The exit code with which the archive opens.
    fn opens(&self, with: &[&str]) -> i32 {
        self.run(&[&["verify", "@a.coffer"], with].concat()).code
    }
}

const OLD: &[&str] = &["--password-env", "OLD"];
const NEW: &[&str] = &["--password-env", "NEW"];

/// The header block's bytes in a file.
fn header(file: &[u8]) -> Range<usize> {
    0..usize::from(u16::from_be_bytes([file[10], file[11]])) * 4096
}

/// Digests of payload region, scrub table and footer.
fn parts(file: &[u8]) -> [Digest; 3] {
    let rest = &file[header(file).end..];
    let (rest, footer) = rest.split_at(rest.len() - 72);
    let payload = usize::try_from(u64::from_be_bytes(footer[8..16].try_into().unwrap())).unwrap();
    let (payload, table) = rest.split_at(payload);
    [payload, table, footer].map(Digest::of)
}

#[test]
fn a_password_changes_in_place_and_nothing_else_does() {
    let folder = Folder::new();
    fs::set_permissions(folder.path("a.coffer"), Permissions::from_mode(0o640)).unwrap();
    let (before, inode) = (
        folder.read("a.coffer"),
        fs::metadata(folder.path("a.coffer")).unwrap().ino(),
    );
    let changed = folder
        .rekey(&["--password-env", "OLD", "--new-password-env", "NEW"])
        .ok()
        .json();
    assert_eq!(changed["changed"]["written"], "in_place");
    assert_eq!(changed["changed"]["before"], changed["changed"]["after"]);
    let after = folder.read("a.coffer");
    assert_eq!(parts(&before), parts(&after));
    assert_ne!(before, after);
    let metadata = fs::metadata(folder.path("a.coffer")).unwrap();
    assert_eq!((metadata.ino(), metadata.mode() & 0o7777), (inode, 0o640));
    assert_eq!((folder.opens(NEW), folder.opens(OLD)), (0, 3));

    // Both, if asked to.
    let _kept = folder
        .rekey(&[
            "--password-env",
            "NEW",
            "--new-password-env",
            "OLD",
            "--keep-password",
        ])
        .ok();
    assert_eq!((folder.opens(NEW), folder.opens(OLD)), (0, 0));
    let entries = fs::read_dir(folder.0.path()).unwrap();
    assert_eq!(entries.count(), 2, "nothing is left beside");
}

#[test]
fn keys_of_both_types_come_and_go() {
    let folder = Folder::new();
    let before = folder.read("a.coffer");
    let keys: Vec<_> = (0..6)
        .map(|index| {
            let kind = ["x25519", "mlkem768x25519"][index % 2];
            folder.key(&format!("@{index}.key"), kind)
        })
        .collect();
    fs::write(
        folder.path("team"),
        format!("# the team\n{}\n{}\n", keys[1], keys[3]),
    )
    .unwrap();
    let identity = |index: usize| ["--identity".to_owned(), format!("@{index}.key")];
    let opens = |index: usize| {
        let [option, file] = identity(index);
        folder.opens(&[&option, &file])
    };
    let changed = folder
        .rekey(&[
            "--password-env",
            "OLD",
            "--add-recipient",
            &keys[0],
            "--add-recipient",
            &keys[2],
            "--remove",
            "password",
        ])
        .ok()
        .json();
    assert_eq!(changed["changed"]["written"], "in_place");
    assert_eq!(
        (opens(0), opens(2), opens(1), folder.opens(OLD)),
        (0, 0, 3, 3)
    );
    // More than one block holds: the copy has the same content.
    let changed = folder
        .rekey(&[
            "--identity",
            "@0.key",
            "--add-recipients-file",
            "@team",
            "--add-recipient",
            &keys[5],
            "--remove",
            "#2",
            "--new-password-env",
            "NEW",
        ])
        .ok()
        .json();
    assert_eq!(changed["changed"]["written"], "copied");
    let after = folder.read("a.coffer");
    assert_eq!(header(&after).len(), 8192);
    assert_eq!(parts(&before), parts(&after));
    assert_eq!([0, 1, 2, 3, 5].map(opens), [0, 0, 3, 0, 0]);
    assert_eq!(folder.opens(NEW), 0);
    // Everybody but one goes; the header stays as long as it is.
    let _alone = folder
        .rekey(&[
            "--identity",
            "@1.key",
            "--replace-all",
            "--add-recipient",
            &keys[4],
        ])
        .ok();
    assert_eq!([0, 1, 2, 3, 4, 5].map(opens), [3, 3, 3, 3, 0, 3]);
    assert_eq!(parts(&before), parts(&folder.read("a.coffer")));
    let text = folder
        .run(&["inspect", "--locked", "@a.coffer"])
        .ok()
        .stdout;
    assert!(
        text.contains("#1 the secret key") && text.contains("(x25519)"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    let folder = Folder::new();
    let recipient = folder.key("@k.key", "x25519");
    fs::copy(folder.path("a.coffer"), folder.path("plain.zip")).unwrap();
    let before = folder.read("a.coffer");
    for (arguments, exit, code) in [
        (
            &["--password-env", "OTHER", "--new-password-env", "NEW"][..],
            3,
            "wrong_password",
        ),
        (
            &["--identity", "@k.key", "--new-password-env", "NEW"],
            3,
            "not_a_recipient",
        ),
        (
            &["--password-env", "OLD", "--remove", &recipient],
            5,
            "not_a_way_in",
        ),
        (
            &[
                "--password-env",
                "OLD",
                "--remove",
                "0123456789abcdef0123456789abcdef",
            ],
            5,
            "not_a_way_in",
        ),
        (
            &["--password-env", "OLD", "--remove", "#2"],
            5,
            "not_a_way_in",
        ),
        (
            &["--password-env", "OLD", "--remove", "password"],
            5,
            "no_way_in",
        ),
        (&["--password-env", "OLD", "--replace-all"], 5, "no_way_in"),
        (&["--password-env", "OLD"], 2, "usage"),
        (
            &["--password-env", "OLD", "--keep-password", "--remove", "#1"],
            2,
            "usage",
        ),
    ] {
        let refused = folder.rekey(arguments);
        assert_eq!(refused.code, exit, "{refused:?}");
        assert_eq!(refused.json()["error"]["code"], code);
        assert_eq!(folder.read("a.coffer"), before);
    }
    fs::set_permissions(folder.path("a.coffer"), Permissions::from_mode(0o400)).unwrap();
    let change = ["--password-env", "OLD", "--new-password-env", "NEW"];
    let refused = folder.rekey(&change);
    assert_eq!(
        (refused.code, &refused.json()["error"]["code"]),
        (5, &"read_only".into())
    );
    fs::set_permissions(folder.path("a.coffer"), Permissions::from_mode(0o600)).unwrap();
    let other = File::open(folder.path("a.coffer")).unwrap();
    other.lock().unwrap();
    let refused = folder.rekey(&change);
    assert_eq!(
        (refused.code, &refused.json()["error"]["code"]),
        (1, &"busy".into())
    );
    drop(other);
    assert_eq!(folder.read("a.coffer"), before);
    let _plain = folder
        .run(&[
            "unseal",
            "@a.coffer",
            "--out",
            "@p.zip",
            "--password-env",
            "OLD",
        ])
        .ok();
    let refused = folder.run(&["rekey", "--json", "@p.zip", "--new-password-env", "NEW"]);
    assert_eq!(
        (refused.code, &refused.json()["error"]["code"]),
        (4, &"not_sealed".into())
    );
}

/// As `server/src/rekey/journal.rs` writes it.
fn journal(old: &[u8], new_header: &[u8]) -> Vec<u8> {
    let mut out = b"coffer rekey 1\n\0".to_vec();
    out.extend_from_slice(&(old.len() as u64).to_be_bytes());
    out.extend_from_slice(&Digest::of(&old[old.len() - 72..]).0);
    out.extend_from_slice(&Digest::of(&old[header(old)]).0);
    out.extend_from_slice(&u32::try_from(new_header.len()).unwrap().to_be_bytes());
    out.extend_from_slice(new_header);
    let digest = Digest::of(&out);
    out.extend_from_slice(&digest.0);
    out
}

#[test]
fn a_change_that_was_killed_is_told_and_finished() {
    let folder = Folder::new();
    let before = folder.read("a.coffer");
    let _changed = folder
        .rekey(&["--password-env", "OLD", "--new-password-env", "NEW"])
        .ok();
    let after = folder.read("a.coffer");
    let mut torn = before.clone();
    torn[..150].copy_from_slice(&after[..150]);
    fs::write(folder.path("a.coffer"), &torn).unwrap();
    let beside = folder.path("a.coffer.coffer-rekey");
    fs::write(&beside, journal(&before, &after[header(&after)])).unwrap();
    let link = folder.path("link.coffer");
    symlink(folder.path("a.coffer"), &link).unwrap();

    for file in ["@a.coffer", "@link.coffer"] {
        for arguments in [
            &["inspect", file, "--json", "--password-env", "NEW"][..],
            &["inspect", file, "--json", "--locked"],
            &["verify", file, "--json", "--password-env", "OLD"],
            &[
                "unseal",
                file,
                "--json",
                "--password-env",
                "NEW",
                "--out",
                "@x.zip",
            ],
        ] {
            let refused = folder.run(arguments);
            assert_eq!(refused.code, 4, "{refused:?}");
            let error = &refused.json()["error"];
            assert_eq!(error["code"], "rekey_unfinished");
            assert!(error["message"].as_str().unwrap().contains("coffer rekey"));
        }
    }
    let finished = folder.run(&["rekey", "@link.coffer", "--json"]).ok().json();
    assert_eq!(finished["recovered"], "finished");
    assert!(!beside.exists());
    assert_eq!(folder.read("a.coffer"), after);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

    // Killed before it began: the old keys, and whatever else is asked for goes on from there.
    fs::write(folder.path("a.coffer"), &before).unwrap();
    fs::write(&beside, &journal(&before, &after[header(&after)])[..1000]).unwrap();
    assert_eq!(folder.opens(OLD), 0);
    let gone_on = folder
        .rekey(&["--password-env", "OLD", "--new-password-env", "NEW"])
        .ok()
        .json();
    assert_eq!(gone_on["recovered"], "dropped");
    assert!(!beside.exists());
    assert_eq!((folder.opens(NEW), folder.opens(OLD)), (0, 3));
}

/// Replaces an archive's header through core alone, as the web app's profiles make it: with a key that the header
/// carries, locked with the password OLD.
fn lock_key_into(path: &Path, secret: &SecretKey) {
    let mut rng = UnwrapErr(SysRng);
    let mut file = fs::read(path).unwrap();
    let mut opening = Opening::new(file.len() as u64).unwrap();
    while let Some(range) = opening.wants() {
        let from = usize::try_from(range.offset).unwrap();
        let to = usize::try_from(range.end()).unwrap();
        opening.feed(&file[from..to]).unwrap();
    }
    let sealed = opening.finish().unwrap();
    let password = Password::new(PASSWORDS[0].1);
    let locked = LockedKey::lock(secret, &password, Cost::default(), &mut rng).unwrap();
    let recipient = secret.recipient().unwrap();
    let change = Change {
        remove: &[coffer_core::seal::Removal::Everything],
        add: &[Access::LockedKey(&locked), Access::Recipient(&recipient)],
        ..Change::default()
    };
    let locks = sealed.header_locks();
    let unlocked = locks.open(&password).unwrap();
    let made = locks
        .rekey(&unlocked, &change, sealed.header_len(), &mut rng)
        .unwrap();
    file[..made.block.len()].copy_from_slice(&made.block);
    fs::write(path, file).unwrap();
}

#[test]
fn the_password_of_a_key_that_the_archive_carries_changes() {
    let folder = Folder::new();
    let secret = SecretKey::generate(&mut UnwrapErr(SysRng));
    lock_key_into(&folder.path("a.coffer"), &secret);
    assert_eq!(folder.opens(OLD), 0);
    let changed = folder
        .rekey(&["--password-env", "OLD", "--new-password-env", "NEW"])
        .ok()
        .json();
    let name = secret.recipient().unwrap().fingerprint();
    assert_eq!(
        changed["changed"]["after"][0],
        format!("the password of key {name}")
    );
    assert_eq!(changed["changed"]["after"].as_array().unwrap().len(), 2);
    assert_eq!((folder.opens(NEW), folder.opens(OLD)), (0, 3));
    fs::write(folder.path("s.key"), secret.expose().as_bytes()).unwrap();
    assert_eq!(folder.opens(&["--identity", "@s.key"]), 0);
    // Without its password the key is known to lie nowhere else, unless its file is used.
    let refused = folder.rekey(&["--password-env", "NEW", "--remove", "password"]);
    assert_eq!(
        (refused.code, &refused.json()["error"]["code"]),
        (5, &"no_way_in".into())
    );
    let _removed = folder
        .rekey(&["--identity", "@s.key", "--remove", "password"])
        .ok();
    assert_eq!(
        (folder.opens(NEW), folder.opens(&["--identity", "@s.key"])),
        (3, 0)
    );
}
