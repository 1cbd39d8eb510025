//! What was: events, messages, and words.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::text::{Docs, Of};
use super::{json, signed};
use crate::domain::event::TicketField;
use crate::domain::{Actor, Event, EventBody, Message, Millis};
use crate::sqlite::ReadError;
use crate::store::Record;
use crate::view::Entry;
use crate::view::log::last_ordinal;
use crate::view::schema::kind;

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

/// Applies new events, those of an aggregate in order. Words are written as they came, the later ones with higher ids, and
/// after them all else, in the order of the aggregates: neighbours are on the same pages.
pub(super) fn apply(connection: &Connection, events: &[&Event]) -> rusqlite::Result<()> {
    let mut past = Past::new(connection)?;
    let with_docs = events.iter().map(|event| Ok((*event, past.add_words(event)?)));
    let mut sorted = with_docs.collect::<rusqlite::Result<Vec<_>>>()?;
    sorted.sort_by_key(|(event, _)| event.aggregate_id);
    sorted.into_iter().try_for_each(|(event, doc)| past.add(event, doc))
}

/// The message that an event brings.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others bring none")]
fn message(event: &Event) -> Option<&Message> {
    match &event.body {
        EventBody::MessageReceived { message }
        | EventBody::MessageSent { message }
        | EventBody::NoteAdded { message } => Some(message),
        _ => None,
    }
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

/// Writes what was said.
struct Past<'a> {
    connection: &'a Connection,
    note: CachedStatement<'a>,
    message: CachedStatement<'a>,
    docs: Docs<'a>,
}

impl<'a> Past<'a> {
    fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            note: connection.prepare_cached(
                "INSERT OR IGNORE INTO ticket_event (chat, ticket, kind, seq) VALUES (?1, ?2, ?3, ?4)",
            )?,
            message: connection
                .prepare_cached("INSERT INTO message (chat, seq, ticket, doc) VALUES (?1, ?2, ?3, ?4)")?,
            docs: Docs::new(connection)?,
        })
    }

    /// Writes the words of an event that is no edit; says which document is that of its message.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others name nobody")]
    fn add_words(&mut self, event: &Event) -> rusqlite::Result<Option<i64>> {
        match &event.body {
            EventBody::ChatCreated { owner, .. } => {
                self.docs.add(event, Of::Identifier, &owner.external_id)?;
                if let Some(name) = &owner.profile.name {
                    self.docs.add(event, Of::Name, name)?;
                }
            }
            EventBody::ChatUpdated { to, .. } => self.docs.rename(event, to.name.as_deref())?,
            _ => {}
        }
        if let Some(ticket) = event.ticket.as_ref().filter(|_| says_what_it_is_about(event)) {
            self.docs.retitle(event, ticket)?;
        }
        let said = message(event).and_then(|message| message.content.text.as_deref());
        said.filter(|text| !text.is_empty())
            .map(|text| self.docs.add(event, Of::Message(event.seq), text))
            .transpose()
    }

    /// Writes the rest of an event, whose message has this document.
    fn add(&mut self, event: &Event, doc: Option<i64>) -> rusqlite::Result<()> {
        let (chat, seq) = (event.aggregate_id.as_bytes(), signed(event.seq));
        let ticket = event.ticket.as_ref().map(|ticket| ticket.number);
        let mut kind = kind::OTHER;
        if message(event).is_some() {
            self.message.execute(params![chat, seq, ticket, doc])?;
            kind = kind::MESSAGE;
        } else {
            self.amend(event)?;
        }
        if let Some(ticket) = ticket {
            self.note.execute(params![chat, ticket, kind, seq])?;
        }
        Ok(())
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others change nothing of what was said"
    )]
    fn amend(&mut self, event: &Event) -> rusqlite::Result<()> {
        let (chat, connection) = (event.aggregate_id.as_bytes(), self.connection);
        match &event.body {
            EventBody::TicketMerged { target, .. } => {
                let source = event.ticket.as_ref().map(|ticket| ticket.number);
                merge(connection, chat, (source, target.number))
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
                    self.docs.rewrite(event, *message_seq, content.text.as_deref())?;
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
                self.docs.rewrite(event, *message_seq, None)
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
}

/// A ticket's messages are another's from now on; its events stay.
fn merge(connection: &Connection, chat: &[u8; 16], (source, target): (Option<u32>, u32)) -> rusqlite::Result<()> {
    for sql in [
        "UPDATE message SET ticket = ?3 WHERE chat = ?1 AND seq IN (
           SELECT seq FROM ticket_event WHERE chat = ?1 AND ticket = ?2 AND kind IN (?4, ?5))",
        "INSERT INTO ticket_event (chat, ticket, kind, seq)
           SELECT chat, ?3, ?5, seq FROM ticket_event WHERE chat = ?1 AND ticket = ?2 AND kind IN (?4, ?5)",
    ] {
        let values = params![chat, source, target, kind::MESSAGE, kind::MERGED];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    connection
        .prepare_cached("DELETE FROM ticket_event WHERE (chat, ticket, kind) = (?1, ?2, ?3)")?
        .execute(params![chat, source, kind::MERGED])?;
    connection
        .prepare_cached("UPDATE ticket_event SET kind = ?3 WHERE (chat, ticket, kind) = (?1, ?2, ?4)")?
        .execute(params![chat, source, kind::OTHER, kind::MESSAGE])
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
