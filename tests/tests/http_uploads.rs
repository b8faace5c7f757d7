//! Uploads by tus 1.0, that go on where they ended and take only what is sealed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    io::Write,
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use base64ct::{Base64, Encoding};
use coffer_tests::{
    sealed::{sealed, sealed_for_nobody},
    site::{Answer, Site, Start, TUS},
    small_disk::SmallDisk,
};
use serde_json::json;

const SMALL: Start = Start {
    demo: false,
    upload_quota: 1 << 20,
};
const PIECE: (&str, &str) = ("content-type", "application/offset+octet-stream");

fn begin(site: &Site) -> String {
    let body = site.begin_upload("bundle").expect(201).json();
    body["id"].as_str().unwrap().to_owned()
}

fn head(site: &Site, id: &str) -> Answer {
    site.send("HEAD", &format!("/api/uploads/{id}"), &[TUS], &[])
}

fn offset(site: &Site, id: &str) -> String {
    head(site, id)
        .expect(200)
        .header("upload-offset")
        .to_owned()
}

fn files(site: &Site) -> usize {
    fs::read_dir(site.data.join("uploads")).unwrap().count()
}

#[test]
fn pieces_are_appended_where_the_upload_ends_and_nowhere_else() {
    let (_folder, site) = Site::signed_in(SMALL);
    let whole = sealed(b"content", "p");
    let id = begin(&site);
    assert_eq!(offset(&site, &id), "0");
    assert_eq!(head(&site, &id).header("upload-defer-length"), "1");
    let answer = site.append(&id, 0, &whole[..5]).expect(204);
    assert_eq!(answer.header("upload-offset"), "5");
    for wrong in [0, 4, 6, u64::MAX] {
        let answer = site.append(&id, wrong, b"x");
        assert_eq!(answer.problem(), (409, "wrong_offset".into()), "{wrong}");
        assert_eq!(answer.header("upload-offset"), "5");
    }
    let answer = site.append(&id, 5, &whole[5..]).expect(204);
    assert_eq!(answer.header("upload-offset"), whole.len().to_string());
    assert!(answer.header("upload-expires").ends_with(" GMT"));
    assert_eq!(
        fs::read(site.data.join("uploads").join(&id)).unwrap(),
        whole
    );

    let path = format!("/api/uploads/{id}");
    let json = [TUS, ("content-type", "application/json")];
    let answer = site.send("PATCH", &path, &json, b"{}");
    assert_eq!(answer.problem(), (415, "unsupported_media_type".into()));
    let nowhere = site.send("PATCH", &path, &[TUS, PIECE], b"x");
    assert_eq!(nowhere.problem(), (400, "no_offset".into()));

    let _gone = site.send("DELETE", &path, &[TUS], &[]).expect(204);
    let again = site.send("DELETE", &path, &[TUS], &[]);
    assert_eq!(again.problem(), (404, "no_upload".into()));
    let answer = site.append(&id, 7, b"x");
    assert_eq!(answer.problem(), (404, "no_upload".into()));
    assert_eq!(files(&site), 0);
}

#[test]
fn the_protocol_is_told_and_kept() {
    let (_folder, site) = Site::signed_in(SMALL);
    let answer = site.send("OPTIONS", "/api/uploads", &[], &[]).expect(204);
    assert_eq!(answer.header("tus-version"), "1.0.0");
    assert_eq!(answer.header("tus-resumable"), "1.0.0");
    assert_eq!(answer.header("tus-max-size"), (1 << 20).to_string());
    let extensions: Vec<_> = answer.header("tus-extension").split(',').collect();
    for extension in [
        "creation",
        "creation-with-upload",
        "expiration",
        "termination",
        "checksum",
    ] {
        assert!(extensions.contains(&extension), "{extension}");
    }

    let create = |headers: &[(&str, &str)]| site.send("POST", "/api/uploads", headers, &[]);
    let old = create(&[("tus-resumable", "0.2.2"), ("upload-length", "1")]);
    assert_eq!(old.problem(), (412, "tus_version".into()));
    assert_eq!(old.header("tus-version"), "1.0.0");
    let none = create(&[PIECE, ("upload-length", "1")]);
    assert_eq!(none.problem(), (412, "tus_version".into()));
    assert_eq!(create(&[TUS]).problem(), (400, "no_length".into()));
    let large = create(&[TUS, ("upload-length", "1048577")]);
    assert_eq!(large.problem(), (413, "quota_exceeded".into()));

    // Begun with its first bytes, and a digest of them.
    let whole = sealed(&[7; 10_000], "p");
    let length = whole.len().to_string();
    let with = |checksum: &str| {
        let headers = [
            TUS,
            PIECE,
            ("upload-length", &length),
            ("upload-checksum", checksum),
        ];
        site.send("POST", "/api/uploads", &headers, &whole[..3])
    };
    // A digest of other bytes.
    let begun = with("sha1 KpB2MCWM+bFiCRYURlBvHOZrcQ8=");
    assert_eq!(begun.status, 460);
    assert_eq!(begun.problem().1, "checksum_mismatch");
    assert_eq!(with("md5 AAAA").problem(), (400, "bad_checksum".into()));
    let headers = [TUS, PIECE, ("upload-length", &*length)];
    let begun = site
        .send("POST", "/api/uploads", &headers, &whole[..3])
        .expect(201);
    assert_eq!(begun.header("upload-offset"), "3");
    let location = begun.header("location").to_owned();
    let known = site.send("HEAD", &location, &[TUS], &[]).expect(200);
    assert_eq!(known.header("upload-length"), length);
    assert_eq!(known.header("cache-control"), "no-store");
    let shown = site.get(&location).expect(200).json();
    assert_eq!(shown["state"], "receiving");
    assert_eq!(shown["start"]["length"], 3);
}

#[test]
fn what_is_not_sealed_is_refused_at_its_first_bytes() {
    let (_folder, site) = Site::signed_in(SMALL);
    for bytes in [
        &b"PK\x03\x04 a plain archive"[..],
        b"a text that is no archive",
    ] {
        let id = begin(&site);
        let answer = site.append(&id, 0, bytes);
        assert_eq!(answer.problem(), (422, "not_sealed".into()));
        assert!(answer.json()["detail"].as_str().unwrap().contains("seal"));
        let gone = head(&site, &id);
        assert_eq!(gone.status, 410);
        assert_eq!(
            site.append(&id, 0, bytes).problem(),
            (410, "not_sealed".into())
        );
        let shown = site.get(&format!("/api/uploads/{id}")).json();
        assert_eq!(
            (&shown["state"], &shown["error"]["code"]),
            (&"refused".into(), &"not_sealed".into())
        );
    }
    // Megabytes of it: the answer is heard all the same.
    let id = begin(&site);
    let answer = site.append(&id, 0, &vec![b'x'; 40 << 20]);
    assert_eq!(answer.problem(), (422, "not_sealed".into()));
    assert_eq!(files(&site), 0);
}

#[test]
fn what_came_before_the_connection_broke_stays() {
    let (_folder, site) = Site::signed_in(SMALL);
    let whole = sealed(&[7; 100_000], "p");
    let id = begin(&site);
    let mut stream = TcpStream::connect(site.address).unwrap();
    let (address, cookie) = (site.address, site.cookie());
    let length = whole.len();
    write!(
        stream,
        "PATCH /api/uploads/{id} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&whole[..60_000]).unwrap();
    stream.flush().unwrap();
    let start = Instant::now();
    while offset(&site, &id) != "60000" && start.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(offset(&site, &id), "60000");
    // Somebody else's piece does not get in between.
    let other = site.append(&id, 60_000, b"x");
    assert_eq!(other.problem(), (423, "upload_busy".into()));
    stream.shutdown(Shutdown::Both).unwrap();
    let rest = loop {
        let answer = site.append(&id, 60_000, &whole[60_000..]);
        if answer.status == 204 || start.elapsed() > Duration::from_secs(20) {
            break answer;
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(rest.expect(204).header("upload-offset"), length.to_string());
    assert_eq!(
        fs::read(site.data.join("uploads").join(&id)).unwrap(),
        whole
    );
}

#[test]
fn uploads_have_a_quota_and_bundles_end_with_the_process() {
    let (_folder, site) = Site::signed_in(SMALL);
    let whole = sealed(&vec![1; 1 << 20], "p");
    let id = begin(&site);
    let answer = site.append(&id, 0, &whole);
    assert_eq!(answer.problem(), (413, "quota_exceeded".into()));
    let kept = offset(&site, &id).parse::<u64>().unwrap();
    assert!(kept <= 1 << 20);
    let site = site.restarted(SMALL);
    assert_eq!(files(&site), 0);
    let answer = site.append(&id, kept, b"x");
    assert_eq!(answer.problem(), (404, "no_upload".into()));
}

/// Sends a whole archive in one request.
fn upload(site: &Site, bytes: &[u8], name: &str) -> Answer {
    let length = bytes.len().to_string();
    let metadata = format!("filename {}", Base64::encode_string(name.as_bytes()));
    let headers = [
        TUS,
        PIECE,
        ("upload-length", length.as_str()),
        ("upload-metadata", metadata.as_str()),
    ];
    site.send("POST", "/api/uploads", &headers, bytes)
}

#[test]
fn an_archive_is_kept_without_any_key() {
    let (_folder, site) = Site::signed_in(SMALL);
    let whole = sealed(&[7; 300_000], "p");
    let begun = upload(&site, &whole, "../Büro/holiday.coffer")
        .expect(201)
        .json();
    assert_eq!(begun["state"], "stored");
    assert_eq!(files(&site), 0);
    let backups = site.get("/api/backups").expect(200).json();
    let backup = &backups[0];
    assert_eq!(backup["id"], begun["backup"]);
    assert_eq!(
        (&backup["origin"], &backup["state"]),
        (&"uploaded".into(), &"verified".into())
    );
    assert_eq!(backup["source_name"], "holiday.coffer");
    assert_eq!(
        backup["uploaded_by"],
        site.get("/api/session").json()["user"]["name"]
    );
    assert!(backup["name"].as_str().unwrap().starts_with("holiday-"));
    assert!(backup["source"].is_null() && backup["contents"].is_null());

    let id = backup["id"].as_str().unwrap();
    let address = format!("/api/backups/{id}/archive");
    let stored = site.get(&address).expect(200);
    assert_eq!(stored.body, whole);
    assert_eq!(stored.header("x-content-type-options"), "nosniff");
    assert!(
        stored
            .header("content-security-policy")
            .starts_with("sandbox")
    );
    let part = site
        .send("GET", &address, &[("range", "bytes=-72")], &[])
        .expect(206);
    assert_eq!(part.body, whole[whole.len() - 72..]);

    // It counts against the quota as long as it is there.
    let more = upload(&site, &sealed(&vec![1; 800_000], "p"), "more");
    assert_eq!(more.problem(), (413, "quota_exceeded".into()));

    // Rot is found without a key, and told.
    let scrub = || {
        site.post(&format!("/api/backups/{id}/scrub"), &json!({}))
            .expect(200)
            .json()
    };
    assert_eq!(scrub()["state"], "verified");
    let path = site
        .data
        .join("archives")
        .join(backup["name"].as_str().unwrap());
    let mut rotten = whole.clone();
    rotten[200_000] ^= 4;
    fs::write(&path, &rotten).unwrap();
    assert_eq!(scrub()["state"], "damaged");
    fs::write(&path, &whole).unwrap();
    assert_eq!(scrub()["state"], "verified");

    let _gone = site.delete(&format!("/api/backups/{id}")).expect(204);
    assert!(!path.exists());
    let more = upload(&site, &sealed(&vec![1; 800_000], "p"), "more")
        .expect(201)
        .json();
    assert_eq!(more["state"], "stored");
}

#[test]
fn what_is_not_whole_is_not_kept() {
    let (_folder, site) = Site::signed_in(SMALL);
    let whole = sealed(&[7; 100_000], "p");
    let mut rotten = whole.clone();
    rotten[50_000] ^= 1;
    let mut longer = whole.clone();
    longer.push(0);
    for (bytes, code) in [
        (&rotten[..], "damaged"),
        (&whole[..whole.len() - 1], "cut_short"),
        (&longer[..], "cut_short"),
        (&whole[..5000], "cut_short"),
    ] {
        assert_eq!(upload(&site, bytes, "a").problem(), (422, code.into()));
    }
    let nobody = upload(&site, &sealed_for_nobody(), "a");
    assert_eq!(nobody.problem(), (422, "no_way_in".into()));
    assert_eq!(site.get("/api/backups").json(), json!([]));
    assert_eq!(files(&site), 0);
    assert_eq!(fs::read_dir(site.data.join("archives")).unwrap().count(), 0);
}

#[test]
fn what_came_whole_is_kept_after_a_restart_too() {
    let (_folder, site) = Site::signed_in(SMALL);
    let whole = sealed(&[7; 100_000], "p");
    let length = whole.len().to_string();
    let headers = [TUS, ("upload-length", length.as_str())];
    let begun = site
        .send("POST", "/api/uploads", &headers, &[])
        .expect(201)
        .json();
    let id = begun["id"].as_str().unwrap().to_owned();
    let _some = site.append(&id, 0, &whole[..60_000]).expect(204);
    let site = site.restarted(SMALL);
    assert_eq!(offset(&site, &id), "60000");
    // The last bytes came, and then the process ended before it could look at them.
    let data = site.data.clone();
    drop(site);
    fs::write(data.join("uploads").join(&id), &whole).unwrap();
    let mut site = Site::start(data, SMALL);
    site.sign_in();
    let start = Instant::now();
    while site.get("/api/backups").json() == json!([]) && start.elapsed() < Duration::from_secs(20)
    {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(site.get("/api/backups").json()[0]["size"], whole.len());
    assert_eq!(files(&site), 0);
}

#[test]
fn a_full_disk_is_told_and_the_upload_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let untested = "an upload to a full disk";
    let Some(_disk) = SmallDisk::try_mount(&data.join("uploads"), 256 << 10, untested) else {
        return;
    };
    let mut site = Site::start(data, SMALL);
    site.sign_in();
    let whole = sealed(&vec![7; 200_000], "p");
    let announced = upload(&site, &vec![0; 600_000], "a");
    assert_eq!(announced.problem(), (507, "disk_full".into()));
    let other = site.data.join("uploads").join("other");
    fs::write(&other, vec![0; 100 << 10]).unwrap();
    let id = site.begin_upload("archive").expect(201).json();
    let id = id["id"].as_str().unwrap();
    let _some = site.append(id, 0, &whole[..100_000]).expect(204);
    let full = site.append(id, 100_000, &whole[100_000..]);
    assert_eq!(full.problem(), (507, "disk_full".into()));
    let kept: usize = offset(&site, id).parse().unwrap();
    assert!((100_000..whole.len()).contains(&kept), "{kept}");
    fs::remove_file(other).unwrap();
    let length = whole.len().to_string();
    let (at, path) = (kept.to_string(), format!("/api/uploads/{id}"));
    let rest = [
        TUS,
        PIECE,
        ("upload-offset", at.as_str()),
        ("upload-length", length.as_str()),
    ];
    let _rest = site.send("PATCH", &path, &rest, &whole[kept..]).expect(204);
    assert_eq!(site.get(&path).json()["state"], "stored");
}
