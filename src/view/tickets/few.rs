//! Where few tickets are to be looked at: all that match are found, put in order, and only those of a page are read.

use rusqlite::Connection;
use uuid::Uuid;

use super::look::Find;
use super::{TicketFilter, TicketOrder};
use crate::sqlite::ReadError;
use crate::view::condition::blob;
use crate::view::page::TicketKey;
use crate::view::search::{self, Hits};
use crate::view::totals::Total;

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
    let hits = match &filter.search {
        Some(text) => search::hits(connection, workspace, text)?,
        None if !filter.chat_ids.is_empty() => Hits::of_chats(&filter.chat_ids),
        None => return Ok(None),
    };
    let mut keys = Vec::new();
    let wanted = (workspace, filter, order);
    let mut of_chat = Find::new(connection, wanted, ("chat = ?", 1))?;
    for chat in hits.chats() {
        of_chat.find(&[blob(chat.as_bytes())], &mut keys)?;
    }
    let mut one = Find::new(connection, wanted, ("chat = ? AND number = ?", 2))?;
    for (chat, number) in hits.tickets() {
        one.find(&[blob(chat.as_bytes()), number.into()], &mut keys)?;
    }
    Ok(Some(Few {
        keys,
        is_exact: !hits.is_cut,
    }))
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
