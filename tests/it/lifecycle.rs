//! The whole life of a ticket through GraphQL, on both stores.

use serde_json::{Value, json};

use crate::support::story::{TICKET, on_both_stores, refused, run, settings, text};
use crate::support::{Client, TestApp};

async fn attributes(client: &Client) {
    let (agent, team, tag, field) = settings(client).await;
    let channel = client.channel().await;
    let first = client.say(&channel, "ada", "m1", "hello").await;
    let (ticket, chat) = (
        text(&first, "/ticket/id").to_owned(),
        text(&first, "/chat/id").to_owned(),
    );
    let t = format!("ticketId: \"{ticket}\"");
    let steps = [
        (
            format!("assignTicket({t}, agentId: \"{agent}\", teamId: \"{team}\")"),
            "/assignee/id",
            json!(agent),
        ),
        (
            format!("addTag({t}, tagId: \"{tag}\")"),
            "/tags",
            json!([{ "name": "vip" }]),
        ),
        (
            format!("setField({t}, fieldId: \"{field}\", value: \"red\")"),
            "/fields",
            json!([{ "field": { "name": "colour" }, "value": "red" }]),
        ),
        (
            format!("setSubject({t}, subject: \"Order 4711\")"),
            "/subject",
            json!("Order 4711"),
        ),
        (format!("setSummary({t}, summary: \"lost\")"), "/summary", json!("lost")),
        (
            format!("setPriority({t}, priority: URGENT)"),
            "/priority",
            json!("URGENT"),
        ),
        (
            format!("rateTicket({t}, score: 2, comment: \"so so\")"),
            "/rating/score",
            json!(2),
        ),
        (format!("removeTag({t}, tagId: \"{tag}\")"), "/tags", json!([])),
        (
            format!("holdTicket({t}, until: \"2034-01-01T00:00:00Z\")"),
            "/reason",
            json!("ON_HOLD"),
        ),
        (format!("pendTicket({t})"), "/reason", json!("PENDING_CUSTOMER")),
        (format!("resumeTicket({t})"), "/reason", json!("IN_PROGRESS")),
        (format!("markSpam({t})"), "/reason", json!("SPAM")),
        (format!("unmarkSpam({t})"), "/reason", json!("IN_PROGRESS")),
        (format!("completeTicket({t})"), "/reason", json!("COMPLETED")),
        (format!("deleteTicket({t})"), "/reason", json!("DELETED")),
        (format!("restoreTicket({t})"), "/reason", json!("COMPLETED")),
        (format!("reopenTicket({t})"), "/status", json!("ACTIVE")),
        (
            format!("takeover({t}, agentId: \"{agent}\")"),
            "/circumstance",
            json!("TAKEOVER"),
        ),
    ];
    for (call, pointer, expected) in steps {
        let receipt = run(client, &call, TICKET).await;
        assert_eq!(
            receipt["ticket"].pointer(pointer),
            Some(&expected),
            "{call} {receipt:#}"
        );
        // what is read afterwards is what the receipt showed
        let query = format!(
            "query($id: UUID!) {{ ticket(id: $id) {{ {} }} }}",
            &TICKET[9..TICKET.len() - 1]
        );
        let read = client.data(&query, json!({ "id": ticket })).await;
        assert_eq!(read["ticket"], receipt["ticket"], "{call}");
    }
    let viewed = run(client, &format!("markViewed({t})"), TICKET).await;
    assert!(viewed["ticket"]["lastViewedAt"].is_string());
    let note = format!("addNote({t}, text: \"call back\", agentId: \"{agent}\")");
    let note = run(client, &note, "message { visibility text author { kind id } }").await;
    assert_eq!(
        (&note["message"]["visibility"], &note["message"]["author"]["id"]),
        (&json!("NOTE"), &json!(agent))
    );
    let closed = run(client, &format!("closeTicket({t})"), TICKET).await;
    assert!(closed["ticket"]["restorableUntil"].is_string());
    let again = client.say(&channel, "ada", "m2", "again").await;
    assert_eq!(again["decision"], "REOPENED");
    let query =
        "query($id: UUID!) { ticket(id: $id) { lastDecision { rule elapsedMs restorePeriodMs } events(first: 100) {
        edges { node { type actor { kind } patch { target oldValue value } synthetic } } } } }";
    let shown = client.data(query, json!({ "id": ticket })).await["ticket"].clone();
    assert_eq!(shown["lastDecision"]["rule"], "within_restore_period");
    let events = shown["events"]["edges"].as_array().unwrap();
    let of = |name: &str| {
        events
            .iter()
            .map(|edge| &edge["node"])
            .find(|node| node["type"] == name)
            .unwrap()
    };
    assert_eq!(
        of("ticket.field_changed")["patch"][0],
        json!({ "target": format!("fields.{field}"), "oldValue": null, "value": "red" })
    );
    assert_eq!(
        of("ticket.summary_changed")["patch"][0],
        json!({ "target": "summary", "oldValue": "", "value": "lost" })
    );
    assert_eq!(of("ticket.rated")["patch"][0]["value"], 2);
    assert_eq!(of("ticket.viewed")["actor"]["kind"], "API");
    assert_eq!(
        refused(client, &format!("openTicket(chatId: \"{chat}\")")).await,
        json!({ "code": "ALREADY_OPEN", "ticketId": ticket })
    );
    versions(client, &ticket).await;
}

async fn versions(client: &Client, ticket: &str) {
    let query = "query($id: UUID!) { ticket(id: $id) { version } }";
    let version = client.data(query, json!({ "id": ticket })).await["ticket"]["version"]
        .as_i64()
        .unwrap();
    let set = |version: i64| {
        format!("setSummary(ticketId: \"{ticket}\", summary: \"v{version}\", expectedVersion: {version})")
    };
    let conflict = refused(client, &set(version - 1)).await;
    assert_eq!(
        (&conflict["code"], &conflict["version"]),
        (&json!("VERSION_CONFLICT"), &json!(version))
    );
    assert_eq!(
        (&conflict["ticket"]["status"], &conflict["ticket"]["id"]),
        (&json!("ACTIVE"), &json!(ticket))
    );
    run(client, &set(version), "cursor").await;
    assert_eq!(refused(client, &set(version)).await["version"], version + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_may_be_done_to_a_ticket_shows() {
    on_both_stores(attributes).await;
}

async fn merging(client: &Client) {
    let channel = client.channel_with(json!({ "restorePeriodMs": 0 })).await;
    let agent = client.agent().await;
    let first = client.say(&channel, "ada", "m1", "one").await;
    let (one, chat) = (text(&first, "/ticket/id"), text(&first, "/chat/id"));
    client
        .ticket_command("takeTicket", one, &format!(", agentId: \"{agent}\""))
        .await;
    client.ticket_command("closeTicket", one, "").await;
    let second = client.say(&channel, "ada", "m2", "two").await;
    let two = text(&second, "/ticket/id");
    assert_eq!(second["ticket"]["number"], 2);
    let merged = run(
        client,
        &format!("mergeTicket(ticketId: \"{two}\", into: \"{one}\")"),
        TICKET,
    )
    .await;
    assert_eq!(
        (text(&merged, "/ticket/id"), text(&merged, "/ticket/status")),
        (one, "ACTIVE")
    );
    let seen = "query($id: UUID!) { chat(id: $id) { status lastTicket { id } } }";
    let seen = client.data(seen, json!({ "id": chat })).await;
    assert_eq!(seen["chat"], json!({ "status": "ACTIVE", "lastTicket": { "id": one } }));
    let third = client.say(&channel, "ada", "m3", "three").await;
    assert_eq!(text(&third, "/ticket/id"), one);
    let query =
        "query($id: UUID!) { ticket(id: $id) { status reason mergedInto { id } messages(first: 10) { edges { node {
        externalId ticketId } } } } }";
    let target = client.data(query, json!({ "id": one })).await["ticket"].clone();
    let said: Vec<&str> = target["messages"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| text(edge, "/node/externalId"))
        .collect();
    assert_eq!(said, ["m1", "m2", "m3"], "messages follow");
    let source = client.data(query, json!({ "id": two })).await["ticket"].clone();
    assert_eq!(
        (text(&source, "/reason"), text(&source, "/mergedInto/id")),
        ("MERGED", one)
    );
    assert_eq!(source["messages"]["edges"], json!([]));
    // the merged id goes on naming the other one
    let closed = run(client, &format!("completeTicket(ticketId: \"{two}\")"), TICKET).await;
    assert_eq!(
        (text(&closed, "/ticket/id"), text(&closed, "/ticket/reason")),
        (one, "COMPLETED")
    );
    let other = client.say(&channel, "bob", "b1", "other chat").await;
    let into_other = format!(
        "mergeTicket(ticketId: \"{one}\", into: \"{}\")",
        text(&other, "/ticket/id")
    );
    assert_eq!(refused(client, &into_other).await["code"], "BAD_USER_INPUT");
    removed(client, &channel, chat).await;
}

async fn removed(client: &Client, channel: &str, chat: &str) {
    let list = |filter: Value| async move {
        let query = "query($filter: TicketFilter) { tickets(filter: $filter) { totalCount edges { node { id } } } }";
        let found = client.data(query, json!({ "filter": filter })).await["tickets"].clone();
        assert_eq!(
            found["totalCount"].as_u64().unwrap() as usize,
            found["edges"].as_array().unwrap().len()
        );
        found["totalCount"].as_u64().unwrap()
    };
    let of_chat = |more: Value| {
        let mut filter = json!({ "chatIds": [chat] });
        filter
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        filter
    };
    assert_eq!(list(of_chat(json!({}))).await, 2);
    run(client, &format!("removeChat(chatId: \"{chat}\")"), "chat { removedAt }").await;
    assert_eq!(list(of_chat(json!({}))).await, 0);
    assert_eq!(list(of_chat(json!({ "includeRemoved": true }))).await, 2);
    let back = client.say(channel, "ada", "m4", "I am back").await;
    assert_eq!(back["decision"], "CREATED");
    assert_eq!(list(of_chat(json!({}))).await, 3);
    let ticket = text(&back, "/ticket/id");
    client.ticket_command("deleteTicket", ticket, "").await;
    assert_eq!(list(of_chat(json!({}))).await, 2);
    assert_eq!(list(of_chat(json!({ "reasons": ["DELETED"] }))).await, 1);
    let next = client.say(channel, "ada", "m5", "again").await;
    assert_eq!(
        (text(&next, "/trace/rule"), &next["ticket"]["number"]),
        ("last_ticket_deleted", &json!(4))
    );
    run(
        client,
        &format!("blockOwner(chatId: \"{chat}\")"),
        "chat { owner { blocked } }",
    )
    .await;
    assert_eq!(
        client.say(channel, "ada", "m6", "let me in").await["decision"],
        "SILENCED"
    );
    let open = run(
        client,
        &format!("unblockOwner(chatId: \"{chat}\")"),
        "chat { owner { blocked } contact { blocked } }",
    )
    .await;
    assert_eq!(
        open["chat"],
        json!({ "owner": { "blocked": false }, "contact": { "blocked": false } })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_deleted_and_removed_tickets() {
    on_both_stores(merging).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_answers_for_each_ticket() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let agent = client.agent().await;
    let mut tickets = Vec::new();
    for number in 0..30 {
        let said = client
            .say(&channel, &format!("owner{number}"), &format!("m{number}"), "hello")
            .await;
        tickets.push(text(&said, "/ticket/id").to_owned());
    }
    let query = "mutation($ids: [UUID!]!, $operation: BulkOperation!, $key: String) {
        bulk(ticketIds: $ids, operation: $operation, idempotencyKey: $key) { ticketId receipt { ticket { reason } } error { code } } }";
    let bulk = |ids: Value, operation: Value| {
        let client = client.clone();
        async move {
            let variables = json!({ "ids": ids, "operation": operation, "key": "once" });
            client.data(query, variables).await["bulk"].clone()
        }
    };
    client
        .ticket_command("takeTicket", &tickets[3], &format!(", agentId: \"{agent}\""))
        .await;
    let mut named = tickets.clone();
    named.push(uuid::Uuid::from_u128(1).to_string());
    let take = json!({ "action": "TAKE", "agentId": agent });
    let answers = bulk(json!(named), take.clone()).await;
    for (place, answer) in answers.as_array().unwrap().iter().enumerate() {
        assert_eq!(answer["ticketId"], named[place]);
        let code = match place {
            3 => json!("INVALID_TRANSITION"),
            30 => json!("NOT_FOUND"),
            _ => Value::Null,
        };
        assert_eq!(answer["error"].get("code").unwrap_or(&Value::Null), &code);
        assert_eq!(answer["receipt"].is_null(), !code.is_null());
    }
    assert_eq!(
        bulk(json!(named), take).await,
        answers,
        "the same key gives the same answers"
    );
    let close = bulk(json!(tickets[..2]), json!({ "action": "CLOSE" })).await;
    assert_eq!(close[0]["error"]["code"], "IDEMPOTENCY_MISMATCH");
    let many: Vec<String> = (0..501).map(|_| tickets[0].clone()).collect();
    let too_many = client
        .error(query, json!({ "ids": many, "operation": { "action": "CLOSE" } }))
        .await;
    assert_eq!(too_many["extensions"]["field"], "ticketIds");
    let lacks = client
        .error(query, json!({ "ids": [], "operation": { "action": "ADD_TAG" } }))
        .await;
    assert_eq!(lacks["extensions"]["field"], "operation.tagId");
}
