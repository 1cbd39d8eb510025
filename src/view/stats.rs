//! Counters that every change of a ticket keeps.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use uuid::Uuid;

use super::View;
use super::condition::{Where, blob, blobs, texts};
use super::read::{all, number};
use crate::domain::{Millis, Status};
use crate::sqlite::ReadError;

/// Whose queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the API")]
pub struct StatsFilter {
    pub channel_ids: Vec<Uuid>,
    pub team_ids: Vec<Uuid>,
    pub assignee_ids: Vec<Uuid>,
}

/// How many tickets are where; neither deleted ones nor those of removed chats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Nobody works on them yet.
    pub new: u64,
    /// Somebody does.
    pub active: u64,
    /// They have ended.
    pub inactive: u64,
    /// Open and nobody's.
    pub unassigned: u64,
    /// Messages of owners since the last public answer, over all open tickets.
    pub pending_messages: u64,
    /// When the oldest new one was made.
    pub oldest_new_at: Option<Millis>,
}

/// In place of a channel or an assignee: of any channel, and of whoever has the ticket.
pub(super) const ANY: &[u8] = &[1];

/// The counters of a filter: sums over what it does not name, teams apart.
fn wanted(workspace: Uuid, filter: &StatsFilter, assigned: Option<bool>) -> Where {
    let or_any = |ids: &[Uuid], any: &[&[u8]]| {
        if ids.is_empty() {
            any.iter().map(|value| blob(value)).collect()
        } else {
            blobs(ids)
        }
    };
    let assignees: &[&[u8]] = match assigned {
        None => &[&[], ANY],
        Some(true) => &[ANY],
        Some(false) => &[&[]],
    };
    let mut wanted = Where::new("workspace = ?", vec![blob(workspace.as_bytes())])
        .any("assignee", or_any(&filter.assignee_ids, assignees))
        .any("channel", or_any(&filter.channel_ids, &[ANY]))
        .any("team", blobs(&filter.team_ids));
    if let Some(assigned) = assigned {
        wanted = wanted.and("(assignee <> x'') = ?", assigned.into());
    }
    wanted
}

/// Some counters together.
struct Counters {
    is_assigned: bool,
    status: String,
    tickets: u64,
    pending: u64,
}

fn counters(row: &Row<'_>) -> rusqlite::Result<Counters> {
    Ok(Counters {
        is_assigned: row.get(0)?,
        status: row.get(1)?,
        tickets: number(row, 2)?,
        pending: number(row, 3)?,
    })
}

pub(super) fn queue_stats(
    connection: &Connection,
    workspace: Uuid,
    filter: &StatsFilter,
) -> Result<QueueStats, ReadError> {
    let wanted = wanted(workspace, filter, None);
    let sql = format!(
        "SELECT assignee <> x'', status, sum(tickets), sum(pending) FROM counter WHERE {} GROUP BY 1, 2",
        wanted.sql
    );
    let mut stats = QueueStats::default();
    for found in all(connection, &sql, params_from_iter(&wanted.values), counters)? {
        if found.status == Status::Inactive.name() {
            stats.inactive = stats.inactive.saturating_add(found.tickets);
            continue;
        }
        let of_status = if found.status == Status::Active.name() {
            &mut stats.active
        } else {
            &mut stats.new
        };
        *of_status = of_status.saturating_add(found.tickets);
        stats.pending_messages = stats.pending_messages.saturating_add(found.pending);
        if !found.is_assigned {
            stats.unassigned = stats.unassigned.saturating_add(found.tickets);
        }
    }
    if stats.new > 0 {
        stats.oldest_new_at = oldest_new_at(connection, workspace, filter)?;
    }
    Ok(stats)
}

/// When the oldest new ticket was opened: of all, of each wanted agent, or of each place that the counters say has any.
fn oldest_new_at(connection: &Connection, workspace: Uuid, filter: &StatsFilter) -> Result<Option<Millis>, ReadError> {
    let in_workspace = || Where::new("workspace = ?", vec![blob(workspace.as_bytes())]);
    let mut found = Vec::new();
    if !filter.assignee_ids.is_empty() {
        for id in &filter.assignee_ids {
            let wanted = in_workspace()
                .and("assignee = ?", blob(id.as_bytes()))
                .any("channel", blobs(&filter.channel_ids))
                .any("team", blobs(&filter.team_ids));
            found.push(oldest(connection, "ticket_new_of", &wanted)?);
        }
    } else if filter.channel_ids.is_empty() && filter.team_ids.is_empty() {
        found.push(oldest(connection, "ticket_new", &in_workspace())?);
    } else {
        for (channel, team) in places_of_new(connection, in_workspace(), filter)? {
            let wanted = in_workspace().and("channel = ?", channel).and("team IS ?", team);
            found.push(oldest(connection, "ticket_new_at", &wanted)?);
        }
    }
    Ok(found.into_iter().flatten().min())
}

/// The channels and teams of a filter that have new tickets.
fn places_of_new(
    connection: &Connection,
    in_workspace: Where,
    filter: &StatsFilter,
) -> Result<Vec<(Value, Value)>, ReadError> {
    let wanted = in_workspace
        .any("assignee", vec![blob(&[]), blob(ANY)])
        .any("channel", blobs(&filter.channel_ids))
        .any("team", blobs(&filter.team_ids))
        .and("channel <> ?", blob(ANY))
        .and("status = ?", Value::Text(Status::New.name().to_owned()));
    let sql = format!(
        "SELECT DISTINCT channel, nullif(team, x'') FROM counter WHERE {} AND tickets > 0",
        wanted.sql
    );
    all(connection, &sql, params_from_iter(wanted.values), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// When the oldest new ticket was opened, by an index that has these in this order.
fn oldest(connection: &Connection, index: &str, wanted: &Where) -> Result<Option<Millis>, ReadError> {
    let sql = format!(
        "SELECT opened_at FROM ticket INDEXED BY {index} WHERE {} AND status = 'NEW' AND removed = 0
         ORDER BY opened_at LIMIT 1",
        wanted.sql
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row(params_from_iter(&wanted.values), |row| number(row, 0));
    Ok(found.optional()?)
}

/// How many tickets the counters know of a filter that names nothing but channels, teams, assignees and statuses.
pub(super) fn counted(
    connection: &Connection,
    workspace: Uuid,
    filter: &StatsFilter,
    (assigned, statuses): (Option<bool>, &[Status]),
) -> Result<u64, ReadError> {
    let wanted = wanted(workspace, filter, assigned).any("status", texts(statuses.iter().map(|status| status.name())));
    let sql = format!("SELECT coalesce(sum(tickets), 0) FROM counter WHERE {}", wanted.sql);
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row(params_from_iter(wanted.values), |row| number(row, 0))?)
}

impl View {
    /// The counters.
    ///
    /// # Errors
    /// What SQLite says; so for every question.
    pub async fn queue_stats(&self, workspace: Uuid, filter: StatsFilter) -> Result<QueueStats, ReadError> {
        self.ask(move |connection| queue_stats(connection, workspace, &filter))
            .await
    }
}
