//! Opening SQLite files the one way that keeps their promises, and a bounded pool of read-only connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// What a pool's second file is called in SQL; its tables are found without.
pub const BESIDE: &str = "beside";

/// How sure a commit must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Every commit is on the disk before it is acknowledged.
    Full,
    /// A power cut may take the last commits; for files that can be rebuilt.
    Rebuildable,
}

/// The one writing connection of a file.
///
/// # Errors
/// The file cannot be opened or is not a database.
pub fn open_writer(path: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    let (synchronous, page_bytes, checkpoint_after_pages) = match durability {
        Durability::Full => ("FULL", 4_096, 4_000),
        // large pages take in records faster, and cost whoever waits for the disk more; a short log is warm memory, and
        // checkpoints wait for no disk
        Durability::Rebuildable => ("OFF", 16_384, 1_024),
    };
    connection.pragma_update(None, "page_size", page_bytes)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.pragma_update(None, "wal_autocheckpoint", checkpoint_after_pages)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    settle(&connection)?;
    Ok(connection)
}

/// What both kinds need.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(128);
    // otherwise a statement with LIMIT ? is prepared anew whenever its values are cleared, which the cache always does
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map(drop)
}

fn open_reader(path: &Path, beside: Option<&Path>) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let mut files = vec!["main"];
    if let Some(beside) = beside {
        connection.execute(&format!("ATTACH ?1 AS {BESIDE}"), [beside.to_string_lossy()])?;
        files.push(BESIDE);
    }
    for file in files {
        connection.pragma_update(Some(file), "cache_size", -8_192)?;
        connection.pragma_update(Some(file), "mmap_size", 0)?;
    }
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    settle(&connection)?;
    Ok(connection)
}

/// Why a read brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// SQLite refused or the file is damaged.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Stored JSON does not read.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It would look at more than it may.
    #[error("too much to look at: name less, or a narrower time")]
    TooMuch,
    /// The thread that read is gone.
    #[error("the read was cut off")]
    CutOff,
}

/// A bounded pool of read-only connections to one file, or to two that are read together; reads run off the async threads.
#[derive(Clone, Debug)]
pub struct ReadPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    beside: Option<PathBuf>,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl ReadPool {
    /// At most `size` reads run at once; the others wait their turn.
    #[must_use]
    pub fn new(path: &Path, size: usize) -> Self {
        Self::of(path, None, size)
    }

    /// As [`ReadPool::new`], with a second file beside the first.
    #[must_use]
    pub fn of(path: &Path, beside: Option<&Path>, size: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                beside: beside.map(Path::to_owned),
                idle: Mutex::new(Vec::with_capacity(size)),
                turns: Arc::new(Semaphore::new(size)),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Runs `read` on a connection.
    ///
    /// # Errors
    /// What `read` says, or that no connection could be had.
    pub async fn read<T, F>(&self, read: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        if let Ok(turn) = Arc::clone(&shared.turns).try_acquire_owned() {
            return Self::read_in_turn(shared, turn, read).await;
        }
        // as a task of its own: a caller that waits for something else meanwhile must not keep a turn that it was given;
        // one that is gone waits no more
        let reading = AbortOnDropHandle::new(self.shared.tasks.spawn(async move {
            let turn = Arc::clone(&shared.turns).acquire_owned().await;
            let turn = turn.map_err(|_| ReadError::CutOff)?;
            Self::read_in_turn(shared, turn, read).await
        }));
        reading.await.map_err(|_| ReadError::CutOff)?
    }

    async fn read_in_turn<T, F>(shared: Arc<Shared>, turn: OwnedSemaphorePermit, read: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        tokio::task::spawn_blocking(move || {
            let idle = shared.idle.lock().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => open_reader(&shared.path, shared.beside.as_deref())?,
            };
            let answer = read(&connection);
            shared.idle.lock().push(connection);
            drop(turn);
            answer
        })
        .await
        .map_err(|_| ReadError::CutOff)?
    }

    /// Closes the idle connections.
    pub fn close(&self) {
        self.shared.turns.close();
        self.shared.idle.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_is_gone_waits_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("some.db");
        drop(open_writer(&path, Durability::Rebuildable).unwrap());
        let pool = ReadPool::new(&path, 1);
        let (go_on, waits) = mpsc::channel::<()>();
        let first = pool.read(move |_| waits.recv().map_err(|_| ReadError::CutOff));
        let mut first = Box::pin(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        let ran = Arc::new(AtomicU32::new(0));
        let read = || {
            let ran = Arc::clone(&ran);
            Box::pin(pool.read(move |_| Ok(ran.fetch_add(1, Ordering::SeqCst))))
        };
        let mut those_who_go: Vec<_> = (0..10).map(|_| read()).collect();
        for read in &mut those_who_go {
            assert!(futures_util::poll!(read).is_pending());
        }
        tokio::task::yield_now().await;
        drop(those_who_go);
        let mut one_who_stays = read();
        assert!(futures_util::poll!(&mut one_who_stays).is_pending());
        go_on.send(()).unwrap();
        first.await.unwrap();
        assert_eq!(one_who_stays.await.unwrap(), 0, "others came before");
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    }
}
