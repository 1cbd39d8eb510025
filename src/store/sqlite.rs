//! The embedded store: one file, one writer thread, one fsync for all commits that wait at the same moment.

mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::{Connection, Row, params};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::{Commit, Followed, Heads, KeyHit, Listing, Outcome, Record, Snapshot, Store, StoreError, Timer};
use crate::domain::{Event, Millis};
use crate::sqlite::{Durability, ReadError, ReadPool, open_writer};

/// How long `follow` waits for news, in milliseconds.
const FOLLOW_WAIT_MS: u64 = 1_000;
/// How many commits may wait for the writer thread.
const QUEUE_MAX: usize = 4_096;
/// How many reads may run at once.
const READERS: usize = 4;
/// How long a commit may wait for the disk before its outcome counts as unknown, in milliseconds.
const COMMIT_TIMEOUT_MS: u64 = 30_000;

/// Called inside the transaction with the records that it commits: the view of the embedded mode lives in the same file.
pub type Projection = Box<dyn FnMut(&Connection, &[&Event]) -> rusqlite::Result<()> + Send>;

/// Something to write, and who waits for it.
#[derive(Debug)]
enum Waiting {
    Commit(Arc<Commit>, oneshot::Sender<Outcome>),
    Memo(Memo, oneshot::Sender<bool>),
}

#[derive(Debug)]
struct Memo {
    id: Uuid,
    version: u64,
    text: String,
}

/// The embedded store.
#[derive(Debug)]
pub struct SqliteStore {
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    reads: ReadPool,
    /// For the one who follows the log, whom nobody shall hold up.
    follows: ReadPool,
    heads: watch::Receiver<Heads>,
    _lock: File,
}

/// How records and snapshots are written.
const FORMAT: u32 = 3;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aggregate (
  id BLOB PRIMARY KEY, version INTEGER NOT NULL, last_position INTEGER NOT NULL, snapshot TEXT NOT NULL,
  due INTEGER);
CREATE INDEX IF NOT EXISTS aggregate_due ON aggregate (due) WHERE due IS NOT NULL;
CREATE TABLE IF NOT EXISTS log (
  position INTEGER PRIMARY KEY, aggregate BLOB NOT NULL, seq INTEGER NOT NULL, workspace BLOB NOT NULL,
  type TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS log_aggregate ON log (aggregate, seq);
CREATE TABLE IF NOT EXISTS seen (
  aggregate BLOB NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, receipt TEXT NOT NULL,
  PRIMARY KEY (aggregate, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS memo (id BLOB PRIMARY KEY, version INTEGER NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
";

impl SqliteStore {
    /// Opens or creates the store in `path`. `prepare` runs once before the first commit (the view makes its tables).
    ///
    /// # Errors
    /// The file is in use by another process, cannot be opened, or is not a store.
    pub fn open(
        path: &Path,
        prepare: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
        projection: Projection,
    ) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        let mut connection = open_writer(path, Durability::Full).map_err(unavailable)?;
        check_format(&connection, path)?;
        connection.execute_batch(SCHEMA).map_err(unavailable)?;
        let heads = first_heads(&connection)?;
        prepare(&mut connection).map_err(unavailable)?;
        let (queue, inbox) = mpsc::channel(QUEUE_MAX);
        let (heads_sender, heads) = watch::channel(heads);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer::run(&mut connection, inbox, &heads_sender, projection))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            reads: ReadPool::new(path, READERS),
            follows: ReadPool::new(path, 1),
            heads,
            _lock: lock,
        })
    }

    fn sender(&self) -> Option<mpsc::Sender<Waiting>> {
        self.queue.lock().clone()
    }

    async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        self.reads.read(read).await.map_err(unreadable)
    }
}

fn unreadable(error: ReadError) -> StoreError {
    match error {
        ReadError::Json(error) => StoreError::Corrupt(error.to_string()),
        ReadError::Sqlite(_) | ReadError::CutOff | ReadError::TooMuch => StoreError::Unavailable(error.to_string()),
    }
}

/// One process a file: the writer's knowledge of the log's head must be the only one.
fn lock(path: &Path) -> Result<File, StoreError> {
    let path = path.with_extension("lock");
    let file = File::create(&path)
        .map_err(|error| StoreError::Unavailable(format!("cannot open {}: {error}", path.display())))?;
    file.try_lock()
        .map_err(|_| StoreError::Refused(format!("{} is in use by another switchboard process", path.display())))?;
    Ok(file)
}

/// Refuses a file that another format was written to.
fn check_format(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let is_new: bool = connection
        .query_row(
            "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'aggregate')",
            [],
            |row| row.get(0),
        )
        .map_err(unavailable)?;
    if is_new {
        return connection
            .pragma_update(None, "user_version", FORMAT)
            .map_err(unavailable);
    }
    let format: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(unavailable)?;
    if format == FORMAT {
        return Ok(());
    }
    Err(StoreError::Refused(format!(
        "{} was written by another version of switchboard (format {format}, expected {FORMAT})",
        path.display()
    )))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err asks for")]
fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn first_heads(connection: &Connection) -> Result<Heads, StoreError> {
    let epoch = random_epoch().map_err(|error| StoreError::Unavailable(error.to_string()))?;
    connection
        .execute(
            "INSERT INTO meta (name, value) VALUES ('epoch', ?1) ON CONFLICT DO NOTHING",
            [signed(epoch)],
        )
        .map_err(unavailable)?;
    let epoch: i64 = connection
        .query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| row.get(0))
        .map_err(unavailable)?;
    let head: i64 = connection
        .query_row("SELECT coalesce(max(position), 0) FROM log", [], |row| row.get(0))
        .map_err(unavailable)?;
    Ok(Heads {
        epoch: epoch.unsigned_abs(),
        positions: vec![head.unsigned_abs()],
    })
}

/// Which life of the logs: told apart by chance, never zero.
fn random_epoch() -> Result<u64, getrandom::Error> {
    Ok((getrandom::u64()? >> 1) | 1)
}

/// SQLite integers are signed; positions and sequence numbers never reach the sign bit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn record(row: &Row<'_>) -> Result<Record, ReadError> {
    let position: i64 = row.get(0)?;
    let body: String = row.get(1)?;
    Ok(Record {
        partition: 0,
        position: position.unsigned_abs(),
        event: Arc::new(serde_json::from_str(&body)?),
        json: body.into(),
    })
}

fn records(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Record>, ReadError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

#[async_trait]
impl Store for SqliteStore {
    fn partitions(&self) -> u16 {
        1
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn load(&self, id: Uuid) -> Result<Option<Snapshot>, StoreError> {
        self.read(move |connection| Ok(writer::snapshot(connection, id)?)).await
    }

    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        let Some(queue) = self.sender() else {
            return Outcome::Aborted {
                reason: "the store is closed".into(),
            };
        };
        let (reply, outcome) = oneshot::channel();
        let whole = async {
            if queue.send(Waiting::Commit(commit, reply)).await.is_err() {
                return Outcome::Aborted {
                    reason: "the store's writer is gone".into(),
                };
            }
            outcome.await.unwrap_or_else(|_| Outcome::Uncertain {
                reason: "the store's writer is gone".into(),
            })
        };
        tokio::time::timeout(Duration::from_millis(COMMIT_TIMEOUT_MS), whole)
            .await
            .unwrap_or_else(|_| Outcome::Uncertain {
                reason: "the disk is too slow".into(),
            })
    }

    async fn find_key(&self, id: Uuid, key: &str) -> Result<Option<KeyHit>, StoreError> {
        let key = key.to_owned();
        self.read(move |connection| Ok(writer::find_key(connection, id, &key)?))
            .await
    }

    async fn history(&self, id: Uuid, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.read(move |connection| {
            records(
                connection,
                "SELECT position, body FROM log WHERE aggregate = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
                params![
                    id.as_bytes(),
                    signed(after_seq),
                    i64::try_from(limit).unwrap_or(i64::MAX)
                ],
            )
        })
        .await
    }

    async fn list(
        &self,
        _partition: u16,
        since: u64,
        token: Option<&str>,
        limit: usize,
    ) -> Result<Listing, StoreError> {
        let after = token.and_then(|token| Uuid::try_parse(token).ok());
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT id FROM aggregate WHERE id > ?1 AND last_position > ?2 ORDER BY id LIMIT ?3")?;
            let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
            let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
            let ids = statement
                .query_map(params![after, signed(since), limit_rows], |row| {
                    row.get::<_, [u8; 16]>(0)
                })?
                .map(|id| id.map(Uuid::from_bytes))
                .collect::<rusqlite::Result<Vec<Uuid>>>()?;
            let full = ids.len() >= limit;
            let next = ids.last().filter(|_| full).map(Uuid::to_string);
            Ok(Listing { ids, next })
        })
        .await
    }

    async fn timers(&self, _partition: u16, until: Millis, limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT id, due FROM aggregate WHERE due <= ?1 ORDER BY due LIMIT ?2")?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let timers = statement.query_map(params![signed(until), limit], |row| {
                Ok(Timer {
                    aggregate_id: Uuid::from_bytes(row.get(0)?),
                    due: row.get::<_, i64>(1)?.unsigned_abs(),
                })
            })?;
            Ok(timers.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn heads(&self) -> Result<Heads, StoreError> {
        Ok(self.heads.borrow().clone())
    }

    async fn follow(&self, after: &Heads, limit: usize) -> Result<Followed, StoreError> {
        let mut heads = self.heads.clone();
        let position = after.positions.first().copied().unwrap_or(0);
        let wait = Duration::from_millis(FOLLOW_WAIT_MS);
        let is_news =
            |heads: &Heads| heads.epoch != after.epoch || heads.positions.first().copied().unwrap_or(0) > position;
        // a time-out leaves the heads as they are: no news
        let _ = tokio::time::timeout(wait, heads.wait_for(is_news)).await;
        if heads.borrow().epoch != after.epoch {
            return Ok(Followed::EpochChanged);
        }
        let records = self
            .follows
            .read(move |connection| {
                records(
                    connection,
                    "SELECT position, body FROM log WHERE position > ?1 ORDER BY position LIMIT ?2",
                    params![signed(position), i64::try_from(limit).unwrap_or(i64::MAX)],
                )
            })
            .await
            .map_err(unreadable)?;
        Ok(Followed::Records(records))
    }

    async fn memo(&self, id: Uuid) -> Result<Option<Snapshot>, StoreError> {
        self.read(move |connection| Ok(writer::memo(connection, id)?)).await
    }

    async fn set_memo(&self, id: Uuid, version: u64, text: String) -> Result<bool, StoreError> {
        let gone = || StoreError::Unavailable("the store's writer is gone".into());
        let queue = self.sender().ok_or_else(gone)?;
        let (reply, written) = oneshot::channel();
        let memo = Memo { id, version, text };
        let whole = async {
            let sent = queue.send(Waiting::Memo(memo, reply)).await;
            sent.map_err(|_| gone())?;
            written.await.map_err(|_| gone())
        };
        tokio::time::timeout(Duration::from_millis(COMMIT_TIMEOUT_MS), whole)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the disk is too slow".into())))
    }

    async fn close(&self) {
        drop(self.queue.lock().take());
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // the writer ends when the last sender is gone and its queue is empty
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        self.reads.close();
        self.follows.close();
    }
}
