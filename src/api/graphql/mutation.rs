//! What can be commanded. Every mutation takes an `idempotencyKey`: the same key with the same body gets the same receipt,
//! with another body `IDEMPOTENCY_MISMATCH`. A key counts within the chat, the contact, or the workspace's settings.

mod bulk;
mod chat;
mod key;
mod message;
mod outside;
mod setting;
mod ticket;
mod webhook;

use async_graphql::{Context, MergedObject, Result};
use uuid::Uuid;

use super::loader::{principal, services};
use super::receipt::Receipt;
use crate::api::commands::{self, Repeats, command};
use crate::api::error::ApiError;
use crate::domain::command::TicketAction;
use crate::domain::{ChatCommandBody, Rejection};

/// Commands. Each is answered only after it is durable.
#[derive(Clone, Copy, Debug, Default, MergedObject)]
pub struct Mutation(
    message::MessageMutation,
    ticket::TicketMutation,
    bulk::BulkMutation,
    chat::ChatMutation,
    outside::OutsideMutation,
    setting::SettingMutation,
    key::KeyMutation,
    webhook::WebhookMutation,
);

async fn chat_command(
    ctx: &Context<'_>,
    chat_id: Uuid,
    repeats: impl Into<Repeats>,
    body: ChatCommandBody,
) -> Result<Receipt> {
    let answer = command(services(ctx)?, principal(ctx)?, chat_id, repeats, body).await?;
    Ok(Receipt(answer))
}

/// What every command to a ticket may carry.
struct Terms {
    expected_version: Option<i32>,
    idempotency_key: Option<String>,
}

async fn ticket_command(ctx: &Context<'_>, ticket_id: Uuid, terms: Terms, action: TicketAction) -> Result<Receipt> {
    let expected_version = terms.expected_version.map(u64::try_from).transpose();
    let terms = commands::Terms {
        expected_version: expected_version
            .map_err(|_| ApiError::from(Rejection::invalid("expectedVersion", "0 or more")))?,
        idempotency_key: terms.idempotency_key,
    };
    let answer = commands::ticket_command(services(ctx)?, principal(ctx)?, ticket_id, terms, action).await?;
    Ok(Receipt(answer))
}
