//! The durable truth: what every store promises, whatever it is made of.
//!
//! A [`Commit`] is all or nothing and carries everything that belongs together: the snapshot, the events with their
//! places in the log, the keys by which repeats are known, its timer, and its place in the index by last position. It
//! takes effect only if the aggregate is still at the expected version, so that two nodes never overwrite each other.
//! The six [`Outcome`]s are the whole contract; `tests/store.rs` runs one suite of promises against every store.

pub mod redis;
pub mod sqlite;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::domain::{Event, Millis};

/// The most events that one commit may carry.
pub const COMMIT_EVENTS_MAX: usize = 1_024;

/// An aggregate as it was last committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Commits so far.
    pub version: u64,
    /// The aggregate's JSON.
    pub json: String,
}

/// A key by which a repeat is known, with the answer to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyWrite {
    /// Unique in the aggregate.
    pub key: String,
    /// The receipt's JSON.
    pub receipt: String,
    /// Which of the commit's events is the command's last, from 0.
    pub offset: u64,
}

/// A key that was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHit {
    /// The key.
    pub key: String,
    /// The position of the last event of the command that wrote it.
    pub position: u64,
    /// The receipt's JSON.
    pub receipt: String,
}

/// One all-or-nothing change of one aggregate.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The aggregate.
    pub aggregate_id: Uuid,
    /// The version that the change was decided on; 0 for an aggregate that is not there yet.
    pub expected_version: u64,
    /// The aggregate's JSON after the change; its version is `expected_version + 1`.
    pub snapshot: String,
    /// 1 to [`COMMIT_EVENTS_MAX`], in order.
    pub events: Vec<Event>,
    /// The JSON of each event.
    pub bodies: Vec<String>,
    /// None of them may be known yet.
    pub keys: Vec<KeyWrite>,
    /// When time itself has something to do with the aggregate after the change.
    pub due: Option<Millis>,
}

/// An aggregate that time has something to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// The aggregate.
    pub aggregate_id: Uuid,
    /// When, in milliseconds since the Unix epoch.
    pub due: Millis,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable. The position of the first event; the others follow without a gap.
    Committed {
        /// From 1.
        position: u64,
    },
    /// Nothing happened: these keys are known.
    Duplicate {
        /// Every known key among the commit's.
        hits: Vec<KeyHit>,
    },
    /// Nothing happened: another writer was first.
    Conflict {
        /// What the other writer left; none where the aggregate is not there.
        fresh: Option<Snapshot>,
    },
    /// Nothing happened: the store holds less than it had acknowledged. It has begun a new life of its logs; load again.
    Regressed,
    /// Nobody knows whether it happened. To be resolved by trying the very same commit again.
    Uncertain {
        /// For the log.
        reason: String,
    },
    /// Nothing happened, and it is safe to say so.
    Aborted {
        /// For the log.
        reason: String,
    },
}

/// An event at its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Which log.
    pub partition: u16,
    /// From 1, gapless in its log.
    pub position: u64,
    /// What happened.
    pub event: Arc<Event>,
    /// The same as JSON.
    pub json: Arc<str>,
}

/// How far every log has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Which life of the logs.
    pub epoch: u64,
    /// The last position of each partition, 0 while it is empty.
    pub positions: Vec<u64>,
}

impl Heads {
    /// Whether any log is further in `other`.
    #[must_use]
    pub fn is_behind(&self, other: &Self) -> bool {
        let mut logs = self.positions.iter().zip(&other.positions);
        logs.any(|(position, other)| position < other)
    }

    /// Of each log the place that comes first, in the same life.
    #[must_use]
    pub fn least(&self, other: &Self) -> Self {
        let logs = self.positions.iter().zip(&other.positions);
        Self {
            epoch: self.epoch,
            positions: logs.map(|(one, other)| *one.min(other)).collect(),
        }
    }
}

/// What following the log brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Followed {
    /// New records, in order within each partition; empty when none came in time.
    Records(Vec<Record>),
    /// The log no longer holds what comes next after the cursor: read the aggregates instead.
    Trimmed,
    /// The store lost acknowledged data and began a new life of its logs.
    EpochChanged,
}

/// One page of the aggregates of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The aggregates.
    pub ids: Vec<Uuid>,
    /// Where to go on; none at the end.
    pub next: Option<String>,
}

/// A question that could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or is too slow; asking again may help.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// What the store holds is not what switchboard wrote.
    #[error("the store holds something unexpected: {0}")]
    Corrupt(String),
    /// The store's set-up cannot keep the promises.
    #[error("{0}")]
    Refused(String),
}

/// The durable truth.
#[async_trait]
pub trait Store: Send + Sync + Debug + 'static {
    /// How many logs there are; fixed when the store is created.
    fn partitions(&self) -> u16;

    /// Whether other processes may write to it.
    fn is_shared(&self) -> bool;

    /// The last committed state.
    async fn load(&self, id: Uuid) -> Result<Option<Snapshot>, StoreError>;

    /// Makes a change durable. Bounded in time; a doubt is [`Outcome::Uncertain`], never an error.
    async fn commit(&self, commit: Arc<Commit>) -> Outcome;

    /// The receipt that was written with a key.
    async fn find_key(&self, id: Uuid, key: &str) -> Result<Option<KeyHit>, StoreError>;

    /// Up to `limit` records of an aggregate after `after_seq`, in order.
    async fn history(&self, id: Uuid, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// Up to `limit` aggregates of a partition whose last position is past `since`.
    async fn list(&self, partition: u16, since: u64, token: Option<&str>, limit: usize) -> Result<Listing, StoreError>;

    /// Up to `limit` timers of a partition that are due until `until`, the earliest first.
    async fn timers(&self, partition: u16, until: Millis, limit: usize) -> Result<Vec<Timer>, StoreError>;

    /// How far every log has come.
    async fn heads(&self) -> Result<Heads, StoreError>;

    /// Waits, about a second at most, for records after `after`, and returns about `limit` of them.
    async fn follow(&self, after: &Heads, limit: usize) -> Result<Followed, StoreError>;

    /// What a process has to remember and is no fact of an aggregate: a text, and how often it was written.
    async fn memo(&self, id: Uuid) -> Result<Option<Snapshot>, StoreError>;

    /// Writes a memo that was written `version` times so far; false: another writer was first. After an error it may have
    /// been written.
    async fn set_memo(&self, id: Uuid, version: u64, text: String) -> Result<bool, StoreError>;

    /// Finishes what was accepted and lets go of files and connections.
    async fn close(&self);
}
