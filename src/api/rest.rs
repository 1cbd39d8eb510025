//! REST: the documents' routes by their own names, and what a script wants. Every route is in `/openapi.json`, made from
//! the handlers.

mod docs;
mod extract;
mod messages;
mod openapi;
mod receipt;
mod resources;
mod signed;
mod tickets;
mod yolead;

pub use self::signed::Signatures;

use axum::Router;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::ApiState;
use super::error::ApiError;

/// An error, as `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the code says which problem it is.
    #[schema(example = "about:blank")]
    r#type: String,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// One sentence.
    detail: String,
    /// Stable; the same as in GraphQL.
    #[schema(example = "NOT_FOUND")]
    code: String,
}

/// What may go wrong on every route.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "they describe; answers are made by `ApiError`")]
pub(super) enum Problems {
    /// A field or a parameter is not as it must be: `field` and `expected` say which.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Problem),
    /// No key, or one that opens nothing.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// The key's scopes or role do not allow it.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// It is not there, or not in this workspace.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The body came too slowly.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(Problem),
    /// The state does not allow it: the code says why.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The ticket has another version than `If-Match` says.
    #[response(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(Problem),
    /// The body is over a bound.
    #[response(status = 413, content_type = "application/problem+json")]
    PayloadTooLarge(Problem),
    /// The body has another media type.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(Problem),
    /// Too many requests, or too many commands waiting: try again after `Retry-After`.
    #[response(status = 429, content_type = "application/problem+json")]
    TooManyRequests(Problem),
    /// It failed here; the log says how.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// The store does not answer, or the outcome is not known: try again with the same `Idempotency-Key`.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
    /// It took too long; a write may still take effect.
    #[response(status = 504, content_type = "application/problem+json")]
    Timeout(Problem),
}

pub(super) fn routes() -> Router<ApiState> {
    let (typed, described) = OpenApiRouter::<ApiState>::new()
        .merge(tickets::routes())
        .merge(messages::routes())
        .merge(yolead::routes())
        .split_for_parts();
    typed
        .merge(resources::routes())
        .merge(docs::routes(described))
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
}

async fn no_path() -> ApiError {
    ApiError::new("NOT_FOUND", "there is no such path")
}

/// The router says in `Allow` which methods there are.
async fn no_method() -> ApiError {
    ApiError::new("METHOD_NOT_ALLOWED", "the path has other methods")
}
