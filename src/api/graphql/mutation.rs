//! What can be commanded. Every mutation takes an `idempotencyKey`: the same key with the same body gets the same receipt,
//! with another body `IDEMPOTENCY_MISMATCH`. A key counts within the chat, or within the workspace's settings.

use async_graphql::{Context, Object, Result};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::input::{
    AgentInput, AttachmentInput, ChannelInput, ChannelPatch, MessageInput, content, hook_secret_hash, policy,
};
use super::loader::{principal, services};
use super::receipt::{IngestResult, Receipt};
use super::setting::{self, Agent, Channel};
use crate::api::auth::Principal;
use crate::api::error::ApiError;
use crate::api::services::{Services, new_id};
use crate::domain::{self, ChatCommand, ChatCommandBody, DedupeKey, Rejection, WorkspaceCommand, WorkspaceCommandBody};

/// The most messages of one `ingestMessages`.
const INGEST_MAX: usize = 500;

/// Commands. Each is answered only after it is durable.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutation;

async fn ingest_command(
    services: &Services,
    principal: &Principal,
    input: MessageInput,
    idempotency_key: Option<String>,
) -> Result<ChatCommand, ApiError> {
    let mut envelope = Services::envelope(principal, idempotency_key, &json!(["ingest", input]))?;
    let (channel_id, owner) = (input.channel_id, input.owner.external_id.clone());
    let incoming = input.into_incoming()?;
    services.check_channel(principal, channel_id).await?;
    let by_message = incoming.external_id.as_deref().map(DedupeKey::message);
    envelope.keys.extend(by_message);
    Ok(ChatCommand {
        id: envelope.id,
        workspace_id: principal.workspace_id,
        origin: Some((channel_id, owner)),
        actor: domain::Actor {
            kind: domain::ActorKind::Owner,
            ..envelope.actor
        },
        keys: envelope.keys,
        body_hash: envelope.body_hash,
        body: ChatCommandBody::Receive(Box::new(incoming)),
    })
}

/// Which chat a command is for.
enum Place {
    Chat(Uuid),
    Ticket(Uuid),
}

/// Sends a command to a chat of the key's workspace.
async fn command(
    ctx: &Context<'_>,
    place: Place,
    idempotency_key: Option<String>,
    body: ChatCommandBody,
) -> Result<Receipt> {
    let (services, principal) = (services(ctx)?, principal(ctx)?);
    let chat_id = match place {
        Place::Chat(chat_id) => chat_id,
        Place::Ticket(ticket_id) => {
            let found = services.find_ticket(principal, ticket_id).await?;
            let not_found = || ApiError::from(Rejection::NotFound { what: "ticket" });
            found.ok_or_else(not_found)?.chat_id
        }
    };
    let described = format!("{body:?}");
    let envelope = Services::envelope(principal, idempotency_key, &described)?;
    let command = ChatCommand {
        id: envelope.id,
        workspace_id: principal.workspace_id,
        origin: None,
        actor: envelope.actor,
        keys: envelope.keys,
        body_hash: envelope.body_hash,
        body,
    };
    let pending = services.router.submit(chat_id, principal.workspace_id, command);
    let answer = pending.map_err(ApiError::from)?.answer().await;
    Ok(Receipt(answer.map_err(ApiError::from)?))
}

/// Sends a command to the key's workspace and waits until this node's settings have it.
async fn change_settings(
    ctx: &Context<'_>,
    idempotency_key: Option<String>,
    (described, body): (serde_json::Value, WorkspaceCommandBody),
) -> Result<(Services, std::sync::Arc<domain::Workspace>, Uuid)> {
    let (services, principal) = (services(ctx)?, principal(ctx)?);
    let envelope = Services::envelope(principal, idempotency_key, &described)?;
    let command = WorkspaceCommand {
        id: envelope.id,
        actor: envelope.actor,
        keys: envelope.keys,
        body_hash: envelope.body_hash,
        body,
    };
    let answer = services.router.workspace(principal.workspace_id, command).await;
    let answer = answer.map_err(ApiError::from)?;
    services.settled(answer.partition, answer.position).await;
    let setting_id = answer.receipt.setting_id.unwrap_or_default();
    Ok((services.clone(), answer.state, setting_id))
}

fn channel_of(services: &Services, workspace: &domain::Workspace, id: Uuid) -> Result<Channel> {
    let not_found = || ApiError::from(Rejection::NotFound { what: "channel" });
    let found = workspace.channel(id).ok_or_else(not_found)?;
    Ok(setting::channel(&services.live.settings(), found))
}

#[Object]
impl Mutation {
    /// Takes in one message of an owner: appends it to the open ticket, reopens the last one, or creates one.
    async fn ingest_message(
        &self,
        ctx: &Context<'_>,
        input: MessageInput,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let (services, principal) = (services(ctx)?, principal(ctx)?);
        let command = ingest_command(services, principal, input, idempotency_key).await?;
        let pending = services.router.submit_to_origin(command);
        let answer = pending.map_err(ApiError::from)?.answer().await;
        Ok(Receipt(answer.map_err(ApiError::from)?))
    }

    /// Takes in up to 500 messages; each is answered on its own, and those of one chat are decided in their order.
    /// `idempotencyKey` counts for each together with its place in the list.
    async fn ingest_messages(
        &self,
        ctx: &Context<'_>,
        inputs: Vec<MessageInput>,
        idempotency_key: Option<String>,
    ) -> Result<Vec<IngestResult>> {
        let (services, principal) = (services(ctx)?, principal(ctx)?);
        if inputs.len() > INGEST_MAX {
            let expected = format!("at most {INGEST_MAX} messages");
            return Err(ApiError::from(Rejection::invalid("inputs", expected)).into());
        }
        let mut pending = Vec::with_capacity(inputs.len());
        for (place, input) in inputs.into_iter().enumerate() {
            let key = idempotency_key.as_ref().map(|key| format!("{key}:{place}"));
            let command = ingest_command(services, principal, input, key).await;
            pending.push(command.and_then(|command| services.router.submit_to_origin(command).map_err(ApiError::from)));
        }
        let answers = join_all(pending.into_iter().map(async |pending| {
            let answer = pending?.answer().await?;
            Ok(Receipt(answer))
        }));
        Ok(answers.await.into_iter().map(IngestResult::from).collect())
    }

    /// Answers the owner. By a person (`agentId`, or the key alone) it takes a NEW ticket into work; a bot gives the
    /// `responderEpoch` that it knows and is refused with `STALE_RESPONDER` once somebody took over.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn send_message(
        &self,
        ctx: &Context<'_>,
        chat_id: Uuid,
        text: Option<String>,
        attachments: Option<Vec<AttachmentInput>>,
        agent_id: Option<Uuid>,
        responder_epoch: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        if let Some(agent_id) = agent_id {
            services(ctx)?.check_agent(principal(ctx)?, agent_id).await?;
        }
        let epoch = responder_epoch
            .map(u32::try_from)
            .transpose()
            .map_err(|_| ApiError::from(Rejection::invalid("responderEpoch", "0 or more")))?;
        let body = ChatCommandBody::Send {
            content: content(text, attachments).map_err(ApiError::from)?,
            agent_id,
            responder_epoch: epoch,
        };
        command(ctx, Place::Chat(chat_id), idempotency_key, body).await
    }

    /// NEW → ACTIVE, assigned to an agent.
    async fn take_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        agent_id: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        services(ctx)?.check_agent(principal(ctx)?, agent_id).await?;
        let body = ChatCommandBody::Take { ticket_id, agent_id };
        command(ctx, Place::Ticket(ticket_id), idempotency_key, body).await
    }

    /// Gives a ticket to an agent, or to nobody. A NEW ticket that gets an agent is taken into work.
    async fn assign_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        agent_id: Option<Uuid>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        if let Some(agent_id) = agent_id {
            services(ctx)?.check_agent(principal(ctx)?, agent_id).await?;
        }
        let body = ChatCommandBody::Assign { ticket_id, agent_id };
        command(ctx, Place::Ticket(ticket_id), idempotency_key, body).await
    }

    /// ACTIVE → INACTIVE, COMPLETED.
    async fn complete_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let body = ChatCommandBody::Complete { ticket_id };
        command(ctx, Place::Ticket(ticket_id), idempotency_key, body).await
    }

    /// ACTIVE → INACTIVE, CLOSED.
    async fn close_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let body = ChatCommandBody::Close { ticket_id };
        command(ctx, Place::Ticket(ticket_id), idempotency_key, body).await
    }

    /// INACTIVE → ACTIVE, at any time. Only the last ticket of a chat, and only one that was completed or closed.
    async fn reopen_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let body = ChatCommandBody::Reopen { ticket_id };
        command(ctx, Place::Ticket(ticket_id), idempotency_key, body).await
    }

    /// Connects a channel. At most 1,000 a workspace.
    async fn create_channel(
        &self,
        ctx: &Context<'_>,
        input: ChannelInput,
        idempotency_key: Option<String>,
    ) -> Result<Channel> {
        let described = json!(["createChannel", input]);
        let kind = input.kind.into();
        let body = WorkspaceCommandBody::CreateChannel(Box::new(domain::Channel {
            id: new_id()?,
            kind,
            name: input.name,
            policy: policy(input.policy).map_err(ApiError::from)?,
            hook_secret_hash: hook_secret_hash(kind, input.config.as_ref())?,
        }));
        let change = change_settings(ctx, idempotency_key, (described, body)).await?;
        let (services, workspace, id) = change;
        channel_of(&services, &workspace, id)
    }

    /// Changes a channel; what is absent stays. A policy counts from the next decision on.
    async fn update_channel(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        input: ChannelPatch,
        idempotency_key: Option<String>,
    ) -> Result<Channel> {
        let described = json!(["updateChannel", id, input]);
        let owner = principal(ctx)?.workspace_id;
        let settings = services(ctx)?.live.settings();
        let found = settings.channel(id).filter(|(workspace, _)| *workspace == owner);
        let kind = found.map(|(_, channel)| channel.kind);
        let kind = kind.unwrap_or(domain::ChannelType::Telegram);
        let body = WorkspaceCommandBody::UpdateChannel {
            id,
            name: input.name,
            policy: policy(input.policy).map_err(ApiError::from)?,
            hook_secret_hash: hook_secret_hash(kind, input.config.as_ref())?,
        };
        let change = change_settings(ctx, idempotency_key, (described, body)).await?;
        let (services, workspace, id) = change;
        channel_of(&services, &workspace, id)
    }

    /// Adds a person inside. At most 5,000 a workspace.
    async fn create_agent(
        &self,
        ctx: &Context<'_>,
        input: AgentInput,
        idempotency_key: Option<String>,
    ) -> Result<Agent> {
        let described = json!(["createAgent", input]);
        let body = WorkspaceCommandBody::CreateAgent(domain::Agent {
            id: new_id()?,
            name: input.name,
            email: input.email,
            picture: input.picture,
        });
        let change = change_settings(ctx, idempotency_key, (described, body)).await?;
        let (_, workspace, id) = change;
        let not_found = || ApiError::from(Rejection::NotFound { what: "agent" });
        Ok(workspace.agent(id).cloned().ok_or_else(not_found)?.into())
    }
}
