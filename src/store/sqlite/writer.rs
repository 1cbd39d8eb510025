//! The writer thread: takes all commits that wait, checks each, and makes them durable in one transaction.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::{Memo, Projection, Waiting, signed};
use crate::domain::Event;
use crate::store::{Commit, Heads, KeyHit, Outcome, Snapshot};

/// The most commits of one transaction.
const GROUP_MAX: usize = 512;

pub(super) fn run(
    connection: &mut Connection,
    mut inbox: mpsc::Receiver<Waiting>,
    heads: &watch::Sender<Heads>,
    mut projection: Projection,
) {
    let mut waiting = Vec::with_capacity(GROUP_MAX);
    while inbox.blocking_recv_many(&mut waiting, GROUP_MAX) > 0 {
        write_group(connection, &mut waiting, heads, &mut projection);
    }
    if let Err(error) = connection.pragma_update(None, "wal_checkpoint", "TRUNCATE") {
        tracing::debug!(%error, "the last checkpoint was left to the next start");
    }
}

fn renew_epoch(connection: &Connection, heads: &watch::Sender<Heads>) {
    let epoch = super::random_epoch().unwrap_or_else(|_| heads.borrow().epoch.saturating_add(1));
    match connection.execute("UPDATE meta SET value = ?1 WHERE name = 'epoch'", [signed(epoch)]) {
        Ok(_) => heads.send_modify(|heads| heads.epoch = epoch),
        Err(error) => tracing::error!(%error, "cannot begin a new epoch"),
    }
}

fn write_group(
    connection: &mut Connection,
    waiting: &mut Vec<Waiting>,
    heads: &watch::Sender<Heads>,
    projection: &mut Projection,
) {
    let head = heads.borrow().positions.first().copied().unwrap_or(0);
    match try_group(connection, waiting, head, projection) {
        Ok(group) => {
            heads.send_modify(|heads| heads.positions = vec![group.head]);
            if group.outcomes.contains(&Outcome::Regressed) {
                renew_epoch(connection, heads);
            }
            let (mut outcomes, mut memos) = (group.outcomes.into_iter(), group.memos.into_iter());
            for waiting in waiting.drain(..) {
                match waiting {
                    Waiting::Commit(_, reply) => drop(outcomes.next().map(|outcome| reply.send(outcome))),
                    Waiting::Memo(_, reply) => drop(memos.next().map(|written| reply.send(written))),
                }
            }
        }
        Err(Failure { error, in_doubt }) => {
            tracing::error!(%error, store.in_doubt = in_doubt, "a group of commits failed");
            for waiting in waiting.drain(..) {
                // who wrote a memo learns of it by its silence
                let Waiting::Commit(_, reply) = waiting else { continue };
                let reason = error.to_string();
                let _ = reply.send(if in_doubt {
                    Outcome::Uncertain { reason }
                } else {
                    Outcome::Aborted { reason }
                });
            }
        }
    }
}

struct Failure {
    error: rusqlite::Error,
    /// The transaction's end failed: it may be durable all the same.
    in_doubt: bool,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self { error, in_doubt: false }
    }
}

/// What became of a group, each in the order in which it waited.
struct Group {
    outcomes: Vec<Outcome>,
    /// Whether they were written.
    memos: Vec<bool>,
    head: u64,
}

fn try_group(
    connection: &mut Connection,
    waiting: &[Waiting],
    head: u64,
    projection: &mut Projection,
) -> Result<Group, Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut group = Group {
        outcomes: Vec::with_capacity(waiting.len()),
        memos: Vec::new(),
        head,
    };
    let mut written: Vec<&Event> = Vec::new();
    for waiting in waiting {
        let commit = match waiting {
            Waiting::Commit(commit, _) => commit,
            Waiting::Memo(memo, _) => {
                group.memos.push(write_memo(&transaction, memo)?);
                continue;
            }
        };
        if let Some(refusal) = check(&transaction, commit)? {
            group.outcomes.push(refusal);
            continue;
        }
        let position = group.head.saturating_add(1);
        write(&transaction, commit, position)?;
        let events = u64::try_from(commit.events.len()).unwrap_or(u64::MAX);
        group.head = group.head.saturating_add(events);
        written.extend(&commit.events);
        group.outcomes.push(Outcome::Committed { position });
    }
    if written.is_empty() && !group.memos.contains(&true) {
        // nothing was written, so there is nothing to make durable
        transaction.rollback()?;
        return Ok(group);
    }
    if !written.is_empty() {
        projection(&transaction, &written)?;
    }
    transaction
        .commit()
        .map_err(|error| Failure { error, in_doubt: true })?;
    Ok(group)
}

/// Whether it was the first to write this version.
fn write_memo(connection: &Connection, memo: &Memo) -> rusqlite::Result<bool> {
    let mut write = connection.prepare_cached(if memo.version == 0 {
        "INSERT INTO memo (id, version, text) VALUES (?1, ?2 + 1, ?3) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE memo SET version = ?2 + 1, text = ?3 WHERE id = ?1 AND version = ?2"
    })?;
    let written = write.execute(params![memo.id.as_bytes(), signed(memo.version), memo.text])?;
    Ok(written > 0)
}

fn versioned(row: &Row<'_>) -> rusqlite::Result<Snapshot> {
    Ok(Snapshot {
        version: row.get::<_, i64>(0)?.unsigned_abs(),
        json: row.get(1)?,
    })
}

pub(super) fn memo(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Snapshot>> {
    let mut read = connection.prepare_cached("SELECT version, text FROM memo WHERE id = ?1")?;
    read.query_row([id.as_bytes()], versioned).optional()
}

fn check(connection: &Connection, commit: &Commit) -> rusqlite::Result<Option<Outcome>> {
    let version: Option<i64> = connection
        .prepare_cached("SELECT version FROM aggregate WHERE id = ?1")?
        .query_row([commit.aggregate_id.as_bytes()], |row| row.get(0))
        .optional()?;
    let version = version.map_or(0, i64::unsigned_abs);
    if version < commit.expected_version {
        return Ok(Some(Outcome::Regressed));
    }
    if version > commit.expected_version {
        return Ok(Some(Outcome::Conflict {
            fresh: snapshot(connection, commit.aggregate_id)?,
        }));
    }
    let mut hits = Vec::new();
    for key in &commit.keys {
        hits.extend(find_key(connection, commit.aggregate_id, &key.key)?);
    }
    Ok((!hits.is_empty()).then_some(Outcome::Duplicate { hits }))
}

pub(super) fn snapshot(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Snapshot>> {
    let mut read = connection.prepare_cached("SELECT version, snapshot FROM aggregate WHERE id = ?1")?;
    read.query_row([id.as_bytes()], versioned).optional()
}

pub(super) fn find_key(connection: &Connection, id: Uuid, key: &str) -> rusqlite::Result<Option<KeyHit>> {
    connection
        .prepare_cached("SELECT position, receipt FROM seen WHERE aggregate = ?1 AND key = ?2")?
        .query_row(params![id.as_bytes(), key], |row| {
            Ok(KeyHit {
                key: key.to_owned(),
                position: row.get::<_, i64>(0)?.unsigned_abs(),
                receipt: row.get(1)?,
            })
        })
        .optional()
}

fn write(connection: &Connection, commit: &Commit, position: u64) -> rusqlite::Result<()> {
    let id = commit.aggregate_id.as_bytes();
    let mut insert = connection.prepare_cached(
        "INSERT INTO log (position, aggregate, seq, workspace, type, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut at = position;
    for (event, body) in commit.events.iter().zip(&commit.bodies) {
        insert.execute(params![
            signed(at),
            id,
            signed(event.seq),
            event.workspace_id.as_bytes(),
            event.body.name(),
            body
        ])?;
        at = at.saturating_add(1);
    }
    connection
        .prepare_cached(
            "INSERT INTO aggregate (id, version, last_position, snapshot, due) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET version = ?2, last_position = ?3, snapshot = ?4, due = ?5",
        )?
        .execute(params![
            id,
            signed(commit.expected_version.saturating_add(1)),
            signed(at.saturating_sub(1)),
            commit.snapshot,
            commit.due.map(signed)
        ])?;
    let mut remember =
        connection.prepare_cached("INSERT INTO seen (aggregate, key, position, receipt) VALUES (?1, ?2, ?3, ?4)")?;
    for key in &commit.keys {
        remember.execute(params![
            id,
            key.key,
            signed(position.saturating_add(key.offset)),
            key.receipt
        ])?;
    }
    Ok(())
}
