//! Live queues and counters: what a client makes of them is what a look at all records gives, at every cursor.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::domain::{Event, Priority, Status, Ticket, id};
use switchboard::live::Cursor;
use switchboard::store::Heads;
use switchboard::view::{StatsFilter, TicketFilter, TicketOrder};
use uuid::Uuid;

use crate::lists::{Row, matches, sort, stats};
use crate::support::world::{ChatModel, World};
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
    /// What the list was at each cursor, with the counters.
    states: Vec<(String, Vec<Value>, Value)>,
    snapshots: usize,
    changes: usize,
}

impl Known {
    fn take(&mut self, item: &Value) {
        let id = |ticket: &Value| ticket["id"].as_str().unwrap().to_owned();
        if item["__typename"] == "QueueSnapshot" {
            self.tickets = item["tickets"].as_array().unwrap().clone();
            self.snapshots += 1;
        } else {
            assert_eq!(item["__typename"], "QueueChange", "{item:#}");
            self.changes += 1;
            let ticket = item["ticket"].clone();
            let before = self.tickets.len();
            self.tickets.retain(|known| id(known) != id(&ticket));
            let was_there = self.tickets.len() < before;
            assert_eq!(was_there, item["kind"] != "ENTER", "{item:#}");
            if item["kind"] == "LEAVE" {
                assert!(item["index"].is_null());
            } else {
                let index = item["index"].as_u64().unwrap() as usize;
                self.tickets.insert(index, ticket);
            }
            if item["isLast"] == false {
                return;
            }
        }
        assert_eq!(item["stats"]["cursor"], item["cursor"]);
        let cursor = item["cursor"].as_str().unwrap().to_owned();
        self.states.push((cursor, self.tickets.clone(), item["stats"].clone()));
    }
}

/// Everything that happened, by the place in the logs.
type Records = Vec<(usize, u64, Event)>;

async fn records(app: &TestApp, world: &World) -> Records {
    let mut all = Vec::new();
    for chat_id in world.chats() {
        for record in app.node.store.history(chat_id, 0, 100_000).await.unwrap() {
            all.push((record.partition.into(), record.position, Event::clone(&record.event)));
        }
    }
    all
}

fn heads(cursor: &str) -> Heads {
    match Cursor::decode(cursor).unwrap() {
        Cursor::Heads(heads) => heads,
        Cursor::Point { .. } => panic!("not the cursor of a stream"),
    }
}

fn model_at(records: &Records, cursor: &str) -> BTreeMap<Uuid, ChatModel> {
    let heads = heads(cursor);
    let mut of_chat: BTreeMap<Uuid, Vec<&Event>> = BTreeMap::new();
    for (partition, position, event) in records {
        if *position <= heads.positions[*partition] {
            of_chat.entry(event.aggregate_id).or_default().push(event);
        }
    }
    let chats = of_chat.into_iter();
    chats.map(|(id, events)| (id, ChatModel::replay(events))).collect()
}

/// Holds every state that a client knew against the records until its cursor.
fn check(records: &Records, known: &Known, question: &Question) {
    for (cursor, tickets, counters) in &known.states {
        let model = model_at(records, cursor);
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

struct Question {
    arguments: String,
    filter: TicketFilter,
    order: TicketOrder,
    first: usize,
}

fn questions(world: &World) -> Vec<Question> {
    let open = vec![Status::New, Status::Active];
    let question = |arguments: String, filter, order, first| Question {
        arguments,
        filter,
        order,
        first,
    };
    vec![
        question(
            "first: 10".into(),
            TicketFilter::default(),
            TicketOrder::UpdatedDesc,
            10,
        ),
        question(
            "filter: { statuses: [NEW, ACTIVE] }, orderBy: WAITING_LONGEST, first: 7".into(),
            TicketFilter {
                statuses: open.clone(),
                ..TicketFilter::default()
            },
            TicketOrder::WaitingLongest,
            7,
        ),
        question(
            format!(
                "filter: {{ assigneeIds: [\"{}\"] }}, orderBy: PRIORITY, first: 100",
                world.agents[0]
            ),
            TicketFilter {
                assignee_ids: vec![world.agents[0]],
                ..TicketFilter::default()
            },
            TicketOrder::Priority,
            100,
        ),
        question(
            format!(
                "filter: {{ teamIds: [\"{}\"], priorities: [HIGH, MEDIUM] }}, orderBy: CREATED_ASC, first: 5",
                world.teams[1]
            ),
            TicketFilter {
                team_ids: vec![world.teams[1]],
                priorities: vec![Priority::High, Priority::Medium],
                ..TicketFilter::default()
            },
            TicketOrder::CreatedAsc,
            5,
        ),
        question(
            format!(
                "filter: {{ tagIds: [\"{}\"], channelIds: [\"{}\", \"{}\"], unassigned: false, includeRemoved: true }}, first: 100",
                world.tags[2], world.channels[0], world.channels[2]
            ),
            TicketFilter {
                tag_ids: vec![world.tags[2]],
                channel_ids: vec![world.channels[0], world.channels[2]],
                unassigned: Some(false),
                include_removed: true,
                ..TicketFilter::default()
            },
            TicketOrder::UpdatedDesc,
            100,
        ),
        question(
            format!(
                "filter: {{ responderIds: [\"{}\"] }}, orderBy: CREATED_DESC, first: 20",
                world.responders[0]
            ),
            TicketFilter {
                responder_ids: vec![world.responders[0]],
                ..TicketFilter::default()
            },
            TicketOrder::CreatedDesc,
            20,
        ),
    ]
}

/// Reads until nothing comes for a while.
async fn read(socket: &mut Socket, known: &mut BTreeMap<String, Known>) {
    while let Ok(frame) = tokio::time::timeout(Duration::from_millis(400), socket.next()).await {
        let Frame::Json(frame) = frame else { panic!("{frame:?}") };
        assert_eq!(frame["type"], "next", "{frame:#}");
        assert!(frame["payload"]["errors"].is_null(), "{frame:#}");
        let id = frame["id"].as_str().unwrap().to_owned();
        known.entry(id).or_default().take(&frame["payload"]["data"]["queue"]);
    }
}

async fn replay(app: &TestApp, seed: u64) {
    let mut world = World::new(&app.node, id::first_workspace(), (12, seed)).await;
    for _ in 0..300 {
        world.step(&app.node).await;
    }
    let questions = questions(&world);
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    // equal ones share an execution; the second joins while things happen
    let mut sockets = [
        Socket::connect(&app.url, KEY).await,
        Socket::connect(&app.url, KEY).await,
    ];
    for (part, socket) in sockets.iter_mut().enumerate() {
        for (number, question) in questions.iter().enumerate() {
            let id = format!("{number}-{part}");
            socket.subscribe(&id, &queue(&question.arguments), json!({})).await;
        }
        for _ in 0..250 {
            world.step(&app.node).await;
            if world.dice.once_in(20) {
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        }
    }
    for socket in &mut sockets {
        read(socket, &mut known).await;
    }
    let records = records(app, &world).await;
    let waits_for_somebody = |ticket: &Ticket| ticket.status() == Status::New && ticket.assignee_id.is_some();
    let mut tickets = records.iter().filter_map(|(_, _, event)| event.ticket.as_deref());
    assert!(tickets.any(waits_for_somebody));
    for (id, known) in &known {
        let number: usize = id.split('-').next().unwrap().parse().unwrap();
        assert_eq!(known.snapshots, 1, "{id}");
        check(&records, known, &questions[number]);
    }
    assert_eq!(known.len(), questions.len() * 2);
    let states: Vec<usize> = known.values().map(|known| known.states.len()).collect();
    assert!(states.iter().sum::<usize>() > 200, "{states:?}");
    // the end is what the query says
    for (number, question) in questions.iter().enumerate() {
        let query = queue_as_query(&app.client(), question).await;
        for part in 0..2 {
            assert_eq!(known[&format!("{number}-{part}")].tickets, query);
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
