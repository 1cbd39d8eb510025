//! What waits for somebody who takes it, and what somebody has.

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::View;
use super::lists::Place;
use super::read::{TicketRow, all, ticket};
use crate::sqlite::ReadError;

/// Where a ticket waits: its channel, and its team if it has one.
pub type Pool = (Uuid, Option<Uuid>);

/// After all places.
const END: Place = (i64::MAX, [0xff; 16]);

/// The first that wait in a pool, before a place: open tickets that nobody has, but for those of removed chats, blocked
/// owners and responders.
fn first(
    connection: &Connection,
    (workspace, pool): (Uuid, &Pool),
    (at, id): Place,
    limit: usize,
) -> Result<Vec<Place>, ReadError> {
    let (channel, team) = pool;
    all(
        connection,
        "SELECT t.opened_at, t.id FROM ticket t INDEXED BY ticket_waiting CROSS JOIN chat c ON c.id = t.chat
         WHERE t.workspace = ?1 AND t.channel = ?2 AND t.team IS ?3 AND (t.opened_at, t.id) < (?4, ?5)
           AND t.assignee IS NULL AND t.status <> 'INACTIVE' AND t.removed = 0 AND c.owned = 0 AND c.blocked = 0
         ORDER BY t.opened_at, t.id LIMIT ?6",
        params![
            workspace.as_bytes(),
            channel.as_bytes(),
            team.as_ref().map(Uuid::as_bytes),
            at,
            id,
            i64::try_from(limit).unwrap_or(i64::MAX)
        ],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// The teams, or none, of a channel's open tickets that nobody has, by the counters.
fn teams(connection: &Connection, workspace: Uuid, channel: Uuid) -> Result<Vec<Option<Uuid>>, ReadError> {
    all(
        connection,
        "SELECT DISTINCT team FROM counter
         WHERE workspace = ?1 AND assignee = x'' AND channel = ?2 AND status IN ('NEW', 'ACTIVE') AND tickets > 0",
        params![workspace.as_bytes(), channel.as_bytes()],
        |row| Ok(Uuid::from_slice(row.get_ref(0)?.as_blob()?).ok()),
    )
}

fn pools(connection: &Connection, workspace: Uuid, channels: &[Uuid]) -> Result<Vec<Pool>, ReadError> {
    let mut found = Vec::new();
    for channel in channels {
        for team in teams(connection, workspace, *channel)? {
            let pool = (*channel, team);
            let oldest = first(connection, (workspace, &pool), END, 1)?;
            found.extend(oldest.into_iter().map(|place| (place, pool)));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, pool)| pool).collect())
}

fn waiting(
    connection: &Connection,
    workspace: Uuid,
    pools: &[Pool],
    limit: usize,
) -> Result<Vec<(TicketRow, Uuid)>, ReadError> {
    let mut found: Vec<(Place, Uuid)> = Vec::new();
    for pool in pools {
        // once there are enough, only those count that wait longer than the last of them
        let last = found.last().filter(|_| found.len() >= limit);
        let end = last.map_or(END, |(place, _)| *place);
        let of_pool = first(connection, (workspace, pool), end, limit)?;
        found.extend(of_pool.into_iter().map(|place| (place, pool.0)));
        found.sort_unstable();
        found.truncate(limit);
    }
    let mut read = connection.prepare_cached("SELECT chat, body FROM ticket WHERE id = ?1")?;
    let mut rows = Vec::with_capacity(found.len());
    for ((_, id), channel) in found {
        rows.push((read.query_row([id], ticket)?, channel));
    }
    Ok(rows)
}

impl View {
    /// Where open tickets of these channels wait that nobody has, by channel and team, the longest waiting first; not
    /// those of removed chats, blocked owners and responders.
    ///
    /// # Errors
    /// What SQLite says; so for every question.
    pub async fn waiting_pools(&self, workspace: Uuid, channels: Vec<Uuid>) -> Result<Vec<Pool>, ReadError> {
        self.ask(move |connection| pools(connection, workspace, &channels))
            .await
    }

    /// Tickets that wait in any of these pools, with their channel, the longest waiting first.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn waiting(
        &self,
        workspace: Uuid,
        pools: Vec<Pool>,
        limit: usize,
    ) -> Result<Vec<(TicketRow, Uuid)>, ReadError> {
        self.ask(move |connection| waiting(connection, workspace, &pools, limit))
            .await
    }

    /// Open tickets that an agent has.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn held(&self, workspace: Uuid, agent_id: Uuid, limit: usize) -> Result<Vec<TicketRow>, ReadError> {
        self.ask(move |connection| {
            all(
                connection,
                "SELECT chat, body FROM ticket
                 WHERE workspace = ?1 AND assignee = ?2 AND status <> 'INACTIVE' LIMIT ?3",
                params![
                    workspace.as_bytes(),
                    agent_id.as_bytes(),
                    i64::try_from(limit).unwrap_or(i64::MAX)
                ],
                ticket,
            )
        })
        .await
    }
}
