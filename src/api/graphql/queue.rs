//! Counters of a queue.

use async_graphql::{Context, Result, SimpleObject};
use uuid::Uuid;

use super::input::list;
use super::loader::{principal, services};
use super::scalar::{CursorText, DateTime, int};
use crate::api::auth::Principal;
use crate::api::error::ApiError;
use crate::domain::Rejection;
use crate::live::Cursor;
use crate::view::{QueueQuestion, QueueState, StatsFilter, TicketOrder};

/// How many tickets are where; neither deleted ones nor those of removed chats count.
#[derive(Clone, Debug, PartialEq, SimpleObject)]
pub struct QueueStats {
    /// Nobody works on them yet.
    pub new: i32,
    /// Somebody works on them.
    pub active: i32,
    /// They have ended.
    pub inactive: i32,
    /// Open and nobody's.
    pub unassigned: i32,
    /// Messages of owners since the last public answer, over all open tickets.
    pub pending_messages: i32,
    /// When the oldest new one was made; null when there is none.
    pub oldest_new_at: Option<DateTime>,
    /// As of which moment: subscribe after it to get what follows.
    pub cursor: CursorText,
}

impl From<&QueueState> for QueueStats {
    fn from(state: &QueueState) -> Self {
        let counters = &state.stats;
        Self {
            new: int(counters.new),
            active: int(counters.active),
            inactive: int(counters.inactive),
            unassigned: int(counters.unassigned),
            pending_messages: int(counters.pending_messages),
            oldest_new_at: counters.oldest_new_at.map(DateTime),
            cursor: CursorText(Cursor::Heads(state.heads.clone()).encode()),
        }
    }
}

/// As far as the key may know of them.
pub(super) fn stats_filter(
    principal: &Principal,
    channel_ids: Option<Vec<Uuid>>,
    team_ids: Option<Vec<Uuid>>,
    assignee_ids: Option<Vec<Uuid>>,
) -> std::result::Result<StatsFilter, Rejection> {
    Ok(StatsFilter {
        channel_ids: principal.narrow(list("channelIds", channel_ids)?),
        team_ids: list("teamIds", team_ids)?,
        assignee_ids: list("assigneeIds", assignee_ids)?,
    })
}

/// The counters alone.
pub(super) fn question(ctx: &Context<'_>, stats: StatsFilter) -> Result<QueueQuestion> {
    Ok(QueueQuestion {
        workspace_id: principal(ctx)?.workspace_id,
        filter: None,
        order: TicketOrder::default(),
        first: 0,
        stats,
        others: Vec::new(),
        epoch: services(ctx)?.live.applied().heads.epoch,
    })
}

pub(super) async fn queue_stats(ctx: &Context<'_>, stats: StatsFilter) -> Result<QueueStats> {
    let view = services(ctx)?.view().await?;
    let found = view.queue(question(ctx, stats)?).await.map_err(ApiError::from)?;
    Ok(QueueStats::from(&found))
}
