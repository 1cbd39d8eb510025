//! What the full-text search finds: one document for each message, each ticket with a subject or summary, and each owner.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::signed;
use crate::domain::{Event, Ticket};

/// Whose words a document holds.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// The owner's name and identifier.
    Chat,
    /// A ticket's subject and summary.
    Ticket(u32),
    /// A message's text.
    Message(u64),
}

/// Adds a document; its id is higher than all before.
pub(super) fn add(connection: &Connection, event: &Event, of: Of, text: &str) -> rusqlite::Result<i64> {
    let (ticket, seq) = match of {
        Of::Chat => (None, None),
        Of::Ticket(number) => (Some(number), None),
        Of::Message(seq) => (None, Some(signed(seq))),
    };
    let doc = connection
        .prepare_cached("INSERT INTO doc (chat, ticket, seq) VALUES (?1, ?2, ?3)")?
        .insert(params![event.aggregate_id.as_bytes(), ticket, seq])?;
    connection
        .prepare_cached("INSERT INTO words (rowid, workspace, body) VALUES (?1, ?2, ?3)")?
        .execute(params![doc, workspace_word(event.workspace_id), text])?;
    Ok(doc)
}

/// The word that every document of a workspace has, and no other.
pub(in crate::view) fn workspace_word(workspace: Uuid) -> String {
    workspace.simple().to_string()
}

fn remove(connection: &Connection, doc: Option<i64>) -> rusqlite::Result<()> {
    for sql in ["DELETE FROM words WHERE rowid = ?1", "DELETE FROM doc WHERE id = ?1"] {
        connection.prepare_cached(sql)?.execute([doc])?;
    }
    Ok(())
}

/// The owner has another name.
pub(super) fn rename(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let chat = event.aggregate_id.as_bytes();
    let row: Option<(i64, Option<String>, String)> = connection
        .prepare_cached("SELECT doc, name, external_id FROM chat WHERE id = ?1")?
        .query_row([chat], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((doc, name, external_id)) = row else {
        return Ok(());
    };
    remove(connection, Some(doc))?;
    let doc = add(connection, event, Of::Chat, &owner(name.as_deref(), &external_id))?;
    connection
        .prepare_cached("UPDATE chat SET doc = ?2 WHERE id = ?1")?
        .execute(params![chat, doc])
        .map(drop)
}

/// What is found of an owner.
pub(super) fn owner(name: Option<&str>, external_id: &str) -> String {
    format!("{} {external_id}", name.unwrap_or_default())
}

/// A ticket's subject or summary changed.
pub(super) fn retitle(connection: &Connection, event: &Event, ticket: &Ticket) -> rusqlite::Result<()> {
    let doc: Option<Option<i64>> = connection
        .prepare_cached("SELECT doc FROM ticket WHERE id = ?1")?
        .query_row([ticket.id.as_bytes()], |row| row.get(0))
        .optional()?;
    if let Some(doc) = doc.flatten() {
        remove(connection, Some(doc))?;
    }
    let text = format!("{} {}", ticket.subject.as_deref().unwrap_or_default(), ticket.summary);
    let doc = if text.trim().is_empty() {
        None
    } else {
        Some(add(connection, event, Of::Ticket(ticket.number), &text)?)
    };
    connection
        .prepare_cached("UPDATE ticket SET doc = ?2 WHERE id = ?1")?
        .execute(params![ticket.id.as_bytes(), doc])
        .map(drop)
}

/// A message says something else, or nothing any more.
pub(super) fn rewrite(connection: &Connection, event: &Event, seq: u64, text: Option<&str>) -> rusqlite::Result<()> {
    let chat = event.aggregate_id.as_bytes();
    let doc: Option<Option<i64>> = connection
        .prepare_cached("SELECT doc FROM message WHERE chat = ?1 AND seq = ?2")?
        .query_row(params![chat, signed(seq)], |row| row.get(0))
        .optional()?;
    let Some(doc) = doc else { return Ok(()) };
    remove(connection, doc)?;
    let doc = match text.filter(|text| !text.is_empty()) {
        Some(text) => Some(add(connection, event, Of::Message(seq), text)?),
        None => None,
    };
    connection
        .prepare_cached("UPDATE message SET doc = ?3 WHERE chat = ?1 AND seq = ?2")?
        .execute(params![chat, signed(seq), doc])
        .map(drop)
}
