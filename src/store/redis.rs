//! The store of production: Redis, in partitions whose keys share a hash tag each.
//!
//! What a script does is isolated but not rolled back, so `commit.lua` checks everything before its first write. Pub/sub
//! is not used: readers block on the streams themselves and read by position.

mod batcher;
mod connection;
mod keys;
mod reply;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use parking_lot::Mutex;
use redis::aio::ConnectionManager;
use redis::{Client, Cmd, Value};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::batcher::Waiting;
use self::connection::{Shared, call, connect};
use self::keys::PartitionKeys;
use super::{Commit, Followed, Heads, KeyHit, Listing, Outcome, Record, Snapshot, Store, StoreError, Timer};
use crate::domain::{Millis, id};

const SCRIPT: &str = include_str!("redis/commit.lua");
/// Writes a memo that is still at the version it was read at.
const SET_MEMO: &str = "#!lua
if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2], 's', ARGV[3])
return 1";
/// How long a script call may take before its outcome counts as unknown, in milliseconds.
const COMMIT_TIMEOUT_MS: u64 = 5_000;
/// How long a question may take, in milliseconds.
const READ_TIMEOUT_MS: u64 = 5_000;
/// How long `follow` waits for news, in milliseconds.
const FOLLOW_WAIT_MS: u64 = 1_000;
/// How records and snapshots are written.
const FORMAT: u64 = 3;
/// How many commits may wait in one partition.
const QUEUE_MAX: usize = 4_096;

/// How the store is laid out in Redis.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/db]`.
    pub url: String,
    /// The first part of every key.
    pub namespace: String,
    /// How many logs a new store gets; an existing one keeps its own number.
    pub partitions: u16,
    /// How many records each log keeps, about. Histories are kept whole.
    pub log_retention_records: u64,
}

/// The store of production.
#[derive(Debug)]
pub struct RedisStore {
    shared: Arc<Shared>,
    partitions: Vec<PartitionKeys>,
    queues: Mutex<Vec<mpsc::Sender<Waiting>>>,
    /// Blocking reads hold up whatever shares their connection.
    follower: tokio::sync::Mutex<ConnectionManager>,
    tasks: TaskTracker,
}

impl RedisStore {
    /// Connects, checks that this Redis can keep the promises, and makes the store where there is none.
    ///
    /// # Errors
    /// Redis cannot be reached, is a replica, or may evict keys.
    pub async fn open(options: RedisOptions) -> Result<Self, StoreError> {
        let client = Client::open(options.url.as_str())
            .map_err(|error| StoreError::Refused(format!("the Redis URL: {error}")))?;
        let connection = connect(&client).await?;
        let follower = connect(&client).await?;
        let mut shared = Shared {
            connection,
            namespace: options.namespace.clone(),
            script_sha: String::new(),
            log_retention_records: options.log_retention_records,
            epochs: Vec::new(),
        };
        check_server(&shared).await?;
        check_format(&shared).await?;
        let count = partition_count(&shared, options.partitions).await?;
        shared.epochs = (0..count).map(|_| AtomicU64::new(0)).collect();
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(SCRIPT);
        let sha = shared.call(&load, READ_TIMEOUT_MS).await?;
        shared.script_sha = reply::text(Some(&sha))
            .ok_or_else(|| StoreError::Corrupt("SCRIPT LOAD gave no name".into()))?
            .to_owned();
        for partition in 0..count {
            shared.refresh_epoch(partition).await?;
        }
        let shared = Arc::new(shared);
        let tasks = TaskTracker::new();
        let queues = (0..count)
            .map(|partition| {
                let (queue, inbox) = mpsc::channel(QUEUE_MAX);
                tasks.spawn(batcher::run(Arc::clone(&shared), partition, inbox));
                queue
            })
            .collect();
        tasks.close();
        Ok(Self {
            partitions: (0..count)
                .map(|partition| PartitionKeys::new(&options.namespace, partition))
                .collect(),
            shared,
            queues: Mutex::new(queues),
            follower: tokio::sync::Mutex::new(follower),
            tasks,
        })
    }

    fn keys(&self, id: Uuid) -> Result<(u16, &PartitionKeys), StoreError> {
        let partition = id::partition(id, self.partitions());
        self.partitions
            .get(usize::from(partition))
            .map(|keys| (partition, keys))
            .ok_or_else(|| StoreError::Corrupt("no such partition".into()))
    }

    async fn read(&self, command: &Cmd) -> Result<Value, StoreError> {
        Ok(self.shared.call(command, READ_TIMEOUT_MS).await?)
    }

    async fn versioned(&self, key: String) -> Result<Option<Snapshot>, StoreError> {
        let mut get = redis::cmd("HMGET");
        get.arg(key).arg("v").arg("s");
        let Value::Array(parts) = self.read(&get).await? else {
            return Err(StoreError::Corrupt("a snapshot's answer".into()));
        };
        Ok(reply::snapshot(parts.first(), parts.get(1)))
    }

    async fn read_log(&self, after: &Heads, limit: usize) -> Result<Option<HashMap<usize, Vec<Record>>>, StoreError> {
        let mut read = redis::cmd("XREAD");
        // of each log
        read.arg("COUNT").arg(limit.div_ceil(self.partitions.len().max(1)));
        read.arg("BLOCK").arg(FOLLOW_WAIT_MS).arg("STREAMS");
        for keys in &self.partitions {
            read.arg(&keys.log);
        }
        for position in &after.positions {
            read.arg(format!("{position}-0"));
        }
        let mut connection = self.follower.lock().await;
        let wait = FOLLOW_WAIT_MS.saturating_add(READ_TIMEOUT_MS);
        let Value::Array(streams) = call(&mut connection, &read, wait).await? else {
            return Ok(None);
        };
        let mut found = HashMap::new();
        for stream in &streams {
            let Value::Array(parts) = stream else {
                continue;
            };
            let name = reply::text(parts.first());
            let place = self.partitions.iter().position(|keys| Some(keys.log.as_str()) == name);
            if let (Some(place), Some(entries)) = (place, parts.get(1)) {
                let partition = u16::try_from(place).unwrap_or(u16::MAX);
                found.insert(place, reply::entries(partition, entries)?);
            }
        }
        Ok(Some(found))
    }

    async fn refresh_epochs(&self) -> Result<u64, StoreError> {
        for partition in 0..self.partitions() {
            self.shared.refresh_epoch(partition).await?;
        }
        Ok(self.shared.epoch())
    }
}

/// Refuses a Redis that may lose keys by itself, and warns of one that may lose them in a crash.
async fn check_server(shared: &Shared) -> Result<(), StoreError> {
    let config = |name: &'static str| async move {
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg(name);
        // managed services forbid CONFIG: what cannot be read is not judged
        match shared.call(&get, READ_TIMEOUT_MS).await {
            Ok(Value::Array(pair)) => reply::text(pair.get(1)).map(str::to_owned),
            _ => None,
        }
    };
    let role = shared.call(&redis::cmd("ROLE"), READ_TIMEOUT_MS).await?;
    if let Value::Array(parts) = &role
        && reply::text(parts.first()) == Some("slave")
    {
        return Err(StoreError::Refused(
            "this Redis is a replica: switchboard writes only to a primary".into(),
        ));
    }
    if let Some(policy) = config("maxmemory-policy").await
        && policy != "noeviction"
    {
        return Err(StoreError::Refused(format!(
            "this Redis may evict keys (maxmemory-policy {policy}): set it to noeviction"
        )));
    }
    if config("appendonly").await.as_deref() == Some("no") {
        tracing::warn!("this Redis has no append-only file: a restart loses what came after its last snapshot");
    } else if config("appendfsync").await.as_deref() == Some("everysec") {
        tracing::info!("appendfsync everysec: a crash of Redis may lose its last second");
    }
    Ok(())
}

/// Refuses a store that another format was written to, and marks a new one.
async fn check_format(shared: &Shared) -> Result<(), StoreError> {
    let mut exists = redis::cmd("EXISTS");
    exists.arg(format!("{}:partitions", shared.namespace));
    let is_new = reply::number(Some(&shared.call(&exists, READ_TIMEOUT_MS).await?)) == Some(0);
    let key = format!("{}:format", shared.namespace);
    if is_new {
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(FORMAT).arg("NX");
        shared.call(&set, READ_TIMEOUT_MS).await?;
    }
    let mut get = redis::cmd("GET");
    get.arg(&key);
    let found = shared.call(&get, READ_TIMEOUT_MS).await?;
    if reply::number(Some(&found)) == Some(FORMAT) {
        return Ok(());
    }
    Err(StoreError::Refused(format!(
        "{key} is not {FORMAT}: this store was written by another version of switchboard"
    )))
}

async fn partition_count(shared: &Shared, wanted: u16) -> Result<u16, StoreError> {
    let key = format!("{}:partitions", shared.namespace);
    let mut set = redis::cmd("SET");
    set.arg(&key).arg(wanted).arg("NX");
    shared.call(&set, READ_TIMEOUT_MS).await?;
    let mut get = redis::cmd("GET");
    get.arg(&key);
    let answer = shared.call(&get, READ_TIMEOUT_MS).await?;
    reply::number(Some(&answer))
        .and_then(|count| u16::try_from(count).ok())
        .filter(|count| *count > 0)
        .ok_or_else(|| StoreError::Corrupt(format!("{key} is not a number of partitions")))
}

#[async_trait]
impl Store for RedisStore {
    fn partitions(&self) -> u16 {
        u16::try_from(self.partitions.len()).unwrap_or(u16::MAX)
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn load(&self, id: Uuid) -> Result<Option<Snapshot>, StoreError> {
        self.versioned(self.keys(id)?.1.aggregate(id)).await
    }

    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        let partition = id::partition(commit.aggregate_id, self.partitions());
        let queue = self.queues.lock().get(usize::from(partition)).cloned();
        let closed = || Outcome::Aborted {
            reason: "the store is closed".into(),
        };
        let Some(queue) = queue else { return closed() };
        let (reply, outcome) = oneshot::channel();
        if queue.send(Waiting { commit, reply }).await.is_err() {
            return closed();
        }
        outcome.await.unwrap_or_else(|_| Outcome::Uncertain {
            reason: "the store's task is gone".into(),
        })
    }

    async fn find_key(&self, id: Uuid, key: &str) -> Result<Option<KeyHit>, StoreError> {
        let (_, keys) = self.keys(id)?;
        let mut get = redis::cmd("HGET");
        get.arg(keys.seen(id)).arg(key);
        let value = self.read(&get).await?;
        Ok(reply::key_hit(key, &value))
    }

    async fn history(&self, id: Uuid, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let (partition, keys) = self.keys(id)?;
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).min(1_000);
        let mut get = redis::cmd("HMGET");
        get.arg(keys.history(id));
        for step in 1..=limit {
            get.arg(after_seq.saturating_add(step));
        }
        let Value::Array(values) = self.read(&get).await? else {
            return Err(StoreError::Corrupt("a history's answer".into()));
        };
        values
            .iter()
            .take_while(|value| !matches!(value, Value::Nil))
            .map(|value| reply::history(partition, value))
            .collect()
    }

    async fn list(&self, partition: u16, since: u64, token: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        let keys = self
            .partitions
            .get(usize::from(partition))
            .ok_or_else(|| StoreError::Corrupt("no such partition".into()))?;
        let after = token.and_then(|token| token.parse().ok()).unwrap_or(since);
        let mut range = redis::cmd("ZRANGEBYSCORE");
        range.arg(&keys.index).arg(format!("({after}")).arg("+inf");
        range.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
        let Value::Array(values) = self.read(&range).await? else {
            return Err(StoreError::Corrupt("an index's answer".into()));
        };
        let mut ids = Vec::with_capacity(limit);
        let mut last = None;
        for [id, score] in values.as_chunks::<2>().0 {
            let id = reply::text(Some(id)).and_then(|id| Uuid::try_parse(id).ok());
            ids.push(id.ok_or_else(|| StoreError::Corrupt("an index entry".into()))?);
            last = reply::text(Some(score)).map(str::to_owned);
        }
        let full = ids.len() >= limit;
        Ok(Listing {
            ids,
            next: last.filter(|_| full),
        })
    }

    async fn timers(&self, partition: u16, until: Millis, limit: usize) -> Result<Vec<Timer>, StoreError> {
        let keys = self
            .partitions
            .get(usize::from(partition))
            .ok_or_else(|| StoreError::Corrupt("no such partition".into()))?;
        let mut range = redis::cmd("ZRANGEBYSCORE");
        range.arg(&keys.timers).arg("-inf").arg(until);
        range.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
        let Value::Array(values) = self.read(&range).await? else {
            return Err(StoreError::Corrupt("the timers' answer".into()));
        };
        let pairs = values.as_chunks::<2>().0.iter();
        pairs
            .map(|[id, due]| {
                let aggregate_id = reply::text(Some(id)).and_then(|id| Uuid::try_parse(id).ok());
                let timer = aggregate_id.zip(reply::number(Some(due)));
                timer
                    .map(|(aggregate_id, due)| Timer { aggregate_id, due })
                    .ok_or_else(|| StoreError::Corrupt("a timer".into()))
            })
            .collect()
    }

    async fn heads(&self) -> Result<Heads, StoreError> {
        let mut positions = Vec::with_capacity(self.partitions.len());
        for keys in &self.partitions {
            let mut get = redis::cmd("GET");
            get.arg(&keys.head);
            let head = self.read(&get).await?;
            positions.push(reply::number(Some(&head)).unwrap_or(0));
        }
        Ok(Heads {
            epoch: self.shared.epoch(),
            positions,
        })
    }

    async fn follow(&self, after: &Heads, limit: usize) -> Result<Followed, StoreError> {
        let mut found = self.read_log(after, limit).await?;
        if found.is_none() {
            // nothing new: a good moment to see whether the store lost its data meanwhile
            if self.refresh_epochs().await? != after.epoch {
                return Ok(Followed::EpochChanged);
            }
            let heads = self.heads().await?;
            let mut pairs = heads.positions.iter().zip(&after.positions);
            if pairs.all(|(head, position)| head <= position) {
                return Ok(Followed::Records(Vec::new()));
            }
            found = self.read_log(after, limit).await?;
        }
        // there is more, but none of it is in the log
        let Some(found) = found else {
            return Ok(Followed::Trimmed);
        };
        if self.shared.epoch() != after.epoch {
            return Ok(Followed::EpochChanged);
        }
        let mut records = Vec::new();
        for (place, position) in after.positions.iter().enumerate() {
            let Some(entries) = found.get(&place) else {
                continue;
            };
            let first = entries.first().map(|record| record.position);
            if first.is_some_and(|first| first != position.saturating_add(1)) {
                return Ok(Followed::Trimmed);
            }
            records.extend(entries.iter().cloned());
        }
        Ok(Followed::Records(records))
    }

    async fn memo(&self, id: Uuid) -> Result<Option<Snapshot>, StoreError> {
        self.versioned(self.keys(id)?.1.memo(id)).await
    }

    async fn set_memo(&self, id: Uuid, version: u64, text: String) -> Result<bool, StoreError> {
        let key = self.keys(id)?.1.memo(id);
        let mut set = redis::cmd("EVAL");
        set.arg(SET_MEMO).arg(1).arg(key);
        set.arg(version).arg(version.saturating_add(1)).arg(text);
        let answer = self.shared.call(&set, COMMIT_TIMEOUT_MS).await?;
        Ok(reply::number(Some(&answer)) == Some(1))
    }

    async fn close(&self) {
        self.queues.lock().clear();
        self.tasks.wait().await;
    }
}
