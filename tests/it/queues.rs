//! Live queues and counters: what a client makes of them is what a look at all records gives, at every cursor.

mod past;
mod questions;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::domain::{Status, Ticket, id};
use switchboard::live::Cursor;
use switchboard::store::Heads;
use switchboard::view::StatsFilter;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::past::Past;
use self::questions::{NAMED, Question, questions};
use crate::lists::{Row, matches, sort, stats};
use crate::support::world::{Dice, World};
use crate::support::{Client, Frame, KEY, Redis, Socket, TestApp, make_workspace};

const TICKET: &str = "id version status reason priority assignee { id } updatedAt";
const STATS: &str = "new active inactive unassigned pendingMessages oldestNewAt cursor";

pub fn queue(arguments: &str) -> String {
    format!(
        "subscription {{ queue({arguments}) {{ __typename
           ... on QueueSnapshot {{ tickets {{ {TICKET} }} stats {{ {STATS} }} cursor }}
           ... on QueueChange {{ kind index isLast ticket {{ {TICKET} }} stats {{ {STATS} }} cursor }}
           ... on Gap {{ reason }} }} }}"
    )
}

/// What a client knows of a queue.
#[derive(Default)]
struct Known {
    tickets: Vec<Value>,
    /// What the list was at each moment, with the counters.
    states: Vec<(Heads, Vec<Value>, Value)>,
    /// Where the last item was in the logs, and whether that was all of its moment.
    last: Option<(Heads, bool)>,
    snapshots: usize,
    changes: usize,
}

impl Known {
    fn take(&mut self, item: &Value) {
        if item["__typename"] == "QueueSnapshot" {
            self.tickets = item["tickets"].as_array().unwrap().clone();
            self.snapshots += 1;
        } else {
            assert_eq!(item["__typename"], "QueueChange", "{item:#}");
            self.change(item);
            self.changes += 1;
        }
        assert_eq!(item["stats"]["cursor"], item["cursor"]);
        let is_whole = item["isLast"] != false;
        let now = self.go_on(item, is_whole);
        if is_whole {
            self.states.push((now, self.tickets.clone(), item["stats"].clone()));
        }
    }

    /// Puts a ticket where it is now. An update changes it, or its place.
    fn change(&mut self, item: &Value) {
        let ticket = &item["ticket"];
        let at = self.tickets.iter().position(|known| known["id"] == ticket["id"]);
        let before = at.map(|at| self.tickets.remove(at));
        assert_eq!(before.is_some(), item["kind"] != "ENTER", "{item:#}");
        let index = item["index"].as_u64().map(|index| index as usize);
        assert_eq!(index.is_some(), item["kind"] != "LEAVE", "{item:#}");
        if item["kind"] == "UPDATE" {
            assert!(at != index || before.as_ref() != Some(ticket), "no news: {item:#}");
        }
        if let Some(index) = index {
            self.tickets.insert(index, ticket.clone());
        }
    }

    /// Where an item is in the logs: never before the one before it, and just there where both are of one moment.
    fn go_on(&mut self, item: &Value, is_whole: bool) -> Heads {
        let now = heads(item["cursor"].as_str().unwrap());
        if let Some((last, was_whole)) = &self.last {
            assert_eq!(now.epoch, last.epoch, "{item:#}");
            assert!(!now.is_behind(last), "{item:#} comes after {last:?}");
            assert_eq!(now != *last, *was_whole, "{item:#} comes after {last:?}");
        }
        self.last = Some((now.clone(), is_whole));
        now
    }
}

fn heads(cursor: &str) -> Heads {
    match Cursor::decode(cursor).unwrap() {
        Cursor::Heads(heads) => heads,
        Cursor::Point { .. } => panic!("not the cursor of a stream"),
    }
}

/// Holds every state that a client knew against the records until its cursor.
fn check(past: &Past, known: &Known, question: &Question) {
    for (heads, tickets, counters) in &known.states {
        let rows = past.rows(heads);
        let mut expected: Vec<&Row<'_>> = rows.iter().filter(|row| matches(row, &question.filter)).collect();
        sort(&mut expected, question.order);
        expected.truncate(question.first);
        let shown = |tickets: &[Value]| -> Vec<(String, u64)> {
            let pair = |ticket: &Value| {
                let id = ticket["id"].as_str().unwrap().to_owned();
                (id, ticket["version"].as_u64().unwrap())
            };
            tickets.iter().map(pair).collect()
        };
        let expected: Vec<(String, u64)> = expected
            .iter()
            .map(|row| (row.ticket.id.to_string(), row.ticket.version))
            .collect();
        assert_eq!(shown(tickets), expected, "{:?} {:?}", question.filter, question.order);
        let filter = StatsFilter {
            channel_ids: question.filter.channel_ids.clone(),
            team_ids: question.filter.team_ids.clone(),
            assignee_ids: Vec::new(),
        };
        check_counters(counters, &stats(&rows, &filter));
    }
}

fn check_counters(shown: &Value, counted: &switchboard::view::QueueStats) {
    let number = |name: &str| shown[name].as_u64().unwrap();
    assert_eq!(
        [
            number("new"),
            number("active"),
            number("inactive"),
            number("unassigned"),
            number("pendingMessages")
        ],
        [
            counted.new,
            counted.active,
            counted.inactive,
            counted.unassigned,
            counted.pending_messages
        ]
    );
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond().unsigned_abs();
    assert_eq!(shown["oldestNewAt"].as_str().map(at), counted.oldest_new_at);
}

/// Reads until all is over and nothing came for a while.
async fn read(mut socket: Socket, over: CancellationToken) -> BTreeMap<String, Known> {
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    loop {
        let was_over = over.is_cancelled();
        let frame = match tokio::time::timeout(Duration::from_millis(400), socket.next()).await {
            Ok(Frame::Json(frame)) => frame,
            Ok(closed) => panic!("{closed:?}"),
            Err(_) if was_over => return known,
            Err(_) => continue,
        };
        assert_eq!(frame["type"], "next", "{frame:#}");
        assert!(frame["payload"]["errors"].is_null(), "{frame:#}");
        let id = frame["id"].as_str().unwrap().to_owned();
        known.entry(id).or_default().take(&frame["payload"]["data"]["queue"]);
    }
}

/// When the tickets were made, in order.
async fn made(app: &TestApp, world: &World) -> Vec<u64> {
    let model = world.model(&app.node).await;
    let tickets = model.values().flat_map(|chat| chat.tickets.values());
    let mut made: Vec<u64> = tickets.map(|ticket| ticket.created_at).collect();
    made.sort_unstable();
    made
}

async fn replay(app: &TestApp, seed: u64) {
    let mut world = World::new(&app.node, id::first_workspace(), (12, seed)).await;
    for _ in 0..300 {
        world.step(&app.node).await;
    }
    let questions = questions(&world, &mut Dice(!seed), &made(app, &world).await);
    let (over, mut readers) = (CancellationToken::new(), Vec::new());
    // equal ones share an execution; the second joins while things happen
    for part in 0..2 {
        let mut socket = Socket::connect(&app.url, KEY).await;
        for (number, question) in questions.iter().enumerate() {
            let id = format!("{number}-{part}");
            socket.subscribe(&id, &queue(&question.arguments), json!({})).await;
        }
        readers.push(tokio::spawn(read(socket, over.clone())));
        for _ in 0..250 {
            world.step(&app.node).await;
            if world.dice.once_in(20) {
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        }
    }
    over.cancel();
    let mut known = BTreeMap::new();
    for reader in readers {
        known.extend(reader.await.unwrap());
    }
    let past = Past::of(app, &world).await;
    let waits_for_somebody = |ticket: &Ticket| ticket.status() == Status::New && ticket.assignee_id.is_some();
    assert!(past.ever(waits_for_somebody));
    for (id, known) in &known {
        let number: usize = id.split('-').next().unwrap().parse().unwrap();
        assert_eq!(known.snapshots, 1, "{id}");
        check(&past, known, &questions[number]);
    }
    assert_eq!(known.len(), questions.len() * 2);
    let states: Vec<usize> = known.values().map(|known| known.states.len()).collect();
    assert!(states.iter().sum::<usize>() > 200, "{states:?}");
    for (name, is_named) in NAMED {
        let mut naming = questions
            .iter()
            .enumerate()
            .filter(|(_, question)| is_named(&question.filter));
        assert!(
            naming.any(|(number, _)| known[&format!("{number}-0")].changes > 0),
            "{name}"
        );
    }
    // the end is what the query says
    for (number, question) in questions.iter().enumerate() {
        let query = queue_as_query(&app.client(), question).await;
        for part in 0..2 {
            assert_eq!(
                known[&format!("{number}-{part}")].tickets,
                query,
                "{}",
                question.arguments
            );
        }
    }
}

async fn queue_as_query(client: &Client, question: &Question) -> Vec<Value> {
    let query = format!(
        "{{ tickets({}) {{ edges {{ node {{ {TICKET} }} }} }} }}",
        question.arguments
    );
    let page = client.data(&query, json!({})).await;
    let edges = page["tickets"]["edges"].as_array().unwrap().clone();
    edges.into_iter().map(|edge| edge["node"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_queue_is_the_query_at_every_cursor() {
    replay(&TestApp::start().await, 0xbead).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_on_redis() {
    let redis = Redis::start();
    replay(&TestApp::on_redis(&redis).await, 0xcafe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_come_at_most_ten_times_a_second_and_end_with_the_newest() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let other = client.channel().await;
    let mut socket = Socket::connect(&app.url, KEY).await;
    let all = format!("subscription {{ queueStats {{ {STATS} }} }}");
    let one = format!("subscription {{ queueStats(channelIds: [\"{other}\"]) {{ {STATS} }} }}");
    socket.subscribe("all", &all, json!({})).await;
    socket.subscribe("one", &one, json!({})).await;
    let begin = std::time::Instant::now();
    for number in 0..60 {
        client
            .say(&channel, &format!("owner {number}"), &format!("m{number}"), "hello")
            .await;
    }
    let took = begin.elapsed();
    let (mut came, mut last, mut others) = (0, Value::Null, 0);
    while let Ok(Frame::Json(frame)) = tokio::time::timeout(Duration::from_millis(500), socket.next()).await {
        let stats = frame["payload"]["data"]["queueStats"].clone();
        if frame["id"] == "all" {
            assert!(stats["new"].as_u64() >= last["new"].as_u64(), "never back");
            (came, last) = (came + 1, stats);
        } else {
            others += 1;
            assert_eq!(stats["new"], 0);
        }
    }
    assert_eq!(
        (last["new"].as_u64(), last["unassigned"].as_u64()),
        (Some(60), Some(60))
    );
    let most = took.as_millis() / 100 + 3;
    assert!((2..=most).contains(&came), "{came} in {took:?}, {most} at most");
    assert_eq!(others, 1, "what happens elsewhere is no news");
    // somebody who comes later begins with the newest
    let mut late = Socket::connect(&app.url, KEY).await;
    late.subscribe("all", &all, json!({})).await;
    assert_eq!(late.item().await.unwrap()["queueStats"], last);
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_of_another_workspace_are_another_matter() {
    let app = TestApp::start().await;
    let stranger_key = "stranger-key-0123456789abcdef0123456789abcdef";
    make_workspace(&app.node, Uuid::from_u128(77), stranger_key).await;
    let mut stranger = Socket::connect(&app.url, stranger_key).await;
    stranger.subscribe("1", &queue("first: 10"), json!({})).await;
    assert_eq!(stranger.item().await.unwrap()["queue"]["tickets"], json!([]));
    let mut own = Socket::connect(&app.url, KEY).await;
    own.subscribe("1", &queue("first: 10"), json!({})).await;
    own.item().await.unwrap();
    let client = app.client();
    let channel = client.channel().await;
    client.say(&channel, "ada", "m1", "hello").await;
    assert_eq!(own.item().await.unwrap()["queue"]["kind"], "ENTER");
    assert!(stranger.is_silent(300).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_queue_cannot_be_asked() {
    let app = TestApp::start().await;
    let mut socket = Socket::connect(&app.url, KEY).await;
    for (number, arguments) in ["first: 0", "first: 101", "filter: { search: \"x\" }"]
        .into_iter()
        .enumerate()
    {
        socket
            .subscribe(&number.to_string(), &queue(arguments), json!({}))
            .await;
        let Frame::Json(frame) = socket.next().await else {
            panic!()
        };
        let error = frame["payload"][0]["extensions"].clone();
        let error = if error.is_null() {
            frame["payload"]["errors"][0]["extensions"].clone()
        } else {
            error
        };
        assert_eq!(error["code"], "BAD_USER_INPUT", "{frame:#}");
        if frame["type"] == "next" {
            let _ = socket.next().await;
        }
    }
    let two = "subscription { queueStats { new } events { __typename } }";
    socket.subscribe("two", two, json!({})).await;
    let Frame::Json(frame) = socket.next().await else {
        panic!()
    };
    assert_eq!(
        frame["payload"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED",
        "{frame:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_queue_cannot_be_is_told_once_to_everybody_who_asks() {
    let app = TestApp::start().await;
    let mut socket = Socket::connect(&app.url, KEY).await;
    // they share the execution that fails
    for id in ["a", "b", "c", "d"] {
        socket.subscribe(id, &queue("first: 0"), json!({})).await;
    }
    let mut told: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for _ in 0..8 {
        let Frame::Json(frame) = socket.next().await else {
            panic!()
        };
        if frame["type"] == "next" {
            let code = &frame["payload"]["errors"][0]["extensions"]["code"];
            assert_eq!(code, "BAD_USER_INPUT", "{frame:#}");
        }
        let id = frame["id"].as_str().unwrap().to_owned();
        told.entry(id).or_default().push(frame["type"].clone());
    }
    assert_eq!(told.len(), 4);
    assert!(told.values().all(|types| *types == ["next", "complete"]), "{told:?}");
    assert!(socket.is_silent(300).await);
}
