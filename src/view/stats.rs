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

/// Those of tickets that nobody has, and of those that somebody has.
pub(super) const EVERYBODY: &[&[u8]] = &[&[], ANY];

impl StatsFilter {
    /// The counters of what it names, or of these assignees and channels, teams apart. Many values of several things are not
    /// looked up in every combination, but told apart among the rows of the first.
    fn rows(&self, workspace: Uuid, assignees: &[&[u8]], channels: &[&[u8]]) -> Where {
        let of = |ids: &[Uuid], others: &[&[u8]]| {
            if ids.is_empty() {
                others.iter().map(|value| blob(value)).collect()
            } else {
                blobs(ids)
            }
        };
        let by_channel = if self.assignee_ids.is_empty() {
            "channel"
        } else {
            "+channel"
        };
        Where::new("workspace = ?", vec![blob(workspace.as_bytes())])
            .any("assignee", of(&self.assignee_ids, assignees))
            .any(by_channel, of(&self.channel_ids, channels))
            .any("+team", blobs(&self.team_ids))
    }

    /// Its channels and teams, with the assignees that it names, or these.
    pub(super) fn places(&self, workspace: Uuid, assignees: &[&[u8]]) -> Where {
        self.rows(workspace, assignees, &[])
            .and("+channel <> ?", blob(ANY))
            .and("tickets > ?", 0.into())
    }

    /// All together: what it does not name is summed already.
    fn sums(&self, workspace: Uuid, assigned: Option<bool>) -> Where {
        let assignees: &[&[u8]] = match assigned {
            None => EVERYBODY,
            Some(true) => &[ANY],
            Some(false) => &[&[]],
        };
        let rows = self.rows(workspace, assignees, &[ANY]);
        match assigned {
            Some(assigned) => rows.and("(assignee <> x'') = ?", assigned.into()),
            None => rows,
        }
    }
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
    let wanted = filter.sums(workspace, None);
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

/// When the oldest new ticket was opened: of all, or in each of the places that the counters say have any.
fn oldest_new_at(connection: &Connection, workspace: Uuid, filter: &StatsFilter) -> Result<Option<Millis>, ReadError> {
    let in_workspace = blob(workspace.as_bytes());
    if *filter == StatsFilter::default() {
        return oldest(connection, ("ticket_new", "workspace = ?"), vec![in_workspace]);
    }
    let (columns, by) = if filter.assignee_ids.is_empty() {
        let by = ("ticket_new_at", "workspace = ? AND channel = ? AND team IS ?");
        ("workspace, channel, nullif(team, x'')", by)
    } else {
        let by = (
            "ticket_new_of",
            "workspace = ? AND assignee = ? AND channel = ? AND team IS ?",
        );
        ("workspace, assignee, channel, nullif(team, x'')", by)
    };
    let of_new = filter
        .places(workspace, EVERYBODY)
        .and("status = ?", Value::Text(Status::New.name().to_owned()));
    let sql = format!("SELECT DISTINCT {columns} FROM counter WHERE {}", of_new.sql);
    let places = all(connection, &sql, params_from_iter(of_new.values), values)?;
    let mut found = Vec::with_capacity(places.len());
    for place in places {
        found.extend(oldest(connection, by, place)?);
    }
    Ok(found.into_iter().min())
}

/// All columns of a row.
pub(super) fn values(row: &Row<'_>) -> rusqlite::Result<Vec<Value>> {
    (0..row.as_ref().column_count()).map(|column| row.get(column)).collect()
}

/// When the oldest new ticket was opened, by an index that has these in this order.
fn oldest(
    connection: &Connection,
    (index, wanted): (&str, &str),
    place: Vec<Value>,
) -> Result<Option<Millis>, ReadError> {
    let sql = format!(
        "SELECT opened_at FROM ticket INDEXED BY {index} WHERE {wanted} AND status = 'NEW' AND removed = 0
         ORDER BY opened_at LIMIT 1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row(params_from_iter(place), |row| number(row, 0));
    Ok(found.optional()?)
}

/// How many tickets the counters know of a filter that names nothing but channels, teams, assignees and statuses.
pub(super) fn counted(
    connection: &Connection,
    workspace: Uuid,
    filter: &StatsFilter,
    (assigned, statuses): (Option<bool>, &[Status]),
) -> Result<u64, ReadError> {
    let statuses = texts(statuses.iter().map(|status| status.name()));
    let wanted = filter.sums(workspace, assigned).any("status", statuses);
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
