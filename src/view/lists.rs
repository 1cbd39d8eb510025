//! Lists of tickets that are kept in order: one for each thing that a filter may name, reason, priority and removal.
//!
//! A page is merged from the lists that hold what is wanted, so that it costs what it returns. Where a filter names
//! several things, the lists of the one with the fewest tickets are read, and each ticket looked for in those of the others.

use rusqlite::{Connection, Row, ToSql, params, params_from_iter};
use uuid::Uuid;

use super::condition::{Where, blob};
use super::read::{all, number};
use crate::sqlite::ReadError;

/// How many places of a list are read at once, at most.
const BLOCK_MAX: usize = 256;

/// How many are read at first of all lists together, and how few (one where zones are passed over) and how many of each.
const FIRST: (usize, usize, usize) = (48, 2, 16);

/// An era is two to the power of so many milliseconds.
const ERA_BITS: u32 = 31;

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dimension {
    All,
    Channel,
    Assignee,
    Team,
    Responder,
    Tag,
}

impl Dimension {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::All => 0,
            Self::Channel => 1,
            Self::Assignee => 2,
            Self::Team => 3,
            Self::Responder => 4,
            Self::Tag => 5,
        }
    }
}

/// The value of a list of tickets that have none.
pub(super) fn none() -> Vec<u8> {
    Vec::new()
}

/// A list that is not empty.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) id: i64,
    /// What it is of.
    pub(super) value: Vec<u8>,
    pub(super) reason: String,
    pub(super) priority: String,
    pub(super) removed: bool,
    pub(super) tickets: u64,
    /// Of each other thing that the filter names, the lists of which a ticket has to be in one.
    pub(super) others: Vec<Vec<i64>>,
}

impl List {
    /// Of two lists, only where these are equal can a ticket be in both.
    pub(super) fn kind(&self) -> (String, String, bool) {
        (self.reason.clone(), self.priority.clone(), self.removed)
    }
}

/// The lists of any of these values; of all where there are none.
pub(super) fn lists(
    connection: &Connection,
    workspace: Uuid,
    dimension: Dimension,
    values: &[Vec<u8>],
) -> Result<Vec<List>, ReadError> {
    let wanted = Where::new(
        "workspace = ? AND dimension = ?",
        vec![blob(workspace.as_bytes()), dimension.number().into()],
    );
    let wanted = wanted.any("value", values.iter().map(|value| blob(value)).collect());
    let sql = format!(
        "SELECT id, value, reason, priority, removed, tickets FROM list WHERE {} AND tickets > 0",
        wanted.sql
    );
    all(connection, &sql, params_from_iter(wanted.values), |row: &Row<'_>| {
        Ok(List {
            id: row.get(0)?,
            value: row.get(1)?,
            reason: row.get(2)?,
            priority: row.get(3)?,
            removed: row.get(4)?,
            tickets: row.get::<_, i64>(5)?.unsigned_abs(),
            others: Vec::new(),
        })
    })
}

/// By what the tickets of a list are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Updated,
    Created,
    Waiting,
}

impl Key {
    fn order(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Created => "created",
            Self::Waiting => "waiting",
        }
    }
}

/// A ticket's place: what it is ordered by, and its id.
pub(super) type Place = (i64, [u8; 16]);

/// The eras from one time to another, one bit for each. An era is about 25 days; after 64 of them their bits come again.
pub(super) fn eras(from: i64, to: i64) -> i64 {
    let (first, last) = (from >> ERA_BITS, to >> ERA_BITS);
    if last.saturating_sub(first) >= 63 {
        return -1;
    }
    let bits = (first..=last).map(|era| 1_u64.rotate_left(u32::try_from(era & 63).unwrap_or(0)));
    bits.fold(0, |all, bit| all | bit).cast_signed()
}

/// Which part of a list is wanted. Every bound is outside of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) key: Key,
    pub(super) ascending: bool,
    /// Made later and earlier than these.
    pub(super) created: (i64, i64),
    /// What it is ordered by is more and less than these.
    pub(super) at: (i64, i64),
}

impl Part {
    /// The place that a walk begins after.
    fn begin(&self) -> Place {
        if self.ascending {
            (self.at.0, [0xff; 16])
        } else {
            (self.at.1, [0; 16])
        }
    }

    /// The key that it ends before.
    fn stop(&self) -> i64 {
        if self.ascending { self.at.1 } else { self.at.0 }
    }

    /// Whether zones are passed over that have nothing of the wanted times.
    fn has_zones(&self) -> bool {
        self.key != Key::Created && self.created != (i64::MIN, i64::MAX)
    }

    /// What follows a place, up to a key. One bound a side: of two, SQLite might begin at the wrong one.
    fn select(&self) -> String {
        let (follows, stops, direction) = if self.ascending {
            (">", "<", "ASC")
        } else {
            ("<", ">", "DESC")
        };
        let order = self.key.order();
        if !self.has_zones() {
            return format!(
                "SELECT at, ticket FROM by_{order}
                 WHERE list = ?1 AND (at, ticket) {follows} (?2, ?3) AND at {stops} ?4 AND created > ?5 AND created < ?6
                 ORDER BY at {direction}, ticket {direction} LIMIT ?7"
            );
        }
        // SQLite tests in this order: at first what most of those fail that are passed over
        let (first, last, made) = if self.ascending {
            ("?2", "?4", "u.created > ?5 AND u.created < ?6")
        } else {
            ("?4", "?2", "u.created < ?6 AND u.created > ?5")
        };
        format!(
            "SELECT u.at, u.ticket FROM zone_{order} z CROSS JOIN by_{order} u
             WHERE z.list = ?1 AND z.least < ?6 AND z.most > ?5 AND z.eras & ?8 <> 0 AND z.at <= {last}
               AND z.at >= coalesce((SELECT max(at) FROM zone_{order} WHERE list = ?1 AND at <= {first}), {first})
               AND u.list = ?1 AND u.at >= z.at
               AND u.at < coalesce((SELECT min(at) FROM zone_{order} n WHERE n.list = ?1 AND n.at > z.at), {max})
               AND {made} AND (+u.at, +u.ticket) {follows} (?2, ?3) AND +u.at {stops} ?4
             ORDER BY z.at {direction}, u.at {direction}, u.ticket {direction} LIMIT ?7",
            max = i64::MAX
        )
    }
}

/// Whether not more than `max` tickets of these lists were made within these bounds; one in several lists counts again.
pub(super) fn are_few(
    connection: &Connection,
    lists: &[List],
    (later, earlier): (i64, i64),
    max: u64,
) -> Result<bool, ReadError> {
    let mut count = connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM by_created WHERE list = ?1 AND at > ?2 AND at < ?3 LIMIT ?4)",
    )?;
    let mut left = max;
    for list in lists {
        let limit = i64::try_from(left).unwrap_or(i64::MAX).saturating_add(1);
        let made = count.query_row(params![list.id, later, earlier, limit], |row| number(row, 0))?;
        let Some(rest) = left.checked_sub(made) else {
            return Ok(false);
        };
        left = rest;
    }
    Ok(true)
}

/// Several lists read as one, in order.
pub(super) struct Merge<'a> {
    connection: &'a Connection,
    part: Part,
    sql: String,
    probe: String,
    arms: Vec<Arm<'a>>,
    last: Option<Place>,
}

struct Arm<'a> {
    list: &'a List,
    /// The next ones, the nearest last.
    block: Vec<Place>,
    /// After which the next block begins.
    after: Place,
    /// How many are read next: at first as [`FIRST`] says, then as many as have been.
    size: usize,
    /// How many have been.
    read: usize,
    is_done: bool,
}

impl<'a> Merge<'a> {
    /// Begins after a place, or at the start.
    pub(super) fn new(
        connection: &'a Connection,
        part: Part,
        lists: impl Iterator<Item = &'a List>,
        after: Option<Place>,
    ) -> Self {
        let begin = part.begin();
        let after = match after {
            Some(after) if part.ascending => after.max(begin),
            Some(after) => after.min(begin),
            None => begin,
        };
        let lists: Vec<_> = lists.collect();
        let (of_all, least, most) = FIRST;
        // where most is passed over, an arm that looks for one more walks twice as far
        let least = if part.has_zones() { 1 } else { least };
        let size = of_all.checked_div(lists.len()).unwrap_or(most).clamp(least, most);
        let arms = lists.into_iter().map(|list| Arm {
            list,
            block: Vec::new(),
            after,
            size,
            read: 0,
            is_done: false,
        });
        let order = part.key.order();
        Self {
            connection,
            part,
            sql: part.select(),
            probe: format!("SELECT 1 FROM by_{order} WHERE list = ?1 AND at = ?2 AND ticket = ?3"),
            arms: arms.collect(),
            last: None,
        }
    }

    /// The next place; a ticket that is in several of the lists comes once. Every ticket that is looked at takes one of
    /// `left`; where there is none left, it gives up.
    pub(super) fn next(&mut self, left: &mut u64) -> Result<Option<Place>, ReadError> {
        loop {
            for arm in &mut self.arms {
                arm.fill(self.connection, &self.sql, &self.part)?;
            }
            let ascending = self.part.ascending;
            let nearest = self.arms.iter_mut().filter(|arm| !arm.block.is_empty());
            let nearest = if ascending {
                nearest.min_by_key(|arm| arm.block.last().copied())
            } else {
                nearest.max_by_key(|arm| arm.block.last().copied())
            };
            let Some((list, place)) = nearest.and_then(|arm| Some((arm.list, arm.block.pop()?))) else {
                return Ok(None);
            };
            if self.last.replace(place) == Some(place) {
                continue;
            }
            *left = left.checked_sub(1).ok_or(ReadError::TooMuch)?;
            if self.is_in_others(list, place)? {
                return Ok(Some(place));
            }
        }
    }

    /// Whether a ticket is in one list of each other thing. Those are looked at where they are in the same order, so that
    /// neighbours are on the same pages, which tickets are not.
    fn is_in_others(&self, list: &List, (at, ticket): Place) -> Result<bool, ReadError> {
        for lists in &list.others {
            let mut probe = self.connection.prepare_cached(&self.probe)?;
            let mut is_in = false;
            for list in lists {
                is_in = is_in || probe.exists(params![list, at, ticket])?;
            }
            if !is_in {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Arm<'_> {
    fn fill(&mut self, connection: &Connection, sql: &str, part: &Part) -> Result<(), ReadError> {
        if !self.block.is_empty() || self.is_done {
            return Ok(());
        }
        let mut statement = connection.prepare_cached(sql)?;
        let limit = i64::try_from(self.size).unwrap_or(i64::MAX);
        let (at, ticket) = self.after;
        let (later, earlier) = part.created;
        let (stop, eras) = (part.stop(), eras(later, earlier));
        let mut values: Vec<&dyn ToSql> = vec![&self.list.id, &at, &ticket, &stop, &later, &earlier, &limit];
        if part.has_zones() {
            values.push(&eras);
        }
        let found = statement.query_map(values.as_slice(), |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.block = found.collect::<rusqlite::Result<Vec<Place>>>()?;
        self.is_done = self.block.len() < self.size;
        self.read = self.read.saturating_add(self.block.len());
        self.size = self.read.min(BLOCK_MAX);
        self.after = self.block.last().copied().unwrap_or(self.after);
        self.block.reverse();
        Ok(())
    }
}
