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
use super::scalar::millis;
use crate::api::commands::{self, Repeats, command};
use crate::api::error::ApiError;
use crate::domain::command::TicketAction;
use crate::domain::key::OVERLAP_MAX_MS;
use crate::domain::{ChatCommandBody, Millis, Rejection};

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

/// How long the secret before goes on where nobody says, in milliseconds: a day.
const OVERLAP_MS: Millis = 86_400_000;

/// When the secrets before end.
fn old_expires_at(ctx: &Context<'_>, overlap_ms: Option<f64>) -> Result<Millis> {
    let overlap = overlap_ms.map_or(Ok(OVERLAP_MS), |overlap| millis("overlapMs", overlap));
    let overlap = overlap.map_err(ApiError::from)?;
    if overlap > OVERLAP_MAX_MS {
        let expected = format!("0 to {OVERLAP_MAX_MS}");
        return Err(ApiError::from(Rejection::invalid("overlapMs", expected)).into());
    }
    Ok(services(ctx)?.clock.now().saturating_add(overlap))
}

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
