//! Lists of tickets: filters, orders, keyset pages.

use rusqlite::types::ToSql;
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use super::page::{Page, Range, TOTAL_MAX, TicketKey};
use super::read::{TicketRow, all, limit_plus_one, number, signed, ticket};
use crate::domain::{Millis, Priority, Reason, Status, Ticket};
use crate::sqlite::ReadError;

/// Which tickets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the API's TicketFilter")]
pub struct TicketFilter {
    pub statuses: Vec<Status>,
    pub reasons: Vec<Reason>,
    pub assignee_ids: Vec<Uuid>,
    pub unassigned: Option<bool>,
    pub team_ids: Vec<Uuid>,
    pub priorities: Vec<Priority>,
    pub tag_ids: Vec<Uuid>,
    /// Also deleted ones and those of removed chats.
    pub include_removed: bool,
    pub channel_ids: Vec<Uuid>,
    pub chat_ids: Vec<Uuid>,
    pub created_after: Option<Millis>,
    pub created_before: Option<Millis>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the API's TicketOrder")]
pub enum TicketOrder {
    #[default]
    UpdatedDesc,
    CreatedDesc,
    CreatedAsc,
}

fn marks(count: usize) -> String {
    let mut marks = "?,".repeat(count);
    marks.pop();
    marks
}

/// A growing WHERE with its values.
struct Where {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Where {
    fn of_workspace(workspace: Uuid) -> Self {
        Self {
            sql: "workspace = ?".into(),
            values: vec![Box::new(*workspace.as_bytes())],
        }
    }

    fn and(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.push(Box::new(value));
    }

    fn any<T: ToSql + 'static>(&mut self, column: &str, values: impl ExactSizeIterator<Item = T>) {
        if values.len() == 0 {
            return;
        }
        for part in [" AND ", column, " IN (", &marks(values.len()), ")"] {
            self.sql.push_str(part);
        }
        for value in values {
            self.values.push(Box::new(value));
        }
    }

    fn filter(&mut self, filter: &TicketFilter) {
        let ids = |ids: &[Uuid]| ids.iter().map(|id| *id.as_bytes()).collect::<Vec<_>>().into_iter();
        let every = [Status::New, Status::Active, Status::Inactive];
        // always named, so that the indexes that begin with workspace and status serve every order
        let statuses = if filter.statuses.is_empty() {
            &every[..]
        } else {
            &filter.statuses
        };
        self.any("status", statuses.iter().map(|status| status.name()));
        self.any("reason", filter.reasons.iter().map(|reason| reason.name()));
        self.any("assignee", ids(&filter.assignee_ids));
        self.any("team", ids(&filter.team_ids));
        self.any("priority", filter.priorities.iter().map(|priority| priority.name()));
        if !filter.tag_ids.is_empty() {
            let marks = marks(filter.tag_ids.len());
            for part in [
                " AND EXISTS (SELECT 1 FROM json_each(body, '$.tags') WHERE value IN (",
                &marks,
                "))",
            ] {
                self.sql.push_str(part);
            }
            for id in &filter.tag_ids {
                self.values.push(Box::new(id.to_string()));
            }
        }
        if !filter.include_removed {
            self.sql.push_str(" AND removed = 0");
            if filter.reasons.is_empty() {
                self.sql.push_str(" AND reason <> 'DELETED'");
            }
        }
        self.any("channel", ids(&filter.channel_ids));
        self.any("chat", ids(&filter.chat_ids));
        match filter.unassigned {
            Some(true) => self.sql.push_str(" AND assignee IS NULL"),
            Some(false) => self.sql.push_str(" AND assignee IS NOT NULL"),
            None => {}
        }
        if let Some(at) = filter.created_after {
            self.and("created_at > ?", signed(at));
        }
        if let Some(at) = filter.created_before {
            self.and("created_at < ?", signed(at));
        }
    }
}

impl TicketFilter {
    /// Whether a ticket of this chat and channel is one of them, in sight or not: whoever watches a ticket sees it go.
    #[must_use]
    pub fn matches(&self, ticket: &Ticket, chat_id: Uuid, channel_id: Uuid) -> bool {
        let any = |list: &[Uuid], id: Uuid| list.is_empty() || list.contains(&id);
        (self.statuses.is_empty() || self.statuses.contains(&ticket.status()))
            && (self.reasons.is_empty() || self.reasons.contains(&ticket.reason))
            && (self.assignee_ids.is_empty() || ticket.assignee_id.is_some_and(|id| self.assignee_ids.contains(&id)))
            && self
                .unassigned
                .is_none_or(|unassigned| unassigned == ticket.assignee_id.is_none())
            && (self.team_ids.is_empty() || ticket.team_id.is_some_and(|id| self.team_ids.contains(&id)))
            && (self.priorities.is_empty() || self.priorities.contains(&ticket.priority))
            && (self.tag_ids.is_empty() || ticket.tags.iter().any(|id| self.tag_ids.contains(id)))
            && any(&self.channel_ids, channel_id)
            && any(&self.chat_ids, chat_id)
            && self.created_after.is_none_or(|at| ticket.created_at > at)
            && self.created_before.is_none_or(|at| ticket.created_at < at)
    }
}

impl TicketOrder {
    fn column(self) -> &'static str {
        match self {
            Self::UpdatedDesc => "updated_at",
            Self::CreatedDesc | Self::CreatedAsc => "created_at",
        }
    }

    /// The place of a ticket in this order.
    #[must_use]
    pub fn key(self, ticket: &Ticket) -> TicketKey {
        let at = match self {
            Self::UpdatedDesc => ticket.updated_at,
            Self::CreatedDesc | Self::CreatedAsc => ticket.created_at,
        };
        TicketKey { at, id: ticket.id }
    }
}

pub(super) fn ticket_page(
    connection: &Connection,
    workspace: Uuid,
    filter: &TicketFilter,
    order: TicketOrder,
    range: &Range<TicketKey>,
) -> Result<Page<TicketRow>, ReadError> {
    let column = order.column();
    let mut wanted = Where::of_workspace(workspace);
    wanted.filter(filter);
    let (key, backward) = match range {
        Range::Forward { after, .. } => (after, false),
        Range::Backward { before, .. } => (before, true),
    };
    let ascending = (order == TicketOrder::CreatedAsc) != backward;
    let (sign, direction) = if ascending { (">", "ASC") } else { ("<", "DESC") };
    if let Some(key) = key {
        wanted.and(&format!("({column}, id) {sign} (?, ?)"), signed(key.at));
        wanted.values.push(Box::new(*key.id.as_bytes()));
    }
    wanted.values.push(Box::new(limit_plus_one(range.limit())));
    let sql = format!(
        "SELECT chat, body FROM ticket WHERE {} ORDER BY {column} {direction}, id {direction} LIMIT ?",
        wanted.sql
    );
    let rows = all(connection, &sql, params_from_iter(wanted.values), ticket)?;
    Ok(Page::cut(rows, range))
}

pub(super) fn ticket_total(connection: &Connection, workspace: Uuid, filter: &TicketFilter) -> Result<u64, ReadError> {
    let mut wanted = Where::of_workspace(workspace);
    wanted.filter(filter);
    wanted.values.push(Box::new(signed(TOTAL_MAX)));
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM ticket WHERE {} LIMIT ?)",
        wanted.sql
    );
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row(params_from_iter(wanted.values), |row| number(row, 0))?)
}
