//! Follows the logs: feeds the view, keeps the settings at hand, and lets subscriptions read on from where they are.
//!
//! Subscriptions pull. Each has its own place and reads from a ring of recent entries, or from the view when it is
//! further behind; what it does not read costs nobody memory, and nothing is lost on the way.

pub mod cursor;
mod follower;
mod hub;
mod settings;
mod signal;
mod tail;
mod topic;

pub use cursor::Cursor;
pub use settings::Settings;
pub use signal::Signal;
pub use tail::{From, Place, Step, Tail};
pub use topic::{EventFilter, Topic};

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::hub::{Hub, Interest};
use crate::sqlite::ReadError;
use crate::store::{Heads, Store, StoreError};
use crate::view::{Entry, View};

/// How many recent entries are kept in memory for subscriptions.
const RING_MAX: usize = 8_192;

/// How far this node has taken in the logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The last entry of this node.
    pub ordinal: u64,
    /// The last record of each log.
    pub heads: Heads,
    /// From here on, every record was taken in in its log's order.
    pub floor: Heads,
    /// The view answers; otherwise it is being built.
    pub ready: bool,
    /// How far the building is, or was.
    pub built: Built,
    /// Where the view was when it could be read again, if it was built: what comes after it is new.
    pub begun: Place,
}

/// How much of the view was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Built {
    /// Records taken in.
    pub records: u64,
    /// Of about so many.
    pub of: u64,
}

/// An entry, and how far each log had come right after it.
#[derive(Debug)]
struct Published {
    entry: Entry,
    heads: Heads,
}

/// Why the view could not be read or built.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The view.
    #[error("the view: {0}")]
    View(#[from] ReadError),
}

/// The live side of a node; clones share it.
#[derive(Clone, Debug)]
pub struct Live {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    view: View,
    applied: watch::Sender<Applied>,
    ring: RwLock<VecDeque<Arc<Published>>>,
    hub: Hub,
    settings: ArcSwap<Settings>,
    /// They could not be read when they changed.
    settings_are_stale: AtomicBool,
}

impl Live {
    /// Reads where the view stands. `run` must be started for it to go on.
    ///
    /// # Errors
    /// The store or the view cannot be read.
    pub async fn open(store: Arc<dyn Store>, view: View) -> Result<Self, LiveError> {
        let applied = follower::open(&*store, &view).await?;
        let settings = Settings::new(view.settings().await?);
        let hub = Hub::default();
        hub.begin(applied.ordinal, applied.heads.clone());
        Ok(Self {
            shared: Arc::new(Shared {
                store,
                view,
                applied: watch::channel(applied).0,
                ring: RwLock::new(VecDeque::with_capacity(RING_MAX)),
                hub,
                settings: ArcSwap::from_pointee(settings),
                settings_are_stale: AtomicBool::new(false),
            }),
        })
    }

    /// Follows the logs until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        follower::run(&self.shared, &stop).await;
    }

    /// The settings of all workspaces as of the last record taken in.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.shared.settings.load_full()
    }

    /// The tables.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.shared.view
    }

    /// How far this node is.
    #[must_use]
    pub fn applied(&self) -> Applied {
        self.shared.applied.borrow().clone()
    }

    /// Waits until the view answers, if it is being built.
    pub async fn ready(&self) {
        let mut applied = self.shared.applied.subscribe();
        let _ = applied.wait_for(|applied| applied.ready).await;
    }

    /// Where the view was when it could be read again; waits for that, if it is being built.
    pub async fn begun(&self) -> Place {
        let mut applied = self.shared.applied.subscribe();
        let ready = applied.wait_for(|applied| applied.ready).await;
        ready.map(|applied| applied.begun.clone()).unwrap_or_default()
    }

    /// Waits until this node has taken in a record, `timeout` at most; says whether it has.
    pub async fn wait_for(&self, partition: u16, position: u64, timeout: Duration) -> bool {
        let mut applied = self.shared.applied.subscribe();
        let there = |applied: &Applied| {
            applied
                .heads
                .positions
                .get(usize::from(partition))
                .is_some_and(|head| *head >= position)
        };
        matches!(tokio::time::timeout(timeout, applied.wait_for(there)).await, Ok(Ok(_)))
    }

    /// Waits until this node has taken in all that the store holds now, so that what is not found is not there.
    ///
    /// # Errors
    /// The store does not answer, or the node is further behind than `timeout`.
    pub async fn catch_up(&self, timeout: Duration) -> Result<(), StoreError> {
        let heads = self.shared.store.heads().await?;
        let mut applied = self.shared.applied.subscribe();
        let there = |applied: &Applied| {
            applied.ready
                && applied
                    .heads
                    .positions
                    .iter()
                    .zip(&heads.positions)
                    .all(|(applied, head)| applied >= head)
        };
        match tokio::time::timeout(timeout, applied.wait_for(there)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(StoreError::Unavailable("this node is still reading the log".into())),
        }
    }

    /// A subscription's place, in a workspace or over all.
    ///
    /// # Errors
    /// The view cannot be read.
    pub async fn tail(&self, workspace_id: Option<Uuid>, topic: Topic, from: From) -> Result<Tail, LiveError> {
        let interest = Interest {
            workspace_id,
            topic,
            keeps: true,
        };
        Tail::open(self.clone(), Arc::new(interest), from).await
    }

    /// Tells that something came, and not what.
    #[must_use]
    pub fn signal(&self, workspace_id: Uuid, topic: Topic) -> Signal {
        let interest = Interest {
            workspace_id: Some(workspace_id),
            topic,
            keeps: false,
        };
        Signal::new(self.clone(), Arc::new(interest))
    }

    /// Where this node is; nowhere while the view is being built, when much that comes is old.
    #[must_use]
    pub fn place(&self) -> Place {
        if !self.shared.applied.borrow().ready {
            return Place::default();
        }
        let (ordinal, heads) = self.shared.hub.now();
        Place { ordinal, heads }
    }
}
