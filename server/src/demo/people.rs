//! Customers, agents, teams and who is signed in.

use rusqlite::{Transaction, params};

use super::{DemoError, generator::Generator, picture, texts};

/// A customer, as far as tickets need to know.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) id: u32,
    pub(super) name: &'static str,
    pub(super) language: &'static str,
}

/// An agent who answers tickets.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) id: u32,
    pub(super) first_name: &'static str,
}

/// Everybody, with the number of teams, whose ids count from 1.
#[derive(Debug)]
pub(super) struct People {
    pub(super) customers: Vec<Customer>,
    pub(super) agents: Vec<Agent>,
    pub(super) teams: u32,
}

const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LETTERS: &str = "abcdefghijkmnpqrstuvwxyz23456789";
const TEAMS: [&str; 4] = [
    "Erste Hilfe",
    "Netz & Telefonie",
    "Arbeitsplätze",
    "Sicherheit 🔐",
];

/// Fills the tables of people.
pub(super) fn fill(db: &Transaction<'_>) -> Result<People, DemoError> {
    let mut random = Generator::new(1);
    let customers = customers(db, &mut random)?;
    let agents = agents(db, &mut random)?;
    teams(db, &agents)?;
    sessions(db, &mut random, &agents)?;
    Ok(People {
        customers,
        agents,
        teams: TEAMS.len() as u32,
    })
}

fn customers(db: &Transaction<'_>, random: &mut Generator) -> Result<Vec<Customer>, DemoError> {
    let mut insert = db.prepare("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    let mut customers = Vec::new();
    for (id, [name, mailbox, organisation, language]) in (1..).zip(texts::customers()?) {
        // Berlin's numbers from 030 23125 000 on are kept free for films and examples.
        let phone = random
            .chance(80)
            .then(|| format!("+49 30 23125 {:03}", 100 + id));
        let password = random.chance(60).then(|| password_hash(random));
        let notes = (id % 13 == 0)
            .then_some("Bitte nur vormittags anrufen.\nRaum im 2. Stock, Klingel „Büro“.");
        insert.execute(params![
            id,
            name,
            format!("{mailbox}@{language}.example.com"),
            phone,
            organisation,
            language,
            password,
            notes,
            format!(
                "2025-{:02}-{:02}T09:{:02}:00Z",
                1 + id % 12,
                1 + id % 28,
                id % 60
            ),
        ])?;
        customers.push(Customer { id, name, language });
    }
    Ok(customers)
}

/// The shape of an Argon2id hash; the salt reads `demo-only-salt!!`, and the rest is the hash of nothing.
fn password_hash(random: &mut Generator) -> String {
    // 32 bytes are 42 digits and one whose lowest two bits are zero.
    format!(
        "$argon2id$v=19$m=19456,t=2,p=1$ZGVtby1vbmx5LXNhbHQhIQ${}{}",
        random.text(BASE64, 42),
        random.text("AEIMQUYcgkosw048", 1)
    )
}

fn agents(db: &Transaction<'_>, random: &mut Generator) -> Result<Vec<Agent>, DemoError> {
    let mut insert = db.prepare("INSERT INTO agents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    let mut agents = Vec::new();
    for (id, [name, mailbox, role, signature]) in (1..).zip(texts::agents()?) {
        let left = role == "left";
        let second_factor = !left && id % 4 != 0;
        insert.execute(params![
            id,
            name,
            format!("{mailbox}@lindenhof.example"),
            role,
            password_hash(random),
            second_factor.then(|| format!("DEMO{}", random.text(BASE32, 28))),
            second_factor.then(|| recovery_codes(random)),
            (id % 3 == 1).then(|| format!("hd_demo_{}", random.text(LETTERS, 32))),
            (!left).then(|| picture::avatar(random)).transpose()?,
            (!signature.is_empty()).then(|| signature.replace("\\n", "\n")),
            (!left).then(|| format!("2026-10-23T1{}:{:02}:11Z", id % 6, 7 * id % 60)),
        ])?;
        if !left {
            agents.push(Agent {
                id,
                first_name: name.split(' ').next().unwrap_or(name),
            });
        }
    }
    Ok(agents)
}

fn recovery_codes(random: &mut Generator) -> String {
    let codes: Vec<_> = (0..6)
        .map(|_| {
            format!(
                "demo-{}-{}",
                random.text(LETTERS, 4),
                random.text(LETTERS, 4)
            )
        })
        .collect();
    codes.join(" ")
}

fn teams(db: &Transaction<'_>, agents: &[Agent]) -> Result<(), DemoError> {
    let mut member = db.prepare("INSERT INTO team_members VALUES (?, ?, ?)")?;
    for (id, name) in (1..).zip(TEAMS) {
        let members = agents
            .iter()
            .filter(|agent| agent.id % 4 == id % 4 || agent.id == 1);
        // Whoever led the last team left.
        let lead = (id != 4).then_some(id);
        db.execute(
            "INSERT INTO teams VALUES (?, ?, ?)",
            params![id, name, lead],
        )?;
        for agent in members {
            let joined = format!("2024-{:02}-01", agent.id + id);
            member.execute(params![id, agent.id, joined])?;
        }
    }
    Ok(())
}

fn sessions(
    db: &Transaction<'_>,
    random: &mut Generator,
    agents: &[Agent],
) -> Result<(), DemoError> {
    let mut insert = db.prepare("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)")?;
    for number in 0..14 {
        let agent = random.pick(agents).id;
        insert.execute(params![
            random.bytes(32),
            agent,
            format!("192.0.2.{}", 10 + number),
            (number % 5 != 0).then_some(
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
            ),
            // 2026-10-24 and the days after it.
            1_792_800_000 + 86_400 * i64::from(number),
        ])?;
    }
    Ok(())
}
