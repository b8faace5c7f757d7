use super::*;
use bytes::Bytes;
use coffer_core::seal::{Access, Cost, FileKey, Password, Sealer, seal_header};
use futures_util::{Stream, stream};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use sha2::Digest as _;

type Piece = Result<Bytes, io::Error>;

const WIDE: Room = Room {
    all: 1 << 40,
    owner: 1 << 40,
};

fn pieces(pieces: &[&[u8]]) -> impl Stream<Item = Piece> + Unpin {
    let pieces: Vec<Piece> = pieces
        .iter()
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    stream::iter(pieces)
}

/// A sealed archive; without a password it is one like a bundle's, that its header opens for nobody.
fn sealed(plain_len: usize, password: bool) -> Vec<u8> {
    let mut rng = UnwrapErr(SysRng);
    let typed = Password::new("p");
    let cost = Cost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };
    let access = [Access::Password {
        password: &typed,
        cost,
    }];
    let access = if password { &access[..] } else { &[] };
    let key = FileKey::new([7; 32]);
    let header = seal_header(&key, access, &mut rng).unwrap();
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&key, &header, &mut rng, &mut out).unwrap();
    sealer.push(&vec![1; plain_len], &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    out
}

fn opened() -> (tempfile::TempDir, Uploads) {
    let folder = tempfile::tempdir().unwrap();
    let uploads = Uploads::open(folder.path()).unwrap();
    (folder, uploads)
}

fn begin(uploads: &Uploads, purpose: Purpose, length: Option<u64>) -> Id {
    uploads
        .create(purpose, "ada", "a.coffer", length, WIDE)
        .unwrap()
}

async fn append(uploads: &Uploads, id: &Id, offset: u64, bytes: &[u8]) -> Result<u64, StoreError> {
    let mut appending = uploads.append_at(id, offset, None, WIDE)?;
    appending.take(pieces(&[bytes]), None).await
}

fn size(uploads: &Uploads, id: &Id) -> u64 {
    uploads.view(id).unwrap().size
}

fn files(folder: &tempfile::TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}

#[tokio::test]
async fn a_broken_upload_goes_on_where_it_ended() {
    let (folder, uploads) = opened();
    let whole = sealed(5000, false);
    let id = begin(&uploads, Purpose::Bundle, None);
    let (first, rest) = whole.split_at(3000);
    let broken = stream::iter([
        Ok(Bytes::copy_from_slice(first)),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ]);
    let mut appending = uploads.append_at(&id, 0, None, WIDE).unwrap();
    assert!(matches!(
        appending.take(broken, None).await,
        Err(StoreError::BrokenOff)
    ));
    drop(appending);
    assert_eq!(size(&uploads, &id), 3000);
    assert!(matches!(
        uploads.append_at(&id, 0, None, WIDE),
        Err(StoreError::WrongOffset {
            given: 0,
            found: 3000
        })
    ));
    let mut appending = uploads.append_at(&id, 3000, None, WIDE).unwrap();
    assert!(matches!(
        uploads.append_at(&id, 3000, None, WIDE),
        Err(StoreError::UploadBusy)
    ));
    let (second, third) = rest.split_at(1096);
    let taken = appending
        .take(pieces(&[second, third]), None)
        .await
        .unwrap();
    assert_eq!(taken, whole.len() as u64);
    drop(appending);

    let claimed = uploads.claim(&id).unwrap();
    assert!(matches!(uploads.remove(&id), Err(StoreError::UploadBusy)));
    let mut read = vec![0; whole.len()];
    claimed
        .read_at()
        .unwrap()
        .read_exact_at(0, &mut read)
        .unwrap();
    assert_eq!(read, whole);
    drop(claimed);
    assert!(matches!(uploads.view(&id), Err(StoreError::NoUpload)));
    assert_eq!(files(&folder), 0);
}

#[tokio::test]
async fn what_is_not_sealed_never_gets_to_the_disk() {
    let (folder, uploads) = opened();
    let nobody = sealed(10, false);
    let mut newer = sealed(10, true);
    newer[9] = 9;
    for (bytes, step, code) in [
        (
            &b"PK\x03\x04 an archive that is not sealed"[..],
            1,
            "not_sealed",
        ),
        (b"SQLite format 3\0 and much more", 7, "not_sealed"),
        (
            b"\x89CFR\n\x1a\n from a transfer in text mode",
            40,
            "text_mode",
        ),
        (&newer, 100, "unsupported_version"),
        (&nobody, 1000, "no_way_in"),
    ] {
        let id = begin(&uploads, Purpose::Archive, Some(1 << 20));
        let steps: Vec<&[u8]> = bytes.chunks(step).collect();
        let mut appending = uploads.append_at(&id, 0, None, WIDE).unwrap();
        let error = appending.take(pieces(&steps), None).await.unwrap_err();
        assert_eq!(error.code(), code);
        drop(appending);
        // Asked again, it says the same.
        let again = append(&uploads, &id, 0, bytes).await.unwrap_err();
        assert!(
            matches!(&again, StoreError::Refused { code: said, .. } if *said == code),
            "{again}"
        );
        assert_eq!(files(&folder), 0);
        assert_eq!(uploads.0.state().reserved(|_| true), 0);
    }
    // The header is the same one when it comes in two requests.
    let id = begin(&uploads, Purpose::Archive, Some(8192));
    append(&uploads, &id, 0, &newer[..8]).await.unwrap();
    let error = append(&uploads, &id, 8, &newer[8..]).await.unwrap_err();
    assert_eq!(error.code(), "unsupported_version");
}

#[tokio::test]
async fn quotas_are_for_all_uploads_and_for_each_owner() {
    let (_folder, uploads) = opened();
    let room = Room {
        all: 10_000,
        owner: 8_000,
    };
    let whole = sealed(0, true);
    let create = |owner: &str, length| uploads.create(Purpose::Archive, owner, "", length, room);
    let mine = create("ada", Some(6_000)).unwrap();
    assert!(matches!(
        create("ada", Some(2_001)),
        Err(StoreError::OwnQuota { quota: 8_000 })
    ));
    assert!(matches!(
        create("eve", Some(4_001)),
        Err(StoreError::Quota { quota: 10_000 })
    ));
    // Without a length, it shows as bytes come.
    let later = create("eve", None).unwrap();
    let mut appending = uploads.append_at(&later, 0, None, room).unwrap();
    let more = appending
        .take(pieces(&[&whole[..4_000], &whole[4_000..4_001]]), None)
        .await;
    assert!(matches!(more, Err(StoreError::Quota { quota: 10_000 })));
    drop(appending);
    assert_eq!(size(&uploads, &later), 4_000);
    uploads.remove(&mine).unwrap();
    let mut appending = uploads
        .append_at(&later, 4_000, Some(whole.len() as u64), room)
        .unwrap();
    let taken = appending
        .take(pieces(&[&whole[4_000..]]), None)
        .await
        .unwrap();
    assert_eq!(taken, whole.len() as u64);
    drop(appending);
    // A length is said once.
    assert!(matches!(
        uploads.append_at(&later, taken, Some(taken + 1), room),
        Err(StoreError::OtherLength)
    ));
    let too_long = append(&uploads, &later, taken, b"x").await;
    assert!(matches!(too_long, Err(StoreError::TooLong { .. })));
    assert_eq!(size(&uploads, &later), taken);
}

#[tokio::test]
async fn a_piece_with_another_checksum_leaves_nothing() {
    let (folder, uploads) = opened();
    let whole = sealed(9_000, true);
    let id = begin(&uploads, Purpose::Archive, Some(whole.len() as u64));
    let (first, rest) = whole.split_at(5_000);
    let sum = |bytes: &[u8]| {
        use base64ct::{Base64, Encoding};
        let digest = Base64::encode_string(&sha2::Sha256::digest(bytes));
        Checksum::parse(&format!("sha256 {digest}"))
    };
    let take = async |offset: u64, bytes: &[u8], checksum| {
        let mut appending = uploads.append_at(&id, offset, None, WIDE).unwrap();
        appending.take(pieces(&[bytes]), checksum).await
    };
    let wrong = take(0, first, sum(rest)).await;
    assert!(matches!(wrong, Err(StoreError::ChecksumMismatch)));
    assert_eq!(size(&uploads, &id), 0);
    assert_eq!(take(0, first, sum(first)).await.unwrap(), 5_000);
    assert!(take(5_000, rest, sum(first)).await.is_err());
    assert_eq!(
        take(5_000, rest, sum(rest)).await.unwrap(),
        whole.len() as u64
    );
    assert_eq!(fs::read(folder.path().join(id.as_str())).unwrap(), whole);
}

#[tokio::test]
async fn archives_outlive_the_process_and_bundles_do_not() {
    let (folder, uploads) = opened();
    let whole = sealed(9_000, true);
    let length = Some(whole.len() as u64);
    let id = begin(&uploads, Purpose::Archive, length);
    let bundle = begin(&uploads, Purpose::Bundle, None);
    append(&uploads, &id, 0, &whole[..2_000]).await.unwrap();
    drop(uploads);
    fs::write(folder.path().join("stray"), "x").unwrap();
    let uploads = Uploads::open(folder.path()).unwrap();
    assert!(matches!(uploads.view(&bundle), Err(StoreError::NoUpload)));
    assert_eq!(files(&folder), 2);
    let view = uploads.view(&id).unwrap();
    assert_eq!((view.size, view.record.length), (2_000, length));
    assert_eq!(
        (view.record.owner.as_str(), view.record.name.as_str()),
        ("ada", "a.coffer")
    );
    assert_eq!(uploads.waiting(), []);
    append(&uploads, &id, 2_000, &whole[2_000..]).await.unwrap();
    assert_eq!(uploads.waiting(), std::slice::from_ref(&id));

    let complete = uploads.complete(&id).unwrap().unwrap();
    assert_eq!(uploads.view(&id).unwrap().stage, Stage::Checking);
    assert!(matches!(uploads.remove(&id), Err(StoreError::UploadBusy)));
    assert!(matches!(uploads.claim(&id), Err(StoreError::NoUpload)));
    assert_eq!(complete.read_at().unwrap().size(), whole.len() as u64);
    drop(complete);
    let complete = uploads.complete(&id).unwrap().unwrap();
    let backup = Id::random().unwrap();
    complete.stored(backup.clone()).unwrap();
    assert_eq!(uploads.view(&id).unwrap().stage, Stage::Stored(backup));
    assert_eq!(files(&folder), 0);
}

#[tokio::test]
async fn abandoned_uploads_go_and_used_ones_stay() {
    let (_folder, uploads) = opened();
    let idle = begin(&uploads, Purpose::Archive, None);
    let used = begin(&uploads, Purpose::Bundle, None);
    let using = uploads.append_at(&used, 0, None, WIDE).unwrap();
    assert_eq!(
        uploads.remove_abandoned(Duration::from_secs(3600)).unwrap(),
        0
    );
    assert_eq!(uploads.remove_abandoned(Duration::ZERO).unwrap(), 1);
    assert!(uploads.view(&idle).is_err());
    assert!(uploads.view(&used).is_ok());
    drop(using);
}

#[test]
fn there_is_an_end_to_the_number_of_uploads() {
    let (_folder, uploads) = opened();
    let create = |owner| uploads.create(Purpose::Archive, owner, "", None, WIDE);
    for owner in ["ada", "eve"] {
        for _ in 0..MAX_OF_OWNER {
            create(owner).unwrap();
        }
        assert!(matches!(
            create(owner),
            Err(StoreError::TooManyUploads { .. })
        ));
    }
    assert!(matches!(
        create("kim"),
        Err(StoreError::TooManyUploads { limit: MAX_UPLOADS })
    ));
}

#[test]
fn what_the_disk_has_no_room_for_is_refused_at_once() {
    let (folder, uploads) = opened();
    let room = Room {
        all: u64::MAX,
        owner: u64::MAX,
    };
    let huge = uploads.create(Purpose::Archive, "ada", "", Some(1 << 60), room);
    assert!(matches!(huge, Err(StoreError::DiskFull)));
    assert_eq!(files(&folder), 0);
}
