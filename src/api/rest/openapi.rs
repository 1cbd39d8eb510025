//! The OpenAPI document: what the handlers say of themselves, and the table of resources.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use utoipa::PartialSchema as _;
use utoipa::openapi::OpenApi;

use super::Problem;
use super::resources::{Described, describe};

const ABOUT: &str = "Messages of owners come in on channels, become ordered tickets, and are answered. Errors are \
    `application/problem+json` with a stable `code`, the same as in GraphQL. Lists are arrays; `Link` leads to the next \
    page. `Idempotency-Key` makes writes safe to repeat, and `If-Match` with the `ETag` of a ticket keeps changes from \
    being lost. Everything here, and subscriptions, is in GraphQL at `/graphql` too.";

const KEY: &str = "An API key, alone or as `Bearer KEY`.";

/// A part of an object, made where it is missing.
fn part<'a>(object: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    object.entry(name).or_insert_with(|| json!({})).as_object_mut()
}

/// The document.
pub(super) fn document(typed: &OpenApi) -> Value {
    let Ok(Value::Object(mut document)) = serde_json::to_value(typed) else {
        return Value::Null;
    };
    document.insert("openapi".into(), json!("3.1.0"));
    document.insert("info".into(), info());
    document.insert("servers".into(), json!([{ "url": "/", "description": "This node." }]));
    document.insert("security".into(), json!([{ "key": [] }]));
    if let Some(components) = part(&mut document, "components") {
        if let Some(schemes) = part(components, "securitySchemes") {
            let key = json!({ "type": "apiKey", "in": "header", "name": "authorization", "description": KEY });
            schemes.insert("key".into(), key);
        }
        if let Some(schemas) = part(components, "schemas") {
            schemas.insert("Problem".into(), json!(Problem::schema()));
        }
    }
    let described = describe(&taken(&document));
    merge(&mut document, described);
    Value::Object(document)
}

fn info() -> Value {
    json!({
        "title": "switchboard",
        "description": ABOUT,
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    })
}

/// The names of the handlers' components.
fn taken(document: &Map<String, Value>) -> BTreeSet<String> {
    let components = document
        .get("components")
        .and_then(|components| components.get("schemas"));
    let names = components.and_then(Value::as_object).into_iter().flatten();
    names.map(|(name, _)| name.clone()).collect()
}

fn merge(document: &mut Map<String, Value>, described: Described) {
    if let Some(paths) = part(document, "paths") {
        for (path, methods) in described.paths {
            if let (Some(known), Value::Object(methods)) = (part(paths, &path), methods) {
                known.extend(methods);
            }
        }
    }
    if let Some(schemas) = part(document, "components").and_then(|components| part(components, "schemas")) {
        schemas.extend(described.schemas);
    }
    let mut tags = described.tags;
    for name in used_tags(document) {
        if !tags.iter().any(|tag| tag.get("name") == Some(&name)) {
            tags.push(json!({ "name": name }));
        }
    }
    document.insert("tags".into(), tags.into());
}

fn used_tags(document: &Map<String, Value>) -> Vec<Value> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let operations = paths.filter_map(|(_, path)| path.as_object()).flatten();
    let tags = operations.filter_map(|(_, operation)| operation.get("tags").and_then(Value::as_array));
    tags.flatten().cloned().collect()
}
