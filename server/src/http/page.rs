//! Lists that grow, in parts: `limit` and `cursor` in the query, and a link to the next part in the answer (RFC 8288), so that the list itself
//! looks the same with and without.

use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;

use super::problem::Problem;

/// Most items of a part.
const MAX_LIMIT: u32 = 1000;

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Page {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let asked = Query::try_from_uri(&parts.uri);
        let Query(page) = asked.map_err(|error| {
            let said = format!(
                "what stands behind ? in the address cannot be read: {error}; nothing was changed"
            );
            Problem::new(StatusCode::BAD_REQUEST, "bad_query", said)
        })?;
        Ok(page)
    }
}

impl Page {
    /// How many items are wanted; nothing means that the list decides.
    pub(super) fn limit(&self) -> Option<u32> {
        Some(self.limit?.clamp(1, MAX_LIMIT))
    }

    /// The place of the last item of the part before.
    pub(super) fn after(&self) -> Result<Option<String>, Problem> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let place = Base64UrlUnpadded::decode_vec(cursor)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        place.map(Some).ok_or_else(bad_cursor)
    }

    /// The link to what comes after `last`, the place of the last item of this part. `path` is the list's.
    pub(super) fn link(&self, path: &str, last: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(last) = last else {
            return headers;
        };
        let cursor = Base64UrlUnpadded::encode_string(last.as_bytes());
        let limit = self
            .limit()
            .map_or_else(String::new, |limit| format!("limit={limit}&"));
        let link = format!("<{path}?{limit}cursor={cursor}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::try_from(link) {
            headers.insert(header::LINK, link);
        }
        headers
    }

    /// The wanted part of a list whose places fall from item to item, and the place of its last item if others come after it.
    pub(super) fn part<T>(
        &self,
        items: Vec<T>,
        place: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let after = self.after()?;
        let mut items: Vec<T> = items
            .into_iter()
            .filter(|item| after.as_ref().is_none_or(|after| place(item) < *after))
            .collect();
        let limit = self.limit().map_or(usize::MAX, |limit| limit as usize);
        if items.len() <= limit {
            return Ok((items, None));
        }
        items.truncate(limit);
        let last = items.last().map(place);
        Ok((items, last))
    }
}

/// What was given is no cursor.
pub(super) fn bad_cursor() -> Problem {
    Problem::unusable(
        "bad_cursor",
        "this cursor is none that an answer gave; begin anew",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_though_items_come_and_go() {
        let mut items: Vec<u32> = (0..10).rev().collect();
        let place = |item: &u32| format!("{item:03}");
        let mut page = Page {
            limit: Some(4),
            cursor: None,
        };
        let (part, last) = page.part(items.clone(), place).unwrap();
        assert_eq!((part, last.as_deref()), (vec![9, 8, 7, 6], Some("006")));
        let link = page.link("/api/things", last.as_deref());
        let link = link[header::LINK].to_str().unwrap();
        assert_eq!(link, "</api/things?limit=4&cursor=MDA2>; rel=\"next\"");
        page.cursor = Some("MDA2".into());
        // What the cursor stands for is gone, and there is a new one in front.
        items.retain(|item| *item != 6);
        items.insert(0, 10);
        let (part, last) = page.part(items.clone(), place).unwrap();
        assert_eq!((part, last.as_deref()), (vec![5, 4, 3, 2], Some("002")));
        page.cursor = Some("MDAy".into());
        let (part, last) = page.part(items.clone(), place).unwrap();
        assert_eq!((part, last), (vec![1, 0], None));
        assert!(page.link("/api/things", None).is_empty());
        let whole = Page::default().part(items.clone(), place).unwrap();
        assert_eq!(whole, (items, None));
        page.cursor = Some("?".into());
        assert!(page.part(vec![1], place).is_err());
    }
}
