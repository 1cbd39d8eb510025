//! The connection to Redis, what its failures mean, and the epochs that every call carries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, RedisError, Value};

use super::keys::PartitionKeys;
use super::{COMMIT_TIMEOUT_MS, READ_TIMEOUT_MS, SCRIPT, reply};
use crate::store::{Outcome, StoreError};

pub(super) struct Shared {
    pub(super) connection: ConnectionManager,
    pub(super) namespace: String,
    pub(super) script_sha: String,
    pub(super) log_retention_records: u64,
    pub(super) epochs: Vec<AtomicU64>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// A call that brought no answer, or an error as the answer.
#[derive(Debug)]
pub(super) struct Failure {
    reason: String,
    /// Redis refused before it ran anything.
    refused: bool,
    /// It was restarted, and does not know the script yet.
    script_missing: bool,
}

impl Failure {
    pub(super) fn outcome(&self) -> Outcome {
        let reason = self.reason.clone();
        if self.refused {
            Outcome::Aborted { reason }
        } else {
            Outcome::Uncertain { reason }
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        /// Errors that Redis gives before a script runs; any other may come from its middle.
        const BEFORE: [&str; 12] = [
            "NOSCRIPT",
            "OOM",
            "READONLY",
            "LOADING",
            "MISCONF",
            "NOAUTH",
            "NOPERM",
            "BUSY",
            "MASTERDOWN",
            "NOREPLICAS",
            "CLUSTERDOWN",
            "TRYAGAIN",
        ];
        Self {
            refused: error.code().is_some_and(|code| BEFORE.contains(&code)) || error.is_connection_refusal(),
            script_missing: error.code() == Some("NOSCRIPT"),
            reason: error.to_string(),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.reason)
    }
}

impl Shared {
    pub(super) async fn call(&self, command: &Cmd, timeout_ms: u64) -> Result<Value, Failure> {
        let mut connection = self.connection.clone();
        call(&mut connection, command, timeout_ms).await
    }

    /// Sends a prepared EVALSHA; a Redis that does not know the script yet gets it first.
    pub(super) async fn script_call(&self, command: Cmd) -> Result<Value, Failure> {
        let first = self.call(&command, COMMIT_TIMEOUT_MS).await;
        let Err(failure) = &first else { return first };
        if !failure.script_missing {
            return first;
        }
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(SCRIPT);
        self.call(&load, READ_TIMEOUT_MS).await?;
        self.call(&command, COMMIT_TIMEOUT_MS).await
    }

    /// Reads a partition's epoch, or makes one where there is none.
    pub(super) async fn refresh_epoch(&self, partition: u16) -> Result<(), StoreError> {
        let keys = PartitionKeys::new(&self.namespace, partition);
        let fresh = random_epoch()?;
        let mut set = redis::cmd("SET");
        set.arg(&keys.epoch).arg(fresh).arg("NX");
        self.call(&set, READ_TIMEOUT_MS).await?;
        let mut get = redis::cmd("GET");
        get.arg(&keys.epoch);
        let answer = self.call(&get, READ_TIMEOUT_MS).await?;
        let epoch = reply::number(Some(&answer))
            .ok_or_else(|| StoreError::Corrupt(format!("{} is not a number", keys.epoch)))?;
        if let Some(slot) = self.epochs.get(usize::from(partition)) {
            slot.store(epoch, Ordering::Release);
        }
        Ok(())
    }

    /// Begins a new life of a partition's log: acknowledged data is gone, and cursors must not seem to fit.
    pub(super) async fn renew_epoch(&self, partition: u16) -> Result<(), StoreError> {
        let keys = PartitionKeys::new(&self.namespace, partition);
        let mut set = redis::cmd("SET");
        set.arg(&keys.epoch).arg(random_epoch()?);
        self.call(&set, READ_TIMEOUT_MS).await?;
        self.refresh_epoch(partition).await
    }

    /// One number for all partitions: the change of any changes it.
    pub(super) fn epoch(&self) -> u64 {
        self.epochs
            .iter()
            .fold(7, |all: u64, epoch| all.rotate_left(5) ^ epoch.load(Ordering::Acquire))
    }
}

pub(super) fn random_epoch() -> Result<u64, StoreError> {
    let random = getrandom::u64().map_err(|error| StoreError::Unavailable(error.to_string()))?;
    // Lua's numbers are exact up to 2^53; the script only compares epochs as text, tools may not
    Ok((random >> 12) | 1)
}

pub(super) async fn call(connection: &mut ConnectionManager, command: &Cmd, timeout_ms: u64) -> Result<Value, Failure> {
    let answer = tokio::time::timeout(
        Duration::from_millis(timeout_ms),
        connection.send_packed_command(command),
    );
    match answer.await {
        Ok(Ok(Value::ServerError(error))) => Err(Failure::from(RedisError::from(error))),
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure {
            reason: format!("no answer from Redis within {timeout_ms} ms"),
            refused: false,
            script_missing: false,
        }),
    }
}

pub(super) async fn connect(client: &Client) -> Result<ConnectionManager, StoreError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(Some(Duration::from_secs(2)))
        .set_number_of_retries(3)
        .set_max_delay(Duration::from_millis(500));
    tokio::time::timeout(
        Duration::from_secs(10),
        ConnectionManager::new_with_config(client.clone(), config),
    )
    .await
    .map_err(|_| StoreError::Unavailable("no connection to Redis within 10 s".into()))?
    .map_err(|error| StoreError::Unavailable(error.to_string()))
}
