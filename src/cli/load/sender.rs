//! Sends what is due, whatever became of the messages before.
//!
//! Arrival is open-loop: a message is due at its time, and what it takes is counted from then, also where it had to wait
//! here. Those of one chat go out in order, all that are due in one request, the next once that was answered; chats go
//! side by side. What is due is a number for each chat, so that no queue grows with the delay.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::client::{Client, RETRIES_MAX};
use super::figures::{Count, Figures, locked};
use super::finding::Findings;
use super::ingest::{BATCH_MAX, Stored, ingest};
use super::ledger::Ledger;
use super::plan::{Place, Plan, Repeats};

/// How long after its time a message counts as late, in milliseconds.
pub(super) const LATE_MS: u64 = 10;
/// How long what is due may go on being sent after the last message was due, in milliseconds.
const DRAIN_MS: u64 = 30_000;

/// A chat's messages by their number in it.
#[derive(Clone, Copy, Debug, Default)]
struct Queue {
    /// Those below are due.
    due: u32,
    /// Those below were taken.
    taken: u32,
    /// A request of this chat is under way, or about to be.
    is_busy: bool,
}

/// What repeats were answered.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    /// Repeats that were answered.
    pub(super) answered: Count,
    /// Repeats that were given up after errors.
    pub(super) given_up: Count,
    /// What was not as it should be.
    pub(super) findings: Mutex<Findings>,
}

/// What all parts of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) client: Client,
    pub(super) channel_id: Uuid,
    pub(super) ledger: Ledger,
    pub(super) figures: Figures,
    pub(super) repeated: Repeated,
    /// Ends the sending.
    pub(super) stop: CancellationToken,
}

impl Shared {
    /// Receipts a second.
    pub(super) fn rate_per_second(&self) -> f64 {
        let last = self.figures.sent.get().saturating_sub(1);
        let last_due = u32::try_from(last).map_or(Duration::ZERO, |last| self.plan.due(last));
        self.figures.rate_per_second(last_due)
    }
}

/// A chat that has something to send. It holds the queue of such chats open.
struct Ready {
    chat: u32,
    queue: mpsc::Sender<Ready>,
}

/// What became of one message.
struct Delivered {
    index: u32,
    stored: Option<Stored>,
    /// An earlier request may have brought it.
    again: bool,
}

/// Sends the messages of a run.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    shared: Arc<Shared>,
    queues: Arc<Mutex<Vec<Queue>>>,
    start: Instant,
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>, start: Instant) -> Self {
        let chats = usize::try_from(shared.plan.chats()).unwrap_or(0);
        Self {
            shared,
            queues: Arc::new(Mutex::new(vec![Queue::default(); chats])),
            start,
        }
    }

    /// When a message is due on the clock.
    pub(super) fn due(&self, index: u32) -> Instant {
        due(&self.shared.plan, self.start, index)
    }

    /// Sends everything, with so many requests under way at most. Ends once all was answered or given up.
    pub(super) async fn run(&self, requests_max: usize) {
        let chats = usize::try_from(self.shared.plan.chats()).unwrap_or(1);
        // a chat is in the queue once at most
        let (queue, ready) = mpsc::channel(chats.max(1));
        let tasks = TaskTracker::new();
        let (sender, tracker) = (self.clone(), tasks.clone());
        tasks.spawn(async move { sender.hand_out(ready, requests_max, &tracker).await });
        self.pace(queue).await;
        let paced_until = Instant::now();
        tasks.close();
        let drained = tokio::time::timeout(Duration::from_millis(DRAIN_MS), tasks.wait()).await;
        if drained.is_err() {
            self.shared.stop.cancel();
            tasks.wait().await;
        }
        self.give_up(paced_until, Instant::now());
    }

    /// What was due by `paced_until` and has no receipt took until now at least: were it left out, the worst times would
    /// be missing.
    fn give_up(&self, paced_until: Instant, now: Instant) {
        let missing = self.shared.ledger.unacknowledged().into_iter();
        let due = missing.map(|index| self.due(index));
        for due in due.take_while(|at| *at <= paced_until) {
            self.shared.figures.no_receipt(now.saturating_duration_since(due));
        }
    }

    /// Makes messages due, each at its time.
    async fn pace(&self, queue: mpsc::Sender<Ready>) {
        for index in 0..self.shared.plan.total {
            let due = self.due(index);
            if Instant::now() < due {
                tokio::select! {
                    () = self.shared.stop.cancelled() => return,
                    () = tokio::time::sleep_until(due) => {}
                }
            } else if self.shared.stop.is_cancelled() {
                return;
            } else {
                tokio::task::coop::consume_budget().await;
            }
            let Place { chat, n } = self.shared.plan.place(index);
            if self.arrive(chat, n) {
                let queue = queue.clone();
                let ready = Ready { chat, queue };
                let _ = ready.queue.clone().send(ready).await;
            }
        }
    }

    /// A message is due; true if nobody takes care of its chat yet.
    fn arrive(&self, chat: u32, n: u32) -> bool {
        self.with_queue(chat, |queue| {
            queue.due = n.saturating_add(1);
            !std::mem::replace(&mut queue.is_busy, true)
        })
    }

    fn with_queue<T: Default>(&self, chat: u32, work: impl FnOnce(&mut Queue) -> T) -> T {
        let queues = &mut *locked(&self.queues);
        let queue = usize::try_from(chat).ok().and_then(|chat| queues.get_mut(chat));
        queue.map_or_else(T::default, work)
    }

    /// Gives every chat that has something to send a place among those under way.
    async fn hand_out(&self, mut ready: mpsc::Receiver<Ready>, requests_max: usize, tasks: &TaskTracker) {
        let places = Arc::new(Semaphore::new(requests_max));
        loop {
            let next = tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => None,
                next = ready.recv() => next,
            };
            let Some(next) = next else {
                return;
            };
            let (place, was_held) = match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => (Some(place), false),
                Err(_) => (Arc::clone(&places).acquire_owned().await.ok(), true),
            };
            let Some(place) = place else {
                return;
            };
            let sender = self.clone();
            tasks.spawn(async move { sender.send_due(next, place, was_held).await });
        }
    }

    /// Sends what a chat has due, as far as one request takes it.
    async fn send_due(&self, ready: Ready, place: OwnedSemaphorePermit, was_held: bool) {
        // its place may have come after the stop
        if self.shared.stop.is_cancelled() {
            return;
        }
        let chat = ready.chat;
        let indexes = self.take(chat);
        let figures = &self.shared.figures;
        let late = Duration::from_millis(LATE_MS);
        for index in &indexes {
            self.shared.ledger.sent(*index);
            figures.sent.add(1);
            figures.held.add(u64::from(was_held));
            figures.late.add(u64::from(self.due(*index).elapsed() > late));
        }
        match indexes.first().map(|index| (*index, self.shared.plan.repeats(*index))) {
            Some((index, repeats)) if repeats.count > 0 => self.deliver_repeatedly(index, repeats).await,
            Some(_) => drop(self.deliver(indexes).await),
            None => {}
        }
        drop(place);
        if !self.shared.stop.is_cancelled() && self.has_more(chat) {
            let _ = ready.queue.clone().send(ready).await;
        }
    }

    /// What is due and was not taken, at most a request full. A message that is to be repeated is alone.
    fn take(&self, chat: u32) -> Vec<u32> {
        let plan = &self.shared.plan;
        self.with_queue(chat, |queue| {
            let waiting = (queue.taken..queue.due).filter_map(|n| plan.index(Place { chat, n }));
            let mut taken = Vec::new();
            for index in waiting.take(BATCH_MAX) {
                let is_repeated = plan.repeats(index).count > 0;
                if is_repeated && !taken.is_empty() {
                    break;
                }
                taken.push(index);
                queue.taken = queue.taken.saturating_add(1);
                if is_repeated {
                    break;
                }
            }
            taken
        })
    }

    /// Whether a chat has more to send; otherwise nobody takes care of it any more.
    fn has_more(&self, chat: u32) -> bool {
        self.with_queue(chat, |queue| {
            queue.is_busy = queue.due > queue.taken;
            queue.is_busy
        })
    }

    /// Sends messages of one chat until each is answered or given up.
    async fn deliver(&self, indexes: Vec<u32>) -> Vec<Delivered> {
        let shared = &self.shared;
        let begin = |index| Delivered {
            index,
            stored: None,
            again: false,
        };
        let mut waiting: Vec<_> = indexes.into_iter().map(begin).collect();
        let mut done = Vec::with_capacity(waiting.len());
        let mut attempt = 0_u32;
        loop {
            let indexes: Vec<_> = waiting.iter().map(|message| message.index).collect();
            let answers = ingest(&shared.client, &shared.plan, shared.channel_id, &indexes).await;
            let last_attempt = attempt >= RETRIES_MAX || shared.stop.is_cancelled();
            let mut pause = Duration::ZERO;
            let mut later: Vec<Delivered> = Vec::new();
            for (mut message, answer) in waiting.into_iter().zip(answers) {
                match answer {
                    Ok(stored) => {
                        self.acknowledge(&message, &stored);
                        // of those before it in this request, what waits now can only come after it
                        for waits in &later {
                            shared.ledger.displaced(waits.index);
                        }
                        message.stored = Some(stored);
                        done.push(message);
                    }
                    Err(failure) => {
                        shared.figures.error(&failure.class);
                        message.again |= !failure.is_certain();
                        if failure.retryable && !last_attempt {
                            pause = pause.max(failure.backoff(attempt));
                            later.push(message);
                        } else {
                            done.push(message);
                        }
                    }
                }
            }
            if later.is_empty() {
                return done;
            }
            waiting = later;
            shared.figures.retries.add(u64::try_from(waiting.len()).unwrap_or(0));
            tokio::select! {
                () = shared.stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
            attempt = attempt.saturating_add(1);
        }
    }

    fn acknowledge(&self, message: &Delivered, stored: &Stored) {
        let now = Instant::now();
        let repeats = self.shared.plan.repeats(message.index);
        let again = message.again || repeats.count > 0;
        if self.shared.ledger.acknowledged(message.index, stored, again) {
            let since_start = now.saturating_duration_since(self.start);
            let since_due = now.saturating_duration_since(self.due(message.index));
            self.shared.figures.receipt(since_start, since_due);
        }
    }

    /// Sends a message and its repeats, and looks at what they were answered.
    async fn deliver_repeatedly(&self, index: u32, repeats: Repeats) {
        let times = 0..=repeats.count;
        let delivered: Vec<Delivered> = if repeats.concurrent {
            let all = join_all(times.map(|_| self.deliver(vec![index])));
            all.await.into_iter().flatten().collect()
        } else {
            let mut all = Vec::new();
            for _ in times {
                all.extend(self.deliver(vec![index]).await);
            }
            all
        };
        self.shared
            .repeated
            .check(&self.shared.plan.external_id(index), repeats, &delivered);
    }
}

impl Repeated {
    fn check(&self, name: &str, repeats: Repeats, delivered: &[Delivered]) {
        let answers: Vec<_> = delivered.iter().filter_map(|one| one.stored.as_ref()).collect();
        let missing = delivered.len().saturating_sub(answers.len());
        self.given_up.add(u64::try_from(missing).unwrap_or(0));
        self.answered
            .add(u64::try_from(answers.len()).unwrap_or(0).saturating_sub(1));
        let mut findings = locked(&self.findings);
        let ids = answers.iter().map(|stored| stored.message_id);
        if let Some(first) = answers.first() {
            if let Some(other) = ids.into_iter().find(|id| *id != first.message_id) {
                findings.note(|| format!("{name} is message {} and message {other}", first.message_id));
            }
            let is_in_doubt = missing > 0 || delivered.iter().any(|one| one.again);
            let firsts = answers.iter().filter(|stored| !stored.duplicate).count();
            // where an earlier request may have brought it, every answer may be a repeat
            if firsts > 1 || firsts == 0 && !is_in_doubt {
                let times = answers.len();
                findings.note(|| format!("{name} was answered {times} times, {firsts} of them as new"));
            } else if firsts == 1 && !repeats.concurrent && first.duplicate && !is_in_doubt {
                findings.note(|| format!("{name} was answered as a duplicate first, then as new"));
            }
        }
    }
}

/// When a message is due on the clock.
pub(super) fn due(plan: &Plan, start: Instant, index: u32) -> Instant {
    start.checked_add(plan.due(index)).unwrap_or(start)
}

#[cfg(test)]
pub(super) mod tests {
    use std::num::NonZeroU32;

    use super::super::client::Key;
    use super::super::finding::{Invariant, Outcome};
    use super::super::plan::Scenario;
    use super::*;

    /// Of four messages of one chat, one a second, for a server that is not there.
    pub(in super::super) fn shared() -> Shared {
        let one = NonZeroU32::MIN;
        let plan = Plan::new(Scenario::Steady, "abc".into(), one, (4, one));
        let url = "http://127.0.0.1:9/graphql".parse().unwrap();
        Shared {
            client: Client::new(url, &Key("key".into()), 1).unwrap(),
            channel_id: Uuid::nil(),
            ledger: Ledger::new(plan.clone()),
            figures: Figures::new().unwrap(),
            repeated: Repeated::default(),
            stop: CancellationToken::new(),
            plan,
        }
    }

    fn sender(start: Instant) -> Sender {
        Sender::new(Arc::new(shared()), start)
    }

    #[test]
    fn what_was_due_and_has_no_receipt_took_until_the_end() {
        let start = Instant::now();
        let sender = sender(start);
        let after = |seconds| start.checked_add(Duration::from_secs(seconds)).unwrap();
        let first = Delivered {
            index: 0,
            stored: None,
            again: false,
        };
        let stored = Stored {
            duplicate: false,
            chat_id: Uuid::nil(),
            message_id: Uuid::nil(),
            seq: 1,
            external_id: Some("abc-0".into()),
        };
        sender.acknowledge(&first, &stored);
        // the fourth was not due any more
        sender.give_up(after(2), after(10));
        let figures = &sender.shared.figures;
        let times = figures.acknowledge.percentiles();
        assert_eq!((times.count, figures.unacknowledged.get()), (3, 2));
        assert!((times.p50 - 8_000.0).abs() < 20.0, "{times:?}");
        assert!((times.max - 9_000.0).abs() < 20.0, "{times:?}");
    }

    #[tokio::test]
    async fn nothing_goes_out_after_the_stop() {
        let sender = sender(Instant::now());
        assert!(sender.arrive(0, 0));
        sender.shared.stop.cancel();
        let (queue, _ready) = mpsc::channel(1);
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        sender.send_due(Ready { chat: 0, queue }, place, false).await;
        assert_eq!(sender.shared.figures.sent.get(), 0);
    }

    /// Whether something is found in these answers: message and whether it was a duplicate, or none.
    fn is_broken(concurrent: bool, again: bool, answers: &[Option<(u128, bool)>]) -> bool {
        let repeated = Repeated::default();
        let delivered: Vec<_> = answers
            .iter()
            .map(|answer| Delivered {
                index: 0,
                again,
                stored: answer.map(|(id, duplicate)| Stored {
                    duplicate,
                    chat_id: Uuid::nil(),
                    message_id: Uuid::from_u128(id),
                    seq: 1,
                    external_id: None,
                }),
            })
            .collect();
        repeated.check("abc-0", Repeats { count: 1, concurrent }, &delivered);
        let findings = locked(&repeated.findings).clone();
        Invariant::of("", findings, String::new()).outcome == Outcome::Broken
    }

    #[test]
    fn one_answer_is_new_and_the_others_are_the_same_message() {
        let (new, repeat) = (Some((1, false)), Some((1, true)));
        assert!(!is_broken(false, false, &[new, repeat, repeat]));
        assert!(!is_broken(true, false, &[repeat, new, repeat]));
        assert!(is_broken(false, false, &[repeat, new]));
        assert!(is_broken(true, false, &[new, new]));
        assert!(is_broken(true, false, &[repeat, repeat]));
        assert!(is_broken(false, false, &[new, Some((2, true))]));
        assert!(is_broken(false, true, &[new, Some((2, true))]));
    }

    #[test]
    fn after_a_doubtful_answer_all_may_be_repeats() {
        let repeat = Some((1, true));
        assert!(!is_broken(false, true, &[repeat, repeat]));
        assert!(!is_broken(false, false, &[None, repeat]));
        assert!(!is_broken(false, false, &[None, None]));
        assert!(is_broken(false, true, &[Some((1, false)), Some((1, false))]));
    }
}
