//! One turn at a webhook: reads, tells, tries again, and has it remembered.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use super::queue::Queue;
use super::{Courier, CourierError, End, HOLD_MS};
use crate::domain::webhook::{WebhookTerms, is_told};
use crate::domain::{Millis, Webhook};
use crate::live::{Cursor, Step, Tail};
use crate::store::Heads;
use crate::webhook::ledger::{Outcome, State, Told};

/// How often it is looked at the settings and at what others wrote into the memo.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether something is to be tried.
const TICK: Duration = Duration::from_millis(100);
/// The most events that are under way.
const WINDOW_MAX: usize = 256;
/// How long it may take until a success is remembered, and a failure: a crash tells again what was not.
const REMEMBER_EVERY: Duration = Duration::from_secs(1);
const REMEMBER_FAILURES_EVERY: Duration = Duration::from_millis(200);
/// How often the cursor is moved while nothing is to be told.
const MOVE_EVERY: Duration = Duration::from_secs(10);
/// A receiver that takes nothing for so long, in milliseconds, is told nothing more: 5 days.
const DISABLE_AFTER_MS: Millis = 432_000_000;

/// What was read of the log.
enum Read {
    Step(Step, Heads),
    /// Nothing that is wanted up to here.
    Nothing(Heads),
}

/// What came of a request.
enum Done {
    /// Of an event of the queue, by its place.
    Event(u64, Told),
    Again(Told),
    Gap,
}

type Requests<'a> = FuturesUnordered<BoxFuture<'a, Done>>;

/// One turn at a webhook.
pub(super) struct Turn<'a> {
    courier: &'a Courier,
    webhook: &'a Webhook,
    began_at: Millis,
    /// With what is not remembered yet.
    state: State,
    queue: Queue,
    requests: Requests<'a>,
    /// Events that are tried again right now.
    again: HashSet<Uuid>,
    /// It is being told that events are missing: what follows waits.
    in_gap: bool,
    remembered: Instant,
    looked: Instant,
}

/// Reads the log for a turn, which takes what it has room for.
async fn read_on(mut tail: Tail, sender: mpsc::Sender<Read>) -> Result<End, CourierError> {
    loop {
        let next = match tokio::time::timeout(MOVE_EVERY, tail.next()).await {
            Ok(step) => match step? {
                Some(step) => Read::Step(step, tail.place().heads.clone()),
                None => return Ok(End::Off),
            },
            Err(_) => Read::Nothing(tail.seen().heads),
        };
        if sender.send(next).await.is_err() {
            return Ok(End::Off);
        }
    }
}

impl<'a> Turn<'a> {
    pub(super) fn new(courier: &'a Courier, webhook: &'a Webhook, state: State) -> Self {
        Self {
            courier,
            webhook,
            began_at: courier.now(),
            state,
            queue: Queue::default(),
            requests: FuturesUnordered::new(),
            again: HashSet::new(),
            in_gap: false,
            remembered: Instant::now(),
            looked: Instant::now(),
        }
    }

    /// Until it ends; `tail` reads on from the cursor.
    pub(super) async fn run(self, tail: Tail) -> Result<End, CourierError> {
        let (sender, read) = mpsc::channel(WINDOW_MAX);
        tokio::select! {
            end = read_on(tail, sender) => end,
            end = self.tell(read) => end,
        }
    }

    async fn tell(mut self, mut read: mpsc::Receiver<Read>) -> Result<End, CourierError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.start();
            let has_room = !self.in_gap && self.queue.len() < self.state.room().min(WINDOW_MAX);
            tokio::select! {
                Some(done) = self.requests.next(), if !self.requests.is_empty() => self.finish(done).await,
                Some(next) = read.recv(), if has_room => self.take(next),
                _ = tick.tick() => {
                    if let Some(end) = self.look().await? {
                        return Ok(end);
                    }
                }
            }
            self.advance().await?;
        }
    }

    /// Starts as many requests as may be under way.
    fn start(&mut self) {
        let now = self.courier.now();
        if !self.state.may_try(now) {
            return;
        }
        let room = self
            .courier
            .webhooks
            .requests_at_once
            .saturating_sub(self.requests.len());
        let (is_down, courier, webhook) = (self.state.is_down(), self.courier, self.webhook);
        // one of those that wait and one of the log show whether it is back
        if is_down && !self.requests.is_empty() {
            return;
        }
        let again = &self.again;
        for event in self.state.due((now, room), |event| again.contains(&event.event_id())) {
            self.again.insert(event.event_id());
            self.requests
                .push(async move { Done::Again(courier.tell_again(webhook, &event).await) }.boxed());
        }
        let mut room = courier.webhooks.requests_at_once.saturating_sub(self.requests.len());
        if is_down {
            room = room.min(1);
        }
        while room > 0
            && let Some((place, event)) = self.queue.pop()
        {
            room = room.saturating_sub(1);
            self.requests
                .push(async move { Done::Event(place, courier.tell(webhook, &event).await) }.boxed());
        }
    }

    /// Takes in what was read.
    fn take(&mut self, read: Read) {
        match read {
            Read::Nothing(heads) => self.queue.push(None, heads),
            Read::Step(Step::Event(event, _), heads) => {
                let is_wanted = is_told(event.body.name());
                self.queue.push(is_wanted.then_some(event), heads);
            }
            Read::Step(Step::Gap(place, reason), heads) => {
                self.courier.progress.lock().gap = Some(reason);
                self.in_gap = true;
                let (courier, webhook) = (self.courier, self.webhook);
                self.requests.push(
                    async move {
                        courier.tell_gap(webhook, &place, reason).await;
                        Done::Gap
                    }
                    .boxed(),
                );
                self.queue.push(None, heads);
            }
        }
    }

    /// Takes in what came of a request.
    async fn finish(&mut self, done: Done) {
        let told = match done {
            Done::Event(place, told) => {
                self.queue.finish(place, told.aggregate_id);
                told
            }
            Done::Again(told) => {
                self.again.remove(&told.event_id());
                told
            }
            Done::Gap => {
                self.in_gap = false;
                return;
            }
        };
        self.state.take(&told);
        let is_gone = matches!(&told.outcome, Outcome::Failed(failure) if failure.is_for_ever);
        self.courier.progress.lock().told.push(told);
        if is_gone {
            self.courier.turn_off("the receiver answered 410 Gone").await;
        }
    }

    /// Moves the cursor, and has it remembered when it is time.
    async fn advance(&mut self) -> Result<(), CourierError> {
        if !self.in_gap
            && let Some(heads) = self.queue.done()
        {
            let cursor = Cursor::Heads(heads).encode();
            if self.state.cursor.as_ref() != Some(&cursor) {
                self.courier.progress.lock().cursor = Some((self.state.replays, cursor.clone()));
                self.state.cursor = Some(cursor);
            }
        }
        let since = self.remembered.elapsed();
        let has_failures = || self.courier.progress.lock().has_failures();
        if since >= REMEMBER_EVERY || (since >= REMEMBER_FAILURES_EVERY && has_failures()) {
            self.courier.remember().await?;
            self.remembered = Instant::now();
        }
        Ok(())
    }

    /// Looks at what others changed: the settings, and what is remembered.
    async fn look(&mut self) -> Result<Option<End>, CourierError> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(None);
        }
        self.looked = Instant::now();
        let Some(webhook) = self.courier.webhook() else {
            return Ok(Some(End::Off));
        };
        let but_for_its_name = Webhook {
            terms: WebhookTerms {
                name: self.webhook.terms.name.clone(),
                ..webhook.terms.clone()
            },
            ..webhook
        };
        if but_for_its_name != *self.webhook {
            return Ok(Some(End::Changed));
        }
        let mut state = self.courier.ledger.read().await?;
        if !self.courier.is_mine(&state) {
            return Ok(Some(End::Elsewhere));
        }
        if state.replays != self.state.replays {
            return Ok(Some(End::Changed));
        }
        let now = self.courier.now();
        let ends_soon = state.held_until < now.saturating_add(HOLD_MS / 2);
        let is_shared = self.courier.webhooks.parts.store.is_shared();
        if ends_soon && is_shared && self.courier.hold().await?.is_none() {
            return Ok(Some(End::Elsewhere));
        }
        self.courier.progress.lock().take(&mut state);
        self.state = state;
        let since = self.state.failing_since.filter(|_| self.state.is_down());
        let was_tried = self.state.last_attempt_at.is_some_and(|at| at >= self.began_at);
        if was_tried && since.is_some_and(|since| since.saturating_add(DISABLE_AFTER_MS) <= now) {
            self.courier.turn_off("the receiver took nothing for 5 days").await;
        }
        Ok(None)
    }
}
