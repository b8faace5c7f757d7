//! Several servers on one catalog in PostgreSQL and one store in a bucket.

use std::{fs, path::Path};

use base64ct::{Base64, Encoding};
use coffer_server::{
    catalog::CatalogUrl,
    destination::{DestinationConfig, S3Key},
    http::{ServeOptions, Server, StorePlace},
};
use coffer_tests::{postgres, sealed::sealed};

use super::{KEY, PASSWORD, S3, Site, Value, id, json, profile};

fn store(s3: &S3, bucket: &str) -> StorePlace {
    StorePlace {
        config: DestinationConfig::S3 {
            bucket: bucket.into(),
            prefix: "coffer".into(),
            endpoint: Some(format!("http://{}", s3.address)),
            region: None,
            virtual_host: false,
        },
        key: Some(S3Key {
            access_key_id: KEY.0.into(),
            secret_access_key: KEY.1.to_owned().into(),
        }),
    }
}

fn options(data: &Path, catalog: Option<&str>, store: StorePlace, demo: bool) -> ServeOptions {
    ServeOptions {
        listen: Some(([127, 0, 0, 1], 0).into()),
        data: data.to_owned(),
        catalog: catalog.map(|url| CatalogUrl::parse(url).unwrap()),
        store: Some(store),
        web: None,
        demo,
        allow_remote: false,
        trusted_proxies: Vec::new(),
        hosts: Vec::new(),
        upload_quota: 1 << 30,
        user_upload_quota: 1 << 30,
        sources: Vec::new(),
        safety_recipients: Vec::new(),
    }
}

fn backups(site: &Site) -> Value {
    site.get("/api/backups").expect(200).json()
}

fn archive(site: &Site, backup: &Value) -> (u16, Vec<u8>) {
    let answer = site.get(&format!("/api/backups/{}/archive", id(backup)));
    (answer.status, answer.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_with_one_catalog_and_one_bucket_answer_the_same() {
    let database = postgres::Server::shared();
    let url = database.url(&database.create_database().await);
    let s3 = S3::start();
    let bucket = s3.bucket("archives").join("coffer");
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));

    let mut first = Site::start_with(options(&here, Some(&url), store(&s3, "archives"), true));
    first.sign_in();
    // As its manual says: what servers of one catalog have in common.
    fs::create_dir(&there).unwrap();
    for name in ["secret.key", "sender.key"] {
        fs::copy(here.join(name), there.join(name)).unwrap();
    }
    let mut second = Site::start_with(options(&there, Some(&url), store(&s3, "archives"), false));
    // There is an administrator already.
    assert_eq!(second.stranger().get("/api/sources").status, 401);
    second.sign_in();

    // One takes a backup, to the other a file is uploaded; both have both.
    let home = first.post("/api/profiles", &profile("Home", PASSWORD));
    let home = home.expect(201).json();
    let path = format!("/api/sources/{}/backups", first.demo());
    let run = first.post(&path, &json!({ "profile": home["id"] }));
    let ended = first.ended(run.expect(202).json()["run"].as_str().unwrap());
    assert_eq!(ended["state"], "done", "{ended}");
    let own = sealed(&[7; 300_000], "p");
    let length = own.len().to_string();
    let metadata = format!("filename {}", Base64::encode_string(b"own.coffer"));
    let headers = [
        ("tus-resumable", "1.0.0"),
        ("content-type", "application/offset+octet-stream"),
        ("upload-length", length.as_str()),
        ("upload-metadata", metadata.as_str()),
    ];
    let uploaded = second.send("POST", "/api/uploads", &headers, &own);
    assert_eq!(uploaded.expect(201).json()["state"], "stored");

    let all = backups(&first);
    assert_eq!(all, backups(&second));
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 2);
    for backup in all {
        assert_eq!(backup["state"], "verified", "{backup}");
        let (status, bytes) = archive(&first, backup);
        assert!(status == 200 && bytes == archive(&second, backup).1);
        assert!(bytes == own || backup["origin"] == "taken");
        // They lie in the bucket, and nowhere else.
        let name = backup["name"].as_str().unwrap();
        assert!(fs::read(bucket.join(name)).unwrap() == bytes);
        for data in [&here, &there] {
            assert!(!data.join("archives").exists());
        }
        let scrub = second.post(&format!("/api/backups/{}/scrub", id(backup)), &json!({}));
        assert_eq!(scrub.expect(200).json()["state"], "verified");
    }

    // What one removes is gone for the other.
    let _gone = second
        .delete(&format!("/api/backups/{}", id(&all[0])))
        .expect(204);
    assert_eq!(archive(&first, &all[0]).0, 404);
    assert_eq!(fs::read_dir(&bucket).unwrap().count(), 1);

    // One that starts while the other works takes nothing from it.
    drop(second);
    let mut again = Site::start_with(options(&there, Some(&url), store(&s3, "archives"), false));
    again.sign_in();
    assert_eq!(backups(&again), backups(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_can_not_be_used_keeps_a_server_from_starting() {
    let s3 = S3::start();
    s3.bucket("archives");
    let folder = tempfile::tempdir().unwrap();
    let mut wrong_key = store(&s3, "archives");
    wrong_key.key.as_mut().unwrap().secret_access_key = "wrong".to_owned().into();
    let mut no_key = store(&s3, "archives");
    no_key.key = None;
    let away = StorePlace {
        config: DestinationConfig::Folder {
            path: folder.path().join("disk"),
        },
        key: None,
    };
    for (name, store) in [("wrong", wrong_key), ("none", no_key), ("away", away)] {
        let started = Server::start(options(&folder.path().join(name), None, store, false)).await;
        let error = started.expect_err(name).to_string();
        assert!(
            error.contains("the server was not started"),
            "{name}: {error}"
        );
    }
}
