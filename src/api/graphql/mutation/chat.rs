//! Commands to a chat.

#![expect(clippy::too_many_arguments, reason = "the arguments of the fields")]

use async_graphql::{Context, Object, Result};
use uuid::Uuid;

use super::chat_command;
use crate::api::auth::Scope;
use crate::api::graphql::needs::Needs;
use crate::api::graphql::receipt::Receipt;
use crate::domain::ChatCommandBody;

/// Commands to a chat.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChatMutation;

#[Object(guard = "Needs(Scope::Write)")]
impl ChatMutation {
    /// Opens a ticket by hand: NEW, MANUAL, or ACTIVE with an assignee. `ALREADY_OPEN` names the ticket that is open.
    async fn open_ticket(
        &self,
        ctx: &Context<'_>,
        chat_id: Uuid,
        subject: Option<String>,
        assignee_id: Option<Uuid>,
        team_id: Option<Uuid>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let body = ChatCommandBody::Open {
            subject,
            assignee_id,
            team_id,
            is_taken: true,
        };
        chat_command(ctx, chat_id, idempotency_key, body).await
    }

    /// The responder gives the chat to people: into its open ticket, or a new one, NEW / HANDOVER.
    async fn handover(
        &self,
        ctx: &Context<'_>,
        chat_id: Uuid,
        team_id: Option<Uuid>,
        summary: Option<String>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let body = ChatCommandBody::Handover { team_id, summary };
        chat_command(ctx, chat_id, idempotency_key, body).await
    }

    /// A person takes a chat from the responder, also one without a ticket: its open ticket, or a new one.
    async fn takeover_chat(
        &self,
        ctx: &Context<'_>,
        chat_id: Uuid,
        agent_id: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let body = ChatCommandBody::TakeoverChat { agent_id };
        chat_command(ctx, chat_id, idempotency_key, body).await
    }

    /// What the owner writes from now on is stored and bothers nobody.
    async fn block_owner(&self, ctx: &Context<'_>, chat_id: Uuid, idempotency_key: Option<String>) -> Result<Receipt> {
        chat_command(ctx, chat_id, idempotency_key, ChatCommandBody::BlockOwner).await
    }

    /// The owner is heard again.
    async fn unblock_owner(
        &self,
        ctx: &Context<'_>,
        chat_id: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        chat_command(ctx, chat_id, idempotency_key, ChatCommandBody::UnblockOwner).await
    }

    /// Puts a chat and its tickets out of sight, until the owner writes again.
    async fn remove_chat(&self, ctx: &Context<'_>, chat_id: Uuid, idempotency_key: Option<String>) -> Result<Receipt> {
        chat_command(ctx, chat_id, idempotency_key, ChatCommandBody::Remove).await
    }

    /// Brings a removed chat back.
    async fn restore_chat(&self, ctx: &Context<'_>, chat_id: Uuid, idempotency_key: Option<String>) -> Result<Receipt> {
        chat_command(ctx, chat_id, idempotency_key, ChatCommandBody::Restore).await
    }
}
