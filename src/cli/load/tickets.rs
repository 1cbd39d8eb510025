//! Counts the tickets of the run's channel again, one by one.

use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::client::Failure;
use super::finding::{Findings, Invariant};
use super::messages::PageInfo;
use super::queue::FIRST;
use super::sender::Shared;

const COUNTERS: &str = "counters equal a recount";
const TOTAL: &str = "the total of tickets equals a recount";

/// The most tickets of a page.
const PAGE_MAX: usize = 100;

const TICKETS: &str = "query($channelIds: [UUID!], $orderBy: TicketOrder, $first: Int, $after: String) { \
    tickets(filter: { channelIds: $channelIds }, orderBy: $orderBy, first: $first, after: $after) { \
    nodes { id status version pendingChatMessages createdAt assignee { id } } pageInfo { hasNextPage endCursor } } }";
const TOTAL_COUNT: &str = "query($channelIds: [UUID!]) { \
    tickets(filter: { channelIds: $channelIds }, first: 0) { totalCount totalCountIsExact } }";
const QUEUE_STATS: &str = "query($channelIds: [UUID!]) { queueStats(channelIds: $channelIds) { \
    new active inactive unassigned pendingMessages oldestNewAt } }";

#[derive(Deserialize)]
struct Tickets {
    tickets: TicketPage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TicketPage {
    nodes: Vec<Ticket>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    id: Uuid,
    status: String,
    version: u32,
    pending_chat_messages: u64,
    /// RFC 3339 in UTC with milliseconds: the least text is the earliest.
    created_at: String,
    assignee: Option<Assignee>,
}

#[derive(Deserialize)]
struct Assignee {}

#[derive(Deserialize)]
struct Total {
    tickets: TotalCount,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TotalCount {
    total_count: u64,
    total_count_is_exact: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    queue_stats: Counters,
}

/// How many tickets there are of each kind, and when the oldest new one was made.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Counters {
    new: u64,
    active: u64,
    inactive: u64,
    unassigned: u64,
    pending_messages: u64,
    oldest_new_at: Option<String>,
}

impl Counters {
    fn add(&mut self, ticket: &Ticket) {
        let is_open = matches!(ticket.status.as_str(), "NEW" | "ACTIVE");
        let of_status = match ticket.status.as_str() {
            "NEW" => &mut self.new,
            "ACTIVE" => &mut self.active,
            _ => &mut self.inactive,
        };
        *of_status = of_status.saturating_add(1);
        if ticket.status == "NEW" {
            let made_at = Some(&ticket.created_at);
            self.oldest_new_at = self.oldest_new_at.iter().chain(made_at).min().cloned();
        }
        if is_open {
            let unassigned = u64::from(ticket.assignee.is_none());
            self.unassigned = self.unassigned.saturating_add(unassigned);
            self.pending_messages = self.pending_messages.saturating_add(ticket.pending_chat_messages);
        }
    }

    fn named(&self) -> [(&'static str, String); 6] {
        [
            ("new", self.new.to_string()),
            ("active", self.active.to_string()),
            ("inactive", self.inactive.to_string()),
            ("unassigned", self.unassigned.to_string()),
            ("pendingMessages", self.pending_messages.to_string()),
            (
                "oldestNewAt",
                self.oldest_new_at.clone().unwrap_or_else(|| "null".into()),
            ),
        ]
    }
}

/// The tickets of the channel, counted one by one.
#[derive(Debug, Default)]
pub(super) struct Recount {
    counters: Counters,
    total: u64,
    /// Every ticket with its version, where that was asked for.
    pub(super) versions: Vec<(Uuid, u32)>,
    /// The last changed of these, in that order.
    pub(super) queue: Vec<(Uuid, u32)>,
}

async fn page(shared: &Shared, (order, first): (&str, usize), after: Option<&str>) -> Result<TicketPage, Failure> {
    let variables = json!({ "channelIds": [shared.channel_id], "orderBy": order, "first": first, "after": after });
    let Tickets { tickets } = shared.client.read(TICKETS, variables).await?;
    Ok(tickets)
}

/// Pages through all tickets of the channel.
pub(super) async fn recount(shared: &Shared, with_versions: bool) -> Result<Recount, Failure> {
    let version = |ticket: &Ticket| (ticket.id, ticket.version);
    let mut recount = Recount::default();
    let mut after: Option<String> = None;
    loop {
        let tickets = page(shared, ("CREATED_ASC", PAGE_MAX), after.as_deref()).await?;
        for ticket in &tickets.nodes {
            recount.counters.add(ticket);
            recount.total = recount.total.saturating_add(1);
        }
        if with_versions {
            recount.versions.extend(tickets.nodes.iter().map(version));
        }
        after = tickets.page_info.next(after.as_deref())?;
        if after.is_none() {
            break;
        }
    }
    if with_versions {
        let tickets = page(shared, ("UPDATED_DESC", FIRST), None).await?;
        recount.queue = tickets.nodes.iter().map(version).collect();
    }
    Ok(recount)
}

/// Compares what the server counts itself with the recount.
pub(super) async fn check(shared: &Shared, recount: &Result<Recount, Failure>) -> Vec<Invariant> {
    match recount {
        Ok(recount) => vec![
            check_counters(shared, recount).await,
            check_total(shared, recount).await,
        ],
        Err(failure) => [COUNTERS, TOTAL]
            .map(|name| Invariant::unreadable(name, failure))
            .into(),
    }
}

fn is_unknown_field(failure: &Failure) -> bool {
    failure.class == "GRAPHQL_VALIDATION_FAILED" && failure.message.contains("queueStats")
}

async fn check_counters(shared: &Shared, recount: &Recount) -> Invariant {
    let variables = json!({ "channelIds": [shared.channel_id] });
    let stats = match shared.client.read::<Stats>(QUEUE_STATS, variables).await {
        Ok(stats) => stats.queue_stats,
        Err(failure) if is_unknown_field(&failure) => {
            return Invariant::not_checked(COUNTERS, "the server has no queueStats");
        }
        Err(failure) => return Invariant::unreadable(COUNTERS, &failure),
    };
    let mut findings = Findings::default();
    for ((name, counted), (_, said)) in recount.counters.named().into_iter().zip(stats.named()) {
        if counted != said {
            findings.note(|| format!("{name} is {said}, a recount gives {counted}"));
        }
    }
    let named = recount
        .counters
        .named()
        .map(|(name, counted)| format!("{name} {counted}"));
    Invariant::of(COUNTERS, findings, named.join(", "))
}

async fn check_total(shared: &Shared, recount: &Recount) -> Invariant {
    let counted = recount.total;
    let variables = json!({ "channelIds": [shared.channel_id] });
    match shared.client.read::<Total>(TOTAL_COUNT, variables).await {
        Ok(Total { tickets }) if !tickets.total_count_is_exact => {
            let sentence = format!("{counted} tickets; the server says that there may be more");
            Invariant::not_checked(TOTAL, sentence)
        }
        Ok(Total { tickets }) => {
            let mut findings = Findings::default();
            if tickets.total_count != counted {
                findings.note(|| format!("totalCount is {}, a recount gives {counted}", tickets.total_count));
            }
            Invariant::of(TOTAL, findings, format!("{counted} tickets"))
        }
        Err(failure) => Invariant::unreadable(TOTAL, &failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(status: &str, day: u32, assignee: Option<Assignee>, pending_chat_messages: u64) -> Ticket {
        Ticket {
            id: Uuid::nil(),
            status: status.into(),
            version: 1,
            pending_chat_messages,
            created_at: format!("2026-01-{day:02}T00:00:00.000Z"),
            assignee,
        }
    }

    #[test]
    fn only_open_tickets_wait_for_anybody() {
        let mut counters = Counters::default();
        for ticket in [
            ticket("NEW", 5, None, 3),
            ticket("NEW", 4, None, 1),
            ticket("NEW", 6, None, 0),
            ticket("ACTIVE", 3, Some(Assignee {}), 4),
            ticket("ACTIVE", 2, None, 0),
            ticket("INACTIVE", 1, None, 50),
        ] {
            counters.add(&ticket);
        }
        let expected = Counters {
            new: 3,
            active: 2,
            inactive: 1,
            unassigned: 4,
            pending_messages: 8,
            oldest_new_at: Some("2026-01-04T00:00:00.000Z".into()),
        };
        assert_eq!(counters, expected);
    }

    #[test]
    fn a_server_without_counters_is_known_by_its_answer() {
        let answer = |code, message| is_unknown_field(&Failure::coded(code, message, None));
        let unknown = "Unknown field \"queueStats\" on type \"Query\".";
        assert!(answer("GRAPHQL_VALIDATION_FAILED", unknown));
        assert!(!answer("INTERNAL", unknown));
        assert!(!answer("GRAPHQL_VALIDATION_FAILED", "Unknown argument \"channelIds\""));
    }
}
