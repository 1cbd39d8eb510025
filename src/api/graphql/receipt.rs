//! The answer to an accepted command.

use async_graphql::{Context, Object, Result, SimpleObject};
use uuid::Uuid;

use super::chat::Chat;
use super::kind::Decision;
use super::loader::{self, missing, services};
use super::message::Message;
use super::needs::Needs;
use super::scalar::CursorText;
use super::ticket::{DecisionTrace, Ticket};
use crate::actor::Answer;
use crate::api::auth::Scope;
use crate::api::error::ApiError;
use crate::domain::{self, id};
use crate::live::Cursor;
use crate::view::TicketRow;

/// The answer to an accepted command.
#[derive(Clone, Debug)]
pub struct Receipt(pub(super) Answer<domain::Chat>);

#[Object]
impl Receipt {
    /// For an incoming message: what it did. DUPLICATE: it was stored before, and the rest is the first receipt.
    async fn decision(&self) -> Option<Decision> {
        let trace = self.0.receipt.trace.as_ref()?;
        Some(if self.0.repeat {
            Decision::Duplicate
        } else {
            trace.decision.into()
        })
    }

    /// The chat's id.
    async fn chat_id(&self) -> Uuid {
        self.0.state.id
    }

    /// The ticket's id, if the command reached one.
    async fn ticket_id(&self) -> Option<Uuid> {
        let number = self.0.receipt.ticket_number?;
        Some(id::ticket(self.0.state.id, number))
    }

    /// The chat as it is now. Needs READ.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn chat(&self, ctx: &Context<'_>) -> Result<Chat> {
        let found = loader::chat(ctx, self.0.state.id).await?;
        Ok(Chat(found.ok_or_else(missing)?))
    }

    /// The ticket, if the command reached one, as it is now. Needs READ.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn ticket(&self, ctx: &Context<'_>) -> Result<Option<Ticket>> {
        let Some(number) = self.0.receipt.ticket_number else {
            return Ok(None);
        };
        let chat = &self.0.state;
        let known = [chat.last_ticket.as_deref(), chat.merge_target.as_deref()];
        let known = known.into_iter().flatten().find(|ticket| ticket.number == number);
        if let Some(ticket) = known {
            return Ok(Some(Ticket(TicketRow {
                chat_id: chat.id,
                ticket: ticket.clone(),
            })));
        }
        let found = loader::ticket(ctx, id::ticket(chat.id, number)).await?;
        Ok(found.map(Ticket))
    }

    /// The message that the command brought or changed. Needs READ.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn message(&self, ctx: &Context<'_>) -> Result<Option<Message>> {
        let Some(seq) = self.0.receipt.message_seq else {
            return Ok(None);
        };
        let view = services(ctx)?.view().await?;
        let found = view.message(self.0.state.id, seq).await;
        Ok(found.map_err(ApiError::from)?.map(Message))
    }

    /// Subscribe after it to get what follows.
    async fn cursor(&self, ctx: &Context<'_>) -> Result<CursorText> {
        let applied = services(ctx)?.live.applied();
        let cursor = if self.0.position == 0 {
            Cursor::Heads(applied.heads)
        } else {
            Cursor::Point {
                epoch: applied.heads.epoch,
                partition: self.0.partition,
                position: self.0.position,
            }
        };
        Ok(CursorText(cursor.encode()))
    }

    /// Why the message did what it did the first time.
    async fn trace(&self) -> Option<DecisionTrace> {
        self.0.receipt.trace.clone().map(DecisionTrace::from)
    }
}

/// Why one item of a list was refused.
#[derive(Clone, Debug, SimpleObject)]
pub struct ItemError {
    /// Stable, as in `extensions.code`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// When to try again, in milliseconds.
    pub retry_after_ms: Option<f64>,
}

impl From<ApiError> for ItemError {
    fn from(error: ApiError) -> Self {
        Self {
            retry_after_ms: error.retry_after_ms().map(super::scalar::float),
            code: error.code.to_owned(),
            message: error.message,
        }
    }
}

/// The answer to one of many messages: a receipt, or why not.
#[derive(Clone, Debug, SimpleObject)]
pub struct IngestResult {
    /// It was stored.
    pub receipt: Option<Receipt>,
    /// It was not.
    pub error: Option<ItemError>,
}

impl From<Result<Receipt, ApiError>> for IngestResult {
    fn from(result: Result<Receipt, ApiError>) -> Self {
        match result {
            Ok(receipt) => Self {
                receipt: Some(receipt),
                error: None,
            },
            Err(error) => Self {
                receipt: None,
                error: Some(error.into()),
            },
        }
    }
}
