//! A ticket with what is shown beside it.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::kind::{ChatResponderEntity, LifecycleStatus, OwnerEntity, TicketChannelType};
use super::responder::ShownResponder;
use super::{InPath, Scope, with_version};
use crate::api::ApiState;
use crate::api::auth::Principal;
use crate::api::error::ApiError;
use crate::api::rest::Problems;
use crate::api::rest::extract::Caller;
use crate::api::services::Services;
use crate::clock::format_millis;
use crate::domain::Rejection;
use crate::live::Settings;
use crate::view::DetailedTicket;

/// A ticket with its chat, owner, assignee, team and responder.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "assigneeEmail": "robin@example.org",
    "assigneeId": "0b9f6a51-2c4d-4e8f-a1b3-5c7d9e0f1a2b",
    "assigneeName": "Robin",
    "assigneePicture": null,
    "channelId": "7d1e3c5b-9a8f-4b6d-8c2e-1f0a9b8c7d6e",
    "channelName": "Shop",
    "channelType": "telegram",
    "chatId": "c3d2e1f0-a9b8-4c7d-8e6f-5a4b3c2d1e0f",
    "chatIsRemoved": false,
    "chatOwnerId": "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d",
    "completedAt": null,
    "createdAt": "2026-11-21T09:30:00.000Z",
    "id": "6f1c9d3a-5b7e-4a52-9c38-1d2e3f4a5b6c",
    "isOwnerBlocked": false,
    "ongoingAt": "2026-11-21T09:41:00.000Z",
    "ownerEmail": null,
    "ownerEntity": "external-user",
    "ownerIdentifier": "4711",
    "ownerName": "Ada",
    "pendingChatMessages": 1,
    "responderEntity": "agent",
    "responderId": "7d1e3c5b-9a8f-4b6d-8c2e-1f0a9b8c7d6e",
    "responderName": "Bot",
    "responderPicture": null,
    "responderVersionId": null,
    "responderVersionNumber": 3,
    "status": "ongoing",
    "summary": "The parcel did not arrive.",
    "ticketingTeamId": null,
    "ticketingTeamName": null,
    "ticketingTeamPicture": null,
    "workspaceId": "e4f5a6b7-c8d9-4e0f-9a1b-2c3d4e5f6a7b"
}))]
pub(super) struct TicketDetails {
    /// The email of the user currently assigned to the ticket.
    #[schema(required)]
    assignee_email: Option<String>,
    /// The user currently assigned to the ticket.
    #[schema(required)]
    assignee_id: Option<Uuid>,
    /// The display name of the user currently assigned to the ticket.
    #[schema(required)]
    assignee_name: Option<String>,
    /// The picture of the user currently assigned to the ticket.
    #[schema(required)]
    assignee_picture: Option<String>,
    /// The channel of the ticket's chat.
    #[schema(required)]
    channel_id: Option<Uuid>,
    /// The display name of the channel.
    #[schema(required)]
    channel_name: Option<String>,
    /// The type of the channel.
    #[schema(required)]
    channel_type: Option<TicketChannelType>,
    /// The ticket's chat.
    chat_id: Uuid,
    /// Whether the chat was put out of sight.
    chat_is_removed: bool,
    /// The contact that owns the chat: the one that it was merged into, where it was.
    chat_owner_id: Uuid,
    /// When the ticket ended.
    #[schema(required, format = DateTime)]
    completed_at: Option<String>,
    /// When the ticket was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// The ticket.
    id: Uuid,
    /// Whether the owner is blocked.
    #[schema(required)]
    is_owner_blocked: Option<bool>,
    /// When the ticket was taken into work, since it was last opened.
    #[schema(required, format = DateTime)]
    ongoing_at: Option<String>,
    /// The email of an owner who is a platform user, which no owner is.
    #[schema(required)]
    owner_email: Option<String>,
    /// What the owner is.
    owner_entity: OwnerEntity,
    /// The provider's id of the owner.
    #[schema(required)]
    owner_identifier: Option<String>,
    /// The display name of the owner: the contact's, or else what the provider says.
    #[schema(required)]
    owner_name: Option<String>,
    /// Messages of the owner since the last public answer.
    pending_chat_messages: u32,
    /// What the responder is.
    responder_entity: ChatResponderEntity,
    /// Who answers the chat, or answered last; while nobody did, the channel's default stands in, or the workspace's.
    responder_id: Uuid,
    /// The display name of the responder.
    responder_name: String,
    /// The picture of the responder.
    #[schema(required)]
    responder_picture: Option<String>,
    /// Which version of the responder.
    #[schema(required)]
    responder_version_id: Option<Uuid>,
    /// The same as a number.
    #[schema(required)]
    responder_version_number: Option<u32>,
    /// Where the ticket is in its life.
    status: LifecycleStatus,
    /// The short summary of the ticket; empty while there is none.
    summary: String,
    /// The team currently assigned to the ticket.
    #[schema(required)]
    ticketing_team_id: Option<Uuid>,
    /// The display name of the team.
    #[schema(required)]
    ticketing_team_name: Option<String>,
    /// The picture of the team.
    #[schema(required)]
    ticketing_team_picture: Option<String>,
    /// The workspace.
    workspace_id: Uuid,
}

impl TicketDetails {
    /// With the names that the settings give.
    pub(super) fn new(settings: &Settings, found: DetailedTicket) -> Self {
        let (ticket, chat) = (found.row.ticket, found.chat);
        let rules = settings.rulebook(chat.workspace_id, Some(chat.channel_id));
        let assignee = ticket.assignee_id.and_then(|id| rules.workspace.agent(id));
        let team = ticket.team_id.and_then(|id| rules.workspace.team(id));
        let channel = settings.channel(chat.channel_id).map(|(_, channel)| channel);
        let responder = ShownResponder::of(&rules, chat.responder);
        Self {
            assignee_email: assignee.and_then(|agent| agent.email.clone()),
            assignee_id: ticket.assignee_id,
            assignee_name: assignee.map(|agent| agent.name.clone()),
            assignee_picture: assignee.and_then(|agent| agent.picture.clone()),
            channel_id: Some(chat.channel_id),
            channel_name: channel.map(|channel| channel.name.clone()),
            channel_type: channel.map(|channel| channel.kind.into()),
            chat_id: chat.id,
            chat_is_removed: chat.removed_at.is_some(),
            chat_owner_id: found.owner_id,
            completed_at: ticket.ended_at.map(format_millis),
            created_at: format_millis(ticket.created_at),
            id: ticket.id,
            is_owner_blocked: Some(chat.blocked),
            ongoing_at: ticket.ongoing_at.map(format_millis),
            owner_email: None,
            owner_entity: OwnerEntity::ExternalUser,
            owner_identifier: Some(chat.external_id),
            owner_name: found.owner_name,
            pending_chat_messages: ticket.pending_chat_messages,
            responder_entity: responder.chosen.entity.into(),
            responder_id: responder.chosen.id,
            responder_name: responder.name,
            responder_picture: responder.picture,
            responder_version_id: responder.chosen.version_id,
            responder_version_number: responder.chosen.version_number,
            status: ticket.status().into(),
            ticketing_team_id: ticket.team_id,
            ticketing_team_name: team.map(|team| team.name.clone()),
            ticketing_team_picture: team.and_then(|team| team.picture.clone()),
            workspace_id: chat.workspace_id,
            summary: ticket.summary,
        }
    }
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(retrieve))
}

async fn find(services: &Services, principal: &Principal, ticket_id: Uuid) -> Result<DetailedTicket, ApiError> {
    let workspace = principal.workspace_id;
    let mut found = services.view().await?.ticket_details(workspace, ticket_id).await?;
    if found.is_none() && !services.live.view().is_embedded() {
        services.catch_up().await?;
        found = services.live.view().ticket_details(workspace, ticket_id).await?;
    }
    let seen = found.filter(|found| principal.sees(found.chat.channel_id));
    seen.ok_or_else(|| Rejection::NotFound { what: "ticket" }.into())
}

/// Retrieves a ticket with details.
#[utoipa::path(
    get,
    path = "/api/v1/tickets/{id}/details",
    operation_id = "getTicketDetails",
    tag = "Tickets",
    params(("id" = Uuid, Path, description = "The ticket")),
    responses(
        (status = 200, description = "The ticket", body = TicketDetails, headers(
            ("ETag" = String, description = "The ticket's version, for `If-Match`")
        )),
        Problems
    ),
    security(("key" = []))
)]
async fn retrieve(
    State(state): State<ApiState>,
    Caller(principal): Caller,
    path: InPath,
) -> Result<Response, ApiError> {
    principal.require(Scope::Read)?;
    let found = find(&state.services, &principal, path.id("id")?).await?;
    let version = found.row.ticket.version;
    let details = TicketDetails::new(&state.services.live.settings(), found);
    Ok(with_version(version, details))
}
