//! Messages: in, out, and what happens to them afterwards.

use async_graphql::{Context, Object, Result};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::chat_command;
use crate::api::auth::{Principal, Scope};
use crate::api::commands::{Repeats, receive};
use crate::api::error::ApiError;
use crate::api::graphql::input::{AttachmentInput, MessageInput, OutboundInput, content};
use crate::api::graphql::kind::MessageStatus;
use crate::api::graphql::loader::{principal, services};
use crate::api::graphql::needs::Needs;
use crate::api::graphql::receipt::{IngestResult, Receipt};
use crate::api::graphql::scalar::DateTime;
use crate::api::services::Services;
use crate::domain::command::MessageName;
use crate::domain::message::Amendment;
use crate::domain::{self, Chat, ChatCommand, ChatCommandBody, Rejection};
use crate::router::Pending;

/// The most messages of one `ingestMessages`.
const INGEST_MAX: usize = 500;

/// Messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageMutation;

async fn ingest_command(
    services: &Services,
    principal: &Principal,
    input: MessageInput,
    idempotency_key: Option<String>,
) -> Result<ChatCommand, ApiError> {
    let envelope = Services::envelope(principal, idempotency_key, &json!(["ingest", input]))?;
    receive(services, principal, envelope, input.into_reception()?).await
}

/// A message by the provider's id, or by its place in the chat.
fn name(external_id: Option<String>, seq: Option<i32>) -> Result<MessageName, Rejection> {
    let one = || Rejection::invalid("messageExternalId", "either messageExternalId or messageSeq");
    match (external_id, seq) {
        (Some(external_id), None) => Ok(MessageName::External(external_id)),
        (None, Some(seq)) => Ok(MessageName::Seq(u64::try_from(seq).map_err(|_| one())?)),
        _ => Err(one()),
    }
}

/// A time that the client leaves open is no part of what it asked for: it differs in a repeat.
fn asked(field: &str, message: &MessageName, given: &impl serde::Serialize) -> Value {
    json!([field, format!("{message:?}"), given])
}

async fn amend(
    ctx: &Context<'_>,
    chat_id: Uuid,
    (message, amendment, external_id): (MessageName, Amendment, Option<String>),
    repeats: Repeats,
) -> Result<Receipt> {
    let body = ChatCommandBody::Amend {
        message,
        amendment,
        external_id,
        of_owner: !principal(ctx)?.scopes.allow(Scope::Write),
    };
    chat_command(ctx, chat_id, repeats, body).await
}

async fn answered(pending: Result<Pending<Chat>, ApiError>) -> Result<Receipt, ApiError> {
    Ok(Receipt(pending?.answer().await?))
}

#[Object(guard = "Needs(Scope::Ingest)")]
impl MessageMutation {
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
        let answers = pending.into_iter().map(answered);
        Ok(join_all(answers).await.into_iter().map(IngestResult::from).collect())
    }

    /// Answers the owner. By a person (`agentId`, or the key alone) it takes a NEW ticket into work, and the chat from
    /// the responder; a bot gives the `responderEpoch` that it knows and is refused with `STALE_RESPONDER` once somebody
    /// took over.
    #[graphql(guard = "Needs(Scope::Write)")]
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
        let epoch = responder_epoch
            .map(u32::try_from)
            .transpose()
            .map_err(|_| ApiError::from(Rejection::invalid("responderEpoch", "0 or more")))?;
        let body = ChatCommandBody::Send {
            content: content(text, attachments).map_err(ApiError::from)?,
            agent_id,
            responder_epoch: epoch,
        };
        chat_command(ctx, chat_id, idempotency_key, body).await
    }

    /// Writes to somebody first: begins the chat if there is none, and a ticket NEW / OUTBOUND unless one is open.
    #[graphql(guard = "Needs(Scope::Write)")]
    async fn send_outbound(
        &self,
        ctx: &Context<'_>,
        input: OutboundInput,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let (services, principal) = (services(ctx)?, principal(ctx)?);
        let envelope = Services::envelope(principal, idempotency_key, &json!(["sendOutbound", input]))?;
        services.check_channel(principal, input.channel_id).await?;
        let origin = Some((input.channel_id, input.owner.external_id.clone()));
        let (profile, content, subject) = input.into_parts().map_err(ApiError::from)?;
        let body = ChatCommandBody::SendOutbound {
            content,
            profile,
            subject,
        };
        let command = ChatCommand {
            origin,
            keys: envelope.keys,
            body_hash: envelope.body_hash,
            ..ChatCommand::new(
                envelope.id,
                principal.workspace_id,
                principal.author(envelope.actor)?,
                body,
            )
        };
        let pending = services.router.submit_to_origin(command).map_err(ApiError::from)?;
        Ok(Receipt(pending.answer().await.map_err(ApiError::from)?))
    }

    /// Replaces what a message says. One that has not come yet, named by the provider's id, is changed once it comes.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn edit_message(
        &self,
        ctx: &Context<'_>,
        chat_id: Uuid,
        message_external_id: Option<String>,
        message_seq: Option<i32>,
        text: Option<String>,
        attachments: Option<Vec<AttachmentInput>>,
        edited_at: Option<DateTime>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let now = services(ctx)?.clock.now();
        let message = name(message_external_id, message_seq).map_err(ApiError::from)?;
        let asked_for = json!((&text, &attachments, edited_at));
        let edit = Amendment::Edit {
            content: content(text, attachments).map_err(ApiError::from)?,
            edited_at: edited_at.map_or(now, |at| at.0.min(now)),
        };
        let asked = Some(asked("editMessage", &message, &asked_for));
        let repeats = Repeats { idempotency_key, asked };
        amend(ctx, chat_id, (message, edit, None), repeats).await
    }

    /// Takes a message back: what it said is not shown any more.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn delete_message(
        &self,
        ctx: &Context<'_>,
        chat_id: Uuid,
        message_external_id: Option<String>,
        message_seq: Option<i32>,
        deleted_at: Option<DateTime>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let now = services(ctx)?.clock.now();
        let message = name(message_external_id, message_seq).map_err(ApiError::from)?;
        let asked_for = deleted_at;
        let delete = Amendment::Delete {
            deleted_at: deleted_at.map_or(now, |at| at.0.min(now)),
        };
        let asked = Some(asked("deleteMessage", &message, &asked_for));
        let repeats = Repeats { idempotency_key, asked };
        amend(ctx, chat_id, (message, delete, None), repeats).await
    }

    /// The owner's reaction to a message, or an agent's; without an emoji it is taken back. Everybody has one.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn react_to_message(
        &self,
        ctx: &Context<'_>,
        chat_id: Uuid,
        message_external_id: Option<String>,
        message_seq: Option<i32>,
        emoji: Option<String>,
        agent_id: Option<Uuid>,
        at: Option<DateTime>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let now = services(ctx)?.clock.now();
        let agent_id = principal(ctx)?.acting(agent_id)?;
        if let Some(agent_id) = agent_id {
            principal(ctx)?.require(Scope::Write)?;
            services(ctx)?.check_agent(principal(ctx)?, agent_id).await?;
        }
        let message = name(message_external_id, message_seq).map_err(ApiError::from)?;
        let asked_for = json!((&emoji, agent_id, at));
        let author = match agent_id {
            Some(agent_id) => domain::Actor::new(domain::ActorKind::Agent, agent_id.to_string()),
            None => domain::Actor {
                kind: domain::ActorKind::Owner,
                id: None,
                name: None,
            },
        };
        let reaction = Amendment::React {
            author,
            emoji: emoji.filter(|emoji| !emoji.is_empty()),
            at: at.map_or(now, |at| at.0.min(now)),
        };
        let asked = Some(asked("reactToMessage", &message, &asked_for));
        let repeats = Repeats { idempotency_key, asked };
        amend(ctx, chat_id, (message, reaction, None), repeats).await
    }

    /// How far an outgoing message has come, as its provider says: QUEUED < SENT < DELIVERED < READ only rises, FAILED ends
    /// it. `externalId`: the id that the provider gave it. A report that comes before its message waits for it.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn report_delivery(
        &self,
        ctx: &Context<'_>,
        chat_id: Uuid,
        message_external_id: Option<String>,
        message_seq: Option<i32>,
        status: MessageStatus,
        external_id: Option<String>,
        error: Option<String>,
        at: Option<DateTime>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let status = domain::MessageStatus::from(status);
        if !domain::MessageStatus::REPORTED.contains(&status) {
            let expected = "SENT, DELIVERED, READ or FAILED";
            return Err(ApiError::from(Rejection::invalid("status", expected)).into());
        }
        let message = name(message_external_id, message_seq).map_err(ApiError::from)?;
        let asked_for = json!((status.name(), &external_id, &error, at));
        let receipt = Amendment::Receipt {
            status,
            error,
            at: at.map_or(services(ctx)?.clock.now(), |at| at.0),
        };
        let asked = Some(asked("reportDelivery", &message, &asked_for));
        let repeats = Repeats { idempotency_key, asked };
        amend(ctx, chat_id, (message, receipt, external_id), repeats).await
    }
}
