//! Tickets by document 001: its paths, its names, its nullability.
//!
//! What the document leaves open: the list answers an array with `Link` and `X-Total-Count`; `responderId` is never null,
//! a default stands in; the owner of a chat is a contact; a ticket of one kind of creation that the document does not
//! name carries its own word in `circumstance`.

mod change;
mod details;
mod kind;
mod list;
mod open;
mod record;
mod responder;
mod tags;

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::extract::{bad, id};
use crate::api::ApiState;
use crate::api::auth::{Principal, Scope};
use crate::api::error::ApiError;
use crate::api::services::Services;
use crate::domain::Rejection;
use crate::view::ChatRow;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(details::routes())
        .merge(list::routes())
        .merge(open::routes())
        .merge(change::routes())
        .merge(tags::routes())
}

/// The header by which a repeat is known.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes; `Conditions` reads the header")]
pub(super) struct KeyHeader {
    /// The same key with the same request gets the first answer again, and nothing happens twice.
    #[param(rename = "Idempotency-Key", required = false, pattern = "^[A-Za-z0-9_.:~-]{1,256}$")]
    idempotency_key: String,
}

/// The header that makes a change depend on what its sender saw.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes; `Conditions` reads the header")]
pub(super) struct VersionHeader {
    /// The `ETag` of the ticket as it was seen: with another version of it, the answer is 412 and nothing changes.
    #[param(rename = "If-Match", required = false, pattern = r#"^("[0-9]{1,15}"|\*)$"#)]
    if_match: String,
}

/// The parameters in a path.
#[derive(Debug)]
pub(super) struct InPath(HashMap<String, String>);

impl FromRequestParts<ApiState> for InPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let found = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        found.map(|Path(found)| Self(found)).map_err(|_| bad("path", "UTF-8"))
    }
}

impl InPath {
    pub(super) fn id(&self, name: &str) -> Result<Uuid, ApiError> {
        id(name, self.0.get(name).map_or("", String::as_str))
    }
}

/// A ticket's answer with the `ETag` that `If-Match` takes.
fn with_version(version: u64, body: impl Serialize) -> Response {
    let mut response = axum::Json(body).into_response();
    if let Ok(value) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// A chat that the key reaches; one that another node just made is waited for.
pub(super) async fn chat(services: &Services, principal: &Principal, chat_id: Uuid) -> Result<ChatRow, ApiError> {
    let workspace = principal.workspace_id;
    let mut found = services.view().await?.chats(workspace, vec![chat_id]).await?;
    if found.is_empty() && !services.live.view().is_embedded() {
        services.catch_up().await?;
        found = services.live.view().chats(workspace, vec![chat_id]).await?;
    }
    let seen = found.into_iter().find(|chat| principal.sees(chat.channel_id));
    seen.ok_or_else(|| Rejection::NotFound { what: "chat" }.into())
}
