//! The questions that the view answers. Every one is bound to a workspace.

use std::sync::Arc;

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Deserialize;
use uuid::Uuid;

use super::View;
use super::page::{Page, Range, TicketKey};
use super::schema::kind;
use super::tickets::{TicketFilter, TicketOrder, ticket_page, ticket_total};
use super::totals::Total;
use crate::domain::message::Content;
use crate::domain::{Actor, ChatResponder, Event, Message, MessageStatus, Millis, Ticket, Workspace};
use crate::sqlite::ReadError;

/// The most reactions that are shown with a message.
const REACTIONS_MAX: i64 = 100;

/// A chat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the domain's Chat")]
pub struct ChatRow {
    pub id: Uuid,
    pub workspace_id: Uuid,
    pub channel_id: Uuid,
    pub external_id: String,
    pub name: Option<String>,
    pub avatar: Option<String>,
    pub blocked: bool,
    /// How many tickets it has had: the number of the last one.
    pub tickets: u32,
    /// Who answers, or answered last.
    pub responder: Option<ChatResponder>,
    /// The responder answers, not people.
    pub responder_owns: bool,
    pub responder_epoch: u32,
    /// The contact that it belongs to until that is merged.
    pub contact_id: Uuid,
    pub removed_at: Option<Millis>,
    pub version: u64,
    pub seq: u64,
    pub created_at: Millis,
    pub updated_at: Millis,
}

/// A ticket and its chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRow {
    /// The chat.
    pub chat_id: Uuid,
    /// As it is now.
    pub ticket: Ticket,
}

/// A message with its edits applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// The chat.
    pub chat_id: Uuid,
    /// The event that brought it.
    pub seq: u64,
    /// The ticket's number.
    pub ticket_number: Option<u32>,
    /// What was said; `content` as it is now.
    pub message: Message,
    /// The last edit.
    pub edited_at: Option<Millis>,
    /// When its author took it back; what it said is not shown any more.
    pub deleted_at: Option<Millis>,
    /// Why it failed.
    pub error: Option<String>,
    /// One for each who reacted.
    pub reactions: Vec<Reaction>,
}

/// A reaction to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// Who.
    pub author: Actor,
    /// What.
    pub emoji: String,
    /// When.
    pub at: Millis,
}

/// An event with its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Which log.
    pub partition: u16,
    /// The place in it.
    pub position: u64,
    /// What happened.
    pub event: Arc<Event>,
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn limit_plus_one(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

pub(super) fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}

pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

pub(super) fn parsed<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

pub(super) const CHAT: &str = "SELECT id, workspace, channel, external_id, name, avatar, blocked, tickets, responder_epoch, version, seq, \
                    created_at, updated_at, responder, owned, contact, removed_at FROM chat";

pub(super) fn chat(row: &Row<'_>) -> rusqlite::Result<ChatRow> {
    Ok(ChatRow {
        id: bytes(row, 0)?,
        workspace_id: bytes(row, 1)?,
        channel_id: bytes(row, 2)?,
        external_id: row.get(3)?,
        name: row.get(4)?,
        avatar: row.get(5)?,
        blocked: row.get(6)?,
        tickets: row.get(7)?,
        responder_epoch: row.get(8)?,
        version: number(row, 9)?,
        seq: number(row, 10)?,
        created_at: number(row, 11)?,
        updated_at: number(row, 12)?,
        responder: if row.get_ref(13)? == ValueRef::Null {
            None
        } else {
            parsed(row, 13)?
        },
        responder_owns: row.get(14)?,
        contact_id: bytes(row, 15)?,
        removed_at: row.get::<_, Option<i64>>(16)?.map(i64::unsigned_abs),
    })
}

pub(super) fn ticket(row: &Row<'_>) -> rusqlite::Result<TicketRow> {
    Ok(TicketRow {
        chat_id: bytes(row, 0)?,
        ticket: parsed(row, 1)?,
    })
}

/// The message in the event that brought it.
#[derive(Deserialize)]
struct Brought {
    body: BroughtBody,
}

#[derive(Deserialize)]
struct BroughtBody {
    data: BroughtData,
}

#[derive(Deserialize)]
struct BroughtData {
    message: Message,
}

fn message(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let mut message = parsed::<Brought>(row, 3)?.body.data.message;
    let edited_at = row.get::<_, Option<i64>>(5)?.map(i64::unsigned_abs);
    if edited_at.is_some() {
        message.content = parsed::<Content>(row, 4)?;
    }
    let deleted_at = row.get::<_, Option<i64>>(6)?.map(i64::unsigned_abs);
    if deleted_at.is_some() {
        message.content = Content::default();
    }
    if let Some(status) = row.get::<_, Option<String>>(7)? {
        let known = MessageStatus::REPORTED.into_iter();
        message.status = known
            .into_iter()
            .find(|known| known.name() == status)
            .unwrap_or(message.status);
    }
    if let Some(external_id) = row.get(8)? {
        message.external_id = Some(external_id);
    }
    Ok(MessageRow {
        chat_id: bytes(row, 0)?,
        seq: number(row, 1)?,
        ticket_number: row.get(2)?,
        message,
        edited_at,
        deleted_at,
        error: row.get(9)?,
        reactions: Vec::new(),
    })
}

/// Fills in the reactions to messages of one chat.
fn add_reactions(connection: &Connection, rows: &mut [MessageRow]) -> Result<(), ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT body, emoji, at FROM reaction WHERE chat = ?1 AND seq = ?2 AND emoji <> '' ORDER BY at, author LIMIT ?3",
    )?;
    for row in rows {
        let reactions =
            statement.query_map(params![row.chat_id.as_bytes(), signed(row.seq), REACTIONS_MAX], |row| {
                Ok(Reaction {
                    author: parsed(row, 0)?,
                    emoji: row.get(1)?,
                    at: number(row, 2)?,
                })
            })?;
        row.reactions = reactions.collect::<rusqlite::Result<_>>()?;
    }
    Ok(())
}

fn event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        partition: row.get(0)?,
        position: number(row, 1)?,
        event: Arc::new(parsed(row, 2)?),
    })
}

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, ReadError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, read)?;
    Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
}

/// The bounds, direction and limit of a range over sequence numbers.
fn seq_range(range: &Range<u64>) -> (i64, i64, &'static str, i64) {
    match range {
        Range::Forward { after, limit } => (after.map_or(0, signed), i64::MAX, "ASC", limit_plus_one(*limit)),
        Range::Backward { before, limit } => (0, before.map_or(i64::MAX, signed), "DESC", limit_plus_one(*limit)),
    }
}

/// What is read of each, the tables, and where these have its chat and its number.
const MESSAGE: [&str; 4] = [
    "m.chat, m.seq, m.ticket, e.body, edit, edited_at, deleted_at, status, external_id, error",
    "message m CROSS JOIN event e ON e.aggregate = m.chat AND e.seq = m.seq",
    "m.chat",
    "m.seq",
];
const EVENT: [&str; 4] = ["partition, position, body", "event e", "e.aggregate", "e.seq"];

/// One page, and one more, of what a chat or one of its tickets has.
fn of_chat<T>(
    connection: &Connection,
    [columns, tables, chat, seq]: [&str; 4],
    (chat_id, ticket, kinds): (Uuid, Option<u32>, [u8; 2]),
    range: &Range<u64>,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, ReadError> {
    let (after, before, direction, limit) = seq_range(range);
    let id = chat_id.as_bytes();
    let Some(ticket) = ticket else {
        let sql = format!(
            "SELECT {columns} FROM {tables} WHERE {chat} = ?1 AND {seq} > ?2 AND {seq} < ?3
             ORDER BY {seq} {direction} LIMIT ?4"
        );
        return all(connection, &sql, params![id, after, before, limit], read);
    };
    let sql = format!(
        "SELECT {columns}, t.seq AS number FROM ticket_event t CROSS JOIN {tables}
         WHERE t.chat = ?1 AND t.ticket = ?5 AND t.kind = ?6 AND t.seq > ?2 AND t.seq < ?3
           AND {chat} = t.chat AND {seq} = t.seq
         ORDER BY t.seq {direction} LIMIT ?4"
    );
    let mut found = Vec::new();
    for kind in kinds {
        let values = params![id, after, before, limit, ticket, kind];
        found.extend(all(connection, &sql, values, |row| {
            Ok((row.get::<_, i64>("number")?, read(row)?))
        })?);
    }
    found.sort_by_key(|(seq, _)| *seq);
    if direction == "DESC" {
        found.reverse();
    }
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|(_, row)| row).collect())
}

/// All that a question reads is as of one moment.
fn at_one_moment<T>(
    connection: &Connection,
    ask: impl FnOnce(&Connection) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let moment = connection.unchecked_transaction()?;
    let answer = ask(&moment)?;
    // what a search makes for itself stays
    moment.commit()?;
    Ok(answer)
}

impl View {
    pub(super) async fn ask<T, F>(&self, ask: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        self.reads.read(|connection| at_one_moment(connection, ask)).await
    }

    /// For those who follow the log: questions of clients do not hold them up.
    pub(super) async fn ask_live<T, F>(&self, ask: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        self.follows.read(|connection| at_one_moment(connection, ask)).await
    }

    /// For live queues: they hold up neither questions nor those who follow the log.
    pub(super) async fn ask_for_queue<T, F>(&self, ask: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        self.queues.read(|connection| at_one_moment(connection, ask)).await
    }

    /// For the one who takes in the logs: nobody holds it up.
    pub(super) async fn ask_for_intake<T, F>(&self, ask: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        self.intake.read(|connection| at_one_moment(connection, ask)).await
    }

    /// Chats of a workspace by id; unknown ones are left out.
    ///
    /// # Errors
    /// What SQLite says; so for every question.
    pub async fn chats(&self, workspace: Uuid, ids: Vec<Uuid>) -> Result<Vec<ChatRow>, ReadError> {
        self.ask(move |connection| {
            let sql = format!("{CHAT} WHERE id = ?1 AND workspace = ?2");
            let mut found = Vec::with_capacity(ids.len());
            let mut statement = connection.prepare_cached(&sql)?;
            for id in ids {
                let row = statement.query_row(params![id.as_bytes(), workspace.as_bytes()], chat);
                found.extend(row.optional()?);
            }
            Ok(found)
        })
        .await
    }

    /// Tickets of a workspace by id; unknown ones are left out.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn tickets_by_id(&self, workspace: Uuid, ids: Vec<Uuid>) -> Result<Vec<TicketRow>, ReadError> {
        self.ask(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT chat, body FROM ticket WHERE id = ?1 AND workspace = ?2")?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let row = statement.query_row(params![id.as_bytes(), workspace.as_bytes()], ticket);
                found.extend(row.optional()?);
            }
            Ok(found)
        })
        .await
    }

    /// One page of the tickets that match.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn tickets(
        &self,
        workspace: Uuid,
        filter: TicketFilter,
        order: TicketOrder,
        range: Range<TicketKey>,
    ) -> Result<Page<TicketRow>, ReadError> {
        self.ask(move |connection| ticket_page(connection, workspace, &filter, order, &range))
            .await
    }

    /// How many tickets match.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn ticket_total(&self, workspace: Uuid, filter: TicketFilter) -> Result<Total, ReadError> {
        self.ask(move |connection| ticket_total(connection, workspace, &filter))
            .await
    }

    /// One page of a chat's messages by `seq`, or of one of its tickets.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn messages(
        &self,
        chat_id: Uuid,
        ticket_number: Option<u32>,
        range: Range<u64>,
    ) -> Result<Page<MessageRow>, ReadError> {
        self.ask(move |connection| {
            let kinds = [kind::MESSAGE, kind::MERGED];
            let rows = of_chat(connection, MESSAGE, (chat_id, ticket_number, kinds), &range, message)?;
            let mut page = Page::cut(rows, &range);
            add_reactions(connection, &mut page.items)?;
            Ok(page)
        })
        .await
    }

    /// One message of a chat.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn message(&self, chat_id: Uuid, seq: u64) -> Result<Option<MessageRow>, ReadError> {
        let range = Range::Forward {
            after: Some(seq.saturating_sub(1)),
            limit: 1,
        };
        let page = self.messages(chat_id, None, range).await?;
        Ok(page.items.into_iter().find(|row| row.seq == seq))
    }

    /// One page of a chat's events by `seq`, or of one of its tickets.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn events(
        &self,
        chat_id: Uuid,
        ticket_number: Option<u32>,
        range: Range<u64>,
    ) -> Result<Page<EventRow>, ReadError> {
        self.ask(move |connection| {
            let kinds = [kind::OTHER, kind::MESSAGE];
            let rows = of_chat(connection, EVENT, (chat_id, ticket_number, kinds), &range, event)?;
            Ok(Page::cut(rows, &range))
        })
        .await
    }

    /// The settings of every workspace.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn settings(&self) -> Result<Vec<Workspace>, ReadError> {
        self.ask_for_intake(|connection| all(connection, "SELECT body FROM setting", [], |row| parsed(row, 0)))
            .await
    }
}
