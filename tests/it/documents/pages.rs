//! Lists of tickets by document 001, and what is shown with each.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{NOBODY, details, list, patch};
use crate::support::story::{on_both_stores, run, text};
use crate::support::{Client, Reply, TestApp};

/// The target of a relation in a `Link`.
fn link(reply: &Reply, relation: &str) -> Option<String> {
    let mut links = reply.header("link").unwrap().split(", ");
    let wanted = format!("; rel=\"{relation}\"");
    let found = links.find_map(|link| link.strip_suffix(&wanted))?;
    Some(found.strip_prefix('<').unwrap().strip_suffix('>').unwrap().to_owned())
}

async fn paging(client: &Client) {
    let channel = client.channel().await;
    let mut newest_first = Vec::new();
    for number in 0..25 {
        let (owner, message) = (format!("owner{number}"), format!("m{number}"));
        let said = client.say(&channel, &owner, &message, "hello").await;
        newest_first.insert(0, text(&said, "/ticket/id").to_owned());
    }
    let by_time = {
        let all = client
            .get("/api/v1/tickets/details?status=pending&pageSize=100")
            .await
            .ok();
        let key = |ticket: &Value| (text(ticket, "/createdAt").to_owned(), text(ticket, "/id").to_owned());
        let keys: Vec<(String, String)> = all.as_array().unwrap().iter().map(key).collect();
        assert!(keys.is_sorted_by(|one, next| one > next), "the newest first");
        keys.into_iter().map(|(_, id)| id).collect::<Vec<String>>()
    };
    let same = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<String>>();
    assert_eq!(same(&by_time), same(&newest_first));
    let mut next = Some("/api/v1/tickets/details?status=pending".to_owned());
    let mut pages = Vec::new();
    let mut last = String::new();
    while let Some(path) = next {
        let reply = client.get(&path).await;
        assert_eq!(reply.header("x-total-count"), Some("25"));
        assert!(link(&reply, "first").unwrap().ends_with("status=pending&pageNumber=1"));
        assert_eq!(link(&reply, "prev").is_some(), !pages.is_empty());
        last = link(&reply, "last").unwrap();
        next = link(&reply, "next");
        let ids = reply.ok();
        let ids = ids
            .as_array()
            .unwrap()
            .iter()
            .map(|ticket| text(ticket, "/id").to_owned());
        pages.push(ids.collect::<Vec<String>>());
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(pages.concat(), by_time);
    let last = client.get(&last).await.ok();
    assert_eq!(last.as_array().unwrap().len(), 5);
    // after the end there is nothing, and the way back is known
    for number in ["4", "9007199254740991"] {
        let path = format!("/api/v1/tickets/details?pageNumber={number}&status=pending&pageSize=10");
        let after = client.get(&path).await;
        assert_eq!(after.header("x-total-count"), Some("25"));
        assert!(link(&after, "prev").unwrap().ends_with("&pageNumber=3"));
        assert_eq!(link(&after, "next"), None);
        assert_eq!(after.ok(), json!([]));
    }
    let five = list(client, "status=pending&pageSize=5&pageNumber=2").await;
    assert_eq!(five, by_time[5..10]);
    assert_eq!(list(client, "status=ongoing").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another() {
    on_both_stores(paging).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_takes_one_value_or_many() {
    let app = TestApp::start().await;
    let client = app.client();
    let (agent, other) = (client.agent().await, client.agent().await);
    let version = Uuid::from_u128(0x4000_8000_0000_0000_0001);
    let bot = format!("createResponder(input: {{ name: \"Bot\", versionId: \"{version}\", versionNumber: 1 }})");
    let bot = text(&run(&client, &bot, "id").await, "/id").to_owned();
    let plain = client.channel().await;
    let answered = client
        .channel_with(json!({ "inboundMode": "RESPONDER", "defaultResponderId": bot }))
        .await;
    let first = client.say(&plain, "ada", "m1", "my parcel is lost").await;
    let second = client.say(&plain, "bob", "m2", "hello").await;
    let third = client.say(&answered, "cy", "m3", "hello").await;
    let chat = text(&third, "/chat/id");
    let third = run(&client, &format!("handover(chatId: \"{chat}\")"), "ticket { id }").await;
    let [one, two, three] = [&first, &second, &third].map(|said| text(said, "/ticket/id"));
    for (query, expected) in [
        (format!("responderIds={bot}"), vec![three]),
        (format!("responderVersionIds={version}"), vec![three]),
        (
            format!("responderVersionIds={NOBODY}&responderVersionIds={version}"),
            vec![three],
        ),
        (format!("responderVersionIds={NOBODY}"), vec![]),
        (format!("responderVersionIds={version}&chatIds={chat}"), vec![three]),
        (format!("responderVersionIds={version}&search=parcel"), vec![]),
        ("search=parcel".to_owned(), vec![one]),
        ("search=%20".to_owned(), vec![one, two, three]),
        (
            format!("chatIds[]={chat}&chatIds[]={}", text(&first, "/chat/id")),
            vec![one, three],
        ),
        (String::new(), vec![one, two, three]),
    ] {
        let path = format!("/api/v1/tickets/details?status=pending&{query}");
        let reply = client.get(&path).await;
        assert_eq!(
            reply.header("x-total-count"),
            Some(expected.len().to_string().as_str()),
            "{query}"
        );
        let found = list(&client, &format!("status=pending&{query}")).await;
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, expected.into_iter().collect::<BTreeSet<&str>>(), "{query}");
    }
    for (ticket, agent) in [(one, &agent), (two, &other)] {
        patch(&client, ticket, "assignee", json!({ "assigneeId": agent }))
            .await
            .ok();
    }
    let scalar = list(&client, &format!("status=ongoing&assigneeIds={agent}")).await;
    assert_eq!(scalar, [one]);
    let many = list(
        &client,
        &format!("status=ongoing&assigneeIds={agent}&assigneeIds={other}"),
    )
    .await;
    assert_eq!(many.len(), 2);
    // out of sight
    let chat = text(&first, "/chat/id");
    run(
        &client,
        &format!("removeChat(chatId: \"{chat}\")"),
        "chat { removedAt }",
    )
    .await;
    assert_eq!(list(&client, "status=ongoing&includeRemoved=false").await, [two]);
    assert_eq!(list(&client, "status=ongoing&includeRemoved=true").await.len(), 2);
    let shown = details(&client, one).await;
    assert_eq!(shown["chatIsRemoved"], true);
    let spoken = details(&client, three).await;
    assert_eq!(
        (&spoken["responderId"], &spoken["responderVersionNumber"]),
        (&json!(bot), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_stands_in_for_a_missing_responder() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let said = client.say(&channel, "ada", "m1", "hello").await;
    let ticket = text(&said, "/ticket/id");
    let shown = async || {
        let shown = details(&client, ticket).await;
        (
            text(&shown, "/responderId").to_owned(),
            text(&shown, "/responderName").to_owned(),
        )
    };
    let (built_in, name) = shown().await;
    assert_eq!(name, "switchboard");
    assert_eq!(Uuid::try_parse(&built_in).unwrap().get_version_num(), 4);
    let mut made = Vec::new();
    for name in ["first", "workspace's", "channel's"] {
        let call = format!("createResponder(input: {{ name: \"{name}\" }})");
        made.push(text(&run(&client, &call, "id").await, "/id").to_owned());
    }
    assert_eq!(shown().await, (made[0].clone(), "first".to_owned()));
    let set = format!(
        "updateWorkspacePolicy(policy: {{ defaultResponderId: \"{}\" }})",
        made[1]
    );
    run(&client, &set, "defaultResponderId").await;
    assert_eq!(shown().await, (made[1].clone(), "workspace's".to_owned()));
    let policy = format!("{{ defaultResponderId: \"{}\" }}", made[2]);
    let set = format!("updateChannel(id: \"{channel}\", input: {{ policy: {policy} }})");
    run(&client, &set, "id").await;
    assert_eq!(shown().await, (made[2].clone(), "channel's".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_the_contact_that_stands_for_all() {
    let app = TestApp::start().await;
    let client = app.client();
    let (one, other) = (client.channel().await, client.channel().await);
    let mut tickets = Vec::new();
    for channel in [&one, &other] {
        let said = client.say(channel, "ada", "m1", "hello").await;
        tickets.push(text(&said, "/ticket/id").to_owned());
    }
    let owner = async |ticket: &str| text(&details(&client, ticket).await, "/chatOwnerId").to_owned();
    let owners = [owner(&tickets[0]).await, owner(&tickets[1]).await];
    assert_ne!(owners[0], owners[1]);
    let named = format!(
        "updateContact(id: \"{}\", input: {{ name: \"Ada Fischer\" }})",
        owners[0]
    );
    run(&client, &named, "id").await;
    let merge = format!("mergeContacts(contactId: \"{}\", into: \"{}\")", owners[1], owners[0]);
    run(&client, &merge, "id").await;
    for ticket in &tickets {
        let shown = details(&client, ticket).await;
        assert_eq!(
            (text(&shown, "/chatOwnerId"), text(&shown, "/ownerName")),
            (&*owners[0], "Ada Fischer")
        );
    }
}
