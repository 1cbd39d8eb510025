//! The tables that answer queries: made from records alone, the same code beside every store.
//!
//! Embedded, the tables live in the store's file and change in the transaction of the commit, so that a read after a
//! write sees it. Beside Redis they live in a file of the node that follows the log and can be built again at any time.

mod apply;
mod chats;
mod lists;
mod log;
mod outside;
pub mod page;
mod queue;
mod read;
mod schema;
pub mod search;
mod stats;
mod tickets;

pub use chats::ChatFilter;
pub use outside::{ContactRow, Pool, PostFilter, PostRow};
pub use queue::{QueueQuestion, QueueState};
pub use read::{ChatRow, EventRow, MessageRow, Reaction, TicketRow};
pub use stats::{QueueStats, StatsFilter};
pub use tickets::{
    DetailedTicket, FILTER_VALUES_MAX, NumberedPage, SKIP_MAX, TicketFilter, TicketOrder, Total, Whereabouts,
    waiting_key,
};

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;

use crate::sqlite::{Durability, ReadError, ReadPool, open_writer};
use crate::store::sqlite::Projection;
use crate::store::{Heads, Record};

/// How many reads may run at once.
const READERS: usize = 8;
/// How many reads of those who follow the log, and how many of live queues, may run at once.
const FOLLOWERS: usize = 4;
/// A checkpoint is made after so many records.
const CHECKPOINT_RECORDS: usize = 4_096;

/// A record with its place in this node's own order over all logs.
#[derive(Clone, Debug)]
pub struct Entry {
    /// From 1, gapless on this node.
    pub ordinal: u64,
    /// What happened.
    pub record: Record,
    /// Of the chat that it happened to.
    pub whereabouts: Option<Whereabouts>,
}

/// The tables.
#[derive(Clone, Debug)]
pub struct View {
    reads: ReadPool,
    /// For those who follow the log.
    follows: ReadPool,
    /// For live queues.
    queues: ReadPool,
    /// None where the store's writer does the writing.
    writer: Option<Arc<Writer>>,
}

/// The view's own writing.
#[derive(Debug)]
struct Writer {
    connection: Mutex<Connection>,
    /// Takes the log of changes into the file while the next changes are written.
    checkpointer: Mutex<Connection>,
    /// Records since it last did.
    fresh: AtomicUsize,
}

impl Writer {
    fn open(path: &Path) -> rusqlite::Result<Self> {
        Ok(Self {
            connection: Mutex::new(open_writer(path, Durability::Rebuildable)?),
            checkpointer: Mutex::new(open_writer(path, Durability::Rebuildable)?),
            fresh: AtomicUsize::new(0),
        })
    }

    /// Counts records, and has a checkpoint made beside the writing when there were many and none is under way.
    fn count(self: &Arc<Self>, records: usize) {
        let fresh = self.fresh.fetch_add(records, Ordering::Relaxed).saturating_add(records);
        if fresh < CHECKPOINT_RECORDS || self.checkpointer.is_locked() {
            return;
        }
        self.fresh.store(0, Ordering::Relaxed);
        let writer = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let checkpointer = writer.checkpointer.lock();
            let checkpoint = checkpointer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = checkpoint {
                tracing::debug!(%error, "the view's writer makes the checkpoint itself");
            }
        });
    }
}

impl View {
    /// The view in the store's own file.
    #[must_use]
    pub fn embedded(path: &Path) -> Self {
        Self {
            reads: ReadPool::new(path, READERS),
            follows: ReadPool::new(path, FOLLOWERS),
            queues: ReadPool::new(path, FOLLOWERS),
            writer: None,
        }
    }

    /// Makes the embedded view's tables; given to the store to run before its first commit.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn prepare_embedded(connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(schema::TABLES)?;
        connection.execute_batch(schema::EVENT_OVER_LOG)
    }

    /// Applies records inside the store's transaction.
    #[must_use]
    pub fn projection() -> Projection {
        Box::new(apply::apply)
    }

    /// The view in a file of its own.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn standalone(path: &Path) -> rusqlite::Result<Self> {
        let writer = Writer::open(path)?;
        {
            let connection = writer.connection.lock();
            let layout: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if layout != schema::LAYOUT {
                schema::reset(&connection)?;
            }
        }
        Ok(Self {
            reads: ReadPool::new(path, READERS),
            follows: ReadPool::new(path, FOLLOWERS),
            queues: ReadPool::new(path, FOLLOWERS),
            writer: Some(Arc::new(writer)),
        })
    }

    /// Whether the store's transaction keeps this view.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.writer.is_none()
    }

    async fn write<T, F>(&self, write: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, ReadError> + Send + 'static,
    {
        let writer = self.writer.clone().ok_or(ReadError::CutOff)?;
        tokio::task::spawn_blocking(move || write(&mut writer.connection.lock()))
            .await
            .map_err(|_| ReadError::CutOff)?
    }

    /// Applies records that were not applied before, and remembers how far the logs were followed.
    ///
    /// Gives back what was new, in this node's order.
    ///
    /// # Errors
    /// What SQLite says; nothing was applied then.
    pub async fn apply(&self, records: Vec<Record>, heads: Option<Heads>) -> Result<Vec<Entry>, ReadError> {
        let entries = self.write(move |connection| {
            let transaction = connection.transaction()?;
            let entries = apply::apply_new(&transaction, records)?;
            if let Some(heads) = heads {
                schema::write_heads(&transaction, "heads", &heads)?;
            }
            transaction.commit()?;
            Ok(entries)
        });
        let entries = entries.await?;
        if let Some(writer) = &self.writer {
            writer.count(entries.len());
        }
        Ok(entries)
    }

    /// How far the logs were followed, and from where on every record is in its log's order (the floor).
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn followed(&self) -> Result<Option<(Heads, Heads)>, ReadError> {
        self.reads
            .read(|connection| {
                let heads = schema::read_heads(connection, "heads")?;
                let floor = schema::read_heads(connection, "floor")?;
                Ok(heads.zip(floor))
            })
            .await
    }

    /// Sets the floor: what came before was read from aggregates, not in the order of the logs.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn set_floor(&self, floor: Heads) -> Result<(), ReadError> {
        self.write(move |connection| {
            let transaction = connection.transaction()?;
            schema::write_heads(&transaction, "floor", &floor)?;
            schema::write_heads(&transaction, "heads", &floor)?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Empties every table.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn reset(&self) -> Result<(), ReadError> {
        self.write(|connection| {
            let transaction = connection.transaction()?;
            schema::reset(&transaction)?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// The last ordinal, 0 while there is none.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn last_ordinal(&self) -> Result<u64, ReadError> {
        self.follows.read(log::last_ordinal).await
    }

    /// Lets go of the files.
    pub fn close(&self) {
        self.reads.close();
        self.follows.close();
        self.queues.close();
    }
}
