//! Outgoing webhooks, to a real receiver: every event is told, each at least once, signed.

mod care;
mod failures;
mod guard;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use switchboard::config::Config;
use switchboard::domain::webhook::is_told;
use uuid::Uuid;

use crate::support::story::{run, text};
use crate::support::{Client, Process, Redis, Sent, TestApp, WebhookSink, eventually, make_workspace};

const WEBHOOK: &str = "id name url format eventTypes channelIds enabled disabledReason createdAt
    secrets { createdAt expiresAt }";
const DELIVERIES: &str =
    "delivered forgotten isDown lastAttemptAt lastSuccessAt failingSince nextAttemptAt lastError gaps lastGap
    waiting { eventId eventType attempts firstAttemptAt lastAttemptAt nextAttemptAt error }
    givenUp { eventId eventType attempts nextAttemptAt error }";

fn allow_private(config: &mut Config) {
    config.webhook.private_addresses = true;
}

async fn start(redis: Option<&Redis>) -> TestApp {
    TestApp::start_with(redis, allow_private).await
}

/// Makes a webhook; its id and secret.
async fn hook(client: &Client, url: &str, more: &str) -> (String, String) {
    let input = format!("createWebhook(input: {{ name: \"desk\", url: \"{url}\" {more} }})");
    let made = run(client, &input, &format!("webhook {{ {WEBHOOK} }} secret")).await;
    (text(&made, "/webhook/id").to_owned(), text(&made, "/secret").to_owned())
}

async fn deliveries(client: &Client, id: &str) -> Value {
    let query = format!("{{ webhook(id: \"{id}\") {{ enabled disabledReason deliveries {{ {DELIVERIES} }} }} }}");
    client.data(&query, json!({})).await["webhook"].clone()
}

/// Waits until the deliveries are as wanted.
async fn until(client: &Client, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || async {
        let found = deliveries(client, id).await;
        is(&found).then_some(found)
    })
    .await
}

/// The told events of a chat by id, in the order of the log.
async fn told_of(app: &TestApp, chat: &str) -> Vec<String> {
    let chat = Uuid::try_parse(chat).unwrap();
    let records = app.node.store.history(chat, 0, 500).await.unwrap();
    let events = records.iter().map(|record| &record.event);
    let events = events.filter(|event| is_told(event.body.name()));
    events.map(|event| event.id().to_string()).collect()
}

fn by_chat(sent: &[Sent]) -> BTreeMap<String, Vec<String>> {
    let mut apart: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in sent {
        if let Some(chat) = one.body["data"]["chatId"].as_str() {
            apart.entry(chat.to_owned()).or_default().push(one.id().to_owned());
        }
    }
    apart
}

fn times(sent: &[Sent]) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for one in sent {
        *times.entry(one.id().to_owned()).or_insert(0) += 1;
    }
    times
}

async fn everything_is_told_once(redis: Option<&Redis>) {
    let app = start(redis).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let before = client.say(&channel, "before", "b1", "before it was made").await;
    let (id, secret) = hook(&client, &sink.url, "").await;
    let mut chats = Vec::new();
    for owner in ["ada", "bob", "eve"] {
        for number in 0..3 {
            let said = client.say(&channel, owner, &format!("{owner}{number}"), "hello").await;
            chats.push(text(&said, "/chat/id").to_owned());
            let ticket = text(&said, "/ticket/id").to_owned();
            if number == 2 {
                let agent = client.agent().await;
                client
                    .ticket_command("takeTicket", &ticket, &format!(", agentId: \"{agent}\""))
                    .await;
                client.ticket_command("completeTicket", &ticket, "").await;
            }
        }
    }
    chats.dedup();
    let mut expected = BTreeMap::new();
    for chat in chats {
        expected.insert(chat.clone(), told_of(&app, &chat).await);
    }
    // the three agents beside them
    let count = expected.values().map(Vec::len).sum::<usize>() + 3;
    let sent = sink.until(count).await;
    assert_eq!(by_chat(&sent), expected, "each once, those of a chat in order");
    assert!(
        sent.iter()
            .all(|one| one.body["data"]["chatId"] != before["chat"]["id"])
    );
    for one in &sent {
        assert_eq!(one.signed_by(&secret), Some(0), "{one:?}");
        assert_eq!(one.path, "/hook");
        assert_eq!(one.headers["content-type"], "application/json");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(now.abs_diff(one.headers["webhook-timestamp"].parse().unwrap()) < 60);
        assert_eq!(one.body["data"]["id"], one.id());
    }
    let wrong = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(sent[0].signed_by(wrong), None);
    let counted = |found: &Value| found["deliveries"]["delivered"] == json!(count as f64);
    let stands = until(&client, &id, "all is counted", counted).await;
    assert_eq!(stands["deliveries"]["waiting"], json!([]));
    assert_eq!(stands["deliveries"]["lastError"], Value::Null);
    assert_eq!(sink.sent().len(), count, "nothing came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_told_once_in_order_and_signed() {
    everything_is_told_once(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_told_once_in_order_and_signed_beside_redis() {
    everything_is_told_once(Some(&Redis::start())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_wanted_is_told() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let (one, other) = (client.channel().await, client.channel().await);
    let of = |path: &str| format!("{}/{path}", sink.url);
    hook(
        &client,
        &of("types"),
        "eventTypes: [\"ticket.created\", \"note.added\"]",
    )
    .await;
    hook(&client, &of("channel"), &format!("channelIds: [\"{other}\"]")).await;
    hook(&client, &of("last"), "eventTypes: [\"tag.created\"]").await;
    let first = client.say(&one, "ada", "1", "hello").await;
    client.say(&one, "ada", "2", "hello").await;
    let ticket = text(&first, "/ticket/id");
    run(
        &client,
        &format!("addNote(ticketId: \"{ticket}\", text: \"n\")"),
        "chatId",
    )
    .await;
    let second = client.say(&other, "bob", "1", "hello").await;
    run(&client, "createTag(input: { name: \"vip\" })", "id").await;
    let expected = [
        ("/hook/types", vec!["ticket.created", "note.added", "ticket.created"]),
        (
            "/hook/channel",
            vec!["chat.created", "ticket.created", "message.received"],
        ),
        ("/hook/last", vec!["tag.created"]),
    ];
    let sent = sink.until(7).await;
    for (path, kinds) in expected {
        let came: Vec<&Sent> = sent.iter().filter(|one| one.path == path).collect();
        let mut found: Vec<&str> = came.iter().map(|one| one.kind()).collect();
        if path == "/hook/types" {
            // two chats have no order between them
            found.sort_by_key(|kind| *kind != "ticket.created");
            assert_eq!(found, ["ticket.created", "ticket.created", "note.added"]);
        } else {
            assert_eq!(found, kinds, "{path}");
        }
        if path == "/hook/channel" {
            assert!(
                came.iter()
                    .all(|one| one.body["data"]["chatId"] == second["chat"]["id"])
            );
        }
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(sink.sent().len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_another_workspace() {
    let app = start(None).await;
    let other_key = "other-key-0123456789abcdef0123456789abcdef";
    make_workspace(&app.node, Uuid::from_u128(9), other_key).await;
    let (one, other) = (app.client(), Client::new(&app.url, other_key));
    let (sink, other_sink) = (WebhookSink::start().await, WebhookSink::start().await);
    hook(&one, &sink.url, "").await;
    hook(&other, &other_sink.url, "").await;
    for (client, text) in [(&one, "one"), (&other, "other")] {
        let channel = client.channel().await;
        client.say(&channel, "ada", "1", text).await;
    }
    // channel.created and three of the chat
    let (told, others) = (sink.until(4).await, other_sink.until(4).await);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!((sink.sent().len(), other_sink.sent().len()), (4, 4));
    assert!(
        told.iter()
            .all(|one| one.body["data"]["workspaceId"] != others[0].body["data"]["workspaceId"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path(), None).await;
    let (client, sink) = (process.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    for round in 0..4 {
        let before = sink.sent().len();
        for number in 0..20 {
            let owner = format!("owner{}", number % 5);
            client
                .say(&channel, &owner, &format!("{round}-{number}"), "hello")
                .await;
        }
        // some of it was told, and not all of that is remembered
        sink.until(before + 1).await;
        process.kill();
        process.restart().await;
    }
    eventually("every message", || async {
        let came: HashSet<String> = sink.sent().iter().map(|one| one.id().to_owned()).collect();
        assert!(came.len() <= 80);
        (came.len() == 80).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_one_tells_and_the_other_takes_over() {
    let redis = Redis::start();
    let secret = |config: &mut Config| {
        allow_private(config);
        config.secret = Some(switchboard::config::Secret("0123456789abcdef0123456789abcdef".into()));
    };
    let one = TestApp::start_with(Some(&redis), secret).await;
    let sink = WebhookSink::start().await;
    let channel = one.client().channel().await;
    let (id, key) = hook(&one.client(), &sink.url, "eventTypes: [\"message.received\"]").await;
    one.client().say(&channel, "ada", "0", "hello").await;
    sink.until(1).await;
    let two = TestApp::start_with(Some(&redis), secret).await;
    for number in 1..40 {
        let app = if number % 2 == 0 { &one } else { &two };
        app.client().say(&channel, &format!("o{number}"), "1", "hello").await;
    }
    let sent = sink.until(40).await;
    assert_eq!(times(&sent).len(), 40, "both tell, or neither");
    let delivered = |count: f64| move |found: &Value| found["deliveries"]["delivered"] == json!(count);
    until(&two.client(), &id, "all is counted", delivered(40.0)).await;
    drop(one);
    for number in 0..10 {
        two.client()
            .say(&channel, "eve", &format!("late{number}"), "hello")
            .await;
    }
    let sent = sink.until(50).await;
    assert!(sent.iter().all(|one| one.signed_by(&key) == Some(0)));
    assert_eq!(times(&sent).len(), 50);
    until(&two.client(), &id, "the rest is counted", delivered(50.0)).await;
    assert_eq!(sink.sent().len(), 50, "nothing came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_is_succeeded_once_its_hold_ends() {
    let redis = Redis::start();
    let data = tempfile::tempdir().unwrap();
    let sink = WebhookSink::start().await;
    let mut process = Process::start(data.path(), Some(&redis)).await;
    let channel = process.client().channel().await;
    let (id, _) = hook(&process.client(), &sink.url, "eventTypes: [\"message.received\"]").await;
    process.client().say(&channel, "ada", "1", "hello").await;
    sink.until(1).await;
    process.kill();
    let next = start(Some(&redis)).await;
    next.client().say(&channel, "ada", "2", "hello").await;
    next.clock.advance(31_000);
    let told = || async {
        let kinds = sink.sent();
        (times(&kinds).len() == 2).then_some(())
    };
    eventually("the second message", told).await;
    let holds = Arc::new(next);
    until(&holds.client(), &id, "it is counted", |found| {
        found["deliveries"]["delivered"].as_f64() >= Some(1.0)
    })
    .await;
}
