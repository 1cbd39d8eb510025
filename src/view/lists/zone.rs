//! Walking from zone to zone: only through those that may have tickets of the wanted times.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Part, Place};

/// A stretch of a list that is read as a whole.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    /// It begins after this place.
    pub(super) after: Place,
    /// And ends before this key.
    pub(super) stop: i64,
    /// The place after which the rest is looked for.
    pub(super) rest: Option<Place>,
}

/// Just before, and just after every place at a key.
fn before(at: i64) -> Place {
    (at, [0; 16])
}

fn behind(at: i64) -> Place {
    (at, [0xff; 16])
}

impl Stretch {
    /// All of a part that follows a place.
    pub(super) fn whole(part: &Part, after: Place) -> Self {
        Self {
            after,
            stop: part.stop(),
            rest: None,
        }
    }

    /// None yet.
    pub(super) fn to_be_found(after: Place) -> Self {
        Self {
            after,
            stop: after.0,
            rest: Some(after),
        }
    }

    /// The next of a list in the order of updates, after a place.
    pub(super) fn next(
        connection: &Connection,
        list: i64,
        part: &Part,
        after: Place,
    ) -> rusqlite::Result<Option<Self>> {
        if part.ascending {
            ascending(connection, list, part, after)
        } else {
            descending(connection, list, part, after).map(Some)
        }
    }
}

fn descending(connection: &Connection, list: i64, part: &Part, after: Place) -> rusqlite::Result<Stretch> {
    let whole = Stretch::whole(part, after);
    let mut find = connection.prepare_cached(
        "SELECT at, (SELECT min(n.at) FROM zone n WHERE n.list = ?1 AND n.at > zone.at) FROM zone
         WHERE list = ?1 AND at <= ?2 AND least < ?3 AND most > ?4 ORDER BY at DESC LIMIT 1",
    )?;
    let wanted = params![list, after.0, part.created.1, part.created.0];
    let found: Option<(i64, Option<i64>)> = find
        .query_row(wanted, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (end, stretch) = match found {
        Some((at, end)) if at > whole.stop => {
            let stop = at.saturating_sub(1);
            let rest = Some(behind(stop));
            (end, Stretch { stop, rest, ..whole })
        }
        Some((_, end)) => (end, whole),
        // before the first zone
        None => (first(connection, list)?, whole),
    };
    Ok(Stretch {
        after: end.map_or(after, |end| after.min(before(end))),
        ..stretch
    })
}

fn ascending(connection: &Connection, list: i64, part: &Part, after: Place) -> rusqlite::Result<Option<Stretch>> {
    let whole = Stretch::whole(part, after);
    let up_to = |end: Option<i64>| match end {
        Some(end) if end < whole.stop => Stretch {
            stop: end,
            rest: Some(before(end)),
            ..whole
        },
        _ => whole,
    };
    let here: Option<i64> = connection
        .prepare_cached("SELECT max(at) FROM zone WHERE list = ?1 AND at <= ?2")?
        .query_row(params![list, after.0], |row| row.get(0))?;
    let Some(here) = here else {
        return Ok(Some(up_to(first(connection, list)?)));
    };
    let mut find = connection.prepare_cached(
        "SELECT at, (SELECT min(n.at) FROM zone n WHERE n.list = ?1 AND n.at > zone.at) FROM zone
         WHERE list = ?1 AND at >= ?2 AND least < ?3 AND most > ?4 ORDER BY at LIMIT 1",
    )?;
    let wanted = params![list, here, part.created.1, part.created.0];
    let found: Option<(i64, Option<i64>)> = find
        .query_row(wanted, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.map(|(at, end)| Stretch {
        after: after.max(behind(at.saturating_sub(1))),
        ..up_to(end)
    }))
}

/// Where the first zone begins.
fn first(connection: &Connection, list: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT min(at) FROM zone WHERE list = ?1")?
        .query_row([list], |row| row.get(0))
}
