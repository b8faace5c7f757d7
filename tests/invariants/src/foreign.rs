//! Other people's ZIPs, made of records whose every field can lie.

use coffer_hostile::{
    Member, Zip,
    record::{extra, unicode_path, zip64},
};

use crate::{
    choices::Choices,
    drive::Pieces,
    edit::edit,
    zip::{as_another_program, check},
};

/// Whatever the fields of a ZIP say, reading it is safe: nothing leaves its folder or stands for two things, what the
/// crate `zip` reads is the same, and the strict profile accepts only its own form.
pub fn foreign(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let pieces = Pieces::of([
        usize::from(choices.byte()),
        choices.below(3000),
        choices.below(70_000),
    ]);
    let mut file = built(&mut choices);
    while choices.any() {
        edit(&mut file, &mut choices);
    }
    file.truncate(200_000);
    as_another_program(&file, &pieces);
    check(&file, &pieces);
}

fn built(choices: &mut Choices<'_>) -> Vec<u8> {
    let members = (0..choices.byte() % 5)
        .map(|index| member(index, choices))
        .collect();
    let mut zip = Zip::of(members);
    let ends = choices.byte();
    if ends & 1 != 0 {
        zip.widen();
    }
    if ends & 2 != 0 {
        zip.end.comment = choices.run().to_vec();
    }
    if ends & 4 != 0 {
        zip.trailing = choices.run().to_vec();
    }
    if ends & 8 != 0 {
        zip.gap = choices.run().to_vec();
    }
    while choices.any() && choices.byte() < 128 {
        lie_at_the_end(&mut zip, choices);
    }
    zip.bytes()
}

fn lie_at_the_end(zip: &mut Zip, choices: &mut Choices<'_>) {
    let which = choices.byte();
    let value = choices.number();
    let (small, word) = (value as u16, value as u32);
    match (which % 16, &mut zip.zip64_end, &mut zip.locator) {
        (0, ..) => zip.end.disk = small,
        (1, ..) => zip.end.directory_disk = small,
        (2, ..) => zip.end.entries_here = small,
        (3, ..) => zip.end.entries = small,
        (4, ..) => zip.end.len = word,
        (5, ..) => zip.end.offset = word,
        (6, ..) => zip.end.comment_len = Some(small),
        (7, Some(end), _) => end.size = value,
        (8, Some(end), _) => end.entries = value,
        (9, Some(end), _) => end.entries_here = value,
        (10, Some(end), _) => end.len = value,
        (11, Some(end), _) => end.offset = value,
        (12, _, Some(locator)) => locator.offset = value,
        (13, _, Some(locator)) => locator.disks = word,
        _ => zip.behind_directory = value.to_be_bytes().to_vec(),
    }
}

const NAMES: [&[u8]; 12] = [
    b"a",
    b"A",
    b"a/",
    b"a/b",
    b"../x",
    b"/x",
    b"c:\\x",
    b"x\0y",
    "u\u{308}".as_bytes(),
    b"\x81\xff",
    b"con.txt",
    b"manifest.json",
];

fn member(index: u8, choices: &mut Choices<'_>) -> Member {
    let name = match choices.byte() {
        200.. => choices.run().to_vec(),
        other if other % 2 == 0 => format!("f/{index}").into_bytes(),
        other => NAMES[usize::from(other) % NAMES.len()].to_vec(),
    };
    let how = choices.byte();
    let content = choices.run();
    let mut member = match how % 3 {
        0 => Member::stored(&name, content),
        1 => Member::deflated(&name, content),
        _ => Member::streamed(&name, content),
    };
    if how & 0x40 != 0 {
        // What other programs write: no flag for UTF-8, a time, an extra field that means nothing here.
        let field = extra(0x5455, &[0; 5]);
        member = member.with(
            |local| {
                (local.flags, local.time) = (local.flags & !0x0800, 0x6000);
                local.extra.extend_from_slice(&field);
            },
            |central| {
                (central.flags, central.time) = (central.flags & !0x0800, 0x6000);
                central.extra.extend_from_slice(&field);
            },
        );
    }
    while how & 0x80 != 0 && choices.any() && choices.byte() < 128 {
        lie(&mut member, choices);
    }
    member
}

fn lie(member: &mut Member, choices: &mut Choices<'_>) {
    let which = choices.byte();
    let value = choices.number();
    let (small, word) = (value as u16, value as u32);
    match which % 24 {
        0 => member.local.flags = small,
        1 => member.central.flags = small,
        2 => (member.local.flags, member.central.flags) = (small, small),
        3 => member.local.method = small,
        4 => member.central.method = small,
        5 => member.local.crc32 = word,
        6 => member.central.crc32 = word,
        7 => member.local.compressed = word,
        8 => member.central.compressed = word,
        9 => member.local.size = word,
        10 => member.central.size = word,
        11 => member.central.disk = small,
        12 => member.central.external = word,
        13 => member.central.offset = word,
        14 => member.local.name = choices.run().to_vec(),
        15 => member.central.name = choices.run().to_vec(),
        16 => member.local.extra = zip64(&[value]),
        17 => member.central.extra = zip64(&[value, choices.number()]),
        18 => {
            let name = String::from_utf8_lossy(choices.run()).into_owned();
            member.central.extra = unicode_path(&member.central.name, &name);
        }
        19 => member.central.comment = choices.run().to_vec(),
        20 => member.central.made_by = small,
        21 => member.data = choices.run().to_vec(),
        22 => member.gap = choices.run().to_vec(),
        _ => {
            if let Some(descriptor) = &mut member.descriptor {
                match choices.byte() % 5 {
                    0 => descriptor.signature = None,
                    1 => descriptor.crc32 = word,
                    2 => descriptor.compressed = value,
                    3 => descriptor.size = value,
                    _ => descriptor.wide = !descriptor.wide,
                }
            }
        }
    }
}
