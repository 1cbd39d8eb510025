//! Receivers that fail: what is tried again, when, and what waits meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{deliveries, hook, start, text, times, until};
use crate::support::story::run;
use crate::support::{Reaction, Sent, WebhookSink, eventually};

/// How long after each failure an event is tried again at the latest: a tenth more than is written.
const LATEST_MS: [u64; 10] = [
    5_500, 33_000, 132_000, 660_000, 1_980_000, 3_960_000, 7_920_000, 15_840_000, 31_680_000, 31_680_000,
];

fn attempts(found: &Value, list: &str) -> Option<u64> {
    found["deliveries"][list][0]["attempts"].as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_and_holds_up_nothing_else() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (id, secret) = hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    sink.react(|sent: &Sent| {
        let is_bad = sent.body.to_string().contains("bad one");
        Reaction::status(if is_bad { 500 } else { 200 })
    });
    client.say(&channel, "ada", "1", "a bad one").await;
    let failed = until(&client, &id, "the failure", |found| {
        attempts(found, "waiting") == Some(1)
    })
    .await;
    let event = &failed["deliveries"]["waiting"][0];
    assert_eq!(event["error"], "the answer was 500 Internal Server Error");
    assert_eq!(event["eventType"], "message.received");
    // the same chat and another one go on
    client.say(&channel, "ada", "2", "fine").await;
    client.say(&channel, "bob", "1", "fine").await;
    sink.until(3).await;
    assert_eq!(
        attempts(&deliveries(&client, &id).await, "waiting"),
        Some(1),
        "not before its time"
    );
    for (done, latest) in LATEST_MS.into_iter().take(2).enumerate() {
        app.clock.advance(latest);
        let again = Some(done as u64 + 2);
        until(&client, &id, "another attempt", |found| {
            attempts(found, "waiting") == again
        })
        .await;
    }
    sink.react(|_| Reaction::status(204));
    app.clock.advance(LATEST_MS[2]);
    until(&client, &id, "nothing waits", |found| {
        found["deliveries"]["waiting"] == json!([])
    })
    .await;
    let sent = sink.sent();
    let bad: Vec<&Sent> = sent
        .iter()
        .filter(|one| one.body.to_string().contains("bad one"))
        .collect();
    assert_eq!(bad.len(), 4);
    assert!(bad.iter().all(|one| one.raw == bad[0].raw && one.id() == bad[0].id()));
    assert!(
        bad.iter().all(|one| one.signed_by(&secret) == Some(0)),
        "each signed for its own time"
    );
    assert_eq!(sent.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_may_say_when_to_come_again() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (id, _) = hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    sink.react(|_| Reaction {
        header: Some(("retry-after", "3600".into())),
        ..Reaction::status(429)
    });
    client.say(&channel, "ada", "1", "hello").await;
    until(&client, &id, "the failure", |found| {
        attempts(found, "waiting") == Some(1)
    })
    .await;
    sink.react(|_| Reaction::status(204));
    app.clock.advance(3_500_000);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(sink.sent().len(), 1, "not before it asked for it");
    app.clock.advance(200_000);
    sink.until(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_down_is_left_alone_and_told_everything_later() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (id, _) = hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    sink.react(|_| Reaction::status(503));
    let mut events = HashSet::new();
    for number in 0..100 {
        let said = client.say(&channel, &format!("o{number}"), "1", "hello").await;
        let chat = text(&said, "/chat/id");
        let seq = said["message"]["seq"].as_u64().unwrap();
        let chat = uuid::Uuid::try_parse(chat).unwrap();
        events.insert(switchboard::domain::id::event(chat, seq).to_string());
    }
    let down = until(&client, &id, "it is down", |found| {
        found["deliveries"]["isDown"] == true
    })
    .await;
    assert!(down["deliveries"]["failingSince"].is_string());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let tried = sink.sent().len();
    for _ in 0..3 {
        app.clock.advance(660_000);
        let before = sink.sent().len();
        eventually("a probe", || async { (sink.sent().len() > before).then_some(()) }).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let probes = sink.sent().len() - before;
        assert!(probes <= 2, "one that waits and one of the log are tried, not {probes}");
    }
    assert!(sink.sent().len() >= tried + 3);
    sink.react(|_| Reaction::status(200));
    app.clock.advance(660_000);
    let all = |found: &Value| found["deliveries"]["delivered"] == json!(100.0);
    let back = until(&client, &id, "everything is told", all).await;
    assert_eq!(back["deliveries"]["isDown"], false);
    assert_eq!(back["deliveries"]["failingSince"], Value::Null);
    assert_eq!(back["deliveries"]["givenUp"], json!([]));
    let taken: HashSet<String> = sink.sent().iter().map(|one| one.id().to_owned()).collect();
    assert_eq!(taken, events);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_given_up_and_can_be_asked_for_again() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (id, _) = hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    sink.react(|sent: &Sent| {
        let is_bad = sent.body.to_string().contains("bad one");
        Reaction::status(if is_bad { 422 } else { 200 })
    });
    client.say(&channel, "ada", "0", "a bad one").await;
    until(&client, &id, "the failure", |found| {
        attempts(found, "waiting") == Some(1)
    })
    .await;
    for (done, latest) in LATEST_MS.into_iter().enumerate() {
        // that others are taken shows that it is the event's fault
        client.say(&channel, "bob", &format!("{done}"), "fine").await;
        let others = json!(done as f64 + 1.0);
        until(&client, &id, "the others", |found| {
            found["deliveries"]["delivered"] == others
        })
        .await;
        app.clock.advance(latest);
        let (again, is_over) = (Some(done as u64 + 2), done + 1 == LATEST_MS.len());
        let list = if is_over { "givenUp" } else { "waiting" };
        until(&client, &id, "another attempt", |found| attempts(found, list) == again).await;
    }
    let stands = deliveries(&client, &id).await;
    assert_eq!(stands["deliveries"]["waiting"], json!([]));
    assert_eq!(stands["deliveries"]["givenUp"][0]["nextAttemptAt"], Value::Null);
    let event = text(&stands, "/deliveries/givenUp/0/eventId").to_owned();
    assert_eq!(times(&sink.sent())[&event], 11);
    sink.react(|_| Reaction::status(200));
    let other = "retryWebhook(id: \"ID\", eventIds: [\"6f1c3a52-7f2b-4c58-9d53-0c6a0e6f7d11\"])".replace("ID", &id);
    assert_eq!(run(&client, &other, "events").await["events"], 0);
    let retry = format!("retryWebhook(id: \"{id}\")");
    assert_eq!(run(&client, &retry, "events").await["events"], 1);
    until(&client, &id, "nothing is given up", |found| {
        found["deliveries"]["givenUp"] == json!([]) && found["deliveries"]["waiting"] == json!([])
    })
    .await;
    assert_eq!(times(&sink.sent())[&event], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_for_days_or_is_gone_is_told_nothing_more() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (gone, _) = hook(
        &client,
        &format!("{}/gone", sink.url),
        "eventTypes: [\"message.received\"]",
    )
    .await;
    let (dead, _) = hook(
        &client,
        &format!("{}/dead", sink.url),
        "eventTypes: [\"message.received\"]",
    )
    .await;
    sink.react(|sent: &Sent| Reaction::status(if sent.path.ends_with("gone") { 410 } else { 500 }));
    for number in 0..20 {
        client.say(&channel, &format!("o{number}"), "1", "hello").await;
    }
    let off = until(&client, &gone, "it is off", |found| found["enabled"] == false).await;
    assert_eq!(off["disabledReason"], "the receiver answered 410 Gone");
    until(&client, &dead, "it is down", |found| {
        found["deliveries"]["isDown"] == true
    })
    .await;
    app.clock.advance(5 * 86_400_000);
    let off = until(&client, &dead, "it is off", |found| found["enabled"] == false).await;
    assert_eq!(off["disabledReason"], "the receiver took nothing for 5 days");
    // once it is on again, nothing is missing
    sink.react(|_| Reaction::status(200));
    let on = format!("updateWebhook(id: \"{dead}\", input: {{ enabled: true }})");
    assert_eq!(run(&client, &on, "enabled").await["enabled"], true);
    until(&client, &dead, "all is told", |found| {
        found["deliveries"]["delivered"] == json!(20.0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_receiver_holds_up_nobody_else() {
    let app = crate::support::TestApp::start_with(None, |config| {
        super::allow_private(config);
        config.webhook.request_timeout_ms = 6_000;
    })
    .await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (slow, _) = hook(
        &client,
        &format!("{}/slow", sink.url),
        "eventTypes: [\"message.received\"]",
    )
    .await;
    hook(
        &client,
        &format!("{}/quick", sink.url),
        "eventTypes: [\"message.received\"]",
    )
    .await;
    sink.react(|sent: &Sent| Reaction {
        after: Duration::from_secs(if sent.path.ends_with("slow") { 20 } else { 0 }),
        ..Reaction::status(200)
    });
    for number in 0..30 {
        client.say(&channel, &format!("o{number}"), "1", "hello").await;
    }
    eventually("the quick one has everything", || async {
        let quick = sink.sent().into_iter().filter(|one| one.path.ends_with("quick"));
        (quick.count() == 30).then_some(())
    })
    .await;
    let not_yet = deliveries(&client, &slow).await;
    assert_eq!(
        not_yet["deliveries"]["lastError"],
        Value::Null,
        "the slow one is still being asked"
    );
    let failed = |found: &Value| found["deliveries"]["lastError"] == "no answer within 6000 ms";
    until(&client, &slow, "the time-out", failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_nobody_takes_stand_in_nobodys_way() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (id, _) = hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    sink.react(|sent: &Sent| {
        let is_bad = sent.body.to_string().contains("bad one");
        Reaction::status(if is_bad { 422 } else { 200 })
    });
    for number in 0..15 {
        client.say(&channel, &format!("bad{number}"), "1", "a bad one").await;
    }
    until(&client, &id, "it is down", |found| {
        found["deliveries"]["isDown"] == true
    })
    .await;
    for number in 0..5 {
        client.say(&channel, &format!("good{number}"), "1", "fine").await;
    }
    let good = |found: &Value| found["deliveries"]["delivered"] == json!(5.0);
    for _ in 0..6 {
        app.clock.advance(660_000);
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let stands = until(&client, &id, "the good ones are told", good).await;
    assert_eq!(stands["enabled"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_to_one_chat_holds_up_no_other() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    sink.react(|sent: &Sent| Reaction {
        after: Duration::from_secs(if sent.body.to_string().contains("slow one") {
            12
        } else {
            0
        }),
        ..Reaction::status(200)
    });
    client.say(&channel, "ada", "0", "a slow one").await;
    client.say(&channel, "ada", "1", "after it").await;
    for number in 0..300 {
        client
            .say(&channel, &format!("o{}", number % 7), &format!("{number}"), "quick")
            .await;
    }
    eventually("the quick ones", || async { (sink.sent().len() == 301).then_some(()) }).await;
    let is_after = |one: &Sent| one.body.to_string().contains("after it");
    assert!(!sink.sent().iter().any(is_after), "those of a chat keep their order");
    let sent = sink.until(302).await;
    assert!(is_after(&sent[301]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_is_one_whatever_the_rest_of_the_answer_does() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let channel = client.channel().await;
    let (id, _) = hook(&client, &sink.url, "eventTypes: [\"message.received\"]").await;
    sink.react(|_| Reaction {
        is_endless: true,
        ..Reaction::status(200)
    });
    client.say(&channel, "ada", "1", "hello").await;
    let told = |found: &Value| found["deliveries"]["delivered"] == json!(1.0);
    let stands = until(&client, &id, "it is told", told).await;
    assert_eq!(stands["deliveries"]["lastError"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_any_more_is_not_tried_again() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let (one, other) = (client.channel().await, client.channel().await);
    let (id, _) = hook(&client, &sink.url, "").await;
    let waiting = |found: &Value| found["deliveries"]["waiting"].as_array().map(Vec::len);
    sink.react(|_| Reaction::status(500));
    client.say(&one, "ada", "1", "one").await;
    client.say(&other, "ada", "1", "other").await;
    until(&client, &id, "six wait", |found| waiting(found) == Some(6)).await;
    let narrow = format!("updateWebhook(id: \"{id}\", input: {{ channelIds: [\"{one}\"], format: YOLEAD }})");
    run(&client, &narrow, "id").await;
    let before = sink.sent().len();
    sink.react(|_| Reaction::status(200));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    app.clock.advance(LATEST_MS[0]);
    until(&client, &id, "nothing waits", |found| waiting(found) == Some(0)).await;
    let sent = sink.sent().split_off(before);
    assert_eq!(sent.len(), 1, "ticket.created alone, on the channel that is left");
    assert_eq!(sent[0].body["event"], "ticket.created");
}
