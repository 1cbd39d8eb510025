//! The answer to an accepted command.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::actor::Answer;
use crate::api::services::Services;
use crate::clock::format_millis;
use crate::domain::{Chat, Decision, Status, Ticket, Trace, id};
use crate::live::Cursor;

/// What an incoming message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ReceiptDecision {
    /// It opened a ticket.
    Created,
    /// It joined the open ticket.
    Appended,
    /// It reopened the last ticket.
    Reopened,
    /// It was stored before: this is the first receipt again.
    Duplicate,
    /// It was stored and bothers nobody.
    Silenced,
    /// It was stored for the responder; there is no ticket.
    ToResponder,
}

impl From<Decision> for ReceiptDecision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Created => Self::Created,
            Decision::Appended => Self::Appended,
            Decision::Reopened => Self::Reopened,
            Decision::Duplicate => Self::Duplicate,
            Decision::Silenced => Self::Silenced,
            Decision::ToResponder => Self::ToResponder,
        }
    }
}

/// Where a ticket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ReceiptStatus {
    /// Not taken into work yet.
    New,
    /// In work.
    Active,
    /// Ended.
    Inactive,
}

impl From<Status> for ReceiptStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::New => Self::New,
            Status::Active => Self::Active,
            Status::Inactive => Self::Inactive,
        }
    }
}

/// Why a message did what it did the first time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiptTrace {
    /// What was decided.
    decision: ReceiptDecision,
    /// The rule that decided it.
    #[schema(example = "within_restore_period")]
    rule: &'static str,
    /// The restore period in force, in milliseconds; null is for ever, or that no period was looked at.
    #[schema(required)]
    restore_period_ms: Option<u64>,
    /// Between the ticket's end and the message, in milliseconds; null where no ticket had ended.
    #[schema(required)]
    elapsed_ms: Option<u64>,
    /// When it was decided.
    #[schema(format = DateTime)]
    at: String,
}

impl From<Trace> for ReceiptTrace {
    fn from(trace: Trace) -> Self {
        Self {
            decision: trace.decision.into(),
            rule: trace.rule.name(),
            restore_period_ms: trace.restore_period_ms,
            elapsed_ms: trace.elapsed_ms,
            at: format_millis(trace.at),
        }
    }
}

/// The answer to an accepted command.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommandReceipt {
    /// What an incoming message did. DUPLICATE: it was stored before, and the rest is the first receipt.
    #[schema(required)]
    decision: Option<ReceiptDecision>,
    /// The chat.
    chat_id: Uuid,
    /// The ticket, if the command reached one.
    #[schema(required)]
    ticket_id: Option<Uuid>,
    /// Where the ticket is now.
    #[schema(required)]
    ticket_status: Option<ReceiptStatus>,
    /// The message that the command brought.
    #[schema(required)]
    message_id: Option<Uuid>,
    /// Its order in the chat. Rises, with gaps.
    #[schema(required)]
    message_seq: Option<u64>,
    /// Subscribe after it to get what follows.
    cursor: String,
    /// Why the message did what it did the first time.
    #[schema(required)]
    trace: Option<ReceiptTrace>,
}

impl CommandReceipt {
    /// From what the chat answered.
    pub(super) fn new(services: &Services, answer: Answer<Chat>) -> Self {
        let cursor = cursor(services, &answer).encode();
        let (chat, receipt) = (answer.state, answer.receipt);
        let trace = receipt.trace.as_ref();
        let decision = trace.map(|trace| {
            if answer.repeat {
                ReceiptDecision::Duplicate
            } else {
                trace.decision.into()
            }
        });
        Self {
            decision,
            chat_id: chat.id,
            ticket_id: receipt.ticket_number.map(|number| id::ticket(chat.id, number)),
            ticket_status: receipt.ticket_number.map(|number| status(&chat, number).into()),
            message_id: receipt.message_seq.map(|seq| id::message(chat.id, seq)),
            message_seq: receipt.message_seq,
            cursor,
            trace: receipt.trace.map(ReceiptTrace::from),
        }
    }
}

/// Only the last ticket of a chat, or the one that it was merged into, can be open.
fn status(chat: &Chat, number: u32) -> Status {
    let held = [chat.last_ticket.as_deref(), chat.merge_target.as_deref()];
    let held = held.into_iter().flatten().find(|ticket| ticket.number == number);
    held.map_or(Status::Inactive, Ticket::status)
}

fn cursor(services: &Services, answer: &Answer<Chat>) -> Cursor {
    let heads = services.live.applied().heads;
    if answer.position == 0 {
        return Cursor::Heads(heads);
    }
    Cursor::Point {
        epoch: heads.epoch,
        partition: answer.partition,
        position: answer.position,
    }
}
