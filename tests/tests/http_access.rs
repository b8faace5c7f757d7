//! Who is let in, and who is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
};

use coffer_server::http::{DEFAULT_UPLOAD_QUOTA, ServeError, ServeOptions, Server};
use coffer_tests::site::{Site, Start};
use serde_json::json;

const BARE: Start = Start {
    demo: false,
    upload_quota: DEFAULT_UPLOAD_QUOTA,
};
const JSON: (&str, &str) = ("content-type", "application/json");
const SOME_ID: &str = "0123456789abcdef0123456789abcdef";

/// Every address that needs a sign-in.
fn guarded() -> Vec<(&'static str, String)> {
    let id = SOME_ID;
    [
        ("GET", "/api/metrics".to_owned()),
        ("DELETE", "/api/session".to_owned()),
        ("GET", "/api/sources".to_owned()),
        ("POST", "/api/sources".to_owned()),
        ("DELETE", format!("/api/sources/{id}")),
        ("POST", format!("/api/sources/{id}/backups")),
        ("GET", "/api/profiles".to_owned()),
        ("POST", "/api/profiles".to_owned()),
        ("GET", "/api/runs".to_owned()),
        ("GET", format!("/api/runs/{id}")),
        ("GET", format!("/api/runs/{id}/events")),
        ("POST", format!("/api/runs/{id}/cancel")),
        ("GET", "/api/backups".to_owned()),
        ("DELETE", format!("/api/backups/{id}")),
        ("GET", format!("/api/backups/{id}/archive")),
        ("POST", "/api/plans".to_owned()),
        ("POST", "/api/uploads".to_owned()),
        ("GET", format!("/api/uploads/{id}")),
        ("PATCH", format!("/api/uploads/{id}")),
        ("DELETE", format!("/api/uploads/{id}")),
        ("POST", "/api/restores".to_owned()),
        ("GET", "/api/anything/else".to_owned()),
        ("GET", "/api/backups/".to_owned()),
    ]
    .into()
}

#[test]
fn nothing_answers_unsigned() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start(folder.path().join("data"), BARE);
    assert_eq!(
        site.get("/healthz").expect(200).json(),
        json!({ "status": "ok" })
    );
    let session = site.get("/api/session").expect(200).json();
    assert_eq!(session["signed_in"], false);
    assert_eq!(session["sender"], json!(null));
    for (method, path) in guarded() {
        let answer = site.send(method, &path, &[JSON], b"{}");
        assert_eq!(
            answer.problem(),
            (401, "not_signed_in".into()),
            "{method} {path}"
        );
        let forged = [JSON, ("cookie", "coffer_session=0123456789abcdef")];
        let answer = site.send(method, &path, &forged, b"{}");
        assert_eq!(answer.status, 401, "{method} {path}");
    }
}

#[test]
fn monitors_are_told_how_things_stand() {
    let (_folder, site) = Site::signed_in(Start { demo: true, ..BARE });
    assert_eq!(
        site.get("/readyz").expect(200).json(),
        json!({ "status": "ready" })
    );
    site.get(&format!("/api/runs/{SOME_ID}")).expect(404);
    site.get("/no/such/page").expect(404);
    let answer = site.get("/api/metrics").expect(200);
    let kind = answer.header("content-type");
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = String::from_utf8(answer.body.clone()).unwrap();
    for line in [
        // One line for all ids, and one for all addresses that there are not.
        r#"coffer_http_requests_total{method="GET",route="/api/runs/{id}",status="404"} 1"#,
        r#"coffer_http_requests_total{method="GET",route="other",status="404"} 1"#,
        r#"coffer_http_requests_total{method="GET",route="/readyz",status="200"} 1"#,
        r#"coffer_backups{state="verified"} 0"#,
        r#"coffer_runs_running{kind="backup"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    // The demo's source has no backup yet, which a rule on its age has to notice.
    let demo = text
        .lines()
        .find(|line| line.starts_with("coffer_last_verified_backup_timestamp_seconds{"));
    assert!(demo.is_some_and(|line| line.ends_with("} 0")), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn the_link_signs_in_once_and_a_session_can_be_ended() {
    let (_folder, site) = Site::signed_in(BARE);
    assert_eq!(site.get("/api/session").json()["signed_in"], true);
    let chosen = json!({ "token": site.token, "name": "Eve", "password": "correct horse battery" });
    let again = site.post("/api/session/link", &chosen);
    assert_eq!(again.problem(), (401, "wrong_link".into()));
    assert_eq!(again.header("set-cookie"), "");
    assert_eq!(site.get("/api/sources").expect(200).json(), json!([]));
    let answer = site.delete("/api/session").expect(204);
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(site.get("/api/sources").status, 401);
}

#[test]
fn other_sites_change_nothing() {
    let (_folder, site) = Site::signed_in(BARE);
    let own = format!("http://{}", site.address);
    // An address that changes something, and that finds nothing to change.
    let path = format!("/api/runs/{}/cancel", "0".repeat(32));
    let post = |headers: &[(&str, &str)]| site.send("POST", &path, headers, b"{}");
    for allowed in [
        vec![JSON],
        vec![JSON, ("sec-fetch-site", "same-origin"), ("origin", &own)],
        vec![("content-type", "application/json; charset=utf-8")],
    ] {
        assert_eq!(
            post(&allowed).problem(),
            (404, "no_run".into()),
            "{allowed:?}"
        );
    }
    let other_port = "http://127.0.0.1:1";
    for refused in [
        vec![JSON, ("sec-fetch-site", "cross-site")],
        vec![JSON, ("sec-fetch-site", "same-site")],
        vec![JSON, ("sec-fetch-site", "none")],
        vec![JSON, ("origin", "http://evil.example")],
        vec![JSON, ("origin", other_port)],
        vec![JSON, ("origin", "null")],
        vec![
            JSON,
            ("origin", "http://evil.example"),
            ("sec-fetch-site", "same-origin"),
        ],
    ] {
        assert_eq!(
            post(&refused).problem(),
            (403, "cross_site".into()),
            "{refused:?}"
        );
    }
    for form in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let answer = post(&[("content-type", form)]);
        assert_eq!(answer.problem(), (415, "unsupported_media_type".into()));
    }
    // Browsers never send a token by themselves, but they do send what a proxy's own sign-in was given.
    let token = post(&[("authorization", "Bearer nobody")]);
    assert_eq!(token.problem(), (401, "not_signed_in".into()));
    let basic = post(&[("authorization", "Basic dTpw")]);
    assert_eq!(basic.problem(), (415, "unsupported_media_type".into()));
    // An address in an upload's own type is no way around JSON.
    let answer = site.send(
        "POST",
        "/api/sources",
        &[("content-type", "application/offset+octet-stream")],
        b"x",
    );
    assert_eq!(answer.problem(), (400, "bad_json".into()));
}

#[test]
fn only_known_hosts_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start(folder.path().join("data"), BARE);
    let with_host = |host: &str| {
        let mut stream = TcpStream::connect(site.address).unwrap();
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\n{host}Connection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let port = site.address.port();
    for host in [
        format!("Host: 127.0.0.1:{port}\r\n"),
        format!("Host: localhost:{port}\r\n"),
        "Host: localhost:9\r\n".to_owned(),
        "Host: backup.example\r\n".to_owned(),
    ] {
        assert_eq!(with_host(&host), "200", "{host}");
    }
    for host in [
        "Host: evil.example\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "",
    ] {
        assert_ne!(with_host(host), "200", "{host}");
    }
}

#[test]
fn every_answer_is_guarded_by_headers() {
    let (_folder, site) = Site::signed_in(BARE);
    for path in [
        "/",
        "/healthz",
        "/api/sources",
        "/api/nothing",
        "/nothing.js",
    ] {
        let answer = site.get(path);
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"));
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe-inline"), "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
    }
    assert_eq!(site.get("/api/sources").header("cache-control"), "no-store");
}

#[test]
fn what_cannot_be_read_is_refused_in_one_form() {
    let (_folder, site) = Site::signed_in(BARE);
    let post = |body: &[u8]| site.send("POST", "/api/profiles", &[JSON], body).problem();
    assert_eq!(post(b""), (400, "bad_json".into()));
    assert_eq!(post(b"{}"), (400, "bad_json".into()));
    // One byte too many: all of it was read when that shows. Of a much longer body the server reads no more, and whoever
    // is still sending then may see a broken connection before the answer.
    assert_eq!(post(&vec![b' '; 1 << 20]), (400, "bad_json".into()));
    let large = vec![b' '; (1 << 20) + 1];
    assert_eq!(post(&large), (413, "body_too_large".into()));
    let unknown = site.get(&format!("/api/runs/{SOME_ID}"));
    assert_eq!(unknown.problem(), (404, "no_run".into()));
    for id in ["..%2f..%2fetc%2fpasswd", "1", "%00"] {
        let answer = site.get(&format!("/api/backups/{id}/archive"));
        assert_eq!(answer.problem(), (404, "no_such_id".into()), "{id}");
    }
    let answer = site.send("PUT", "/api/sources", &[JSON], b"{}");
    assert_eq!(answer.problem(), (405, "no_such_method".into()));
}

#[test]
fn the_web_app_is_sent_with_its_types_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("web");
    std::fs::create_dir_all(web.join("assets")).unwrap();
    std::fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    for (name, text) in [
        ("index.html", "<!doctype html>"),
        ("assets/a.js", "1"),
        ("assets/a.wasm", "\0asm"),
        ("icon.svg", "<svg/>"),
    ] {
        std::fs::write(web.join(name), text).unwrap();
    }
    let site = Site::start_with(ServeOptions {
        web: Some(web),
        ..options(folder.path().join("data"))
    });
    for (path, kind) in [
        ("/", "text/html"),
        ("/assets/a.js", "text/javascript"),
        ("/assets/a.wasm", "application/wasm"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = site.get(path).expect(200);
        assert!(answer.header("content-type").starts_with(kind), "{path}");
        assert!(
            answer
                .header("content-security-policy")
                .contains("'wasm-unsafe-eval'")
        );
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
    for path in [
        "/secret.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
    ] {
        assert_eq!(site.get(path).status, 404, "{path}");
    }
}

fn options(data: std::path::PathBuf) -> ServeOptions {
    ServeOptions {
        sources: Vec::new(),
        listen: Some("127.0.0.1:0".parse().unwrap()),
        data,
        catalog: None,
        store: None,
        web: None,
        demo: false,
        allow_remote: false,
        hosts: vec![],
        trusted_proxies: Vec::new(),
        upload_quota: DEFAULT_UPLOAD_QUOTA,
        user_upload_quota: DEFAULT_UPLOAD_QUOTA,
        safety_recipients: Vec::new(),
    }
}

#[tokio::test]
async fn what_would_be_unsafe_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let remote = ServeOptions {
        listen: Some("0.0.0.0:0".parse().unwrap()),
        ..options(data.clone())
    };
    let error = Server::start(remote.clone()).await.unwrap_err();
    assert!(matches!(error, ServeError::Remote { .. }), "{error}");
    assert!(!data.exists(), "nothing was made");

    let allowed = ServeOptions {
        allow_remote: true,
        ..remote
    };
    let first = Server::start(allowed).await.unwrap();
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let second = Server::start(options(data.clone())).await.unwrap_err();
    assert!(matches!(second, ServeError::InUse { .. }), "{second}");

    let web = ServeOptions {
        web: Some(folder.path().to_owned()),
        ..options(folder.path().join("other"))
    };
    let error = Server::start(web).await.unwrap_err();
    assert!(matches!(error, ServeError::NoWebApp { .. }), "{error}");
    let taken = ServeOptions {
        listen: Some(first.address()),
        allow_remote: true,
        ..options(folder.path().join("other"))
    };
    let error = Server::start(taken).await.unwrap_err();
    assert!(matches!(error, ServeError::Listen { .. }), "{error}");
}
