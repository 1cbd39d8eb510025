//! From records to rows. A record says what it needs: the ticket as it was after it comes along.

mod place;
mod text;

pub(super) use text::workspace_word;

use self::place::Tally;
use self::text::Of;
use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use uuid::Uuid;

use super::Entry;
use super::log::last_ordinal;
use super::tickets::Whereabouts;
use crate::domain::event::TicketField;
use crate::domain::{
    Actor, Aggregate, Contact, Event, EventBody, Message, Millis, Owner, Post, Scope, Ticket, Workspace, id,
};
use crate::sqlite::ReadError;
use crate::store::Record;

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Applies the records that no earlier call applied, with the next ordinals.
pub(super) fn apply_new(connection: &Connection, records: Vec<Record>) -> Result<Vec<Entry>, ReadError> {
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
                record,
                whereabouts: None,
            });
        }
    }
    let events: Vec<(u16, u64, &Event)> = entries
        .iter()
        .map(|entry| {
            let record = &entry.record;
            (record.partition, record.position, &*record.event)
        })
        .collect();
    let chats = apply_all(connection, &events)?;
    drop(events);
    for entry in &mut entries {
        let chat = chats.get(&entry.record.event.aggregate_id);
        entry.whereabouts = chat.map(|chat| chat.whereabouts);
    }
    Ok(entries)
}

/// Where a chat and its tickets are.
#[derive(Clone, Copy)]
struct Placed {
    whereabouts: Whereabouts,
    is_removed: bool,
}

/// Applies new events in order.
pub(super) fn apply(connection: &Connection, records: &[(u16, u64, &Event)]) -> rusqlite::Result<()> {
    apply_all(connection, records).map(drop)
}

/// Applies new events in order. Rows that several events of the call change are written once, as the last left them, and in
/// the order of their ids: neighbours are on the same pages.
fn apply_all(connection: &Connection, records: &[(u16, u64, &Event)]) -> rusqlite::Result<HashMap<Uuid, Placed>> {
    let mut last: BTreeMap<Uuid, &Event> = BTreeMap::new();
    let mut tickets: BTreeMap<Uuid, (&Event, &Ticket)> = BTreeMap::new();
    let mut retitled: HashSet<Uuid> = HashSet::new();
    let mut note =
        connection.prepare_cached("INSERT OR IGNORE INTO ticket_event (chat, ticket, seq) VALUES (?1, ?2, ?3)")?;
    for (_, _, event) in records {
        apply_body(connection, event)?;
        last.insert(event.aggregate_id, event);
        if let Some(ticket) = &event.ticket {
            note.execute(params![event.aggregate_id.as_bytes(), ticket.number, signed(event.seq)])?;
            tickets.insert(ticket.id, (event, ticket));
            if says_what_it_is_about(event) {
                retitled.insert(ticket.id);
            }
        }
    }
    let mut chats = HashMap::with_capacity(last.len());
    for event in last.values().filter(|event| event.chat_id().is_some()) {
        if let Some(placed) = touch(connection, event)? {
            chats.insert(event.aggregate_id, placed);
        }
    }
    let mut tally = Tally::default();
    for (event, ticket) in tickets.values() {
        // a chat that is not known shows no tickets
        if let Some(placed) = chats.get(&event.aggregate_id) {
            place::write_ticket(connection, (event, placed), ticket, &mut tally)?;
        }
        if retitled.contains(&ticket.id) {
            text::retitle(connection, event, ticket)?;
        }
    }
    tally.write(connection)?;
    Ok(chats)
}

/// Notes the last event of a chat, if the chat is known.
fn touch(connection: &Connection, event: &Event) -> rusqlite::Result<Option<Placed>> {
    let Some((placed, row)) = find_chat(connection, event.aggregate_id)? else {
        return Ok(None);
    };
    // RETURNING would have SQLite keep pages to undo the statement
    connection
        .prepare_cached("UPDATE chat SET version = ?2, seq = ?3, updated_at = ?4 WHERE rowid = ?1")?
        .execute(params![row, signed(event.version), signed(event.seq), signed(event.at)])?;
    Ok(Some(placed))
}

/// Where a chat is, and its row.
fn find_chat(connection: &Connection, chat_id: Uuid) -> rusqlite::Result<Option<(Placed, i64)>> {
    connection
        .prepare_cached("SELECT channel, responder_id, removed_at IS NOT NULL, rowid FROM chat WHERE id = ?1")?
        .query_row([chat_id.as_bytes()], |row| {
            let responder: Option<[u8; 16]> = row.get(1)?;
            let whereabouts = Whereabouts {
                chat_id,
                channel_id: Uuid::from_bytes(row.get(0)?),
                responder_id: responder.map(Uuid::from_bytes),
            };
            let is_removed = row.get(2)?;
            Ok((
                Placed {
                    whereabouts,
                    is_removed,
                },
                row.get(3)?,
            ))
        })
        .optional()
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

fn apply_body(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    match event.body.scope() {
        Scope::Chat => apply_chat(connection, event),
        Scope::Workspace => apply_setting(connection, event),
        Scope::Contact => apply_contact(connection, event),
        Scope::Post => apply_post(connection, event),
        // desks are the assigner's alone
        Scope::Desk => Ok(()),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the others change is in the ticket that comes along"
)]
fn apply_chat(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let chat = event.aggregate_id.as_bytes();
    let set = |sql: &str, value: &dyn ToSql| -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        statement.execute(params![chat, value]).map(drop)
    };
    match &event.body {
        EventBody::ChatCreated { channel_id, owner } => create_chat(connection, event, *channel_id, owner),
        EventBody::ChatUpdated { to, .. } => {
            set("UPDATE chat SET name = ?2 WHERE id = ?1", &to.name)?;
            set("UPDATE chat SET avatar = ?2 WHERE id = ?1", &to.avatar)?;
            text::rename(connection, event)
        }
        EventBody::ChatResponderChanged { to, owns, epoch, .. } => {
            set("UPDATE chat SET responder = ?2 WHERE id = ?1", &json(to)?)?;
            set("UPDATE chat SET owned = ?2 WHERE id = ?1", owns)?;
            set("UPDATE chat SET responder_epoch = ?2 WHERE id = ?1", epoch)?;
            let responder_id = to.as_ref().map(|to| to.id.as_bytes());
            let changed = connection
                .prepare_cached("UPDATE chat SET responder_id = ?2 WHERE id = ?1 AND responder_id IS NOT ?2")?
                .execute(params![chat, responder_id])?;
            if changed > 0 {
                place::place_chat(connection, event)?;
            }
            Ok(())
        }
        EventBody::ChatOwnerBlocked {} => set("UPDATE chat SET blocked = ?2 WHERE id = ?1", &true),
        EventBody::ChatOwnerUnblocked {} => set("UPDATE chat SET blocked = ?2 WHERE id = ?1", &false),
        EventBody::ChatRemoved {} => {
            set("UPDATE chat SET removed_at = ?2 WHERE id = ?1", &signed(event.at))?;
            place::place_chat(connection, event)
        }
        EventBody::ChatRestored {} => {
            set("UPDATE chat SET removed_at = ?2 WHERE id = ?1", &None::<i64>)?;
            place::place_chat(connection, event)
        }
        EventBody::MessageReceived { message }
        | EventBody::MessageSent { message }
        | EventBody::NoteAdded { message } => write_message(connection, event, message),
        EventBody::TicketCreated { number, .. } => set("UPDATE chat SET tickets = ?2 WHERE id = ?1", number),
        EventBody::TicketMerged { target, .. } => {
            let source = event.ticket.as_ref().map(|ticket| ticket.number);
            connection
                .prepare_cached("UPDATE message SET ticket = ?3 WHERE chat = ?1 AND ticket = ?2")?
                .execute(params![chat, source, target.number])
                .map(drop)
        }
        _ => amend_message(connection, event),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others change no message")]
fn amend_message(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let chat = event.aggregate_id.as_bytes();
    match &event.body {
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

fn create_chat(connection: &Connection, event: &Event, channel_id: Uuid, owner: &Owner) -> rusqlite::Result<()> {
    let words = text::owner(owner.profile.name.as_deref(), &owner.external_id);
    let doc = text::add(connection, event, Of::Chat, &words)?;
    connection
        .prepare_cached(
            "INSERT INTO chat (id, workspace, channel, external_id, name, avatar, blocked, tickets, owned, responder_epoch,
               contact, version, seq, created_at, updated_at, doc)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, ?7, ?8, ?9, ?10, ?10, ?11)",
        )?
        .execute(params![
            event.aggregate_id.as_bytes(),
            event.workspace_id.as_bytes(),
            channel_id.as_bytes(),
            owner.external_id,
            owner.profile.name,
            owner.profile.avatar,
            id::contact(event.aggregate_id).as_bytes(),
            signed(event.version),
            signed(event.seq),
            signed(event.at),
            doc,
        ])
        .map(drop)
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

/// An aggregate that the view keeps as a whole, with one more event applied.
fn advanced<A: Aggregate>(connection: &Connection, select: &str, event: &Event) -> rusqlite::Result<A> {
    let body: Option<String> = connection
        .prepare_cached(select)?
        .query_row([event.aggregate_id.as_bytes()], |row| row.get(0))
        .optional()?;
    let mut aggregate = match body {
        Some(body) => serde_json::from_str(&body)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))?,
        None => A::blank(event.aggregate_id),
    };
    aggregate.apply(event);
    Ok(aggregate)
}

fn apply_setting(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let workspace: Workspace = advanced(connection, "SELECT body FROM setting WHERE workspace = ?1", event)?;
    connection
        .prepare_cached(
            "INSERT INTO setting (workspace, seq, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (workspace) DO UPDATE SET seq = ?2, body = ?3",
        )?
        .execute(params![workspace.id.as_bytes(), signed(event.seq), json(&workspace)?])
        .map(drop)
}

fn apply_contact(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let contact: Contact = advanced(connection, "SELECT body FROM contact WHERE id = ?1", event)?;
    connection
        .prepare_cached(
            "INSERT INTO contact (id, workspace, merged_into, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET merged_into = ?3, body = ?4",
        )?
        .execute(params![
            contact.id.as_bytes(),
            contact.workspace_id.as_bytes(),
            contact.merged_into.as_ref().map(Uuid::as_bytes),
            json(&contact)?
        ])
        .map(drop)
}

fn apply_post(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let post: Post = advanced(connection, "SELECT body FROM post WHERE id = ?1", event)?;
    let Some(body) = &post.body else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT INTO post (id, workspace, channel, kind, created_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET body = ?6",
        )?
        .execute(params![
            post.id.as_bytes(),
            post.workspace_id.as_bytes(),
            body.channel_id.as_bytes(),
            body.kind.name(),
            signed(post.created_at),
            json(&post)?
        ])
        .map(drop)
}
