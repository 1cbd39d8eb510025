//! What a chat and a workspace's settings have in common: one writer, a version, events, a snapshot.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ticket::Trace;
use super::{DedupeKey, Event, Millis, Rejection};

/// The answer to an accepted command, as it is kept for repeats.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// For an incoming message: why it did what it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// The ticket's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket_number: Option<u32>,
    /// The event that brought the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_seq: Option<u64>,
    /// What a settings command made or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting_id: Option<Uuid>,
    /// SHA-256 of the command's body, where an idempotency key was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_hash: Option<String>,
}

/// An accepted command: its events, the state after them, and the answer.
#[derive(Clone, Debug)]
pub struct Decided<A> {
    /// The state after all events.
    pub state: A,
    /// In order; empty where nothing had to change.
    pub events: Vec<Event>,
    /// The answer.
    pub receipt: Receipt,
}

/// A thing with one writer at a time, rebuilt by applying its events in order.
pub trait Aggregate: Clone + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What may be asked of it.
    type Command: Command;
    /// The rules in force that are not its own.
    type Policy: Send + Sync + 'static;

    /// The state before the first event.
    fn blank(id: Uuid) -> Self;
    /// Its id.
    fn id(&self) -> Uuid;
    /// Commits so far; 0 before the first.
    fn version(&self) -> u64;
    /// Events so far; 0 before the first.
    fn seq(&self) -> u64;
    /// Accepts or refuses a command. Pure.
    ///
    /// # Errors
    /// The refusal; nothing changed.
    fn decide(&self, command: &Self::Command, policy: &Self::Policy, now: Millis) -> Result<Decided<Self>, Rejection>;
    /// Takes one event into the state. Events come in order of `seq`, each once.
    fn apply(&mut self, event: &Event);
}

/// A wish that may be refused.
pub trait Command: std::fmt::Debug + Send + Sync + 'static {
    /// Ties an outcome that nobody heard of to the command that caused it.
    fn id(&self) -> Uuid;
    /// The keys that make a repeat of it known.
    fn keys(&self) -> &[DedupeKey];
    /// SHA-256 of the body, when an idempotency key was given with it.
    fn body_hash(&self) -> Option<&str>;
    /// The key of a message that must be known for the decision.
    fn target(&self) -> Option<&DedupeKey> {
        None
    }
    /// Takes in what was found by [`Command::target`]: the sequence number of the message.
    fn set_target(&mut self, _message_seq: Option<u64>) {}
}
