//! Text, tables, mails and PDF pages, as people attach them to tickets.

use super::generator::Generator;

/// A log of a VPN client: tabs, backslashes and line ends of both kinds, as real logs have them.
pub(super) fn log(lines: u32, random: &mut Generator) -> String {
    const EVENTS: [&str; 6] = [
        "INFO\ttunnel\tkeepalive answered",
        "INFO\ttunnel\taddress renewed: 198.51.100.23",
        "WARN\tdrive\t\\\\files\\Neu\\temp not reachable, trying again",
        "WARN\ttunnel\tno answer, 1 of 3",
        "ERROR\ttunnel\tpeer closed the connection (code 0x80072746)",
        "DEBUG\tdns\tlindenhof.example → 2001:db8::1:35",
    ];
    let mut log = String::new();
    let mut second = 68_400;
    for _ in 0..lines {
        second += random.below(40);
        let (hour, minute) = (second / 3600 % 24, second / 60 % 60);
        let event = random.pick(&EVENTS);
        let end = if random.chance(5) { "\r\n" } else { "\n" };
        log.push_str(&format!(
            "{hour:02}:{minute:02}:{:02}\t{event}{end}",
            second % 60
        ));
    }
    log
}

/// A list of devices as a spreadsheet exports it: semicolons, quotes, decimal commas.
pub(super) fn csv(rows: u32, random: &mut Generator) -> String {
    const KINDS: [&str; 5] = [
        "Notebook 14\"",
        "Drucker",
        "Bildschirm; gewölbt",
        "Dockingstation",
        "Zugangspunkt",
    ];
    let mut csv = String::from("Inventarnummer;Gerät;Raum;Preis in €;Garantie bis\r\n");
    for row in 0..rows {
        let kind = random.pick(&KINDS).replace('"', "\"\"");
        csv.push_str(&format!(
            "LH-{:04};\"{kind}\";{}.{:02};{},{:02};20{}-{:02}-28\r\n",
            1000 + row,
            1 + random.below(4),
            1 + random.below(30),
            40 + random.below(1900),
            random.below(100),
            26 + random.below(4),
            1 + random.below(12),
        ));
    }
    csv
}

/// A suspicious mail, kept for the record.
pub(super) fn mail(subject: &str) -> String {
    format!(
        "From: Rechnungsstelle <rechnung@dringend.example>\r\nTo: pruefung@lindenhof.example\r\n\
         Date: Tue, 12 May 2026 06:41:07 +0000\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Sehr geehrte Damen und Herren,\r\n\r\nbitte öffnen Sie sofort die angehängte Rechnung.\r\n"
    )
}

/// The settings of an access point.
pub(super) fn json(random: &mut Generator) -> String {
    format!(
        "{{\n  \"name\": \"AP-{}\",\n  \"kanal\": {},\n  \"sendeleistung_dbm\": {},\n  \"ssid\": [\"Lindenhof\", \"Gäste ☕\"]\n}}\n",
        100 + random.below(80),
        1 + 5 * random.below(3),
        10 + random.below(10),
    )
}

/// One page of text (PDF 1.4), the first line as its title. Characters outside of Latin-1 become question marks.
pub(super) fn pdf(lines: &[&str]) -> Vec<u8> {
    let mut page = String::from("BT /F1 20 Tf 64 770 Td 26 TL\n");
    for (number, line) in lines.iter().enumerate() {
        let escaped = line
            .replace('\\', "\\\\")
            .replace('(', "\\(")
            .replace(')', "\\)");
        page.push_str(&format!("({escaped}) Tj T*\n"));
        if number == 0 {
            page.push_str("/F1 11 Tf 17 TL\n");
        }
    }
    page.push_str("ET");
    let page = latin1(&page);
    let objects: [Vec<u8>; 5] = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources << /Font << /F1 4 0 R >> >> >>"
            .to_vec(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
        [
            format!("<< /Length {} >>\nstream\n", page.len()).as_bytes(),
            &page,
            b"\nendstream",
        ]
        .concat(),
    ];
    // The second line's bytes tell programs that the file is not text.
    let mut pdf = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(&objects) {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.extend(format!("{number} 0 obj\n").into_bytes());
        pdf.extend(object);
        pdf.extend(b"\nendobj\n");
    }
    let start = pdf.len();
    pdf.extend(table.into_bytes());
    pdf.extend(
        format!(
            "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
            objects.len() + 1
        )
        .into_bytes(),
    );
    pdf
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?'))
        .collect()
}
