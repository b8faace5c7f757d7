//! What is told of jobs, to a mail server and a web server of the test's own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    thread,
};

use base64ct::{Base64, Encoding};
use coffer_core::Digest;
use coffer_server::{catalog::Id, notify::ChannelSecret};
use coffer_tests::{
    keys::profile,
    site::{Site, Start},
};
use serde_json::{Value, json};

use crate::{LIMIT, PASSWORD, add_job, folder_destination, id, run};

/// Takes one message after the other, as a mail server or a web server would, and hands on what it was sent.
fn smtp_sink() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
            socket.write_all(b"220 sink ESMTP\r\n").unwrap();
            while let Some(Ok(line)) = lines.next() {
                let answer: &[u8] =
                    match line.split(' ').next().unwrap_or("").to_uppercase().as_str() {
                        "DATA" => {
                            socket.write_all(b"354 go on\r\n").unwrap();
                            let mail: Vec<String> = lines
                                .by_ref()
                                .map_while(Result::ok)
                                .take_while(|line| line != ".")
                                .collect();
                            sender.send(mail.join("\n")).unwrap();
                            b"250 taken\r\n"
                        }
                        "QUIT" => b"221 bye\r\n",
                        _ => b"250 ok\r\n",
                    };
                if socket.write_all(answer).is_err() {
                    break;
                }
            }
        }
    });
    (port, receiver)
}

/// Requests as they came: head and body.
fn web_sink() -> (u16, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap() == 0 {
                    break;
                }
            }
            let len = header(&head, "content-length").parse().unwrap();
            let mut body = vec![0; len];
            reader.read_exact(&mut body).unwrap();
            sender
                .send((head, String::from_utf8(body).unwrap()))
                .unwrap();
            socket
                .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                .unwrap();
        }
    });
    (port, receiver)
}

/// HMAC-SHA-256 as RFC 2104 has it, by nothing but the hash.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    assert!(key.len() <= 64);
    let padded = |with: u8| {
        let mut block = [with; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block.to_vec()
    };
    let inner = Digest::of(&[padded(0x36), message.to_vec()].concat()).0;
    Digest::of(&[padded(0x5c), inner.to_vec()].concat()).0
}

#[test]
fn the_hmac_of_these_tests_is_the_one_of_rfc_4231() {
    let found = hmac(b"Jefe", b"what do ya want for nothing?");
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(Digest(found).to_string(), expected);
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines()
        .find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
        .unwrap_or("")
}

#[test]
fn a_failure_and_the_recovery_from_it_are_told_once_each() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let (mail_port, mails) = smtp_sink();
    let (web_port, requests) = web_sink();
    let email = json!({ "name": "Mail", "config": { "kind": "email", "host": "127.0.0.1", "port": mail_port,
        "security": "none", "from": "Coffer <coffer@example.org>", "to": ["admin@example.org"] } });
    let email = site.post("/api/channels", &email).expect(201).json();
    let url = format!("http://127.0.0.1:{web_port}/hook");
    let hook = json!({ "name": "Hook", "config": { "kind": "webhook", "url": url } });
    let hook = site.post("/api/channels", &hook).expect(201).json();
    let secret = ChannelSecret::new(hook["secret"].as_str().unwrap());
    assert!(!String::from_utf8_lossy(&site.get("/api/channels").body).contains(secret.expose()));
    let _tried = site
        .post(
            &format!("/api/channels/{}/test", id(&email["channel"])),
            &json!({}),
        )
        .expect(204);
    assert!(
        mails
            .recv_timeout(LIMIT)
            .unwrap()
            .contains("Subject: Coffer: a test")
    );

    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let near = folder_destination(&site, "Disk", &disk);
    let job = add_job(
        &site,
        &profile,
        &[&near],
        json!({ "retries": 1, "retry_seconds": 1 }),
    );
    // What belongs there is not mounted.
    fs::rename(&disk, folder.path().join("away")).unwrap();
    let view = run(&site, &job);
    assert_eq!(
        (&view["state"], &view["attempt"]),
        (&json!("failed"), &json!(2)),
        "{view}"
    );
    assert_eq!(view["error"]["code"], "bad_folder");
    assert_eq!(
        view["log"].as_str().unwrap().matches("attempt").count(),
        2,
        "{view}"
    );
    let mail = mails.recv_timeout(LIMIT).unwrap();
    assert!(
        mail.contains("Subject: Backup failed: Every night"),
        "{mail}"
    );
    let (head, body) = requests.recv_timeout(LIMIT).unwrap();
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["type"], "job.failed");
    assert_eq!(event["data"]["code"], "bad_folder");
    let key = Base64::decode_vec(secret.expose().strip_prefix("whsec_").unwrap()).unwrap();
    let signed = format!(
        "{}.{}.{body}",
        header(&head, "webhook-id"),
        header(&head, "webhook-timestamp")
    );
    let signature = format!(
        "v1,{}",
        Base64::encode_string(&hmac(&key, signed.as_bytes()))
    );
    assert_eq!(header(&head, "webhook-signature"), signature);
    Id::parse(header(&head, "webhook-id")).unwrap();

    fs::rename(folder.path().join("away"), &disk).unwrap();
    for _ in 0..2 {
        assert_eq!(run(&site, &job)["state"], "done");
    }
    let mail = mails.recv_timeout(LIMIT).unwrap();
    assert!(
        mail.contains("Subject: Backup works again: Every night"),
        "{mail}"
    );
    let (_, body) = requests.recv_timeout(LIMIT).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap()["type"],
        "job.recovered"
    );
    // The second success tells nothing; what would be told has been written by now.
    let _tried = site
        .post(
            &format!("/api/channels/{}/test", id(&email["channel"])),
            &json!({}),
        )
        .expect(204);
    assert!(mails.recv_timeout(LIMIT).unwrap().contains("a test"));
}
