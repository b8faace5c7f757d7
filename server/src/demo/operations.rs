//! What keeps the help desk running: knowledge base, search words, settings, mailboxes, webhooks, audit log.

use std::collections::BTreeSet;

use rusqlite::{Transaction, params, types::Value};

use super::{DemoError, generator::Generator, people::People, picture, texts};

/// Fills the remaining tables.
pub(super) fn fill(db: &Transaction<'_>, people: &People) -> Result<(), DemoError> {
    let mut random = Generator::new(4);
    articles(db, people)?;
    search_words(db)?;
    settings(db)?;
    connections(db, &mut random)?;
    audit_log(db, people, &mut random)
}

fn articles(db: &Transaction<'_>, people: &People) -> Result<(), DemoError> {
    let authors = people.agents.iter().cycle();
    for ((id, article), author) in (1..).zip(texts::articles()?).zip(authors) {
        let published = article
            .body
            .is_some()
            .then(|| format!("2026-{:02}-15T08:00:00Z", 1 + id % 9));
        db.execute(
            "INSERT INTO kb_articles VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                id,
                article.slug,
                article.title,
                article.language,
                article.body,
                author.id,
                published
            ],
        )?;
    }
    Ok(())
}

/// Words of three characters and more, in lower case.
fn search_words(db: &Transaction<'_>) -> Result<(), DemoError> {
    let mut read = db.prepare(
        "SELECT 'ticket', id, subject FROM tickets UNION ALL SELECT 'article', id, title FROM kb_articles",
    )?;
    let mut found = BTreeSet::new();
    let mut rows = read.query(())?;
    while let Some(row) = rows.next()? {
        let (kind, id, text): (String, i64, String) = row.try_into()?;
        let lower = text.to_lowercase();
        let words = lower
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| word.chars().count() > 2);
        found.extend(words.map(|word| (word.to_owned(), kind.clone(), id)));
    }
    let mut insert = db.prepare("INSERT INTO search_words VALUES (?, ?, ?)")?;
    for word in found {
        insert.execute(word)?;
    }
    Ok(())
}

/// Values of every storage class in one column without a type. None of them is a credential: a preset classifies
/// columns, and so would either lose the others or let it through.
fn settings(db: &Transaction<'_>) -> Result<(), DemoError> {
    let text = |text: &str| Value::Text(text.to_owned());
    let settings = [
        ("app.version", text("3.4.1")),
        ("app.name", text("Lindenhof IT Help Desk")),
        ("brand.colour", text("#2f7d5b")),
        ("brand.logo", Value::Blob(picture::logo()?)),
        (
            "business.hours",
            text(r#"{"mo-fr": ["07:30", "17:00"], "sa": null}"#),
        ),
        ("escalation.factor", Value::Real(1.5)),
        ("escalation.hours", Value::Integer(48)),
        ("export.last", Value::Null),
        (
            "greeting",
            text("Grüß Gott, 你好, مرحبًا, שלום 👋\n\tWie können wir helfen?"),
        ),
        ("import.file", text("C:\\Daten\\Neu\\tickets.csv")),
        ("limits.upload_bytes", Value::Integer(26_214_400)),
        ("limits.never", Value::Integer(i64::MAX)),
        ("numbers.prefix", text("007")),
        ("numbers.start", text("1")),
        ("rating.threshold", Value::Real(3.0)),
        ("rating.weight", Value::Real(0.1)),
        ("signature.default", text("")),
        ("telemetry", Value::Integer(0)),
    ];
    for (key, value) in settings {
        db.execute("INSERT INTO settings VALUES (?, ?)", params![key, value])?;
    }
    Ok(())
}

fn connections(db: &Transaction<'_>, random: &mut Generator) -> Result<(), DemoError> {
    const ALPHABET: &str = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    for (id, (name, team)) in (1..).zip([("hilfe", 1), ("netz", 2), ("pruefung", 4)]) {
        db.execute(
            "INSERT INTO mailboxes VALUES (?, ?, ?, ?, ?)",
            params![
                id,
                format!("{name}@lindenhof.example"),
                "imap.lindenhof.example",
                format!("demo-{}", random.text(ALPHABET, 20)),
                team,
            ],
        )?;
    }
    for (id, (target, error)) in (1..).zip([
        ("https://chat.lindenhof.example/hooks/tickets", None),
        (
            "https://statistik.example.org/eingang",
            Some("HTTP 502 nach 3 Versuchen"),
        ),
    ]) {
        db.execute(
            "INSERT INTO webhooks VALUES (?, ?, ?, ?)",
            params![
                id,
                target,
                format!("whsec_demo_{}", random.text(ALPHABET, 32)),
                error
            ],
        )?;
    }
    Ok(())
}

/// Entries with gaps, and a counter that is ahead of the highest id: those of a test account were removed.
fn audit_log(
    db: &Transaction<'_>,
    people: &People,
    random: &mut Generator,
) -> Result<(), DemoError> {
    const ACTIONS: [&str; 5] = [
        "agent.signed_in",
        "agent.signed_in",
        "ticket.exported",
        "article.edited",
        "setting.changed",
    ];
    let mut insert = db.prepare(
        "INSERT INTO audit_log (agent_id, action, detail, ip, at) VALUES (?, ?, ?, ?, ?)",
    )?;
    for entry in 0..900_u32 {
        let by_system = random.chance(10);
        let agent = random.pick(&people.agents);
        let action = if by_system {
            "mail.fetched"
        } else {
            *random.pick(&ACTIONS)
        };
        let (month, day) = (2 + entry / 100, 1 + entry % 100 / 4);
        let (hour, minute) = (7 + 2 * (entry % 4), random.below(60));
        let ip = if random.chance(20) {
            format!("2001:db8::{:x}", 1 + random.below(200))
        } else {
            format!("198.51.100.{}", 1 + random.below(200))
        };
        insert.execute(params![
            (!by_system).then_some(agent.id),
            action,
            by_system.then(|| format!("{{\"messages\":{}}}", random.below(9))),
            (!by_system).then_some(ip),
            format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z"),
        ])?;
    }
    db.execute("DELETE FROM audit_log WHERE id % 97 = 0 OR id > 895", ())?;
    Ok(())
}
