//! Where few tickets are to be looked at: all that match are found, put in order, and only those of a page are read.

use rusqlite::Connection;
use uuid::Uuid;

use super::look::Find;
use super::plan::{Plan, total};
use super::{TicketFilter, TicketOrder, Walk};
use crate::sqlite::ReadError;
use crate::view::condition::blob;
use crate::view::lists::Key;
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

/// Every ticket that matches, if few were made at the times that the filter names: of `n`, the root of a sixteenth. A walk in
/// another order might pass over all others on its way to them; where there are more, it soon comes to some.
pub(super) fn made_then(
    connection: &Connection,
    (workspace, plan): (Uuid, &Plan),
    filter: &TicketFilter,
    order: TicketOrder,
) -> Result<Option<Vec<TicketKey>>, ReadError> {
    if !filter.bounds_creation() || order.key_of_list() == Key::Created {
        return Ok(None);
    }
    let few_max = (total(&plan.lists) / 16).isqrt();
    let mut walk = Walk::new(
        connection,
        plan,
        filter,
        (TicketOrder::CreatedAsc, false, few_max),
        None,
    );
    let mut ids = Vec::new();
    loop {
        match walk.next() {
            Ok(Some((_, id))) => ids.push(id),
            Ok(None) => break,
            Err(ReadError::TooMuch) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let mut one = Find::new(connection, (workspace, filter, order), ("id = ?", 1))?;
    let mut found = Vec::new();
    for id in ids {
        one.find(&[blob(&id)], &mut found)?;
    }
    Ok(Some(found))
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
