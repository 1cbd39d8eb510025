//! What a request gives for the variables of an operation.

use axum::body::Body;
use axum::extract::RawPathParams;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::check::{check, check_members, from_text, no_other};
use super::operation::{Operation, Parameter, Place};
use super::schema::{Member, Schema, is_list};
use crate::api::body::read;
use crate::api::commands::Terms;
use crate::api::error::ApiError;
use crate::api::rest::extract::{Query, bad, check_json, parse};

/// A request, taken apart.
#[derive(Debug)]
pub(super) struct Given<'a> {
    pub(super) path: &'a RawPathParams,
    pub(super) query: &'a Query,
    pub(super) terms: Terms,
    pub(super) body: Map<String, Value>,
}

/// The variables of an operation.
pub(super) fn variables(
    schema: &Schema,
    operation: &Operation,
    given: Given<'_>,
) -> Result<Map<String, Value>, ApiError> {
    let mut values = from_query(schema, operation, given.query)?;
    for variable in &operation.variables {
        let (field, value) = match (variable.place, variable.name.as_str()) {
            (Place::Path, name) => {
                let text = given.path.iter().find(|(given, _)| *given == name);
                (name, text.map(|(_, text)| from_text(&variable.ty, text)))
            }
            (Place::Header, "expectedVersion") => ("If-Match", given.terms.expected_version.map(Value::from)),
            (Place::Header, _) => {
                let key = given.terms.idempotency_key.clone();
                ("Idempotency-Key", key.map(Value::from))
            }
            (Place::Query | Place::Body | Place::Whole, name) => (name, None),
        };
        if let Some(value) = value {
            check(schema, &variable.ty, field, &value)?;
            values.insert(variable.name.clone(), value);
        }
    }
    if given.terms.expected_version.is_some() && operation.takes_body() && !operation.takes("expectedVersion") {
        return Err(bad("If-Match", "nothing here: only tickets have versions"));
    }
    values.extend(from_body(schema, operation, given.body)?);
    Ok(values)
}

fn from_query(schema: &Schema, operation: &Operation, query: &Query) -> Result<Map<String, Value>, ApiError> {
    let parameters = operation.parameters(schema);
    let unknown = query
        .names()
        .find(|name| !parameters.iter().any(|parameter| parameter.member.name == *name));
    if let Some(unknown) = unknown {
        let members: Vec<Member<'_>> = parameters.iter().map(|parameter| parameter.member).collect();
        return Err(bad(unknown, no_other(&members)));
    }
    let mut values = Map::new();
    for parameter in parameters {
        if let Some(value) = of_parameter(schema, &parameter, query)? {
            let (name, variable) = (parameter.member.name.to_owned(), parameter.variable.to_owned());
            if !parameter.is_field {
                values.insert(name, value);
            } else if let Some(object) = values.entry(variable).or_insert_with(|| json!({})).as_object_mut() {
                object.insert(name, value);
            }
        }
    }
    Ok(values)
}

fn of_parameter(schema: &Schema, parameter: &Parameter<'_>, query: &Query) -> Result<Option<Value>, ApiError> {
    let Member { name, ty, optional, .. } = parameter.member;
    let value = if is_list(ty) {
        let items: Vec<Value> = query.all(name).map(|text| from_text(ty, text)).collect();
        Some(items).filter(|items| !items.is_empty()).map(Value::from)
    } else {
        query.one(name)?.map(|text| from_text(ty, text))
    };
    match &value {
        Some(value) => check(schema, ty, name, value)?,
        None if optional => {}
        None => check(schema, ty, name, &Value::Null)?,
    }
    Ok(value)
}

fn from_body(schema: &Schema, operation: &Operation, body: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let Some(whole) = operation.whole() else {
        check_members(schema, &operation.body(), "", &body)?;
        return Ok(body);
    };
    let body = Value::Object(body);
    check(schema, &whole.ty, "", &body)?;
    Ok(Map::from_iter([(whole.name.clone(), body)]))
}

/// The object in a body; an empty body is an empty object, where that is enough.
pub(super) async fn object(
    operation: &Operation,
    headers: &HeaderMap,
    body: Body,
    max_bytes: usize,
) -> Result<Map<String, Value>, ApiError> {
    let bytes = read(body, max_bytes).await?;
    if bytes.is_empty() && !operation.needs_body() {
        return Ok(Map::new());
    }
    check_json(headers)?;
    match parse(&bytes)? {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(bad("body", "a JSON object"))
        }
    }
}
