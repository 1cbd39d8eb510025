//! Lists, totals, counters and searches against a model that looks at everything.

use std::collections::{BTreeMap, HashSet};

use switchboard::domain::{Priority, Reason, Status, Ticket, id};
use switchboard::server::Node;
use switchboard::view::page::{Range, TicketKey};
use switchboard::view::{ChatFilter, Pool, QueueStats, StatsFilter, TicketFilter, TicketOrder};
use uuid::Uuid;

use crate::support::world::{ChatModel, Dice, WORDS, World};
use crate::support::{Redis, TestApp};

/// Random questions in CI; `LIST_QUESTIONS=100000` asks more.
const QUESTIONS: usize = 2_000;

const ORDERS: [TicketOrder; 5] = [
    TicketOrder::UpdatedDesc,
    TicketOrder::CreatedDesc,
    TicketOrder::CreatedAsc,
    TicketOrder::WaitingLongest,
    TicketOrder::Priority,
];

/// One ticket with its chat.
pub struct Row<'a> {
    pub chat_id: Uuid,
    pub chat: &'a ChatModel,
    pub ticket: &'a Ticket,
}

/// Lower case, without accents, in words.
fn words(text: &str) -> Vec<String> {
    let plain = text.chars().flat_map(char::to_lowercase).map(|letter| match letter {
        'é' | 'è' | 'ë' => 'e',
        'ï' => 'i',
        'ö' => 'o',
        'û' => 'u',
        other => other,
    });
    let plain: String = plain.collect();
    let split = plain.split(|letter: char| !letter.is_alphanumeric());
    split.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether a text has the words of `wanted` one after the other, the last one at least at its beginning if that is of three
/// letters.
fn says(text: &str, wanted: &str) -> bool {
    let (text, phrase) = (words(text), words(wanted));
    let prefix = phrase.last().is_some_and(|last| last.chars().count() >= 3);
    text.windows(phrase.len()).any(|window| {
        window.iter().zip(&phrase).enumerate().all(|(place, (word, wanted))| {
            let is_last = place + 1 == phrase.len();
            word == wanted || (prefix && is_last && word.starts_with(wanted.as_str()))
        })
    })
}

fn has_words(search: &str, found: impl Fn(&str) -> bool) -> bool {
    let wanted: Vec<&str> = search
        .split_whitespace()
        .filter(|word| !words(word).is_empty())
        .collect();
    !wanted.is_empty() && wanted.into_iter().all(found)
}

fn is_found(row: &Row<'_>, search: &str) -> bool {
    let owner = format!("{} {}", row.chat.name, row.chat.external_id);
    let about = format!(
        "{} {}",
        row.ticket.subject.clone().unwrap_or_default(),
        row.ticket.summary
    );
    has_words(search, |word| {
        let mut messages = row.chat.messages.values();
        says(&owner, word)
            || says(&about, word)
            || messages.any(|(number, text)| *number == Some(row.ticket.number) && says(text, word))
    })
}

pub fn matches(row: &Row<'_>, filter: &TicketFilter) -> bool {
    let ticket = row.ticket;
    let any = |list: &[Uuid], id: Option<Uuid>| list.is_empty() || id.is_some_and(|id| list.contains(&id));
    let deleted = ticket.reason == Reason::Deleted && filter.reasons.is_empty();
    (filter.include_removed || !(row.chat.removed || deleted))
        && (filter.statuses.is_empty() || filter.statuses.contains(&ticket.status()))
        && (filter.reasons.is_empty() || filter.reasons.contains(&ticket.reason))
        && (filter.priorities.is_empty() || filter.priorities.contains(&ticket.priority))
        && any(&filter.assignee_ids, ticket.assignee_id)
        && any(&filter.team_ids, ticket.team_id)
        && any(&filter.responder_ids, row.chat.responder_id)
        && any(&filter.channel_ids, Some(row.chat.channel_id))
        && any(&filter.chat_ids, Some(row.chat_id))
        && (filter.tag_ids.is_empty() || ticket.tags.iter().any(|tag| filter.tag_ids.contains(tag)))
        && filter
            .unassigned
            .is_none_or(|wanted| wanted == ticket.assignee_id.is_none())
        && filter.created_after.is_none_or(|at| ticket.created_at > at)
        && filter.created_before.is_none_or(|at| ticket.created_at < at)
        && filter.search.as_ref().is_none_or(|search| is_found(row, search))
}

pub fn sort(rows: &mut [&Row<'_>], order: TicketOrder) {
    let rank = |priority: Priority| match priority {
        Priority::Urgent => 0,
        Priority::High => 1,
        Priority::Medium => 2,
        Priority::Low => 3,
    };
    rows.sort_by_key(|row| {
        let ticket = row.ticket;
        match order {
            TicketOrder::UpdatedDesc => (0, ticket.updated_at, ticket.id),
            TicketOrder::CreatedDesc | TicketOrder::CreatedAsc => (0, ticket.created_at, ticket.id),
            TicketOrder::WaitingLongest => match ticket.waiting_since {
                Some(at) => (0, at, ticket.id),
                None => (1, ticket.created_at, ticket.id),
            },
            TicketOrder::Priority => (rank(ticket.priority), ticket.created_at, ticket.id),
        }
    });
    if matches!(order, TicketOrder::UpdatedDesc | TicketOrder::CreatedDesc) {
        rows.reverse();
    }
}

/// A few of a list, often none.
fn some<T: Clone>(dice: &mut Dice, all: &[T]) -> Vec<T> {
    if !dice.once_in(5) {
        return Vec::new();
    }
    (0..=dice.roll(2)).map(|_| dice.pick(all)).collect()
}

fn search(dice: &mut Dice) -> String {
    let odd = [
        "",
        "\"",
        "*",
        "AND",
        "NOT",
        "a AND b",
        "NEAR(",
        "body:order",
        "(",
        "^x",
        "-",
        "\u{0}x",
        "ord*",
        "'",
        "o--",
        "o'c",
        "pa-",
    ];
    let names = [
        "zoe",
        "Fischer",
        "JOSE",
        "170-0003",
        "+49",
        "noor",
        "par",
        "cr",
        "brulee",
        "fisch",
        "orde",
        "straß",
        "49-170-000",
        "o'cloc",
    ];
    let word = |dice: &mut Dice| match dice.roll(6) {
        0 => dice.pick(&odd).to_owned(),
        1 | 2 => dice.pick(&names).to_owned(),
        _ => dice.pick(&WORDS).to_owned(),
    };
    let found: Vec<String> = (0..=dice.roll(2)).map(|_| word(dice)).collect();
    found.join(" ")
}

fn filter(dice: &mut Dice, world: &World, rows: &[Row<'_>]) -> TicketFilter {
    let times: Vec<u64> = rows.iter().map(|row| row.ticket.created_at).collect();
    TicketFilter {
        statuses: some(dice, &[Status::New, Status::Active, Status::Inactive]),
        reasons: some(dice, &Reason::ALL),
        assignee_ids: some(dice, &world.agents),
        unassigned: dice.once_in(6).then(|| dice.once_in(2)),
        team_ids: some(dice, &world.teams),
        responder_ids: if dice.once_in(3) {
            some(dice, &world.responders)
        } else {
            Vec::new()
        },
        responder_version_ids: Vec::new(),
        priorities: some(
            dice,
            &[Priority::Low, Priority::Medium, Priority::High, Priority::Urgent],
        ),
        tag_ids: some(dice, &world.tags),
        search: dice
            .once_in(5)
            .then(|| search(dice))
            .filter(|text| !text.trim().is_empty()),
        include_removed: dice.once_in(4),
        channel_ids: some(dice, &world.channels),
        chat_ids: if dice.once_in(4) {
            some(dice, &world.chats())
        } else {
            Vec::new()
        },
        created_after: dice.once_in(8).then(|| dice.pick(&times)),
        created_before: dice.once_in(8).then(|| dice.pick(&times)),
    }
}

async fn check_pages(
    (node, world): (&Node, &World),
    (filter, order): (&TicketFilter, TicketOrder),
    (expected, limit): (&[&Row<'_>], usize),
) {
    let view = node.services.live.view();
    let context = || format!("{filter:?} {order:?} {limit}");
    let expected: Vec<Uuid> = expected.iter().map(|row| row.ticket.id).collect();
    let (mut forward, mut after): (Vec<Uuid>, Option<TicketKey>) = (Vec::new(), None);
    loop {
        let range = Range::Forward { after, limit };
        let page = view
            .tickets(world.workspace_id, filter.clone(), order, range)
            .await
            .unwrap();
        after = page.items.last().map(|row| order.key(&row.ticket)).or(after);
        forward.extend(page.items.iter().map(|row| row.ticket.id));
        assert_eq!(page.has_next, forward.len() < expected.len(), "{}", context());
        if !page.has_next || forward.len() > expected.len() {
            break;
        }
    }
    assert_eq!(forward, expected, "{}", context());
    let range = Range::Backward { before: after, limit };
    let page = view
        .tickets(world.workspace_id, filter.clone(), order, range)
        .await
        .unwrap();
    let backward: Vec<Uuid> = page.items.iter().map(|row| row.ticket.id).collect();
    let end = expected.len().saturating_sub(1);
    assert_eq!(
        backward,
        &expected[end.saturating_sub(limit)..end],
        "backward {}",
        context()
    );
    let total = view.ticket_total(world.workspace_id, filter.clone()).await.unwrap();
    assert!(total.is_exact);
    assert_eq!(total.items, expected.len() as u64, "total {}", context());
    // a page in the middle by its number
    let begin = expected.len() / limit / 2 * limit;
    let numbered = view.tickets_page(world.workspace_id, filter.clone(), order, (begin as u64, limit));
    let numbered = numbered.await.unwrap();
    let found: Vec<Uuid> = numbered.items.iter().map(|found| found.row.ticket.id).collect();
    let end = expected.len().min(begin + limit);
    assert_eq!(found, &expected[begin..end], "from {begin} {}", context());
    assert_eq!(
        (numbered.total, numbered.has_next),
        (total, end < expected.len()),
        "from {begin} {}",
        context()
    );
}

pub fn stats(rows: &[Row<'_>], filter: &StatsFilter) -> QueueStats {
    let any = |list: &[Uuid], id: Option<Uuid>| list.is_empty() || id.is_some_and(|id| list.contains(&id));
    let counted = rows.iter().filter(|row| {
        !row.chat.removed
            && row.ticket.reason != Reason::Deleted
            && any(&filter.channel_ids, Some(row.chat.channel_id))
            && any(&filter.team_ids, row.ticket.team_id)
            && any(&filter.assignee_ids, row.ticket.assignee_id)
    });
    let mut stats = QueueStats::default();
    for row in counted {
        let ticket = row.ticket;
        match ticket.status() {
            Status::Inactive => stats.inactive += 1,
            Status::Active => stats.active += 1,
            Status::New => {
                stats.new += 1;
                let oldest = stats.oldest_new_at.unwrap_or(u64::MAX);
                stats.oldest_new_at = Some(oldest.min(ticket.created_at));
            }
        }
        if ticket.is_open() {
            stats.pending_messages += u64::from(ticket.pending_chat_messages);
            stats.unassigned += u64::from(ticket.assignee_id.is_none());
        }
    }
    stats
}

async fn check_chats(node: &Node, world: &mut World, model: &BTreeMap<Uuid, ChatModel>) {
    let dice = &mut world.dice;
    let filter = ChatFilter {
        channel_ids: [some(dice, &world.channels), vec![world.channels[0]]].concat(),
        search: dice
            .once_in(2)
            .then(|| search(dice))
            .filter(|text| !text.trim().is_empty()),
    };
    let wanted = |chat: &&ChatModel| {
        !chat.removed
            && filter.channel_ids.contains(&chat.channel_id)
            && filter.search.as_ref().is_none_or(|search| {
                has_words(search, |word| {
                    says(&format!("{} {}", chat.name, chat.external_id), word)
                        || chat.messages.values().any(|(_, text)| says(text, word))
                        || chat.tickets.values().any(|ticket| {
                            says(
                                &format!("{} {}", ticket.subject.clone().unwrap_or_default(), ticket.summary),
                                word,
                            )
                        })
                })
            })
    };
    let found = model.iter().filter(|(_, chat)| wanted(chat));
    let mut expected: Vec<(u64, Uuid)> = found.map(|(id, chat)| (chat.updated_at, *id)).collect();
    expected.sort_by(|one, other| other.cmp(one));
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let view = node.services.live.view();
        let page = view
            .chat_page(world.workspace_id, filter.clone(), after, 7)
            .await
            .unwrap();
        all.extend(page.items.iter().map(|chat| (chat.updated_at, chat.id)));
        after = all.last().map(|(at, id)| TicketKey { at: *at, id: *id });
        if !page.has_next {
            break;
        }
    }
    assert_eq!(all, expected, "{filter:?}");
    let total = node.services.live.view().chat_total(world.workspace_id, filter.clone());
    assert_eq!(total.await.unwrap().items, expected.len() as u64, "{filter:?}");
}

/// What the assigner reads: pools by who waits longest in them, and who waits longest in some of these.
async fn check_waiting((node, world): (&Node, &World), rows: &[Row<'_>]) {
    let view = node.services.live.view();
    let waits = |row: &&Row<'_>| {
        row.ticket.is_open() && row.ticket.assignee_id.is_none() && !row.chat.removed && !row.chat.owned
    };
    let place = |row: &Row<'_>| {
        (
            row.ticket.opened_at,
            row.ticket.id,
            (row.chat.channel_id, row.ticket.team_id),
        )
    };
    let mut waiting: Vec<_> = rows.iter().filter(waits).map(place).collect();
    waiting.sort_unstable();
    for channels in [world.channels.clone(), vec![world.channels[1]], Vec::new()] {
        let mut expected: Vec<Pool> = Vec::new();
        for (_, _, pool) in waiting.iter().filter(|(_, _, pool)| channels.contains(&pool.0)) {
            if !expected.contains(pool) {
                expected.push(*pool);
            }
        }
        let found = view.waiting_pools(world.workspace_id, channels.clone()).await.unwrap();
        assert_eq!(found, expected);
        assert!(channels.len() < 2 || expected.len() > 1, "{expected:?}");
        for (limit, count) in [(1, expected.len()), (4, expected.len()), (4, 2), (100, expected.len())] {
            let pools: Vec<Pool> = expected.iter().copied().take(count).collect();
            let first = waiting.iter().filter(|(_, _, pool)| pools.contains(pool)).take(limit);
            let first: Vec<_> = first.map(|(_, id, pool)| (*id, pool.0)).collect();
            let found = view.waiting(world.workspace_id, pools, limit).await.unwrap();
            let found: Vec<_> = found
                .into_iter()
                .map(|(row, channel)| (row.ticket.id, channel))
                .collect();
            assert_eq!(found, first, "{count} pools, {limit}");
        }
    }
}

async fn ask(app: &TestApp, seed: u64) {
    let node = &app.node;
    let questions = std::env::var("LIST_QUESTIONS").map_or(QUESTIONS, |count| count.parse().unwrap());
    let mut world = World::new(node, id::first_workspace(), (25, seed)).await;
    for _ in 0..3_000 {
        world.step(node).await;
    }
    let model = world.model(node).await;
    let live = &node.services.live;
    live.catch_up(std::time::Duration::from_secs(10)).await.unwrap();
    assert_eq!(live.view().recount().await.unwrap(), []);
    let rows: Vec<Row<'_>> = model
        .iter()
        .flat_map(|(chat_id, chat)| {
            chat.tickets.values().map(|ticket| Row {
                chat_id: *chat_id,
                chat,
                ticket,
            })
        })
        .collect();
    let kinds: HashSet<Reason> = rows.iter().map(|row| row.ticket.reason).collect();
    assert!(rows.len() > 60 && kinds.len() > 7, "{} tickets, {kinds:?}", rows.len());
    check_waiting((node, &world), &rows).await;
    let mut hits = 0;
    for _ in 0..questions {
        let mut dice = world.dice.clone();
        let filter = filter(&mut dice, &world, &rows);
        world.dice = dice;
        let (order, limit) = (world.dice.pick(&ORDERS), 1 + world.dice.roll(20));
        let mut expected: Vec<&Row<'_>> = rows.iter().filter(|row| matches(row, &filter)).collect();
        sort(&mut expected, order);
        hits += usize::from(!expected.is_empty());
        check_pages((node, &world), (&filter, order), (&expected, limit)).await;
        if world.dice.once_in(4) {
            let dice = &mut world.dice;
            let filter = StatsFilter {
                channel_ids: some(dice, &world.channels),
                team_ids: some(dice, &world.teams),
                assignee_ids: some(dice, &world.agents),
            };
            let found = live
                .view()
                .queue_stats(world.workspace_id, filter.clone())
                .await
                .unwrap();
            assert_eq!(found, stats(&rows, &filter), "{filter:?}");
            check_chats(node, &mut world, &model).await;
        }
    }
    assert!(hits * 3 > questions, "{hits} of {questions} found something");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_total_and_search_is_what_a_look_at_everything_gives() {
    ask(&TestApp::start().await, 0x5eed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_beside_redis() {
    let redis = Redis::start();
    ask(&TestApp::on_redis(&redis).await, 0xface).await;
}
