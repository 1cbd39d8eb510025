//! From records to rows. A record says what it needs: the ticket as it was after it comes along.

use std::collections::HashMap;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::Entry;
use crate::domain::{Aggregate, Chat, Event, EventBody, Message, Owner, Ticket, Workspace};
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
    let last: Option<i64> = connection
        .prepare_cached("SELECT ordinal FROM event ORDER BY ordinal DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let mut ordinal = last.map_or(0, i64::unsigned_abs);
    let mut applied: HashMap<Uuid, u64> = HashMap::new();
    let mut entries = Vec::with_capacity(records.len());
    let mut insert = connection.prepare_cached(
        "INSERT INTO event (ordinal, partition, position, aggregate, seq, workspace, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut known =
        connection.prepare_cached("SELECT seq FROM event WHERE aggregate = ?1 ORDER BY seq DESC LIMIT 1")?;
    for record in records {
        let id = record.event.aggregate_id;
        let seq = match applied.get(&id) {
            Some(seq) => *seq,
            None => known
                .query_row([id.as_bytes()], |row| row.get::<_, i64>(0))
                .optional()?
                .map_or(0, i64::unsigned_abs),
        };
        if record.event.seq <= seq {
            applied.insert(id, seq);
            continue;
        }
        applied.insert(id, record.event.seq);
        ordinal = ordinal.saturating_add(1);
        insert.execute(params![
            signed(ordinal),
            record.partition,
            signed(record.position),
            id.as_bytes(),
            signed(record.event.seq),
            record.event.workspace_id.as_bytes(),
            &*record.json,
        ])?;
        entries.push(Entry { ordinal, record });
    }
    let events: Vec<(u16, u64, &Event)> = entries
        .iter()
        .map(|entry| {
            let record = &entry.record;
            (record.partition, record.position, &*record.event)
        })
        .collect();
    apply(connection, &events)?;
    Ok(entries)
}

/// Applies new events in order. Rows that several events of the call change are written once, as the last left them.
pub(super) fn apply(connection: &Connection, records: &[(u16, u64, &Event)]) -> rusqlite::Result<()> {
    let mut last: HashMap<Uuid, &Event> = HashMap::new();
    let mut tickets: HashMap<Uuid, (&Event, &Ticket)> = HashMap::new();
    for (_, _, event) in records {
        apply_body(connection, event)?;
        last.insert(event.aggregate_id, event);
        if let Some(ticket) = &event.ticket {
            tickets.insert(ticket.id, (event, ticket));
        }
    }
    let mut touch =
        connection.prepare_cached("UPDATE chat SET version = ?2, seq = ?3, updated_at = ?4 WHERE id = ?1")?;
    for event in last.values().filter(|event| !event.body.is_setting()) {
        touch.execute(params![
            event.aggregate_id.as_bytes(),
            signed(event.version),
            signed(event.seq),
            signed(event.at)
        ])?;
    }
    for (event, ticket) in tickets.values() {
        write_ticket(connection, event, ticket)?;
    }
    Ok(())
}

fn apply_body(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let chat = event.aggregate_id.as_bytes();
    match &event.body {
        EventBody::ChatCreated { channel_id, owner } => create_chat(connection, event, *channel_id, owner),
        EventBody::ChatUpdated { to, .. } => {
            connection
                .prepare_cached("UPDATE chat SET name = ?2, avatar = ?3 WHERE id = ?1")?
                .execute(params![chat, to.name, to.avatar])?;
            Ok(())
        }
        EventBody::MessageReceived { message } | EventBody::MessageSent { message } => {
            write_message(connection, event, message)
        }
        EventBody::MessageEdited {
            message_seq,
            content,
            edited_at,
        } => {
            connection
                .prepare_cached("UPDATE message SET edit = ?3, edited_at = ?4 WHERE chat = ?1 AND seq = ?2")?
                .execute(params![chat, signed(*message_seq), json(content)?, signed(*edited_at)])?;
            Ok(())
        }
        EventBody::TicketCreated { number, .. } => {
            connection
                .prepare_cached("UPDATE chat SET tickets = ?2 WHERE id = ?1")?
                .execute(params![chat, number])?;
            Ok(())
        }
        EventBody::TicketStatusChanged { .. } | EventBody::TicketAssigneeChanged { .. } => Ok(()),
        EventBody::WorkspaceCreated { .. }
        | EventBody::ChannelCreated { .. }
        | EventBody::ChannelUpdated { .. }
        | EventBody::AgentCreated { .. }
        | EventBody::KeyCreated { .. } => apply_setting(connection, event),
    }
}

fn create_chat(connection: &Connection, event: &Event, channel_id: Uuid, owner: &Owner) -> rusqlite::Result<()> {
    let blank = Chat::blank(event.aggregate_id);
    connection
        .prepare_cached(
            "INSERT INTO chat (id, workspace, channel, external_id, name, avatar, blocked, tickets, responder_epoch,
               version, seq, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?11)",
        )?
        .execute(params![
            event.aggregate_id.as_bytes(),
            event.workspace_id.as_bytes(),
            channel_id.as_bytes(),
            owner.external_id,
            owner.profile.name,
            owner.profile.avatar,
            owner.blocked,
            blank.responder_epoch,
            signed(event.version),
            signed(event.seq),
            signed(event.at),
        ])?;
    Ok(())
}

fn write_message(connection: &Connection, event: &Event, message: &Message) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO message (chat, seq, ticket, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            event.aggregate_id.as_bytes(),
            signed(event.seq),
            event.ticket.as_ref().map(|ticket| ticket.number),
            json(message)?
        ])?;
    Ok(())
}

fn write_ticket(connection: &Connection, event: &Event, ticket: &Ticket) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO ticket (id, workspace, chat, number, channel, status, reason, assignee, created_at, updated_at, body)
             VALUES (?1, ?2, ?3, ?4, (SELECT channel FROM chat WHERE id = ?3), ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE SET status = ?5, reason = ?6, assignee = ?7, updated_at = ?9, body = ?10",
        )?
        .execute(params![
            ticket.id.as_bytes(),
            event.workspace_id.as_bytes(),
            event.aggregate_id.as_bytes(),
            ticket.number,
            ticket.status().name(),
            ticket.reason.name(),
            ticket.assignee_id.as_ref().map(Uuid::as_bytes),
            signed(ticket.created_at),
            signed(ticket.updated_at),
            json(ticket)?,
        ])?;
    Ok(())
}

fn apply_setting(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let id = event.aggregate_id.as_bytes();
    let body: Option<String> = connection
        .prepare_cached("SELECT body FROM setting WHERE workspace = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let mut workspace = match body {
        Some(body) => serde_json::from_str(&body)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))?,
        None => Workspace::blank(event.aggregate_id),
    };
    workspace.apply(event);
    connection
        .prepare_cached(
            "INSERT INTO setting (workspace, seq, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (workspace) DO UPDATE SET seq = ?2, body = ?3",
        )?
        .execute(params![id, signed(event.seq), json(&workspace)?])?;
    Ok(())
}
