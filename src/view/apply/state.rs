//! What is now: chats, tickets and their lists, counters, settings, contacts, posts.

use std::collections::{BTreeMap, HashMap};

use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, params};
use uuid::Uuid;

use super::place::Places;
use super::{json, signed};
use crate::domain::{Aggregate, Contact, Event, EventBody, Owner, Post, Scope, Ticket, Workspace, id};
use crate::view::log::located;
use crate::view::read::{number, parsed};
use crate::view::tickets::Whereabouts;

/// Where a chat and its tickets are.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    pub(super) whereabouts: Whereabouts,
    pub(super) is_removed: bool,
}

/// A chat's row.
#[derive(Clone, Copy)]
struct Found {
    placed: Placed,
    row: i64,
    /// Its last event.
    seq: u64,
}

/// Applies the events that no earlier call applied, those of an aggregate in order; says where their chats are. Rows that
/// several events change are written once, as the last left them, and in the order of their ids: neighbours are on the
/// same pages.
pub(in crate::view) fn apply(
    connection: &Connection,
    events: &[&Event],
) -> rusqlite::Result<HashMap<Uuid, Whereabouts>> {
    let mut sorted = events.to_vec();
    sorted.sort_by_key(|event| event.aggregate_id);
    let mut known = HashMap::with_capacity(sorted.len());
    let mut tickets: BTreeMap<Uuid, (&Event, &Ticket, Placed)> = BTreeMap::new();
    let mut chats = Chats::new(connection)?;
    for events in sorted.chunk_by(|one, other| one.aggregate_id == other.aggregate_id) {
        let Some(first) = events.first() else { continue };
        match first.body.scope() {
            Scope::Chat => {
                let (placed, fresh) = chats.apply(first.aggregate_id, events)?;
                // a chat that is not known shows no tickets
                let Some(placed) = placed else { continue };
                known.insert(first.aggregate_id, placed.whereabouts);
                for event in fresh {
                    if let Some(ticket) = &event.ticket {
                        tickets.insert(ticket.id, (event, ticket, placed));
                    }
                }
            }
            Scope::Workspace => apply_setting(connection, first.aggregate_id, events)?,
            Scope::Contact => apply_contact(connection, first.aggregate_id, events)?,
            Scope::Post => apply_post(connection, first.aggregate_id, events)?,
            // desks are the assigner's alone
            Scope::Desk => {}
        }
    }
    for (event, ticket, placed) in tickets.values() {
        chats.places.write((event, placed), ticket)?;
    }
    chats.finish()?;
    Ok(known)
}

/// Those after a sequence number.
fn after<'a, 'b>(events: &'a [&'b Event], seq: u64) -> &'a [&'b Event] {
    let known = events.partition_point(|event| event.seq <= seq);
    events.get(known..).unwrap_or_default()
}

/// Version, sequence number and time of an event.
type Last = [i64; 3];

/// Writes chats.
struct Chats<'a> {
    connection: &'a Connection,
    find: CachedStatement<'a>,
    touch: CachedStatement<'a>,
    /// The rows of those that had events, and the last of them.
    touched: Vec<(i64, Last)>,
    places: Places<'a>,
}

impl<'a> Chats<'a> {
    fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            find: connection.prepare_cached(
                "SELECT channel, responder_id, removed_at IS NOT NULL, rowid, seq FROM chat WHERE id = ?1",
            )?,
            // RETURNING would have SQLite keep pages to undo the statement
            touch: connection
                .prepare_cached("UPDATE chat SET version = ?2, seq = ?3, updated_at = ?4 WHERE rowid = ?1")?,
            touched: Vec::new(),
            places: Places::new(connection)?,
        })
    }

    fn find(&mut self, chat_id: Uuid) -> rusqlite::Result<Option<Found>> {
        let found = self.find.query_row([chat_id.as_bytes()], |row| {
            Ok(Found {
                placed: Placed {
                    whereabouts: located(row, chat_id)?,
                    is_removed: row.get(2)?,
                },
                row: row.get(3)?,
                seq: number(row, 4)?,
            })
        });
        found.optional()
    }

    /// Where the chat is afterwards, if it is known, and which of its events were new.
    fn apply<'b, 'c>(
        &mut self,
        chat_id: Uuid,
        events: &'b [&'c Event],
    ) -> rusqlite::Result<(Option<Placed>, &'b [&'c Event])> {
        let mut found = self.find(chat_id)?;
        let fresh = after(events, found.map_or(0, |found| found.seq));
        let Some(last) = fresh.last() else {
            return Ok((found.map(|found| found.placed), fresh));
        };
        let mut has_moved = false;
        for event in fresh {
            has_moved |= self.change(event)?;
        }
        if has_moved {
            found = self.find(chat_id)?;
        }
        if let Some(found) = found {
            let last = [last.version, last.seq, last.at].map(signed);
            self.touched.push((found.row, last));
        }
        Ok((found.map(|found| found.placed), fresh))
    }

    /// Changes a chat's row; whether the chat is somewhere else now.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the others change is in the ticket that comes along"
    )]
    fn change(&mut self, event: &Event) -> rusqlite::Result<bool> {
        let (chat, connection) = (event.aggregate_id.as_bytes(), self.connection);
        let set = |sql: &str, value: &dyn ToSql| -> rusqlite::Result<usize> {
            connection.prepare_cached(sql)?.execute(params![chat, value])
        };
        match &event.body {
            EventBody::ChatCreated { channel_id, owner } => {
                create_chat(connection, event, *channel_id, owner)?;
                return Ok(true);
            }
            EventBody::ChatUpdated { to, .. } => {
                set("UPDATE chat SET name = ?2 WHERE id = ?1", &to.name)?;
                set("UPDATE chat SET avatar = ?2 WHERE id = ?1", &to.avatar)?;
            }
            EventBody::ChatResponderChanged { to, owns, epoch, .. } => {
                set("UPDATE chat SET responder = ?2 WHERE id = ?1", &json(to)?)?;
                set("UPDATE chat SET owned = ?2 WHERE id = ?1", owns)?;
                set("UPDATE chat SET responder_epoch = ?2 WHERE id = ?1", epoch)?;
                let responder_id = to.as_ref().map(|to| to.id.as_bytes());
                let another = "UPDATE chat SET responder_id = ?2 WHERE id = ?1 AND responder_id IS NOT ?2";
                if set(another, &responder_id)? > 0 {
                    self.place_again(event)?;
                    return Ok(true);
                }
            }
            EventBody::ChatOwnerBlocked {} => drop(set("UPDATE chat SET blocked = ?2 WHERE id = ?1", &true)?),
            EventBody::ChatOwnerUnblocked {} => drop(set("UPDATE chat SET blocked = ?2 WHERE id = ?1", &false)?),
            EventBody::ChatRemoved {} => {
                set("UPDATE chat SET removed_at = ?2 WHERE id = ?1", &signed(event.at))?;
                self.place_again(event)?;
                return Ok(true);
            }
            EventBody::ChatRestored {} => {
                set("UPDATE chat SET removed_at = ?2 WHERE id = ?1", &None::<i64>)?;
                self.place_again(event)?;
                return Ok(true);
            }
            EventBody::TicketCreated { number, .. } => {
                set("UPDATE chat SET tickets = ?2 WHERE id = ?1", number)?;
            }
            _ => {}
        }
        Ok(false)
    }

    /// Writes what was left for the end, in order.
    fn finish(mut self) -> rusqlite::Result<()> {
        self.touched.sort_unstable();
        for (row, [version, seq, at]) in self.touched {
            self.touch.execute(params![row, version, seq, at])?;
        }
        self.places.finish()
    }

    /// Places every ticket of a chat again, whose responder or whose removal changed.
    fn place_again(&mut self, event: &Event) -> rusqlite::Result<()> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT body FROM ticket WHERE chat = ?1")?;
        let tickets = statement.query_map([event.aggregate_id.as_bytes()], |row| parsed::<Ticket>(row, 0))?;
        let tickets: Vec<Ticket> = tickets.collect::<rusqlite::Result<_>>()?;
        if let Some(found) = self.find(event.aggregate_id)? {
            for ticket in &tickets {
                self.places.write((event, &found.placed), ticket)?;
            }
        }
        Ok(())
    }
}

fn create_chat(connection: &Connection, event: &Event, channel_id: Uuid, owner: &Owner) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO chat (id, workspace, channel, external_id, name, avatar, blocked, tickets, owned, responder_epoch,
               contact, version, seq, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, ?7, ?8, ?9, ?10, ?10)",
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
        ])
        .map(drop)
}

/// An aggregate that the view keeps as a whole, with its new events applied; none where there are none.
fn advanced<A: Aggregate>(
    connection: &Connection,
    (select, id): (&str, Uuid),
    events: &[&Event],
) -> rusqlite::Result<Option<A>> {
    let body: Option<String> = connection
        .prepare_cached(select)?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    let mut aggregate = match body {
        Some(body) => serde_json::from_str(&body)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))?,
        None => A::blank(id),
    };
    let fresh = after(events, aggregate.seq());
    for event in fresh {
        aggregate.apply(event);
    }
    Ok((!fresh.is_empty()).then_some(aggregate))
}

fn apply_setting(connection: &Connection, id: Uuid, events: &[&Event]) -> rusqlite::Result<()> {
    let select = "SELECT body FROM setting WHERE workspace = ?1";
    let Some(workspace) = advanced::<Workspace>(connection, (select, id), events)? else {
        return Ok(());
    };
    connection
        .prepare_cached(
            "INSERT INTO setting (workspace, seq, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (workspace) DO UPDATE SET seq = ?2, body = ?3",
        )?
        .execute(params![
            workspace.id.as_bytes(),
            signed(workspace.seq()),
            json(&workspace)?
        ])
        .map(drop)
}

fn apply_contact(connection: &Connection, id: Uuid, events: &[&Event]) -> rusqlite::Result<()> {
    let select = "SELECT body FROM contact WHERE id = ?1";
    let Some(contact) = advanced::<Contact>(connection, (select, id), events)? else {
        return Ok(());
    };
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

fn apply_post(connection: &Connection, id: Uuid, events: &[&Event]) -> rusqlite::Result<()> {
    let select = "SELECT body FROM post WHERE id = ?1";
    let Some(post) = advanced::<Post>(connection, (select, id), events)? else {
        return Ok(());
    };
    let Some(body) = &post.body else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT INTO post (id, workspace, channel, kind, created_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET kind = ?4, body = ?6",
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
