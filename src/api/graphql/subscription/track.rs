//! What an execution of a subscription and its runner say to each other beside the answers.

use std::sync::Arc;

use async_graphql::Context;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::live::{From, Place};

/// What the answers of a subscription are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Entries of the log: all count, and one may begin at any place.
    Log,
    /// A snapshot, then changes of it: one begins with a snapshot.
    Changes,
    /// Each takes the place of the one before.
    Newest,
}

/// What an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Of the log, or a gap in it, up to here.
    Entry(Place),
    /// The whole state.
    Snapshot,
    /// What changed.
    Change,
    /// What is known is void: a snapshot follows.
    Break,
}

/// One execution.
#[derive(Debug, Default)]
pub(crate) struct Track {
    /// Where it begins, whatever the document says.
    begin: Option<Place>,
    state: Mutex<State>,
    asked: Notify,
}

#[derive(Debug, Default)]
struct State {
    kind: Option<Kind>,
    start: Option<Place>,
    item: Option<Item>,
    rest: Option<Place>,
    is_asked: bool,
}

impl Track {
    /// Of an execution that begins at a place.
    pub(crate) fn beginning_at(place: Place) -> Self {
        Self {
            begin: Some(place),
            ..Self::default()
        }
    }

    /// Of the execution that a field is resolved in.
    pub(super) fn of(ctx: &Context<'_>) -> Arc<Self> {
        ctx.data_opt::<Arc<Self>>().map(Arc::clone).unwrap_or_default()
    }

    /// Whether a field is resolved in an execution of a subscription.
    pub(in crate::api::graphql) fn is_of(ctx: &Context<'_>) -> bool {
        ctx.data_opt::<Arc<Self>>().is_some()
    }

    pub(super) fn begin(&self) -> Option<From> {
        self.begin.clone().map(From::Place)
    }

    /// Says what it is; of a log also where it begins.
    pub(super) fn open(&self, kind: Kind, start: Option<Place>) {
        let mut state = self.state.lock();
        state.kind = Some(kind);
        state.start = start;
    }

    /// Says what the answer is that comes next.
    pub(super) fn gives(&self, item: Item) {
        let mut state = self.state.lock();
        state.item = Some(item);
        state.rest = None;
    }

    /// Says that there is nothing left to give.
    pub(super) fn rests(&self, place: &Place) {
        self.state.lock().rest = Some(place.clone());
    }

    /// What it is, once it has begun.
    pub(crate) fn kind(&self) -> Option<(Kind, Option<Place>)> {
        let state = self.state.lock();
        Some((state.kind?, state.start.clone()))
    }

    /// What the last answer was.
    pub(crate) fn item(&self) -> Option<Item> {
        self.state.lock().item.take()
    }

    /// Where it rests.
    pub(crate) fn rest(&self) -> Option<Place> {
        self.state.lock().rest.take()
    }

    /// Asks for a snapshot.
    pub(crate) fn ask(&self) {
        self.state.lock().is_asked = true;
        self.asked.notify_one();
    }

    /// Whether a snapshot was asked for.
    pub(super) fn take_asked(&self) -> bool {
        std::mem::take(&mut self.state.lock().is_asked)
    }

    /// Waits until a snapshot is asked for.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }
}
