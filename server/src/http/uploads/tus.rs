//! The headers of tus 1.0 (tus.io, "Protocol 1.0.x"): what they say, and how they are answered.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64ct::{Base64, Encoding};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc2822};

use super::super::problem::Problem;
use crate::store::{Checksum, Purpose};

pub(super) const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) const DEFER: HeaderName = HeaderName::from_static("upload-defer-length");
pub(super) const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSIONS: HeaderName = HeaderName::from_static("tus-version");
const EXTENSIONS: HeaderName = HeaderName::from_static("tus-extension");
const ALGORITHMS: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");

const VERSION: &str = "1.0.0";
const SUPPORTED: &str =
    "creation,creation-with-upload,creation-defer-length,expiration,termination,checksum";
/// The type of a piece.
const PIECE: &str = "application/offset+octet-stream";
/// Longest name that an upload has, in characters; more is cut off.
const MAX_NAME: usize = 200;

/// What an upload is begun with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Creation {
    /// `None` where it is said later.
    pub(super) length: Option<u64>,
    pub(super) purpose: Purpose,
    /// How its sender calls it.
    pub(super) name: String,
}

/// Answers requests of another version, and says in every answer which one it is of.
pub(super) async fn speak(request: Request, next: Next) -> Response {
    let reading = matches!(*request.method(), Method::GET | Method::OPTIONS);
    let asked = request.headers().get(&RESUMABLE);
    let mut response = if reading || asked.is_some_and(|version| version == VERSION) {
        next.run(request).await
    } else {
        let problem = Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "tus_version",
            format!(
                "uploads are sent by tus {VERSION}, which the header Tus-Resumable must say; nothing was changed"
            ),
        );
        ([(VERSIONS, VERSION)], problem).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

/// What this server can do, and how large an upload may be.
pub(super) fn abilities(max_size: u64) -> Response {
    let known = [
        (VERSIONS, VERSION),
        (EXTENSIONS, SUPPORTED),
        (ALGORITHMS, Checksum::ALGORITHMS),
    ];
    let largest = [(MAX_SIZE, HeaderValue::from(max_size))];
    (StatusCode::NO_CONTENT, known, largest).into_response()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn bad(code: &str, detail: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        code,
        format!("{detail}; nothing was changed"),
    )
}

/// What an upload is begun with.
pub(super) fn creation(headers: &HeaderMap) -> Result<Creation, Problem> {
    let length = length(headers)?;
    let deferred = headers.contains_key(&DEFER);
    if deferred && text(headers, &DEFER) != Some("1") || deferred == length.is_some() {
        return Err(bad(
            "no_length",
            "either Upload-Length says how many bytes will come, or Upload-Defer-Length is 1",
        ));
    }
    let metadata = metadata(text(headers, &METADATA).unwrap_or_default()).ok_or_else(|| {
        bad(
            "bad_metadata",
            "Upload-Metadata is not pairs of a name and base64",
        )
    })?;
    let of = |key: &str| {
        let pair = metadata.iter().find(|(name, _)| name == key);
        pair.map(|(_, value)| value.as_str())
    };
    let purpose = match of("purpose") {
        None | Some("archive") => Purpose::Archive,
        Some("bundle") => Purpose::Bundle,
        Some(_) => {
            return Err(bad(
                "bad_metadata",
                "an upload's purpose is archive or bundle",
            ));
        }
    };
    let name = of("filename").or_else(|| of("name")).unwrap_or_default();
    Ok(Creation {
        length,
        purpose,
        name: shown(name),
    })
}

/// `Upload-Length`, if it is there.
pub(super) fn length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    number(headers, &LENGTH, "no_length")
}

/// Where the bytes of a piece start.
pub(super) fn offset(headers: &HeaderMap) -> Result<u64, Problem> {
    number(headers, &OFFSET, "no_offset")?.ok_or_else(|| {
        bad(
            "no_offset",
            "the header Upload-Offset must say where the piece starts",
        )
    })
}

fn number(headers: &HeaderMap, name: &HeaderName, code: &str) -> Result<Option<u64>, Problem> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let digits = text(headers, name).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    let wrong = || bad(code, &format!("the header {name} is not a number of bytes"));
    number.map(Some).ok_or_else(wrong)
}

/// Whether bytes come with the request, of the type that pieces have.
pub(super) fn has_piece(headers: &HeaderMap) -> bool {
    text(headers, &header::CONTENT_TYPE) == Some(PIECE)
}

pub(super) fn no_piece() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        format!("pieces of an upload are sent as {PIECE}; nothing was changed"),
    )
}

/// What the piece must hash to, if its sender says so.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    if !headers.contains_key(&CHECKSUM) {
        return Ok(None);
    }
    let checksum = text(headers, &CHECKSUM).and_then(Checksum::parse);
    let wrong = || {
        bad(
            "bad_checksum",
            "Upload-Checksum is not one of sha1 or sha256 and a digest in base64",
        )
    };
    checksum.map(Some).ok_or_else(wrong)
}

/// A moment as HTTP writes it (RFC 9110, section 5.6.7).
pub(super) fn http_date(moment: OffsetDateTime) -> String {
    let mail = moment.to_offset(UtcOffset::UTC).format(&Rfc2822);
    // Mail and HTTP write the same but for the zone's name.
    mail.unwrap_or_default().replace("+0000", "GMT")
}

/// Pairs of a key and a text, in base64; `None` for what is something else. Values that are no text are left out.
fn metadata(header: &str) -> Option<Vec<(String, String)>> {
    let pairs = header
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let value = Base64::decode_vec(value).ok()?;
            Some((key.to_owned(), String::from_utf8(value).ok()?))
        })
        .collect()
}

/// A name as it can be shown: on one line, and not too long. It is never used as the name of a file.
fn shown(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible = last.chars().filter(|c| !c.is_control());
    visible.take(MAX_NAME).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().cloned();
        pairs
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn an_upload_is_begun_with_its_length_or_without() {
        // "sommer 2026.coffer", "bundle"
        let name = "filename c29tbWVyIDIwMjYuY29mZmVy, purpose YnVuZGxl";
        let known = creation(&headers(&[(LENGTH, "12"), (METADATA, name)])).unwrap();
        assert_eq!(
            known,
            Creation {
                length: Some(12),
                purpose: Purpose::Bundle,
                name: "sommer 2026.coffer".into()
            }
        );
        let later = creation(&headers(&[(DEFER, "1")])).unwrap();
        assert_eq!((later.length, later.purpose), (None, Purpose::Archive));
        for refused in [
            vec![],
            vec![(LENGTH, "12"), (DEFER, "1")],
            vec![(DEFER, "0")],
            vec![(LENGTH, "-1")],
            vec![(LENGTH, "+1")],
            vec![(LENGTH, "99999999999999999999")],
            vec![(LENGTH, "1"), (METADATA, "filename ???")],
            vec![(LENGTH, "1"), (METADATA, "purpose eHl6")],
        ] {
            assert!(creation(&headers(&refused)).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn names_are_for_showing_only() {
        assert_eq!(shown("../../etc/pass\nwd"), "passwd");
        assert_eq!(shown(r"C:\backups\a.coffer"), "a.coffer");
        assert_eq!(shown(&"x".repeat(500)).len(), MAX_NAME);
        assert_eq!(
            metadata("a YQ==,b ,c").unwrap()[2],
            ("c".into(), String::new())
        );
    }

    #[test]
    fn moments_are_written_as_http_has_them() {
        let moment = OffsetDateTime::from_unix_timestamp(1_795_233_906).unwrap();
        assert_eq!(http_date(moment), "Sat, 21 Nov 2026 04:05:06 GMT");
    }
}
