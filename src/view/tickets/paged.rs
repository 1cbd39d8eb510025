//! Pages of tickets by their numbers, each ticket with what is shown beside it.

use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use super::few::{Few, few, sorted};
use super::gathered::{GATHERED_MAX, gathered, placed};
use super::look::Look;
use super::{LOOK_MAX, Plan, TicketFilter, TicketOrder, Walk, planned_total};
use crate::sqlite::ReadError;
use crate::view::View;
use crate::view::outside::owner;
use crate::view::read::{CHAT, ChatRow, TicketRow, chat, ticket};
use crate::view::totals::Total;

/// The most tickets that are passed over on the way to a page.
pub const SKIP_MAX: u64 = 100_000;

/// A ticket with its chat and its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailedTicket {
    /// As it is now.
    pub row: TicketRow,
    /// Its chat.
    pub chat: ChatRow,
    /// The contact that stands for the chat's owner.
    pub owner_id: Uuid,
    /// What was set, or else what the provider says.
    pub owner_name: Option<String>,
}

/// A page by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedPage {
    /// In the list's order.
    pub items: Vec<DetailedTicket>,
    /// Something follows.
    pub has_next: bool,
    /// Of all pages.
    pub total: Total,
}

/// Passes over `skip` tickets and reads up to `limit + 1`. Where the lists hold what is wanted and nothing else, passing
/// over one reads its key alone.
fn walked(
    connection: &Connection,
    (workspace, plan): (Uuid, &Plan),
    filter: &TicketFilter,
    order: TicketOrder,
    (skip, limit): (u64, usize),
) -> Result<Vec<TicketRow>, ReadError> {
    if skip > SKIP_MAX {
        return Err(ReadError::TooMuch);
    }
    let mut walk = Walk::new(
        connection,
        plan,
        filter,
        (order, false, SKIP_MAX.saturating_add(LOOK_MAX)),
        None,
    );
    let mut left = skip;
    while plan.is_exact && left > 0 && walk.next()?.is_some() {
        left = left.saturating_sub(1);
    }
    let mut look = Look::new(connection, workspace, filter)?;
    let mut rows = Vec::with_capacity(limit.saturating_add(1));
    while rows.len() <= limit
        && let Some((_, id)) = walk.next()?
    {
        let Some(row) = look.at(&id)? else { continue };
        if left > 0 {
            left = left.saturating_sub(1);
        } else {
            rows.push(row);
        }
    }
    Ok(rows)
}

fn detailed(connection: &Connection, workspace: Uuid, row: TicketRow) -> Result<Option<DetailedTicket>, ReadError> {
    let found = connection
        .prepare_cached(&format!("{CHAT} WHERE id = ?1 AND workspace = ?2"))?
        .query_row(params![row.chat_id.as_bytes(), workspace.as_bytes()], chat)
        .optional()?;
    let Some(chat) = found else { return Ok(None) };
    let (owner_id, name) = owner(connection, workspace, chat.contact_id)?;
    Ok(Some(DetailedTicket {
        owner_name: name.or_else(|| chat.name.clone()),
        row,
        chat,
        owner_id,
    }))
}

fn numbered_page(
    connection: &Connection,
    workspace: Uuid,
    filter: &TicketFilter,
    order: TicketOrder,
    (skip, limit): (u64, usize),
) -> Result<NumberedPage, ReadError> {
    let of_few = |few: Few| {
        let total = few.total();
        let begin = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut keys = sorted(few.keys, (order, false), None, usize::MAX);
        let rest = keys.split_off(begin.min(keys.len()));
        let wanted = rest.get(..=limit).unwrap_or(&rest);
        Ok::<_, ReadError>((Look::new(connection, workspace, filter)?.all(wanted)?, total))
    };
    let (mut rows, total) = if let Some(few) = few(connection, workspace, filter, order)? {
        of_few(few)?
    } else {
        let plan = Plan::new(connection, workspace, filter)?;
        if let Some(keys) = gathered(connection, (workspace, &plan), filter, order)? {
            of_few(Few { keys, is_exact: true })?
        } else {
            let total = planned_total(connection, (workspace, &plan), filter)?;
            let is_past = total.is_exact && skip >= total.items;
            let rows = if is_past {
                Ok(Vec::new())
            } else {
                walked(connection, (workspace, &plan), filter, order, (skip, limit))
            };
            match rows {
                Err(ReadError::TooMuch) if skip <= SKIP_MAX => {
                    let keys = placed(connection, workspace, filter, (order, GATHERED_MAX))?;
                    of_few(Few {
                        keys: keys.ok_or(ReadError::TooMuch)?,
                        is_exact: true,
                    })?
                }
                rows => (rows?, total),
            }
        }
    };
    let has_next = rows.len() > limit;
    rows.truncate(limit);
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.extend(detailed(connection, workspace, row)?);
    }
    Ok(NumberedPage { items, has_next, total })
}

impl View {
    /// `limit` tickets after the first `skip` that match, with how many match: all of the same moment. What comes after
    /// the end is empty.
    ///
    /// # Errors
    /// [`ReadError::TooMuch`] over [`SKIP_MAX`] on the way to tickets that are there, or what SQLite says.
    pub async fn tickets_page(
        &self,
        workspace: Uuid,
        filter: TicketFilter,
        order: TicketOrder,
        (skip, limit): (u64, usize),
    ) -> Result<NumberedPage, ReadError> {
        self.ask(move |connection| numbered_page(connection, workspace, &filter, order, (skip, limit)))
            .await
    }

    /// A ticket of the workspace with its chat and its owner.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn ticket_details(&self, workspace: Uuid, ticket_id: Uuid) -> Result<Option<DetailedTicket>, ReadError> {
        self.ask(move |connection| {
            let row = connection
                .prepare_cached("SELECT chat, body FROM ticket WHERE id = ?1 AND workspace = ?2")?
                .query_row(params![ticket_id.as_bytes(), workspace.as_bytes()], ticket)
                .optional()?;
            row.map_or(Ok(None), |row| detailed(connection, workspace, row))
        })
        .await
    }
}
