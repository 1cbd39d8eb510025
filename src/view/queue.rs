//! The first tickets of a queue and its counters, as of one moment.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::View;
use super::log::last_ordinal;
use super::page::Range;
use super::read::{TicketRow, ticket};
use super::schema::read_heads;
use super::stats::{QueueStats, StatsFilter, queue_stats};
use super::tickets::{TicketFilter, TicketOrder, ticket_page};
use crate::sqlite::ReadError;
use crate::store::Heads;

/// What a queue shows.
#[derive(Clone, Debug)]
pub struct QueueQuestion {
    /// The tenant.
    pub workspace_id: Uuid,
    /// Which tickets; none for the counters alone.
    pub filter: Option<TicketFilter>,
    /// Which come first.
    pub order: TicketOrder,
    /// How many of them.
    pub first: usize,
    /// Which counters.
    pub stats: StatsFilter,
    /// Tickets to be read also where they are not among the first.
    pub others: Vec<Uuid>,
    /// The life of the logs, where the view is in the store's file.
    pub epoch: u64,
}

/// What a queue showed at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// The first ones, in order.
    pub tickets: Vec<TicketRow>,
    /// Those that were asked for beside them.
    pub others: Vec<TicketRow>,
    /// The counters.
    pub stats: QueueStats,
    /// How far each log had come.
    pub heads: Heads,
}

impl View {
    /// The first tickets that match, the counters, and how far this node was: all of the same moment.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn queue(&self, question: QueueQuestion) -> Result<QueueState, ReadError> {
        let is_embedded = self.is_embedded();
        self.ask_for_queue(move |moment| {
            let range = Range::Forward {
                after: None,
                limit: question.first,
            };
            let (workspace, order) = (question.workspace_id, question.order);
            let tickets = match &question.filter {
                Some(filter) => ticket_page(moment, workspace, filter, order, &range)?.items,
                None => Vec::new(),
            };
            let mut read = moment.prepare_cached("SELECT chat, body FROM ticket WHERE id = ?1 AND workspace = ?2")?;
            let mut others = Vec::new();
            for id in question.others {
                if !tickets.iter().any(|row| row.ticket.id == id) {
                    let row = read.query_row(params![id.as_bytes(), workspace.as_bytes()], ticket);
                    others.extend(row.optional()?);
                }
            }
            let stats = queue_stats(moment, workspace, &question.stats)?;
            let heads = if is_embedded {
                Some(Heads {
                    epoch: question.epoch,
                    positions: vec![last_ordinal(moment)?],
                })
            } else {
                read_heads(moment, ("main", "heads"))?
            };
            Ok(QueueState {
                tickets,
                others,
                stats,
                heads: heads.unwrap_or_default(),
            })
        })
        .await
    }
}
