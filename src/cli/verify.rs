//! `switchboard verify`: replays every aggregate's records and compares.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Aggregate, Chat, Contact, Desk, Event, Post, Scope, Workspace, id};
use crate::server::{Node, open_store};
use crate::store::Store;
use crate::view::page::Range;
use crate::view::{ChatRow, TicketFilter, View};

/// How many aggregates are listed at once, and records read at once.
const PAGE: usize = 500;
/// How long the view may take to catch up, in milliseconds.
const CATCH_UP_MS: u64 = 600_000;

pub(super) async fn verify(config: Config) -> anyhow::Result<ExitCode> {
    let parts = open_store(&config.store, &config.server.data_dir).await?;
    let node = Node::start(parts, Clock::default(), &config).await?;
    let live = &node.services.live;
    live.catch_up(Duration::from_millis(CATCH_UP_MS)).await?;
    let mut report = Report::default();
    for partition in 0..node.store.partitions() {
        let mut token = None;
        loop {
            let listing = node.store.list(partition, 0, token.as_deref(), PAGE).await?;
            for aggregate_id in listing.ids {
                check(&*node.store, live.view(), aggregate_id, &mut report).await?;
                report.aggregates = report.aggregates.saturating_add(1);
                report.progress();
            }
            token = listing.next;
            if token.is_none() {
                break;
            }
        }
    }
    for (what, count) in live.view().recount().await? {
        report.counts(what, count)?;
    }
    node.close().await;
    report.end()
}

#[derive(Default)]
struct Report {
    aggregates: u64,
    records: u64,
    differences: u64,
}

impl Report {
    fn differs(&mut self, id: Uuid, what: &str) -> std::io::Result<()> {
        self.differences = self.differences.saturating_add(1);
        writeln!(std::io::stdout(), "{id}: {what}")
    }

    fn counts(&mut self, what: &str, count: u64) -> std::io::Result<()> {
        self.differences = self.differences.saturating_add(count);
        writeln!(std::io::stdout(), "{what}: {count}")
    }

    fn progress(&self) {
        let mut err = std::io::stderr();
        if self.aggregates.is_multiple_of(1_000) && err.is_terminal() {
            let _ = write!(err, "\r{} aggregates, {} records", self.aggregates, self.records);
        }
    }

    fn end(&self) -> anyhow::Result<ExitCode> {
        writeln!(
            std::io::stdout(),
            "{} aggregates, {} records, {} differences",
            self.aggregates,
            self.records,
            self.differences
        )?;
        Ok(if self.differences == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Every record of an aggregate, up to the state of its snapshot.
async fn records(store: &dyn Store, id: Uuid) -> anyhow::Result<Vec<Arc<Event>>> {
    let mut events = Vec::new();
    let mut after = 0;
    loop {
        let page = store.history(id, after, PAGE).await?;
        // a record that is filed under another number than its own would come again and again
        let Some(last) = page.last().filter(|last| last.event.seq > after) else {
            events.extend(page.into_iter().map(|record| record.event));
            return Ok(events);
        };
        after = last.event.seq;
        events.extend(page.into_iter().map(|record| record.event));
    }
}

/// The state that the records lead to; notes what is out of order on the way.
fn replay<A: Aggregate>(id: Uuid, events: &[Arc<Event>], report: &mut Report) -> std::io::Result<A> {
    let mut state = A::blank(id);
    for event in events {
        report.records = report.records.saturating_add(1);
        if event.seq != state.seq().saturating_add(1) {
            report.differs(id, &format!("record {} follows {}", event.seq, state.seq()))?;
        }
        state.apply(event);
    }
    Ok(state)
}

fn outcome<A: Aggregate>(state: &A) -> serde_json::Result<(Value, u64)> {
    Ok((serde_json::to_value(state)?, state.version()))
}

async fn check(store: &dyn Store, view: &View, aggregate_id: Uuid, report: &mut Report) -> anyhow::Result<()> {
    let Some(snapshot) = store.load(aggregate_id).await? else {
        report.differs(aggregate_id, "listed, but there is no snapshot")?;
        return Ok(());
    };
    let events = records(store, aggregate_id).await?;
    let (replayed, version) = match events.first().map(|event| event.body.scope()) {
        Some(Scope::Workspace) => {
            let state: Workspace = replay(aggregate_id, &events, report)?;
            if !view.settings().await?.contains(&state) {
                report.differs(aggregate_id, "the view shows other settings")?;
            }
            outcome(&state)?
        }
        Some(Scope::Contact) => {
            let state: Contact = replay(aggregate_id, &events, report)?;
            let shown = view.contact(state.workspace_id, aggregate_id, None).await?;
            let stands_for_itself = shown.as_ref().is_some_and(|shown| shown.id == aggregate_id);
            if shown.is_none_or(|shown| stands_for_itself && shown.details != state.details) {
                report.differs(aggregate_id, "the view shows another contact")?;
            }
            outcome(&state)?
        }
        Some(Scope::Post) => {
            let state: Post = replay(aggregate_id, &events, report)?;
            if view.post(state.workspace_id, aggregate_id).await?.as_ref() != Some(&state) {
                report.differs(aggregate_id, "the view shows another comment or review")?;
            }
            outcome(&state)?
        }
        Some(Scope::Desk) => outcome(&replay::<Desk>(aggregate_id, &events, report)?)?,
        Some(Scope::Chat) | None => {
            let state: Chat = replay(aggregate_id, &events, report)?;
            check_view(view, &state, &events, report).await?;
            outcome(&state)?
        }
    };
    let kept: Value = serde_json::from_str(&snapshot.json)?;
    if replayed != kept {
        report.differs(
            aggregate_id,
            &format!("the snapshot is {kept}, the records lead to {replayed}"),
        )?;
    }
    if snapshot.version != version {
        let text = format!("the snapshot has version {}, the records {version}", snapshot.version);
        report.differs(aggregate_id, &text)?;
    }
    Ok(())
}

/// Whether a row is what the records say of its chat.
fn is_shown(row: &ChatRow, chat: &Chat) -> bool {
    let last = chat.last_ticket.as_ref().map_or(0, |ticket| ticket.number);
    let (owner, profile) = (&chat.owner, &chat.owner.profile);
    (row.channel_id, row.contact_id) == (chat.channel_id, id::contact(chat.id))
        && (&row.external_id, row.blocked) == (&owner.external_id, owner.blocked)
        && (&row.name, &row.avatar) == (&profile.name, &profile.avatar)
        && (&row.responder, row.responder_owns) == (&chat.responder, chat.responder_owns)
        && (row.responder_epoch, row.removed_at) == (chat.responder_epoch, chat.removed_at)
        && (row.version, row.seq, row.tickets) == (chat.version, chat.seq, last)
        && (row.created_at, row.updated_at) == (chat.created_at, chat.updated_at)
}

/// The rows of a chat, its tickets and messages against what the records say.
async fn check_view(view: &View, chat: &Chat, events: &[Arc<Event>], report: &mut Report) -> anyhow::Result<()> {
    let shown = view.chats(chat.workspace_id, vec![chat.id]).await?;
    if shown.first().is_none_or(|row| !is_shown(row, chat)) {
        report.differs(chat.id, &format!("the view shows {:?}", shown.first()))?;
    }
    check_tickets(view, chat, events, report).await?;
    let said = |event: &&Arc<Event>| event.body.message().is_some();
    let mut expected = events.iter().filter(said).map(|event| event.seq);
    let mut after = None;
    loop {
        let range = Range::Forward { after, limit: PAGE };
        let page = view.messages(chat.id, None, range).await?;
        for row in &page.items {
            after = Some(row.seq);
            let seq = expected.next();
            if seq != after {
                report.differs(
                    chat.id,
                    &format!("the view shows message {}, the records {seq:?}", row.seq),
                )?;
            }
        }
        if !page.has_next {
            break;
        }
    }
    if let Some(seq) = expected.next() {
        report.differs(chat.id, &format!("the view lacks message {seq}"))?;
    }
    Ok(())
}

async fn check_tickets(view: &View, chat: &Chat, events: &[Arc<Event>], report: &mut Report) -> anyhow::Result<()> {
    let last = chat.last_ticket.as_ref().map_or(0, |ticket| ticket.number);
    for number in 1..=last {
        let ticket_id = id::ticket(chat.id, number);
        let of_ticket = |event: &&Arc<Event>| event.ticket_id() == Some(ticket_id);
        let recorded = events.iter().rev().find(of_ticket);
        let recorded = recorded.and_then(|event| event.ticket.as_deref());
        let shown = view.tickets_by_id(chat.workspace_id, vec![ticket_id]);
        let shown = shown.await?.into_iter().next();
        if shown.as_ref().map(|row| &row.ticket) != recorded {
            let text = format!("the view shows ticket {number} as {shown:?}");
            report.differs(chat.id, &text)?;
        }
    }
    let held = [&chat.last_ticket, &chat.merge_target];
    for ticket in held.into_iter().flatten() {
        let of_ticket = |event: &&Arc<Event>| event.ticket_id() == Some(ticket.id);
        let recorded = events.iter().rev().find(of_ticket);
        if recorded.and_then(|event| event.ticket.as_ref()) != Some(ticket) {
            report.differs(chat.id, "the last record shows another ticket than the replay")?;
        }
    }
    let filter = TicketFilter {
        chat_ids: vec![chat.id],
        include_removed: true,
        ..TicketFilter::default()
    };
    let total = view.ticket_total(chat.workspace_id, filter).await?;
    if total.items != u64::from(last) {
        let text = format!("the view counts {} tickets of {last}", total.items);
        report.differs(chat.id, &text)?;
    }
    Ok(())
}
