//! Live queues: what the first tickets of a filter were is compared with what they are, whenever something came that
//! may have changed them. Every item is thus as of one moment of the view, and nothing has to be undone.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Context, Enum, Result, SimpleObject, Union};
use futures_util::{Stream, stream};
use tokio::time::Instant;
use uuid::Uuid;

use super::boxed::Boxed;
use super::track::{Item, Kind, Track};
use super::{Gap, gap};
use crate::api::error::ApiError;
use crate::api::graphql::loader::{principal, services};
use crate::api::graphql::queue::{QueueStats, question};
use crate::api::graphql::scalar::{CursorText, int};
use crate::api::graphql::ticket::Ticket;
use crate::api::services::Services;
use crate::domain::Rejection;
use crate::live::{Cursor, Signal, Topic};
use crate::sqlite::ReadError;
use crate::view::page::{PAGE_DEFAULT, PAGE_MAX};
use crate::view::{QueueQuestion, QueueState, StatsFilter, TicketFilter, TicketOrder, TicketRow};

/// How often a queue is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often counters are given, at most.
const STATS_EVERY: Duration = Duration::from_millis(100);
/// How long a queue waits to be looked at again after the view could not be read.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The queue as it is.
#[derive(Clone, Debug, SimpleObject)]
pub struct QueueSnapshot {
    /// The first ones, in order.
    pub tickets: Vec<Ticket>,
    /// The counters of the channels and teams that the filter names.
    pub stats: QueueStats,
    /// As of which moment.
    pub cursor: CursorText,
}

/// What happened to a ticket of the queue.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueChangeKind {
    /// It is among the first now.
    Enter,
    /// It changed, or moved.
    Update,
    /// It is not among the first any more.
    Leave,
}

/// A ticket that came, changed or went.
#[derive(Clone, Debug, SimpleObject)]
pub struct QueueChange {
    /// What happened.
    pub kind: QueueChangeKind,
    /// As it is now.
    pub ticket: Ticket,
    /// Where to put it, from 0, after it was taken out of the list; null for one that leaves.
    pub index: Option<i32>,
    /// The counters, as of this change; the subscription `queueStats` tells of those that change no ticket here.
    pub stats: QueueStats,
    /// As of which moment. Changes of the same moment have the same cursor; the list is whole again after the last.
    pub cursor: CursorText,
    /// The last change of its moment.
    pub is_last: bool,
}

/// A snapshot, a change, or a gap, which a snapshot follows.
#[derive(Clone, Debug, Union)]
#[expect(clippy::large_enum_variant, reason = "items are made one at a time")]
#[expect(missing_docs, reason = "the types say it")]
pub enum QueueItem {
    QueueSnapshot(QueueSnapshot),
    QueueChange(QueueChange),
    Gap(Gap),
}

fn cursor(state: &QueueState) -> CursorText {
    CursorText(Cursor::Heads(state.heads.clone()).encode())
}

fn snapshot(state: &QueueState) -> QueueItem {
    QueueItem::QueueSnapshot(QueueSnapshot {
        tickets: state.tickets.iter().cloned().map(Ticket).collect(),
        stats: QueueStats::from(state),
        cursor: cursor(state),
    })
}

/// The changes that lead from one list to the other: what goes, then what comes or changed, each put after the one that
/// it follows in the end. What stayed as it was stays in its order, so that every place is right when its turn comes.
fn changes(before: &QueueState, now: &QueueState) -> Vec<(QueueChangeKind, TicketRow, Option<usize>)> {
    let old: HashMap<Uuid, &TicketRow> = before.tickets.iter().map(|row| (row.ticket.id, row)).collect();
    let new: HashMap<Uuid, &TicketRow> = now.tickets.iter().map(|row| (row.ticket.id, row)).collect();
    let gone: HashMap<Uuid, &TicketRow> = now.others.iter().map(|row| (row.ticket.id, row)).collect();
    let mut found = Vec::new();
    let mut list = Vec::with_capacity(before.tickets.len());
    for row in &before.tickets {
        let id = row.ticket.id;
        if new.contains_key(&id) {
            list.push(id);
        } else {
            let row = gone.get(&id).map_or(row, |row| *row);
            found.push((QueueChangeKind::Leave, row.clone(), None));
        }
    }
    let mut previous: Option<Uuid> = None;
    for row in &now.tickets {
        let id = row.ticket.id;
        let kind = match old.get(&id) {
            None => Some(QueueChangeKind::Enter),
            Some(known) if known.ticket != row.ticket => Some(QueueChangeKind::Update),
            Some(_) => None,
        };
        if let Some(kind) = kind {
            list.retain(|other| *other != id);
            let after = previous.and_then(|previous| list.iter().position(|other| *other == previous));
            let index = after.map_or(0, |after| after.saturating_add(1));
            list.insert(index.min(list.len()), id);
            found.push((kind, row.clone(), Some(index)));
        }
        previous = Some(id);
    }
    found
}

/// One queue that somebody watches.
struct Watch {
    services: Services,
    track: Arc<Track>,
    signal: Signal,
    question: QueueQuestion,
    state: Option<QueueState>,
    given: VecDeque<QueueItem>,
    looked_at: Option<Instant>,
}

impl Watch {
    fn new(ctx: &Context<'_>, topic: Topic, question: QueueQuestion) -> Result<Self> {
        let services = services(ctx)?.clone();
        Ok(Self {
            signal: services.live.signal(question.workspace_id, topic),
            track: Track::of(ctx),
            services,
            question,
            state: None,
            given: VecDeque::new(),
            looked_at: None,
        })
    }

    /// Whether something may have changed, or is asked for; then waits until it may be looked at again.
    async fn is_due(&self, every: Duration, is_asked: bool) -> bool {
        let is_due = self.signal.take() || is_asked;
        if let Some(at) = self.looked_at.filter(|_| is_due) {
            tokio::time::sleep(every.saturating_sub(at.elapsed())).await;
        }
        is_due
    }

    async fn look(&mut self) -> std::result::Result<QueueState, ReadError> {
        loop {
            self.services.live.ready().await;
            if self.state.is_none() {
                self.services.own_writes().await;
            }
            // what came until here is seen by the read that follows
            let _ = self.signal.take();
            self.looked_at = Some(Instant::now());
            self.question.epoch = self.services.live.applied().heads.epoch;
            self.question.others = self
                .state
                .iter()
                .flat_map(|state| &state.tickets)
                .map(|row| row.ticket.id)
                .collect();
            match self.services.live.view().queue(self.question.clone()).await {
                done @ (Ok(_) | Err(ReadError::TooMuch)) => return done,
                Err(error) => {
                    tracing::warn!(%error, "a queue cannot be read; trying again");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    async fn next_item(&mut self) -> std::result::Result<QueueItem, ReadError> {
        loop {
            if let Some(item) = self.given.pop_front() {
                self.track.gives(match item {
                    QueueItem::QueueSnapshot(_) => Item::Snapshot,
                    QueueItem::QueueChange(_) => Item::Change,
                    QueueItem::Gap(_) => Item::Break,
                });
                return Ok(item);
            }
            if self.state.is_none() {
                let state = Box::pin(self.look()).await?;
                self.given.push_back(snapshot(&state));
                self.state = Some(state);
                continue;
            }
            let is_asked = self.track.take_asked();
            if is_asked {
                // by somebody who comes later and may have written meanwhile
                Box::pin(self.services.own_writes()).await;
            }
            if self.is_due(LOOK_EVERY, is_asked).await {
                let now = Box::pin(self.look()).await?;
                self.give(now);
            }
            if let Some(state) = self.state.as_ref().filter(|_| is_asked) {
                self.given.push_back(snapshot(state));
            }
            if self.given.is_empty() {
                tokio::select! {
                    () = self.signal.news() => {}
                    () = self.track.asked() => {}
                }
            }
        }
    }

    fn give(&mut self, now: QueueState) {
        let before = self.state.take().unwrap_or_default();
        if before.heads.epoch == now.heads.epoch {
            let changes = changes(&before, &now);
            let last = changes.len().saturating_sub(1);
            let stats = QueueStats::from(&now);
            for (number, (kind, row, index)) in changes.into_iter().enumerate() {
                self.given.push_back(QueueItem::QueueChange(QueueChange {
                    kind,
                    ticket: Ticket(row),
                    index: index.map(|index| int(u64::try_from(index).unwrap_or(u64::MAX))),
                    stats: stats.clone(),
                    cursor: cursor(&now),
                    is_last: number == last,
                }));
            }
        } else {
            let reason = "the logs began a new life";
            self.given.push_back(QueueItem::Gap(gap(now.heads.clone(), reason)));
            self.given.push_back(snapshot(&now));
        }
        self.state = Some(now);
    }

    async fn next_stats(&mut self) -> std::result::Result<QueueStats, ReadError> {
        loop {
            if self.state.is_none() || self.is_due(STATS_EVERY, false).await {
                let now = Box::pin(self.look()).await?;
                let is_news = self.state.as_ref().is_none_or(|before| before.stats != now.stats);
                let stats = QueueStats::from(&now);
                self.state = Some(now);
                if is_news {
                    self.track.gives(Item::Snapshot);
                    return Ok(stats);
                }
            } else {
                self.signal.news().await;
            }
        }
    }
}

pub(super) fn queue(
    ctx: &Context<'_>,
    filter: TicketFilter,
    order: TicketOrder,
    first: Option<i32>,
) -> Result<impl Stream<Item = Result<Boxed<QueueItem>>> + use<>> {
    let first = match first {
        None => PAGE_DEFAULT,
        Some(first) => usize::try_from(first)
            .ok()
            .filter(|first| (1..=PAGE_MAX).contains(first))
            .ok_or_else(|| ApiError::from(Rejection::invalid("first", format!("1 to {PAGE_MAX}"))))?,
    };
    let stats = StatsFilter {
        channel_ids: filter.channel_ids.clone(),
        team_ids: filter.team_ids.clone(),
        assignee_ids: Vec::new(),
    };
    let question = QueueQuestion {
        workspace_id: principal(ctx)?.workspace_id,
        filter: Some(filter.clone()),
        order,
        first,
        ..question(ctx, stats)?
    };
    let watch = Box::new(Watch::new(ctx, Topic::Queue(filter), question)?);
    watch.track.open(Kind::Changes, None);
    Ok(stream::unfold(Some(watch), |watch| async {
        let mut watch = watch?;
        Some(match watch.next_item().await {
            Ok(item) => (Ok(Boxed::new(item)), Some(watch)),
            Err(error) => (Err(ApiError::from(error).into_graphql()), None),
        })
    }))
}

pub(super) fn queue_stats(
    ctx: &Context<'_>,
    stats: StatsFilter,
) -> Result<impl Stream<Item = Result<QueueStats>> + use<>> {
    let question = question(ctx, stats.clone())?;
    let watch = Box::new(Watch::new(ctx, Topic::Stats(stats), question)?);
    watch.track.open(Kind::Newest, None);
    Ok(stream::unfold(Some(watch), |watch| async {
        let mut watch = watch?;
        Some(match watch.next_stats().await {
            Ok(stats) => (Ok(stats), Some(watch)),
            Err(error) => (Err(ApiError::from(error).into_graphql()), None),
        })
    }))
}
