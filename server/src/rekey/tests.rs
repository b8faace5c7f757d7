//! Every state that a kill can leave behind, made by hand.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use coffer_core::{
    Digest,
    seal::{
        Access, Change, Cost, FileKey, HEADER_UNIT, KeyType, Password, Recipient, Removal,
        SealError, Sealed, Sealer, SecretKey, seal_header,
    },
};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tempfile::TempDir;

use super::{
    Locked, Recovered, RekeyFileError, Written, is_half_written,
    journal::{Identity, Journal},
    journal_path, look,
};
use crate::progress::Progress;

const BLOCK: usize = HEADER_UNIT as usize;

fn old() -> Password {
    Password::new("old")
}

fn new() -> Password {
    Password::new("new")
}

fn cheap(password: &Password) -> Access<'_> {
    Access::Password {
        password,
        cost: Cost {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        },
    }
}

fn recipients(count: usize) -> Vec<Recipient> {
    (0..count)
        .map(|_| {
            SecretKey::generate_of(KeyType::MlKem768X25519, &mut UnwrapErr(SysRng))
                .recipient()
                .unwrap()
        })
        .collect()
}

/// An archive in a folder of its own, and the block that gives it another password.
struct Fixture {
    _folder: TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
    block: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let mut rng = UnwrapErr(SysRng);
        let file_key = FileKey::new([7; 32]);
        let header = seal_header(&file_key, &[cheap(&old())], &mut rng).unwrap();
        let mut bytes = Vec::new();
        let mut sealer = Sealer::new(&file_key, &header, &mut rng, &mut bytes).unwrap();
        sealer.push(&vec![5; 100_000], &mut bytes).unwrap();
        sealer.finish(&mut bytes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(folder.path()).unwrap().join("a.coffer");
        fs::write(&path, &bytes).unwrap();
        // Recipients fill it, so that its sectors differ from the old one's.
        let people = recipients(2);
        let add: Vec<_> = people.iter().map(Access::Recipient).collect();
        let block = block(&sealed(&path), &old(), &new(), &add);
        assert_eq!(block.len(), BLOCK);
        Self {
            _folder: folder,
            path,
            bytes,
            block,
        }
    }

    fn journal(&self) -> Journal {
        let footer = self.bytes.len() - 72;
        Journal {
            archive: Identity {
                file_len: self.bytes.len() as u64,
                footer: Digest::of(&self.bytes[footer..]),
            },
            old: Digest::of(&self.bytes[..BLOCK]),
            block: self.block.clone(),
        }
    }

    /// What is on disk after a kill: a header and a journal.
    fn leave(&self, header: &[u8], journal: Option<&[u8]>) {
        let whole = [header, &self.bytes[header.len()..]].concat();
        fs::write(&self.path, whole).unwrap();
        match journal {
            Some(bytes) => fs::write(journal_path(&self.path), bytes).unwrap(),
            None => assert!(!journal_path(&self.path).exists()),
        }
    }

    fn recover(&self) -> Result<Option<Recovered>, RekeyFileError> {
        Locked::open(&self.path)?.recover()
    }

    /// Says which password opens the archive, once nothing but the header can have changed.
    fn opens_with(&self) -> &'static str {
        let now = fs::read(&self.path).unwrap();
        assert!(now[BLOCK..] == self.bytes[BLOCK..]);
        assert!(!journal_path(&self.path).exists());
        assert_eq!(
            fs::read_dir(self.path.parent().unwrap()).unwrap().count(),
            1
        );
        let sealed = sealed(&self.path);
        match (sealed.unlock(&old()), sealed.unlock(&new())) {
            (Ok(_), Err(SealError::WrongPassword)) => "old",
            (Err(SealError::WrongPassword), Ok(_)) => "new",
            other => panic!("{other:?}"),
        }
    }
}

fn sealed(path: &Path) -> Sealed {
    look(&fs::File::open(path).unwrap(), path).unwrap()
}

fn block(sealed: &Sealed, from: &Password, to: &Password, add: &[Access<'_>]) -> Vec<u8> {
    let locks = sealed.header_locks();
    let unlocked = locks.open(from).unwrap();
    let Access::Password { password, cost } = cheap(to) else {
        panic!()
    };
    let change = Change {
        remove: &[Removal::Passwords],
        password: Some((password, cost)),
        add,
    };
    let mut rng = UnwrapErr(SysRng);
    let made = locks.rekey(&unlocked, &change, sealed.header_len(), &mut rng);
    made.unwrap().block
}

fn write(path: &Path, block: &[u8], progress: &Progress) -> Result<Written, RekeyFileError> {
    let locked = Locked::open(path)?;
    assert_eq!(locked.recover()?, None);
    let sealed = locked.look()?;
    let file_key = sealed.unlock(&old())?;
    locked.write(&sealed, &file_key, block, progress)
}

#[test]
fn a_header_that_fits_is_written_in_place() {
    let fixture = Fixture::new();
    let before = fs::metadata(&fixture.path).unwrap();
    let written = write(&fixture.path, &fixture.block, &Progress::default()).unwrap();
    assert_eq!(written, Written::InPlace);
    assert_eq!(fs::metadata(&fixture.path).unwrap().ino(), before.ino());
    assert_eq!(fixture.opens_with(), "new");
    assert_eq!(fixture.recover().unwrap(), None);
}

#[test]
fn a_kill_while_the_journal_is_written_leaves_the_old_keys() {
    let fixture = Fixture::new();
    let journal = fixture.journal().encode();
    let header = &fixture.bytes[..BLOCK];
    // A file grows by any number of bytes, and blocks of it may be zeros still.
    let cut = (0..journal.len())
        .step_by(7)
        .map(|len| journal[..len].to_vec());
    let holes = (0..journal.len()).step_by(512).map(|at| {
        let mut bytes = journal.clone();
        bytes[at..].fill(0);
        bytes
    });
    for left in cut.chain(holes).chain([journal.clone()]) {
        fixture.leave(header, Some(&left));
        assert!(!is_half_written(&fixture.path).unwrap());
        assert_eq!(fixture.recover().unwrap(), Some(Recovered::NotBegun));
        assert_eq!(fixture.opens_with(), "old");
    }
}

#[test]
fn a_kill_while_the_header_is_written_is_finished_from_the_journal() {
    let fixture = Fixture::new();
    let journal = fixture.journal().encode();
    let before = &fixture.bytes[..BLOCK];
    // Any prefix, and every set of whole sectors: a disk need not write them in order.
    let prefixes = (0..=BLOCK).step_by(64).map(|len| {
        let mut header = before.to_vec();
        header[..len].copy_from_slice(&fixture.block[..len]);
        header
    });
    let sectors = (0..128_u32).map(|set| {
        let mut header = before.to_vec();
        for sector in (0..7).filter(|sector| set & (1 << sector) != 0) {
            let bytes = sector * 512..(sector + 1) * 512;
            header[bytes.clone()].copy_from_slice(&fixture.block[bytes]);
        }
        header
    });
    let mut torn = 0;
    for header in prefixes.chain(sectors) {
        fixture.leave(&header, Some(&journal));
        let half = header != before && header != fixture.block;
        assert_eq!(is_half_written(&fixture.path).unwrap(), half);
        let recovered = fixture.recover().unwrap();
        if header == before {
            assert_eq!(recovered, Some(Recovered::NotBegun));
            assert_eq!(fixture.opens_with(), "old");
        } else {
            torn += usize::from(half);
            assert_eq!(recovered, Some(Recovered::Finished));
            assert_eq!(fixture.opens_with(), "new");
        }
    }
    assert!(torn > 150, "{torn}");
}

#[test]
fn a_kill_while_recovering_is_recovered_from() {
    let fixture = Fixture::new();
    let journal = fixture.journal().encode();
    let mut torn = fixture.bytes[..BLOCK].to_vec();
    torn[..100].copy_from_slice(&fixture.block[..100]);
    fixture.leave(&torn, Some(&journal));
    // Killed again with more of it written, and once it was all written.
    torn[..200].copy_from_slice(&fixture.block[..200]);
    for header in [torn, fixture.block.clone()] {
        fixture.leave(&header, Some(&journal));
        assert_eq!(fixture.recover().unwrap(), Some(Recovered::Finished));
        assert_eq!(fixture.opens_with(), "new");
    }
}

#[test]
fn a_journal_of_another_archive_is_left_alone() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    let journal = other.journal().encode();
    for header in [&fixture.bytes[..BLOCK], &[0; BLOCK]] {
        fixture.leave(header, Some(&journal));
        assert!(!is_half_written(&fixture.path).unwrap());
        assert!(matches!(
            fixture.recover(),
            Err(RekeyFileError::ForeignJournal { .. })
        ));
        assert_eq!(fs::read(journal_path(&fixture.path)).unwrap(), journal);
        assert_eq!(&fs::read(&fixture.path).unwrap()[..BLOCK], header);
    }
}

#[test]
fn damage_to_both_is_said_and_nothing_is_thrown_away() {
    let fixture = Fixture::new();
    let mut journal = fixture.journal().encode();
    journal[500] ^= 1;
    fixture.leave(&[0; BLOCK], Some(&journal));
    assert!(matches!(
        fixture.recover(),
        Err(RekeyFileError::BothDamaged { .. })
    ));
    assert_eq!(fs::read(journal_path(&fixture.path)).unwrap(), journal);
}

#[test]
fn a_block_that_does_not_open_is_taken_back() {
    let fixture = Fixture::new();
    let other = FileKey::new([1; 32]);
    let mut rng = UnwrapErr(SysRng);
    for block in [
        seal_header(&other, &[cheap(&new())], &mut rng).unwrap(),
        vec![0; BLOCK],
    ] {
        assert!(matches!(
            write(&fixture.path, &block, &Progress::default()),
            Err(RekeyFileError::Seal(_))
        ));
        assert_eq!(fixture.opens_with(), "old");
    }
}

#[test]
fn a_longer_header_takes_a_copy() {
    let fixture = Fixture::new();
    fs::set_permissions(&fixture.path, Permissions::from_mode(0o640)).unwrap();
    let people = recipients(4);
    let add: Vec<_> = people.iter().map(Access::Recipient).collect();
    let block = block(&sealed(&fixture.path), &old(), &new(), &add);
    assert_eq!(block.len(), 2 * BLOCK);

    // Stopped on the way, or refused because of another name: as if nothing had been.
    let stopped = Progress::default();
    stopped.cancel();
    assert!(matches!(
        write(&fixture.path, &block, &stopped),
        Err(RekeyFileError::Cancelled)
    ));
    assert_eq!(fixture.opens_with(), "old");
    let second = fixture.path.with_extension("second");
    fs::hard_link(&fixture.path, &second).unwrap();
    assert!(matches!(
        write(&fixture.path, &block, &Progress::default()),
        Err(RekeyFileError::OtherNames { names: 2, .. })
    ));
    fs::remove_file(&second).unwrap();
    assert_eq!(fixture.opens_with(), "old");

    let written = write(&fixture.path, &block, &Progress::default()).unwrap();
    assert_eq!(written, Written::Copied);
    let now = fs::read(&fixture.path).unwrap();
    assert!(now[..2 * BLOCK] == block && now[2 * BLOCK..] == fixture.bytes[BLOCK..]);
    assert_eq!(fs::metadata(&fixture.path).unwrap().mode() & 0o7777, 0o640);
    assert!(sealed(&fixture.path).unlock(&new()).is_ok());
    let names = fs::read_dir(fixture.path.parent().unwrap()).unwrap();
    assert_eq!(names.count(), 1);
}

#[test]
fn one_at_a_time_and_only_what_may_be_written() {
    let fixture = Fixture::new();
    let first = Locked::open(&fixture.path).unwrap();
    assert!(matches!(
        Locked::open(&fixture.path),
        Err(RekeyFileError::Busy { .. })
    ));
    drop(first);
    fs::set_permissions(&fixture.path, Permissions::from_mode(0o440)).unwrap();
    assert!(matches!(
        Locked::open(&fixture.path),
        Err(RekeyFileError::ReadOnly { .. })
    ));
    assert_eq!(fixture.opens_with(), "old");
}

#[test]
fn a_link_is_followed_and_stays_a_link() {
    let fixture = Fixture::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.coffer");
    symlink(&fixture.path, &link).unwrap();
    let mut torn = fixture.bytes[..BLOCK].to_vec();
    torn[..100].copy_from_slice(&fixture.block[..100]);
    fixture.leave(&torn, Some(&fixture.journal().encode()));
    assert!(is_half_written(&link).unwrap());
    let recovered = Locked::open(&link).unwrap().recover().unwrap();
    assert_eq!(recovered, Some(Recovered::Finished));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    assert_eq!(fixture.opens_with(), "new");
}
