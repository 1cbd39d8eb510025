//! Lists of tickets, messages and events.

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Object, Result};
use uuid::Uuid;

use super::loader::{principal, services, view};
use super::message::{Event, Message};
use super::page::{PageArguments, connection};
use super::scalar::int;
use super::ticket::Ticket;
use super::total::{ListTotal, Listed};
use crate::api::error::ApiError;
use crate::live::Cursor;
use crate::view::page::{Listing, encode_seq};
use crate::view::{TicketFilter, TicketOrder};

/// How many there are.
#[derive(Clone, Debug)]
pub struct TicketTotal(ListTotal);

#[Object]
impl TicketTotal {
    /// How many tickets match. Kept ready where the filter names one thing beside status, reason and priority, or nothing
    /// but channels, teams, assignees and statuses; otherwise the newest 10,000 candidates are looked at.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(self.0.total(ctx).await?.items))
    }

    /// `totalCount` is all of them. False: there may be more.
    async fn total_count_is_exact(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.0.total(ctx).await?.is_exact)
    }
}

/// One page of tickets.
pub(super) type TicketConnection = Connection<String, Ticket, TicketTotal, EmptyFields>;

/// One page of messages.
pub(super) type MessageConnection = Connection<String, Message, ListTotal, EmptyFields>;

/// One page of events.
pub(super) type EventConnection = Connection<String, Event, ListTotal, EmptyFields>;

/// As far as the key may know of them.
pub(super) async fn tickets(
    ctx: &Context<'_>,
    mut filter: TicketFilter,
    order: TicketOrder,
    page: PageArguments,
) -> Result<TicketConnection> {
    let list = Listing::Tickets(order);
    let range = page.keys(list).map_err(ApiError::from)?;
    let principal = principal(ctx)?;
    filter.channel_ids = principal.narrow(filter.channel_ids);
    let workspace = principal.workspace_id;
    let view = view(ctx).await?;
    let found = view.tickets(workspace, filter.clone(), order, range).await;
    let found = found.map_err(ApiError::from)?;
    let total = TicketTotal(ListTotal::of(Listed::Tickets(Box::new(filter))));
    Ok(connection(found, total, |row| {
        (order.key(&row.ticket).encode(list), Ticket(row))
    }))
}

pub(super) async fn messages(
    ctx: &Context<'_>,
    (chat_id, ticket_number): (Uuid, Option<u32>),
    page: PageArguments,
) -> Result<MessageConnection> {
    let range = page.seqs(Listing::Messages).map_err(ApiError::from)?;
    let view = view(ctx).await?;
    let found = view.messages(chat_id, ticket_number, range).await;
    let found = found.map_err(ApiError::from)?;
    let total = ListTotal::of(Listed::Messages(chat_id, ticket_number));
    Ok(connection(found, total, |row| {
        (encode_seq(Listing::Messages, row.seq), Message(row))
    }))
}

pub(super) async fn events(
    ctx: &Context<'_>,
    (chat_id, ticket_number): (Uuid, Option<u32>),
    page: PageArguments,
) -> Result<EventConnection> {
    let range = page.seqs(Listing::Events).map_err(ApiError::from)?;
    let services = services(ctx)?;
    let view = view(ctx).await?;
    let found = view.events(chat_id, ticket_number, range).await;
    let found = found.map_err(ApiError::from)?;
    let epoch = services.live.applied().heads.epoch;
    let total = ListTotal::of(Listed::Events(chat_id, ticket_number));
    Ok(connection(found, total, |row| {
        let cursor = Cursor::Point {
            epoch,
            partition: row.partition,
            position: row.position,
        };
        let seq = encode_seq(Listing::Events, row.event.seq);
        let event = row.event;
        (seq, Event { event, cursor })
    }))
}
