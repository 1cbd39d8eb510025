//! GraphQL over HTTP: POST for any operation, GET for queries, and the door to the socket.
//!
//! What a status says, beside the errors in the body:
//!
//! | status | when |
//! |---|---|
//! | 200 | the operation ran; as `application/json` also when it could not be parsed or validated |
//! | 400 | a malformed request, a bound that was passed; as `application/graphql-response+json` also parsing and validation |
//! | 401 | no known key |
//! | 405 | another method, or a mutation by GET |
//! | 406, 415 | media types |
//! | 408 | a body that came too slowly |
//! | 413 | a body over the bound |
//! | 429, 503 | nothing ran because of load, or because something is away; only when there is no data |
//! | 429 | the key, or an address without a key, asks for too much |
//! | 504 | the execution took too long, in both media types: nobody knows whether a mutation took effect |
//!
//! The audits of the npm package graphql-http agree with this table.

mod media;

use std::time::Duration;

use async_graphql::{Response as GraphqlResponse, ServerError, Value};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

pub(super) use self::media::MediaType;
use super::ApiState;
use super::auth::Principal;
use super::body::{TOO_SLOW, is_too_slow};
use super::error::ApiError;
use super::graphql_request::{self as request, BAD_REQUEST, Parameters, Phase, Prepared, code_of, coded};
use super::graphql_ws;

/// How to say who asks.
const BEARER: (HeaderName, HeaderValue) = (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));

/// `/graphql`.
pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route("/graphql", any(serve))
}

async fn serve(State(state): State<ApiState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET && wants_socket(&parts.headers) {
        return graphql_ws::upgrade(state, parts).await;
    }
    let accepted = media::accepted(&parts.headers);
    let media_type = accepted.unwrap_or(MediaType::Json);
    answer(&state, &parts, body, accepted)
        .await
        .unwrap_or_else(|refusal| refusal.into_response(media_type))
}

fn wants_socket(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

async fn answer(state: &ApiState, parts: &Parts, body: Body, accepted: Option<MediaType>) -> Result<Response, Refusal> {
    let (parameters, principal) = read(state, parts, body).await?;
    let media_type = accepted.ok_or_else(|| {
        let message = "the answer is application/graphql-response+json or application/json";
        Refusal::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", message)
    })?;
    run(state, parameters, principal, (&parts.method, media_type)).await
}

/// What a request asks for, and who asks. That comes first, so that a stranger learns nothing but that.
pub(super) async fn read(state: &ApiState, parts: &Parts, body: Body) -> Result<(Parameters, Principal), Refusal> {
    let principal = state.admit(parts)?;
    if parts.method != Method::GET && parts.method != Method::POST {
        return Err(Refusal::method("use POST, or GET for queries", "GET, POST"));
    }
    if parts.method == Method::GET {
        return Ok((parameters_of_uri(&parts.uri)?, principal));
    }
    if !media::is_json(&parts.headers) {
        let message = "the Content-Type must be application/json, in UTF-8";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refusal::new(status, "UNSUPPORTED_MEDIA_TYPE", message));
    }
    let bytes = read_body(body, state.limits.graphql_body_max_bytes).await?;
    Ok((parameters_of_body(&bytes)?, principal))
}

/// The parameters of a GET; `variables` and `extensions` are JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UriParameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

fn parameters_of_uri(uri: &Uri) -> Result<Parameters, Refusal> {
    let Query(given) = Query::<UriParameters>::try_from_uri(uri)
        .map_err(|error| Refusal::bad(format!("the query string: {error}")))?;
    let mut object = Map::new();
    for (name, text) in [("query", given.query), ("operationName", given.operation_name)] {
        object.extend(text.map(|text| (name.to_owned(), Json::String(text))));
    }
    for (name, text) in [("variables", given.variables), ("extensions", given.extensions)] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let value = serde_json::from_str(&text)
                .map_err(|error| Refusal::bad(format!("the parameter {name} is not JSON: {error}")))?;
            object.insert(name.to_owned(), value);
        }
    }
    Parameters::from_json(object).map_err(Refusal::bad)
}

fn parameters_of_body(bytes: &[u8]) -> Result<Parameters, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::bad("the body is not UTF-8"))?;
    let value = serde_json::from_str(text).map_err(|error| Refusal::bad(format!("the body is not JSON: {error}")))?;
    match value {
        Json::Object(object) => Parameters::from_json(object).map_err(Refusal::bad),
        Json::Array(_) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "BATCH_NOT_SUPPORTED",
            "one request has one operation: batches are not supported",
        )),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Err(Refusal::bad("the body must be a JSON object"))
        }
    }
}

/// Reads a body, and stops as soon as it is over the bound.
async fn read_body(body: Body, max_bytes: usize) -> Result<Vec<u8>, Refusal> {
    let mut read = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            if is_too_slow(&error) {
                return Refusal::new(StatusCode::REQUEST_TIMEOUT, TOO_SLOW, "the body came too slowly");
            }
            Refusal::bad("the body could not be read")
        })?;
        if read.len().saturating_add(chunk.len()) > max_bytes {
            let message = format!("a body has at most {max_bytes} bytes");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Refusal::new(status, "PAYLOAD_TOO_LARGE", message));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

async fn run(
    state: &ApiState,
    parameters: Parameters,
    principal: Principal,
    (method, media_type): (&Method, MediaType),
) -> Result<Response, Refusal> {
    let prepared = request::prepare(parameters, &state.limits, principal);
    let response = match prepared {
        Ok(Prepared::Once { is_mutation: true, .. }) if method == Method::GET => {
            return Err(Refusal::method("a mutation needs POST", "POST"));
        }
        Ok(Prepared::Once { request, .. }) => {
            let limit = Duration::from_millis(state.limits.execution_timeout_ms);
            request::execute(&state.schema, request, limit).await
        }
        Ok(Prepared::Stream(_)) => {
            let message =
                "a subscription needs a WebSocket with the subprotocol graphql-transport-ws, or /graphql/stream";
            return Err(Refusal::bad(message));
        }
        Err(error) => GraphqlResponse::from_errors(vec![error]),
    };
    Ok(respond(response, media_type))
}

fn respond(mut response: GraphqlResponse, media_type: MediaType) -> Response {
    let phase = Phase::of(&response);
    request::fill_codes(&mut response.errors, phase);
    let status = status(&response, phase, media_type);
    let payload = Payload {
        data: (phase == Phase::Executed).then_some(&response.data),
        errors: &response.errors,
        extensions: &response.extensions,
    };
    let mut answer = payload.into_response(status, media_type);
    if status == StatusCode::TOO_MANY_REQUESTS {
        let seconds = HeaderValue::from(retry_after_seconds(&response.errors));
        answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    if status == StatusCode::UNAUTHORIZED {
        let (name, value) = BEARER;
        answer.headers_mut().insert(name, value);
    }
    answer.headers_mut().extend(response.http_headers);
    answer
}

fn status(response: &GraphqlResponse, phase: Phase, media_type: MediaType) -> StatusCode {
    if response.data != Value::Null {
        return StatusCode::OK;
    }
    let by_code = |error: &ServerError| match code_of(error)? {
        "OVERLOADED" | "RATE_LIMITED" => Some(StatusCode::TOO_MANY_REQUESTS),
        "UNAUTHENTICATED" => Some(StatusCode::UNAUTHORIZED),
        "UNAVAILABLE" | "UNCERTAIN" => Some(StatusCode::SERVICE_UNAVAILABLE),
        request::TIMEOUT => Some(StatusCode::GATEWAY_TIMEOUT),
        request::TOO_COMPLEX => Some(StatusCode::BAD_REQUEST),
        _ => None,
    };
    let otherwise = match (phase, media_type) {
        (Phase::Refused, MediaType::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (Phase::Refused, MediaType::Json) | (Phase::Executed, _) => StatusCode::OK,
    };
    let mut statuses = response.errors.iter().filter_map(by_code);
    statuses.next().unwrap_or(otherwise)
}

/// The longest wait that an error asks for, in whole seconds, at least one.
fn retry_after_seconds(errors: &[ServerError]) -> u64 {
    let wait_ms = |error: &ServerError| match error.extensions.as_ref()?.get("retryAfterMs") {
        Some(Value::Number(wait_ms)) => wait_ms.as_u64(),
        _ => None,
    };
    let longest_ms = errors.iter().filter_map(wait_ms).max().unwrap_or(0);
    longest_ms.div_ceil(1_000).max(1)
}

/// The body of every answer; `data` is absent when nothing ran.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(skip_serializing_if = "<[ServerError]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    extensions: &'a std::collections::BTreeMap<String, Value>,
}

impl Payload<'_> {
    fn into_response(self, status: StatusCode, media_type: MediaType) -> Response {
        match serde_json::to_vec(&self) {
            Ok(body) => {
                let headers = [
                    (header::CONTENT_TYPE, media_type.content_type()),
                    (header::CACHE_CONTROL, "no-store"),
                ];
                (status, headers, body).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "a response cannot be written as JSON");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// A request that did not come as far as GraphQL.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: Box<ServerError>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let status = error.status();
        let header = match error.retry_after_seconds() {
            Some(seconds) => Some((header::RETRY_AFTER, HeaderValue::from(seconds))),
            None if status == StatusCode::UNAUTHORIZED => Some(BEARER),
            None => None,
        };
        Self {
            status,
            error: Box::new(request::failed(error)),
            header,
        }
    }
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            error: Box::new(coded(message, code)),
            header: None,
        }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, BAD_REQUEST, message)
    }

    pub(super) fn method(message: &str, allowed: &'static str) -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self {
            header: Some((header::ALLOW, HeaderValue::from_static(allowed))),
            ..Self::new(status, "METHOD_NOT_ALLOWED", message)
        }
    }

    pub(super) fn into_response(self, media_type: MediaType) -> Response {
        let payload = Payload {
            errors: std::slice::from_ref(&*self.error),
            data: None,
            extensions: &std::collections::BTreeMap::new(),
        };
        let mut response = payload.into_response(self.status, media_type);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::PathSegment;
    use serde_json::json;

    use super::*;

    fn refused(uri: &'static str) -> (StatusCode, String) {
        let refusal = parameters_of_uri(&Uri::from_static(uri)).unwrap_err();
        let code = code_of(&refusal.error).unwrap().to_owned();
        (refusal.status, code)
    }

    #[test]
    fn parameters_of_a_uri() {
        let uri = "/graphql?query=%7B%20a%20%7D&operationName=A&variables=%7B%22b%22%3A1%7D&x=1";
        let by_uri = parameters_of_uri(&Uri::from_static(uri)).unwrap();
        let body = json!({"query": "{ a }", "operationName": "A", "variables": {"b": 1}});
        let by_body = parameters_of_body(body.to_string().as_bytes()).unwrap();
        assert_eq!(by_uri, by_body);
    }

    #[test]
    fn parameters_of_a_wrong_uri() {
        let bad = (StatusCode::BAD_REQUEST, BAD_REQUEST.to_owned());
        assert_eq!(refused("/graphql"), bad);
        assert_eq!(refused("/graphql?query=a&variables=%7B"), bad);
        assert_eq!(refused("/graphql?query=a&variables=1"), bad);
        assert_eq!(refused("/graphql?query=a&query=b"), bad);
    }

    #[test]
    fn bodies_that_are_no_request() {
        let code = |body: &[u8]| {
            let refusal = parameters_of_body(body).unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
            code_of(&refusal.error).unwrap().to_owned()
        };
        assert_eq!(code(b""), BAD_REQUEST);
        assert_eq!(code(b"{ \"not a JSON"), BAD_REQUEST);
        assert_eq!(code(b"{\"query\":\"\xff\"}"), BAD_REQUEST);
        assert_eq!(code(b"\"{ a }\""), BAD_REQUEST);
        assert_eq!(code(b"[{\"query\":\"{ a }\"}]"), "BATCH_NOT_SUPPORTED");
    }

    #[tokio::test]
    async fn bodies_over_the_bound() {
        assert_eq!(read_body(Body::from("1234"), 4).await.unwrap(), b"1234");
        let refusal = read_body(Body::from("12345"), 4).await.unwrap_err();
        assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    fn failed(code: &str, executed: bool) -> GraphqlResponse {
        let mut error = coded("no", code);
        if executed {
            error.path = vec![PathSegment::Field("a".to_owned())];
        }
        GraphqlResponse::from_errors(vec![error])
    }

    #[test]
    fn statuses() {
        let both = |response: GraphqlResponse| {
            let phase = Phase::of(&response);
            let status = |media_type| status(&response, phase, media_type).as_u16();
            (status(MediaType::Json), status(MediaType::GraphqlResponse))
        };
        assert_eq!(both(failed(request::PARSE_FAILED, false)), (200, 400));
        assert_eq!(both(failed(request::VALIDATION_FAILED, false)), (200, 400));
        assert_eq!(both(failed(request::TOO_COMPLEX, false)), (400, 400));
        assert_eq!(both(failed(request::TIMEOUT, false)), (504, 504));
        assert_eq!(both(failed("NOT_FOUND", true)), (200, 200));
        assert_eq!(both(failed("OVERLOADED", true)), (429, 429));
        assert_eq!(both(failed("UNAVAILABLE", true)), (503, 503));
        let mut partial = failed("OVERLOADED", true);
        partial.data = Value::from(true);
        assert_eq!(both(partial), (200, 200));
    }

    #[test]
    fn retry_after() {
        let mut error = coded("later", "OVERLOADED");
        assert_eq!(retry_after_seconds(&[error.clone()]), 1);
        let values = error.extensions.get_or_insert_default();
        values.set("retryAfterMs", 2_001);
        let response = respond(GraphqlResponse::from_errors(vec![error]), MediaType::Json);
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "3");
    }
}
