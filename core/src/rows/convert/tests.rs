use super::*;

fn applied(conversion: &Conversion, field: &str) -> Option<String> {
    conversion
        .apply(field.as_bytes())
        .map(|out| String::from_utf8(out.into_owned()).unwrap())
}

#[test]
fn values_take_the_other_types_form_or_do_not_fit() {
    use Conversion::*;
    let decimal = |precision, scale| Decimal { precision, scale };
    let labels = Label {
        labels: ["red".into(), "a\tb".into()].into(),
    };
    let padded = |length, padded| Padded { length, padded };
    let cases: &[(Conversion, &str, Option<&str>)] = &[
        (Same, "a\\tb", Some("a\\tb")),
        (Text { longest: 3 }, "äöü", Some("äöü")),
        (Text { longest: 3 }, "a\\tb", Some("a\\tb")),
        (Text { longest: 3 }, "abcd", None),
        (Text { longest: 3 }, "abc ", None),
        (Trimmed { longest: None }, "ab  ", Some("ab")),
        (Trimmed { longest: Some(2) }, "ab  ", Some("ab")),
        (Trimmed { longest: Some(1) }, "ab  ", None),
        (padded(4, false), "ab", Some("ab  ")),
        (padded(4, false), "ab ", None),
        (padded(4, false), "abc ", Some("abc ")),
        (padded(4, false), "abcde", None),
        (padded(2, true), "ab  ", Some("ab")),
        (padded(1, true), "ab  ", None),
        (Integer { min: -5, max: 5 }, "5", Some("5")),
        (Integer { min: -5, max: 5 }, "-6", None),
        (Integer { min: -5, max: 5 }, "5.00", Some("5")),
        (Integer { min: -5, max: 5 }, "4.5", None),
        (Integer { min: -5, max: 5 }, "NaN", None),
        (decimal(5, 2), "5", Some("5.00")),
        (decimal(5, 2), "-0.5", Some("-0.50")),
        (decimal(5, 2), "999.990", Some("999.99")),
        (decimal(5, 2), "1000", None),
        (decimal(5, 2), "0.001", None),
        (decimal(2, 2), "0.25", Some("0.25")),
        (decimal(5, 0), "7.0", Some("7")),
        (decimal(5, 2), "NaN", Some("NaN")),
        (decimal(5, 2), "Infinity", None),
        (Double, "12", Some("12")),
        (Double, "999999999999999", Some("999999999999999")),
        (Double, "1000000000000000", None),
        (Double, "1.234567e+06", Some("1234567")),
        (Double, "0.1", Some("0.1")),
        (Double, "1e-05", Some("1e-05")),
        (Double, "0.0001", Some("0.0001")),
        (Double, "3.4028235e+38", Some("3.4028235e+38")),
        (Double, "-Infinity", Some("-Infinity")),
        (Midnight, "2025-01-02", Some("2025-01-02 00:00:00")),
        (Midnight, "0044-03-15 BC", Some("0044-03-15 00:00:00 BC")),
        (Midnight, "infinity", Some("infinity")),
        (
            AddUtc,
            "2025-01-02 03:04:05",
            Some("2025-01-02 03:04:05+00"),
        ),
        (AddUtc, "-infinity", Some("-infinity")),
        (
            RemoveUtc,
            "2025-01-02 03:04:05.5+00",
            Some("2025-01-02 03:04:05.5"),
        ),
        (
            RemoveUtc,
            "0044-03-15 00:00:00+00 BC",
            Some("0044-03-15 00:00:00 BC"),
        ),
        (
            Fraction { digits: 3 },
            "2025-01-02 03:04:05.123",
            Some("2025-01-02 03:04:05.123"),
        ),
        (Fraction { digits: 3 }, "2025-01-02 03:04:05.1234+00", None),
        (Fraction { digits: 0 }, "03:04:05", Some("03:04:05")),
        (
            Uuid,
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            Some("6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        ),
        (Uuid, "6F9619FF-8B86-D011-B42D-00C04FC964FF", None),
        (Uuid, "6f9619ff8b86d011b42d00c04fc964ff", None),
        (Json { binary: false }, "{\"a\": [1]}", Some("{\"a\": [1]}")),
        (Json { binary: true }, "{\"a\": [1}", None),
        (labels.clone(), "red", Some("red")),
        (labels.clone(), "a\\tb", Some("a\\tb")),
        (labels, "blue", None),
    ];
    for (conversion, field, expected) in cases {
        assert_eq!(
            applied(conversion, field).as_deref(),
            *expected,
            "{conversion:?} of {field}"
        );
        assert!(
            expected.is_some() || conversion.can_fail(),
            "{conversion:?} never fails"
        );
    }
}

#[test]
fn sqlite_values_change_their_class_only_where_they_can_be_told_again() {
    use Class::{Blob, Integer, Real, Text};
    for (from, to, field, expected) in [
        (Integer, Text, "12", Some("12")),
        (Integer, Text, "\\Tabc", Some("abc")),
        (Integer, Text, "\\R1.5", None),
        (Integer, Blob, "12", Some("\\I12")),
        (Integer, Real, "12", Some("12.0")),
        (Integer, Real, "9007199254740993", None),
        (Text, Integer, "12", Some("12")),
        (Text, Integer, "007", None),
        (Text, Integer, " 7", None),
        (Text, Integer, "1e3", None),
        (Text, Integer, "1.5", Some("\\R1.5")),
        (Text, Integer, "seven", Some("\\Tseven")),
        (Text, Integer, "inf", Some("\\Tinf")),
        (Text, Integer, "-", Some("\\T-")),
        (Text, Real, "1.5", Some("1.5")),
        (Text, Real, "3", Some("3.0")),
        (Real, Integer, "2.0", Some("2")),
        (Real, Integer, "2.5", Some("\\R2.5")),
        (Real, Integer, "1e300", Some("\\R1e300")),
        (Blob, Text, "\\\\x00ff", Some("\\B00ff")),
        (Text, Blob, "\\Xff", Some("\\Xff")),
    ] {
        let conversion = Conversion::Sqlite { from, to };
        assert_eq!(
            applied(&conversion, field).as_deref(),
            expected,
            "{from:?} to {to:?}: {field}"
        );
    }
}
