//! One task a partition: takes all commits that wait, sends them as one script call, hands out the answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redis::Value;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::connection::Shared;
use super::keys::PartitionKeys;
use super::reply;
use crate::store::{Commit, Outcome, StoreError};

/// The most commits of one script call.
const BATCH_COMMITS_MAX: usize = 32;
/// The most bytes of one script call, about.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// A commit and who waits for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) commit: Arc<Commit>,
    pub(super) reply: oneshot::Sender<Outcome>,
}

pub(super) async fn run(shared: Arc<Shared>, partition: u16, mut inbox: mpsc::Receiver<Waiting>) {
    let keys = PartitionKeys::new(&shared.namespace, partition);
    let mut held: Option<Waiting> = None;
    loop {
        let first = match held.take() {
            Some(waiting) => waiting,
            None => match inbox.recv().await {
                Some(waiting) => waiting,
                None => return,
            },
        };
        let mut ids = HashSet::from([first.commit.aggregate_id]);
        let mut bytes = size(&first.commit);
        let mut batch = vec![first];
        while batch.len() < BATCH_COMMITS_MAX && bytes < BATCH_BYTES_MAX {
            let Ok(next) = inbox.try_recv() else { break };
            if !ids.insert(next.commit.aggregate_id) {
                // two commits of one aggregate never share a call: the second must see the first
                held = Some(next);
                break;
            }
            bytes = bytes.saturating_add(size(&next.commit));
            batch.push(next);
        }
        send(&shared, &keys, partition, batch).await;
    }
}

fn size(commit: &Commit) -> usize {
    commit
        .bodies
        .iter()
        .map(String::len)
        .fold(commit.snapshot.len(), usize::saturating_add)
}

async fn send(shared: &Shared, keys: &PartitionKeys, partition: u16, batch: Vec<Waiting>) {
    let epoch = known_epoch(shared, partition);
    let commits: Vec<&Commit> = batch.iter().map(|waiting| &*waiting.commit).collect();
    let command = command(shared, keys, epoch, &commits);
    let outcomes = match shared.script_call(command).await {
        Ok(value) if is_other_epoch(&value) => {
            note(partition, shared.refresh_epoch(partition).await);
            vec![Outcome::Regressed; batch.len()]
        }
        Ok(value) => parse(&value, batch.len()),
        Err(failure) => vec![failure.outcome(); batch.len()],
    };
    if outcomes.contains(&Outcome::Regressed) && known_epoch(shared, partition) == epoch {
        tracing::error!(
            store.partition = partition,
            "the store lost acknowledged commits: a new epoch begins"
        );
        note(partition, shared.renew_epoch(partition).await);
    }
    for (waiting, outcome) in batch.into_iter().zip(outcomes) {
        // who no longer waits has ended; the store stays as it is
        let _ = waiting.reply.send(outcome);
    }
}

fn known_epoch(shared: &Shared, partition: u16) -> u64 {
    shared
        .epochs
        .get(usize::from(partition))
        .map_or(0, |epoch| epoch.load(Ordering::Acquire))
}

fn note(partition: u16, done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, store.partition = partition, "cannot set the epoch");
    }
}

fn is_other_epoch(value: &Value) -> bool {
    matches!(value, Value::Array(answer) if reply::text(answer.first()) == Some("E"))
}

/// The script's call without its name: keys and arguments as `commit.lua` describes them.
fn command(shared: &Shared, keys: &PartitionKeys, epoch: u64, commits: &[&Commit]) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    let key_count = commits.len().saturating_mul(3).saturating_add(5);
    command.arg("EVALSHA").arg(shared.script_sha.as_str());
    command.arg(key_count);
    command.arg(&keys.epoch).arg(&keys.head).arg(&keys.log);
    command.arg(&keys.index).arg(&keys.timers);
    for commit in commits {
        let id: Uuid = commit.aggregate_id;
        command.arg(keys.aggregate(id)).arg(keys.history(id)).arg(keys.seen(id));
    }
    command.arg(epoch).arg(shared.log_retention_records);
    command.arg(commits.len());
    for commit in commits {
        push(&mut command, commit);
    }
    command
}

fn push(command: &mut redis::Cmd, commit: &Commit) {
    let mut id = [0_u8; 32];
    let id: &str = commit.aggregate_id.simple().encode_lower(&mut id);
    command.arg(id).arg(commit.expected_version);
    command.arg(commit.snapshot.as_str());
    command.arg(commit.due.map_or_else(String::new, |due| due.to_string()));
    command.arg(commit.keys.len());
    for key in &commit.keys {
        command.arg(key.key.as_str()).arg(key.receipt.as_str());
        command.arg(key.offset);
    }
    command.arg(commit.events.len());
    for (event, body) in commit.events.iter().zip(&commit.bodies) {
        command.arg(event.seq).arg(body.as_str());
    }
}

fn parse(value: &Value, expected: usize) -> Vec<Outcome> {
    let Value::Array(answers) = value else {
        return vec![unreadable(); expected];
    };
    let mut outcomes: Vec<Outcome> = answers.iter().map(outcome).collect();
    outcomes.resize(expected, unreadable());
    outcomes
}

fn unreadable() -> Outcome {
    Outcome::Uncertain {
        reason: "the script's answer does not read".into(),
    }
}

fn outcome(answer: &Value) -> Outcome {
    let Value::Array(parts) = answer else {
        return unreadable();
    };
    let rest = parts.get(1..).unwrap_or_default();
    match reply::text(parts.first()) {
        Some("C") => reply::number(rest.first()).map_or_else(unreadable, |position| Outcome::Committed { position }),
        Some("D") => {
            let hits = rest
                .as_chunks::<2>()
                .0
                .iter()
                .filter_map(|[key, value]| reply::key_hit(reply::text(Some(key))?, value))
                .collect();
            Outcome::Duplicate { hits }
        }
        Some("V") => Outcome::Conflict {
            fresh: reply::snapshot(rest.first(), rest.get(1)),
        },
        Some("R") => Outcome::Regressed,
        _ => unreadable(),
    }
}
