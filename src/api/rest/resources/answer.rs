//! The answer of an operation, as REST gives it.

use std::time::Duration;

use async_graphql::{Request, ServerError, Variables};
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::operation::{Found, Operation};
use crate::api::ApiState;
use crate::api::auth::Principal;
use crate::api::error::ApiError;
use crate::api::graphql_request::{PARSE_FAILED, Phase, TIMEOUT, TOO_COMPLEX, VALIDATION_FAILED, code_of};
use crate::api::graphql_request::{execute, fill_codes};
use crate::api::rest::extract::Query;

/// Runs an operation; what it found.
pub(super) async fn run(
    state: &ApiState,
    operation: &Operation,
    principal: Principal,
    values: Map<String, Value>,
) -> Result<Value, ApiError> {
    let document = operation.document(&values);
    let variables: Variables = serde_json::from_value(Value::Object(values))
        .map_err(|error| ApiError::new("BAD_USER_INPUT", error.to_string()))?;
    let mut request = Request::new(operation.row.operation)
        .variables(variables)
        .data(principal);
    request.set_parsed_query(document);
    let limit = Duration::from_millis(state.limits.execution_timeout_ms);
    let mut response = execute(&state.schema, request, limit).await;
    let phase = Phase::of(&response);
    fill_codes(&mut response.errors, phase);
    if let Some(error) = response.errors.into_iter().next() {
        return Err(problem(&error, operation.whole().is_some()));
    }
    let data = response.data.into_json();
    let data = data.map_err(|error| ApiError::new("INTERNAL", error.to_string()))?;
    let found = operation.found.keys.iter().try_fold(data, |mut data, key| {
        let found = data.get_mut(key).map(Value::take);
        found.filter(|found| !found.is_null())
    });
    found.ok_or_else(|| ApiError::new("NOT_FOUND", "there is nothing with this id in the workspace"))
}

/// An error of GraphQL as the failure that it was made of. The fields of `input` are those of the body.
fn problem(error: &ServerError, is_input_body: bool) -> ApiError {
    let Some(failure) = error.source::<ApiError>() else {
        return ApiError::new(own_code(error), error.message.clone());
    };
    let mut failure = failure.clone();
    if is_input_body {
        let field = failure.details.get("field").and_then(Value::as_str);
        if let Some(field) = field.and_then(|field| field.strip_prefix("input.")) {
            let field = field.to_owned();
            failure.message = failure.message.replacen("input.", "", 1);
            failure.details.insert("field".into(), field.into());
        }
    }
    failure
}

/// The code of an error that async-graphql made itself.
fn own_code(error: &ServerError) -> &'static str {
    let known = [
        "BAD_USER_INPUT",
        "FORBIDDEN",
        PARSE_FAILED,
        TIMEOUT,
        TOO_COMPLEX,
        VALIDATION_FAILED,
    ];
    let code = code_of(error);
    let known = known.into_iter().find(|known| code == Some(*known));
    known.unwrap_or("INTERNAL")
}

/// A page of a list as an array, and everything else as it is; with what the headers say.
pub(super) fn respond(operation: &Operation, (path, query): (&str, &Query), mut value: Value) -> Response {
    let mut headers = vec![(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    if operation.found.is_page {
        headers.extend(page_headers(&operation.found, (path, query), &value));
        value = value.get_mut("nodes").map(Value::take).unwrap_or_default();
    } else if let Some(version) = version(&value) {
        headers.extend(text(header::ETAG, &format!("\"{version}\"")));
    }
    let mut response = (status(operation), Json(value)).into_response();
    response.headers_mut().extend(headers);
    response
}

/// What an accepted request gets.
pub(super) fn status(operation: &Operation) -> StatusCode {
    if operation.row.creates {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    }
}

/// Of the thing itself, or of the ticket that a command reached.
fn version(value: &Value) -> Option<i64> {
    let own = value.get("version").or_else(|| value.pointer("/ticket/version"));
    own.and_then(Value::as_i64)
}

fn text(name: HeaderName, text: &str) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(text).ok()?;
    Some((name, value))
}

fn page_headers(found: &Found, (path, query): (&str, &Query), page: &Value) -> Vec<(HeaderName, HeaderValue)> {
    let backward = query.all("last").chain(query.all("before")).next().is_some();
    let (relation, parameter, more, cursor) = if backward {
        ("prev", "before", "hasPreviousPage", "startCursor")
    } else {
        ("next", "after", "hasNextPage", "endCursor")
    };
    let info = page.get("pageInfo");
    let has_more = info.and_then(|info| info.get(more)).and_then(Value::as_bool);
    let cursor = info.and_then(|info| info.get(cursor)).and_then(Value::as_str);
    let link = cursor.filter(|_| has_more == Some(true)).and_then(|cursor| {
        let query = query.with(parameter, cursor);
        text(header::LINK, &format!("<{path}?{query}>; rel=\"{relation}\""))
    });
    let total = page
        .get("totalCount")
        .and_then(Value::as_u64)
        .filter(|_| found.is_counted);
    let total = total.map(|total| (HeaderName::from_static("x-total-count"), HeaderValue::from(total)));
    link.into_iter().chain(total).collect()
}
