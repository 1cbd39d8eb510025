//! Looking at tickets one by one.

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::{TicketFilter, Whereabouts};
use crate::domain::Reason;
use crate::sqlite::ReadError;
use crate::view::condition::{Where, blob, blobs, texts};
use crate::view::read::{CHAT, TicketRow, bytes, chat, parsed};

/// A ticket with what a filter needs of its chat.
#[derive(Clone, Debug)]
pub(in crate::view) struct Candidate {
    pub(in crate::view) row: TicketRow,
    pub(in crate::view) channel_id: Uuid,
    pub(in crate::view) responder_id: Option<Uuid>,
    pub(in crate::view) removed: bool,
}

pub(in crate::view) const CANDIDATE: &str = "SELECT chat, body, channel, responder, removed FROM ticket";

pub(in crate::view) fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
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
    pub(super) fn is_shown(&self, connection: &Connection, candidate: &Candidate) -> Result<bool, ReadError> {
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

    /// Of one ticket, what columns say of it, so that most of what is not wanted is never parsed.
    fn columns(&self, workspace: Uuid) -> Where {
        Where::new(
            "id = ? AND workspace = ?",
            vec![Value::Null, blob(workspace.as_bytes())],
        )
        .any("channel", blobs(&self.channel_ids))
        .any("assignee", blobs(&self.assignee_ids))
        .any("team", blobs(&self.team_ids))
        .any("responder", blobs(&self.responder_ids))
        .any("status", texts(self.statuses.iter().map(|status| status.name())))
        .any("reason", texts(self.reasons.iter().map(|reason| reason.name())))
        .any(
            "priority",
            texts(self.priorities.iter().map(|priority| priority.name())),
        )
    }
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
        let columns = filter.columns(workspace);
        let mut read = connection.prepare_cached(&format!("{CANDIDATE} WHERE {}", columns.sql))?;
        for (index, value) in (1..).zip(columns.values) {
            read.raw_bind_parameter(index, value)?;
        }
        Ok(Self {
            connection,
            filter,
            read,
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
}
