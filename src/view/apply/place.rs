//! A ticket's row, its places in the lists, and what the counters count.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::state::Placed;
use super::zones::Zones;
use super::{json, signed};
use crate::domain::{Event, Ticket};
use crate::view::lists::{Dimension, none};
use crate::view::stats::ANY;
use crate::view::tickets::waiting_key;

/// What decides in which lists a ticket is.
#[derive(PartialEq, Eq)]
struct Traits {
    channel: Vec<u8>,
    assignee: Vec<u8>,
    team: Vec<u8>,
    responder: Vec<u8>,
    /// The ids, one after the other.
    tags: Vec<u8>,
    reason: String,
    priority: String,
    removed: bool,
}

/// A ticket's row as it was.
struct Before {
    traits: Traits,
    status: String,
    pending: u32,
    updated_at: i64,
    waiting: i64,
    lists: Vec<i64>,
    opened_at: i64,
    row: i64,
}

fn bytes(id: Option<&Uuid>) -> Vec<u8> {
    id.map_or_else(none, |id| id.as_bytes().to_vec())
}

fn pack(lists: &[i64]) -> Vec<u8> {
    lists.iter().flat_map(|list| list.to_be_bytes()).collect()
}

fn unpack(bytes: &[u8]) -> Vec<i64> {
    let (chunks, _) = bytes.as_chunks::<8>();
    chunks.iter().map(|chunk| i64::from_be_bytes(*chunk)).collect()
}

fn before(row: &Row<'_>) -> rusqlite::Result<Before> {
    let optional = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<Vec<u8>>>(column)?.unwrap_or_else(none));
    Ok(Before {
        traits: Traits {
            channel: row.get(0)?,
            assignee: optional(1)?,
            team: optional(2)?,
            responder: optional(3)?,
            tags: row.get(4)?,
            reason: row.get(5)?,
            priority: row.get(6)?,
            removed: row.get(7)?,
        },
        status: row.get(8)?,
        pending: row.get(9)?,
        updated_at: row.get(10)?,
        waiting: row.get(11)?,
        lists: unpack(row.get_ref(12)?.as_blob()?),
        opened_at: row.get(13)?,
        row: row.get(14)?,
    })
}

impl Traits {
    /// Of a ticket in its chat.
    fn of(chat: &Placed, ticket: &Ticket) -> Self {
        Self {
            channel: bytes(Some(&chat.whereabouts.channel_id)),
            assignee: bytes(ticket.assignee_id.as_ref()),
            team: bytes(ticket.team_id.as_ref()),
            responder: bytes(chat.whereabouts.responder_id.as_ref()),
            tags: ticket.tags.iter().flat_map(|tag| *tag.as_bytes()).collect(),
            reason: ticket.reason.name().to_owned(),
            priority: ticket.priority.name().to_owned(),
            removed: chat.is_removed,
        }
    }

    /// The list of all, and one for each thing that a filter may name.
    fn dimensions(&self) -> Vec<(Dimension, &[u8])> {
        let mut found: Vec<(Dimension, &[u8])> = vec![
            (Dimension::All, &[]),
            (Dimension::Channel, &self.channel),
            (Dimension::Assignee, &self.assignee),
        ];
        for (dimension, value) in [(Dimension::Team, &self.team), (Dimension::Responder, &self.responder)] {
            if !value.is_empty() {
                found.push((dimension, value));
            }
        }
        let (tags, _) = self.tags.as_chunks::<16>();
        found.extend(tags.iter().map(|tag| (Dimension::Tag, tag.as_slice())));
        found
    }

    fn lists(&self, connection: &Connection, workspace: Uuid) -> rusqlite::Result<Vec<i64>> {
        let mut find = connection.prepare_cached(
            "SELECT id FROM list
             WHERE workspace = ?1 AND dimension = ?2 AND value = ?3 AND removed = ?4 AND reason = ?5 AND priority = ?6",
        )?;
        let mut make = connection.prepare_cached(
            "INSERT INTO list (workspace, dimension, value, removed, reason, priority, tickets)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
        )?;
        let mut ids = Vec::with_capacity(8);
        for (dimension, value) in self.dimensions() {
            let key = params![
                workspace.as_bytes(),
                dimension.number(),
                value,
                self.removed,
                self.reason,
                self.priority
            ];
            ids.push(match find.query_row(key, |row| row.get(0)).optional()? {
                Some(id) => id,
                None => make.insert(key)?,
            });
        }
        Ok(ids)
    }

    fn is_counted(&self) -> bool {
        !self.removed && self.reason != "DELETED"
    }
}

/// The counters of one workspace's channel, team, assignee and status.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Counted {
    workspace: Uuid,
    channel: Vec<u8>,
    team: Vec<u8>,
    assignee: Vec<u8>,
    status: String,
}

impl Counted {
    /// The same where channel, assignee or both are not looked at.
    fn sums(&self) -> impl Iterator<Item = Self> {
        let assignees = [Some(&*self.assignee), (!self.assignee.is_empty()).then_some(ANY)];
        assignees.into_iter().flatten().flat_map(move |assignee| {
            [&*self.channel, ANY].into_iter().map(move |channel| Self {
                channel: channel.to_vec(),
                assignee: assignee.to_vec(),
                ..self.clone()
            })
        })
    }
}

/// What many tickets change in the same rows, written once.
#[derive(Default)]
struct Tally {
    /// Tickets and pending messages.
    counters: HashMap<Counted, (i64, i64)>,
    /// Tickets of a list.
    lists: HashMap<i64, i64>,
}

impl Tally {
    /// Adds to what is counted where a ticket is.
    fn count(&mut self, workspace: Uuid, (traits, status): (&Traits, &str), (tickets, pending): (i64, i64)) {
        if !traits.is_counted() || (tickets, pending) == (0, 0) {
            return;
        }
        let counted = Counted {
            workspace,
            channel: traits.channel.clone(),
            team: traits.team.clone(),
            assignee: traits.assignee.clone(),
            status: status.to_owned(),
        };
        let sum = self.counters.entry(counted).or_default();
        *sum = (sum.0.saturating_add(tickets), sum.1.saturating_add(pending));
    }

    /// Counts a ticket in the lists that it came into, and no more in those that it left.
    fn recount_lists(&mut self, before: &[i64], now: &[i64]) {
        let left = before.iter().filter(|list| !now.contains(list)).map(|list| (list, -1));
        let came = now.iter().filter(|list| !before.contains(list)).map(|list| (list, 1));
        for (list, more) in left.chain(came) {
            let sum = self.lists.entry(*list).or_default();
            *sum = sum.saturating_add(more);
        }
    }

    /// Writes the sums.
    fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut counters: HashMap<Counted, (i64, i64)> = HashMap::new();
        for (counted, (tickets, pending)) in self.counters {
            for sum in counted.sums() {
                let sum = counters.entry(sum).or_default();
                *sum = (sum.0.saturating_add(tickets), sum.1.saturating_add(pending));
            }
        }
        let mut count = connection.prepare_cached(
            "INSERT INTO counter (workspace, channel, team, assignee, status, tickets, pending)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET tickets = tickets + ?6, pending = pending + ?7",
        )?;
        let mut forget = connection.prepare_cached(
            "DELETE FROM counter WHERE workspace = ?1 AND channel = ?2 AND team = ?3 AND assignee = ?4 AND status = ?5
               AND (tickets, pending) = (0, 0)",
        )?;
        for (counted, (tickets, pending)) in counters.into_iter().filter(|(_, sum)| *sum != (0, 0)) {
            count.execute(params![
                counted.workspace.as_bytes(),
                counted.channel,
                counted.team,
                counted.assignee,
                counted.status,
                tickets,
                pending
            ])?;
            if tickets < 0 {
                forget.execute(params![
                    counted.workspace.as_bytes(),
                    counted.channel,
                    counted.team,
                    counted.assignee,
                    counted.status
                ])?;
            }
        }
        let mut add = connection.prepare_cached("UPDATE list SET tickets = tickets + ?2 WHERE id = ?1")?;
        for (list, more) in self.lists.into_iter().filter(|(_, more)| *more != 0) {
            add.execute(params![list, more])?;
        }
        Ok(())
    }
}

/// A ticket's place in a list, with when the ticket was made where it has come there.
type Move = ((i64, i64, [u8; 16]), Option<i64>);

/// The places of tickets in one order. They are written in the end, in order: neighbours are on the same pages.
struct Order<'a> {
    insert: CachedStatement<'a>,
    delete: CachedStatement<'a>,
    moves: Vec<Move>,
    zones: Option<Zones<'a>>,
}

impl<'a> Order<'a> {
    fn new(connection: &'a Connection, order: &str, zones: Option<Zones<'a>>) -> rusqlite::Result<Self> {
        let prepare = |sql: &str| connection.prepare_cached(&sql.replace("{order}", order));
        Ok(Self {
            // one that left and came back is still there
            insert: prepare("INSERT OR IGNORE INTO by_{order} VALUES (?1, ?2, ?3, ?4)")?,
            delete: prepare("DELETE FROM by_{order} WHERE list = ?1 AND at = ?2 AND ticket = ?3")?,
            moves: Vec::new(),
            zones,
        })
    }

    /// From the lists and the key of before to those of now; what stays is not touched.
    fn place(&mut self, (ticket, created_at): (&[u8; 16], i64), before: Option<(&[i64], i64)>, now: (&[i64], i64)) {
        let (old, was) = before.unwrap_or((&[], now.1));
        for list in old.iter().filter(|list| was != now.1 || !now.0.contains(list)) {
            self.moves.push(((*list, was, *ticket), None));
            if let Some(zones) = &mut self.zones {
                zones.leave(*list, was, ticket);
            }
        }
        for list in now.0.iter().filter(|list| was != now.1 || !old.contains(list)) {
            self.moves.push(((*list, now.1, *ticket), Some(created_at)));
            if let Some(zones) = &mut self.zones {
                zones.enter(*list, now.1, created_at);
            }
        }
    }

    /// Writes the places, and the zones after them.
    fn finish(mut self) -> rusqlite::Result<()> {
        // of a place the last counts
        self.moves.sort_by_key(|(place, _)| *place);
        for moves in self.moves.chunk_by(|one, other| one.0 == other.0) {
            match moves.last() {
                Some(((list, at, ticket), Some(created_at))) => {
                    self.insert.execute(params![list, at, ticket, created_at])?;
                }
                Some(((list, at, ticket), None)) => drop(self.delete.execute(params![list, at, ticket])?),
                None => {}
            }
        }
        self.zones.map_or(Ok(()), Zones::finish)
    }
}

/// Writes tickets, and in the end what they change together.
pub(super) struct Places<'a> {
    connection: &'a Connection,
    find: CachedStatement<'a>,
    rewrite: CachedStatement<'a>,
    orders: [Order<'a>; 3],
    tally: Tally,
}

impl<'a> Places<'a> {
    pub(super) fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            find: connection.prepare_cached(
                "SELECT channel, assignee, team, responder, tags, reason, priority, removed, status, pending, updated_at,
                   waiting, lists, opened_at, rowid FROM ticket WHERE id = ?1",
            )?,
            rewrite: connection.prepare_cached(
                "UPDATE ticket SET pending = ?2, updated_at = ?3, waiting = ?4, body = ?5 WHERE rowid = ?1",
            )?,
            orders: [
                Order::new(connection, "updated", Some(Zones::new(connection, "updated")?))?,
                Order::new(connection, "created", None)?,
                Order::new(connection, "waiting", Some(Zones::new(connection, "waiting")?))?,
            ],
            tally: Tally::default(),
        })
    }

    /// Writes a ticket as it is after an event of its chat, or where its chat changed.
    pub(super) fn write(&mut self, (event, chat): (&Event, &Placed), ticket: &Ticket) -> rusqlite::Result<()> {
        let workspace = event.workspace_id;
        let traits = Traits::of(chat, ticket);
        let id = ticket.id.as_bytes();
        let before = self.find.query_row([id], before).optional()?;
        let lists = match &before {
            Some(before) if before.traits == traits => before.lists.clone(),
            _ => traits.lists(self.connection, workspace)?,
        };
        let (status, pending) = (ticket.status().name(), i64::from(ticket.pending_chat_messages));
        let created_at = signed(ticket.created_at);
        let keys = [signed(ticket.updated_at), created_at, signed(waiting_key(ticket))];
        let old = before.as_ref().map(|before| {
            let lists = before.lists.as_slice();
            (lists, [before.updated_at, created_at, before.waiting])
        });
        for (index, (order, key)) in self.orders.iter_mut().zip(keys).enumerate() {
            let before = old.and_then(|(lists, keys)| Some((lists, *keys.get(index)?)));
            order.place((id, created_at), before, (&lists, key));
        }
        match &before {
            Some(before) if before.traits == traits && before.status == status => {
                let more = pending.saturating_sub(i64::from(before.pending));
                self.tally.count(workspace, (&traits, status), (0, more));
                if before.opened_at == signed(ticket.opened_at) {
                    return self.rewrite(ticket, before.row);
                }
            }
            Some(before) => {
                self.tally.recount_lists(&before.lists, &lists);
                let less = i64::from(before.pending).saturating_neg();
                self.tally
                    .count(workspace, (&before.traits, &before.status), (-1, less));
                self.tally.count(workspace, (&traits, status), (1, pending));
            }
            None => {
                self.tally.recount_lists(&[], &lists);
                self.tally.count(workspace, (&traits, status), (1, pending));
            }
        }
        write_row(self.connection, event, ticket, (&traits, &lists))
    }

    /// Rewrites the row of a ticket that stays where it is: no index changes.
    fn rewrite(&mut self, ticket: &Ticket, row: i64) -> rusqlite::Result<()> {
        self.rewrite
            .execute(params![
                row,
                ticket.pending_chat_messages,
                signed(ticket.updated_at),
                signed(waiting_key(ticket)),
                json(ticket)?,
            ])
            .map(drop)
    }

    /// Writes the places and the sums.
    pub(super) fn finish(self) -> rusqlite::Result<()> {
        self.orders.into_iter().try_for_each(Order::finish)?;
        self.tally.write(self.connection)
    }
}

fn write_row(
    connection: &Connection,
    event: &Event,
    ticket: &Ticket,
    (traits, lists): (&Traits, &[i64]),
) -> rusqlite::Result<()> {
    let optional = |value: &Vec<u8>| (!value.is_empty()).then(|| value.clone());
    connection
        .prepare_cached(
            "INSERT INTO ticket (id, workspace, chat, number, channel, status, reason, assignee, team, responder, priority,
               tags, removed, pending, opened_at, created_at, updated_at, waiting, lists, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
             ON CONFLICT (id) DO UPDATE SET status = ?6, reason = ?7, assignee = ?8, team = ?9, responder = ?10,
               priority = ?11, tags = ?12, removed = ?13, pending = ?14, opened_at = ?15, updated_at = ?17, waiting = ?18,
               lists = ?19, body = ?20",
        )?
        .execute(params![
            ticket.id.as_bytes(),
            event.workspace_id.as_bytes(),
            event.aggregate_id.as_bytes(),
            ticket.number,
            traits.channel,
            ticket.status().name(),
            traits.reason,
            optional(&traits.assignee),
            optional(&traits.team),
            optional(&traits.responder),
            traits.priority,
            traits.tags,
            traits.removed,
            ticket.pending_chat_messages,
            signed(ticket.opened_at),
            signed(ticket.created_at),
            signed(ticket.updated_at),
            signed(waiting_key(ticket)),
            pack(lists),
            json(ticket)?,
        ])
        .map(drop)
}
