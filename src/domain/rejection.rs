//! Why a command was refused. A refusal is an answer: nothing happened and nothing is broken.

use serde_json::{Value, json};
use uuid::Uuid;

use super::ticket::{Reason, Ticket};

/// A refused command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Rejection {
    #[error("a ticket cannot go from {} ({}) to {} ({})", from.status().name(), from.name(), to.status().name(), to.name())]
    InvalidTransition { from: Reason, to: Reason },
    #[error("the chat has an open ticket already")]
    AlreadyOpen { ticket_id: Uuid },
    #[error("the ticket has an assignee already, or has ended")]
    AlreadyAssigned,
    #[error("the agent has as many tickets as they may be given")]
    AtCapacity,
    #[error("the ticket has version {} now", ticket.version)]
    VersionConflict { ticket: Box<Ticket> },
    #[error("this ticket was followed by a newer one in its chat; only the last ticket changes")]
    TicketSuperseded { last_ticket_id: Uuid },
    #[error("there is no {what} with this id in the workspace")]
    NotFound { what: &'static str },
    #[error("{what} with this id is there already")]
    AlreadyExists { what: &'static str },
    #[error("{field}: expected {expected}")]
    InvalidInput { field: &'static str, expected: String },
    #[error("the chat was taken over since: its responder epoch is {epoch}")]
    StaleResponder { epoch: u32 },
    #[error("this idempotency key was used with another body")]
    IdempotencyMismatch,
    #[error("at most {max} {what}")]
    LimitReached { what: &'static str, max: usize },
    #[error("this is the last key with ADMIN that does not expire")]
    LastAdminKey,
}

impl Rejection {
    /// A field that is not as it must be.
    pub fn invalid(field: &'static str, expected: impl Into<String>) -> Self {
        Self::InvalidInput {
            field,
            expected: expected.into(),
        }
    }

    /// The stable code in the API.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidTransition { .. } => "INVALID_TRANSITION",
            Self::AlreadyOpen { .. } => "ALREADY_OPEN",
            Self::AlreadyAssigned => "ALREADY_ASSIGNED",
            Self::AtCapacity => "AT_CAPACITY",
            Self::VersionConflict { .. } => "VERSION_CONFLICT",
            Self::TicketSuperseded { .. } => "TICKET_SUPERSEDED",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::AlreadyExists { .. } => "ALREADY_EXISTS",
            Self::InvalidInput { .. } => "BAD_USER_INPUT",
            Self::StaleResponder { .. } => "STALE_RESPONDER",
            Self::IdempotencyMismatch => "IDEMPOTENCY_MISMATCH",
            Self::LimitReached { .. } => "LIMIT_REACHED",
            Self::LastAdminKey => "LAST_ADMIN_KEY",
        }
    }

    /// What a program needs to know beside the code.
    #[must_use]
    pub fn details(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::InvalidTransition { from, to } => {
                let allowed = if *from == Reason::Merged {
                    &[][..]
                } else {
                    from.status().allowed()
                };
                vec![
                    ("from", json!(from.status())),
                    ("to", json!(to.status())),
                    ("allowed", json!(allowed)),
                    ("fromReason", json!(from)),
                    ("toReason", json!(to)),
                ]
            }
            Self::AlreadyOpen { ticket_id } => vec![("ticketId", json!(ticket_id))],
            Self::VersionConflict { ticket } => {
                let mut current = json!(ticket);
                if let Value::Object(fields) = &mut current {
                    fields.insert("status".into(), json!(ticket.status()));
                }
                vec![("version", json!(ticket.version)), ("ticket", current)]
            }
            Self::TicketSuperseded { last_ticket_id } => {
                vec![("lastTicketId", json!(last_ticket_id))]
            }
            Self::InvalidInput { field, expected } => {
                vec![("field", json!(field)), ("expected", json!(expected))]
            }
            Self::StaleResponder { epoch } => vec![("responderEpoch", json!(epoch))],
            Self::LimitReached { max, .. } => vec![("max", json!(max))],
            Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::AlreadyAssigned
            | Self::AtCapacity
            | Self::IdempotencyMismatch
            | Self::LastAdminKey => Vec::new(),
        }
    }
}
