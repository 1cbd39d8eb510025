//! What can be watched. Every item carries a cursor; `after` replays what was missed and goes on live without gap or
//! repeat, and what cannot be replayed is an explicit `Gap`.

mod boxed;
pub mod queue;
pub(crate) mod track;

use std::sync::Arc;

use async_graphql::{Context, Result, SimpleObject, Subscription, Union};
use futures_util::{Stream, stream};
use uuid::Uuid;

use self::boxed::Boxed;
use self::queue::{QueueItem, queue, queue_stats};
use self::track::{Item, Kind, Track};

use super::input::TicketFilterInput;
use super::kind::TicketOrder;
use super::loader::{principal, services};
use super::message::Event;
use super::needs::Needs;
use super::queue::{QueueStats, stats_filter};
use super::scalar::CursorText;
use super::ticket::Ticket;
use crate::api::auth::Scope;
use crate::api::error::ApiError;
use crate::domain::{self, Rejection};
use crate::live::{Cursor, EventFilter, From, Step, Tail, Topic};
use crate::store::Heads;
use crate::view::{self, TicketFilter, TicketRow};

/// The most types of one filter.
const TYPES_MAX: usize = 64;

/// What was missed cannot be replayed: read again, then subscribe from this cursor.
#[derive(Clone, Debug, SimpleObject)]
pub struct Gap {
    /// From here on nothing is missed.
    pub cursor: CursorText,
    /// Why.
    pub reason: String,
}

/// A ticket that matches, right after something happened to it.
#[derive(Clone, Debug, SimpleObject)]
pub struct TicketChange {
    /// As it was right after the event.
    pub ticket: Ticket,
    /// What happened.
    pub event: Event,
    /// Subscribe after it to get what follows.
    pub cursor: CursorText,
}

/// An event, or a gap.
#[derive(Clone, Debug, Union)]
#[expect(missing_docs, reason = "the types say it")]
pub enum StreamItem {
    Event(Event),
    Gap(Gap),
}

/// A changed ticket, or a gap.
#[derive(Clone, Debug, Union)]
#[expect(clippy::large_enum_variant, reason = "items are made one at a time")]
#[expect(missing_docs, reason = "the types say it")]
pub enum TicketItem {
    TicketChange(TicketChange),
    Gap(Gap),
}

/// Streams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subscription;

fn gap(heads: Heads, reason: &str) -> Gap {
    Gap {
        cursor: CursorText(Cursor::Heads(heads).encode()),
        reason: reason.to_owned(),
    }
}

fn begin(after: Option<CursorText>) -> std::result::Result<From, ApiError> {
    let Some(CursorText(text)) = after else {
        return Ok(From::Now);
    };
    Cursor::decode(&text).map(From::Cursor).ok_or_else(|| {
        let mut error = ApiError::from(Rejection::invalid("after", "a cursor of a stream item"));
        error.code = "BAD_CURSOR";
        error
    })
}

/// An event, and how far each log had come right after it.
type Happened = (Arc<domain::Event>, Heads);

/// What a log gives, each made an item by `make`. It takes much room to begin, and little then.
async fn log<T: Send + 'static>(
    ctx: &Context<'_>,
    topic: Topic,
    after: Option<CursorText>,
    make: fn(std::result::Result<Happened, Gap>) -> Option<T>,
) -> Result<impl Stream<Item = Result<Boxed<T>>> + use<T>> {
    let track = Track::of(ctx);
    let from = track.begin().map_or_else(|| begin(after), Ok)?;
    let (workspace, live) = (principal(ctx)?.workspace_id, &services(ctx)?.live);
    if matches!(from, From::Now) {
        // what comes while the view is being built is old
        live.ready().await;
    }
    let tail = live.tail(Some(workspace), topic, from).await;
    let tail = tail.map_err(ApiError::from)?;
    track.open(Kind::Log, Some(tail.place().clone()));
    Ok(stream::unfold(Some(tail), move |tail| {
        let track = Arc::clone(&track);
        async move {
            let mut tail: Tail = tail?;
            loop {
                let (item, now) = match tail.next_or_rest(|place| track.rests(place)).await {
                    Err(error) => return Some((Err(ApiError::from(error).into_graphql()), None)),
                    Ok(None) => return None,
                    Ok(Some(Step::Gap(place, reason))) => {
                        (make(Err(gap(place.heads.clone(), reason))), Item::Entry(place))
                    }
                    Ok(Some(Step::Event(event, place))) => (make(Ok((event, place.heads.clone()))), Item::Entry(place)),
                };
                if let Some(item) = item {
                    track.gives(now);
                    return Some((Ok(Boxed::new(item)), Some(tail)));
                }
            }
        }
    }))
}

#[Subscription(guard = "Needs(Scope::Read)")]
impl Subscription {
    /// Every event, of the workspace or of one chat or ticket. Begins after the cursor, or now. Those of keys need ADMIN; a
    /// key that is limited to channels gets what happens to their chats, and posts that come in or change.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        chat_id: Option<Uuid>,
        ticket_id: Option<Uuid>,
        types: Option<Vec<String>>,
        after: Option<CursorText>,
    ) -> Result<impl Stream<Item = Result<Boxed<StreamItem>>> + use<>> {
        let types = types.unwrap_or_default();
        check_types(&types).map_err(ApiError::from)?;
        let principal = principal(ctx)?;
        let filter = EventFilter {
            chat_id,
            ticket_id,
            types,
            channel_ids: principal.narrow(Vec::new()),
            hides_admin: !principal.scopes.allow(Scope::Admin),
        };
        let make = |item: std::result::Result<Happened, Gap>| {
            Some(match item {
                Err(gap) => StreamItem::Gap(gap),
                Ok((event, heads)) => StreamItem::Event(Event {
                    event,
                    cursor: Cursor::Heads(heads),
                }),
            })
        };
        Box::pin(log(ctx, Topic::Events(filter), after, make)).await
    }

    /// Tickets that match after a change, as they change. Begins after the cursor, or now.
    async fn ticket_changed(
        &self,
        ctx: &Context<'_>,
        filter: Option<TicketFilterInput>,
        after: Option<CursorText>,
    ) -> Result<impl Stream<Item = Result<Boxed<TicketItem>>> + use<>> {
        let filter = live_filter(ctx, filter)?;
        let make = |item: std::result::Result<Happened, Gap>| match item {
            Err(gap) => Some(TicketItem::Gap(gap)),
            Ok((event, heads)) => change(event, heads).map(TicketItem::TicketChange),
        };
        Box::pin(log(ctx, Topic::Tickets(filter), after, make)).await
    }

    /// A consistent snapshot of the first tickets of a queue, then what enters, changes and leaves these, with the
    /// counters of the filter's channels and teams. Applied in order, the changes keep a client's list equal to
    /// `tickets(filter, orderBy, first)` at every cursor. `first`: 1 to 100, 20 when absent. Changes that follow each
    /// other within 50 ms come as one. A snapshot may come again: it takes the place of all before.
    async fn queue(
        &self,
        ctx: &Context<'_>,
        filter: Option<TicketFilterInput>,
        order_by: Option<TicketOrder>,
        first: Option<i32>,
    ) -> Result<impl Stream<Item = Result<Boxed<QueueItem>>> + use<>> {
        let order = order_by.map_or_else(view::TicketOrder::default, Into::into);
        queue(ctx, live_filter(ctx, filter)?, order, first)
    }

    /// The counters as they change: at most ten times a second, and always the newest.
    async fn queue_stats(
        &self,
        ctx: &Context<'_>,
        channel_ids: Option<Vec<Uuid>>,
        team_ids: Option<Vec<Uuid>>,
        assignee_ids: Option<Vec<Uuid>>,
    ) -> Result<impl Stream<Item = Result<QueueStats>> + use<>> {
        let stats = stats_filter(principal(ctx)?, channel_ids, team_ids, assignee_ids);
        queue_stats(ctx, stats.map_err(ApiError::from)?)
    }
}

/// As far as the key may know of them.
fn live_filter(ctx: &Context<'_>, filter: Option<TicketFilterInput>) -> Result<TicketFilter> {
    let filter = filter.unwrap_or_default().into_live_filter();
    let mut filter = filter.map_err(ApiError::from)?;
    filter.channel_ids = principal(ctx)?.narrow(filter.channel_ids);
    Ok(filter)
}

/// The change that an event is, if it is one of a ticket.
fn change(event: Arc<domain::Event>, heads: Heads) -> Option<TicketChange> {
    let ticket = event.ticket.as_deref()?.clone();
    let cursor = Cursor::Heads(heads);
    Some(TicketChange {
        ticket: Ticket(TicketRow {
            chat_id: event.aggregate_id,
            ticket,
        }),
        cursor: CursorText(cursor.encode()),
        event: Event { event, cursor },
    })
}

fn check_types(types: &[String]) -> std::result::Result<(), Rejection> {
    if types.len() > TYPES_MAX {
        return Err(Rejection::invalid("types", format!("at most {TYPES_MAX}")));
    }
    let known = domain::event::NAMES;
    if types.iter().any(|name| !known.contains(&name.as_str())) {
        return Err(Rejection::invalid("types", format!("any of {}", known.join(", "))));
    }
    Ok(())
}
