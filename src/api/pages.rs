//! The pages for people: the dashboard and GraphiQL as built from `web/`, or a plain page where they were not built.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use super::ApiState;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Built;

const PLAIN: &str = include_str!("pages/plain.html");

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/", get(async || page("index.html")))
        .route("/graphiql", get(graphiql))
        .route("/assets/{*path}", get(asset))
}

async fn graphiql(State(state): State<ApiState>) -> Response {
    if state.limits.graphiql {
        page("graphiql.html")
    } else {
        (StatusCode::NOT_FOUND, "not found\n").into_response()
    }
}

fn page(name: &str) -> Response {
    match Built::get(name) {
        Some(file) => (headers("text/html; charset=utf-8", false), file.data).into_response(),
        None => (headers("text/html; charset=utf-8", false), Html(PLAIN)).into_response(),
    }
}

async fn asset(Path(path): Path<String>) -> Response {
    match Built::get(&format!("assets/{path}")) {
        Some(file) => {
            let kind = file.metadata.mimetype().to_owned();
            (headers(&kind, true), file.data).into_response()
        }
        None => (StatusCode::NOT_FOUND, "not found\n").into_response(),
    }
}

/// Only this origin's own files may run or be asked; assets carry a hash in their names and never change.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

pub(super) fn headers(kind: &str, forever: bool) -> [(HeaderName, HeaderValue); 5] {
    let cache = if forever {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let kind = HeaderValue::from_str(kind);
    [
        (
            header::CONTENT_TYPE,
            kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
}
