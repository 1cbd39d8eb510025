//! A ticket's tags.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{InPath, KeyHeader, Scope, VersionHeader, record};
use crate::api::ApiState;
use crate::api::auth::Principal;
use crate::api::commands::command;
use crate::api::commands::ticket;
use crate::api::error::ApiError;
use crate::api::rest::Problems;
use crate::api::rest::extract::{Caller, Conditions, Json};
use crate::api::services::Services;
use crate::clock::format_millis;
use crate::domain::{ChatCommandBody, EventBody, Millis, Rejection, Ticket, TicketAction};
use crate::view::page::{PAGE_MAX, Range};

/// How many pages of a ticket's events are searched, the newest first, for when a tag was attached.
const PAGES_MAX: usize = 20;

/// Which tag.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "tagId": "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d" }))]
pub(super) struct TicketTagging {
    /// The tag.
    tag_id: Uuid,
}

/// A tag on a ticket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "createdAt": "2026-11-21T09:30:00.000Z",
    "updatedAt": "2026-11-21T09:30:00.000Z",
    "tagId": "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d",
    "ticketId": "6f1c9d3a-5b7e-4a52-9c38-1d2e3f4a5b6c"
}))]
pub(super) struct TicketTag {
    /// When it was attached.
    #[schema(format = DateTime)]
    created_at: String,
    /// The same: it does not change.
    #[schema(format = DateTime)]
    updated_at: String,
    /// The tag.
    tag_id: Uuid,
    /// The ticket.
    ticket_id: Uuid,
}

/// What happened, in words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "message": "the tag was removed from the ticket" }))]
pub(super) struct TagRemoval {
    /// One sentence.
    message: String,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(attach)).routes(routes!(detach))
}

/// When a tag was attached, which may be long ago.
async fn attached_at(services: &Services, chat_id: Uuid, ticket: &Ticket, tag_id: Uuid) -> Result<Millis, ApiError> {
    let view = services.view().await?;
    let mut before = None;
    for _ in 0..PAGES_MAX {
        let range = Range::Backward {
            before,
            limit: PAGE_MAX,
        };
        let page = view.events(chat_id, Some(ticket.number), range).await?;
        let is_it = |body: &EventBody| matches!(body, EventBody::TicketTagAdded { tag_id: added } if *added == tag_id);
        if let Some(row) = page.items.iter().rev().find(|row| is_it(&row.event.body)) {
            return Ok(row.event.at);
        }
        before = page.items.first().map(|row| row.event.seq);
        if !page.has_previous {
            break;
        }
    }
    Ok(ticket.updated_at)
}

/// Creates tags for a ticket.
///
/// One that the ticket has already stays, with the time at which it was attached.
#[utoipa::path(
    post,
    path = "/api/v1/tickets/{ticketId}/tags",
    operation_id = "attachTag",
    tag = "Tickets",
    params(("ticketId" = Uuid, Path, description = "The ticket"), KeyHeader, VersionHeader),
    request_body = TicketTagging,
    responses((status = 200, description = "The tag was attached to the ticket", body = TicketTag), Problems),
    security(("key" = []))
)]
async fn attach(
    State(state): State<ApiState>,
    Caller(principal): Caller,
    path: InPath,
    Conditions(terms): Conditions,
    Json(TicketTagging { tag_id }): Json<TicketTagging>,
) -> Result<axum::Json<TicketTag>, ApiError> {
    principal.require(Scope::Write)?;
    let (services, ticket_id) = (&state.services, path.id("ticketId")?);
    let row = ticket(services, &principal, ticket_id).await?;
    let body = ChatCommandBody::Ticket {
        ticket_id,
        expected_version: terms.expected_version,
        action: TicketAction::AddTag(tag_id),
    };
    let answer = command(services, &principal, row.chat_id, terms.idempotency_key, body).await?;
    let ticket = record::ticket_of(services, &principal, &answer).await?;
    let at = attached_at(services, row.chat_id, &ticket, tag_id).await?;
    Ok(axum::Json(TicketTag {
        created_at: format_millis(at),
        updated_at: format_millis(at),
        tag_id,
        ticket_id: ticket.id,
    }))
}

/// Refuses a tag that neither the workspace nor the ticket knows.
async fn check_tag(services: &Services, principal: &Principal, ticket: &Ticket, tag_id: Uuid) -> Result<(), ApiError> {
    let is_known = || {
        let settings = services.live.settings();
        let workspace = settings.workspace(principal.workspace_id);
        workspace.is_some_and(|workspace| workspace.tag(tag_id).is_some())
    };
    if ticket.tags.contains(&tag_id) || is_known() {
        return Ok(());
    }
    services.catch_up().await?;
    if is_known() {
        return Ok(());
    }
    Err(Rejection::NotFound { what: "tag" }.into())
}

/// Removes a tag from a ticket.
///
/// Where the ticket does not have it, nothing changes and the message says so.
#[utoipa::path(
    delete,
    path = "/api/v1/tickets/{ticketId}/tags/{tagId}",
    operation_id = "detachTag",
    tag = "Tickets",
    params(
        ("ticketId" = Uuid, Path, description = "The ticket"),
        ("tagId" = Uuid, Path, description = "The tag"),
        KeyHeader,
        VersionHeader
    ),
    responses((status = 200, description = "The tag was removed from the ticket", body = TagRemoval), Problems),
    security(("key" = []))
)]
async fn detach(
    State(state): State<ApiState>,
    Caller(principal): Caller,
    path: InPath,
    Conditions(terms): Conditions,
) -> Result<axum::Json<TagRemoval>, ApiError> {
    principal.require(Scope::Write)?;
    let (services, ticket_id, tag_id) = (&state.services, path.id("ticketId")?, path.id("tagId")?);
    let row = ticket(services, &principal, ticket_id).await?;
    check_tag(services, &principal, &row.ticket, tag_id).await?;
    let body = ChatCommandBody::Ticket {
        ticket_id,
        expected_version: terms.expected_version,
        action: TicketAction::RemoveTag(tag_id),
    };
    let answer = command(services, &principal, row.chat_id, terms.idempotency_key, body).await?;
    let message = if answer.position == 0 && !answer.repeat {
        "the ticket does not have the tag"
    } else {
        "the tag was removed from the ticket"
    };
    Ok(axum::Json(TagRemoval {
        message: message.to_owned(),
    }))
}
