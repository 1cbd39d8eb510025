//! The outer face: GraphQL over HTTP and sockets, providers' hooks, health, and the pages for people.

pub mod auth;
mod body;
mod commands;
pub mod error;
pub mod graphql;
mod graphql_http;
mod graphql_request;
mod graphql_sse;
mod graphql_ws;
mod guard;
mod hooks;
mod origins;
mod pages;
mod rate;
mod rest;
pub mod services;
mod streams;

pub use self::guard::careful;
pub use self::origins::Origins;
pub use self::rate::Rates;
pub use self::rest::Signatures;
pub use self::streams::Streams;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
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
use crate::live::Built;

/// The bounds of requests; `config/default.toml` describes them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml describes them")]
pub struct ApiLimits {
    pub graphql_body_max_bytes: usize,
    pub hook_body_max_bytes: usize,
    pub ingest_body_max_bytes: usize,
    pub ingest_line_max_bytes: usize,
    pub ingest_idle_timeout_ms: u64,
    pub query_tokens_max: usize,
    pub query_aliases_max: usize,
    pub query_depth_max: usize,
    pub query_complexity_max: usize,
    pub introspection: bool,
    pub graphiql: bool,
    pub execution_timeout_ms: u64,
    pub socket_init_timeout_ms: u64,
    pub socket_send_timeout_ms: u64,
    pub socket_subscriptions_max: usize,
    pub socket_message_max_bytes: usize,
    pub sockets_per_key_max: usize,
    pub rate_per_key_per_second: NonZeroU32,
    pub rate_burst: NonZeroU32,
    pub failed_auth_per_minute: NonZeroU32,
    pub cors_origins: Origins,
}

/// What every handler has at hand; a clone is one count.
#[derive(Clone, Debug)]
pub struct ApiState(Arc<ApiParts>);

/// What it consists of.
pub struct ApiParts {
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
    /// What keys and addresses have asked for.
    pub rates: Rates,
    /// What requests were signed with.
    pub signatures: Signatures,
    /// Ends sockets when the process ends.
    pub shutdown: CancellationToken,
}

impl std::fmt::Debug for ApiParts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ApiParts").finish_non_exhaustive()
    }
}

impl From<ApiParts> for ApiState {
    fn from(parts: ApiParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for ApiState {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.0
    }
}

impl ApiState {
    /// Who asks, by the key in the headers, as long as the key does not ask for too much.
    fn admit(&self, parts: &Parts) -> Result<auth::Principal, error::ApiError> {
        let authorization = parts.headers.get(header::AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let principal = self.authenticate(authorization, rate::peer(&parts.extensions))?;
        self.rates.spend(principal.key_id, parts.extensions.get())?;
        Ok(principal)
    }

    /// Who holds a credential. Whoever has none is counted by address.
    fn authenticate(&self, authorization: Option<&str>, peer: IpAddr) -> Result<auth::Principal, error::ApiError> {
        let admitted = self.auth.authenticate(authorization);
        admitted.or_else(|error| {
            self.rates.spend_as_stranger(peer)?;
            Err(error::ApiError::new("UNAUTHENTICATED", error.to_string()))
        })
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
    let (rates, origins) = (state.rates.clone(), state.limits.cors_origins.clone());
    let routes = Router::new()
        .merge(graphql_http::routes())
        .merge(graphql_sse::routes())
        .merge(hooks::routes())
        .merge(pages::routes())
        .merge(rest::routes())
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(state)
        .layer(from_fn_with_state(rates, rate::measure));
    guard::guard(routes, origins)
}

/// 200 once this node's view answers, 503 while it is being built.
async fn ready(State(state): State<ApiState>) -> impl IntoResponse {
    let applied = state.services.live.applied();
    if applied.ready {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let Built { records, of } = applied.built;
    let answer = format!("the view is being built: {records} of {of} records\n");
    (StatusCode::SERVICE_UNAVAILABLE, answer)
}
