//! Commands to chats, as GraphQL and REST send them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::auth::Principal;
use super::error::ApiError;
use super::services::{Envelope, Services};
use crate::actor::Answer;
use crate::domain::command::{Incoming, TicketAction, check_name};
use crate::domain::{self, Actor, ActorKind, ChatCommand, ChatCommandBody, DedupeKey, Rejection, Workspace};
use crate::view::TicketRow;

/// The chat of a ticket.
pub(crate) async fn chat_of(services: &Services, principal: &Principal, ticket_id: Uuid) -> Result<Uuid, ApiError> {
    Ok(ticket(services, principal, ticket_id).await?.chat_id)
}

/// A ticket that the key may know of.
pub(crate) async fn ticket(services: &Services, principal: &Principal, ticket_id: Uuid) -> Result<TicketRow, ApiError> {
    let found = services.find_ticket(principal, ticket_id).await?;
    found.ok_or_else(|| Rejection::NotFound { what: "ticket" }.into())
}

/// Whether this node's settings have everything that a command names.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others name no setting")]
fn is_known(workspace: &Workspace, body: &ChatCommandBody) -> bool {
    let agent = |id: Option<Uuid>| id.is_none_or(|id| workspace.agent(id).is_some());
    let team = |id: Option<Uuid>| id.is_none_or(|id| workspace.team(id).is_some());
    match body {
        ChatCommandBody::Send { agent_id, .. } => agent(*agent_id),
        ChatCommandBody::Open {
            assignee_id, team_id, ..
        } => agent(*assignee_id) && team(*team_id),
        ChatCommandBody::Handover { team_id, .. } => team(*team_id),
        ChatCommandBody::TakeoverChat { agent_id } => agent(Some(*agent_id)),
        ChatCommandBody::Ticket { action, .. } => match action {
            TicketAction::Take { agent_id }
            | TicketAction::Offer { agent_id }
            | TicketAction::Takeover { agent_id } => agent(Some(*agent_id)),
            TicketAction::Assign { agent_id, team_id } => agent(agent_id.flatten()) && team(team_id.flatten()),
            TicketAction::AddTag(id) => workspace.tag(*id).is_some(),
            TicketAction::SetField { field_id, .. } => workspace.fields.iter().any(|field| field.id == *field_id),
            TicketAction::AddNote { agent_id, .. } => agent(*agent_id),
            _ => true,
        },
        _ => true,
    }
}

/// By what a repeat is known, and what was asked for, where the body says more than that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repeats {
    pub(crate) idempotency_key: Option<String>,
    pub(crate) asked: Option<Value>,
}

impl From<Option<String>> for Repeats {
    fn from(idempotency_key: Option<String>) -> Self {
        Self {
            idempotency_key,
            asked: None,
        }
    }
}

/// Sends a command to a chat of the key's workspace, in the name of the key's agent where it is one.
pub(crate) async fn command(
    services: &Services,
    principal: &Principal,
    chat_id: Uuid,
    repeats: impl Into<Repeats>,
    body: ChatCommandBody,
) -> Result<Answer<domain::Chat>, ApiError> {
    let body = principal.act(body)?;
    services.check_chat(principal, chat_id).await?;
    let known = {
        let settings = services.live.settings();
        let workspace = settings.workspace(principal.workspace_id);
        workspace.is_some_and(|workspace| is_known(workspace, &body))
    };
    if !known {
        // another node may just have made it; what is not there then is refused by the chat
        services.catch_up().await?;
    }
    let repeats = repeats.into();
    let described = repeats.asked.unwrap_or_else(|| json!(format!("{body:?}")));
    let envelope = Services::envelope(principal, repeats.idempotency_key, &described)?;
    let command = ChatCommand {
        keys: envelope.keys,
        body_hash: envelope.body_hash,
        ..ChatCommand::new(envelope.id, principal.workspace_id, envelope.actor, body)
    };
    let pending = services.router.submit(chat_id, principal.workspace_id, command)?;
    Ok(pending.answer().await?)
}

/// What every command to a ticket may carry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// Refused with `VERSION_CONFLICT` when the ticket has another one.
    pub(crate) expected_version: Option<u64>,
    /// The same key with the same body gets the same receipt.
    pub(crate) idempotency_key: Option<String>,
}

/// Sends a command to a ticket of the key's workspace.
pub(crate) async fn ticket_command(
    services: &Services,
    principal: &Principal,
    ticket_id: Uuid,
    terms: Terms,
    action: TicketAction,
) -> Result<Answer<domain::Chat>, ApiError> {
    let chat_id = chat_of(services, principal, ticket_id).await?;
    let body = ChatCommandBody::Ticket {
        ticket_id,
        expected_version: terms.expected_version,
        action,
    };
    command(services, principal, chat_id, terms.idempotency_key, body).await
}

/// A message from an owner, and where it came in.
#[derive(Clone, Debug)]
pub(crate) struct Reception {
    /// The channel that it came in on.
    pub(crate) channel_id: Uuid,
    /// Who wrote.
    pub(crate) owner_external_id: String,
    /// What they wrote.
    pub(crate) incoming: Incoming,
}

/// The command that takes a message in; a repeat is known by the message's own id too.
pub(crate) async fn receive(
    services: &Services,
    principal: &Principal,
    envelope: Envelope,
    reception: Reception,
) -> Result<ChatCommand, ApiError> {
    check_name("owner.externalId", &reception.owner_external_id)?;
    reception.incoming.check()?;
    services.check_channel(principal, reception.channel_id).await?;
    let by_message = reception.incoming.external_id.as_deref().map(DedupeKey::message);
    let mut keys = envelope.keys;
    keys.extend(by_message);
    let actor = Actor {
        kind: ActorKind::Owner,
        ..envelope.actor
    };
    let body = ChatCommandBody::Receive(Box::new(reception.incoming));
    Ok(ChatCommand {
        origin: Some((reception.channel_id, reception.owner_external_id)),
        keys,
        body_hash: envelope.body_hash,
        ..ChatCommand::new(envelope.id, principal.workspace_id, actor, body)
    })
}
