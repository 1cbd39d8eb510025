//! What happened.

mod body;
mod patch;
mod public;

pub use body::{EventBody, NAMES, Scope, TicketField, scope_of};
pub use patch::Change;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ticket::Ticket;
use super::{Millis, id};

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are DESIGN's words")]
pub enum ActorKind {
    Owner,
    Agent,
    Bot,
    Rule,
    System,
    Api,
}

/// Who did something, and which one of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The kind.
    pub kind: ActorKind,
    /// An agent's id, an API key's id, an owner's external id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A name to show, where it is not the owner's or an agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Actor {
    /// An actor without a name of its own.
    #[must_use]
    pub fn new(kind: ActorKind, id: impl Into<String>) -> Self {
        Self {
            kind,
            id: Some(id.into()),
            name: None,
        }
    }

    /// switchboard itself.
    #[must_use]
    pub fn system() -> Self {
        Self {
            kind: ActorKind::System,
            id: None,
            name: None,
        }
    }
}

/// What led to an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The command.
    pub command_id: Uuid,
    /// The message that the command brought, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Uuid>,
}

/// A name and a picture as the provider gives them.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// To show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
}

/// A fact about an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The tenant.
    pub workspace_id: Uuid,
    /// What it happened to; the workspace itself for its settings.
    pub aggregate_id: Uuid,
    /// From 1, gapless in the aggregate: the chat's `chatSeq`.
    pub seq: u64,
    /// The commit that brought it.
    pub version: u64,
    /// When.
    pub at: Millis,
    /// Who did it.
    pub actor: Actor,
    /// What led to it.
    pub cause: Cause,
    /// Made by a rule to keep transitions legal, not asked for by anybody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// What happened.
    pub body: EventBody,
    /// The ticket it belongs to, as it was right after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Box<Ticket>>,
}

impl Event {
    /// Derived from the aggregate and the sequence number.
    #[must_use]
    pub fn id(&self) -> Uuid {
        id::event(self.aggregate_id, self.seq)
    }

    /// The chat; none for an event of another aggregate.
    #[must_use]
    pub fn chat_id(&self) -> Option<Uuid> {
        (self.body.scope() == Scope::Chat).then_some(self.aggregate_id)
    }

    /// The ticket's id.
    #[must_use]
    pub fn ticket_id(&self) -> Option<Uuid> {
        self.ticket.as_ref().map(|ticket| ticket.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_log_keeps() {
        let unit = EventBody::ChatRemoved {};
        assert_eq!(serde_json::to_value(&unit).unwrap()["type"], unit.name());
        for name in NAMES {
            // an unknown type fails otherwise than a known one without its data
            let parsed = serde_json::from_str::<EventBody>(&format!("{{\"type\":\"{name}\"}}"));
            if let Err(error) = parsed {
                assert!(!error.to_string().contains("unknown variant"), "{error}");
            }
        }
    }
}
