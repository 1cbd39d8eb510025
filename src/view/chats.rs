//! Lists of chats, the last active first.

use std::collections::HashSet;

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::View;
use super::page::{Page, Range, TOTAL_MAX, TicketKey};
use super::read::{CHAT, ChatRow, all, bytes, chat, limit_plus_one, number, signed};
use super::search;
use super::totals::{Total, count};
use crate::sqlite::ReadError;

/// Which chats; removed ones are never shown.
#[derive(Clone, Debug, Default)]
pub struct ChatFilter {
    /// Of these channels, all of the workspace.
    pub channel_ids: Vec<Uuid>,
    /// Every word is found in the chat's owner, messages or tickets.
    pub search: Option<String>,
}

type Place = (u64, Uuid);

fn of_channel(
    connection: &Connection,
    (workspace, channel): (Uuid, Uuid),
    after: Option<Place>,
    limit: usize,
) -> Result<Vec<Place>, ReadError> {
    let (at, id) = after.map_or((i64::MAX, vec![0xff; 17]), |(at, id)| {
        (signed(at), id.as_bytes().to_vec())
    });
    all(
        connection,
        "SELECT updated_at, id FROM chat
         WHERE workspace = ?1 AND channel = ?2 AND removed_at IS NULL AND (updated_at, id) < (?3, ?4)
         ORDER BY updated_at DESC, id DESC LIMIT ?5",
        params![workspace.as_bytes(), channel.as_bytes(), at, id, limit_plus_one(limit)],
        |row| Ok((number(row, 0)?, bytes(row, 1)?)),
    )
}

fn found(connection: &Connection, workspace: Uuid, id: Uuid) -> Result<Option<ChatRow>, ReadError> {
    let sql = format!("{CHAT} WHERE id = ?1 AND workspace = ?2");
    let rows = all(connection, &sql, params![id.as_bytes(), workspace.as_bytes()], chat)?;
    Ok(rows.into_iter().next())
}

/// The chats that a search finds and the filter lets through, and whether there may be others.
fn searched(
    connection: &Connection,
    workspace: Uuid,
    (filter, text): (&ChatFilter, &str),
) -> Result<(Vec<ChatRow>, bool), ReadError> {
    let mut rows = Vec::new();
    let (ids, is_cut) = search::chats(connection, workspace, text)?;
    for id in ids {
        let row = found(connection, workspace, id)?;
        rows.extend(row.filter(|row| row.removed_at.is_none() && filter.channel_ids.contains(&row.channel_id)));
    }
    Ok((rows, is_cut))
}

fn page(
    connection: &Connection,
    workspace: Uuid,
    filter: &ChatFilter,
    (after, limit): (Option<TicketKey>, usize),
) -> Result<Page<ChatRow>, ReadError> {
    let begin = after.map(|key| (key.at, key.id));
    let place = |row: &ChatRow| (row.updated_at, row.id);
    let mut rows = Vec::new();
    if let Some(text) = filter.search.as_deref() {
        (rows, _) = searched(connection, workspace, (filter, text))?;
        rows.retain(|row| begin.is_none_or(|begin| place(row) < begin));
    } else {
        let mut places = Vec::new();
        for channel in filter.channel_ids.iter().collect::<HashSet<_>>() {
            places.extend(of_channel(connection, (workspace, *channel), begin, limit)?);
        }
        places.sort_unstable_by(|one, other| other.cmp(one));
        places.truncate(limit.saturating_add(1));
        for (_, id) in places {
            rows.extend(found(connection, workspace, id)?);
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(place(row)));
    rows.truncate(limit.saturating_add(1));
    Ok(Page::cut(rows, &Range::Forward { after, limit }))
}

/// Of a search, all that it found; otherwise no more are looked at than a total may say.
fn total(connection: &Connection, workspace: Uuid, filter: &ChatFilter) -> Result<Total, ReadError> {
    if let Some(text) = filter.search.as_deref() {
        let (rows, is_cut) = searched(connection, workspace, (filter, text))?;
        return Ok(Total {
            items: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            is_exact: !is_cut,
        });
    }
    let mut chats = 0_u64;
    for channel in filter.channel_ids.iter().collect::<HashSet<_>>() {
        let of_channel = count(
            connection,
            "SELECT 1 FROM chat WHERE workspace = ?1 AND channel = ?2 AND removed_at IS NULL",
            params![workspace.as_bytes(), channel.as_bytes()],
        )?;
        chats = chats.saturating_add(of_channel);
        if chats > TOTAL_MAX {
            break;
        }
    }
    Ok(Total::counted(chats))
}

impl View {
    /// One page of the chats that match, the last active first.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn chat_page(
        &self,
        workspace: Uuid,
        filter: ChatFilter,
        after: Option<TicketKey>,
        limit: usize,
    ) -> Result<Page<ChatRow>, ReadError> {
        self.ask(move |connection| page(connection, workspace, &filter, (after, limit)))
            .await
    }

    /// How many chats match.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn chat_total(&self, workspace: Uuid, filter: ChatFilter) -> Result<Total, ReadError> {
        self.ask(move |connection| total(connection, workspace, &filter)).await
    }
}
