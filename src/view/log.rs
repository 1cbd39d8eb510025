//! Entries in this node's order, for those who follow it.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::read::{bytes, number, parsed, signed};
use super::tickets::Whereabouts;
use super::{Entry, View};
use crate::domain::{ChatResponder, Event, EventBody};
use crate::sqlite::ReadError;
use crate::store::{Heads, Record};

/// The most entries that are passed in one look.
const LOOK_MAX: u32 = 2_048;

/// The entries after an ordinal. The text of another workspace's is not read from the file.
const ENTRIES: &str = "SELECT ordinal, partition, position, CASE WHEN ?4 IS NULL OR workspace = ?4 THEN body END
     FROM event WHERE ordinal > ?1 AND ordinal <= ?2 ORDER BY ordinal LIMIT ?3";

/// What of a chat's later events may say that its responder changed.
const LATER_RESPONDERS: &str = "SELECT body FROM event
     WHERE aggregate = ?1 AND seq > ?2 AND instr(body, '\"chat.responder_changed\"') > 0 ORDER BY seq";

/// Which entries.
#[derive(Clone, Copy, Debug)]
pub struct LogQuestion {
    /// Whose; everybody's where it is none.
    pub workspace_id: Option<Uuid>,
    /// From the ordinal after this one.
    pub after: u64,
    /// To this one.
    pub until: u64,
    /// The most of whose they are.
    pub limit: usize,
    /// A chat's responder is the one that it had then, and not the one that it has now.
    pub dates_responders: bool,
}

/// What a look at the entries comes by.
#[derive(Debug)]
pub enum Passed {
    /// One that was asked for.
    Entry(Entry),
    /// Another workspace's.
    Other {
        /// Its ordinal.
        ordinal: u64,
        /// Its log.
        partition: u16,
        /// Its place there.
        position: u64,
    },
}

impl Passed {
    fn entry_mut(&mut self) -> Option<&mut Entry> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Other { .. } => None,
        }
    }
}

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

/// Where a chat is, and its last event.
fn whereabouts(connection: &Connection, chat_id: Uuid) -> rusqlite::Result<Option<(Whereabouts, u64)>> {
    connection
        .prepare_cached("SELECT channel, responder_id, seq FROM chat WHERE id = ?1")?
        .query_row([chat_id.as_bytes()], |row| {
            Ok((located(row, chat_id)?, number(row, 2)?))
        })
        .optional()
}

fn id_of(responder: Option<&ChatResponder>) -> Option<Uuid> {
    responder.map(|responder| responder.id)
}

/// Where a chat is, with who answered it right after an event.
fn dated(connection: &Connection, event: &Event) -> Result<Option<Whereabouts>, ReadError> {
    let Some((mut at, last)) = whereabouts(connection, event.aggregate_id)? else {
        return Ok(None);
    };
    if last > event.seq {
        let mut statement = connection.prepare_cached(LATER_RESPONDERS)?;
        let mut rows = statement.query(params![event.aggregate_id.as_bytes(), signed(event.seq)])?;
        while let Some(row) = rows.next()? {
            // a message may have the same words
            if let EventBody::ChatResponderChanged { from, .. } = parsed::<Event>(row, 0)?.body {
                at.responder_id = id_of(from.as_ref());
                break;
            }
        }
    }
    Ok(Some(at))
}

/// Looks up where the chats of entries are, or were right after each.
fn locate<'a>(
    connection: &Connection,
    entries: impl DoubleEndedIterator<Item = &'a mut Entry>,
    dates_responders: bool,
) -> Result<(), ReadError> {
    let mut known: HashMap<Uuid, Option<Whereabouts>> = HashMap::new();
    for entry in entries.rev() {
        let event = &*entry.record.event;
        let Some(chat_id) = event.chat_id() else {
            continue;
        };
        let found = match known.get(&chat_id) {
            Some(found) => *found,
            None if dates_responders => dated(connection, event)?,
            None => whereabouts(connection, chat_id)?.map(|(at, _)| at),
        };
        entry.whereabouts = found;
        let mut before = found;
        if let EventBody::ChatResponderChanged { from, .. } = &event.body
            && let Some(at) = &mut before
            && dates_responders
        {
            at.responder_id = id_of(from.as_ref());
        }
        known.insert(chat_id, before);
    }
    Ok(())
}

/// Gives entries that say who answers their chats after the last of them who answered right after each.
pub(super) fn date_responders(entries: &mut [Entry]) {
    let mut known: HashMap<Uuid, Option<Uuid>> = HashMap::new();
    for entry in entries.iter_mut().rev() {
        let event = &*entry.record.event;
        if let (Some(at), Some(responder_id)) = (&mut entry.whereabouts, known.get(&event.aggregate_id)) {
            at.responder_id = *responder_id;
        }
        if let EventBody::ChatResponderChanged { from, .. } = &event.body {
            known.insert(event.aggregate_id, id_of(from.as_ref()));
        }
    }
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

fn pass(connection: &Connection, question: &LogQuestion) -> Result<Vec<Passed>, ReadError> {
    let mut statement = connection.prepare_cached(ENTRIES)?;
    let workspace = question.workspace_id.as_ref().map(Uuid::as_bytes);
    let mut rows = statement.query(params![
        signed(question.after),
        signed(question.until),
        LOOK_MAX,
        workspace
    ])?;
    let mut passed = Vec::new();
    let mut wanted = question.limit;
    while wanted > 0
        && let Some(row) = rows.next()?
    {
        passed.push(if row.get_ref(3)? == ValueRef::Null {
            Passed::Other {
                ordinal: number(row, 0)?,
                partition: row.get(1)?,
                position: number(row, 2)?,
            }
        } else {
            wanted = wanted.saturating_sub(1);
            Passed::Entry(entry(row)?)
        });
    }
    Ok(passed)
}

impl View {
    /// Entries in this node's order, and what lies between them: so many, and so much, as one look may take.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn entries(&self, question: LogQuestion) -> Result<Vec<Passed>, ReadError> {
        self.ask_live(move |connection| {
            let mut passed = pass(connection, &question)?;
            let entries = passed.iter_mut().filter_map(Passed::entry_mut);
            locate(connection, entries, question.dates_responders)?;
            Ok(passed)
        })
        .await
    }

    /// Records that the store's transaction has taken into this view already, as entries.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn locate(&self, records: Vec<Record>) -> Result<Vec<Entry>, ReadError> {
        self.ask_for_intake(move |connection| {
            let entries = records.into_iter().map(|record| Entry {
                ordinal: record.position,
                record,
                whereabouts: None,
            });
            let mut entries: Vec<Entry> = entries.collect();
            locate(connection, entries.iter_mut(), true)?;
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
