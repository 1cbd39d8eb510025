//! Counters that every change of a ticket keeps, and the same counted anew.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
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

fn wanted(workspace: Uuid, filter: &StatsFilter) -> Where {
    Where::new("workspace = ?", vec![blob(workspace.as_bytes())])
        .any("channel", blobs(&filter.channel_ids))
        .any("team", blobs(&filter.team_ids))
        .any("assignee", blobs(&filter.assignee_ids))
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
    let wanted = wanted(workspace, filter);
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
        stats.oldest_new_at = oldest_new_at(connection, workspace, wanted)?;
    }
    Ok(stats)
}

/// The oldest of those that the counters say are there.
fn oldest_new_at(connection: &Connection, workspace: Uuid, wanted: Where) -> Result<Option<Millis>, ReadError> {
    let of_new = wanted.and("status = ?", Value::Text(Status::New.name().to_owned()));
    let sql = format!(
        "SELECT channel, team, assignee FROM counter WHERE {} AND tickets > 0",
        of_new.sql
    );
    let places = all(connection, &sql, params_from_iter(of_new.values), |row| {
        let none_if_empty = |id: Vec<u8>| (!id.is_empty()).then_some(id);
        let channel: Vec<u8> = row.get(0)?;
        Ok((channel, none_if_empty(row.get(1)?), none_if_empty(row.get(2)?)))
    })?;
    let mut oldest = connection.prepare_cached(
        "SELECT min(opened_at) FROM ticket
         WHERE workspace = ?1 AND channel = ?2 AND team IS ?3 AND assignee IS ?4 AND status = 'NEW' AND removed = 0",
    )?;
    let mut found: Option<i64> = None;
    for (channel, team, assignee) in places {
        let values = params![workspace.as_bytes(), channel, team, assignee];
        let at: Option<i64> = oldest.query_row(values, |row| row.get(0))?;
        found = [found, at].into_iter().flatten().min();
    }
    Ok(found.map(i64::unsigned_abs))
}

/// How many tickets the counters know of a filter that names nothing but channels, teams, assignees and statuses.
pub(super) fn counted(
    connection: &Connection,
    workspace: Uuid,
    filter: &StatsFilter,
    (assigned, statuses): (Option<bool>, &[Status]),
) -> Result<u64, ReadError> {
    let mut wanted = wanted(workspace, filter);
    if let Some(assigned) = assigned {
        wanted = wanted.and("(assignee <> x'') = ?", assigned.into());
    }
    let wanted = wanted.any("status", texts(statuses.iter().map(|status| status.name())));
    let sql = format!("SELECT coalesce(sum(tickets), 0) FROM counter WHERE {}", wanted.sql);
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row(params_from_iter(wanted.values), |row| number(row, 0))?)
}

/// What the counters and the lists say and the tickets do not, in words; nothing where they agree.
const RECOUNTS: [(&str, &str); 6] = [
    (
        "counters of tickets",
        "SELECT count(*) FROM (
           SELECT * FROM (SELECT workspace, channel, team, assignee, status, tickets, pending FROM counter
                          WHERE (tickets, pending) <> (0, 0))
           EXCEPT
           SELECT workspace, channel, coalesce(team, x''), coalesce(assignee, x''), status, count(*), sum(pending)
           FROM ticket WHERE removed = 0 AND reason <> 'DELETED' GROUP BY 1, 2, 3, 4, 5)",
    ),
    (
        "tickets that the counters lack",
        "SELECT count(*) FROM (
           SELECT workspace, channel, coalesce(team, x''), coalesce(assignee, x''), status, count(*), sum(pending)
           FROM ticket WHERE removed = 0 AND reason <> 'DELETED' GROUP BY 1, 2, 3, 4, 5
           EXCEPT SELECT workspace, channel, team, assignee, status, tickets, pending FROM counter)",
    ),
    (
        "lists whose number of tickets is wrong",
        "SELECT count(*) FROM list WHERE tickets <> (SELECT count(*) FROM by_created WHERE list = list.id)
           OR tickets <> (SELECT count(*) FROM by_updated WHERE list = list.id)
           OR tickets <> (SELECT count(*) FROM by_waiting WHERE list = list.id)",
    ),
    (
        "places of tickets under a wrong key",
        "SELECT count(*) FROM by_created c JOIN ticket t ON t.id = c.ticket JOIN list l ON l.id = c.list
         WHERE t.created_at <> c.at OR t.workspace <> l.workspace OR t.reason <> l.reason OR t.priority <> l.priority
           OR t.removed <> l.removed OR instr(t.lists, unhex(printf('%016X', l.id))) = 0
           OR NOT EXISTS (SELECT 1 FROM by_updated u WHERE (u.list, u.at, u.ticket) = (c.list, t.updated_at, t.id))
           OR NOT EXISTS (SELECT 1 FROM by_waiting w WHERE (w.list, w.at, w.ticket) = (c.list, t.waiting, t.id))
           OR NOT CASE l.dimension WHEN 0 THEN l.value = x'' WHEN 1 THEN l.value = t.channel
                WHEN 2 THEN l.value = coalesce(t.assignee, x'') WHEN 3 THEN l.value = t.team
                WHEN 4 THEN l.value = t.responder ELSE instr(t.tags, l.value) > 0 END",
    ),
    (
        "places of tickets too few or too many",
        "SELECT abs((SELECT count(*) FROM by_created) - (SELECT coalesce(sum(length(lists) / 8), 0) FROM ticket))
           + (SELECT count(*) FROM ticket WHERE length(lists) / 8 <> 3 + (team IS NOT NULL) + (responder IS NOT NULL)
                + length(tags) / 16)",
    ),
    (
        "tickets that were made at other times than their zone says",
        "SELECT count(*) FROM by_updated u JOIN zone z
           ON z.list = u.list AND z.at = (SELECT max(at) FROM zone WHERE list = u.list AND at <= u.at)
         WHERE u.created < z.least OR u.created > z.most OR (z.eras >> ((u.created >> 31) & 63)) & 1 = 0",
    ),
];

impl View {
    /// The counters.
    ///
    /// # Errors
    /// What SQLite says; so for every question.
    pub async fn queue_stats(&self, workspace: Uuid, filter: StatsFilter) -> Result<QueueStats, ReadError> {
        self.ask(move |connection| queue_stats(connection, workspace, &filter))
            .await
    }

    /// Counts anew what counters and lists keep, over all workspaces: what differs, and how often. It reads every ticket.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn recount(&self) -> Result<Vec<(&'static str, u64)>, ReadError> {
        self.ask(|connection| {
            let mut differences = Vec::new();
            for (what, sql) in RECOUNTS {
                let count = connection.query_row(sql, [], |row| number(row, 0))?;
                if count > 0 {
                    differences.push((what, count));
                }
            }
            Ok(differences)
        })
        .await
    }
}
