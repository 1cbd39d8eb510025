//! REST: the documents' routes by their own names, and what a script wants. Every route is in `/openapi.json`, made from
//! the handlers.

mod extract;

use axum::Router;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::ApiState;

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

pub(super) fn routes() -> Router<ApiState> {
    let (router, _openapi) = OpenApiRouter::<ApiState>::new().split_for_parts();
    router
}
