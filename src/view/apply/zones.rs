//! Zones of the lists in the orders of updates and of waiting: between when and when the tickets of a stretch were made, so
//! that a walk that looks for tickets of other times passes over it.
//!
//! The first zone of a list has no beginning; others begin at one key in [`SIZE`], which the key itself decides. Each ends where the next one begins. Its bounds hold for every ticket in it, but may be wider than they need to
//! be.

use std::ops::Range;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::view::lists::eras;

/// So many keys go to a zone.
const SIZE: u64 = 64;

/// Of so many tickets that leave zones, one has the bounds of its zone read again.
const REFRESH: u64 = 32;

/// Bounds are not read of so many tickets or more.
const READ_MAX: i64 = 1_024;

/// When the tickets of a zone were made.
#[derive(Clone, Copy, PartialEq)]
struct Bounds {
    /// The first.
    least: i64,
    /// The last.
    most: i64,
    /// In which [`eras`] any was.
    eras: i64,
}

#[derive(Clone)]
struct Zone {
    list: i64,
    at: Range<i64>,
    bounds: Bounds,
}

/// Keeps them. What enters and leaves is written in the end, in order: neighbours are in the same zones.
pub(super) struct Zones<'a> {
    find: CachedStatement<'a>,
    is_there: CachedStatement<'a>,
    read: CachedStatement<'a>,
    write: CachedStatement<'a>,
    delete: CachedStatement<'a>,
    /// Lists and times at which a zone may end.
    ended: Vec<(i64, i64)>,
    /// Those at which one is to be read again.
    stale: Vec<(i64, i64)>,
    /// And what came to them, with when it was made.
    entered: Vec<(i64, i64, i64)>,
}

fn hash(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

fn begins(at: i64) -> bool {
    hash(at.unsigned_abs()).is_multiple_of(SIZE)
}

impl Bounds {
    fn of(created: i64) -> Self {
        Self {
            least: created,
            most: created,
            eras: eras(created, created),
        }
    }

    fn with(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
            eras: self.eras | other.eras,
        }
    }
}

impl<'a> Zones<'a> {
    /// Of the lists of one table, `by_` and an order.
    pub(super) fn new(connection: &'a Connection, order: &str) -> rusqlite::Result<Self> {
        let prepare = |sql: &str| connection.prepare_cached(&sql.replace("{order}", order));
        Ok(Self {
            find: prepare(
                "SELECT at, (SELECT min(at) FROM zone_{order} n WHERE n.list = ?1 AND n.at > z.at), least, most, eras
                 FROM zone_{order} z WHERE list = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1",
            )?,
            is_there: prepare("SELECT 1 FROM by_{order} WHERE list = ?1 AND at = ?2 LIMIT 1")?,
            read: prepare("SELECT created FROM by_{order} WHERE list = ?1 AND at >= ?2 AND at < ?3 LIMIT ?4")?,
            write: prepare(
                "INSERT INTO zone_{order} (list, at, least, most, eras) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET least = ?3, most = ?4, eras = ?5",
            )?,
            delete: prepare("DELETE FROM zone_{order} WHERE list = ?1 AND at = ?2")?,
            ended: Vec::new(),
            stale: Vec::new(),
            entered: Vec::new(),
        })
    }

    /// A ticket is in a list now.
    pub(super) fn enter(&mut self, list: i64, at: i64, created: i64) {
        self.entered.push((list, at, created));
    }

    /// A ticket is no more in a list.
    pub(super) fn leave(&mut self, list: i64, at: i64, ticket: &[u8; 16]) {
        let (numbers, _) = ticket.as_chunks::<8>();
        let chance = numbers
            .iter()
            .fold(at.unsigned_abs(), |sum, number| hash(sum ^ u64::from_be_bytes(*number)));
        if begins(at) {
            self.ended.push((list, at));
        } else if chance.is_multiple_of(REFRESH) {
            self.stale.push((list, at));
        }
    }

    /// Writes what has changed, after all tickets are where they belong.
    pub(super) fn finish(mut self) -> rusqlite::Result<()> {
        for (list, at) in in_order(std::mem::take(&mut self.ended)) {
            self.end(list, at)?;
        }
        let entered = in_order(std::mem::take(&mut self.entered));
        let mut beginnings: Vec<_> = entered.iter().map(|(list, at, _)| (*list, *at)).collect();
        beginnings.dedup();
        // from the last on, so that each ends where the next one begins
        for (list, at) in beginnings.into_iter().rev().filter(|(_, at)| begins(*at)) {
            self.begin(list, at)?;
        }
        self.widen(entered)?;
        let mut read = None;
        for (list, at) in in_order(std::mem::take(&mut self.stale)) {
            let Some(zone) = self.find(list, at)? else { continue };
            let this = (list, zone.at.start);
            if read.replace(this) != Some(this)
                && let Some(bounds) = self.read(&zone)?
                && bounds != zone.bounds
            {
                self.write(&Zone { bounds, ..zone })?;
            }
        }
        Ok(())
    }

    /// A ticket that a zone may have begun with has gone: the rest of it goes to the one before.
    fn end(&mut self, list: i64, at: i64) -> rusqlite::Result<()> {
        let ended = self.find(list, at)?.filter(|zone| zone.at.start == at);
        let Some(ended) = ended else { return Ok(()) };
        self.delete.execute(params![list, at])?;
        match self.find(list, at)? {
            Some(before) => {
                let bounds = before.bounds.with(ended.bounds);
                self.write(&Zone { bounds, ..before })
            }
            None => Ok(()),
        }
    }

    /// A zone may begin here, if something is still there.
    fn begin(&mut self, list: i64, at: i64) -> rusqlite::Result<()> {
        if !self.is_there.exists(params![list, at])? {
            return Ok(());
        }
        let around = self.find(list, at)?.filter(|zone| zone.at.start != at);
        let Some(around) = around else { return Ok(()) };
        let begun = Zone {
            at: at..around.at.end,
            ..around.clone()
        };
        if let Some(bounds) = self.read(&begun)? {
            self.write(&Zone { bounds, ..begun })?;
            // it has less now
            self.stale.push((list, around.at.start));
        }
        Ok(())
    }

    /// Lets the zones have what came into them.
    fn widen(&mut self, entered: Vec<(i64, i64, i64)>) -> rusqlite::Result<()> {
        let mut last: Option<(Zone, Bounds)> = None;
        for (list, at, created) in entered {
            let this = Bounds::of(created);
            match &mut last {
                Some((zone, bounds)) if zone.list == list && zone.at.contains(&at) => *bounds = bounds.with(this),
                _ => {
                    self.write_if_changed(last)?;
                    let zone = match self.find(list, at)? {
                        Some(zone) => zone,
                        None => self.first(list, this)?,
                    };
                    let bounds = zone.bounds.with(this);
                    last = Some((zone, bounds));
                }
            }
        }
        self.write_if_changed(last)
    }

    fn write_if_changed(&mut self, zone: Option<(Zone, Bounds)>) -> rusqlite::Result<()> {
        match zone {
            Some((zone, bounds)) if zone.bounds != bounds => self.write(&Zone { bounds, ..zone }),
            _ => Ok(()),
        }
    }

    /// The first of a new list.
    fn first(&mut self, list: i64, bounds: Bounds) -> rusqlite::Result<Zone> {
        let at = i64::MIN..i64::MAX;
        let zone = Zone { list, at, bounds };
        self.write(&zone)?;
        Ok(zone)
    }

    /// The zone that a time is in; a new list has none.
    fn find(&mut self, list: i64, at: i64) -> rusqlite::Result<Option<Zone>> {
        let found = self.find.query_row(params![list, at], |row| {
            Ok(Zone {
                list,
                at: row.get(0)?..row.get::<_, Option<i64>>(1)?.unwrap_or(i64::MAX),
                bounds: Bounds {
                    least: row.get(2)?,
                    most: row.get(3)?,
                    eras: row.get(4)?,
                },
            })
        });
        found.optional()
    }

    /// The bounds of what is in it; of none or too many, `None`.
    fn read(&mut self, zone: &Zone) -> rusqlite::Result<Option<Bounds>> {
        let values = params![zone.list, zone.at.start, zone.at.end, READ_MAX];
        let mut rows = self.read.query(values)?;
        let (mut bounds, mut tickets): (Option<Bounds>, i64) = (None, 0);
        while let Some(row) = rows.next()? {
            let this = Bounds::of(row.get(0)?);
            bounds = Some(bounds.map_or(this, |bounds| bounds.with(this)));
            tickets = tickets.saturating_add(1);
        }
        Ok(bounds.filter(|_| tickets < READ_MAX))
    }

    fn write(&mut self, zone: &Zone) -> rusqlite::Result<()> {
        let Bounds { least, most, eras } = zone.bounds;
        self.write
            .execute(params![zone.list, zone.at.start, least, most, eras])
            .map(drop)
    }
}

fn in_order<T: Ord>(mut found: Vec<T>) -> Vec<T> {
    found.sort_unstable();
    found.dedup();
    found
}
