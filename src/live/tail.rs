//! A subscription's own place in this node's order.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use super::hub::{Came, Interest, Slot};
use super::{Applied, Cursor, Live, LiveError, Published};
use crate::domain::Event;
use crate::store::{Heads, StoreError};
use crate::view::{Entry, LogQuestion, Passed};

/// The most entries of one step that may be wanted.
const STEP_MAX: usize = 256;

/// How many entries are passed over in one turn.
const TURN_MAX: u32 = 64;

/// How often it is looked whether the store has a record that this node lacks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How many looks may find that this node came no further.
const STALLED_LOOKS_MAX: u32 = 15;

/// Where a subscription begins.
#[derive(Clone, Debug)]
pub enum From {
    /// After everything taken in so far.
    Now,
    /// After a place that a client names.
    Cursor(Cursor),
    /// After an entry of this node.
    Place(Place),
}

/// A place in this node's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The last entry that was seen.
    pub ordinal: u64,
    /// How far each log had come.
    pub heads: Heads,
}

/// What comes next.
#[derive(Clone, Debug)]
pub enum Step {
    /// An event that is wanted, and the place right after it.
    Event(Arc<Event>, Place),
    /// What was missed cannot be replayed: read again, and go on from here.
    Gap(Place, &'static str),
}

/// Reads every entry after its place that is wanted once, in order. While it is up to date the hub wakes it for what
/// matches and for nothing else; otherwise it reads the ring or the view.
#[derive(Debug)]
pub struct Tail {
    live: Live,
    applied: watch::Receiver<Applied>,
    /// What has been given out; never goes back.
    place: Place,
    waiting: std::vec::IntoIter<Waiting>,
    passed_over: u32,
    gap: Option<&'static str>,
    filed: Filed,
}

/// What was read and not passed yet.
#[derive(Debug)]
enum Waiting {
    /// What may be wanted.
    Entry(Arc<Published>),
    /// Another workspace's.
    Other {
        ordinal: u64,
        partition: u16,
        position: u64,
    },
}

/// How entries come.
#[derive(Debug)]
enum Filed {
    /// Read in order.
    Not(Arc<Interest>),
    /// Handed over.
    In(Arc<Slot>),
    /// On the way from one to the other.
    Moving,
}

impl Tail {
    pub(super) async fn open(live: Live, interest: Arc<Interest>, from: From) -> Result<Self, LiveError> {
        let applied = live.shared.applied.subscribe();
        let now = applied.borrow().clone();
        let (ordinal, heads) = live.shared.hub.now();
        let mut tail = Self {
            live,
            applied,
            place: Place { ordinal, heads },
            waiting: Vec::new().into_iter(),
            passed_over: 0,
            gap: None,
            filed: Filed::Not(interest),
        };
        match from {
            From::Now => {}
            From::Place(place) => tail.place = place,
            From::Cursor(cursor) => tail.rewind(cursor, &now).await?,
        }
        tail.join();
        Ok(tail)
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Up to where everything that is wanted was given out: past its place, where nothing that is wanted came since.
    #[must_use]
    pub fn seen(&self) -> Place {
        if let Filed::In(slot) = &self.filed {
            // what the hub has handed out by now is in the slot
            let (ordinal, heads) = self.live.shared.hub.now();
            if slot.is_empty() {
                return Place { ordinal, heads };
            }
        }
        self.place.clone()
    }

    /// Is told of what comes, if it has seen all that came. A node that knew less than the cursor goes on reading.
    fn join(&mut self) {
        if self.gap.is_some() || self.waiting.len() > 0 {
            return;
        }
        let (ordinal, heads) = self.live.shared.hub.now();
        if (ordinal, &heads) != (self.place.ordinal, &self.place.heads) {
            return;
        }
        if let Filed::Not(interest) = std::mem::replace(&mut self.filed, Filed::Moving) {
            self.filed = match self.live.shared.hub.join_at(interest, ordinal) {
                Ok(slot) => Filed::In(slot),
                Err(interest) => Filed::Not(interest),
            };
        }
    }

    /// Reads by itself again.
    fn leave(&mut self) {
        if let Filed::In(slot) = std::mem::replace(&mut self.filed, Filed::Moving) {
            self.live.shared.hub.leave(&slot);
            self.filed = Filed::Not(Arc::clone(&slot.interest));
        }
    }

    /// Goes back to a cursor, or notes the gap that is in the way.
    async fn rewind(&mut self, cursor: Cursor, now: &Applied) -> Result<(), LiveError> {
        let heads = match cursor {
            Cursor::Heads(heads) => heads,
            Cursor::Point { epoch, .. } if epoch != now.heads.epoch => {
                self.gap = Some(EPOCH);
                return Ok(());
            }
            Cursor::Point {
                partition, position, ..
            } => {
                if !self.reach(partition, position).await? {
                    self.gap = Some(UNKNOWN);
                    return Ok(());
                }
                let heads = self.live.applied().heads;
                let found = self.live.view().heads_at(partition, position, heads).await?;
                let Some(heads) = found else {
                    self.gap = Some(UNKNOWN);
                    return Ok(());
                };
                heads
            }
        };
        if let Some(reason) = self.out_of_reach(&heads, now).await? {
            self.gap = Some(reason);
            return Ok(());
        }
        let before = self.live.view().ordinal_before(heads.positions.clone());
        let ordinal = before.await?.unwrap_or(now.ordinal);
        self.place = Place { ordinal, heads };
        Ok(())
    }

    /// Waits for a record that another node has told of, or that this one has written and not taken in; false where the
    /// store lacks it.
    async fn reach(&self, partition: u16, position: u64) -> Result<bool, LiveError> {
        let mut before = self.live.applied();
        let mut stalled = 0_u32;
        while !self.live.wait_for(partition, position, LOOK_EVERY).await {
            let store = self.live.shared.store.heads().await?;
            let head = store.positions.get(usize::from(partition));
            if head.is_none_or(|head| *head < position) {
                return Ok(false);
            }
            let now = self.live.applied();
            stalled = if now == before { stalled.saturating_add(1) } else { 0 };
            if stalled >= STALLED_LOOKS_MAX {
                return Err(StoreError::Unavailable("this node is still reading the log".into()).into());
            }
            before = now;
        }
        Ok(true)
    }

    async fn out_of_reach(&self, heads: &Heads, now: &Applied) -> Result<Option<&'static str>, LiveError> {
        if heads.epoch != now.heads.epoch || heads.positions.len() != now.heads.positions.len() {
            return Ok(Some(EPOCH));
        }
        if now.heads.is_behind(heads) {
            // another node may be ahead of this one, but nobody is ahead of the store
            let store = self.live.shared.store.heads().await?;
            if store.is_behind(heads) {
                return Ok(Some(UNKNOWN));
            }
        }
        Ok(None)
    }

    /// Waits for what comes next; none when this node shuts down. May be dropped without loss.
    ///
    /// # Errors
    /// The view cannot be read; the next call tries again from the same place.
    pub async fn next(&mut self) -> Result<Option<Step>, LiveError> {
        self.next_or_rest(|_| {}).await
    }

    /// As [`Tail::next`]; `at_rest` is called with its place before it waits with nothing left to read.
    ///
    /// # Errors
    /// As [`Tail::next`].
    pub async fn next_or_rest(&mut self, at_rest: impl Fn(&Place)) -> Result<Option<Step>, LiveError> {
        loop {
            if let Some(reason) = self.gap.take() {
                return Ok(Some(Step::Gap(self.place.clone(), reason)));
            }
            let step = match &self.filed {
                Filed::In(slot) => {
                    let slot = Arc::clone(slot);
                    self.next_handed(&slot, &at_rest).await
                }
                // who rests keeps no room for it
                Filed::Not(_) | Filed::Moving => match Box::pin(self.next_read()).await? {
                    Read::Step(step) => Some(step),
                    Read::Again => None,
                    Read::End => return Ok(None),
                },
            };
            if step.is_some() {
                return Ok(step);
            }
        }
    }

    async fn next_handed(&mut self, slot: &Slot, at_rest: &impl Fn(&Place)) -> Option<Step> {
        match slot.take() {
            Came::Entry(published) => {
                self.place = Place {
                    ordinal: published.entry.ordinal,
                    heads: published.heads.clone(),
                };
                let event = Arc::clone(&published.entry.record.event);
                return Some(Step::Event(event, self.place.clone()));
            }
            Came::Missed => self.leave(),
            Came::Nothing => {
                at_rest(&self.place);
                slot.news().await;
            }
        }
        None
    }

    async fn next_read(&mut self) -> Result<Read, LiveError> {
        while let Some(waiting) = self.waiting.next() {
            let published = match waiting {
                Waiting::Entry(published) => published,
                Waiting::Other {
                    ordinal,
                    partition,
                    position,
                } => {
                    self.pass(ordinal, partition, position);
                    continue;
                }
            };
            let entry = &published.entry;
            if !self.pass(entry.ordinal, entry.record.partition, entry.record.position) {
                continue;
            }
            if self.wants(entry) {
                let event = Arc::clone(&entry.record.event);
                return Ok(Read::Step(Step::Event(event, self.place.clone())));
            }
            self.pass_over().await;
        }
        // who rests keeps no room for what there was to read
        self.waiting = Vec::new().into_iter();
        let now = self.applied.borrow_and_update().clone();
        if !now.ready {
            // what is being built is in no order
            let changed = self.applied.changed().await;
            return Ok(changed.map_or(Read::End, |()| Read::Again));
        }
        if now.heads.epoch != self.place.heads.epoch || self.place.heads.is_behind(&now.floor) {
            let other_epoch = now.heads.epoch != self.place.heads.epoch;
            self.gap = Some(if other_epoch { EPOCH } else { TRIMMED });
            self.place = Place {
                ordinal: now.ordinal,
                heads: now.heads,
            };
        } else if now.ordinal > self.place.ordinal {
            self.waiting = self.read(now.ordinal).await?.into_iter();
            if self.waiting.len() == 0 && self.applied.changed().await.is_err() {
                return Ok(Read::End);
            }
        } else {
            self.join();
            if matches!(self.filed, Filed::Not(_)) && self.applied.changed().await.is_err() {
                return Ok(Read::End);
            }
        }
        Ok(Read::Again)
    }

    fn wants(&self, entry: &Entry) -> bool {
        match &self.filed {
            Filed::Not(interest) => {
                let workspace_id = entry.record.event.workspace_id;
                interest.workspace_id.is_none_or(|wanted| wanted == workspace_id) && interest.topic.wants(entry)
            }
            Filed::In(_) | Filed::Moving => false,
        }
    }

    /// Now and then lets the other streams of the task have their turn. The runtime's own yields come back only when the
    /// whole task rests, which beside a busy stream may be late.
    async fn pass_over(&mut self) {
        self.passed_over = self.passed_over.wrapping_add(1);
        if !self.passed_over.is_multiple_of(TURN_MAX) {
            return;
        }
        let mut given = false;
        poll_fn(|context| {
            if std::mem::replace(&mut given, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Moves past an entry; false where its record was passed before.
    fn pass(&mut self, ordinal: u64, partition: u16, position: u64) -> bool {
        self.place.ordinal = ordinal;
        match self.place.heads.positions.get_mut(usize::from(partition)) {
            Some(seen) if *seen < position => {
                *seen = position;
                true
            }
            _ => false,
        }
    }

    async fn read(&self, last: u64) -> Result<Vec<Waiting>, LiveError> {
        let first = self.place.ordinal.saturating_add(1);
        let recent = {
            let ring = self.live.shared.ring.read();
            let oldest = ring.front().map(|published| published.entry.ordinal);
            oldest.filter(|oldest| *oldest <= first).map(|oldest| {
                let skip = usize::try_from(first.saturating_sub(oldest)).unwrap_or(usize::MAX);
                let recent = ring.iter().skip(skip).take(STEP_MAX);
                recent.map(|published| Waiting::Entry(Arc::clone(published))).collect()
            })
        };
        if let Some(recent) = recent {
            return Ok(recent);
        }
        let interest = match &self.filed {
            Filed::Not(interest) => Some(interest),
            Filed::In(_) | Filed::Moving => None,
        };
        let question = LogQuestion {
            workspace_id: interest.and_then(|interest| interest.workspace_id),
            after: self.place.ordinal,
            // the view may be ahead of the news: what is not announced yet is read later
            until: last,
            limit: STEP_MAX,
            dates_responders: interest.is_some_and(|interest| interest.topic.names_responders()),
        };
        let passed = self.live.view().entries(question).await?;
        Ok(passed.into_iter().map(Waiting::from).collect())
    }
}

impl std::convert::From<Passed> for Waiting {
    fn from(passed: Passed) -> Self {
        match passed {
            Passed::Entry(entry) => {
                // the reader knows by itself how far it is
                let heads = Heads::default();
                Self::Entry(Arc::new(Published { entry, heads }))
            }
            Passed::Other {
                ordinal,
                partition,
                position,
            } => Self::Other {
                ordinal,
                partition,
                position,
            },
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What reading by itself brought.
enum Read {
    Step(Step),
    Again,
    End,
}

const EPOCH: &str = "the logs began a new life";
const TRIMMED: &str = "the log no longer holds what was missed";
const UNKNOWN: &str = "the cursor is ahead of the log";
