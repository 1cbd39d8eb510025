//! Why a command was refused. A refusal is an answer: nothing happened and nothing is broken.

use serde_json::{Value, json};
use uuid::Uuid;

use super::ticket::Status;

/// A refused command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Rejection {
    #[error(
        "a ticket cannot go from {} to {}: from {} it can go to {}",
        from.name(),
        to.name(),
        from.name(),
        names(allowed)
    )]
    InvalidTransition {
        from: Status,
        to: Status,
        allowed: &'static [Status],
    },
    #[error("a ticket that ended as {reason} cannot be reopened")]
    NotRestorable { reason: &'static str },
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
    #[error("a workspace holds at most {max} {what}")]
    LimitReached { what: &'static str, max: usize },
}

fn names(statuses: &[Status]) -> String {
    let names: Vec<&str> = statuses.iter().map(|status| status.name()).collect();
    names.join(", ")
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
            Self::InvalidTransition { .. } | Self::NotRestorable { .. } => "INVALID_TRANSITION",
            Self::TicketSuperseded { .. } => "TICKET_SUPERSEDED",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::AlreadyExists { .. } => "ALREADY_EXISTS",
            Self::InvalidInput { .. } => "BAD_USER_INPUT",
            Self::StaleResponder { .. } => "STALE_RESPONDER",
            Self::IdempotencyMismatch => "IDEMPOTENCY_MISMATCH",
            Self::LimitReached { .. } => "LIMIT_REACHED",
        }
    }

    /// What a program needs to know beside the code.
    #[must_use]
    pub fn details(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::InvalidTransition { from, to, allowed } => {
                vec![("from", json!(from)), ("to", json!(to)), ("allowed", json!(allowed))]
            }
            Self::NotRestorable { reason } => vec![
                ("from", json!(Status::Inactive)),
                ("to", json!(Status::Active)),
                ("allowed", json!([])),
                ("reason", json!(reason)),
            ],
            Self::TicketSuperseded { last_ticket_id } => {
                vec![("lastTicketId", json!(last_ticket_id))]
            }
            Self::InvalidInput { field, expected } => {
                vec![("field", json!(field)), ("expected", json!(expected))]
            }
            Self::StaleResponder { epoch } => vec![("responderEpoch", json!(epoch))],
            Self::LimitReached { max, .. } => vec![("max", json!(max))],
            Self::NotFound { .. } | Self::AlreadyExists { .. } | Self::IdempotencyMismatch => Vec::new(),
        }
    }
}
