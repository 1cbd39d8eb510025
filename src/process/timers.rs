//! Tells chats that their time has come.
//!
//! A timer is part of the commit that sets it, and is gone with the commit that makes it needless; so a node that starts
//! after a crash finds what is due, and of two nodes that tell a chat only the first finds something to do.

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::{Processes, new_id, pause, rule};
use crate::domain::{ChatCommand, ChatCommandBody};
use crate::router::RouterError;
use crate::store::{StoreError, Timer};
use uuid::Uuid;

/// How often timers are looked for, and how far ahead, in milliseconds.
const TURN_MS: u64 = 200;
/// The most timers of one turn and partition.
const TIMERS_MAX: usize = 256;
/// The pause after a failure, in milliseconds.
const PAUSE_MS: u64 = 2_000;

pub(super) async fn run(processes: &Processes, stop: &CancellationToken) {
    loop {
        let wait = match turn(processes, stop).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(%error, "cannot look for timers; trying again");
                PAUSE_MS
            }
        };
        if !pause(stop, wait).await {
            return;
        }
    }
}

/// Does what is due until the next turn; how long to wait for that.
async fn turn(processes: &Processes, stop: &CancellationToken) -> Result<u64, StoreError> {
    let end = processes.clock.now().saturating_add(TURN_MS);
    let mut timers = Vec::new();
    let mut more = false;
    for partition in 0..processes.store.partitions() {
        let found = processes.store.timers(partition, end, TIMERS_MAX).await?;
        more |= found.len() >= TIMERS_MAX;
        timers.extend(found);
    }
    timers.sort_by_key(|timer| timer.due);
    let mut told = Vec::with_capacity(timers.len());
    for timer in timers {
        let early = timer.due.saturating_sub(processes.clock.now());
        if early > 0 && !pause(stop, early.min(TURN_MS)).await {
            break;
        }
        told.push(tell(processes, timer));
    }
    for answer in join_all(told).await {
        if let Err(error) = answer {
            tracing::warn!(%error, "a timer could not be told; it is told again");
        }
    }
    let left = end.saturating_sub(processes.clock.now());
    Ok(if more { 0 } else { left.clamp(1, TURN_MS) })
}

/// Puts the news into the chat's queue at once; the answer comes later.
fn tell(processes: &Processes, timer: Timer) -> impl Future<Output = Result<(), RouterError>> + use<> {
    let command = ChatCommand::new(new_id(), Uuid::nil(), rule("time"), ChatCommandBody::Elapse);
    let pending = processes.router.submit(timer.aggregate_id, Uuid::nil(), command);
    async move { pending?.answer().await.map(drop) }
}
