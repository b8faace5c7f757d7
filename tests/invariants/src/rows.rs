//! Row text: escapes, SQLite's tags, cutting, checking, windows.

use std::borrow::Cow;

use coffer_core::rows::{
    PartCutter, RowCheck, RowError, RowSet, RowWindow, Rows, push_escaped, push_header,
    shown::{Field, Kind, SHOWN_CHARS, Shown},
    sqlite::{Class, Value, parse_value, push_value},
    unescape,
};

use crate::{choices::Choices, drive::Pieces};

const CLASSES: [Class; 4] = [Class::Integer, Class::Real, Class::Text, Class::Blob];

/// Every value survives as text; text that is read means the same when it is written again; whatever streams by in
/// pieces is seen as a whole.
pub fn rows(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    match choices.byte() % 4 {
        0 => field(choices.rest()),
        1 => value(&mut choices),
        2 => part(&mut choices),
        _ => well_formed_part(&mut choices),
    }
}

/// Bytes as a field, and as a value.
fn field(bytes: &[u8]) {
    let mut escaped = Vec::new();
    push_escaped(bytes, &mut escaped);
    assert!(!escaped.iter().any(|byte| matches!(byte, 8..=13)));
    assert_eq!(unescape(&escaped), Ok(Some(Cow::Borrowed(bytes))));

    let canonical = !bytes.iter().any(|byte| matches!(byte, 8..=13));
    if let Ok(Some(value)) = unescape(bytes) {
        let mut again = Vec::new();
        push_escaped(&value, &mut again);
        assert_eq!(unescape(&again), Ok(Some(value)));
        if canonical {
            assert_eq!(again, bytes, "two spellings of one value");
        }
    }
    for class in CLASSES {
        if let Ok(value) = parse_value(class, bytes) {
            survives(class, &value);
        }
        show(Kind::Sqlite(class), bytes);
    }
    show(Kind::Text, bytes);
    show(Kind::Bytes, bytes);
}

fn survives(class: Class, value: &Value<'_>) {
    let mut written = Vec::new();
    let tagged = push_value(class, value, &mut written);
    assert!(!written.iter().any(|byte| matches!(byte, 8..=13)));
    let back = parse_value(class, &written).unwrap();
    match (value, &back) {
        (Value::Real(value), Value::Real(back)) => assert_eq!(value.to_bits(), back.to_bits()),
        _ => assert_eq!(&back, value),
    }
    let tag = matches!(
        written.as_slice(),
        [b'\\', b'I' | b'R' | b'T' | b'B' | b'X', ..]
    );
    assert_eq!(tag, tagged);
    // A value has one spelling in a column.
    let mut again = Vec::new();
    push_value(class, &back, &mut again);
    assert_eq!(again, written);
}

/// What is shown of a field is never longer than it may be, and does not depend on pieces.
fn show(kind: Kind, raw: &[u8]) {
    if raw.iter().any(|byte| matches!(byte, b'\t' | b'\n')) {
        return;
    }
    let shown = |pieces: Pieces| {
        let mut field = Field::default();
        pieces
            .cut(raw)
            .into_iter()
            .for_each(|piece| field.extend(piece));
        kind.show(&field)
    };
    let whole = shown(Pieces::whole());
    assert_eq!(shown(Pieces::of([1, 700])), whole);
    if let Ok(Shown { text, cut }) = whole {
        let chars = text.as_deref().map_or(0, |text| text.chars().count());
        assert!(chars <= SHOWN_CHARS + 1);
        assert_eq!(text.is_none(), raw == b"\\N");
        if !cut && kind == Kind::Text {
            let value = unescape(raw).unwrap().map(Cow::into_owned);
            let value = value.map(|value| String::from_utf8_lossy(&value).into_owned());
            assert_eq!(text, value);
        }
    }
}

fn value(choices: &mut Choices<'_>) {
    let class = *choices.pick(&CLASSES);
    let value = match choices.byte() % 5 {
        0 => Value::Null,
        1 => Value::Integer(choices.number().cast_signed()),
        2 => match f64::from_bits(choices.number()) {
            number if number.is_nan() => return,
            number => Value::Real(number),
        },
        3 => Value::Text(Cow::Borrowed(choices.rest())),
        _ => Value::Blob(Cow::Borrowed(choices.rest())),
    };
    survives(class, &value);
}

/// Bytes as the part of a table of two columns.
fn part(choices: &mut Choices<'_>) {
    let pieces = Pieces::of([usize::from(choices.byte()), choices.below(300)]);
    let (skip, limit) = (
        u64::from(choices.byte() % 8),
        usize::from(choices.byte() % 8),
    );
    let target = choices.below(400);
    let headed = !choices.byte().is_multiple_of(8);
    let rest = choices.rest();
    let columns = ["id", "a\tb"];
    let mut text = Vec::new();
    if headed {
        push_header(columns, &mut text);
    }
    text.extend_from_slice(rest);
    checked(&text, columns, &pieces);
    windowed(&text, columns, skip, limit, &pieces);
    cut(rest, columns, target, &pieces);
}

/// Values as the rows of a part, which must be accepted.
fn well_formed_part(choices: &mut Choices<'_>) {
    let columns: Vec<String> = (0..=choices.byte() % 4)
        .map(|_| String::from_utf8_lossy(choices.run()).into_owned())
        .collect();
    let names = || columns.iter().map(String::as_str);
    let pieces = Pieces::of([usize::from(choices.byte()), choices.below(300)]);
    let mut text = Vec::new();
    push_header(names(), &mut text);
    let mut expected = Vec::new();
    while choices.any() {
        let row: Vec<Option<&[u8]>> = names()
            .map(|_| match choices.byte() {
                0 => None,
                len => Some(choices.take(usize::from(len))),
            })
            .collect();
        for (index, value) in row.iter().enumerate() {
            if index > 0 {
                text.push(b'\t');
            }
            match value {
                None => text.extend_from_slice(b"\\N"),
                Some(value) => push_escaped(value, &mut text),
            }
        }
        text.push(b'\n');
        expected.push(row);
    }
    let mut rows = Rows::new(&text, names()).unwrap();
    for row in &expected {
        let fields = rows.next_fields().unwrap().unwrap();
        let values: Vec<_> = fields
            .iter()
            .map(|field| unescape(field).unwrap())
            .collect();
        let values: Vec<_> = values.iter().map(|value| value.as_deref()).collect();
        assert_eq!(&values, row);
    }
    assert_eq!(rows.next_fields(), Ok(None));
    let mut check = RowCheck::new(names());
    for piece in pieces.cut(&text) {
        check.push(piece).unwrap();
    }
    assert_eq!(check.finish().unwrap().0, expected.len() as u64);
}

/// [`RowCheck`] says of pieces what [`Rows`] says of the whole.
fn checked(text: &[u8], columns: [&str; 2], pieces: &Pieces) {
    let by_pieces = || {
        let mut check = RowCheck::new(columns);
        pieces
            .cut(text)
            .into_iter()
            .try_for_each(|piece| check.push(piece))?;
        check.finish()
    };
    let at_once = || {
        let mut rows = Rows::new(text, columns)?;
        let (mut set, mut count) = (RowSet::new(), 0);
        set.add_rows(rows.remaining());
        while rows.next_fields()?.is_some() {
            count += 1;
        }
        Ok((count, set))
    };
    match (by_pieces(), at_once()) {
        // With two faults, the one reads on to the second and the other stops at the first.
        (Err(RowError::FieldCount { .. }), Err(RowError::Unfinished { .. })) => {}
        (pieces, whole) => assert_eq!(pieces, whole),
    }
}

/// A window shows what reading everything shows.
fn windowed(text: &[u8], columns: [&str; 2], skip: u64, limit: usize, pieces: &Pieces) {
    let kinds = [Kind::Text, Kind::Sqlite(Class::Integer)];
    let mut window = RowWindow::new(columns, kinds.to_vec(), skip, limit);
    let pushed = pieces
        .cut(text)
        .into_iter()
        .try_for_each(|piece| window.push(piece));
    let Ok(rows) = Rows::new(text, columns) else {
        return;
    };
    let mut expected = Vec::new();
    for line in rows
        .remaining()
        .split_inclusive(|byte| *byte == b'\n')
        .skip(usize::try_from(skip).unwrap())
        .take(limit)
    {
        let fields: Vec<_> = line[..line.len() - 1]
            .split(|byte| *byte == b'\t')
            .collect();
        let row: Option<Vec<Shown>> = fields
            .iter()
            .zip(kinds)
            .map(|(raw, kind)| {
                let mut field = Field::default();
                field.extend(raw);
                kind.show(&field).ok()
            })
            .collect();
        match row {
            Some(row) if fields.len() == kinds.len() => expected.push(row),
            _ => {
                assert!(pushed.is_err(), "a row was shown that has another form");
                return;
            }
        }
    }
    assert_eq!(pushed, Ok(()));
    assert_eq!(window.into_rows(), expected);
}

/// Parts hold all rows in order, whole, and as many as they say.
fn cut(text: &[u8], columns: [&str; 2], target: usize, pieces: &Pieces) {
    let mut header = Vec::new();
    push_header(columns, &mut header);
    let mut cutter = PartCutter::with_target(columns, target);
    let mut parts: Vec<_> = pieces
        .cut(text)
        .into_iter()
        .filter_map(|piece| cutter.push(piece))
        .collect();
    let end = cutter.finish();
    let whole_rows = whole_lines(text);
    match end {
        Ok(last) => {
            assert_eq!(whole_rows, text.len());
            parts.extend(last);
            let all: Vec<u8> = parts
                .iter()
                .flat_map(|part| part.text.strip_prefix(header.as_slice()).unwrap().to_vec())
                .collect();
            assert_eq!(all, text);
        }
        Err(error) => assert_eq!(
            error,
            RowError::Unfinished {
                length: text.len() - whole_rows
            }
        ),
    }
    for part in &parts {
        let rows = part.text.strip_prefix(header.as_slice()).unwrap();
        let count = rows.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!((count as u64, rows.last()), (part.rows, Some(&b'\n')));
    }
}

/// Bytes up to the end of the last whole line.
fn whole_lines(text: &[u8]) -> usize {
    text.iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1)
}
