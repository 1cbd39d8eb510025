//! What a chat and a workspace's settings have in common: one writer, a version, events, a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DedupeKey, Event, Millis, Rejection, Trace};

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
    /// Keys to remember beside the command's, which a look-up has shown to be unknown.
    pub keys: Vec<DedupeKey>,
}

/// Something that a decision needs and the state does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The receipts that were kept with these keys.
    Keys(Vec<DedupeKey>),
    /// The aggregate's events with these sequence numbers.
    Events(Vec<u64>),
}

/// What was looked up.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// By key; none where it is not known.
    pub receipts: HashMap<String, Option<Receipt>>,
    /// By sequence number.
    pub events: HashMap<u64, Option<Arc<Event>>>,
}

impl Found {
    /// The receipt that was kept with a key.
    #[must_use]
    pub fn receipt(&self, key: &DedupeKey) -> Option<&Receipt> {
        self.receipts.get(key.as_str()).and_then(Option::as_ref)
    }

    /// An event.
    #[must_use]
    pub fn event(&self, seq: u64) -> Option<&Event> {
        self.events.get(&seq).and_then(Option::as_deref)
    }

    /// Whether all of it was looked up.
    #[must_use]
    pub fn has(&self, lookup: &Lookup) -> bool {
        match lookup {
            Lookup::Keys(keys) => keys.iter().all(|key| self.receipts.contains_key(key.as_str())),
            Lookup::Events(seqs) => seqs.iter().all(|seq| self.events.contains_key(seq)),
        }
    }
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
    /// Sets the commits so far.
    fn set_version(&mut self, version: u64);
    /// When time itself has to be told to it next ([`due`](Self::due) at or before now means that something is to be
    /// done); it is woken by a command of its own kind.
    fn due(&self) -> Option<Millis> {
        None
    }
    /// Refuses a command of another tenant. Such a command also gets no receipt of an earlier one.
    ///
    /// # Errors
    /// [`Rejection::NotFound`].
    fn admit(&self, _command: &Self::Command) -> Result<(), Rejection> {
        Ok(())
    }
    /// What is to be looked up before the decision, after `round` look-ups before; none when all is there.
    fn lookup(&self, _command: &Self::Command, _round: usize) -> Option<Lookup> {
        None
    }
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
    /// Whether it may begin the aggregate, and so knows the rules for that.
    fn may_begin(&self) -> bool {
        true
    }
    /// What was looked up for it.
    fn found(&self) -> Option<&Found> {
        None
    }
    /// Where to put what was looked up.
    fn found_mut(&mut self) -> Option<&mut Found> {
        None
    }
}
