//! Order and exactly-once, under concurrency, on one process and on two.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use switchboard::clock::Clock;
use switchboard::domain::command::Incoming;
use switchboard::domain::event::Profile;
use switchboard::domain::message::Content;
use switchboard::domain::{Actor, ChatCommand, ChatCommandBody, DedupeKey, id};
use switchboard::server::{Node, open_store};
use switchboard::store::Store as _;
use uuid::Uuid;

use crate::support::{Client, Faulty, Process, Redis, TestApp};

/// 200 first messages of one contact, all at once, spread over the clients: one chat, one ticket, every message, in the
/// order of their acknowledgement.
async fn a_crowd_of_first_messages(clients: &[Client]) {
    let channel = clients[0].channel().await;
    let says = (0..200).map(|number| {
        let client = &clients[number % clients.len()];
        let channel = &channel;
        async move { client.say(channel, "ada", &format!("m{number}"), "hello").await }
    });
    let receipts = join_all(says).await;
    let chats: HashSet<&Value> = receipts.iter().map(|receipt| &receipt["chat"]["id"]).collect();
    let tickets: HashSet<&Value> = receipts.iter().map(|receipt| &receipt["ticket"]["id"]).collect();
    assert_eq!((chats.len(), tickets.len()), (1, 1));
    let count = |decision: &str| {
        receipts
            .iter()
            .filter(|receipt| receipt["decision"] == decision)
            .count()
    };
    assert_eq!((count("CREATED"), count("APPENDED")), (1, 199));
    let chat = receipts[0]["chat"]["id"].as_str().unwrap();
    let mut acknowledged: Vec<(u64, String)> = receipts
        .iter()
        .enumerate()
        .map(|(number, receipt)| (receipt["message"]["seq"].as_u64().unwrap(), format!("m{number}")))
        .collect();
    acknowledged.sort();
    for client in clients {
        let stored = crate::support::eventually("every message", || async {
            let stored = client.messages(chat).await;
            (stored.len() == 200).then_some(stored)
        })
        .await;
        assert_eq!(stored, acknowledged);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_first_messages_make_one_ticket() {
    a_crowd_of_first_messages(&[TestApp::start().await.client()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_first_messages_make_one_ticket_on_redis() {
    let redis = Redis::start();
    a_crowd_of_first_messages(&[TestApp::on_redis(&redis).await.client()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_redis_make_one_ticket() {
    let redis = Redis::start();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = Process::start(one.path(), Some(&redis)).await;
    let two = Process::start(two.path(), Some(&redis)).await;
    a_crowd_of_first_messages(&[one.client(), two.client()]).await;
}

/// The parts of a receipt that a repeat gives again. Tickets and chats are shown as they are now.
fn first_receipt(receipt: &Value) -> String {
    let trace = &receipt["trace"];
    format!(
        "{} {} {trace} {}",
        receipt["message"]["id"], receipt["ticket"]["id"], receipt["cursor"]
    )
}

/// Every message five times at once, to any of the clients: stored once, and every repeat gets the first receipt.
async fn everything_five_times(clients: &[Client]) {
    let channel = clients[0].channel().await;
    let says = (0..250).map(|number| {
        let message = number % 50;
        let client = &clients[(number / 50) % clients.len()];
        let channel = &channel;
        async move {
            let owner = format!("owner{}", message % 5);
            (
                message,
                client.say(channel, &owner, &format!("m{message}"), "hello").await,
            )
        }
    });
    let mut receipts: HashMap<usize, Vec<Value>> = HashMap::new();
    for (message, receipt) in join_all(says).await {
        receipts.entry(message).or_default().push(receipt);
    }
    assert_eq!(receipts.len(), 50);
    let mut chats = HashSet::new();
    for (message, receipts) in receipts {
        let first: Vec<&Value> = receipts
            .iter()
            .filter(|receipt| receipt["decision"] != "DUPLICATE")
            .collect();
        assert_eq!(
            (receipts.len(), first.len()),
            (5, 1),
            "message {message} is accepted once"
        );
        for receipt in &receipts {
            assert_eq!(first_receipt(receipt), first_receipt(first[0]));
        }
        chats.insert(first[0]["chat"]["id"].as_str().unwrap().to_owned());
    }
    let mut stored = Vec::new();
    for chat in chats {
        stored.extend(clients[0].messages(&chat).await);
    }
    let distinct: HashSet<&String> = stored.iter().map(|(_, external_id)| external_id).collect();
    assert_eq!((stored.len(), distinct.len()), (50, 50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_five_times_is_stored_once() {
    everything_five_times(&[TestApp::start().await.client()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_five_times_to_either_process_is_stored_once() {
    let redis = Redis::start();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = Process::start(one.path(), Some(&redis)).await;
    let two = Process::start(two.path(), Some(&redis)).await;
    everything_five_times(&[one.client(), two.client()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_never_rests_on_what_another_node_changed() {
    let redis = Redis::start();
    let (one, two) = (TestApp::on_redis(&redis).await, TestApp::on_redis(&redis).await);
    let (one, two) = (one.client(), two.client());
    let channel = one.channel().await;
    let agent = one.agent().await;
    let receipt = one.say(&channel, "ada", "m1", "hello").await;
    let ticket = receipt["ticket"]["id"].as_str().unwrap();
    for round in 0..20 {
        // each node has an old state in memory when it is asked: the other one changed the ticket meanwhile
        let take = format!(", agentId: \"{agent}\"");
        let (first, more) = if round == 0 {
            ("takeTicket", take.as_str())
        } else {
            ("reopenTicket", "")
        };
        let opened = one.ticket_command(first, ticket, more).await;
        assert!(opened["errors"].is_null(), "{opened:#}");
        let closed = two.ticket_command("closeTicket", ticket, "").await;
        assert!(closed["errors"].is_null(), "{closed:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chats_leave_the_memory_and_come_back_as_they_were() {
    let app = TestApp::start_with(None, |config| {
        config.router.resident_chats_max = 10;
        config.router.idle_after_ms = 60_000;
    })
    .await;
    let client = app.client();
    let channel = client.channel().await;
    for round in 0..3 {
        let says = (0..100).map(|owner| {
            let (client, channel) = (&client, &channel);
            async move {
                client
                    .say(channel, &format!("owner{owner}"), &format!("r{round}-{owner}"), "hi")
                    .await
            }
        });
        for receipt in join_all(says).await {
            assert_eq!(receipt["ticket"]["pendingChatMessages"], round + 1);
        }
    }
    crate::support::eventually("few resident chats", || async {
        (app.node.services.router.resident_chats() <= 12).then_some(())
    })
    .await;
    app.clock.advance(120_000);
    app.node.services.router.passivate_idle();
    assert_eq!(app.node.services.router.resident_chats(), 0);
    let receipt = client.say(&channel, "owner7", "back", "hi").await;
    assert_eq!(
        (&receipt["decision"], &receipt["ticket"]["pendingChatMessages"]),
        (&"APPENDED".into(), &4.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_refused_with_429_and_loses_nothing() {
    let app = TestApp::start_with(None, |config| config.router.waiting_per_node_max = 8).await;
    let client = app.client();
    let channel = client.channel().await;
    let says = (0..300).map(|number| {
        let (client, channel) = (&client, &channel);
        async move {
            let body = serde_json::json!({
                "query": "mutation($i: MessageInput!) { ingestMessage(input: $i) { message { seq } } }",
                "variables": { "i": { "channelId": channel, "externalId": format!("m{number}"), "owner": { "externalId": "ada" }, "text": "x" } },
            });
            let request = client.http().post(format!("{}/graphql", client.url)).bearer_auth(&client.key).json(&body);
            let answer = request.send().await.unwrap();
            let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            (answer.status().as_u16(), retry_after, answer.json::<Value>().await.unwrap())
        }
    });
    let answers = join_all(says).await;
    let mut stored = 0;
    for (status, retry_after, answer) in &answers {
        if *status == 200 {
            stored += 1;
        } else {
            assert_eq!((*status, retry_after.as_deref()), (429, Some("1")), "{answer:#}");
            assert_eq!(answer["errors"][0]["extensions"]["code"], "OVERLOADED");
        }
    }
    assert!(stored > 0 && stored < 300, "{stored} of 300 were stored");
    let tickets = client
        .data(
            "{ tickets { edges { node { pendingChatMessages } } } }",
            serde_json::json!({}),
        )
        .await;
    assert_eq!(tickets["tickets"]["edges"][0]["node"]["pendingChatMessages"], stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_of_the_store_are_settled_and_nobody_notices() {
    let data = tempfile::tempdir().unwrap();
    let config = crate::support::config(data.path(), None);
    let (store, view) = open_store(&config.store, data.path()).await.unwrap();
    let faulty = Faulty::over(store);
    let node = Node::start((faulty.clone(), view), Clock::default(), &config)
        .await
        .unwrap();
    let say = |number: u32| {
        let body = ChatCommandBody::Receive(Box::new(Incoming {
            external_id: Some(number.to_string()),
            content: Content {
                text: Some("hello".into()),
                attachments: Vec::new(),
            },
            sent_at: None,
            profile: Profile::default(),
            author_name: None,
        }));
        let command_id = id::ticket(Uuid::nil(), number);
        ChatCommand {
            origin: Some((Uuid::nil(), format!("owner{}", number % 3))),
            keys: vec![DedupeKey::message(&number.to_string())],
            ..ChatCommand::new(command_id, id::first_workspace(), Actor::system(), body)
        }
    };
    let router = &node.services.router;
    for round in 0..20 {
        let says = (0..10).map(|number| async move {
            router
                .submit_to_origin(say(round * 10 + number))
                .unwrap()
                .answer()
                .await
        });
        for answer in join_all(says).await {
            let answer = answer.unwrap();
            assert!(!answer.repeat, "a commit of one's own is not taken for somebody else's");
        }
    }
    assert!(faulty.lost_before.load(std::sync::atomic::Ordering::Relaxed) > 5);
    assert!(faulty.lost_after.load(std::sync::atomic::Ordering::Relaxed) > 5);
    let mut messages = 0;
    for owner in 0..3 {
        let chat = id::chat(id::first_workspace(), Uuid::nil(), &format!("owner{owner}"));
        let history = faulty.history(chat, 0, 500).await.unwrap();
        messages += history
            .iter()
            .filter(|record| record.event.body.name() == "message.received")
            .count();
    }
    assert_eq!(messages, 200);
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_has_changed_leaves_the_memory() {
    let redis = Redis::start();
    let (one, two) = (TestApp::on_redis(&redis).await, TestApp::on_redis(&redis).await);
    let channel = one.client().channel().await;
    let resident = |app: &TestApp| app.node.services.router.resident_chats();
    for round in 0..3 {
        for message in 0..3 {
            one.client()
                .say(&channel, "ada", &format!("{round}-{message}"), "hello")
                .await;
        }
        one.node.services.live.catch_up(Duration::from_secs(10)).await.unwrap();
        // what it wrote itself it knows
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(resident(&one), 1);
        two.client()
            .say(&channel, "ada", &format!("{round}-other"), "hello")
            .await;
        crate::support::eventually("nothing old in memory", || async {
            (resident(&one) == 0).then_some(())
        })
        .await;
        assert_eq!(resident(&two), 1);
    }
}
