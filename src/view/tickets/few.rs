//! Where few tickets are to be looked at: all that match are found, put in order, and only those of a page are read.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::look::Find;
use super::{LOOK_MAX, TicketFilter, TicketOrder};
use crate::sqlite::ReadError;
use crate::view::condition::blob;
use crate::view::page::TicketKey;
use crate::view::read::{bytes, number, signed};
use crate::view::search::{self, Hits};
use crate::view::totals::Total;

/// Of chats whose owner a search found, tickets are looked for until so many match.
const FOUND_MAX: usize = 5_000;

/// All that match, where there are few to look at.
pub(super) struct Few {
    pub(super) keys: Vec<TicketKey>,
    /// There are no others.
    pub(super) is_exact: bool,
}

impl Few {
    pub(super) fn total(&self) -> Total {
        Total {
            items: u64::try_from(self.keys.len()).unwrap_or(u64::MAX),
            is_exact: self.is_exact,
        }
    }
}

/// All that match, where the filter itself says which few to look at.
pub(super) fn few(
    connection: &Connection,
    workspace: Uuid,
    filter: &TicketFilter,
    order: TicketOrder,
) -> Result<Option<Few>, ReadError> {
    let (hits, found_max, look_max) = match &filter.search {
        Some(text) => (search::hits(connection, workspace, text)?, FOUND_MAX, LOOK_MAX),
        None if !filter.chat_ids.is_empty() => (Hits::of_chats(&filter.chat_ids), usize::MAX, u64::MAX),
        None => return Ok(None),
    };
    let wanted = (workspace, filter, order);
    let (mut keys, is_whole) = of_chats(connection, wanted, hits.chats(), (found_max, look_max))?;
    let mut one = Find::new(connection, wanted, ("chat = ? AND number = ?", 2))?;
    for (chat, number) in hits.tickets() {
        one.find(&[blob(chat.as_bytes()), number.into()], &mut keys)?;
    }
    Ok(Some(Few {
        keys,
        is_exact: is_whole && !hits.is_cut,
    }))
}

/// Those of whole chats that match, and whether these are all: chat by chat, those that were active last first and of each
/// the newest, until so many match or were looked at.
fn of_chats<'a>(
    connection: &Connection,
    (workspace, filter, order): (Uuid, &TicketFilter, TicketOrder),
    ids: impl Iterator<Item = &'a Uuid>,
    (found_max, look_max): (usize, u64),
) -> Result<(Vec<TicketKey>, bool), ReadError> {
    let mut read =
        connection.prepare_cached("SELECT updated_at, tickets, channel FROM chat WHERE id = ?1 AND workspace = ?2")?;
    let mut chats = Vec::new();
    for id in ids {
        let found = read.query_row([id.as_bytes(), workspace.as_bytes()], |row| {
            Ok((number(row, 0)?, number(row, 1)?, bytes(row, 2)?))
        });
        let Some((at, tickets, channel)) = found.optional()? else {
            continue;
        };
        let is_wanted = |ids: &[Uuid], id: &Uuid| ids.is_empty() || ids.contains(id);
        if is_wanted(&filter.channel_ids, &channel) && is_wanted(&filter.chat_ids, id) {
            chats.push((at, *id, tickets));
        }
    }
    chats.sort_unstable_by(|one, other| other.cmp(one));
    let mut newest = Find::new(connection, (workspace, filter, order), ("chat = ? AND number > ?", 2))?;
    let (mut keys, mut left) = (Vec::new(), look_max);
    for (_, id, tickets) in chats {
        if keys.len() >= found_max {
            return Ok((keys, false));
        }
        let passed_over = tickets.saturating_sub(left);
        newest.find(&[blob(id.as_bytes()), signed(passed_over).into()], &mut keys)?;
        if passed_over > 0 {
            return Ok((keys, false));
        }
        left = left.saturating_sub(tickets);
    }
    Ok((keys, true))
}

/// The first of them after a key.
pub(super) fn sorted(
    mut keys: Vec<TicketKey>,
    (order, is_backward): (TicketOrder, bool),
    after: Option<TicketKey>,
    wanted: usize,
) -> Vec<TicketKey> {
    let ascending = order.is_ascending() != is_backward;
    let place = |key: &TicketKey| (key.at, key.id);
    if let Some(after) = &after {
        keys.retain(|key| {
            if ascending {
                place(key) > place(after)
            } else {
                place(key) < place(after)
            }
        });
    }
    keys.sort_unstable_by_key(place);
    if !ascending {
        keys.reverse();
    }
    keys.truncate(wanted);
    keys
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;
    use crate::view::schema::STATE;

    fn write(connection: &Connection, (chat, tickets): (u64, u64)) {
        let (nil, id) = (Uuid::nil(), Uuid::from_u64_pair(chat, 0));
        let mut write = connection
            .prepare_cached(
                "INSERT INTO chat (id, workspace, channel, external_id, blocked, tickets, owned, responder_epoch, contact,
                   version, seq, created_at, updated_at)
                 VALUES (?1, ?2, ?2, '', 0, ?4, 0, 0, ?2, 1, 1, 1, ?3)",
            )
            .unwrap();
        let values = params![id.as_bytes(), nil.as_bytes(), signed(chat), signed(tickets)];
        write.execute(values).unwrap();
        let mut write = connection
            .prepare_cached(
                "INSERT INTO ticket (id, workspace, chat, number, channel, status, reason, priority, tags, removed, pending,
                   opened_at, created_at, updated_at, waiting, lists, body)
                 VALUES (?1, ?2, ?3, ?4, ?2, 'NEW', 'INBOUND', 'LOW', x'', 0, 0, 1, 1, 1, 1, x'', '')",
            )
            .unwrap();
        for number in 1..=tickets {
            let ticket = Uuid::from_u64_pair(chat, number);
            let values = params![ticket.as_bytes(), nil.as_bytes(), id.as_bytes(), signed(number)];
            write.execute(values).unwrap();
        }
    }

    #[test]
    fn of_many_tickets_the_newest_are_looked_at_of_the_chats_active_last() {
        let connection = Connection::open_in_memory().unwrap();
        STATE.reset(&connection).unwrap();
        for chat in [(2, 3), (3, 2), (1, 1)] {
            write(&connection, chat);
        }
        let ids = [1, 2, 3, 4].map(|chat| Uuid::from_u64_pair(chat, 0));
        let filter = TicketFilter::default();
        let wanted = (Uuid::nil(), &filter, TicketOrder::default());
        let newest_first = [(3, 2), (3, 1), (2, 3), (2, 2), (2, 1), (1, 1)];
        for max in 0..=7 {
            let (keys, is_whole) = of_chats(&connection, wanted, ids.iter(), (usize::MAX, max)).unwrap();
            let mut found: Vec<Uuid> = keys.iter().map(|key| key.id).collect();
            found.sort_unstable();
            let count = usize::try_from(max).unwrap();
            let expected = newest_first.into_iter().take(count);
            let mut expected: Vec<Uuid> = expected
                .map(|(chat, number)| Uuid::from_u64_pair(chat, number))
                .collect();
            expected.sort_unstable();
            assert_eq!((found, is_whole), (expected, max >= 6), "{max}");
        }
        for (found_max, found, is_whole) in [(1, 2, false), (2, 2, false), (3, 5, false), (5, 5, false), (6, 6, true)] {
            let (keys, all) = of_chats(&connection, wanted, ids.iter(), (found_max, u64::MAX)).unwrap();
            assert_eq!((keys.len(), all), (found, is_whole), "{found_max}");
        }
    }
}
