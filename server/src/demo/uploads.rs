//! Files that customers attached, in a folder a month and ticket, and the rows that point to them.

use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use coffer_core::digest::Digest;
use rusqlite::{Transaction, params};
use time::OffsetDateTime;

use super::{
    DemoError, documents,
    generator::Generator,
    picture::{self, Scene},
    tickets::Ticket,
};

/// How a file's content is made.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Picture(Scene),
    Log(u32),
    Csv(u32),
    Text(&'static str),
    Mail(&'static str),
    Json,
    Pdf(&'static [&'static str]),
    Empty,
}

const RETURNED: &[&str] = &[
    "Rückgabeprotokoll",
    "Gerät: Notebook 14\" mit Netzteil und Tasche",
    "Zustand: gut, leichte Kratzer am Deckel (siehe Foto)",
    "Datenträger gelöscht am 11.05.2026 durch Lindenhof IT",
    "",
    "Dieses Dokument gehört zu einem erfundenen Help Desk.",
];
const QUOTE: &[&str] = &[
    "Angebot: zweiter Zugangspunkt",
    "1 Zugangspunkt mit Halterung, Montage in 2,60 m Höhe",
    "Summe: 348,00 zuzüglich Umsatzsteuer",
];

const FILES: [(&str, Kind); 40] = [
    ("Bildschirmfoto.png", Kind::Picture(Scene::Dialog)),
    (
        "Fehlermeldung „Stau Fach 2“.png",
        Kind::Picture(Scene::Dialog),
    ),
    ("vpn.log", Kind::Log(400)),
    ("Geräteliste Frühjahr.csv", Kind::Csv(120)),
    ("Grundriss 2. OG.png", Kind::Picture(Scene::Plan)),
    ("画面のエラー.png", Kind::Picture(Scene::Dialog)),
    ("Rückgabeprotokoll.pdf", Kind::Pdf(RETURNED)),
    ("Auslastung März.png", Kind::Picture(Scene::Chart)),
    ("verdächtig.eml", Kind::Mail("=?utf-8?q?LETZTE_MAHNUNG?=")),
    (
        "notes.txt",
        Kind::Text("Restarted twice, same result.\nHappens only with the dock attached.\n"),
    ),
    ("لقطة الشاشة.png", Kind::Picture(Scene::Dialog)),
    ("AP-117.json", Kind::Json),
    ("Verteilerschrank EG.png", Kind::Picture(Scene::Cabinet)),
    ("leer.txt", Kind::Empty),
    ("Capture d’écran.png", Kind::Picture(Scene::Dialog)),
    ("inventory.csv", Kind::Csv(60)),
    ("Знімок екрана.png", Kind::Picture(Scene::Dialog)),
    ("client.log", Kind::Log(900)),
    ("Kontakte & Räume.csv", Kind::Csv(35)),
    ("floor plan.png", Kind::Picture(Scene::Plan)),
    (
        "Notiz 📝.txt",
        Kind::Text("Bitte zuerst bei der Pforte melden. 🙂\n"),
    ),
    ("Angebot Zugangspunkt.pdf", Kind::Pdf(QUOTE)),
    ("Monatsübersicht.png", Kind::Picture(Scene::Chart)),
    ("צילום מסך.png", Kind::Picture(Scene::Dialog)),
    (
        "議事録.txt",
        Kind::Text("会議室2.14：接続テスト完了。\n次回は金曜日の十時から。\n"),
    ),
    ("switch.png", Kind::Picture(Scene::Cabinet)),
    ("liste du matériel.csv", Kind::Csv(48)),
    ("bericht.log", Kind::Log(250)),
    ("AP-131.json", Kind::Json),
    ("Tagesverlauf.png", Kind::Picture(Scene::Chart)),
    ("Umzugsplan Raum 3.08.png", Kind::Picture(Scene::Plan)),
    ("Preisliste.csv", Kind::Csv(400)),
    (
        "ملاحظات.txt",
        Kind::Text("الطابعة تعمل بعد تحديث التعريف.\n"),
    ),
    ("warning.png", Kind::Picture(Scene::Dialog)),
    (
        "Mahnung.eml",
        Kind::Mail("Zahlung =?utf-8?q?=C3=BCberf=C3=A4llig?="),
    ),
    ("Störung Straßenseite.png", Kind::Picture(Scene::Cabinet)),
    ("trace.log", Kind::Log(2_500)),
    (
        "README",
        Kind::Text("The screenshots are in the order in which they were taken.\n"),
    ),
    ("Drucktest.png", Kind::Picture(Scene::Chart)),
    (
        "Schlüsselübergabe.txt",
        Kind::Text("Übergeben: 2 Schlüssel, 1 Transponder.\n"),
    ),
];

/// Writes the files below `folder` and a row for each.
pub(super) fn fill(
    db: &Transaction<'_>,
    folder: &Path,
    tickets: &[Ticket],
) -> Result<(), DemoError> {
    let mut insert = db.prepare(
        "INSERT INTO attachments (message_id, path, media_type, size, sha256, thumbnail)
         VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    let mut random = Generator::new(3);
    // Every file at another ticket, from the first month to the last.
    let apart = tickets.len() / FILES.len();
    for ((name, kind), ticket) in FILES.iter().zip(tickets.iter().step_by(apart.max(1))) {
        let (content, thumbnail) = content(*kind, &mut random)?;
        let month = ticket.created.date();
        let path = format!(
            "{}/{:02}/LIH-{:05}/{name}",
            month.year(),
            u8::from(month.month()),
            ticket.id
        );
        write(&folder.join(&path), &content, ticket.created)?;
        insert.execute(params![
            ticket.first_message,
            path,
            media_type(*kind),
            i64::try_from(content.len()).unwrap_or(i64::MAX),
            Digest::of(&content).to_string(),
            thumbnail,
        ])?;
    }
    Ok(())
}

/// A file's bytes, and the thumbnail of a picture.
fn content(kind: Kind, random: &mut Generator) -> Result<(Vec<u8>, Option<Vec<u8>>), DemoError> {
    let bytes = match kind {
        Kind::Picture(scene) => {
            let (picture, thumbnail) = picture::draw(scene, random)?;
            return Ok((picture, Some(thumbnail)));
        }
        Kind::Log(lines) => documents::log(lines, random).into_bytes(),
        Kind::Csv(rows) => documents::csv(rows, random).into_bytes(),
        Kind::Text(text) => text.as_bytes().to_vec(),
        Kind::Mail(subject) => documents::mail(subject).into_bytes(),
        Kind::Json => documents::json(random).into_bytes(),
        Kind::Pdf(lines) => documents::pdf(lines),
        Kind::Empty => Vec::new(),
    };
    Ok((bytes, None))
}

const fn media_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Picture(_) => "image/png",
        Kind::Csv(_) => "text/csv",
        Kind::Log(_) | Kind::Text(_) | Kind::Empty => "text/plain",
        Kind::Mail(_) => "message/rfc822",
        Kind::Json => "application/json",
        Kind::Pdf(_) => "application/pdf",
    }
}

/// Writes one file with the folders above it. Mode and time are set, since backups keep both and should not go by
/// the umask or the clock.
fn write(path: &Path, content: &[u8], changed: OffsetDateTime) -> Result<(), DemoError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(DemoError::at(folder))?;
    }
    let fill = || {
        let mut file = File::create_new(path)?;
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.set_modified(changed.into())?;
        // The folder's new name must not reach the disk before its files.
        file.sync_all()
    };
    fill().map_err(DemoError::at(path))
}
