//! Commands that need something looked up, many in one batch and from two nodes at once.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::story::{run, text};
use crate::support::{Client, Redis, TestApp};

/// Ten tags at once on a ticket that is no longer the last: each is decided on what the one before left.
async fn earlier_tickets(clients: &[Client]) {
    let client = &clients[0];
    let channel = client.channel_with(json!({ "restorePeriodMs": 0 })).await;
    let agent = client.agent().await;
    let first = client.say(&channel, "ada", "m1", "one").await;
    let ticket = text(&first, "/ticket/id");
    client
        .ticket_command("takeTicket", ticket, &format!(", agentId: \"{agent}\""))
        .await;
    client.ticket_command("closeTicket", ticket, "").await;
    client.say(&channel, "ada", "m2", "two").await;
    let mut tags = Vec::new();
    for number in 0..20 {
        let tag = run(client, &format!("createTag(input: {{ name: \"t{number}\" }})"), "id").await;
        tags.push(text(&tag, "/id").to_owned());
    }
    let adds = tags.iter().enumerate().map(|(number, tag)| {
        let call = format!("addTag(ticketId: \"{ticket}\", tagId: \"{tag}\")");
        async move { run(&clients[number % clients.len()], &call, "ticket { number }").await }
    });
    for receipt in join_all(adds).await {
        assert_eq!(receipt["ticket"]["number"], 1);
    }
    let query = "query($id: UUID!) { ticket(id: $id) { status version tags { id } } }";
    for client in clients {
        let shown = client.data(query, json!({ "id": ticket })).await["ticket"].clone();
        let mut found: Vec<&str> = shown["tags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tag| text(tag, "/id"))
            .collect();
        let mut expected: Vec<&str> = tags.iter().map(String::as_str).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!((found, text(&shown, "/status")), (expected, "INACTIVE"));
    }
}

/// Receipts, edits and their messages in any order at once: statuses rise, nothing is applied twice, nothing waits for ever.
async fn receipts(clients: &[Client]) {
    let client = &clients[0];
    let channel = client.channel().await;
    let first = client.say(&channel, "ada", "m0", "hello").await;
    let chat = text(&first, "/chat/id");
    let sent = run(
        client,
        &format!("sendMessage(chatId: \"{chat}\", text: \"hi\")"),
        "message { seq }",
    )
    .await;
    let mut calls = vec![
        format!(
            "reportDelivery(chatId: \"{chat}\", messageSeq: {}, status: SENT, externalId: \"w1\")",
            sent["message"]["seq"]
        ),
        format!("editMessage(chatId: \"{chat}\", messageExternalId: \"m1\", text: \"edited\")"),
        format!("deleteMessage(chatId: \"{chat}\", messageExternalId: \"m0\")"),
        format!("deleteMessage(chatId: \"{chat}\", messageExternalId: \"m0\")"),
        format!(
            "ingestMessage(input: {{ channelId: \"{channel}\", externalId: \"m1\", owner: {{ externalId: \"ada\" }}, text: \"original\" }})"
        ),
    ];
    for status in ["READ", "DELIVERED", "SENT", "READ", "DELIVERED"] {
        calls.push(format!(
            "reportDelivery(chatId: \"{chat}\", messageExternalId: \"w1\", status: {status})"
        ));
    }
    let all = calls.iter().cycle().take(30).enumerate().map(|(number, call)| {
        let client = &clients[number % clients.len()];
        async move { run(client, call, "cursor").await }
    });
    join_all(all).await;
    let query = "query($id: UUID!) { chat(id: $id) { messages(first: 10) { edges { node { externalId text status } } }
        events(first: 100) { edges { node { type patch { value } data } } } } }";
    let shown = client.data(query, json!({ "id": chat })).await["chat"].clone();
    let messages: Vec<&Value> = shown["messages"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| &edge["node"])
        .collect();
    assert_eq!(messages.len(), 3);
    let named = |name: &str| messages.iter().find(|message| message["externalId"] == name).unwrap();
    assert_eq!(
        (&named("m1")["text"], &named("w1")["status"]),
        (&json!("edited"), &json!("READ"))
    );
    let events: Vec<&Value> = shown["events"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| &edge["node"])
        .collect();
    let statuses: Vec<&str> = events
        .iter()
        .filter(|event| event["type"] == "message.status_changed")
        .map(|event| text(event, "/data/status"))
        .collect();
    let order = ["SENT", "DELIVERED", "READ"];
    let places: Vec<usize> = statuses
        .iter()
        .map(|status| order.iter().position(|known| known == status).unwrap())
        .collect();
    assert!(places.is_sorted_by(|one, other| one < other), "{statuses:?}");
    let deletions = events.iter().filter(|event| event["type"] == "message.deleted").count();
    assert_eq!(deletions, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_node() {
    let app = TestApp::start().await;
    earlier_tickets(&[app.client()]).await;
    receipts(&[app.client()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_two_nodes() {
    let redis = Redis::start();
    let (one, two) = (TestApp::on_redis(&redis).await, TestApp::on_redis(&redis).await);
    let clients = [one.client(), two.client()];
    earlier_tickets(&clients).await;
    receipts(&clients).await;
}
