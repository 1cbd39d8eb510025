//! What is remembered of a webhook's deliveries, beside the log: how far they have come, what waits to be tried again, what
//! was given up, and which node makes them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Millis, id};
use crate::store::{Store, StoreError};

/// The most events of one webhook that wait to be tried again; past it, the log waits.
pub(super) const WAITING_MAX: usize = 256;
/// The most given up events of one webhook that are remembered; past it, the oldest are only counted.
const GIVEN_UP_MAX: usize = 256;
/// How long after each failure an event is tried again, in milliseconds: 5 s to 8 h, a day in all.
pub(super) const DELAYS_MS: [Millis; 10] = [
    5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 28_800_000, 28_800_000,
];
/// The longest that an answer may ask to wait, in milliseconds: a day.
const RETRY_AFTER_MAX_MS: Millis = 86_400_000;
/// After so many failures in a row nothing is tried but the oldest event.
const DOWN_AFTER: u32 = 10;
/// How often that is tried at least, in milliseconds.
const PROBE_MS: Millis = 600_000;
/// How often a change is tried when others change the same.
const TRIES_MAX: usize = 20;
/// The longest error that is kept, in bytes.
const ERROR_MAX_BYTES: usize = 256;

/// An event that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Undelivered {
    /// What it happened to.
    pub aggregate_id: Uuid,
    /// Which event of that.
    pub seq: u64,
    /// As `ticket.created`.
    pub event_type: String,
    /// Since the first, or since it was asked for again.
    pub attempts: u32,
    /// When it was tried first.
    pub first_at: Millis,
    /// When it was tried last.
    pub last_at: Millis,
    /// When it is tried again, if it is.
    pub next_at: Millis,
    /// What was wrong the last time.
    pub error: String,
}

impl Undelivered {
    /// The event's id.
    #[must_use]
    pub fn event_id(&self) -> Uuid {
        id::event(self.aggregate_id, self.seq)
    }

    fn is_of(&self, told: &Told) -> bool {
        (self.aggregate_id, self.seq) == (told.aggregate_id, told.seq)
    }
}

/// What became of one attempt.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) aggregate_id: Uuid,
    pub(super) seq: u64,
    pub(super) event_type: String,
    pub(super) at: Millis,
    pub(super) outcome: Outcome,
}

/// What an attempt came to.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The receiver took it.
    Taken,
    /// It is to be tried again.
    Failed(Failure),
    /// There is nothing to tell: it is not wanted any more, or cannot be read.
    Dropped,
}

/// Why an attempt failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) reason: String,
    /// How long the receiver wants to be left alone.
    pub(super) retry_after_ms: Option<Millis>,
    /// It says nothing about whether the receiver is down.
    pub(super) is_throttle: bool,
    /// The receiver will never take anything again.
    pub(super) is_for_ever: bool,
}

impl Failure {
    /// Of this node.
    pub(super) fn own(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            retry_after_ms: None,
            is_throttle: true,
            is_for_ever: false,
        }
    }
}

impl Told {
    pub(super) fn event_id(&self) -> Uuid {
        id::event(self.aggregate_id, self.seq)
    }
}

/// How a webhook's deliveries stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// The node that makes them, by a name of its own.
    pub(super) holder: Option<Uuid>,
    /// Until then no other node does.
    pub(super) held_until: Millis,
    /// Everything before it was tried; none: since the webhook was made.
    pub(super) cursor: Option<String>,
    /// How often the cursor was set back.
    pub(super) replays: u64,
    /// Tried again later, the oldest first.
    pub waiting: Vec<Undelivered>,
    /// Not tried again, the oldest first.
    pub given_up: Vec<Undelivered>,
    /// How many events were given up and are not remembered.
    pub forgotten: u64,
    /// How many requests were taken.
    pub delivered: u64,
    /// The last attempt.
    pub last_attempt_at: Option<Millis>,
    /// The last attempt that was taken.
    pub last_success_at: Option<Millis>,
    /// The first failure after it.
    pub failing_since: Option<Millis>,
    /// What was wrong the last time.
    pub last_error: Option<String>,
    /// Until then the receiver wants to be left alone.
    not_before: Millis,
    failures_in_a_row: u32,
    /// How often it was found that events cannot be told any more.
    pub gaps: u64,
    /// Why not, the last time.
    pub last_gap: Option<String>,
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(ERROR_MAX_BYTES);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}

impl State {
    /// Whether the receiver takes nothing at all: then events are tried one at a time, now and then, and the log waits.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.failures_in_a_row >= DOWN_AFTER
    }

    /// How many more events may fail before the log has to wait.
    pub(super) fn room(&self) -> usize {
        WAITING_MAX.saturating_sub(self.waiting.len())
    }

    /// Whether events may be tried at all. Of a receiver that is down, one of those that wait and one of the log.
    pub(super) fn may_try(&self, now: Millis) -> bool {
        let probe = self.last_attempt_at.map_or(0, |at| at.saturating_add(PROBE_MS));
        now >= self.not_before && (!self.is_down() || now >= probe)
    }

    /// When something is tried again; none: nothing waits.
    #[must_use]
    pub fn next_attempt_at(&self) -> Option<Millis> {
        let first = self.waiting.iter().map(|event| event.next_at).min()?;
        let at = if self.is_down() {
            self.last_attempt_at?.saturating_add(PROBE_MS)
        } else {
            first
        };
        Some(at.max(self.not_before))
    }

    /// Up to `max` events whose time has come, but for those that `is_tried` already. Of a receiver that is down, the one
    /// that was tried the longest ago: no event stands in the way of the others.
    pub(super) fn due(&self, (now, max): (Millis, usize), is_tried: impl Fn(&Undelivered) -> bool) -> Vec<Undelivered> {
        if !self.may_try(now) {
            return Vec::new();
        }
        let waiting = self.waiting.iter().filter(|event| !is_tried(event));
        if self.is_down() {
            return waiting.min_by_key(|event| event.last_at).cloned().into_iter().collect();
        }
        waiting
            .filter(|event| event.next_at <= now)
            .take(max)
            .cloned()
            .collect()
    }

    /// Takes in what became of an attempt. Taking in the same twice counts it twice and loses nothing.
    pub(super) fn take(&mut self, told: &Told) {
        self.given_up.retain(|event| !event.is_of(told));
        match &told.outcome {
            Outcome::Taken => {
                self.succeed(told.at);
                self.delivered = self.delivered.saturating_add(1);
                self.waiting.retain(|event| !event.is_of(told));
            }
            Outcome::Dropped => self.waiting.retain(|event| !event.is_of(told)),
            Outcome::Failed(failure) => self.take_failure(told, failure),
        }
    }

    /// A request was taken.
    pub(super) fn succeed(&mut self, at: Millis) {
        if self.is_down() {
            // whoever is back is told at once
            for event in &mut self.waiting {
                event.next_at = at;
            }
        }
        self.last_attempt_at = Some(at);
        self.last_success_at = Some(at);
        self.failing_since = None;
        self.last_error = None;
        self.failures_in_a_row = 0;
        self.not_before = 0;
    }

    /// A request was not taken.
    pub(super) fn fail(&mut self, failure: &Failure, at: Millis) {
        self.last_attempt_at = Some(at);
        self.last_error = Some(shortened(&failure.reason));
        self.failing_since.get_or_insert(at);
        if !failure.is_throttle {
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        }
        if let Some(asked) = failure.retry_after_ms {
            let until = at.saturating_add(asked.min(RETRY_AFTER_MAX_MS));
            self.not_before = self.not_before.max(until);
        }
    }

    /// What it failed before does not count any more.
    fn forgive(&mut self) {
        self.failing_since = None;
        self.failures_in_a_row = 0;
        self.not_before = 0;
    }

    /// It is told again, what waits at once.
    pub(super) fn resume(&mut self, now: Millis) {
        self.forgive();
        for event in &mut self.waiting {
            event.next_at = now;
        }
    }

    fn take_failure(&mut self, told: &Told, failure: &Failure) {
        self.fail(failure, told.at);
        let place = self.waiting.iter().position(|event| event.is_of(told));
        let mut event = place.map_or_else(
            || Undelivered {
                aggregate_id: told.aggregate_id,
                seq: told.seq,
                event_type: told.event_type.clone(),
                attempts: 0,
                first_at: told.at,
                last_at: told.at,
                next_at: told.at,
                error: String::new(),
            },
            |place| self.waiting.remove(place),
        );
        let after = usize::try_from(event.attempts).unwrap_or(usize::MAX);
        let delay = DELAYS_MS.get(after).or(DELAYS_MS.last()).copied().unwrap_or_default();
        event.attempts = event.attempts.saturating_add(1);
        event.last_at = told.at;
        event.next_at = told.at.saturating_add(spread(delay, told)).max(self.not_before);
        event.error = shortened(&failure.reason);
        // while nothing else is taken either, it is not the event's fault
        let others_are_taken = self.last_success_at.is_some_and(|at| at > event.first_at);
        if after >= DELAYS_MS.len() && others_are_taken {
            self.give_up(event);
        } else {
            let place = place.unwrap_or(self.waiting.len());
            self.waiting.insert(place.min(self.waiting.len()), event);
        }
    }

    fn give_up(&mut self, event: Undelivered) {
        if self.given_up.len() >= GIVEN_UP_MAX {
            self.given_up.remove(0);
            self.forgotten = self.forgotten.saturating_add(1);
        }
        self.given_up.push(event);
    }

    /// Tries again at once: what was given up, these or all, as if for the first time, and what waits. How many.
    pub(super) fn retry(&mut self, event_ids: Option<&[Uuid]>, now: Millis) -> usize {
        let is_meant = |event: &Undelivered| event_ids.is_none_or(|ids| ids.contains(&event.event_id()));
        let given_up = std::mem::take(&mut self.given_up);
        let (mut meant, mut others): (Vec<_>, Vec<_>) = given_up.into_iter().partition(is_meant);
        let room = WAITING_MAX.saturating_sub(self.waiting.len());
        let later = meant.split_off(meant.len().min(room));
        others.extend(later);
        self.given_up = others;
        let again = meant.into_iter().map(|event| Undelivered {
            attempts: 0,
            first_at: now,
            ..event
        });
        self.waiting.extend(again);
        let mut count: usize = 0;
        for event in self.waiting.iter_mut().filter(|event| is_meant(event)) {
            event.next_at = now;
            count = count.saturating_add(1);
        }
        self.forgive();
        count
    }
}

/// Up to a tenth longer, told apart by the event: what failed together does not come back together.
fn spread(delay: Millis, told: &Told) -> Millis {
    let tenth = delay.checked_div(10).unwrap_or(0);
    let place = told.aggregate_id.as_u64_pair().0 ^ told.seq;
    delay.saturating_add(place.checked_rem(tenth.saturating_add(1)).unwrap_or(0))
}

const BUSY: &str = "others change the same all the time";

/// The memo of one webhook. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    store: Arc<dyn Store>,
    webhook_id: Uuid,
}

impl Ledger {
    pub(super) fn new(store: Arc<dyn Store>, webhook_id: Uuid) -> Self {
        Self { store, webhook_id }
    }

    async fn load(&self) -> Result<(u64, State), StoreError> {
        let Some(memo) = self.store.memo(self.webhook_id).await? else {
            return Ok((0, State::default()));
        };
        let state = serde_json::from_str(&memo.json).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok((memo.version, state))
    }

    /// Forgets everything, whatever is there. For a while nobody takes it: some nodes may not know yet that it is gone.
    pub(super) async fn forget(&self, until: Millis) -> Result<(), StoreError> {
        let state = State {
            holder: Some(Uuid::nil()),
            held_until: until,
            ..State::default()
        };
        let text = serde_json::to_string(&state).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        for _ in 0..TRIES_MAX {
            let version = self.store.memo(self.webhook_id).await?.map_or(0, |memo| memo.version);
            if self.store.set_memo(self.webhook_id, version, text.clone()).await? {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable(BUSY.into()))
    }

    pub(super) async fn read(&self) -> Result<State, StoreError> {
        Ok(self.load().await?.1)
    }

    /// Changes what is there by then, unless `change` does not want to; the state after it. `change` may be called again.
    pub(super) async fn change(&self, mut change: impl FnMut(&mut State) -> bool) -> Result<State, StoreError> {
        for _ in 0..TRIES_MAX {
            let (version, mut state) = self.load().await?;
            if !change(&mut state) {
                return Ok(state);
            }
            let text = serde_json::to_string(&state).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            if self.store.set_memo(self.webhook_id, version, text).await? {
                return Ok(state);
            }
        }
        Err(StoreError::Unavailable(BUSY.into()))
    }
}

#[cfg(test)]
mod tests;
