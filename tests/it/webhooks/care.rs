//! Webhooks are rotated, turned off and on, replayed and deleted.

use serde_json::{Value, json};

use super::{WEBHOOK, deliveries, hook, start, text, until};
use crate::support::story::run;
use crate::support::{Client, Reaction, Sent, WebhookSink, eventually};

fn texts(sent: &[Sent]) -> Vec<String> {
    let texts = sent.iter().map(|one| &one.body["data"]["message"]["text"]);
    texts.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

async fn code(client: &Client, call: &str) -> String {
    let error = client
        .error(&format!("mutation {{ {call} {{ __typename }} }}"), json!({}))
        .await;
    text(&error, "/extensions/code").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_overlaps_with_the_one_before() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let (id, first) = hook(&client, &sink.url, "").await;
    let rotate = format!("rotateWebhookSecret(id: \"{id}\", overlapMs: 60000)");
    let made = run(&client, &rotate, &format!("webhook {{ {WEBHOOK} }} secret")).await;
    let second = text(&made, "/secret").to_owned();
    assert_ne!(first, second);
    assert_eq!(made["webhook"]["secrets"].as_array().unwrap().len(), 2);
    assert_eq!(code(&client, &rotate).await, "LIMIT_REACHED");
    let test = format!("testWebhook(id: \"{id}\")");
    run(&client, &test, "delivered").await;
    app.clock.advance(61_000);
    run(&client, &test, "delivered").await;
    let sent = sink.until(2).await;
    assert_eq!(
        (sent[0].signed_by(&second), sent[0].signed_by(&first)),
        (Some(0), Some(1))
    );
    assert_eq!((sent[1].signed_by(&second), sent[1].signed_by(&first)), (Some(0), None));
    let at_once = format!("rotateWebhookSecret(id: \"{id}\", overlapMs: 0)");
    let third = run(&client, &at_once, "secret").await;
    run(&client, &test, "delivered").await;
    let sent = sink.until(3).await;
    assert_eq!(sent[2].signed_by(text(&third, "/secret")), Some(0));
    assert_eq!(sent[2].signed_by(&second), None);
    assert_eq!(
        code(
            &client,
            &format!("rotateWebhookSecret(id: \"{id}\", overlapMs: 2592000001)")
        )
        .await,
        "BAD_USER_INPUT"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_shows_no_secret() {
    let app = start(None).await;
    let client = app.client();
    let create = "createWebhook(input: { name: \"x\", url: \"http://127.0.0.1:9\" }, idempotencyKey: \"once\")";
    let fields = "webhook { id } secret";
    let (first, again) = (run(&client, create, fields).await, run(&client, create, fields).await);
    assert_eq!(first["webhook"], again["webhook"]);
    assert!(first["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(again["secret"], Value::Null);
    let other = create.replace("\"x\"", "\"y\"");
    assert_eq!(code(&client, &other).await, "IDEMPOTENCY_MISMATCH");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_it_was_off_is_told_later_and_nothing_to_one_that_is_gone() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (id, _) = hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    client.say(&channel, "ada", "1", "one").await;
    sink.until(1).await;
    until(&client, &id, "it is remembered", |found| {
        found["deliveries"]["delivered"] == json!(1.0)
    })
    .await;
    let turn = |on: bool| format!("updateWebhook(id: \"{id}\", input: {{ enabled: {on} }})");
    let off = run(&client, &turn(false), "enabled disabledAt disabledReason").await;
    assert_eq!(off["disabledReason"], "turned off by hand");
    // the courier looks every second
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    client.say(&channel, "ada", "2", "two").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(sink.sent().len(), 1);
    let on = run(&client, &turn(true), "enabled disabledAt disabledReason").await;
    assert_eq!(
        on,
        json!({ "enabled": true, "disabledAt": null, "disabledReason": null })
    );
    assert_eq!(texts(&sink.until(2).await), ["one", "two"]);
    let change = format!("updateWebhook(id: \"{id}\", input: {{ url: \"{}/new\" }})", sink.url);
    run(&client, &change, "url").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    client.say(&channel, "ada", "3", "three").await;
    assert_eq!(sink.until(3).await[2].path, "/hook/new");
    let gone = run(&client, &format!("deleteWebhook(id: \"{id}\")"), "id").await;
    assert_eq!(gone["id"], json!(id));
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    client.say(&channel, "ada", "4", "four").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(sink.sent().len(), 3);
    for call in ["deleteWebhook", "testWebhook", "retryWebhook"] {
        assert_eq!(
            code(&client, &format!("{call}(id: \"{id}\")")).await,
            "NOT_FOUND",
            "{call}"
        );
    }
    let none = client
        .data(
            &format!("{{ webhook(id: \"{id}\") {{ id }} webhooks {{ id }} }}"),
            json!({}),
        )
        .await;
    assert_eq!(none, json!({ "webhook": null, "webhooks": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_after_a_cursor_is_told_again() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (id, _) = hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    let mut cursors = Vec::new();
    for number in 0..5 {
        let said = client
            .say(&channel, "ada", &format!("{number}"), &format!("{number}"))
            .await;
        cursors.push(text(&said, "/cursor").to_owned());
    }
    sink.until(5).await;
    let replay = |cursor: &str| format!("replayWebhook(id: \"{id}\", after: \"{cursor}\")");
    run(&client, &replay(&cursors[1]), "id").await;
    let sent = sink.until(8).await;
    assert_eq!(texts(&sent), ["0", "1", "2", "3", "4", "2", "3", "4"]);
    assert_eq!(sent[2].id(), sent[5].id(), "a receiver knows what it has");
    assert_eq!(code(&client, &replay("nonsense")).await, "BAD_CURSOR");
    // a cursor of another life of the logs: what was missed cannot be told, and that is told
    let other = switchboard::live::Cursor::Point {
        epoch: 7,
        partition: 0,
        position: 1,
    };
    run(&client, &replay(&other.encode()), "id").await;
    let sent = sink.until(9).await;
    assert_eq!(sent[8].kind(), "webhook.gap");
    assert!(sent[8].body["data"]["reason"].is_string());
    client.say(&channel, "ada", "more", "5").await;
    eventually("what follows", || async {
        texts(&sink.sent()).last().filter(|text| *text == "5").map(drop)
    })
    .await;
    assert_eq!(sink.sent().len(), 10);
    let stands = deliveries(&client, &id).await;
    assert_eq!(stands["deliveries"]["givenUp"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let app = start(None).await;
    let client = app.client();
    let create = |more: &str| format!("createWebhook(input: {{ name: \"x\", url: \"http://127.0.0.1:9\", {more} }})");
    for (more, field) in [
        ("eventTypes: [\"ticket.unknown\"]", "input.eventTypes"),
        ("eventTypes: [\"key.created\"]", "input.eventTypes"),
        (
            "eventTypes: [\"ticket.created\", \"ticket.created\"]",
            "input.eventTypes",
        ),
        ("format: YOLEAD, eventTypes: [\"note.added\"]", "input.eventTypes"),
    ] {
        let call = format!("mutation {{ {} {{ secret }} }}", create(more));
        let refused = client.error(&call, json!({})).await;
        assert_eq!(refused["extensions"]["field"], field, "{more}");
    }
    let unknown = create("channelIds: [\"6f1c3a52-7f2b-4c58-9d53-0c6a0e6f7d11\"]");
    assert_eq!(code(&client, &unknown).await, "NOT_FOUND");
    for number in 0..100 {
        run(
            &client,
            &create("eventTypes: [\"tag.updated\"]").replace("\"x\"", &format!("\"{number}\"")),
            "secret",
        )
        .await;
    }
    assert_eq!(code(&client, &create("")).await, "LIMIT_REACHED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_not_lost_while_something_is_being_told() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (id, _) = hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    let first = client.say(&channel, "ada", "0", "0").await;
    sink.until(1).await;
    sink.react(|_| Reaction {
        after: std::time::Duration::from_millis(400),
        ..Reaction::status(200)
    });
    for number in 1..12 {
        client
            .say(&channel, "ada", &format!("{number}"), &format!("{number}"))
            .await;
    }
    sink.until(4).await;
    let after = text(&first, "/cursor");
    run(
        &client,
        &format!("replayWebhook(id: \"{id}\", after: \"{after}\")"),
        "id",
    )
    .await;
    let before = sink.sent().len();
    let wanted: Vec<String> = (1..12).map(|number| number.to_string()).collect();
    eventually("everything again", || async {
        let since = texts(&sink.sent()[before..]);
        since.windows(11).any(|some| some == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_nobody_takes_stands_in_nobodys_way() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (id, _) = hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    sink.react(|sent: &Sent| Reaction::status(if sent.kind() == "webhook.gap" { 400 } else { 200 }));
    let other = switchboard::live::Cursor::Point {
        epoch: 7,
        partition: 0,
        position: 1,
    };
    run(
        &client,
        &format!("replayWebhook(id: \"{id}\", after: \"{}\")", other.encode()),
        "id",
    )
    .await;
    sink.until(1).await;
    client.say(&channel, "ada", "1", "after it").await;
    eventually("what follows", || async {
        texts(&sink.sent()).contains(&"after it".to_owned()).then_some(())
    })
    .await;
    let stands = until(&client, &id, "it is remembered", |found| {
        found["deliveries"]["gaps"] == json!(1.0)
    })
    .await;
    assert_eq!(stands["deliveries"]["lastGap"], "the logs began a new life");
    assert_eq!(stands["deliveries"]["isDown"], false);
}
