//! Entries in this node's order, for those who follow it.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::read::{all, bytes, number, parsed, signed};
use super::tickets::Whereabouts;
use super::{Entry, View};
use crate::sqlite::ReadError;
use crate::store::{Heads, Record};

pub(super) fn last_ordinal(connection: &Connection) -> Result<u64, ReadError> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT ordinal FROM event ORDER BY ordinal DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(last.map_or(0, i64::unsigned_abs))
}

/// From a row that begins with the channel and the responder.
pub(super) fn located(row: &Row<'_>, chat_id: Uuid) -> rusqlite::Result<Whereabouts> {
    let responder: Option<[u8; 16]> = row.get(1)?;
    Ok(Whereabouts {
        chat_id,
        channel_id: bytes(row, 0)?,
        responder_id: responder.map(Uuid::from_bytes),
    })
}

/// Where a chat is.
fn whereabouts(connection: &Connection, chat_id: Uuid) -> rusqlite::Result<Option<Whereabouts>> {
    connection
        .prepare_cached("SELECT channel, responder_id FROM chat WHERE id = ?1")?
        .query_row([chat_id.as_bytes()], |row| located(row, chat_id))
        .optional()
}

/// Looks up where the chats of entries are.
pub(super) fn locate(connection: &Connection, entries: &mut [Entry]) -> Result<(), ReadError> {
    let mut known: HashMap<Uuid, Option<Whereabouts>> = HashMap::new();
    for entry in entries {
        let Some(chat_id) = entry.record.event.chat_id() else {
            continue;
        };
        entry.whereabouts = if let Some(found) = known.get(&chat_id) {
            *found
        } else {
            let found = whereabouts(connection, chat_id)?;
            known.insert(chat_id, found);
            found
        };
    }
    Ok(())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let json: String = row.get(3)?;
    Ok(Entry {
        whereabouts: None,
        ordinal: number(row, 0)?,
        record: Record {
            partition: row.get(1)?,
            position: number(row, 2)?,
            event: Arc::new(parsed(row, 3)?),
            json: json.into(),
        },
    })
}

impl View {
    /// Up to `limit` entries after an ordinal, over all workspaces, in this node's order.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn entries(&self, after: u64, limit: usize) -> Result<Vec<Entry>, ReadError> {
        self.ask_live(move |connection| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut entries = all(
                connection,
                "SELECT ordinal, partition, position, body FROM event WHERE ordinal > ?1 ORDER BY ordinal LIMIT ?2",
                params![signed(after), limit],
                entry,
            )?;
            locate(connection, &mut entries)?;
            Ok(entries)
        })
        .await
    }

    /// Records that the store's transaction has taken into this view already, as entries.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn locate(&self, records: Vec<Record>) -> Result<Vec<Entry>, ReadError> {
        self.ask_live(move |connection| {
            let entries = records.into_iter().map(|record| Entry {
                ordinal: record.position,
                record,
                whereabouts: None,
            });
            let mut entries: Vec<Entry> = entries.collect();
            locate(connection, &mut entries)?;
            Ok(entries)
        })
        .await
    }

    /// The last ordinal before the first record past `positions`.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn ordinal_before(&self, positions: Vec<u64>) -> Result<Option<u64>, ReadError> {
        self.ask_live(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT ordinal FROM event WHERE partition = ?1 AND position > ?2 ORDER BY position LIMIT 1",
            )?;
            let mut first: Option<u64> = None;
            for (partition, position) in (0_u16..).zip(positions) {
                let found = statement
                    .query_row(params![partition, signed(position)], |row| number(row, 0))
                    .optional()?;
                first = [first, found].into_iter().flatten().min();
            }
            Ok(first.map(|ordinal| ordinal.saturating_sub(1)))
        })
        .await
    }

    /// How far each log had come on this node when it took in the record at `position` of `partition`.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn heads_at(&self, partition: u16, position: u64, now: Heads) -> Result<Option<Heads>, ReadError> {
        self.ask_live(move |connection| {
            let ordinal: Option<i64> = connection
                .prepare_cached("SELECT ordinal FROM event WHERE partition = ?1 AND position = ?2")?
                .query_row(params![partition, signed(position)], |row| row.get(0))
                .optional()?;
            let Some(ordinal) = ordinal else {
                return Ok(None);
            };
            let mut statement = connection.prepare_cached(
                "SELECT position FROM event WHERE partition = ?1 AND position <= ?2 AND ordinal <= ?3
                 ORDER BY position DESC LIMIT 1",
            )?;
            let mut heads = now;
            for (number_of, head) in (0_u16..).zip(heads.positions.iter_mut()) {
                *head = statement
                    .query_row(params![number_of, signed(*head), ordinal], |row| number(row, 0))
                    .optional()?
                    .unwrap_or(0);
            }
            Ok(Some(heads))
        })
        .await
    }
}
