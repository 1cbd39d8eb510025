//! What was: events, messages, and words.

use rusqlite::{Connection, OptionalExtension, params};

use super::text::{self, Of};
use super::{json, signed};
use crate::domain::event::TicketField;
use crate::domain::{Actor, Event, EventBody, Message, Millis};
use crate::sqlite::ReadError;
use crate::store::Record;
use crate::view::Entry;
use crate::view::log::last_ordinal;

/// Applies the records that no earlier call applied, with the next ordinals.
pub(in crate::view) fn apply_new(connection: &Connection, records: &[Record]) -> Result<Vec<Entry>, ReadError> {
    let mut ordinal = last_ordinal(connection)?;
    let mut entries = Vec::with_capacity(records.len());
    // an aggregate's event that is there is known, and so are those before it
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO event (ordinal, partition, position, aggregate, seq, workspace, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for record in records {
        let next = ordinal.saturating_add(1);
        let is_new = insert.execute(params![
            signed(next),
            record.partition,
            signed(record.position),
            record.event.aggregate_id.as_bytes(),
            signed(record.event.seq),
            record.event.workspace_id.as_bytes(),
            &*record.json,
        ])?;
        if is_new > 0 {
            ordinal = next;
            entries.push(Entry {
                ordinal,
                record: record.clone(),
                whereabouts: None,
            });
        }
    }
    let events: Vec<&Event> = entries.iter().map(|entry| &*entry.record.event).collect();
    apply(connection, &events)?;
    Ok(entries)
}

/// Applies new events in order.
pub(super) fn apply(connection: &Connection, events: &[&Event]) -> rusqlite::Result<()> {
    let mut note =
        connection.prepare_cached("INSERT OR IGNORE INTO ticket_event (chat, ticket, seq) VALUES (?1, ?2, ?3)")?;
    for event in events {
        if event.chat_id().is_some() {
            apply_chat(connection, event)?;
        }
        if let Some(ticket) = &event.ticket {
            note.execute(params![event.aggregate_id.as_bytes(), ticket.number, signed(event.seq)])?;
            if says_what_it_is_about(event) {
                text::retitle(connection, event, ticket)?;
            }
        }
    }
    Ok(())
}

fn says_what_it_is_about(event: &Event) -> bool {
    matches!(
        &event.body,
        EventBody::TicketCreated { subject: Some(_), .. }
            | EventBody::TicketFieldChanged {
                field: TicketField::Subject,
                ..
            }
            | EventBody::TicketSummaryChanged { .. }
    )
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others change nothing of what was said"
)]
fn apply_chat(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let chat = event.aggregate_id.as_bytes();
    match &event.body {
        EventBody::ChatCreated { owner, .. } => {
            text::add(connection, event, Of::Identifier, &owner.external_id)?;
            if let Some(name) = &owner.profile.name {
                text::add(connection, event, Of::Name, name)?;
            }
            Ok(())
        }
        EventBody::ChatUpdated { to, .. } => text::rename(connection, event, to.name.as_deref()),
        EventBody::MessageReceived { message }
        | EventBody::MessageSent { message }
        | EventBody::NoteAdded { message } => write_message(connection, event, message),
        EventBody::TicketMerged { target, .. } => {
            let source = event.ticket.as_ref().map(|ticket| ticket.number);
            connection
                .prepare_cached("UPDATE message SET ticket = ?3 WHERE chat = ?1 AND ticket = ?2")?
                .execute(params![chat, source, target.number])
                .map(drop)
        }
        // of two edits the later one counts, whichever comes first
        EventBody::MessageEdited {
            message_seq,
            content,
            edited_at,
        } => {
            let mut edit = connection.prepare_cached(
                "UPDATE message SET edit = ?3, edited_at = ?4
                 WHERE chat = ?1 AND seq = ?2 AND (edited_at IS NULL OR edited_at <= ?4)
                 RETURNING deleted_at IS NULL",
            )?;
            let values = params![chat, signed(*message_seq), json(content)?, signed(*edited_at)];
            let shown: Option<bool> = edit.query_row(values, |row| row.get(0)).optional()?;
            if shown == Some(true) {
                text::rewrite(connection, event, *message_seq, content.text.as_deref())?;
            }
            Ok(())
        }
        EventBody::MessageDeleted {
            message_seq,
            deleted_at,
        } => {
            connection
                .prepare_cached("UPDATE message SET deleted_at = ?3 WHERE chat = ?1 AND seq = ?2")?
                .execute(params![chat, signed(*message_seq), signed(*deleted_at)])?;
            text::rewrite(connection, event, *message_seq, None)
        }
        EventBody::MessageStatusChanged {
            message_seq,
            status,
            external_id,
            error,
            ..
        } => connection
            .prepare_cached(
                "UPDATE message SET status = ?3, external_id = coalesce(?4, external_id), error = ?5
                 WHERE chat = ?1 AND seq = ?2",
            )?
            .execute(params![chat, signed(*message_seq), status.name(), external_id, error])
            .map(drop),
        EventBody::MessageReaction {
            message_seq,
            author,
            emoji,
            at,
        } => react(connection, (event, *message_seq), author, (emoji.as_deref(), *at)),
        _ => Ok(()),
    }
}

fn write_message(connection: &Connection, event: &Event, message: &Message) -> rusqlite::Result<()> {
    let said = message.content.text.as_deref().filter(|text| !text.is_empty());
    let doc = match said {
        Some(said) => Some(text::add(connection, event, Of::Message(event.seq), said)?),
        None => None,
    };
    connection
        .prepare_cached("INSERT INTO message (chat, seq, ticket, doc) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            event.aggregate_id.as_bytes(),
            signed(event.seq),
            event.ticket.as_ref().map(|ticket| ticket.number),
            doc
        ])
        .map(drop)
}

/// Everybody has one reaction to a message; the later one counts, whichever comes first.
fn react(
    connection: &Connection,
    (event, message_seq): (&Event, u64),
    author: &Actor,
    (emoji, at): (Option<&str>, Millis),
) -> rusqlite::Result<()> {
    let by = json(&(author.kind, &author.id))?;
    connection
        .prepare_cached(
            "INSERT INTO reaction (chat, seq, author, emoji, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (chat, seq, author) DO UPDATE SET emoji = ?4, body = ?5, at = ?6 WHERE at <= ?6",
        )?
        .execute(params![
            event.aggregate_id.as_bytes(),
            signed(message_seq),
            by,
            emoji.unwrap_or_default(),
            json(author)?,
            signed(at)
        ])
        .map(drop)
}
