//! Tickets, their messages and tags.

use rusqlite::{Transaction, params};
use time::{Duration, OffsetDateTime};

use super::{
    DemoError, documents,
    generator::Generator,
    people::{Agent, Customer, People},
    texts::{self, Author, Conversation, Language, Line},
};
use crate::clock;

/// How many tickets there are.
pub(super) const COUNT: u32 = 600;
/// The last ones, which nobody has solved yet.
const UNSOLVED: u32 = 70;
/// The days they came in on, from Monday, 2 February to Friday, 23 October 2026.
const WORKDAYS: u32 = 190;
const FIRST_DAY: i64 = 1_769_990_400;
/// Tags and their colours; topics of conversations are among them.
const TAGS: [(&str, Option<&str>); 14] = [
    ("access", Some("#2b6cb0")),
    ("backup", Some("#2f7d5b")),
    ("hardware", Some("#b74f2e")),
    ("mail", Some("#7a4fa3")),
    ("moving", None),
    ("network", Some("#2b6cb0")),
    ("onboarding", Some("#c28f1c")),
    ("printing", Some("#b74f2e")),
    ("security", Some("#a83657")),
    ("software", Some("#7a4fa3")),
    ("telephony", None),
    ("Vor-Ort-Termin 🚲", Some("#2f7d5b")),
    ("wiederholt", None),
    ("Führungskreis", Some("#3b414d")),
];

/// A ticket, as far as uploads need to know.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) id: u32,
    /// The customer's message that opened it.
    pub(super) first_message: i64,
    pub(super) created: OffsetDateTime,
}

/// What is decided about a ticket before its row can be written: another may be merged into it.
struct Draft<'a> {
    id: u32,
    customer: &'a Customer,
    language: &'a Language,
    conversation: &'a Conversation,
    merged_into: Option<u32>,
    created: OffsetDateTime,
}

impl Draft<'_> {
    const fn solved(&self) -> bool {
        self.id <= COUNT - UNSOLVED && self.merged_into.is_none()
    }
}

/// Fills the tables of tickets.
pub(super) fn fill(db: &Transaction<'_>, people: &People) -> Result<Vec<Ticket>, DemoError> {
    for (id, (name, colour)) in (1..).zip(TAGS) {
        db.execute(
            "INSERT INTO tags VALUES (?, ?, ?)",
            params![id, name, colour],
        )?;
    }
    let languages = texts::languages()?;
    let mut random = Generator::new(2);
    let mut drafts = drafts(people, &languages, &mut random)?;
    merge(&mut drafts);
    drafts
        .iter()
        .map(|draft| write(db, draft, people, &mut random))
        .collect()
}

fn drafts<'a>(
    people: &'a People,
    languages: &'a [Language],
    random: &mut Generator,
) -> Result<Vec<Draft<'a>>, DemoError> {
    let mut drafts = Vec::new();
    for id in 1..=COUNT {
        let customer = random.pick(&people.customers);
        let language = languages
            .iter()
            .find(|language| language.code == customer.language)
            .ok_or(DemoError::Text {
                file: "customers.txt",
                line: customer.id as usize,
            })?;
        drafts.push(Draft {
            id,
            customer,
            language,
            conversation: random.pick(&language.conversations),
            merged_into: None,
            created: arrival(id, random),
        });
    }
    Ok(drafts)
}

/// Tickets come in evenly over the workdays, in the order of their ids.
fn arrival(id: u32, random: &mut Generator) -> OffsetDateTime {
    let place = (id - 1) * WORKDAYS;
    let (workday, rest) = (place / COUNT, place % COUNT);
    let day = workday / 5 * 7 + workday % 5;
    let (hours, apart) = (9 * 3600, 9 * 3600 * WORKDAYS / COUNT);
    let second = 6 * 3600 + hours * rest / COUNT + random.below(apart);
    OffsetDateTime::UNIX_EPOCH
        + Duration::seconds(FIRST_DAY + i64::from(day) * 86_400 + i64::from(second))
}

/// Merges some tickets into another one of the same customer, as often into a later one as into an earlier one.
fn merge(drafts: &mut [Draft<'_>]) {
    for at in (10..drafts.len()).step_by(41) {
        let customer = drafts[at].customer.id;
        let other = |draft: &&Draft<'_>| {
            draft.customer.id == customer && draft.id % 41 != 11 && draft.merged_into.is_none()
        };
        let later = drafts[at + 1..].iter().find(other);
        let earlier = drafts[..at].iter().rev().find(other);
        let target = if at % 2 == 0 {
            later.or(earlier)
        } else {
            earlier.or(later)
        };
        if let Some((id, conversation)) = target.map(|draft| (draft.id, draft.conversation)) {
            // Asked twice: both are about the same.
            drafts[at].merged_into = Some(id);
            drafts[at].conversation = conversation;
        }
    }
}

fn write(
    db: &Transaction<'_>,
    draft: &Draft<'_>,
    people: &People,
    random: &mut Generator,
) -> Result<Ticket, DemoError> {
    let agent = random.pick(&people.agents);
    let words = Words::new(draft.customer, agent, random);
    let lines = course(draft, random);
    let answered = lines.iter().any(|line| line.author == Author::Agent);
    let status = match draft.merged_into {
        Some(_) => "merged",
        None if draft.solved() => "solved",
        None if !answered => "new",
        None if random.chance(40) => "waiting",
        None => "open",
    };
    let mut sent = draft.created;
    let mut messages = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut body = words.fill(line.text);
        if number == 0 {
            append_log(&mut body, draft, random);
        }
        messages.push((line.author, body, sent));
        sent += Duration::seconds(i64::from(240 + random.below(20_000)));
    }
    let closed = (draft.merged_into.is_some() || draft.solved()).then(|| clock::text(sent));

    db.execute(
"INSERT INTO tickets (id, customer_id, team_id, assignee_id, merged_into, subject, status, priority,
            satisfaction, custom_fields, access_token, created_at, closed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
params![
        draft.id,
        draft.customer.id,
        1 + random.below(people.teams),
        (status != "new").then_some(agent.id),
        draft.merged_into,
        words.fill(draft.conversation.subject),
        status,
        *random.pick(&[1, 2, 2, 2, 3, 3, 4]),
        (draft.solved() && random.chance(45)).then(|| f64::from(60 + random.below(41)) / 20.0),
        random.chance(30).then(|| words.custom_fields()),
        random
            .chance(25)
            .then(|| format!("hd_demo_link_{}", random.text("abcdefghjkmnpqrstvwxyz23456789", 24))),
        clock::text(draft.created),
        closed,
    ])?;
    let mut first_message = None;
    for (author, body, sent) in messages {
        let by_customer = author == Author::Customer;
        db.execute(
            "INSERT INTO messages (ticket_id, agent_id, customer_id, internal, body, sent_at)
             VALUES (?, ?, ?, ?, ?, ?)",
            params![
                draft.id,
                (!by_customer).then_some(agent.id),
                by_customer.then_some(draft.customer.id),
                author == Author::Note,
                body,
                clock::text(sent),
            ],
        )?;
        first_message.get_or_insert(db.last_insert_rowid());
    }
    tag(db, draft, random)?;
    Ok(Ticket {
        id: draft.id,
        // No message has the id 0: SQLite would refuse an attachment to it.
        first_message: first_message.unwrap_or(0),
        created: draft.created,
    })
}

/// The lines of a ticket: a conversation as far as it has come, with what people write in between.
fn course(draft: &Draft<'_>, random: &mut Generator) -> Vec<Line> {
    let mut lines = draft.conversation.lines.clone();
    if draft.merged_into.is_some() {
        lines.truncate(1);
    } else if !draft.solved() {
        lines.truncate(1 + random.below(3) as usize);
    } else {
        for _ in 0..random.below(4) {
            let length = u32::try_from(lines.len()).unwrap_or(u32::MAX);
            let at = 1 + random.below(length) as usize;
            lines.insert(at, *random.pick(&draft.language.extras));
        }
    }
    lines
}

/// Some customers paste a log into their message, and one of them pastes all of it.
fn append_log(body: &mut String, draft: &Draft<'_>, random: &mut Generator) {
    let lines = match draft.id {
        300 => 3_000,
        id if id % 53 == 7 => 20 + random.below(60),
        _ => return,
    };
    body.push_str("\n\n--- vpn.log ---\n");
    body.push_str(&documents::log(lines, random));
}

fn tag(db: &Transaction<'_>, draft: &Draft<'_>, random: &mut Generator) -> Result<(), DemoError> {
    let mut insert =
        db.prepare("INSERT OR IGNORE INTO ticket_tags SELECT ?, id FROM tags WHERE name = ?")?;
    insert.execute(params![draft.id, draft.conversation.topic])?;
    if random.chance(35) {
        insert.execute(params![draft.id, random.pick(&TAGS[11..]).0])?;
    }
    Ok(())
}

/// What is filled into the texts of one ticket.
struct Words<'a> {
    customer: &'a str,
    agent: &'a str,
    device: String,
    room: String,
    number: u32,
}

impl<'a> Words<'a> {
    fn new(customer: &'a Customer, agent: &'a Agent, random: &mut Generator) -> Self {
        let kind = random.pick(&["NB", "PC", "PR", "AP"]);
        Self {
            customer: customer.name,
            agent: agent.first_name,
            device: format!("LH-{kind}-{:04}", random.below(2_000)),
            room: format!("{}.{:02}", random.below(5), 1 + random.below(24)),
            number: 2 + random.below(38),
        }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{customer}", self.customer)
            .replace("{agent}", self.agent)
            .replace("{device}", &self.device)
            .replace("{room}", &self.room)
            .replace("{n}", &self.number.to_string())
    }

    fn custom_fields(&self) -> String {
        serde_json::json!({ "gerät": self.device, "raum": self.room, "vor_ort": self.number > 30 })
            .to_string()
    }
}
