//! The tables that answer queries: made from records alone, the same code beside every store.
//!
//! Embedded, the tables live in the store's file and change in the transaction of the commit, so that a read after a
//! write sees it. Beside Redis they live in a file of the node that follows the log and can be built again at any time.

mod apply;
mod chats;
mod condition;
mod lists;
mod log;
mod outside;
pub mod page;
mod posts;
mod queue;
mod read;
mod recount;
mod schema;
pub mod search;
mod stats;
mod tickets;
mod totals;
mod waiting;
mod writer;

pub use chats::ChatFilter;
pub use log::{LogQuestion, Passed};
pub use outside::ContactRow;
pub use posts::{PostFilter, PostRow};
pub use queue::{QueueQuestion, QueueState};
pub use read::{ChatRow, EventRow, MessageRow, Reaction, TicketRow};
pub use stats::{QueueStats, StatsFilter};
pub use tickets::{
    DetailedTicket, FILTER_VALUES_MAX, NumberedPage, SKIP_MAX, TicketFilter, TicketOrder, Whereabouts, waiting_key,
};
pub use totals::Total;
pub use waiting::Pool;

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};

use self::writer::Writer;
use crate::domain::Event;
use crate::sqlite::{BESIDE, ReadError, ReadPool};
use crate::store::sqlite::Projection;
use crate::store::{Heads, Record};

/// How many reads may run at once.
const READERS: usize = 8;
/// How many reads of those who follow the log, and how many of live queues, may run at once.
const FOLLOWERS: usize = 4;
/// How many reads of the one who takes in the logs may run at once: it asks one thing after the other.
const TAKERS: usize = 1;
/// How many records of the store's log are read at once when the embedded view is built again.
const REBUILD_RECORDS: u32 = 4_096;

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
    /// For the one who takes in the logs, whom nobody shall hold up.
    intake: ReadPool,
    /// None where the store's writer does the writing.
    writer: Option<Arc<Writer>>,
}

impl View {
    fn over(path: &Path, beside: Option<&Path>, writer: Option<Writer>) -> Self {
        let pool = |size| ReadPool::of(path, beside, size);
        Self {
            reads: pool(READERS),
            follows: pool(FOLLOWERS),
            queues: pool(FOLLOWERS),
            intake: pool(TAKERS),
            writer: writer.map(Arc::new),
        }
    }

    /// The view in the store's own file.
    #[must_use]
    pub fn embedded(path: &Path) -> Self {
        Self::over(path, None, None)
    }

    /// Makes the embedded view's tables; given to the store to run before its first commit. Tables of another layout are
    /// built again from the log.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn prepare_embedded(connection: &mut Connection) -> rusqlite::Result<()> {
        if schema::layout(connection)? == Some(schema::LAYOUT) {
            return Ok(());
        }
        schema::EMBEDDED.reset(connection)?;
        let mut after = 0;
        loop {
            let transaction = connection.transaction()?;
            let events: Vec<(i64, Event)> = transaction
                .prepare_cached("SELECT position, body FROM log WHERE position > ?1 ORDER BY position LIMIT ?2")?
                .query_map(params![after, REBUILD_RECORDS], |row| {
                    Ok((row.get(0)?, read::parsed(row, 1)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            let Some((last, _)) = events.last() else { break };
            after = *last;
            apply::apply(&transaction, &events.iter().map(|(_, event)| event).collect::<Vec<_>>())?;
            transaction.commit()?;
            tracing::info!(
                view.position = after,
                "building the view again: its layout is another one"
            );
        }
        schema::note_layout(connection)
    }

    /// Applies records inside the store's transaction.
    #[must_use]
    pub fn projection() -> Projection {
        Box::new(apply::apply)
    }

    /// The view in files of its own: `path`, and one beside it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn standalone(path: &Path) -> rusqlite::Result<Self> {
        let writer = Writer::open(path)?;
        Ok(Self::over(path, Some(&writer::history_path(path)), Some(writer)))
    }

    /// Whether the store's transaction keeps this view.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.writer.is_none()
    }

    fn writer(&self) -> Result<&Writer, ReadError> {
        self.writer.as_deref().ok_or(ReadError::CutOff)
    }

    /// Applies records that were not applied before, and remembers how far the logs were followed.
    ///
    /// Gives back what was new, in this node's order.
    ///
    /// # Errors
    /// What SQLite says; the same records may be applied again then.
    pub async fn apply(&self, records: Vec<Record>, heads: Option<Heads>) -> Result<Vec<Entry>, ReadError> {
        let mut entries = self.writer()?.apply(records, heads).await?;
        log::date_responders(&mut entries);
        Ok(entries)
    }

    /// How far the logs were followed, and from where on every record is in its log's order (the floor).
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn followed(&self) -> Result<Option<(Heads, Heads)>, ReadError> {
        let read = |connection: &Connection| {
            let state = schema::read_heads(connection, ("main", "heads"))?;
            let history = schema::read_heads(connection, (BESIDE, "heads"))?;
            let floor = schema::read_heads(connection, ("main", "floor"))?;
            let both = state
                .zip(history)
                .filter(|(state, history)| state.epoch == history.epoch);
            Ok(both.map(|(state, history)| state.least(&history)).zip(floor))
        };
        self.intake.read(read).await
    }

    /// Sets the floor: what came before was read from aggregates, not in the order of the logs.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn set_floor(&self, floor: Heads) -> Result<(), ReadError> {
        self.writer()?.set_floor(floor).await
    }

    /// Empties every table.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn reset(&self) -> Result<(), ReadError> {
        self.writer()?.reset().await
    }

    /// The last ordinal, 0 while there is none.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn last_ordinal(&self) -> Result<u64, ReadError> {
        self.intake.read(log::last_ordinal).await
    }

    /// Lets go of the files.
    pub fn close(&self) {
        self.reads.close();
        self.follows.close();
        self.queues.close();
        self.intake.close();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn nobody_holds_up_the_one_who_takes_in_the_logs() {
        let directory = tempfile::tempdir().unwrap();
        let view = View::standalone(&directory.path().join("view.db")).unwrap();
        let pools = [
            (&view.reads, READERS),
            (&view.follows, FOLLOWERS),
            (&view.queues, FOLLOWERS),
        ];
        let turns = pools.iter().flat_map(|(pool, size)| std::iter::repeat_n(*pool, *size));
        let (ends, slow): (Vec<_>, Vec<_>) = turns
            .map(|pool| {
                let (end, ended) = oneshot::channel::<()>();
                let read = pool.read(move |_| {
                    let _ = ended.blocking_recv();
                    Ok(())
                });
                (end, read)
            })
            .unzip();
        let mut slow = pin!(join_all(slow));
        assert!(futures_util::poll!(slow.as_mut()).is_pending());
        let asked = async {
            view.followed().await?;
            view.settings().await?;
            view.locate(Vec::new()).await?;
            view.last_ordinal().await
        };
        let answered = tokio::time::timeout(Duration::from_secs(20), asked).await;
        drop(ends);
        assert!(slow.await.iter().all(Result::is_ok));
        assert_eq!(answered.expect("an answer beside them").unwrap(), 0);
    }
}
