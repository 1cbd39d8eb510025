//! Looking at tickets one by one.

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::{TicketFilter, Whereabouts};
use crate::domain::Reason;
use crate::sqlite::ReadError;
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

    /// What columns say of it, so that most of what is not wanted is never parsed.
    fn columns(&self) -> (String, Vec<Value>) {
        let ids = |ids: &[Uuid]| ids.iter().map(|id| Value::Blob(id.as_bytes().to_vec())).collect();
        let text = |name: &str| Value::Text(name.to_owned());
        let wanted: [(&str, Vec<Value>); 7] = [
            ("channel", ids(&self.channel_ids)),
            ("assignee", ids(&self.assignee_ids)),
            ("team", ids(&self.team_ids)),
            ("responder", ids(&self.responder_ids)),
            (
                "status",
                self.statuses.iter().map(|status| text(status.name())).collect(),
            ),
            (
                "reason",
                self.reasons.iter().map(|reason| text(reason.name())).collect(),
            ),
            (
                "priority",
                self.priorities.iter().map(|priority| text(priority.name())).collect(),
            ),
        ];
        let (mut sql, mut values) = (String::new(), Vec::new());
        for (column, wanted) in wanted.into_iter().filter(|(_, wanted)| !wanted.is_empty()) {
            let mut marks = "?,".repeat(wanted.len());
            marks.pop();
            for part in [" AND ", column, " IN (", &marks, ")"] {
                sql.push_str(part);
            }
            values.extend(wanted);
        }
        (sql, values)
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
        let (columns, values) = filter.columns();
        let sql = format!("{CANDIDATE} WHERE id = ? AND workspace = ?{columns}");
        let mut read = connection.prepare_cached(&sql)?;
        read.raw_bind_parameter(2, workspace.as_bytes())?;
        for (index, value) in (3..).zip(values) {
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
