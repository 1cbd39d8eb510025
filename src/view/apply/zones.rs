//! Zones of the lists in the order of updates: between when and when the tickets of a stretch of it were made, so that a walk
//! that looks for tickets of other times passes over it.
//!
//! A zone begins at one time of an update in [`SIZE`], which the time itself decides, and ends where the next one begins. Its
//! bounds hold for every ticket in it, but may be wider than they need to be.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

/// So many times of updates go to a zone.
const SIZE: u64 = 128;

/// Of so many tickets that leave zones, one has the bounds of its zone read again.
const REFRESH: u64 = 16;

/// Bounds are not read of so many tickets or more.
const READ_MAX: i64 = 8 * 128;

/// When the tickets of a zone were made, the first and the last.
type Bounds = (i64, i64);

#[derive(Clone, Copy)]
struct Zone {
    /// The times of updates in it, from and below.
    at: (i64, i64),
    /// `None` where no zone has begun.
    bounds: Option<Bounds>,
}

/// Keeps them.
pub(super) struct Zones<'a> {
    find: CachedStatement<'a>,
    next: CachedStatement<'a>,
    read: CachedStatement<'a>,
    write: CachedStatement<'a>,
    delete: CachedStatement<'a>,
    /// The one of each list that something came into last.
    known: HashMap<i64, Zone>,
}

fn hash(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

fn begins(at: i64) -> bool {
    hash(at.unsigned_abs()).is_multiple_of(SIZE)
}

impl<'a> Zones<'a> {
    pub(super) fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            find: connection.prepare_cached(
                "SELECT at, least, most FROM zone WHERE list = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1",
            )?,
            next: connection.prepare_cached("SELECT min(at) FROM zone WHERE list = ?1 AND at > ?2")?,
            read: connection.prepare_cached(
                "SELECT count(*), min(created), max(created) FROM (
                   SELECT created FROM by_updated WHERE list = ?1 AND at >= ?2 AND at < ?3 LIMIT ?4)",
            )?,
            write: connection.prepare_cached(
                "INSERT INTO zone (list, at, least, most) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET least = ?3, most = ?4",
            )?,
            delete: connection.prepare_cached("DELETE FROM zone WHERE list = ?1 AND at = ?2")?,
            known: HashMap::new(),
        })
    }

    /// A ticket is in a list now.
    pub(super) fn enter(&mut self, list: i64, at: i64, created: i64) -> rusqlite::Result<()> {
        let zone = match self.known.get(&list) {
            Some(zone) if (zone.at.0..zone.at.1).contains(&at) => *zone,
            _ => self.find(list, at)?,
        };
        if begins(at) && zone.at.0 != at {
            let begun = Zone {
                at: (at, zone.at.1),
                ..zone
            };
            if let Some(bounds) = self.read(list, begun)? {
                self.known.insert(list, begun);
                return self.write(list, begun, bounds);
            }
        }
        self.known.insert(list, zone);
        match zone.bounds {
            Some((least, most)) if created < least || created > most => {
                self.write(list, zone, (least.min(created), most.max(created)))
            }
            _ => Ok(()),
        }
    }

    /// A ticket is no more in a list.
    pub(super) fn leave(&mut self, list: i64, at: i64, ticket: &[u8; 16]) -> rusqlite::Result<()> {
        let (numbers, _) = ticket.as_chunks::<8>();
        let chance = numbers
            .iter()
            .fold(at.unsigned_abs(), |sum, number| hash(sum ^ u64::from_be_bytes(*number)));
        if !begins(at) && !chance.is_multiple_of(REFRESH) {
            return Ok(());
        }
        let zone = self.find(list, at)?;
        let Some((least, most)) = zone.bounds else {
            return Ok(());
        };
        if zone.at.0 != at {
            return match self.read(list, zone)? {
                Some(bounds) => self.write(list, zone, bounds),
                None => Ok(()),
            };
        }
        // what it began with has gone: the rest of it goes to the one before
        self.delete.execute(params![list, at])?;
        self.known.remove(&list);
        let before = self.find(list, at)?;
        match before.bounds {
            Some((first, latest)) => self.write(list, before, (first.min(least), latest.max(most))),
            None => Ok(()),
        }
    }

    /// The zone that a time is in.
    fn find(&mut self, list: i64, at: i64) -> rusqlite::Result<Zone> {
        let found = self
            .find
            .query_row(params![list, at], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))));
        let found: Option<(i64, Bounds)> = found.optional()?;
        let next: Option<i64> = self.next.query_row(params![list, at], |row| row.get(0))?;
        Ok(Zone {
            at: (found.map_or(i64::MIN, |found| found.0), next.unwrap_or(i64::MAX)),
            bounds: found.map(|found| found.1),
        })
    }

    /// The bounds of what is in it; of none or too many, `None`.
    fn read(&mut self, list: i64, zone: Zone) -> rusqlite::Result<Option<Bounds>> {
        let values = params![list, zone.at.0, zone.at.1, READ_MAX];
        self.read.query_row(values, |row| match row.get(0)? {
            0 | READ_MAX => Ok(None),
            _ => Ok(Some((row.get(1)?, row.get(2)?))),
        })
    }

    fn write(&mut self, list: i64, zone: Zone, (least, most): Bounds) -> rusqlite::Result<()> {
        self.write.execute(params![list, zone.at.0, least, most])?;
        if let Some(known) = self.known.get_mut(&list)
            && known.at.0 == zone.at.0
        {
            known.bounds = Some((least, most));
        }
        Ok(())
    }
}
