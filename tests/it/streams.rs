//! Subscriptions: the very same sequence, however often a subscriber is cut off; which of them are not the same; and the
//! socket's rules.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Client, Frame, KEY, Redis, Socket, TestApp};

const EVENTS: &str = "subscription($after: Cursor) { events(after: $after) { __typename \
    ... on Event { id cursor type chatId chatSeq } ... on Gap { cursor reason } } }";
const TICKETS: &str = "subscription($after: Cursor) { ticketChanged(after: $after) { __typename \
    ... on TicketChange { cursor ticket { id status version pendingChatMessages } event { id type } } ... on Gap { cursor reason } } }";

/// Messages and commands over several chats, so that every kind of event comes along.
async fn history(client: &Client, channel: &str, agent: &str, rounds: usize) {
    for round in 0..rounds {
        let owner = format!("owner{}", round % 9);
        let receipt = client.say(channel, &owner, &format!("m{round}"), "hello").await;
        let ticket = receipt["ticket"]["id"].as_str().unwrap();
        match round % 4 {
            1 => drop(
                client
                    .ticket_command("takeTicket", ticket, &format!(", agentId: \"{agent}\""))
                    .await,
            ),
            2 => drop(
                client
                    .ticket_command("assignTicket", ticket, &format!(", agentId: \"{agent}\""))
                    .await,
            ),
            3 => drop(client.ticket_command("completeTicket", ticket, "").await),
            _ => {}
        }
    }
}

/// Reads `count` items of a subscription in one go.
async fn uninterrupted(socket: &mut Socket, field: &str, count: usize) -> Vec<Value> {
    let mut items = Vec::new();
    while items.len() < count {
        items.push(socket.item().await.expect("an open socket")[field].clone());
    }
    items
}

/// Reads `count` items, cut off after every few and resumed with the last cursor on whichever node comes next.
async fn cut_off(urls: &[&str], query: &str, field: &str, (after, count): (String, usize)) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    let (mut after, mut random) = (after, 7_usize);
    while items.len() < count {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345) % 65_536;
        let mut socket = Socket::connect(urls[random % urls.len()], KEY).await;
        socket.subscribe("1", query, json!({ "after": after })).await;
        for _ in 0..(random % 13).min(count - items.len()) {
            let item = socket.item().await.expect("an open socket")[field].clone();
            after = item["cursor"].as_str().unwrap().to_owned();
            items.push(item);
        }
    }
    items
}

async fn resumed_sees_the_very_sequence(app: &TestApp, query: &str, field: &'static str) {
    let client = app.client();
    let (channel, agent) = (client.channel().await, client.agent().await);
    let first = client.say(&channel, "first", "first", "hello").await;
    let start = first["cursor"].as_str().unwrap().to_owned();
    let mut socket = Socket::connect(&app.url, KEY).await;
    socket.subscribe("1", query, json!({ "after": start })).await;
    let before = client.data("{ tickets(first: 1) { totalCount } }", json!({})).await;
    assert_eq!(before["tickets"]["totalCount"], 1);
    let live = tokio::spawn(async move {
        let items = uninterrupted(&mut socket, field, 150).await;
        (items, socket)
    });
    history(&client, &channel, &agent, 100).await;
    let (expected, _socket) = live.await.unwrap();
    assert!(expected.iter().all(|item| item["__typename"] != "Gap"));
    assert_eq!(
        cut_off(&[&app.url], query, field, (start, expected.len())).await,
        expected
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_subscriber_sees_the_very_sequence() {
    let app = TestApp::start().await;
    resumed_sees_the_very_sequence(&app, EVENTS, "events").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_subscriber_sees_the_very_tickets() {
    let app = TestApp::start().await;
    resumed_sees_the_very_sequence(&app, TICKETS, "ticketChanged").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_subscriber_sees_the_very_sequence_on_redis() {
    let redis = Redis::start();
    let app = TestApp::on_redis(&redis).await;
    resumed_sees_the_very_sequence(&app, EVENTS, "events").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_changes_nodes_misses_and_repeats_nothing() {
    let redis = Redis::start();
    let (one, two) = (TestApp::on_redis(&redis).await, TestApp::on_redis(&redis).await);
    let client = one.client();
    let (channel, agent) = (client.channel().await, client.agent().await);
    let mut socket = Socket::connect(&one.url, KEY).await;
    socket.subscribe("1", EVENTS, json!({})).await;
    // the first item proves that the subscription is on
    let mut number = 0;
    while socket.is_silent(100).await {
        client.say(&channel, "first", &format!("first{number}"), "hello").await;
        number += 1;
    }
    history(&client, &channel, &agent, 20).await;
    // many chats at once, so that the two nodes take in the logs in different orders
    let says = (0..300).map(|number| {
        let (client, channel) = (&client, &channel);
        async move {
            client
                .say(channel, &format!("crowd{}", number % 40), &format!("c{number}"), "hi")
                .await
        }
    });
    futures_util::future::join_all(says).await;
    let last = client.say(&channel, "last", "last", "bye").await;
    let mut expected = Vec::new();
    loop {
        let item = socket.item().await.unwrap()["events"].clone();
        let is_last = item["chatId"] == last["chat"]["id"] && item["type"] == "message.received";
        expected.push(item);
        if is_last {
            break;
        }
    }
    let start = expected.remove(0)["cursor"].as_str().unwrap().to_owned();
    let urls = [one.url.as_str(), two.url.as_str()];
    let seen = cut_off(&urls, EVENTS, "events", (start, expected.len())).await;
    let order_of = |items: &[Value]| {
        let mut ids: Vec<(String, u64)> = items
            .iter()
            .map(|item| {
                (
                    item["chatId"].as_str().unwrap_or("").to_owned(),
                    item["chatSeq"].as_u64().unwrap(),
                )
            })
            .collect();
        // between chats another node may order otherwise; within a chat never
        ids.sort_by(|one, two| one.0.cmp(&two.0));
        ids
    };
    assert_eq!(order_of(&seen), order_of(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replayed_is_a_gap() {
    let redis = Redis::start();
    let app = TestApp::on_redis(&redis).await;
    let client = app.client();
    let channel = client.channel().await;
    let receipt = client.say(&channel, "ada", "m1", "hello").await;
    let mut live = Socket::connect(&app.url, KEY).await;
    live.subscribe("1", EVENTS, json!({ "after": receipt["cursor"] })).await;
    client.say(&channel, "ada", "m2", "hello").await;
    let item = live.item().await.unwrap()["events"].clone();
    assert_eq!(item["type"], "message.received");
    // the store loses everything: a new life of the logs begins, and the key is gone with it
    redis.cli(&["FLUSHALL"]);
    let gap = live.item().await.unwrap()["events"].clone();
    assert_eq!(gap["__typename"], "Gap", "{gap:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_life_gets_a_gap_and_goes_on() {
    let (one, two) = (TestApp::start().await, TestApp::start().await);
    let client = one.client();
    let channel = client.channel().await;
    let receipt = client.say(&channel, "ada", "m1", "hello").await;
    let mut socket = Socket::connect(&two.url, KEY).await;
    socket
        .subscribe("1", EVENTS, json!({ "after": receipt["cursor"] }))
        .await;
    let gap = socket.item().await.unwrap()["events"].clone();
    assert_eq!(gap["__typename"], "Gap");
    let after = gap["cursor"].clone();
    let there = two.client();
    let channel = there.channel().await;
    there.say(&channel, "ada", "m1", "hello").await;
    let live = uninterrupted(&mut socket, "events", 4).await;
    let mut resumed = Socket::connect(&two.url, KEY).await;
    resumed.subscribe("1", EVENTS, json!({ "after": after })).await;
    assert_eq!(uninterrupted(&mut resumed, "events", 4).await, live);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_let_through_what_they_name() {
    let app = TestApp::start().await;
    let client = app.client();
    let (channel, agent) = (client.channel().await, client.agent().await);
    let ada = client.say(&channel, "ada", "a1", "hello").await;
    let bob = client.say(&channel, "bob", "b1", "hello").await;
    let mut socket = Socket::connect(&app.url, KEY).await;
    let of_chat = "subscription($chat: UUID, $after: Cursor) { events(chatId: $chat, types: [\"message.received\"], after: $after) { ... on Event { chatId type } } }";
    socket
        .subscribe(
            "chat",
            of_chat,
            json!({ "chat": bob["chat"]["id"], "after": bob["cursor"] }),
        )
        .await;
    let active = "subscription($after: Cursor) { ticketChanged(filter: { statuses: [ACTIVE] }, after: $after) { ... on TicketChange { ticket { id status } } } }";
    socket
        .subscribe("active", active, json!({ "after": bob["cursor"] }))
        .await;
    client.say(&channel, "ada", "a2", "hello").await;
    let ticket = ada["ticket"]["id"].as_str().unwrap();
    client
        .ticket_command("takeTicket", ticket, &format!(", agentId: \"{agent}\""))
        .await;
    client.say(&channel, "bob", "b2", "hello").await;
    let mut frames = Vec::new();
    for _ in 0..3 {
        let Frame::Json(frame) = socket.next().await else {
            panic!("an open socket")
        };
        frames.push(frame);
    }
    let of = |id: &str| {
        frames
            .iter()
            .filter(|frame| frame["id"] == id)
            .map(|frame| &frame["payload"]["data"])
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("chat"),
        [&json!({ "events": { "chatId": bob["chat"]["id"], "type": "message.received" } })]
    );
    let expected = json!({ "ticketChanged": { "ticket": { "id": ticket, "status": "ACTIVE" } } });
    assert_eq!(
        of("active"),
        [&expected, &expected],
        "once for the status, once for the assignee"
    );
    assert!(socket.is_silent(300).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_closed_with_the_protocols_codes() {
    let app = TestApp::start_with(None, |config| config.api.socket_init_timeout_ms = 300).await;
    let mut late = Socket::raw(&app.url).await;
    assert_eq!(late.closed().await, (4408, "Connection initialisation timeout".into()));
    let mut early = Socket::raw(&app.url).await;
    early.subscribe("1", EVENTS, json!({})).await;
    assert_eq!(early.closed().await, (4401, "Unauthorized".into()));
    let mut stranger = Socket::raw(&app.url).await;
    stranger
        .send(json!({ "type": "connection_init", "payload": { "authorization": "Bearer nobody" } }))
        .await;
    assert_eq!(stranger.closed().await, (4403, "Forbidden".into()));
    let mut twice = Socket::connect(&app.url, KEY).await;
    twice.send(json!({ "type": "connection_init", "payload": {} })).await;
    assert_eq!(twice.closed().await.0, 4429);
    let mut same = Socket::connect(&app.url, KEY).await;
    same.subscribe("a", EVENTS, json!({})).await;
    same.subscribe("a", EVENTS, json!({})).await;
    assert_eq!(same.closed().await, (4409, "Subscriber for a already exists".into()));
    for bad in [
        "{",
        "[]",
        "{\"type\":\"nonsense\"}",
        "{\"type\":\"subscribe\",\"id\":\"1\"}",
    ] {
        let mut socket = Socket::connect(&app.url, KEY).await;
        socket.send_text(bad).await;
        assert_eq!(socket.closed().await.0, 4400, "{bad}");
    }
    let mut binary = Socket::connect(&app.url, KEY).await;
    binary.send_binary(b"x").await;
    assert_eq!(binary.closed().await.0, 4400);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_of_a_socket_are_bounded_and_their_errors_have_codes() {
    let app = TestApp::start_with(None, |config| config.api.socket_subscriptions_max = 3).await;
    let mut socket = Socket::connect(&app.url, KEY).await;
    for (id, query, code) in [
        ("parse", "subscription {", "GRAPHQL_PARSE_FAILED"),
        ("validate", "subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "cursor",
            "subscription { events(after: \"nonsense\") { __typename } }",
            "BAD_CURSOR",
        ),
    ] {
        socket.subscribe(id, query, json!({})).await;
        let Frame::Json(frame) = socket.next().await else {
            panic!("an open socket")
        };
        let errors = if frame["type"] == "error" {
            &frame["payload"]
        } else {
            &frame["payload"]["errors"]
        };
        assert_eq!(errors[0]["extensions"]["code"], code, "{frame:#}");
        if frame["type"] == "next" {
            let Frame::Json(done) = socket.next().await else {
                panic!("an open socket")
            };
            assert_eq!(done, json!({ "type": "complete", "id": id }));
        }
    }
    for id in ["1", "2", "3", "4"] {
        socket.subscribe(id, EVENTS, json!({})).await;
    }
    let Frame::Json(frame) = socket.next().await else {
        panic!("an open socket")
    };
    assert_eq!((&frame["type"], &frame["id"]), (&"error".into(), &"4".into()));
    assert_eq!(frame["payload"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS");
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.subscribe("1", "{ channels { id } }", json!({})).await;
    let Frame::Json(frame) = socket.next().await else {
        panic!("an open socket")
    };
    assert_eq!(
        frame,
        json!({ "type": "next", "id": "1", "payload": { "data": { "channels": [] } } })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_stream_does_not_starve_another() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let first = client.say(&channel, "first", "first", "hello").await;
    let quiet = client.say(&channel, "quiet", "quiet", "hello").await;
    for _ in 0..8 {
        let busy: Vec<Value> = (0..500)
            .map(|_| json!({ "channelId": channel, "owner": { "externalId": "busy" }, "text": "x" }))
            .collect();
        let query = "mutation($inputs: [MessageInput!]!) { ingestMessages(inputs: $inputs) { error { code } } }";
        client.data(query, json!({ "inputs": busy })).await;
    }
    client.say(&channel, "quiet", "quiet2", "hello").await;
    let mut socket = Socket::connect(&app.url, KEY).await;
    socket
        .subscribe("busy", EVENTS, json!({ "after": first["cursor"] }))
        .await;
    let of_chat =
        "subscription($chat: UUID, $after: Cursor) { events(chatId: $chat, after: $after) { ... on Event { type } } }";
    socket
        .subscribe(
            "quiet",
            of_chat,
            json!({ "chat": quiet["chat"]["id"], "after": quiet["cursor"] }),
        )
        .await;
    for place in 0..2_000 {
        let Frame::Json(frame) = socket.next().await else {
            panic!("an open socket")
        };
        if frame["id"] == "quiet" {
            return;
        }
        assert!(place < 1_999, "the quiet stream waits behind the busy one");
    }
}

/// What came to each operation of a socket.
type Came = BTreeMap<String, Vec<Value>>;

/// Reads until each of these operations has had so many answers.
async fn read_until(socket: &mut Socket, came: &mut Came, ids: &[String], count: usize) {
    while ids
        .iter()
        .any(|id| came.get(id).is_none_or(|answers| answers.len() < count))
    {
        let Frame::Json(frame) = socket.next().await else {
            panic!("an open socket")
        };
        let payload = &frame["payload"];
        match frame["type"].as_str() {
            Some("next") if payload["errors"].is_null() => {
                let id = frame["id"].as_str().unwrap().to_owned();
                came.entry(id).or_default().push(payload["data"].clone());
            }
            Some("complete") if frame["id"] == "heard" => {}
            _ => panic!("{frame:#}"),
        }
    }
}

/// A socket that has subscribed to all of these, by their ids, and misses nothing that comes after.
async fn subscribed(app: &TestApp, operations: &[(String, Value)]) -> (Socket, Came) {
    let mut socket = Socket::connect(&app.url, KEY).await;
    for (id, payload) in operations {
        socket
            .send(json!({ "id": id, "type": "subscribe", "payload": payload }))
            .await;
    }
    // the server takes what it hears in turn
    socket.subscribe("heard", "{ __typename }", json!({})).await;
    let mut came = Came::new();
    read_until(&mut socket, &mut came, &["heard".to_owned()], 1).await;
    (socket, came)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_document_with_other_variables_is_another_subscription() {
    let documents = [
        "subscription($chat: UUID!) { events(chatId: $chat) { ... on Event { chatId } } }",
        "subscription($chat: UUID!) { ticketChanged(filter: { chatIds: [$chat] }) {
           ... on TicketChange { ticket { chat { id } } } } }",
        "subscription($chat: UUID!) { queue(filter: { chatIds: [$chat] }) {
           ... on QueueSnapshot { tickets { chat { id } } } ... on QueueChange { ticket { chat { id } } } } }",
    ];
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let (mut chats, mut operations) = (Vec::new(), Vec::new());
    for owner in ["ada", "bob"] {
        let receipt = client.say(&channel, owner, owner, "hello").await;
        let chat = receipt["chat"]["id"].as_str().unwrap().to_owned();
        for (number, document) in documents.iter().enumerate() {
            let payload = json!({ "query": document, "variables": { "chat": chat } });
            operations.push((format!("{number} {owner}"), payload));
        }
        chats.push((owner, chat));
    }
    let (mut socket, mut came) = subscribed(&app, &operations).await;
    // what is said before a queue's snapshot is no change of it
    let queues = ["2 ada".to_owned(), "2 bob".to_owned()];
    read_until(&mut socket, &mut came, &queues, 1).await;
    for round in 0..3 {
        for (owner, _) in &chats {
            client.say(&channel, owner, &format!("{owner} {round}"), "hello").await;
        }
    }
    let ids: Vec<String> = operations.into_iter().map(|(id, _)| id).collect();
    read_until(&mut socket, &mut came, &ids, 2).await;
    for (owner, own) in &chats {
        let is_own = |answer: &Value| {
            let text = answer.to_string();
            chats.iter().all(|(_, chat)| text.contains(chat) == (chat == own))
        };
        for (id, answers) in came.iter().filter(|(id, _)| id.ends_with(owner)) {
            assert!(answers.iter().all(is_own), "{id}: {answers:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_document_with_another_operation_is_another_subscription() {
    let document = "subscription Messages { events(types: [\"message.received\"]) { ... on Event { type } } }
        subscription Tickets { events(types: [\"ticket.created\"]) { ... on Event { type } } }";
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let operations =
        ["Messages", "Tickets"].map(|name| (name.to_owned(), json!({ "query": document, "operationName": name })));
    let (mut socket, mut came) = subscribed(&app, &operations).await;
    for owner in ["ada", "bob"] {
        client.say(&channel, owner, owner, "hello").await;
    }
    let ids = operations.map(|(id, _)| id);
    read_until(&mut socket, &mut came, &ids, 2).await;
    for (id, name) in [("Messages", "message.received"), ("Tickets", "ticket.created")] {
        let answer = json!({ "events": { "type": name } });
        assert_eq!(came[id], [answer.clone(), answer], "{id}");
    }
}
