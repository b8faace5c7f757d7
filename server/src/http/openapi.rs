//! The API's description (OpenAPI 3.1), made from the lines that route its requests; and, read back from it, what each operation
//! needs. The guard asks this alone, so that the description says the truth and no operation can be forgotten.

use std::collections::HashMap;

use axum::{
    extract::State,
    http::{Method, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use super::{Shared, idempotency};
use crate::access::Permissions;

/// What an operation needs. The description says so in `x-permission`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing (`public`).
    Public,
    /// Somebody who is signed in (`signed_in`).
    SignedIn,
    /// Somebody who signed in with a password: no token (`session`).
    Session,
    /// One of these permissions, the words with spaces between.
    Any {
        permissions: Permissions,
        /// It is enough to have it for some sources, and the handler asks for which (`x-scope`: `source`).
        of_source: bool,
    },
}

/// What is known of an operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) need: Need,
    /// Its name.
    pub(super) id: String,
    /// It is written to the audit log: what changes something, and what says so (`x-audit`).
    pub(super) audited: bool,
    /// It is carried out once for each key that a client gives (`x-idempotency-key`).
    pub(super) once: bool,
}

/// All operations, by path and method; and the description itself.
#[derive(Clone, Debug)]
pub(super) struct Described {
    operations: HashMap<(String, Method), Operation>,
    pub(super) document: Bytes,
}

impl Described {
    /// Reads what `api`, whose paths stand below `/api`, and `open` say. An operation that doesn't say what it needs is not
    /// found here, and so refused.
    pub(super) fn new(api: &OpenApi, open: &OpenApi) -> Self {
        let mut document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Coffer",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Everything that the console does. Failures are application/problem+json with a stable code. \
                    x-permission says what an operation needs; with x-scope: source it is enough to have that for the source that the request is about.",
                "license": { "name": "MIT OR Apache-2.0" },
            },
            "paths": {},
            "components": { "schemas": {}, "responses": {} },
        });
        let mut operations = HashMap::new();
        for (described, base) in [(api, "/api"), (open, "")] {
            let described = serde_json::to_value(described).unwrap_or_default();
            for (path, mut item) in object(&described["paths"]) {
                let path = format!("{base}{path}");
                for (method, operation) in item.as_object_mut().into_iter().flatten() {
                    let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
                    else {
                        continue;
                    };
                    if let Some(known) = read(&method, operation) {
                        operations.insert((path.clone(), method), known);
                    }
                    complete(&path, operation);
                }
                document["paths"][path] = item;
            }
            for (name, schema) in object(&described["components"]["schemas"]) {
                document["components"]["schemas"][name] = schema;
            }
        }
        document["components"]["schemas"]["Problem"] = problem();
        document["components"]["responses"]["Problem"] = json!({
            "description": "What failed, in the form of RFC 9457",
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
        document["components"]["securitySchemes"] = json!({
            "session": { "type": "apiKey", "in": "cookie", "name": super::caller::COOKIE },
            "token": { "type": "http", "scheme": "bearer" },
        });
        let document = serde_json::to_vec(&document).unwrap_or_default().into();
        Self {
            operations,
            document,
        }
    }

    /// Whether any operation has this path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.operations.keys().any(|(known, _)| known == path)
    }

    /// What is known of an operation. `HEAD` is answered like `GET`.
    pub(super) fn operation(&self, path: &str, method: &Method) -> Option<&Operation> {
        let find = |method: &Method| self.operations.get(&(path.to_owned(), method.clone()));
        find(method).or_else(|| (method == Method::HEAD).then(|| find(&Method::GET))?)
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn read(method: &Method, operation: &Value) -> Option<Operation> {
    let need = match operation["x-permission"].as_str()? {
        "public" => Need::Public,
        "signed_in" => Need::SignedIn,
        "session" => Need::Session,
        words => Need::Any {
            permissions: words.parse().ok()?,
            of_source: operation["x-scope"] == "source",
        },
    };
    Some(Operation {
        need,
        id: operation["operationId"].as_str()?.to_owned(),
        audited: operation["x-audit"]
            .as_bool()
            .unwrap_or(!matches!(*method, Method::GET | Method::HEAD)),
        once: operation["x-idempotency-key"] == true,
    })
}

/// What is the same for all: ids in the path, failures, how to sign in.
fn complete(path: &str, operation: &mut Value) {
    let mut parameters = operation["parameters"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for part in path.split('/') {
        let name = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'));
        if let Some(name) = name
            && !parameters.iter().any(|known| known["name"] == name)
        {
            parameters.push(json!({
                "name": name, "in": "path", "required": true,
                "schema": { "type": "string" },
            }));
        }
    }
    if operation["x-idempotency-key"] == true {
        parameters.push(json!({
            "name": idempotency::KEY.as_str(), "in": "header", "required": false,
            "description": "Any text of the client's, another one for each action. Asked again with it within a day, nothing is begun twice, and the first answer is given again",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    operation["responses"]["default"] = json!({ "$ref": "#/components/responses/Problem" });
    operation["security"] = match operation["x-permission"].as_str() {
        Some("public") => json!([]),
        Some("session") => json!([{ "session": [] }]),
        _ => json!([{ "session": [] }, { "token": [] }]),
    };
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "For programs; it never changes" },
            "detail": { "type": "string", "description": "For people: what happened, what is untouched, what to do next" },
        },
    })
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", operation_id = "describe", extensions(("x-permission" = json!("signed_in"))),
    responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn document(State(app): State<Shared>) -> Response {
    let document = app
        .described
        .get()
        .map(|described| described.document.clone());
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, document.unwrap_or_default()).into_response()
}
