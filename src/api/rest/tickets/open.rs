//! A ticket that somebody opens.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::kind::LifecycleStatus;
use super::record::{self, TicketRecord};
use super::{KeyHeader, Scope, chat};
use crate::api::ApiState;
use crate::api::commands::{Repeats, command};
use crate::api::error::ApiError;
use crate::api::rest::Problems;
use crate::api::rest::extract::{Caller, Conditions, Json};
use crate::domain::id::sha256_hex;
use crate::domain::{ChatCommandBody, TicketAction};

/// What is known of a ticket before there is one.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "chatId": "c3d2e1f0-a9b8-4c7d-8e6f-5a4b3c2d1e0f",
    "ticketingTeamId": null,
    "assigneeId": "0b9f6a51-2c4d-4e8f-a1b3-5c7d9e0f1a2b",
    "status": "ongoing"
}))]
pub(super) struct NewTicket {
    /// Its chat.
    chat_id: Uuid,
    /// The team responsible for the ticket; null: the channel's default.
    #[serde(deserialize_with = "given")]
    #[schema(required)]
    ticketing_team_id: Option<Uuid>,
    /// The user that it is assigned to.
    assignee_id: Uuid,
    /// `pending` where it waits for the user to take it into work, `ongoing`, or `completed` for what is done already.
    status: LifecycleStatus,
}

/// Null is a value, absence is none.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    Option::deserialize(deserializer)
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Creates a new ticket.
///
/// A chat has at most one open ticket: where it has one, the answer is 409 `ALREADY_OPEN` with its `ticketId`. A ticket
/// asked for as `completed` is opened and then completed; when the second step is not reached, the same request with the
/// same `Idempotency-Key` goes on from there.
#[utoipa::path(
    post,
    path = "/api/v1/tickets",
    operation_id = "createTicket",
    tag = "Tickets",
    params(KeyHeader),
    request_body = NewTicket,
    responses(
        (status = 200, description = "The ticket was created", body = TicketRecord, headers(
            ("ETag" = String, description = "The ticket's version, for `If-Match`")
        )),
        Problems
    ),
    security(("key" = []))
)]
async fn create(
    State(state): State<ApiState>,
    Caller(principal): Caller,
    Conditions(terms): Conditions,
    Json(new): Json<NewTicket>,
) -> Result<Response, ApiError> {
    principal.require(Scope::Write)?;
    let services = &state.services;
    chat(services, &principal, new.chat_id).await?;
    let body = ChatCommandBody::Open {
        subject: None,
        assignee_id: Some(new.assignee_id),
        team_id: new.ticketing_team_id,
        is_taken: new.status != LifecycleStatus::Pending,
    };
    let repeats = Repeats {
        idempotency_key: terms.idempotency_key.clone(),
        asked: Some(json!(["createTicket", new])),
    };
    let mut answer = command(services, &principal, new.chat_id, repeats, body).await?;
    if new.status == LifecycleStatus::Completed {
        let ticket = record::ticket_of(services, &principal, &answer).await?;
        let body = ChatCommandBody::ticket(ticket.id, TicketAction::Complete);
        // a key of its own, so that a repeat completes it once as well
        let key = terms.idempotency_key;
        let key = key.map(|key| sha256_hex(format!("completed {key}").as_bytes()));
        answer = command(services, &principal, new.chat_id, key, body).await?;
    }
    record::answer(services, &principal, &answer).await
}
