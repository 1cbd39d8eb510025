//! Looking at tickets one by one.

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::{TicketFilter, TicketOrder, Whereabouts};
use crate::domain::Reason;
use crate::sqlite::ReadError;
use crate::view::condition::{Where, blob, blobs, texts};
use crate::view::page::TicketKey;
use crate::view::read::{CHAT, TicketRow, bytes, chat, number, parsed, signed};

/// A ticket with what a filter needs of its chat.
#[derive(Clone, Debug)]
struct Candidate {
    row: TicketRow,
    channel_id: Uuid,
    responder_id: Option<Uuid>,
    removed: bool,
}

const CANDIDATE: &str = "SELECT chat, body, channel, responder, removed FROM ticket";

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let responder: Option<[u8; 16]> = row.get(3)?;
    Ok(Candidate {
        row: TicketRow {
            chat_id: bytes(row, 0)?,
            ticket: parsed(row, 1)?,
        },
        channel_id: bytes(row, 2)?,
        responder_id: responder.map(Uuid::from_bytes),
        removed: row.get(4)?,
    })
}

impl TicketFilter {
    fn shows(&self, candidate: &Candidate) -> bool {
        let ticket = &candidate.row.ticket;
        let in_sight = self.include_removed
            || !candidate.removed && (ticket.reason != Reason::Deleted || !self.reasons.is_empty());
        let at = Whereabouts {
            chat_id: candidate.row.chat_id,
            channel_id: candidate.channel_id,
            responder_id: candidate.responder_id,
        };
        in_sight && self.matches(ticket, at)
    }

    /// The same, with what only the chat knows.
    fn is_shown(&self, connection: &Connection, candidate: &Candidate) -> Result<bool, ReadError> {
        let shows = self.shows(candidate);
        if !shows || self.responder_version_ids.is_empty() {
            return Ok(shows);
        }
        let found = connection
            .prepare_cached(&format!("{CHAT} WHERE id = ?1"))?
            .query_row([candidate.row.chat_id.as_bytes()], chat)
            .optional()?;
        let version_id = found.and_then(|chat| chat.responder?.version_id);
        Ok(version_id.is_some_and(|id| self.responder_version_ids.contains(&id)))
    }

    /// Of the tickets that `by` names, those that columns show: but for tags, and for the versions of responders, which only
    /// chats know.
    fn columns(&self, workspace: Uuid, (by, values): (&str, usize)) -> Where {
        let mut columns = Where::new(by, vec![Value::Null; values])
            .and("workspace = ?", blob(workspace.as_bytes()))
            .any("channel", blobs(&self.channel_ids))
            .any("chat", blobs(&self.chat_ids))
            .any("assignee", blobs(&self.assignee_ids))
            .any("team", blobs(&self.team_ids))
            .any("responder", blobs(&self.responder_ids))
            .any("status", texts(self.statuses.iter().map(|status| status.name())))
            .any("reason", texts(self.reasons.iter().map(|reason| reason.name())))
            .any(
                "priority",
                texts(self.priorities.iter().map(|priority| priority.name())),
            );
        if let Some(unassigned) = self.unassigned {
            columns = columns.and("(assignee IS NULL) = ?", unassigned.into());
        }
        if let Some(after) = self.created_after {
            columns = columns.and("created_at > ?", signed(after).into());
        }
        if let Some(before) = self.created_before {
            columns = columns.and("created_at < ?", signed(before).into());
        }
        if !self.include_removed {
            columns = columns.and("removed = ?", false.into());
            if self.reasons.is_empty() {
                columns = columns.and("reason <> ?", Value::Text(Reason::Deleted.name().to_owned()));
            }
        }
        columns
    }
}

/// A statement over the tickets that `by` names (a condition, and how many values it has), as far as columns show them.
fn prepared<'a>(
    connection: &'a Connection,
    (workspace, filter): (Uuid, &TicketFilter),
    select: &str,
    by: (&str, usize),
) -> Result<CachedStatement<'a>, ReadError> {
    let columns = filter.columns(workspace, by);
    let mut read = connection.prepare_cached(&format!("{select} WHERE {}", columns.sql))?;
    for (index, value) in (1..).zip(columns.values) {
        read.raw_bind_parameter(index, value)?;
    }
    Ok(read)
}

/// Reads tickets that a filter shows.
pub(super) struct Look<'a> {
    connection: &'a Connection,
    filter: &'a TicketFilter,
    read: CachedStatement<'a>,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        workspace: Uuid,
        filter: &'a TicketFilter,
    ) -> Result<Self, ReadError> {
        Ok(Self {
            connection,
            filter,
            read: prepared(connection, (workspace, filter), CANDIDATE, ("id = ?", 1))?,
        })
    }

    /// The ticket, if it is shown.
    pub(super) fn at(&mut self, id: &[u8; 16]) -> Result<Option<TicketRow>, ReadError> {
        self.read.raw_bind_parameter(1, id)?;
        let mut rows = self.read.raw_query();
        let found = rows.next()?.map(candidate).transpose()?;
        let Some(found) = found else { return Ok(None) };
        let is_shown = self.filter.is_shown(self.connection, &found)?;
        Ok(is_shown.then_some(found.row))
    }

    /// Those of these that are shown.
    pub(super) fn all(&mut self, keys: &[TicketKey]) -> Result<Vec<TicketRow>, ReadError> {
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            rows.extend(self.at(key.id.as_bytes())?);
        }
        Ok(rows)
    }
}

/// Finds tickets that a filter shows, with their places in an order, and parses none of them.
pub(super) struct Find<'a> {
    look: Look<'a>,
    read: CachedStatement<'a>,
}

impl<'a> Find<'a> {
    /// Those that `by` names: a condition, and how many values it has.
    pub(super) fn new(
        connection: &'a Connection,
        (workspace, filter, order): (Uuid, &'a TicketFilter, TicketOrder),
        by: (&str, usize),
    ) -> Result<Self, ReadError> {
        let select = format!("SELECT {}, id, tags FROM ticket", order.key_in_sql());
        Ok(Self {
            look: Look::new(connection, workspace, filter)?,
            read: prepared(connection, (workspace, filter), &select, by)?,
        })
    }

    /// Adds the ones that these values name.
    pub(super) fn find(&mut self, values: &[Value], found: &mut Vec<TicketKey>) -> Result<(), ReadError> {
        for (index, value) in (1..).zip(values) {
            self.read.raw_bind_parameter(index, value)?;
        }
        let filter = self.look.filter;
        let mut rows = self.read.raw_query();
        while let Some(row) = rows.next()? {
            let tags: Vec<u8> = row.get(2)?;
            let (tags, _) = tags.as_chunks::<16>();
            let has_tag = |wanted: &Uuid| tags.contains(wanted.as_bytes());
            if !filter.tag_ids.is_empty() && !filter.tag_ids.iter().any(has_tag) {
                continue;
            }
            let key = TicketKey {
                at: number(row, 0)?,
                id: bytes(row, 1)?,
            };
            if filter.responder_version_ids.is_empty() || self.look.at(key.id.as_bytes())?.is_some() {
                found.push(key);
            }
        }
        Ok(())
    }
}
