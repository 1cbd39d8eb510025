//! The one place where failures become answers: a stable code, a sentence, and what a program needs beside them.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, ErrorExtensions as _};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::actor::CommandError;
use crate::domain::Rejection;
use crate::live::LiveError;
use crate::router::RouterError;
use crate::sqlite::ReadError;
use crate::store::StoreError;

/// A failure as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// Stable.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// Beside the code.
    pub details: Map<String, Value>,
}

impl ApiError {
    /// A failure without details.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Map::new(),
        }
    }

    /// The HTTP status that says the same.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.code {
            "NOT_FOUND" => StatusCode::NOT_FOUND,
            "UNAUTHENTICATED" => StatusCode::UNAUTHORIZED,
            "FORBIDDEN" => StatusCode::FORBIDDEN,
            "UNSUPPORTED_MEDIA_TYPE" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "VERSION_CONFLICT" => StatusCode::PRECONDITION_FAILED,
            "PAYLOAD_TOO_LARGE" => StatusCode::PAYLOAD_TOO_LARGE,
            "OVERLOADED" | "RATE_LIMITED" => StatusCode::TOO_MANY_REQUESTS,
            "UNAVAILABLE" | "UNCERTAIN" => StatusCode::SERVICE_UNAVAILABLE,
            "INTERNAL" => StatusCode::INTERNAL_SERVER_ERROR,
            "TIMEOUT" => StatusCode::GATEWAY_TIMEOUT,
            "REQUEST_TIMEOUT" => StatusCode::REQUEST_TIMEOUT,
            "METHOD_NOT_ALLOWED" => StatusCode::METHOD_NOT_ALLOWED,
            "INVALID_TRANSITION"
            | "TICKET_SUPERSEDED"
            | "ALREADY_EXISTS"
            | "ALREADY_OPEN"
            | "ALREADY_ASSIGNED"
            | "AT_CAPACITY"
            | "STALE_RESPONDER"
            | "IDEMPOTENCY_MISMATCH"
            | "LIMIT_REACHED"
            | "LAST_ADMIN_KEY" => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Too much waits or is under way.
    #[must_use]
    pub fn overloaded(message: impl Into<String>, retry_after_ms: u64) -> Self {
        let mut overloaded = Self::new("OVERLOADED", message);
        overloaded.details.insert("retryAfterMs".into(), retry_after_ms.into());
        overloaded
    }

    /// When to try again, in milliseconds.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.details.get("retryAfterMs").and_then(Value::as_u64)
    }

    /// As above, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after_ms().map(|ms| ms.div_ceil(1_000).max(1))
    }

    /// As an error of GraphQL.
    #[must_use]
    pub fn into_graphql(self) -> async_graphql::Error {
        let source = Arc::new(self.clone());
        let Self { code, message, details } = self;
        let mut error = async_graphql::Error::new(message).extend_with(|_, values: &mut ErrorExtensionValues| {
            values.set("code", code);
            for (name, value) in details {
                let value = async_graphql::Value::from_json(value);
                values.set(name, value.unwrap_or(async_graphql::Value::Null));
            }
        });
        // so that REST over GraphQL answers with the failure itself
        error.source = Some(source);
        error
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let details = rejection.details().into_iter();
        Self {
            details: details.map(|(name, value)| (name.to_owned(), value)).collect(),
            ..Self::new(rejection.code(), rejection.to_string())
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Rejected(rejection) => rejection.into(),
            CommandError::Unavailable => Self::new("UNAVAILABLE", error.to_string()),
            CommandError::Uncertain => Self::new("UNCERTAIN", error.to_string()),
        }
    }
}

impl From<RouterError> for ApiError {
    fn from(error: RouterError) -> Self {
        match error {
            RouterError::Command(error) => error.into(),
            RouterError::Closing => Self::new("UNAVAILABLE", error.to_string()),
            RouterError::Overloaded { retry_after_ms } => Self::overloaded(error.to_string(), retry_after_ms),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a question to the store failed");
        Self::new("UNAVAILABLE", "the store is not available")
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        if let ReadError::TooMuch = error {
            return Self::new("FILTER_TOO_BROAD", error.to_string());
        }
        tracing::error!(%error, "the view cannot be read");
        Self::new("INTERNAL", "the view cannot be read")
    }
}

impl From<LiveError> for ApiError {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::Store(error) => error.into(),
            LiveError::View(error) => error.into(),
        }
    }
}

/// So that `?` in a resolver gives an error with its code.
impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        error.into_graphql()
    }
}

/// `application/problem+json`.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after = self.retry_after_seconds();
        let mut body = self.details;
        body.insert("type".into(), json!("about:blank"));
        body.insert("title".into(), json!(status.canonical_reason().unwrap_or("error")));
        body.insert("status".into(), json!(status.as_u16()));
        body.insert("detail".into(), json!(self.message));
        body.insert("code".into(), json!(self.code));
        let mut response = (status, Json(Value::Object(body))).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
