//! Uploads that go on where they ended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    io::Write,
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use coffer_tests::site::{Site, Start};
use serde_json::json;

const SMALL: Start = Start {
    demo: false,
    upload_quota: 1 << 20,
};

fn begin(site: &Site) -> String {
    let body = site.post("/api/uploads", &json!({})).expect(201).json();
    body["id"].as_str().unwrap().to_owned()
}

fn offset(site: &Site, id: &str) -> String {
    let path = format!("/api/uploads/{id}");
    let answer = site.send("HEAD", &path, &[], &[]);
    assert!((200..300).contains(&answer.status));
    answer.header("upload-offset").to_owned()
}

#[test]
fn pieces_are_appended_where_the_upload_ends_and_nowhere_else() {
    let (_folder, site) = Site::signed_in(SMALL);
    let id = begin(&site);
    assert_eq!(offset(&site, &id), "0");
    let answer = site.append(&id, 0, b"one ").expect(204);
    assert_eq!(answer.header("upload-offset"), "4");
    for wrong in [0, 3, 5, u64::MAX] {
        let answer = site.append(&id, wrong, b"x");
        assert_eq!(answer.problem(), (409, "wrong_offset".into()), "{wrong}");
        assert_eq!(answer.header("upload-offset"), "4");
    }
    let answer = site.append(&id, 4, b"two").expect(204);
    assert_eq!(answer.header("upload-offset"), "7");
    assert_eq!(
        fs::read(site.data.join("uploads").join(&id)).unwrap(),
        b"one two"
    );

    let path = format!("/api/uploads/{id}");
    let json = site.send(
        "PATCH",
        &path,
        &[("content-type", "application/json")],
        b"{}",
    );
    assert_eq!(json.problem(), (415, "unsupported_media_type".into()));
    let piece = [("content-type", "application/offset+octet-stream")];
    let nowhere = site.send("PATCH", &path, &piece, b"x");
    assert_eq!(nowhere.problem(), (400, "no_offset".into()));

    let _gone = site.delete(&path).expect(204);
    assert_eq!(site.delete(&path).problem(), (404, "no_upload".into()));
    assert_eq!(
        site.append(&id, 7, b"x").problem(),
        (404, "no_upload".into())
    );
    assert_eq!(fs::read_dir(site.data.join("uploads")).unwrap().count(), 0);
}

#[test]
fn what_came_before_the_connection_broke_stays() {
    let (_folder, site) = Site::signed_in(SMALL);
    let id = begin(&site);
    let mut stream = TcpStream::connect(site.address).unwrap();
    let (address, cookie) = (site.address, site.cookie());
    write!(
        stream,
        "PATCH /api/uploads/{id} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nUpload-Offset: 0\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: 100000\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&[7; 60_000]).unwrap();
    stream.flush().unwrap();
    let start = Instant::now();
    while offset(&site, &id) != "60000" && start.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(offset(&site, &id), "60000");
    // Somebody else's piece does not get in between.
    assert_eq!(
        site.append(&id, 60_000, b"x").problem(),
        (409, "upload_busy".into())
    );
    stream.shutdown(Shutdown::Both).unwrap();
    let rest = loop {
        let answer = site.append(&id, 60_000, &[7; 40_000]);
        if answer.status == 204 || start.elapsed() > Duration::from_secs(20) {
            break answer;
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(rest.expect(204).header("upload-offset"), "100000");
    assert_eq!(
        fs::read(site.data.join("uploads").join(&id)).unwrap(),
        vec![7; 100_000]
    );
}

#[test]
fn uploads_have_a_quota_and_end_with_the_process() {
    let (_folder, site) = Site::signed_in(SMALL);
    let id = begin(&site);
    let answer = site.append(&id, 0, &vec![1; (1 << 20) + 1]);
    assert_eq!(answer.problem(), (413, "quota_exceeded".into()));
    let kept = offset(&site, &id).parse::<u64>().unwrap();
    assert!(kept <= 1 << 20);
    let site = site.restarted(SMALL);
    assert_eq!(fs::read_dir(site.data.join("uploads")).unwrap().count(), 0);
    assert_eq!(
        site.append(&id, kept, b"x").problem(),
        (404, "no_upload".into())
    );
}
