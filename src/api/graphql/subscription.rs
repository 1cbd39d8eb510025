//! What can be watched. Every item carries a cursor; `after` replays what was missed and goes on live without gap or
//! repeat, and what cannot be replayed is an explicit `Gap`.

use std::sync::Arc;

use async_graphql::{Context, Result, SimpleObject, Subscription, Union};
use futures_util::{Stream, stream};
use uuid::Uuid;

use super::input::TicketFilterInput;
use super::loader::{principal, services};
use super::message::Event;
use super::scalar::CursorText;
use super::ticket::Ticket;
use crate::api::error::ApiError;
use crate::domain::{self, Rejection};
use crate::live::{Cursor, Step, Tail};
use crate::store::Heads;
use crate::view::{TicketFilter, TicketRow};

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

async fn tail(ctx: &Context<'_>, after: Option<CursorText>) -> Result<Tail> {
    let bad = || {
        let mut error = ApiError::from(Rejection::invalid("after", "a cursor of a stream item"));
        error.code = "BAD_CURSOR";
        error
    };
    let from = after.map(|text| Cursor::decode(&text.0).ok_or_else(bad));
    let live = &services(ctx)?.live;
    Ok(live.tail(from.transpose()?).await.map_err(ApiError::from)?)
}

/// The next step of a tail that belongs to the workspace; none at the end.
async fn next_of(tail: &mut Tail, workspace: Uuid) -> Option<Result<Step, ApiError>> {
    loop {
        match tail.next().await {
            Ok(None) => return None,
            Err(error) => return Some(Err(error.into())),
            Ok(Some(Step::Entry(entry, _))) if entry.record.event.workspace_id != workspace => {
                tail.pass_over().await;
            }
            Ok(Some(step)) => return Some(Ok(step)),
        }
    }
}

/// Which events.
struct EventFilter {
    chat_id: Option<Uuid>,
    ticket_id: Option<Uuid>,
    types: Option<Vec<String>>,
}

impl EventFilter {
    fn matches(&self, event: &domain::Event) -> bool {
        let same = |wanted: Option<Uuid>, found: Option<Uuid>| wanted.is_none_or(|wanted| found == Some(wanted));
        let types = self.types.as_ref();
        same(self.chat_id, event.chat_id())
            && same(self.ticket_id, event.ticket_id())
            && types.is_none_or(|types| types.iter().any(|name| name == event.body.name()))
    }
}

#[Subscription]
impl Subscription {
    /// Every event, of the workspace or of one chat or ticket. Begins after the cursor, or now.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        chat_id: Option<Uuid>,
        ticket_id: Option<Uuid>,
        types: Option<Vec<String>>,
        after: Option<CursorText>,
    ) -> Result<impl Stream<Item = Result<StreamItem>> + use<>> {
        check_types(types.as_deref()).map_err(ApiError::from)?;
        let workspace = principal(ctx)?.workspace_id;
        let tail = tail(ctx, after).await?;
        let filter = Arc::new(EventFilter {
            chat_id,
            ticket_id,
            types,
        });
        Ok(stream::unfold(Some(tail), move |tail| {
            let filter = Arc::clone(&filter);
            async move {
                let mut tail = tail?;
                loop {
                    let item = match next_of(&mut tail, workspace).await? {
                        Err(error) => return Some((Err(error.into_graphql()), None)),
                        Ok(Step::Gap(heads, reason)) => StreamItem::Gap(gap(heads, reason)),
                        Ok(Step::Entry(entry, heads)) if filter.matches(&entry.record.event) => {
                            StreamItem::Event(Event {
                                event: Arc::clone(&entry.record.event),
                                cursor: Cursor::Heads(heads),
                            })
                        }
                        Ok(Step::Entry(..)) => {
                            tail.pass_over().await;
                            continue;
                        }
                    };
                    return Some((Ok(item), Some(tail)));
                }
            }
        }))
    }

    /// Tickets that match after a change, as they change. Begins after the cursor, or now.
    async fn ticket_changed(
        &self,
        ctx: &Context<'_>,
        filter: Option<TicketFilterInput>,
        after: Option<CursorText>,
    ) -> Result<impl Stream<Item = Result<TicketItem>> + use<>> {
        let filter = filter.unwrap_or_default().into_filter();
        let filter = Arc::new(filter.map_err(ApiError::from)?);
        let workspace = principal(ctx)?.workspace_id;
        let tail = tail(ctx, after).await?;
        let services = services(ctx)?.clone();
        Ok(stream::unfold(Some(tail), move |tail| {
            let (filter, services) = (Arc::clone(&filter), services.clone());
            async move {
                let mut tail = tail?;
                loop {
                    let (entry, heads) = match next_of(&mut tail, workspace).await? {
                        Err(error) => return Some((Err(error.into_graphql()), None)),
                        Ok(Step::Gap(heads, reason)) => {
                            let item = TicketItem::Gap(gap(heads, reason));
                            return Some((Ok(item), Some(tail)));
                        }
                        Ok(Step::Entry(entry, heads)) => (entry, heads),
                    };
                    match change(&services, &filter, &entry.record.event, heads).await {
                        Ok(None) => tail.pass_over().await,
                        Ok(Some(item)) => {
                            let item = TicketItem::TicketChange(item);
                            return Some((Ok(item), Some(tail)));
                        }
                        Err(error) => return Some((Err(error.into_graphql()), None)),
                    }
                }
            }
        }))
    }
}

/// The change that an event is for this filter, if it is one.
async fn change(
    services: &crate::api::services::Services,
    filter: &TicketFilter,
    event: &Arc<domain::Event>,
    heads: Heads,
) -> Result<Option<TicketChange>, ApiError> {
    let Some(ticket) = &event.ticket else {
        return Ok(None);
    };
    let chat_id = event.aggregate_id;
    let mut channel_id = Uuid::nil();
    if !filter.channel_ids.is_empty() {
        let view = services.live.view();
        let found = view.chats(event.workspace_id, vec![chat_id]).await?;
        channel_id = found.first().map_or(channel_id, |row| row.channel_id);
    }
    if !filter.matches(ticket, chat_id, channel_id) {
        return Ok(None);
    }
    let cursor = Cursor::Heads(heads);
    Ok(Some(TicketChange {
        ticket: Ticket(TicketRow {
            chat_id,
            ticket: domain::Ticket::clone(ticket),
        }),
        cursor: CursorText(cursor.encode()),
        event: Event {
            event: Arc::clone(event),
            cursor,
        },
    }))
}

fn check_types(types: Option<&[String]>) -> Result<(), Rejection> {
    let types = types.unwrap_or_default();
    if types.len() > TYPES_MAX {
        return Err(Rejection::invalid("types", format!("at most {TYPES_MAX}")));
    }
    let known = domain::event::NAMES;
    if types.iter().any(|name| !known.contains(&name.as_str())) {
        return Err(Rejection::invalid("types", format!("any of {}", known.join(", "))));
    }
    Ok(())
}
