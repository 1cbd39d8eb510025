//! A ticket as a change leaves it.

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::kind::{LifecycleStatus, TicketCircumstance};
use super::with_version;
use crate::actor::Answer;
use crate::api::auth::Principal;
use crate::api::error::ApiError;
use crate::api::services::Services;
use crate::clock::format_millis;
use crate::domain::{Chat, Rejection, Ticket, id};

/// A ticket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "createdAt": "2026-11-21T09:30:00.000Z",
    "id": "6f1c9d3a-5b7e-4a52-9c38-1d2e3f4a5b6c",
    "updatedAt": "2026-11-21T09:41:00.000Z",
    "assigneeId": "0b9f6a51-2c4d-4e8f-a1b3-5c7d9e0f1a2b",
    "chatId": "c3d2e1f0-a9b8-4c7d-8e6f-5a4b3c2d1e0f",
    "circumstance": "handover",
    "completedAt": null,
    "lastViewedAt": null,
    "ongoingAt": "2026-11-21T09:41:00.000Z",
    "status": "ongoing",
    "summary": "The parcel did not arrive.",
    "ticketingTeamId": null
}))]
pub(super) struct TicketRecord {
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// Unique.
    id: Uuid,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
    /// The user assigned to the ticket.
    #[schema(required)]
    assignee_id: Option<Uuid>,
    /// Its chat.
    chat_id: Uuid,
    /// How it came to be: takeover (a person took the chat from the responder), handover (the responder gave it to
    /// people), or another word for another way.
    circumstance: TicketCircumstance,
    /// When it ended.
    #[schema(required, format = DateTime)]
    completed_at: Option<String>,
    /// The last time the assignee looked at it.
    #[schema(required, format = DateTime)]
    last_viewed_at: Option<String>,
    /// When it was taken into work, since it was last opened.
    #[schema(required, format = DateTime)]
    ongoing_at: Option<String>,
    /// Where it is in its life.
    status: LifecycleStatus,
    /// A short summary; empty while there is none.
    summary: String,
    /// The team responsible for the ticket.
    #[schema(required)]
    ticketing_team_id: Option<Uuid>,
}

impl TicketRecord {
    fn new(chat_id: Uuid, ticket: Ticket) -> Self {
        Self {
            created_at: format_millis(ticket.created_at),
            id: ticket.id,
            updated_at: format_millis(ticket.updated_at),
            assignee_id: ticket.assignee_id,
            chat_id,
            circumstance: ticket.circumstance.into(),
            completed_at: ticket.ended_at.map(format_millis),
            last_viewed_at: ticket.last_viewed_at.map(format_millis),
            ongoing_at: ticket.ongoing_at.map(format_millis),
            status: ticket.status().into(),
            ticketing_team_id: ticket.team_id,
            summary: ticket.summary,
        }
    }
}

/// The ticket that a command reached, as it is now.
pub(super) async fn ticket_of(
    services: &Services,
    principal: &Principal,
    answer: &Answer<Chat>,
) -> Result<Ticket, ApiError> {
    let not_found = || ApiError::from(Rejection::NotFound { what: "ticket" });
    let chat = &answer.state;
    let number = answer.receipt.ticket_number.ok_or_else(not_found)?;
    let held = [chat.last_ticket.as_deref(), chat.merge_target.as_deref()];
    let held = held.into_iter().flatten().find(|ticket| ticket.number == number);
    if let Some(ticket) = held {
        return Ok(ticket.clone());
    }
    let found = services.find_ticket(principal, id::ticket(chat.id, number)).await?;
    Ok(found.ok_or_else(not_found)?.ticket)
}

/// The answer to a command to a ticket.
pub(super) async fn answer(
    services: &Services,
    principal: &Principal,
    answer: &Answer<Chat>,
) -> Result<Response, ApiError> {
    let ticket = ticket_of(services, principal, answer).await?;
    Ok(with_version(ticket.version, TicketRecord::new(answer.state.id, ticket)))
}
