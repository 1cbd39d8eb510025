//! Tickets by document 001: what its routes do, refuse and repeat.

mod pages;

use serde_json::{Value, json};
use switchboard::domain::id;
use uuid::Uuid;

use crate::support::story::{on_both_stores, run, settings, text};
use crate::support::{Client, Reply, TestApp, make_workspace};

const NOBODY: &str = "6f1c9d3a-5b7e-4a52-9c38-1d2e3f4a5b6c";

async fn details(client: &Client, ticket: &str) -> Value {
    client.get(&format!("/api/v1/tickets/{ticket}/details")).await.ok()
}

async fn list(client: &Client, query: &str) -> Vec<String> {
    let found = client.get(&format!("/api/v1/tickets/details?{query}")).await.ok();
    let found = found.as_array().unwrap().iter();
    found.map(|ticket| text(ticket, "/id").to_owned()).collect()
}

async fn patch(client: &Client, ticket: &str, what: &str, body: Value) -> Reply {
    let call = format!("PATCH /api/v1/tickets/{ticket}/{what}");
    client.rest(&call, Some(body)).await
}

async fn create(client: &Client, body: Value) -> Reply {
    client.rest("POST /api/v1/tickets", Some(body)).await
}

/// Who did what to a ticket, in order.
async fn events(client: &Client, ticket: &str) -> Vec<(String, String, String)> {
    let query = "query($id: UUID!) { ticket(id: $id) { events(first: 100) { nodes { type actor { kind id } } } } }";
    let found = client.data(query, json!({ "id": ticket })).await;
    let nodes = found["ticket"]["events"]["nodes"].as_array().unwrap().iter();
    let word = |node: &Value, pointer: &str| text(node, pointer).to_owned();
    nodes
        .map(|node| (word(node, "/type"), word(node, "/actor/kind"), word(node, "/actor/id")))
        .collect()
}

async fn life(client: &Client) {
    let (agent, team, tag, _) = settings(client).await;
    let other = text(&run(client, "createAgent(input: { name: \"Kim\" })", "id").await, "/id").to_owned();
    let channel = client.channel().await;
    let said = client.say(&channel, "ada", "m1", "hello").await;
    let (ticket, chat) = (text(&said, "/ticket/id"), text(&said, "/chat/id"));
    let shown = details(client, ticket).await;
    for (field, expected) in [
        ("status", json!("pending")),
        ("assigneeId", Value::Null),
        ("channelId", json!(channel)),
        ("channelType", json!("api")),
        ("chatId", json!(chat)),
        ("chatIsRemoved", json!(false)),
        ("isOwnerBlocked", json!(false)),
        ("ownerEmail", Value::Null),
        ("ownerEntity", json!("external-user")),
        ("ownerIdentifier", json!("ada")),
        ("ownerName", json!("Ada")),
        ("pendingChatMessages", json!(1)),
        ("responderEntity", json!("agent")),
        ("responderName", json!("switchboard")),
        ("summary", json!("")),
        ("completedAt", Value::Null),
        ("workspaceId", json!(id::first_workspace())),
    ] {
        assert_eq!(shown[field], expected, "{field}");
    }
    // nobody has taken it into work
    let early = patch(client, ticket, "complete", json!({ "userId": agent })).await;
    assert_eq!(early.problem(), (409, "INVALID_TRANSITION"));
    let assigned = patch(client, ticket, "assignee", json!({ "assigneeId": agent }))
        .await
        .ok();
    assert_eq!(
        (&assigned["status"], &assigned["assigneeId"]),
        (&json!("ongoing"), &json!(agent))
    );
    assert_eq!(assigned["circumstance"], "inbound");
    let taken = patch(client, ticket, "takeover", json!({ "assigneeId": other }))
        .await
        .ok();
    assert_eq!(
        (&taken["circumstance"], &taken["assigneeId"]),
        (&json!("takeover"), &json!(other))
    );
    let shown = details(client, ticket).await;
    assert_eq!(
        (&shown["assigneeName"], &shown["responderEntity"]),
        (&json!("Kim"), &json!("user"))
    );
    assert_eq!(
        (&shown["responderId"], &shown["responderName"]),
        (&json!(other), &json!("Kim"))
    );
    tags(client, ticket, &tag).await;
    let completed = patch(client, ticket, "complete", json!({ "userId": agent })).await.ok();
    assert_eq!(completed["status"], "completed");
    assert_eq!(completed["completedAt"], completed["updatedAt"]);
    assert_eq!(
        events(client, ticket).await.last().unwrap(),
        &("ticket.status_changed".to_owned(), "AGENT".to_owned(), agent.clone())
    );
    again(client, chat, [&agent, &team]).await;
}

async fn tags(client: &Client, ticket: &str, tag: &str) {
    let path = format!("/api/v1/tickets/{ticket}/tags");
    let attach = async || {
        client
            .rest(&format!("POST {path}"), Some(json!({ "tagId": tag })))
            .await
    };
    let attached = attach().await.ok();
    assert_eq!((text(&attached, "/ticketId"), text(&attached, "/tagId")), (ticket, tag));
    let found = list(client, &format!("status=ongoing&tagIds={tag}")).await;
    assert_eq!(found, [ticket]);
    run(
        client,
        &format!("setSummary(ticketId: \"{ticket}\", summary: \"lost\")"),
        "cursor",
    )
    .await;
    assert_eq!(attach().await.ok(), attached, "it was attached once");
    let detach = async || client.rest(&format!("DELETE {path}/{tag}"), None).await;
    let (first, second) = (detach().await.ok(), detach().await.ok());
    assert_eq!(text(&first, "/message"), "the tag was removed from the ticket");
    assert_eq!(text(&second, "/message"), "the ticket does not have the tag");
    assert_eq!(list(client, &format!("status=ongoing&tagIds={tag}")).await, [""; 0]);
}

/// Tickets opened by hand in a chat whose last one has ended.
async fn again(client: &Client, chat: &str, [agent, team]: [&str; 2]) {
    let body = |status: &str| json!({ "chatId": chat, "ticketingTeamId": team, "assigneeId": agent, "status": status });
    let pending = create(client, body("pending")).await.ok();
    assert_eq!(
        (&pending["status"], &pending["assigneeId"], &pending["ongoingAt"]),
        (&json!("pending"), &json!(agent), &Value::Null)
    );
    assert_eq!(
        list(client, &format!("status=pending&assigneeIds={agent}")).await,
        [text(&pending, "/id")]
    );
    // it waits for the agent, and is counted nowhere as unassigned
    let take = format!("takeTicket(ticketId: {}, agentId: \"{agent}\")", pending["id"]);
    run(client, &take, "cursor").await;
    let taken = client
        .rest(&format!("GET /api/v1/tickets/{}/details", text(&pending, "/id")), None)
        .await
        .ok();
    assert_eq!(
        (&taken["status"], &taken["assigneeId"]),
        (&json!("ongoing"), &json!(agent))
    );
    patch(client, text(&pending, "/id"), "complete", json!({ "userId": agent }))
        .await
        .ok();
    let ongoing = create(client, body("ongoing")).await.ok();
    assert_eq!(
        (&ongoing["status"], &ongoing["circumstance"]),
        (&json!("ongoing"), &json!("manual"))
    );
    assert_eq!(
        (&ongoing["ticketingTeamId"], &ongoing["chatId"]),
        (&json!(team), &json!(chat))
    );
    let refused = create(client, body("ongoing")).await;
    assert_eq!(
        (refused.problem(), &refused.body["ticketId"]),
        ((409, "ALREADY_OPEN"), &ongoing["id"])
    );
    let open = text(&ongoing, "/id");
    patch(client, open, "complete", json!({ "userId": agent })).await.ok();
    // a repeat with the key finds what it made
    let call = "POST /api/v1/tickets";
    let mut made = Vec::new();
    for _ in 0..2 {
        let key = [("idempotency-key", "made-once")];
        let reply = client.rest_with(call, &key, Some(body("completed"))).await.ok();
        assert_eq!(reply["status"], "completed");
        assert!(reply["completedAt"].is_string());
        made.push(text(&reply, "/id").to_owned());
    }
    assert_eq!(made[0], made[1]);
    assert_ne!(made[0], open);
    let other = client
        .rest_with(call, &[("idempotency-key", "made-once")], Some(body("ongoing")))
        .await;
    assert_eq!(other.problem(), (409, "IDEMPOTENCY_MISMATCH"));
    let of_chat = list(client, &format!("status=completed&chatIds={chat}")).await;
    assert_eq!(of_chat.len(), 4);
    let changes = events(client, &made[0]).await;
    let changes = changes.iter().filter(|(name, ..)| name == "ticket.status_changed");
    assert_eq!(changes.count(), 2, "taken into work and completed, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_lives_through_the_documents_routes() {
    on_both_stores(life).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let app = TestApp::start().await;
    let client = app.client();
    let agent = client.agent().await;
    let channel = client.channel().await;
    let said = client.say(&channel, "ada", "m1", "hello").await;
    let (ticket, chat) = (text(&said, "/ticket/id"), text(&said, "/chat/id"));
    let tag = text(&run(&client, "createTag(input: { name: \"vip\" })", "id").await, "/id").to_owned();
    let on = |ticket: &str, agent: &str, tag: &str| {
        let assignee = json!({ "assigneeId": agent });
        vec![
            (
                format!("PATCH /api/v1/tickets/{ticket}/complete"),
                json!({ "userId": agent }),
            ),
            (format!("PATCH /api/v1/tickets/{ticket}/takeover"), assignee.clone()),
            (format!("PATCH /api/v1/tickets/{ticket}/assignee"), assignee),
            (format!("POST /api/v1/tickets/{ticket}/tags"), json!({ "tagId": tag })),
            (format!("DELETE /api/v1/tickets/{ticket}/tags/{tag}"), Value::Null),
            (format!("GET /api/v1/tickets/{ticket}/details"), Value::Null),
        ]
    };
    let open = |chat: &str, team: &str, agent: &str| {
        let team = (!team.is_empty()).then_some(team);
        let body = json!({ "chatId": chat, "ticketingTeamId": team, "assigneeId": agent, "status": "ongoing" });
        ("POST /api/v1/tickets".to_owned(), body)
    };
    let not_found = async |(call, body): (String, Value)| {
        let reply = client.rest(&call, (!body.is_null()).then_some(body)).await;
        assert_eq!(reply.problem(), (404, "NOT_FOUND"), "{call}");
    };
    for call in on(NOBODY, &agent, &tag) {
        not_found(call).await;
    }
    // the last one names nobody else
    for call in on(ticket, NOBODY, NOBODY).into_iter().take(5) {
        not_found(call).await;
    }
    not_found(open(NOBODY, "", &agent)).await;
    run(&client, &format!("deleteTicket(ticketId: \"{ticket}\")"), "cursor").await;
    not_found(open(chat, NOBODY, &agent)).await;
    not_found(open(chat, "", NOBODY)).await;
    // nor is what another workspace has
    let key = "another-key-0123456789abcdef0123456789abcdef";
    make_workspace(&app.node, Uuid::from_u128(2), key).await;
    let stranger = Client::new(&app.url, key);
    let foreign = text(
        &run(&stranger, "createAgent(input: { name: \"Eve\" })", "id").await,
        "/id",
    )
    .to_owned();
    for (call, body) in on(ticket, &foreign, &tag) {
        let reply = stranger.rest(&call, (!body.is_null()).then_some(body)).await;
        assert_eq!(reply.problem(), (404, "NOT_FOUND"), "{call}");
    }
    for status in ["pending", "ongoing", "completed"] {
        let query = format!("status={status}&includeRemoved=true");
        assert_eq!(list(&stranger, &query).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_parameter_is_named() {
    let app = TestApp::start().await;
    let client = app.client();
    let too_long = format!("status=pending&search={}", "x".repeat(257));
    let mixed = format!("status=pending&tagIds={NOBODY}&tagIds=x");
    let of_list = [
        ("", "status"),
        ("status=open", "status"),
        ("status=PENDING", "status"),
        ("status=pending&status=ongoing", "status"),
        ("status=pending&pageNumber=0", "pageNumber"),
        ("status=pending&pageNumber=x", "pageNumber"),
        ("status=pending&pageNumber=1.5", "pageNumber"),
        ("status=pending&pageSize=0", "pageSize"),
        ("status=pending&pageSize=101", "pageSize"),
        ("status=pending&pageSize=-1", "pageSize"),
        ("status=pending&includeRemoved=maybe", "includeRemoved"),
        ("status=pending&assigneeIds=x", "assigneeIds"),
        ("status=pending&chatIds[]=x", "chatIds"),
        ("status=pending&tagIds=x&tagIds=y", "tagIds"),
        ("status=pending&responderIds=", "responderIds"),
        ("status=pending&responderVersionIds=1", "responderVersionIds"),
        (too_long.as_str(), "search"),
        (mixed.as_str(), "tagIds"),
    ];
    for (query, field) in of_list {
        let reply = client.get(&format!("/api/v1/tickets/details?{query}")).await;
        assert_eq!(reply.problem(), (400, "BAD_USER_INPUT"), "{query}");
        assert_eq!(reply.body["field"], field, "{query}");
    }
    let ticket = format!("/api/v1/tickets/{NOBODY}");
    let new = json!({ "chatId": NOBODY, "ticketingTeamId": null, "assigneeId": NOBODY, "status": "ongoing" });
    let changed = |field: &str, value: Option<Value>| {
        let mut body = new.clone();
        let fields = body.as_object_mut().unwrap();
        match value {
            Some(value) => fields.insert(field.to_owned(), value),
            None => fields.remove(field),
        };
        ("POST /api/v1/tickets".to_owned(), body, field.to_owned())
    };
    let one = |call: String, body: Value, field: &str| (call, body, field.to_owned());
    let of_bodies = [
        changed("chatId", Some(json!("x"))),
        changed("chatId", None),
        changed("ticketingTeamId", None),
        changed("ticketingTeamId", Some(json!(1))),
        changed("assigneeId", Some(Value::Null)),
        changed("status", Some(json!("open"))),
        changed("teamId", Some(json!(NOBODY))),
        one(format!("PATCH {ticket}/complete"), json!({}), "userId"),
        one(format!("PATCH {ticket}/complete"), json!({ "userId": "x" }), "userId"),
        one(
            format!("PATCH {ticket}/takeover"),
            json!({ "assigneeId": null }),
            "assigneeId",
        ),
        one(
            format!("PATCH {ticket}/assignee"),
            json!({ "assigneeId": [] }),
            "assigneeId",
        ),
        one(format!("POST {ticket}/tags"), json!({ "tagId": 7 }), "tagId"),
    ];
    for (call, body, field) in of_bodies {
        let reply = client.rest(&call, Some(body.clone())).await;
        assert_eq!(reply.problem(), (400, "BAD_USER_INPUT"), "{call} {body}");
        assert!(text(&reply.body, "/detail").contains(&field), "{call} {:#}", reply.body);
    }
    for (call, field) in [
        ("GET /api/v1/tickets/x/details".to_owned(), "id"),
        (format!("DELETE {ticket}/tags/x"), "tagId"),
        (format!("DELETE /api/v1/tickets/x/tags/{NOBODY}"), "ticketId"),
    ] {
        let reply = client.rest(&call, None).await;
        assert_eq!(reply.problem(), (400, "BAD_USER_INPUT"), "{call}");
        assert_eq!(reply.body["field"], field, "{call}");
    }
}

async fn conditions(client: &Client) {
    let agent = client.agent().await;
    let channel = client.channel().await;
    let said = client.say(&channel, "ada", "m1", "hello").await;
    let ticket = text(&said, "/ticket/id");
    let seen = client.get(&format!("/api/v1/tickets/{ticket}/details")).await;
    let version = seen.header("etag").unwrap().to_owned();
    let assign = format!("PATCH /api/v1/tickets/{ticket}/assignee");
    let complete = format!("PATCH /api/v1/tickets/{ticket}/complete");
    let (assignee, user) = (json!({ "assigneeId": agent }), json!({ "userId": agent }));
    let once = [("if-match", version.as_str()), ("idempotency-key", "assigned")];
    let first = client.rest_with(&assign, &once, Some(assignee.clone())).await;
    let now = first.header("etag").unwrap().to_owned();
    assert_ne!(now, version);
    let first = first.ok();
    // a repeat is one, though the version is another
    let repeat = client.rest_with(&assign, &once, Some(assignee.clone())).await;
    assert_eq!((repeat.header("etag"), &repeat.body), (Some(now.as_str()), &first));
    let stale = [("if-match", version.as_str())];
    for (call, body) in [(&assign, &assignee), (&complete, &user)] {
        let refused = client.rest_with(call, &stale, Some(body.clone())).await;
        assert_eq!(refused.problem(), (412, "VERSION_CONFLICT"), "{call}");
    }
    for odd in ["1", "W/\"1\"", "\"x\"", ""] {
        let refused = client
            .rest_with(&complete, &[("if-match", odd)], Some(user.clone()))
            .await;
        assert_eq!(
            (refused.problem(), &refused.body["field"]),
            ((400, "BAD_USER_INPUT"), &json!("If-Match"))
        );
    }
    let fresh = [("if-match", now.as_str()), ("idempotency-key", "completed")];
    for _ in 0..2 {
        let done = client.rest_with(&complete, &fresh, Some(user.clone())).await.ok();
        assert_eq!(done["status"], "completed");
    }
    let other = json!({ "userId": client.agent().await });
    let mismatch = client.rest_with(&complete, &fresh, Some(other)).await;
    assert_eq!(mismatch.problem(), (409, "IDEMPOTENCY_MISMATCH"));
    let changes = events(client, ticket).await;
    let changes: Vec<&str> = changes.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        changes
            .iter()
            .filter(|name| **name == "ticket.assignee_changed")
            .count(),
        1
    );
    assert_eq!(
        changes.iter().filter(|name| **name == "ticket.status_changed").count(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_holds_for_the_version_that_was_seen_and_happens_once() {
    on_both_stores(conditions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_comes_raw_or_as_a_bearer() {
    let app = TestApp::start().await;
    let client = app.client();
    let url = format!("{}/api/v1/tickets/details?status=pending", app.url);
    for credential in [client.key.clone(), format!("Bearer {}", client.key)] {
        let answer = client.http().get(&url).header("authorization", credential).send().await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    let refused = client.http().get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let stranger = Client::new(&app.url, "nobody-knows-this-key-0123456789abcdef");
    let refused = stranger.get("/api/v1/tickets/details?status=pending").await;
    assert_eq!(refused.problem(), (401, "UNAUTHENTICATED"));
}
