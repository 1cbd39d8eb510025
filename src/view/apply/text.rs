//! What the full-text search finds: one document for each message, each ticket with a subject or summary, and each owner's
//! name and identifier.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::signed;
use crate::domain::{Event, Ticket};
use crate::view::search::scope;

/// Whose words a document holds.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// The owner's identifier, which stays.
    Identifier,
    /// The owner's name.
    Name,
    /// A ticket's subject and summary.
    Ticket(u32),
    /// A message's text.
    Message(u64),
}

/// Writes documents.
pub(super) struct Docs<'a> {
    connection: &'a Connection,
    doc: CachedStatement<'a>,
    words: CachedStatement<'a>,
}

impl<'a> Docs<'a> {
    pub(super) fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            doc: connection.prepare_cached("INSERT INTO doc (chat, ticket, seq) VALUES (?1, ?2, ?3)")?,
            words: connection.prepare_cached("INSERT INTO words (rowid, scope, body) VALUES (?1, ?2, ?3)")?,
        })
    }

    /// Adds a document; its id is higher than all before.
    pub(super) fn add(&mut self, event: &Event, of: Of, text: &str) -> rusqlite::Result<i64> {
        let (ticket, seq) = match of {
            // no message has this number
            Of::Identifier => (None, Some(0)),
            Of::Name => (None, None),
            Of::Ticket(number) => (Some(number), None),
            Of::Message(seq) => (None, Some(signed(seq))),
        };
        let doc = self.doc.insert(params![event.aggregate_id.as_bytes(), ticket, seq])?;
        let scope = scope(event.workspace_id, event.aggregate_id);
        self.words.execute(params![doc, scope, text])?;
        Ok(doc)
    }

    fn remove(&self, doc: i64) -> rusqlite::Result<()> {
        for sql in ["DELETE FROM words WHERE rowid = ?1", "DELETE FROM doc WHERE id = ?1"] {
            self.connection.prepare_cached(sql)?.execute([doc])?;
        }
        Ok(())
    }

    /// Puts a document in the place of the one that a chat or ticket had.
    fn replace(&mut self, event: &Event, (of, number): (Of, Option<u32>), text: &str) -> rusqlite::Result<()> {
        let doc: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM doc WHERE chat = ?1 AND ticket IS ?2 AND seq IS NULL")?
            .query_row(params![event.aggregate_id.as_bytes(), number], |row| row.get(0))
            .optional()?;
        if let Some(doc) = doc {
            self.remove(doc)?;
        }
        if !text.trim().is_empty() {
            self.add(event, of, text)?;
        }
        Ok(())
    }

    /// The owner has this name.
    pub(super) fn rename(&mut self, event: &Event, name: Option<&str>) -> rusqlite::Result<()> {
        self.replace(event, (Of::Name, None), name.unwrap_or_default())
    }

    /// A ticket has this subject and summary.
    pub(super) fn retitle(&mut self, event: &Event, ticket: &Ticket) -> rusqlite::Result<()> {
        let text = format!("{} {}", ticket.subject.as_deref().unwrap_or_default(), ticket.summary);
        self.replace(event, (Of::Ticket(ticket.number), Some(ticket.number)), &text)
    }

    /// A message says something else, or nothing any more.
    pub(super) fn rewrite(&mut self, event: &Event, seq: u64, text: Option<&str>) -> rusqlite::Result<()> {
        let chat = event.aggregate_id.as_bytes();
        let doc: Option<Option<i64>> = self
            .connection
            .prepare_cached("SELECT doc FROM message WHERE chat = ?1 AND seq = ?2")?
            .query_row(params![chat, signed(seq)], |row| row.get(0))
            .optional()?;
        let Some(doc) = doc else { return Ok(()) };
        if let Some(doc) = doc {
            self.remove(doc)?;
        }
        let doc = match text.filter(|text| !text.is_empty()) {
            Some(text) => Some(self.add(event, Of::Message(seq), text)?),
            None => None,
        };
        self.connection
            .prepare_cached("UPDATE message SET doc = ?3 WHERE chat = ?1 AND seq = ?2")?
            .execute(params![chat, signed(seq), doc])
            .map(drop)
    }
}
