//! Looking at tickets one by one.

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension};
use uuid::Uuid;

use super::{TicketFilter, TicketOrder};
use crate::domain::Reason;
use crate::sqlite::ReadError;
use crate::view::condition::{Where, blob, blobs, texts};
use crate::view::page::TicketKey;
use crate::view::read::{CHAT, TicketRow, bytes, chat, number, signed, ticket};

impl TicketFilter {
    fn has_tag(&self, mut tags: impl Iterator<Item = Uuid>) -> bool {
        self.tag_ids.is_empty() || tags.any(|tag| self.tag_ids.contains(&tag))
    }

    /// Whether the chat has a wanted version of a responder.
    fn has_version(&self, connection: &Connection, chat_id: Uuid) -> Result<bool, ReadError> {
        if self.responder_version_ids.is_empty() {
            return Ok(true);
        }
        let found = connection
            .prepare_cached(&format!("{CHAT} WHERE id = ?1"))?
            .query_row([chat_id.as_bytes()], chat)
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
            read: prepared(
                connection,
                (workspace, filter),
                "SELECT chat, body FROM ticket",
                ("id = ?", 1),
            )?,
        })
    }

    /// The ticket, if it is shown.
    pub(super) fn at(&mut self, id: &[u8; 16]) -> Result<Option<TicketRow>, ReadError> {
        self.read.raw_bind_parameter(1, id)?;
        let mut rows = self.read.raw_query();
        let Some(found) = rows.next()?.map(ticket).transpose()? else {
            return Ok(None);
        };
        let is_shown = self.filter.has_tag(found.ticket.tags.iter().copied())
            && self.filter.has_version(self.connection, found.chat_id)?;
        Ok(is_shown.then_some(found))
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
    connection: &'a Connection,
    filter: &'a TicketFilter,
    read: CachedStatement<'a>,
}

impl<'a> Find<'a> {
    /// Those that `by` names: a condition, and how many values it has.
    pub(super) fn new(
        connection: &'a Connection,
        (workspace, filter, order): (Uuid, &'a TicketFilter, TicketOrder),
        by: (&str, usize),
    ) -> Result<Self, ReadError> {
        let select = format!("SELECT {}, id, tags, chat FROM ticket", order.key_in_sql());
        Ok(Self {
            connection,
            filter,
            read: prepared(connection, (workspace, filter), &select, by)?,
        })
    }

    /// Adds the ones that these values name.
    pub(super) fn find(&mut self, values: &[Value], found: &mut Vec<TicketKey>) -> Result<(), ReadError> {
        for (index, value) in (1..).zip(values) {
            self.read.raw_bind_parameter(index, value)?;
        }
        let mut rows = self.read.raw_query();
        while let Some(row) = rows.next()? {
            let tags: Vec<u8> = row.get(2)?;
            let (tags, _) = tags.as_chunks::<16>();
            if self.filter.has_tag(tags.iter().copied().map(Uuid::from_bytes))
                && self.filter.has_version(self.connection, bytes(row, 3)?)?
            {
                found.push(TicketKey {
                    at: number(row, 0)?,
                    id: bytes(row, 1)?,
                });
            }
        }
        Ok(())
    }
}
