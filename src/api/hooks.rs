//! What providers send: the secret is checked on the raw request, and 200 comes only after the commit.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ApiState;
use super::body::read;
use super::error::ApiError;
use super::services::{Services, new_id};
use crate::domain::command::{MessageName, check_name};
use crate::domain::{Actor, ActorKind, ChannelType, ChatCommand, ChatCommandBody, Rejection};
use crate::provider::{Inbound, secret_matches, telegram};

pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/hooks/telegram/{channel_id}", post(telegram))
}

/// The channel's workspace and hash; a channel that another node just made is waited for.
async fn telegram_channel(services: &Services, channel_id: &str) -> Result<(Uuid, Uuid, Option<String>), ApiError> {
    let not_found = || ApiError::from(Rejection::NotFound { what: "channel" });
    let channel_id = Uuid::try_parse(channel_id).map_err(|_| not_found())?;
    let find = || {
        let settings = services.live.settings();
        let (workspace, channel) = settings.channel(channel_id)?;
        (channel.kind == ChannelType::Telegram).then(|| (workspace, channel_id, channel.hook_secret_hash.clone()))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    services.catch_up().await?;
    find().ok_or_else(not_found)
}

async fn telegram(
    State(state): State<ApiState>,
    Path(channel_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let services = &state.services;
    let (workspace_id, channel_id, hash) = telegram_channel(services, &channel_id).await?;
    let given = headers.get(telegram::SECRET_HEADER);
    let given = given.map(axum::http::HeaderValue::as_bytes);
    let trusted = hash.is_some_and(|hash| secret_matches(given, &hash));
    if !trusted {
        return Err(ApiError::new(
            "UNAUTHENTICATED",
            "X-Telegram-Bot-Api-Secret-Token is not the channel's secretToken",
        ));
    }
    let body = read(body, state.limits.hook_body_max_bytes).await?;
    let inbound = telegram::parse(&body).map_err(|error| ApiError::new("BAD_REQUEST", error.to_string()))?;
    let (owner, keys, body) = match inbound {
        Inbound::Ignored { reason } => return Ok(accepted("IGNORED", Some(reason))),
        Inbound::Message {
            owner_external_id,
            incoming,
            keys,
        } => {
            let body = ChatCommandBody::Receive(Box::new(incoming));
            (owner_external_id, keys, body)
        }
        Inbound::Amend {
            owner_external_id,
            message_external_id,
            amendment,
            keys,
        } => {
            let body = ChatCommandBody::Amend {
                message: MessageName::External(message_external_id),
                amendment,
                external_id: None,
                of_owner: true,
            };
            (owner_external_id, keys, body)
        }
    };
    check_name("chat.id", &owner)?;
    let actor = Actor::new(ActorKind::Owner, owner.clone());
    let command = ChatCommand {
        origin: Some((channel_id, owner)),
        keys,
        ..ChatCommand::new(new_id()?, workspace_id, actor, body)
    };
    let answer = services.router.submit_to_origin(command)?.answer().await?;
    let decision = match answer.receipt.trace {
        _ if answer.repeat => "DUPLICATE",
        Some(trace) => return Ok(accepted_trace(&trace)),
        None if answer.receipt.message_seq.is_none() => "PARKED",
        None => "EDITED",
    };
    Ok(accepted(decision, None))
}

fn accepted(decision: &str, reason: Option<&str>) -> (StatusCode, Json<Value>) {
    let body = match reason {
        Some(reason) => json!({ "decision": decision, "reason": reason }),
        None => json!({ "decision": decision }),
    };
    (StatusCode::OK, Json(body))
}

fn accepted_trace(trace: &crate::domain::Trace) -> (StatusCode, Json<Value>) {
    (StatusCode::OK, Json(json!({ "decision": trace.decision })))
}
