//! Lists of tickets that are kept in order: one for each thing that a filter may name, reason, priority and removal.
//!
//! A page is merged from the lists that hold what is wanted, so that it costs what it returns. Where a filter names
//! several things, the lists of the one with the fewest tickets are read and the rest is looked at ticket by ticket.

use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params, params_from_iter};
use uuid::Uuid;

use super::read::all;
use crate::sqlite::ReadError;

/// How many places are read at once, at first and at most.
const BLOCK: (usize, usize) = (8, 256);

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
    pub(super) reason: String,
    pub(super) priority: String,
    pub(super) removed: bool,
    pub(super) tickets: u64,
}

/// The lists of any of these values.
pub(super) fn lists(
    connection: &Connection,
    workspace: Uuid,
    dimension: Dimension,
    values: &[Vec<u8>],
) -> Result<Vec<List>, ReadError> {
    let mut marks = "?,".repeat(values.len());
    marks.pop();
    let sql = format!(
        "SELECT id, reason, priority, removed, tickets FROM list
         WHERE workspace = ? AND dimension = ? AND value IN ({marks}) AND tickets > 0"
    );
    let mut given: Vec<Box<dyn ToSql>> = vec![Box::new(*workspace.as_bytes()), Box::new(dimension.number())];
    for value in values {
        given.push(Box::new(value.clone()));
    }
    all(connection, &sql, params_from_iter(given), |row: &Row<'_>| {
        Ok(List {
            id: row.get(0)?,
            reason: row.get(1)?,
            priority: row.get(2)?,
            removed: row.get(3)?,
            tickets: row.get::<_, i64>(4)?.unsigned_abs(),
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
    fn select(self, bound: &str, ascending: bool) -> String {
        // times of creation bound a walk where it goes by them, and below where nothing changes before it is made
        let (table, within) = match self {
            Self::Updated => ("by_updated", "AND at > ?3"),
            Self::Created => ("by_created", "AND at > ?3 AND at < ?4"),
            Self::Waiting => ("by_waiting", ""),
        };
        let (sign, direction) = if ascending { (">", "ASC") } else { ("<", "DESC") };
        let bound = bound.replace("{sign}", sign);
        format!(
            "SELECT at, ticket FROM {table} WHERE list = ?1 AND created > ?3 AND created < ?4 {within} {bound}
             ORDER BY at {direction}, ticket {direction} LIMIT ?2"
        )
    }
}

/// A ticket's place: what it is ordered by, and its id.
pub(super) type Place = (i64, [u8; 16]);

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) key: Key,
    pub(super) ascending: bool,
    /// Made later than this.
    pub(super) created_after: i64,
    /// Made earlier than this.
    pub(super) created_before: i64,
}

/// Several lists read as one, in order.
pub(super) struct Merge<'a> {
    connection: &'a Connection,
    part: Part,
    /// For the first block of an arm, and for those that follow a place.
    sql: [String; 2],
    arms: Vec<Arm>,
    last: Option<Place>,
}

struct Arm {
    list: i64,
    /// The next ones, the nearest last.
    block: Vec<Place>,
    /// After which the next block begins.
    after: Option<Place>,
    size: usize,
    is_done: bool,
}

impl<'a> Merge<'a> {
    /// Begins after a place, or at the start.
    pub(super) fn new(
        connection: &'a Connection,
        part: Part,
        lists: impl Iterator<Item = i64>,
        after: Option<Place>,
    ) -> Self {
        let arms = lists.map(|list| Arm {
            list,
            block: Vec::new(),
            after,
            size: BLOCK.0,
            is_done: false,
        });
        Self {
            connection,
            part,
            sql: ["", "AND (at, ticket) {sign} (?5, ?6)"].map(|bound| part.key.select(bound, part.ascending)),
            arms: arms.collect(),
            last: None,
        }
    }

    /// The next place; a ticket that is in several of the lists comes once.
    pub(super) fn next(&mut self) -> Result<Option<Place>, ReadError> {
        loop {
            let [first, following] = &self.sql;
            for arm in &mut self.arms {
                let sql = if arm.after.is_some() { following } else { first };
                arm.fill(self.connection, sql, &self.part)?;
            }
            let ascending = self.part.ascending;
            let nearest = self.arms.iter_mut().filter(|arm| !arm.block.is_empty());
            let nearest = if ascending {
                nearest.min_by_key(|arm| arm.block.last().copied())
            } else {
                nearest.max_by_key(|arm| arm.block.last().copied())
            };
            let Some(place) = nearest.and_then(|arm| arm.block.pop()) else {
                return Ok(None);
            };
            if self.last.replace(place) != Some(place) {
                return Ok(Some(place));
            }
        }
    }
}

impl Arm {
    fn fill(&mut self, connection: &Connection, sql: &str, part: &Part) -> Result<(), ReadError> {
        if !self.block.is_empty() || self.is_done {
            return Ok(());
        }
        let mut statement = connection.prepare_cached(sql)?;
        let limit = i64::try_from(self.size).unwrap_or(i64::MAX);
        let place = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (later, earlier) = (part.created_after, part.created_before);
        let found: Vec<Place> = match self.after {
            Some((at, ticket)) => statement
                .query_map(params![self.list, limit, later, earlier, at, ticket], place)?
                .collect::<rusqlite::Result<_>>()?,
            None => statement
                .query_map(params![self.list, limit, later, earlier], place)?
                .collect::<rusqlite::Result<_>>()?,
        };
        self.is_done = found.len() < self.size;
        self.size = self.size.saturating_mul(2).min(BLOCK.1);
        self.after = found.last().copied().or(self.after);
        self.block = found;
        self.block.reverse();
        Ok(())
    }
}
