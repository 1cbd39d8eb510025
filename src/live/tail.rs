//! A subscription's own place in this node's order.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use super::{Applied, Cursor, Live, LiveError};
use crate::store::Heads;
use crate::view::Entry;

/// The most entries of one step.
const STEP_MAX: usize = 256;

/// How many entries are passed over in one turn.
const TURN_MAX: u32 = 64;

/// How long a cursor that is ahead of this node is waited for.
const POINT_WAIT: Duration = Duration::from_secs(2);

/// What comes next.
#[derive(Clone, Debug)]
pub enum Step {
    /// An entry, and the cursor right after it.
    Entry(Arc<Entry>, Heads),
    /// What was missed cannot be replayed: read again, and go on from here.
    Gap(Heads, &'static str),
}

/// Reads every entry after its place once, in order.
#[derive(Debug)]
pub struct Tail {
    live: Live,
    applied: watch::Receiver<Applied>,
    /// What has been given out; never goes back.
    seen: Heads,
    ordinal: u64,
    waiting: std::vec::IntoIter<Arc<Entry>>,
    passed_over: u32,
    gap: Option<&'static str>,
}

impl Tail {
    pub(super) async fn open(live: Live, from: Option<Cursor>) -> Result<Self, LiveError> {
        let applied = live.shared.applied.subscribe();
        let now = applied.borrow().clone();
        let mut tail = Self {
            live,
            applied,
            ordinal: now.ordinal,
            seen: now.heads.clone(),
            waiting: Vec::new().into_iter(),
            passed_over: 0,
            gap: None,
        };
        if let Some(cursor) = from {
            tail.rewind(cursor, &now).await?;
        }
        Ok(tail)
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
                // the receipt may come from another node, or be newer than what this one has taken in
                self.live.wait_for(partition, position, POINT_WAIT).await;
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
        self.ordinal = before.await?.unwrap_or(now.ordinal);
        self.seen = heads;
        Ok(())
    }

    async fn out_of_reach(&self, heads: &Heads, now: &Applied) -> Result<Option<&'static str>, LiveError> {
        if heads.epoch != now.heads.epoch || heads.positions.len() != now.heads.positions.len() {
            return Ok(Some(EPOCH));
        }
        if is_behind(heads, &now.floor) {
            return Ok(Some(TRIMMED));
        }
        if is_behind(&now.heads, heads) {
            // another node may be ahead of this one, but nobody is ahead of the store
            let store = self.live.shared.store.heads().await?;
            if is_behind(&store, heads) {
                return Ok(Some(UNKNOWN));
            }
        }
        Ok(None)
    }

    /// Waits for what comes next; none when this node shuts down.
    ///
    /// # Errors
    /// The view cannot be read; the next call tries again from the same place.
    pub async fn next(&mut self) -> Result<Option<Step>, LiveError> {
        loop {
            if let Some(reason) = self.gap.take() {
                return Ok(Some(Step::Gap(self.seen.clone(), reason)));
            }
            while let Some(entry) = self.waiting.next() {
                self.ordinal = entry.ordinal;
                if self.is_new(&entry) {
                    let seen = self.seen.clone();
                    return Ok(Some(Step::Entry(entry, seen)));
                }
            }
            let now = self.applied.borrow_and_update().clone();
            if now.heads.epoch != self.seen.epoch || is_behind(&self.seen, &now.floor) {
                let other_epoch = now.heads.epoch != self.seen.epoch;
                self.gap = Some(if other_epoch { EPOCH } else { TRIMMED });
                self.ordinal = now.ordinal;
                self.seen = now.heads;
            } else if now.ordinal > self.ordinal {
                self.waiting = self.read(now.ordinal).await?.into_iter();
            } else if self.applied.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// To be called for an entry that nobody is told of: now and then it lets the other streams of the task have their
    /// turn. The runtime's own yields come back only when the whole task rests, which beside a busy stream may be late.
    pub async fn pass_over(&mut self) {
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

    fn is_new(&mut self, entry: &Entry) -> bool {
        let place = usize::from(entry.record.partition);
        match self.seen.positions.get_mut(place) {
            Some(seen) if *seen < entry.record.position => {
                *seen = entry.record.position;
                true
            }
            _ => false,
        }
    }

    async fn read(&self, last: u64) -> Result<Vec<Arc<Entry>>, LiveError> {
        let first = self.ordinal.saturating_add(1);
        let recent = {
            let ring = self.live.shared.ring.read();
            let oldest = ring.front().map(|entry| entry.ordinal);
            oldest.filter(|oldest| *oldest <= first).map(|oldest| {
                let skip = usize::try_from(first.saturating_sub(oldest)).unwrap_or(usize::MAX);
                ring.iter().skip(skip).take(STEP_MAX).cloned().collect()
            })
        };
        if let Some(recent) = recent {
            return Ok(recent);
        }
        let entries = self.live.view().entries(self.ordinal, STEP_MAX).await?;
        // the view may be ahead of the news: what is not announced yet is read again later
        Ok(entries
            .into_iter()
            .take_while(|entry| entry.ordinal <= last)
            .map(Arc::new)
            .collect())
    }
}

const EPOCH: &str = "the logs began a new life";
const TRIMMED: &str = "the log no longer holds what was missed";
const UNKNOWN: &str = "the cursor is ahead of the log";

/// Whether any log is further in `other`.
fn is_behind(heads: &Heads, other: &Heads) -> bool {
    heads
        .positions
        .iter()
        .zip(&other.positions)
        .any(|(position, other)| position < other)
}
