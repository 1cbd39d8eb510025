//! The view: pages of every order and filter with few and with many tickets, counters, and how fast it takes in records
//! against how fast Redis commits them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::format_collect,
    clippy::too_many_lines,
    reason = "benches fail by panicking and measure with the clock"
)]

mod support;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use support::{NOW, Redis, at_least, at_most, commits, setting};
use switchboard::domain::event::{Cause, Profile};
use switchboard::domain::{Actor, Event, EventBody, Owner, Priority, Reason, Status, Ticket, id};
use switchboard::live::Live;
use switchboard::store::redis::{RedisOptions, RedisStore};
use switchboard::store::{Commit, Followed, Heads, Outcome, Record, Store};
use switchboard::view::page::{Range, TicketKey};
use switchboard::view::{StatsFilter, TicketFilter, TicketOrder, View};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Tickets of one chat.
const TICKETS: u32 = 10;
const BATCH: usize = 4_096;

const ORDERS: [TicketOrder; 5] = [
    TicketOrder::UpdatedDesc,
    TicketOrder::CreatedDesc,
    TicketOrder::CreatedAsc,
    TicketOrder::WaitingLongest,
    TicketOrder::Priority,
];

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if std::env::var("FILTERS").is_err() {
            keeping_up().await;
        }
        pages().await;
    });
}

fn known(name: &str, number: u32) -> Uuid {
    id::chat(Uuid::nil(), Uuid::nil(), &format!("{name} {number}"))
}

/// Tickets are made within so many milliseconds.
const TIMES: u64 = 1 << 24;

/// Each is updated last within so many milliseconds after it was made.
const UPDATED_WITHIN: u64 = 86_400_000;

/// The same number for the same one, spread evenly, below `sides` and 2^24.
fn spread(number: u32, sides: u32) -> u32 {
    (number.wrapping_mul(2_654_435_761) >> 8) % sides
}

fn ticket(chat_id: Uuid, chat: u32, number: u32) -> Ticket {
    let which = chat * TICKETS + number;
    let at = NOW + u64::from(spread(which, u32::MAX));
    let reason = if number == TICKETS {
        [Reason::Inbound, Reason::InProgress, Reason::PendingCustomer][spread(which, 3) as usize]
    } else {
        [Reason::Completed, Reason::Closed, Reason::AutoClosed, Reason::Spam][spread(which, 4) as usize]
    };
    let priorities = [Priority::Low, Priority::Medium, Priority::High, Priority::Urgent];
    let priority = priorities[spread(which / 3, 4) as usize];
    let json = serde_json::json!({
        "id": id::ticket(chat_id, number), "number": number, "reason": reason, "circumstance": "INBOUND",
        "subject": format!("order a{which}x"),
        "assigneeId": (reason != Reason::Inbound).then(|| known("agent", spread(which, 40))),
        "teamId": known("team", spread(which, 12)),
        "tags": [known("tag", spread(which, 30))],
        "priority": priority,
        "pendingChatMessages": u32::from(number == TICKETS),
        "waitingSince": (number == TICKETS).then_some(at + 7),
        "episode": 1, "version": 3, "createdAt": at, "openedAt": at, "activeAt": at,
        "updatedAt": at + u64::from(spread((which ^ (which >> 7)).wrapping_mul(0x85eb_ca6b) >> 3, UPDATED_WITHIN as u32)),
    });
    serde_json::from_value(json).unwrap()
}

fn record(event: Event, position: u64) -> Record {
    let json: Arc<str> = serde_json::to_string(&event).unwrap().into();
    Record {
        partition: 0,
        position,
        event: Arc::new(event),
        json,
    }
}

/// A chat with its tickets, as the records of their last change.
fn chat(number: u32, position: &mut u64) -> Vec<Record> {
    let external_id = support::owner(number as usize);
    let channel_id = known("channel", spread(number, 6));
    let chat_id = id::chat(id::first_workspace(), channel_id, &external_id);
    let event = |seq: u64, body, ticket: Option<Ticket>| Event {
        workspace_id: id::first_workspace(),
        aggregate_id: chat_id,
        seq,
        version: seq,
        at: NOW,
        actor: Actor::system(),
        cause: Cause {
            command_id: Uuid::nil(),
            message_id: None,
        },
        synthetic: false,
        ticket: ticket.map(Box::new),
        body,
    };
    let owner = Owner {
        external_id,
        profile: Profile {
            name: Some("Ada Fischer".into()),
            avatar: None,
        },
        blocked: false,
    };
    let responder = EventBody::ChatResponderChanged {
        from: None,
        to: serde_json::from_value(serde_json::json!({
            "id": known("responder", spread(number, 5)), "entity": "AGENT"
        }))
        .unwrap(),
        owns: false,
        epoch: 1,
    };
    let mut events = vec![
        event(1, EventBody::ChatCreated { channel_id, owner }, None),
        event(2, responder, None),
    ];
    for number_of in 1..=TICKETS {
        let ticket = ticket(chat_id, number, number_of);
        let body = EventBody::TicketCreated {
            number: number_of,
            reason: ticket.reason,
            circumstance: ticket.circumstance,
            subject: ticket.subject.clone(),
            trace: None,
        };
        events.push(event(u64::from(number_of) + 2, body, Some(ticket)));
    }
    let records = events.into_iter().map(|event| {
        *position += 1;
        record(event, *position)
    });
    records.collect()
}

async fn filled(directory: &std::path::Path, tickets: usize) -> View {
    let view = View::standalone(&directory.join(format!("{tickets}.db"))).unwrap();
    let (mut position, mut waiting, start) = (0, Vec::new(), Instant::now());
    for number in 0..(tickets / TICKETS as usize) as u32 {
        waiting.extend(chat(number, &mut position));
        if waiting.len() >= BATCH {
            view.apply(std::mem::take(&mut waiting), None).await.unwrap();
        }
    }
    view.apply(waiting, None).await.unwrap();
    println!("{tickets} tickets in {:.0} s", start.elapsed().as_secs_f64());
    view
}

fn filter(change: impl FnOnce(&mut TicketFilter)) -> TicketFilter {
    let mut filter = TicketFilter::default();
    change(&mut filter);
    filter
}

/// Of so many tickets.
fn filters(tickets: usize) -> Vec<(&'static str, TicketFilter)> {
    let chat = id::chat(
        id::first_workspace(),
        known("channel", spread(7, 6)),
        &support::owner(7),
    );
    let half = NOW + TIMES / 2;
    // before which about so many were made
    let before = |count: u64| NOW + TIMES * count / tickets as u64;
    vec![
        ("all", filter(|_| {})),
        (
            "statuses",
            filter(|all| all.statuses = vec![Status::New, Status::Active]),
        ),
        ("reasons", filter(|all| all.reasons = vec![Reason::Spam])),
        ("assigneeIds", filter(|all| all.assignee_ids = vec![known("agent", 3)])),
        ("unassigned", filter(|all| all.unassigned = Some(true))),
        ("assigned", filter(|all| all.unassigned = Some(false))),
        (
            "teamIds",
            filter(|all| all.team_ids = vec![known("team", 3), known("team", 5)]),
        ),
        ("channelIds", filter(|all| all.channel_ids = vec![known("channel", 2)])),
        (
            "responderIds",
            filter(|all| all.responder_ids = vec![known("responder", 2)]),
        ),
        ("tagIds", filter(|all| all.tag_ids = vec![known("tag", 2)])),
        ("priorities", filter(|all| all.priorities = vec![Priority::Urgent])),
        ("createdAfter", filter(|all| all.created_after = Some(half))),
        ("createdBefore", filter(|all| all.created_before = Some(half))),
        (
            "created last",
            filter(|all| all.created_after = Some(NOW + TIMES - TIMES / 100)),
        ),
        // as many of few tickets and of many, so that both give a whole page, in the same way
        ("created first", filter(|all| all.created_before = Some(before(30)))),
        (
            // those of the middle tenth, by both bounds
            "created between",
            filter(|all| {
                all.created_after = Some(half);
                all.created_before = Some(half + TIMES / 10);
            }),
        ),
        ("chatIds", filter(|all| all.chat_ids = vec![chat])),
        ("removed too", filter(|all| all.include_removed = true)),
        ("search", filter(|all| all.search = Some("0000042".into()))),
        // every ticket has it
        ("search common", filter(|all| all.search = Some("order".into()))),
        // every owner has it
        ("search name", filter(|all| all.search = Some("fischer".into()))),
        // one ticket has both, an early one
        ("search both", filter(|all| all.search = Some("order a4242x".into()))),
        (
            // with ten thousand tickets as well there are more of these than a page has
            "mine of a channel",
            filter(|all| {
                all.assignee_ids = vec![known("agent", 3)];
                all.channel_ids = vec![known("channel", 2)];
            }),
        ),
    ]
}

/// The dearest bounds of creation, in an order that has nothing to do with it: a few more than are found and sorted, so that
/// very many others are passed over on the way to a page. Both costs grow with the root of all tickets.
fn rarely(tickets: usize) -> TicketFilter {
    let count = (tickets as u64 / 8).isqrt() * 11 / 10;
    filter(|all| all.created_before = Some(NOW + TIMES * count / tickets as u64))
}

/// The median times of pages, in microseconds, which take turns.
async fn pages_of<const N: usize>(
    wanted: [(&View, &TicketFilter, Option<TicketKey>); N],
    order: TicketOrder,
) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..setting("PAGES", 41) {
        for ((view, filter, after), times) in wanted.iter().zip(&mut times) {
            let start = Instant::now();
            let range = Range::Forward {
                after: *after,
                limit: 20,
            };
            let page = view.tickets(id::first_workspace(), (*filter).clone(), order, range);
            page.await.unwrap();
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// The key in the middle of what was made within a filter's bounds.
fn middle(order: TicketOrder, filter: &TicketFilter) -> TicketKey {
    let chat_id = Uuid::nil();
    let mut ticket = ticket(chat_id, 1, 1);
    ticket.id = Uuid::max();
    let (first, last) = (filter.created_after, filter.created_before);
    ticket.created_at = first.unwrap_or(NOW).midpoint(last.unwrap_or(NOW + TIMES));
    ticket.updated_at = ticket.created_at + UPDATED_WITHIN / 2;
    ticket.waiting_since = None;
    ticket.priority = Priority::Medium;
    order.key(&ticket)
}

async fn pages() {
    let directory = tempfile::tempdir().unwrap();
    let many = setting("VIEW_TICKETS", 1_000_000);
    let (few_view, many_view) = (
        filled(directory.path(), 10_000).await,
        filled(directory.path(), many).await,
    );
    println!("median page of 20, in microseconds: 10,000 tickets, {many} tickets, a deep page of these");
    let (mut worst, mut worst_deep) = ((0.0, String::new()), (0.0, String::new()));
    let compare = async |name: &str, filters: [&TicketFilter; 2], order: TicketOrder| {
        let wanted = [
            (&few_view, filters[0], None),
            (&many_view, filters[1], None),
            (&many_view, filters[1], Some(middle(order, filters[1]))),
        ];
        let [few, many, deep] = pages_of(wanted, order).await;
        println!(
            "  {name:<17} {order:<15} {few:>8.0} {many:>8.0} {deep:>8.0}  {:>6.2}",
            many / few,
            order = format!("{order:?}")
        );
        (many / few, deep / many)
    };
    let asked_for = std::env::var("FILTERS").unwrap_or_default();
    for ((name, of_few), (_, of_many)) in filters(10_000).iter().zip(&filters(many)) {
        for order in ORDERS {
            if !name.contains(&asked_for) {
                continue;
            }
            let (growth, depth) = compare(name, [of_few, of_many], order).await;
            if growth > worst.0 {
                worst = (growth, format!("{name} {order:?}"));
            }
            if depth > worst_deep.0 {
                worst_deep = (depth, format!("{name} {order:?}"));
            }
        }
    }
    let mut worst_root = 0.0_f64;
    for order in [TicketOrder::UpdatedDesc, TicketOrder::WaitingLongest] {
        let (growth, depth) = compare("created rarely", [&rarely(10_000), &rarely(many)], order).await;
        worst_root = worst_root.max(growth);
        if depth > worst_deep.0 {
            worst_deep = (depth, format!("created rarely {order:?}"));
        }
    }
    at_most(
        "the dearest bounds of creation: a page with many tickets / with 10,000, by the root of how many more these are",
        worst_root / (many as f64 / 1e4).sqrt(),
        2.0,
    );
    at_most(
        &format!("a page with {many} tickets / with 10,000, the worst: {}", worst.1),
        worst.0,
        2.0,
    );
    at_most(
        &format!("a deep page / the first, the worst: {}", worst_deep.1),
        worst_deep.0,
        2.0,
    );
    let mut times = Vec::new();
    for view in [&few_view, &many_view] {
        let start = Instant::now();
        for _ in 0..200 {
            view.queue_stats(id::first_workspace(), StatsFilter::default())
                .await
                .unwrap();
            view.ticket_total(id::first_workspace(), TicketFilter::default())
                .await
                .unwrap();
        }
        times.push(start.elapsed().as_secs_f64());
    }
    at_most(
        &format!("counters with {many} tickets / with 10,000"),
        times[1] / times[0],
        2.0,
    );
}

/// Records a second that Redis commits, that a view takes in, and that a node reads from Redis' log and takes in.
async fn keeping_up() {
    let rounds = commits(setting("CHATS", 10_000), setting("ROUNDS", 12));
    let records: usize = rounds[1..].iter().flatten().map(|commit| commit.events.len()).sum();
    for fsync in ["always", "everysec"] {
        let server = Redis::start_with(&["--appendonly", "yes", "--appendfsync", fsync]);
        let options = RedisOptions {
            url: server.url(),
            namespace: "bench".into(),
            partitions: 16,
            log_retention_records: 1_000_000,
        };
        let store: Arc<dyn Store> = Arc::new(RedisStore::open(options).await.unwrap());
        let directory = tempfile::tempdir().unwrap();
        let open = |name: &str| View::standalone(&directory.path().join(name)).unwrap();
        let (view, node) = (open("view.db"), open("node.db"));
        let live = Live::open(Arc::clone(&store), node).await.unwrap();
        // the chats
        commit(&*store, &rounds[..1]).await;
        let mut heads = live.applied().heads;
        apply(&view, turns(&*store, &mut heads).await).await;
        take_in(&live).await;
        let committed = commit(&*store, &rounds[1..]).await;
        let applied = apply(&view, turns(&*store, &mut heads).await).await;
        let taken_in = take_in(&live).await;
        store.close().await;
        let [committed, applied, taken_in] = [committed, applied, taken_in].map(|seconds| records as f64 / seconds);
        println!(
            "records/s: Redis, appendfsync {fsync}, {committed:.0}; applied {applied:.0}; by a node {taken_in:.0}"
        );
        for (what, rate, bound) in [
            ("the view applies", applied, 2.0),
            ("a node reads and applies", taken_in, 1.0),
        ] {
            at_least(
                &format!("{what} / Redis commits, appendfsync {fsync}"),
                rate / committed,
                bound,
            );
        }
    }
}

/// What is in a store's logs after these heads, as a node would take it in.
async fn turns(store: &dyn Store, heads: &mut Heads) -> Vec<Vec<Record>> {
    let mut turns = Vec::new();
    let last = store.heads().await.unwrap();
    while *heads != last {
        let records = match store.follow(heads, 16_384).await.unwrap() {
            Followed::Records(records) => records,
            Followed::Trimmed | Followed::EpochChanged => unreachable!("the logs are whole"),
        };
        for record in &records {
            heads.positions[usize::from(record.partition)] = record.position;
        }
        turns.push(records);
    }
    turns
}

/// Seconds that a view takes for these.
async fn apply(view: &View, turns: Vec<Vec<Record>>) -> f64 {
    let start = Instant::now();
    for records in turns {
        view.apply(records, None).await.unwrap();
    }
    start.elapsed().as_secs_f64()
}

/// Seconds that a store takes for these commits.
async fn commit(store: &dyn Store, rounds: &[Vec<Arc<Commit>>]) -> f64 {
    let start = Instant::now();
    for round in rounds {
        stream::iter(round)
            .map(|commit| store.commit(Arc::clone(commit)))
            .buffer_unordered(1_024)
            .for_each(async |outcome| assert!(matches!(outcome, Outcome::Committed { .. })))
            .await;
    }
    start.elapsed().as_secs_f64()
}

/// Seconds until a node has taken in all that is in its store's logs.
async fn take_in(live: &Live) -> f64 {
    let start = Instant::now();
    let stop = CancellationToken::new();
    let caught_up = async {
        live.catch_up(Duration::from_mins(5)).await.unwrap();
        stop.cancel();
        start.elapsed().as_secs_f64()
    };
    tokio::join!(live.run(stop.clone()), caught_up).1
}
