//! What handlers take out of a request. Whatever is not as it must be is a problem that names the field.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::api::ApiState;
use crate::api::auth::Principal;
use crate::api::body::read;
use crate::api::commands::Terms;
use crate::api::error::ApiError;

/// Somebody whose key was known.
#[derive(Debug)]
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<ApiState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        state.admit(parts).map(Self)
    }
}

/// A field that is not as it must be.
pub(super) fn bad(field: impl Into<String>, expected: impl Into<String>) -> ApiError {
    let (field, expected) = (field.into(), expected.into());
    let mut error = ApiError::new("BAD_USER_INPUT", format!("{field}: expected {expected}"));
    error.details.insert("field".into(), field.into());
    error.details.insert("expected".into(), expected.into());
    error
}

/// An id in a path or a query.
pub(super) fn id(field: &str, text: &str) -> Result<Uuid, ApiError> {
    Uuid::try_parse(text).map_err(|_| bad(field, "a UUID"))
}

/// A JSON body of at most `graphql_body_max_bytes`; unknown fields are refused where the type denies them.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<ApiState> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        check_json(&parts.headers)?;
        let bytes = read(body, state.limits.graphql_body_max_bytes).await?;
        parse(&bytes).map(Self)
    }
}

/// Whether the headers say that the body is JSON.
pub(super) fn check_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let media_type = headers.get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(
        "UNSUPPORTED_MEDIA_TYPE",
        "the Content-Type must be application/json",
    ))
}

/// A value from JSON, or the field that is not as it must be.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        let field = if field == "." { "body".to_owned() } else { field };
        let mut problem = ApiError::new("BAD_USER_INPUT", format!("{field}: {}", error.inner()));
        problem.details.insert("field".into(), field.into());
        problem
    })?;
    deserializer
        .end()
        .map_err(|_| bad("body", "nothing after the JSON value"))?;
    Ok(value)
}

/// `Idempotency-Key`, and `If-Match` with the version that a ticket's `ETag` gave.
#[derive(Debug)]
pub(super) struct Conditions(pub(super) Terms);

impl FromRequestParts<ApiState> for Conditions {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        Ok(Self(Terms {
            expected_version: expected_version(&parts.headers)?,
            idempotency_key: idempotency_key(&parts.headers)?,
        }))
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| bad("Idempotency-Key", "visible ASCII characters"))?;
    // the draft standard wants a quoted string; a bare one is what everybody sends
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if text.is_empty() || text.len() > 256 {
        return Err(bad("Idempotency-Key", "1 to 256 bytes"));
    }
    Ok(Some(text.to_owned()))
}

fn expected_version(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .and_then(|text| text.parse().ok());
    number
        .map(Some)
        .ok_or_else(|| bad("If-Match", "one strong ETag that this API gave, or *"))
}

/// The parameters of a query string.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl FromRequestParts<ApiState> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        ))
    }
}

impl Query {
    /// The names of what is given, without the `[]` of lists.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        names.map(|name| name.strip_suffix("[]").unwrap_or(name))
    }

    /// The query string with another value for one parameter.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let others = self.0.iter();
        let others = others.filter(|(given, _)| given.strip_suffix("[]").unwrap_or(given) != name);
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(others)
            .append_pair(name, value)
            .finish()
    }

    /// A parameter that may be given once.
    pub(super) fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, ApiError> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(bad(name, "at most one value"));
        }
        Ok(first)
    }

    /// Every value of a parameter: `name=a&name=b`, or `name[]=a`.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.0.iter();
        values
            .filter(move |(given, _)| given.strip_suffix("[]").unwrap_or(given) == name)
            .map(|(_, value)| value.as_str())
    }

    /// One id or many.
    pub(super) fn ids(&self, name: &str) -> Result<Vec<Uuid>, ApiError> {
        let ids: Vec<Uuid> = self.all(name).map(|text| id(name, text)).collect::<Result<_, _>>()?;
        if ids.len() > 100 {
            return Err(bad(name, "at most 100 values"));
        }
        Ok(ids)
    }

    /// A whole number between two bounds.
    pub(super) fn number(&self, name: &str, (min, max): (u64, u64)) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        number
            .map(Some)
            .ok_or_else(|| bad(name, format!("a whole number from {min} to {max}")))
    }

    /// `true` or `false`; an empty one counts as absent.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.one(name)? {
            None | Some("" | "null") => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(bad(name, "true or false")),
        }
    }
}
