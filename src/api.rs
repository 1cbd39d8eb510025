//! The outer face: GraphQL over HTTP and sockets, providers' hooks, health, and the pages for people.

pub mod auth;
mod commands;
pub mod error;
pub mod graphql;
mod graphql_http;
mod graphql_request;
mod graphql_sse;
mod graphql_ws;
mod hooks;
mod pages;
mod rest;
pub mod services;
mod streams;

pub use self::streams::Streams;

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use futures_util::FutureExt as _;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use self::auth::Authenticator;
use self::graphql::SwitchboardSchema;
use self::graphql_request::Prepared;
use self::services::Services;
use self::streams::Answer;

/// The bounds of requests; `config/default.toml` describes them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml describes them")]
pub struct ApiLimits {
    pub graphql_body_max_bytes: usize,
    pub hook_body_max_bytes: usize,
    pub query_tokens_max: usize,
    pub query_aliases_max: usize,
    pub execution_timeout_ms: u64,
    pub socket_init_timeout_ms: u64,
    pub socket_send_timeout_ms: u64,
    pub socket_subscriptions_max: usize,
    pub socket_message_max_bytes: usize,
}

/// What every handler has at hand.
#[derive(Clone)]
pub struct ApiState {
    /// The schema over the services.
    pub schema: SwitchboardSchema,
    /// Subscriptions.
    pub streams: Streams,
    /// Knows the keys.
    pub auth: Authenticator,
    /// The parts of the node.
    pub services: Services,
    /// Bounds.
    pub limits: ApiLimits,
    /// Ends sockets when the process ends.
    pub shutdown: CancellationToken,
}

impl std::fmt::Debug for ApiState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ApiState").finish_non_exhaustive()
    }
}

impl ApiState {
    /// Who asks, by the key in the headers.
    fn admit(&self, headers: &axum::http::HeaderMap) -> Result<auth::Principal, error::ApiError> {
        let authorization = headers.get(axum::http::header::AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let admitted = self.auth.authenticate(authorization);
        admitted.map_err(|error| error::ApiError::new("UNAUTHENTICATED", error.to_string()))
    }

    /// What an operation gives; a query or a mutation gives one answer.
    fn answers(&self, prepared: Prepared) -> BoxStream<'static, Answer> {
        match prepared {
            Prepared::Stream(source) => self.streams.subscribe(source).boxed(),
            Prepared::Once { request, .. } => {
                let schema = self.schema.clone();
                let limit = Duration::from_millis(self.limits.execution_timeout_ms);
                let answer = async move { graphql_request::execute(&schema, request, limit).await };
                stream::once(answer.map(|response| Answer::of(response, true))).boxed()
            }
        }
    }
}

/// Every route.
pub fn app(state: ApiState) -> Router {
    Router::new()
        .merge(graphql_http::routes())
        .merge(graphql_sse::routes())
        .merge(hooks::routes())
        .merge(pages::routes())
        .merge(rest::routes())
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(state)
}

/// 200 once this node's view answers, 503 while it is being built.
async fn ready(State(state): State<ApiState>) -> impl IntoResponse {
    if state.services.live.applied().ready {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the view is being built\n")
    }
}
