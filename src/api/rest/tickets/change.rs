//! What becomes of a ticket, and who has it.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::record::{self, TicketRecord};
use super::{InPath, KeyHeader, Scope, VersionHeader};
use crate::api::ApiState;
use crate::api::commands::{chat_of, ticket_command};
use crate::api::error::ApiError;
use crate::api::rest::Problems;
use crate::api::rest::extract::{Caller, Conditions, Json};
use crate::api::services::Services;
use crate::domain::{Actor, ActorKind, ChatCommand, ChatCommandBody, TicketAction};

/// Who completes a ticket.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "userId": "0b9f6a51-2c4d-4e8f-a1b3-5c7d9e0f1a2b" }))]
pub(super) struct TicketCompletion {
    /// The user in whose name it is done.
    user_id: Uuid,
}

/// Who gets a ticket.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "assigneeId": "0b9f6a51-2c4d-4e8f-a1b3-5c7d9e0f1a2b" }))]
pub(super) struct TicketAssignment {
    /// The user.
    assignee_id: Uuid,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(complete))
        .routes(routes!(take_over))
        .routes(routes!(assign))
}

/// Completes a ticket.
///
/// One that is pending cannot be completed before somebody took it into work: 409 `INVALID_TRANSITION`.
#[utoipa::path(
    patch,
    path = "/api/v1/tickets/{id}/complete",
    operation_id = "completeTicket",
    tag = "Tickets",
    params(("id" = Uuid, Path, description = "The ticket"), KeyHeader, VersionHeader),
    request_body = TicketCompletion,
    responses(
        (status = 200, description = "The ticket was completed", body = TicketRecord, headers(
            ("ETag" = String, description = "The ticket's version, for `If-Match`")
        )),
        Problems
    ),
    security(("key" = []))
)]
async fn complete(
    State(state): State<ApiState>,
    Caller(principal): Caller,
    path: InPath,
    Conditions(terms): Conditions,
    Json(completion): Json<TicketCompletion>,
) -> Result<Response, ApiError> {
    principal.require(Scope::Write)?;
    let (services, ticket_id) = (&state.services, path.id("id")?);
    let chat_id = chat_of(services, &principal, ticket_id).await?;
    principal.check_agent(completion.user_id)?;
    services.check_agent(&principal, completion.user_id).await?;
    let asked = json!(["completeTicket", ticket_id, terms.expected_version, completion]);
    let envelope = Services::envelope(&principal, terms.idempotency_key, &asked)?;
    let actor = Actor::new(ActorKind::Agent, completion.user_id.to_string());
    let body = ChatCommandBody::Ticket {
        ticket_id,
        expected_version: terms.expected_version,
        action: TicketAction::Complete,
    };
    let command = ChatCommand {
        keys: envelope.keys,
        body_hash: envelope.body_hash,
        ..ChatCommand::new(envelope.id, principal.workspace_id, actor, body)
    };
    let pending = services.router.submit(chat_id, principal.workspace_id, command)?;
    let answer = pending.answer().await?;
    record::answer(services, &principal, &answer).await
}

/// Takes over a ticket.
///
/// The user gets an open ticket, whoever has it, and its chat: what the responder still sends is refused.
#[utoipa::path(
    patch,
    path = "/api/v1/tickets/{id}/takeover",
    operation_id = "takeOverTicket",
    tag = "Tickets",
    params(("id" = Uuid, Path, description = "The ticket"), KeyHeader, VersionHeader),
    request_body = TicketAssignment,
    responses(
        (status = 200, description = "The ticket was taken over", body = TicketRecord, headers(
            ("ETag" = String, description = "The ticket's version, for `If-Match`")
        )),
        Problems
    ),
    security(("key" = []))
)]
async fn take_over(
    State(state): State<ApiState>,
    Caller(principal): Caller,
    path: InPath,
    Conditions(terms): Conditions,
    Json(assignment): Json<TicketAssignment>,
) -> Result<Response, ApiError> {
    principal.require(Scope::Write)?;
    let action = TicketAction::Takeover {
        agent_id: assignment.assignee_id,
    };
    let services = &state.services;
    let answer = ticket_command(services, &principal, path.id("id")?, terms, action).await?;
    record::answer(services, &principal, &answer).await
}

/// Updates the assignee of a ticket.
///
/// A pending ticket is taken into work by it.
#[utoipa::path(
    patch,
    path = "/api/v1/tickets/{id}/assignee",
    operation_id = "assignTicket",
    tag = "Tickets",
    params(("id" = Uuid, Path, description = "The ticket"), KeyHeader, VersionHeader),
    request_body = TicketAssignment,
    responses(
        (status = 200, description = "The ticket was updated", body = TicketRecord, headers(
            ("ETag" = String, description = "The ticket's version, for `If-Match`")
        )),
        Problems
    ),
    security(("key" = []))
)]
async fn assign(
    State(state): State<ApiState>,
    Caller(principal): Caller,
    path: InPath,
    Conditions(terms): Conditions,
    Json(assignment): Json<TicketAssignment>,
) -> Result<Response, ApiError> {
    principal.require(Scope::Write)?;
    let action = TicketAction::Assign {
        agent_id: Some(Some(assignment.assignee_id)),
        team_id: None,
    };
    let services = &state.services;
    let answer = ticket_command(services, &principal, path.id("id")?, terms, action).await?;
    record::answer(services, &principal, &answer).await
}
