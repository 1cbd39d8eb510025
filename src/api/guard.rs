//! What every request passes and every answer carries, whatever it asks for: whose page may ask, and what browsers are
//! told about the answer.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use super::error::ApiError;
use super::origins::Origins;

/// How long a browser may remember what a preflight said.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_mins(10);
/// Beside those that pages may always send.
const REQUEST_HEADERS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    header::IF_MATCH,
];
/// Beside those that pages may always read.
const RESPONSE_HEADERS: [HeaderName; 6] = [
    header::ETAG,
    header::LINK,
    HeaderName::from_static("x-total-count"),
    header::RETRY_AFTER,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
];

/// Lets pages of listed origins in, and pages of others only look at what anybody may see.
pub(super) fn guard(routes: Router, origins: Origins) -> Router {
    let listed = origins.list().to_vec();
    let guarded = routes.layer(from_fn_with_state(origins, refuse_foreign));
    if listed.is_empty() {
        return guarded;
    }
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(listed))
        .allow_methods(methods)
        .allow_headers(REQUEST_HEADERS)
        .expose_headers(RESPONSE_HEADERS)
        .max_age(PREFLIGHT_MAX_AGE);
    guarded.layer(cors)
}

async fn refuse_foreign(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    if may_act(&request) && origins.is_foreign(request.headers()) {
        let message = "pages of this origin may not do that: see api.cors_origins";
        return ApiError::new("FORBIDDEN", message).into_response();
    }
    next.run(request).await
}

/// Whether a browser would let a page of another origin do this without asking first, or not know that it must.
fn may_act(request: &Request) -> bool {
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    !is_safe || request.headers().contains_key(header::UPGRADE)
}

/// Gives every answer the headers that make browsers careful; an answer's own ones stay.
pub fn careful(mut app: Router) -> Router {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        let value = HeaderValue::from_static(value);
        app = app.layer(SetResponseHeaderLayer::if_not_present(name, value));
    }
    app
}
