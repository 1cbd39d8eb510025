//! Hands each entry to the subscriptions that want it, and to no other: an entry costs what matches it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::Published;
use super::topic::{Key, Topic, keys_of};
use crate::store::Heads;

/// The most entries that wait for one subscription; past it, it reads them from the ring or the view.
const WAITING_MAX: usize = 1_024;

/// What a subscription wants, of whose workspace.
#[derive(Clone, Debug)]
pub(super) struct Interest {
    /// All, where it is none.
    pub(super) workspace_id: Option<Uuid>,
    pub(super) topic: Topic,
    /// The entries themselves are wanted; otherwise it is enough to know that there were some.
    pub(super) keeps: bool,
}

/// Where a subscription finds what came.
#[derive(Debug)]
pub(super) struct Slot {
    number: u64,
    pub(super) interest: Arc<Interest>,
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Arc<Published>>,
    /// The last entry that was looked at.
    last: u64,
    /// Something came that does not wait here.
    missed: bool,
}

/// What a slot had.
#[derive(Debug)]
pub(super) enum Came {
    Entry(Arc<Published>),
    /// More than fits, or the order of this node began anew.
    Missed,
    Nothing,
}

impl Slot {
    fn put(&self, published: &Arc<Published>) {
        let mut inner = self.inner.lock();
        if inner.last >= published.entry.ordinal {
            return;
        }
        inner.last = published.entry.ordinal;
        if !self.interest.topic.wants(&published.entry) {
            return;
        }
        if self.interest.keeps && !inner.missed && inner.waiting.len() < WAITING_MAX {
            inner.waiting.push_back(Arc::clone(published));
        } else {
            inner.missed = true;
        }
        drop(inner);
        self.news.notify_one();
    }

    /// The order began anew, and this is its last entry.
    fn miss(&self, last: u64) {
        let mut inner = self.inner.lock();
        inner.missed = true;
        inner.last = last;
        drop(inner);
        self.news.notify_one();
    }

    /// Takes the next of what came.
    pub(super) fn take(&self) -> Came {
        let mut inner = self.inner.lock();
        match inner.waiting.pop_front() {
            Some(published) => Came::Entry(published),
            None if std::mem::take(&mut inner.missed) => Came::Missed,
            None => Came::Nothing,
        }
    }

    /// Whether everything that came was taken.
    pub(super) fn is_empty(&self) -> bool {
        let inner = self.inner.lock();
        inner.waiting.is_empty() && !inner.missed
    }

    /// Waits until something came; may be dropped without loss.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }
}

/// All subscriptions of this node that are up to date.
#[derive(Debug, Default)]
pub(super) struct Hub {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last entry that was handed out.
    ordinal: u64,
    heads: Heads,
    /// By number.
    index: HashMap<(Option<Uuid>, Key), BTreeMap<u64, Arc<Slot>>>,
    joined: u64,
}

impl Hub {
    /// Begins at a place.
    pub(super) fn begin(&self, ordinal: u64, heads: Heads) {
        let mut state = self.state.lock();
        state.ordinal = ordinal;
        state.heads = heads;
    }

    /// The order of this node began anew: everybody looks where they are.
    pub(super) fn begin_anew(&self, ordinal: u64, heads: Heads) {
        let mut state = self.state.lock();
        state.ordinal = ordinal;
        state.heads = heads;
        for slot in state.index.values().flat_map(BTreeMap::values) {
            slot.miss(ordinal);
        }
    }

    /// Hands out entries, in order.
    pub(super) fn publish(&self, entries: &[Arc<Published>]) {
        let mut state = self.state.lock();
        for published in entries {
            state.ordinal = published.entry.ordinal;
            if state.index.is_empty() {
                continue;
            }
            let workspace = published.entry.record.event.workspace_id;
            let own = keys_of(&published.entry).into_iter().map(|key| (Some(workspace), key));
            for place in own.chain([(None, Key::Any)]) {
                let filed = state.index.get(&place);
                for slot in filed.into_iter().flat_map(BTreeMap::values) {
                    slot.put(published);
                }
            }
        }
        if let Some(last) = entries.last() {
            state.heads.clone_from(&last.heads);
        }
    }

    /// Where a subscription that begins now begins.
    pub(super) fn now(&self) -> (u64, Heads) {
        let state = self.state.lock();
        (state.ordinal, state.heads.clone())
    }

    /// Files a subscription from now on.
    pub(super) fn join(&self, interest: Arc<Interest>) -> Arc<Slot> {
        self.state.lock().file(interest)
    }

    /// Files a subscription that has seen everything up to an entry.
    ///
    /// # Errors
    /// There is more by now.
    pub(super) fn join_at(&self, interest: Arc<Interest>, seen: u64) -> Result<Arc<Slot>, Arc<Interest>> {
        let mut state = self.state.lock();
        if seen == state.ordinal {
            Ok(state.file(interest))
        } else {
            Err(interest)
        }
    }

    /// Forgets a subscription.
    pub(super) fn leave(&self, slot: &Arc<Slot>) {
        let mut state = self.state.lock();
        for key in slot.interest.topic.keys() {
            let place = (slot.interest.workspace_id, key);
            if let Some(filed) = state.index.get_mut(&place) {
                filed.remove(&slot.number);
                if filed.is_empty() {
                    state.index.remove(&place);
                }
            }
        }
    }
}

impl State {
    fn file(&mut self, interest: Arc<Interest>) -> Arc<Slot> {
        let keys = interest.topic.keys();
        let workspace = interest.workspace_id;
        self.joined = self.joined.saturating_add(1);
        let slot = Arc::new(Slot {
            number: self.joined,
            interest,
            inner: Mutex::new(Inner {
                last: self.ordinal,
                ..Inner::default()
            }),
            news: Notify::new(),
        });
        for key in keys {
            let filed = self.index.entry((workspace, key)).or_default();
            filed.insert(slot.number, Arc::clone(&slot));
        }
        slot
    }
}
