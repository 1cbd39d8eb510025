//! Where few tickets match among many that a walk would pass over: all of them are found, put in order later.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use super::look::Find;
use super::plan::{Plan, total};
use super::{LOOK_MAX, TicketFilter, TicketOrder, Walk};
use crate::domain::Reason;
use crate::sqlite::ReadError;
use crate::view::condition::{blob, texts};
use crate::view::lists::{Key, are_few};
use crate::view::page::TicketKey;
use crate::view::read::all;
use crate::view::stats::{EVERYBODY, StatsFilter, counted, values};

/// The most tickets that are read where a walk came to no end.
pub(super) const GATHERED_MAX: u64 = 20_000;

/// Every ticket that matches, if these are so few that a walk would cost more.
pub(super) fn gathered(
    connection: &Connection,
    (workspace, plan): (Uuid, &Plan),
    filter: &TicketFilter,
    order: TicketOrder,
) -> Result<Option<Vec<TicketKey>>, ReadError> {
    if let Some(found) = made_then(connection, (workspace, plan), filter, order)? {
        return Ok(Some(found));
    }
    // of n tickets with m that match, a page of 20 passes over 20 n / m keys, each a fifth of what a match costs here
    let few_max = total(&plan.lists).saturating_mul(4).isqrt();
    placed(connection, workspace, filter, (order, few_max))
}

/// Every ticket that matches, if few were made at the times that the filter names: of `n`, the root of an eighth. A walk in
/// another order might pass over many others on its way to them; where there are more, it soon comes to some.
fn made_then(
    connection: &Connection,
    (workspace, plan): (Uuid, &Plan),
    filter: &TicketFilter,
    order: TicketOrder,
) -> Result<Option<Vec<TicketKey>>, ReadError> {
    let few_max = (total(&plan.lists) / 8).isqrt();
    if !filter.bounds_creation()
        || order.key_of_list() == Key::Created
        || !are_few(connection, &plan.lists, filter.created(), few_max)?
    {
        return Ok(None);
    }
    let by_creation = (TicketOrder::CreatedAsc, false, LOOK_MAX);
    let mut walk = Walk::new(connection, plan, filter, by_creation, None);
    let mut one = Find::new(connection, (workspace, filter, order), ("id = ?", 1))?;
    let mut found = Vec::new();
    while let Some((_, id)) = walk.next()? {
        one.find(&[blob(&id)], &mut found)?;
    }
    Ok(Some(found))
}

/// Every ticket that matches, if the filter names several of channel, team and assignee, and the counters know of `max` at
/// most where these meet.
pub(super) fn placed(
    connection: &Connection,
    workspace: Uuid,
    filter: &TicketFilter,
    (order, max): (TicketOrder, u64),
) -> Result<Option<Vec<TicketKey>>, ReadError> {
    let of_nobody = filter.unassigned == Some(true);
    let by_assignee = of_nobody || !filter.assignee_ids.is_empty();
    let named = [!filter.channel_ids.is_empty(), !filter.team_ids.is_empty(), by_assignee];
    let is_counted = !filter.include_removed && !filter.reasons.contains(&Reason::Deleted);
    if !is_counted || named.into_iter().filter(|named| *named).count() < 2 {
        return Ok(None);
    }
    let stats = StatsFilter {
        channel_ids: filter.channel_ids.clone(),
        team_ids: filter.team_ids.clone(),
        assignee_ids: filter.assignee_ids.clone(),
    };
    let by = (of_nobody.then_some(false), filter.statuses.as_slice());
    let tickets = counted(connection, workspace, &stats, by)?;
    if tickets > max {
        return Ok(None);
    }
    let mut found = Vec::new();
    if tickets > 0 {
        let by = if by_assignee {
            ("channel = ? AND team IS ? AND status = ? AND assignee IS ?", 4)
        } else {
            ("channel = ? AND team IS ? AND status = ?", 3)
        };
        let mut there = Find::new(connection, (workspace, filter, order), by)?;
        for place in places(connection, workspace, (filter, &stats), by_assignee)? {
            there.find(&place, &mut found)?;
        }
    }
    Ok(Some(found))
}

/// The channels, teams, statuses and, where these are named, assignees of a filter that have tickets.
fn places(
    connection: &Connection,
    workspace: Uuid,
    (filter, stats): (&TicketFilter, &StatsFilter),
    by_assignee: bool,
) -> Result<Vec<Vec<Value>>, ReadError> {
    let (columns, assignees): (_, &[&[u8]]) = if by_assignee {
        ("channel, nullif(team, x''), status, nullif(assignee, x'')", &[&[]])
    } else {
        ("channel, nullif(team, x''), status", EVERYBODY)
    };
    let statuses = texts(filter.statuses.iter().map(|status| status.name()));
    let wanted = stats.places(workspace, assignees).any("status", statuses);
    let sql = format!("SELECT DISTINCT {columns} FROM counter WHERE {}", wanted.sql);
    all(connection, &sql, params_from_iter(wanted.values), values)
}
