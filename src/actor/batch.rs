//! Deciding over all commands that wait, as one commit.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::aggregate::{Command, Lookup};
use crate::domain::chat::PARKED_MAX;
use crate::domain::{DedupeKey, Event, Millis, Receipt, Rejection};
use crate::store::{COMMIT_EVENTS_MAX, Commit, KeyWrite};

use super::Served;

/// What was decided over one command.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Accepted; its last event is this one of the commit (from 0), none where nothing had to change.
    Accepted(Receipt, Option<u64>),
    /// Refused.
    Refused(Rejection),
    /// Of another tenant: refused, whatever its keys say.
    Foreign(Rejection),
    /// A repeat of an earlier command of the same batch; whether by a key that asks for the same body.
    RepeatOf(usize, bool),
    /// There was no room left in this commit.
    Later,
}

/// A batch that was decided on one state.
#[derive(Debug)]
pub(super) struct Plan<A> {
    /// The state after all accepted commands.
    pub(super) state: A,
    /// One for each command, in order.
    pub(super) verdicts: Vec<Verdict>,
    /// What is in the store: sequence numbers past it are of this batch.
    stored_seq: u64,
    events: Vec<Event>,
    keys: Vec<KeyWrite>,
}

/// The most events that one command makes: those that waited for its message, and a few of its own.
const EVENTS_OF_A_COMMAND_MAX: usize = PARKED_MAX + 32;
/// How often one thing is looked up to know what to look up next.
pub(super) const LOOKUPS_MAX: usize = 4;

/// The key that makes a command a repeat: before all others the one that asks for the same body.
pub(super) fn by_which<'a>(keys: &'a [DedupeKey], known: impl Fn(&&'a DedupeKey) -> bool) -> Option<&'a DedupeKey> {
    let chosen = keys.iter().filter(|key| key.is_idempotency()).find(&known);
    chosen.or_else(|| keys.iter().find(known))
}

impl<A: Served> Plan<A> {
    /// Decides over each command in turn, each on the state that the one before left. A refused command refuses itself
    /// alone.
    pub(super) fn new<'a>(
        state: &A,
        commands: impl Iterator<Item = &'a A::Command>,
        policy: &A::Policy,
        now: Millis,
    ) -> Self {
        let mut plan = Self {
            state: state.clone(),
            verdicts: Vec::new(),
            stored_seq: state.seq(),
            events: Vec::new(),
            keys: Vec::new(),
        };
        let mut seen: HashMap<String, usize> = HashMap::new();
        for command in commands {
            let verdict = plan.decide(command, policy, now, &mut seen);
            plan.verdicts.push(verdict);
        }
        plan
    }

    fn decide(
        &mut self,
        command: &A::Command,
        policy: &A::Policy,
        now: Millis,
        seen: &mut HashMap<String, usize>,
    ) -> Verdict {
        if let Err(rejection) = self.state.admit(command) {
            return Verdict::Foreign(rejection);
        }
        let known = |key: &&DedupeKey| seen.contains_key(key.as_str());
        if let Some(key) = by_which(command.keys(), known) {
            let first = seen.get(key.as_str()).copied().unwrap_or_default();
            return Verdict::RepeatOf(first, key.is_idempotency());
        }
        if !self.is_looked_up(command, seen)
            || self.events.len().saturating_add(EVENTS_OF_A_COMMAND_MAX) > COMMIT_EVENTS_MAX
        {
            return Verdict::Later;
        }
        match self.state.decide(command, policy, now) {
            Err(rejection) => Verdict::Refused(rejection),
            Ok(decided) if decided.events.is_empty() => Verdict::Accepted(decided.receipt, None),
            Ok(decided) => {
                self.state = decided.state;
                self.events.extend(decided.events);
                let offset = u64::try_from(self.events.len().saturating_sub(1)).unwrap_or(u64::MAX);
                let receipt = serde_json::to_string(&decided.receipt).unwrap_or_default();
                for key in command.keys().iter().chain(&decided.keys) {
                    seen.insert(key.as_str().to_owned(), self.verdicts.len());
                    self.keys.push(KeyWrite {
                        key: key.as_str().to_owned(),
                        receipt: receipt.clone(),
                        offset,
                    });
                }
                Verdict::Accepted(decided.receipt, Some(offset))
            }
        }
    }

    /// Whether all that the decision needs was looked up. What this batch itself brings can be looked up once it is
    /// committed.
    fn is_looked_up(&self, command: &A::Command, seen: &HashMap<String, usize>) -> bool {
        let lookups = (0..LOOKUPS_MAX).map_while(|round| self.state.lookup(command, round));
        lookups.into_iter().all(|lookup| {
            let of_batch = match &lookup {
                Lookup::Keys(keys) => keys.iter().any(|key| seen.contains_key(key.as_str())),
                Lookup::Events(seqs) => seqs.iter().any(|seq| *seq > self.stored_seq),
            };
            !of_batch && command.found().is_some_and(|found| found.has(&lookup))
        })
    }

    /// Whether there is something to commit.
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether an answer rests on the state alone, without a commit that would prove it current.
    pub(super) fn rests_on_memory(&self) -> bool {
        !self.has_events() && !self.verdicts.is_empty()
    }

    /// The commit, and the state that it leads to.
    pub(super) fn into_commit(self, expected_version: u64) -> (Arc<Commit>, A, Vec<Verdict>) {
        let state = self.state.with_version(expected_version.saturating_add(1));
        let json = |value: &Event| serde_json::to_string(value).unwrap_or_default();
        let commit = Commit {
            aggregate_id: state.id(),
            expected_version,
            snapshot: serde_json::to_string(&state).unwrap_or_default(),
            bodies: self.events.iter().map(json).collect(),
            events: self.events,
            keys: self.keys,
            due: state.due(),
        };
        (Arc::new(commit), state, self.verdicts)
    }
}
