//! Which tickets, in which order, page by page.

mod few;
mod gathered;
mod look;
mod paged;
mod plan;

pub use paged::{DetailedTicket, NumberedPage, SKIP_MAX};

use std::collections::VecDeque;

use rusqlite::Connection;
use uuid::Uuid;

use self::few::{few, sorted};
use self::gathered::{GATHERED_MAX, gathered, placed};
use self::look::Look;
use self::plan::{Plan, total};
use super::lists::{Dimension, Key, List, Merge, Part, Place, none};
use super::page::{Page, Range, TOTAL_MAX, TicketKey};
use super::read::{TicketRow, signed};
use super::stats::{StatsFilter, counted};
use super::totals::Total;
use crate::domain::{Millis, Priority, Reason, Status, Ticket};
use crate::sqlite::ReadError;

/// The most values of one part of a filter.
pub const FILTER_VALUES_MAX: usize = 500;

/// A page that is not full after so many tickets were looked at is given up.
const LOOK_MAX: u64 = 100_000;

/// So much may the clocks of two nodes be apart, in milliseconds.
const CLOCKS_APART_MS: i64 = 600_000;

/// Added to the key of what comes after everything without it: a time in milliseconds is below until the year 10889.
const AFTER_ALL: u64 = 1 << 48;

/// Which tickets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the API's TicketFilter")]
pub struct TicketFilter {
    pub statuses: Vec<Status>,
    pub reasons: Vec<Reason>,
    pub assignee_ids: Vec<Uuid>,
    pub unassigned: Option<bool>,
    pub team_ids: Vec<Uuid>,
    pub responder_ids: Vec<Uuid>,
    /// Of the responder that the chat has; live queues do not look at it.
    pub responder_version_ids: Vec<Uuid>,
    pub priorities: Vec<Priority>,
    pub tag_ids: Vec<Uuid>,
    /// Every word is found in the ticket, its messages or its owner.
    pub search: Option<String>,
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
    WaitingLongest,
    Priority,
}

/// Those who wait come first, by since when; the others after them, by when they were made.
#[must_use]
pub fn waiting_key(ticket: &Ticket) -> u64 {
    ticket
        .waiting_since
        .unwrap_or_else(|| ticket.created_at.saturating_add(AFTER_ALL))
}

/// The most urgent first.
fn rank(priority: Priority) -> u64 {
    match priority {
        Priority::Urgent => 0,
        Priority::High => 1,
        Priority::Medium => 2,
        Priority::Low => 3,
    }
}

/// Where a ticket is: what a filter looks at beside the ticket.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Whereabouts {
    pub chat_id: Uuid,
    pub channel_id: Uuid,
    pub responder_id: Option<Uuid>,
}

impl TicketFilter {
    /// Whether a ticket is one of them, in sight or not: whoever watches a ticket sees it go. The search is not looked at.
    #[must_use]
    pub fn matches(&self, ticket: &Ticket, at: Whereabouts) -> bool {
        let any = |list: &[Uuid], id: Option<Uuid>| list.is_empty() || id.is_some_and(|id| list.contains(&id));
        (self.statuses.is_empty() || self.statuses.contains(&ticket.status()))
            && (self.reasons.is_empty() || self.reasons.contains(&ticket.reason))
            && any(&self.assignee_ids, ticket.assignee_id)
            && self
                .unassigned
                .is_none_or(|unassigned| unassigned == ticket.assignee_id.is_none())
            && any(&self.team_ids, ticket.team_id)
            && any(&self.responder_ids, at.responder_id)
            && (self.priorities.is_empty() || self.priorities.contains(&ticket.priority))
            && (self.tag_ids.is_empty() || ticket.tags.iter().any(|id| self.tag_ids.contains(id)))
            && any(&self.channel_ids, Some(at.channel_id))
            && any(&self.chat_ids, Some(at.chat_id))
            && self.created_after.is_none_or(|after| ticket.created_at > after)
            && self.created_before.is_none_or(|before| ticket.created_at < before)
    }

    fn bounds_creation(&self) -> bool {
        self.created_after.is_some() || self.created_before.is_some()
    }

    /// Made later and earlier than these.
    fn created(&self) -> (i64, i64) {
        (
            self.created_after.map_or(i64::MIN, signed),
            self.created_before.map_or(i64::MAX, signed),
        )
    }

    /// What is read of each list, one after the other.
    fn parts(&self, order: TicketOrder, is_backward: bool) -> Vec<Part> {
        let created = self.created();
        let (later, earlier) = created;
        let after_all = signed(AFTER_ALL);
        let behind = |at: i64| at.max(0).saturating_add(after_all);
        let key = order.key_of_list();
        let ranges = match key {
            Key::Created => vec![created],
            // nothing changes, and nobody waits, before a ticket is made
            Key::Updated => vec![(later.saturating_sub(CLOCKS_APART_MS), i64::MAX)],
            Key::Waiting => vec![
                (later.saturating_sub(CLOCKS_APART_MS), after_all),
                (behind(later).saturating_sub(1), behind(earlier)),
            ],
        };
        let ascending = order.is_ascending() != is_backward;
        let mut parts: Vec<Part> = ranges
            .into_iter()
            .map(|at| Part {
                key,
                ascending,
                created,
                at,
            })
            .collect();
        if !ascending {
            parts.reverse();
        }
        parts
    }

    /// Whether a list holds tickets of a wanted reason, priority and visibility.
    fn wants(&self, list: &List) -> bool {
        let reason = Reason::ALL.into_iter().find(|reason| reason.name() == list.reason);
        let of_reason = reason.is_some_and(|reason| {
            let hidden = !self.include_removed && self.reasons.is_empty() && reason == Reason::Deleted;
            !hidden
                && (self.reasons.is_empty() || self.reasons.contains(&reason))
                && (self.statuses.is_empty() || self.statuses.contains(&reason.status()))
        });
        let mut priorities = self.priorities.iter().map(|priority| priority.name());
        of_reason
            && (self.priorities.is_empty() || priorities.any(|name| name == list.priority))
            && (self.include_removed || !list.removed)
    }

    /// The counters that tell how many there are, where it names nothing that they do not know.
    fn counters(&self) -> Option<StatsFilter> {
        let plain = self.reasons.is_empty()
            && self.responder_ids.is_empty()
            && self.responder_version_ids.is_empty()
            && self.priorities.is_empty()
            && self.tag_ids.is_empty()
            && !self.include_removed
            && !self.bounds_creation();
        plain.then(|| StatsFilter {
            channel_ids: self.channel_ids.clone(),
            team_ids: self.team_ids.clone(),
            assignee_ids: self.assignee_ids.clone(),
        })
    }

    /// What it names, each with the lists that have it.
    fn dimensions(&self) -> Vec<(Dimension, Vec<Vec<u8>>)> {
        let values = |ids: &[Uuid]| ids.iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>();
        let mut found = Vec::new();
        for (dimension, ids) in [
            (Dimension::Assignee, &self.assignee_ids),
            (Dimension::Team, &self.team_ids),
            (Dimension::Responder, &self.responder_ids),
            (Dimension::Tag, &self.tag_ids),
            (Dimension::Channel, &self.channel_ids),
        ] {
            if !ids.is_empty() {
                found.push((dimension, values(ids)));
            }
        }
        if self.unassigned == Some(true) {
            found.push((Dimension::Assignee, vec![none()]));
        }
        if found.is_empty() {
            found.push((Dimension::All, vec![none()]));
        }
        found
    }
}

impl TicketOrder {
    /// The place of a ticket in this order: never less than that of one before it, or never more where it goes down.
    #[must_use]
    pub fn key(self, ticket: &Ticket) -> TicketKey {
        let at = match self {
            Self::UpdatedDesc => ticket.updated_at,
            Self::CreatedDesc | Self::CreatedAsc => ticket.created_at,
            Self::WaitingLongest => waiting_key(ticket),
            Self::Priority => rank(ticket.priority)
                .saturating_mul(AFTER_ALL)
                .saturating_add(ticket.created_at),
        };
        TicketKey { at, id: ticket.id }
    }

    /// The same of a ticket's row.
    fn key_in_sql(self) -> String {
        match self {
            Self::UpdatedDesc => "updated_at".to_owned(),
            Self::CreatedDesc | Self::CreatedAsc => "created_at".to_owned(),
            Self::WaitingLongest => "waiting".to_owned(),
            Self::Priority => {
                let ranks = [Priority::Urgent, Priority::High, Priority::Medium, Priority::Low]
                    .map(|priority| format!("WHEN '{}' THEN {} ", priority.name(), rank(priority)));
                format!("CASE priority {}END * {AFTER_ALL} + created_at", ranks.concat())
            }
        }
    }

    fn key_of_list(self) -> Key {
        match self {
            Self::UpdatedDesc => Key::Updated,
            Self::CreatedDesc | Self::CreatedAsc | Self::Priority => Key::Created,
            Self::WaitingLongest => Key::Waiting,
        }
    }

    fn is_ascending(self) -> bool {
        !matches!(self, Self::UpdatedDesc | Self::CreatedDesc)
    }
}

/// Reads the tickets of a plan in order, from a key on.
struct Walk<'a> {
    /// One after the other.
    merges: VecDeque<Merge<'a>>,
    /// How many tickets may still be looked at.
    left: u64,
}

impl<'a> Walk<'a> {
    fn new(
        connection: &'a Connection,
        plan: &'a Plan,
        filter: &TicketFilter,
        (order, is_backward, left): (TicketOrder, bool, u64),
        after: Option<TicketKey>,
    ) -> Self {
        let place = |at: u64, id: Uuid| -> Place { (signed(at), *id.as_bytes()) };
        let parts = filter.parts(order, is_backward);
        let mut merges = VecDeque::new();
        if order != TicketOrder::Priority {
            let after = after.map(|key| place(key.at, key.id));
            for part in parts {
                merges.push_back(Merge::new(connection, part, plan.lists.iter(), after));
            }
            return Self { merges, left };
        }
        let mut priorities = [Priority::Urgent, Priority::High, Priority::Medium, Priority::Low];
        if is_backward {
            priorities.reverse();
        }
        let begin = after.map(|key| (key.at / AFTER_ALL, place(key.at % AFTER_ALL, key.id)));
        for priority in priorities {
            let after = match begin {
                Some((from, _)) if (rank(priority) < from) != is_backward && rank(priority) != from => continue,
                Some((from, place)) if rank(priority) == from => Some(place),
                _ => None,
            };
            let of_priority = plan.lists.iter().filter(|list| list.priority == priority.name());
            for part in &parts {
                merges.push_back(Merge::new(connection, *part, of_priority.clone(), after));
            }
        }
        Self { merges, left }
    }

    fn next(&mut self) -> Result<Option<Place>, ReadError> {
        while let Some(merge) = self.merges.front_mut() {
            if let Some(place) = merge.next(&mut self.left)? {
                return Ok(Some(place));
            }
            self.merges.pop_front();
        }
        Ok(None)
    }

    /// The next tickets that are shown.
    fn read(&mut self, wanted: usize, look: &mut Look<'_>) -> Result<Vec<TicketRow>, ReadError> {
        let mut rows = Vec::with_capacity(wanted);
        while rows.len() < wanted
            && let Some((_, id)) = self.next()?
        {
            rows.extend(look.at(&id)?);
        }
        Ok(rows)
    }
}

pub(super) fn ticket_page(
    connection: &Connection,
    workspace: Uuid,
    filter: &TicketFilter,
    order: TicketOrder,
    range: &Range<TicketKey>,
) -> Result<Page<TicketRow>, ReadError> {
    let (key, is_backward) = match range {
        Range::Forward { after, .. } => (*after, false),
        Range::Backward { before, .. } => (*before, true),
    };
    let wanted = range.limit().saturating_add(1);
    let look = || Look::new(connection, workspace, filter);
    let cut = |found| {
        let keys = sorted(found, (order, is_backward), key, wanted);
        Ok(Page::cut(look()?.all(&keys)?, range))
    };
    if let Some(few) = few(connection, workspace, filter, order)? {
        return cut(few.keys);
    }
    let plan = Plan::new(connection, workspace, filter)?;
    if let Some(found) = gathered(connection, (workspace, &plan), filter, order)? {
        return cut(found);
    }
    let mut walk = Walk::new(connection, &plan, filter, (order, is_backward, LOOK_MAX), key);
    match walk.read(wanted, &mut look()?) {
        Ok(rows) => Ok(Page::cut(rows, range)),
        Err(ReadError::TooMuch) => match placed(connection, workspace, filter, (order, GATHERED_MAX))? {
            Some(found) => cut(found),
            None => Err(ReadError::TooMuch),
        },
        Err(error) => Err(error),
    }
}

pub(super) fn ticket_total(
    connection: &Connection,
    workspace: Uuid,
    filter: &TicketFilter,
) -> Result<Total, ReadError> {
    if let Some(few) = few(connection, workspace, filter, TicketOrder::default())? {
        return Ok(few.total());
    }
    let plan = Plan::new(connection, workspace, filter)?;
    planned_total(connection, (workspace, &plan), filter)
}

fn planned_total(
    connection: &Connection,
    (workspace, plan): (Uuid, &Plan),
    filter: &TicketFilter,
) -> Result<Total, ReadError> {
    if plan.is_exact {
        return Ok(Total::exactly(total(&plan.lists)));
    }
    if let Some(counters) = filter.counters() {
        let by = (
            filter.unassigned.map(|unassigned| !unassigned),
            filter.statuses.as_slice(),
        );
        return Ok(Total::exactly(counted(connection, workspace, &counters, by)?));
    }
    let order = (TicketOrder::CreatedDesc, false, TOTAL_MAX);
    let mut walk = Walk::new(connection, plan, filter, order, None);
    let mut look = Look::new(connection, workspace, filter)?;
    let mut tickets = 0_u64;
    loop {
        let id = match walk.next() {
            Ok(Some((_, id))) => id,
            Ok(None) => return Ok(Total::exactly(tickets)),
            Err(ReadError::TooMuch) => {
                return Ok(Total {
                    items: tickets,
                    is_exact: false,
                });
            }
            Err(error) => return Err(error),
        };
        if look.at(&id)?.is_some() {
            tickets = tickets.saturating_add(1);
        }
    }
}
