//! The table as OpenAPI describes it: made from the operations and the schema, never by hand.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use utoipa::IntoResponses as _;

use super::answer::status;
use super::example::example;
use super::operation::{Operation, Place};
use super::schema::is_list;
use super::types::{Types, described, without_null};
use super::{RESOURCES, table};
use crate::api::rest::Problems;

/// What the table adds to the document.
#[derive(Debug)]
pub(in crate::api::rest) struct Described {
    /// By their paths.
    pub(in crate::api::rest) paths: Map<String, Value>,
    /// By their names.
    pub(in crate::api::rest) schemas: Map<String, Value>,
    /// In the order of the table.
    pub(in crate::api::rest) tags: Vec<Value>,
}

/// Describes every route; components get other names than those that are taken.
pub(in crate::api::rest) fn describe(taken: &BTreeSet<String>) -> Described {
    let resources = &*RESOURCES;
    let mut types = Types::new(&resources.schema, &resources.fragments, taken);
    let problems = serde_json::to_value(Problems::responses()).unwrap_or_default();
    let mut paths = Map::new();
    for operation in &resources.operations {
        let mut responses = problems.clone();
        if let Some(responses) = responses.as_object_mut() {
            responses.insert(status(operation).as_str().to_owned(), answer(&mut types, operation));
        }
        let made = described_operation(&mut types, operation, &responses);
        let path = paths.entry(operation.row.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(operation.row.verb.name().to_owned(), made);
        }
    }
    let tags = table::GROUPS.iter();
    Described {
        paths,
        schemas: types.components,
        tags: tags
            .map(|group| json!({ "name": group.tag, "description": group.about }))
            .collect(),
    }
}

fn described_operation(types: &mut Types<'_>, operation: &Operation, responses: &Value) -> Value {
    let mut made = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.row.summary,
        "parameters": parameters(types, operation),
        "responses": responses,
        "security": [{ "key": [] }],
    });
    made = described(made, operation.found.doc.as_deref());
    if let (Some(body), Some(object)) = (body(types, operation), made.as_object_mut()) {
        object.insert("requestBody".into(), body);
    }
    made
}

fn parameters(types: &mut Types<'_>, operation: &Operation) -> Vec<Value> {
    let path = operation
        .variables
        .iter()
        .filter(|variable| variable.place == Place::Path);
    let mut parameters: Vec<Value> = path
        .map(|variable| {
            let schema = types.input(&without_null(&variable.ty));
            json!({ "name": variable.name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    for parameter in operation.parameters(&RESOURCES.schema) {
        let mut member = parameter.member;
        let ty = without_null(member.ty);
        (member.ty, member.doc) = (&ty, None);
        let schema = types.member(&member);
        let made = json!({ "name": member.name, "in": "query", "required": !member.optional, "schema": schema });
        parameters.push(described(made, parameter.member.doc.or_else(|| words(member.name))));
    }
    if operation.takes("idempotencyKey") {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "The same key with the same request gets the same answer, and nothing happens twice.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 256 },
        }));
    }
    if operation.takes("expectedVersion") {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "required": false,
            "description": "The ticket's `ETag`: refused with `VERSION_CONFLICT` once it has another one.",
            "schema": { "type": "string", "pattern": "^(\\*|\"[0-9]{1,9}\")$" },
        }));
    }
    parameters
}

/// Of parameters that are no fields of an input.
fn words(name: &str) -> Option<&'static str> {
    match name {
        "first" => Some("How many, from the beginning or `after`: 20 when absent."),
        "last" => Some("How many, from the end or `before`."),
        "after" => Some("What follows this cursor, as in `Link`."),
        "before" => Some("What comes before this cursor, as in `Link`."),
        "search" => Some("Every word is found in the owner, a message or a ticket: at most 8 words."),
        "orderBy" => Some("The order; the last changed first when absent."),
        "channelIds" => Some("Of these channels."),
        "teamIds" => Some("Of these teams."),
        "assigneeIds" => Some("Of these assignees."),
        _ => None,
    }
}

fn body(types: &mut Types<'_>, operation: &Operation) -> Option<Value> {
    let members = operation.body();
    let schema = match operation.whole() {
        Some(whole) => types.input(&whole.ty),
        None if members.is_empty() => return None,
        None => types.object(&members),
    };
    Some(json!({ "required": operation.needs_body(), "content": content(types, &schema) }))
}

fn content(types: &Types<'_>, schema: &Value) -> Value {
    let example = example(schema, "", &types.components);
    json!({ "application/json": { "schema": schema, "example": example } })
}

fn answer(types: &mut Types<'_>, operation: &Operation) -> Value {
    let found = &operation.found;
    let schema = types.output(&without_null(&found.ty), &found.selection);
    let mut headers = Map::new();
    if found.is_page {
        headers.insert(
            "Link".into(),
            json!({ "description": "The page that follows, if there is one.", "schema": { "type": "string" } }),
        );
    }
    if found.is_counted {
        headers.insert(
            "X-Total-Count".into(),
            json!({
                "description": "How many there are in all. Where that is not kept ready, 10,000 are looked at.",
                "schema": { "type": "integer", "minimum": 0 },
            }),
        );
    }
    if has_version(types, &schema) {
        headers.insert(
            "ETag".into(),
            json!({ "description": "The version; a ticket's is for `If-Match`.", "schema": { "type": "string" } }),
        );
    }
    let description = if is_list(&found.ty) {
        "They are these."
    } else {
        "It is so."
    };
    json!({ "description": description, "headers": headers, "content": content(types, &schema) })
}

/// Whether the thing itself has a version, or the ticket that a command reached.
fn has_version(types: &Types<'_>, schema: &Value) -> bool {
    let reference = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
    let component = reference.rsplit('/').next().and_then(|name| types.components.get(name));
    let of_ticket = "/properties/ticket/properties/version";
    component.is_some_and(|found| found.pointer("/properties/version").is_some() || found.pointer(of_ticket).is_some())
}
