//! From a filter to the lists that it is read from.

use std::collections::HashMap;

use rusqlite::Connection;
use uuid::Uuid;

use super::TicketFilter;
use crate::sqlite::ReadError;
use crate::view::lists::{Dimension, List, lists, none};

/// Where a filter names more of one kind, each ticket is looked at instead of their lists.
const OTHERS_MAX: usize = 16;

/// Where fewer tickets are passed over, other lists are not asked for.
const LISTS_MIN: u64 = 16;

/// The lists that a filter is read from.
pub(super) struct Plan {
    pub(super) lists: Vec<List>,
    /// They hold what is wanted and nothing else, each ticket once.
    pub(super) is_exact: bool,
}

impl Plan {
    pub(super) fn new(connection: &Connection, workspace: Uuid, filter: &TicketFilter) -> Result<Self, ReadError> {
        let dimensions = filter.dimensions();
        let is_exact = dimensions.len() == 1
            && filter.tag_ids.len() <= 1
            && filter.responder_version_ids.is_empty()
            && filter.unassigned != Some(false)
            && !filter.bounds_creation();
        let mut named = Vec::new();
        for (dimension, values) in dimensions {
            let mut found = lists(connection, workspace, dimension, &values)?;
            found.retain(|list| filter.wants(list));
            named.push((values.len(), found));
        }
        if filter.unassigned == Some(false) && filter.assignee_ids.is_empty() {
            named.push((OTHERS_MAX.saturating_add(1), assigned(connection, workspace, filter)?));
        }
        let fewest = (0..named.len()).min_by_key(|index| named.get(*index).map(|(_, found)| total(found)));
        let mut best = fewest.map(|index| named.swap_remove(index).1).unwrap_or_default();
        for (values, others) in &named {
            if *values <= OTHERS_MAX {
                best = meeting(best, others);
            }
        }
        Ok(Self { lists: best, is_exact })
    }
}

/// The lists of tickets that somebody has: of each kind those of whoever has any, where it costs less to read these than to
/// pass over the tickets that nobody has.
fn assigned(connection: &Connection, workspace: Uuid, filter: &TicketFilter) -> Result<Vec<List>, ReadError> {
    let wanted = |dimension, values: &[Vec<u8>]| {
        let mut found = lists(connection, workspace, dimension, values)?;
        found.retain(|list| filter.wants(list));
        Ok::<_, ReadError>(found)
    };
    let nobodys = wanted(Dimension::Assignee, &[none()])?;
    let nobodys: HashMap<_, u64> = nobodys.iter().map(|list| (list.kind(), list.tickets)).collect();
    let mut found = wanted(Dimension::All, &[none()])?;
    // of each kind, so many are passed over for each that is found, which costs less than to open as many lists
    let mut passed_over = HashMap::new();
    found.retain(|list| {
        let nobodys = nobodys.get(&list.kind()).copied().unwrap_or(0);
        let Some(ratio) = nobodys.checked_div(list.tickets.saturating_sub(nobodys)) else {
            return false;
        };
        if ratio >= LISTS_MIN {
            passed_over.insert(list.kind(), ratio);
        }
        true
    });
    if passed_over.is_empty() {
        return Ok(found);
    }
    let mut by_kind: HashMap<_, Vec<List>> = HashMap::new();
    for list in wanted(Dimension::Assignee, &[])? {
        if !list.value.is_empty() && passed_over.contains_key(&list.kind()) {
            by_kind.entry(list.kind()).or_default().push(list);
        }
    }
    for (kind, lists) in by_kind {
        let count = u64::try_from(lists.len()).unwrap_or(u64::MAX);
        if passed_over.get(&kind).is_some_and(|ratio| count <= *ratio) {
            found.retain(|list| list.kind() != kind);
            found.extend(lists);
        }
    }
    Ok(found)
}

/// Those that have tickets with some of the others, each with these.
fn meeting(lists: Vec<List>, others: &[List]) -> Vec<List> {
    let mut by_kind: HashMap<_, Vec<i64>> = HashMap::new();
    for other in others {
        by_kind.entry(other.kind()).or_default().push(other.id);
    }
    let met = lists.into_iter().filter_map(|mut list| {
        let ids = by_kind.get(&list.kind())?.clone();
        list.others.push(ids);
        Some(list)
    });
    met.collect()
}

/// How many tickets they have.
pub(super) fn total(lists: &[List]) -> u64 {
    lists.iter().map(|list| list.tickets).sum()
}
