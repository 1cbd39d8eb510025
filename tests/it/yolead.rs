//! YoLead's routes: what they answer, what they refuse, and who may sign.

mod signing;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::story::{on_both_stores, run, text};
use crate::support::{Client, Redis, TestApp, eventually};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// A message of somebody new; the ticket and the chat.
async fn begin(client: &Client, channel: &str, owner: &str) -> (String, String) {
    let said = client.say(channel, owner, "m1", "hello").await;
    (text(&said, "/ticket/id").to_owned(), text(&said, "/chat/id").to_owned())
}

async fn patch(client: &Client, ticket: &str, what: &str, body: Value) -> (u16, Value) {
    let call = format!("PATCH /v1/tickets/{ticket}/{what}");
    let reply = client.rest(&call, Some(body)).await;
    (reply.status, reply.body)
}

/// The status, the code and the field of a problem.
async fn refused(client: &Client, ticket: &str, what: &str, body: Value) -> (u16, String, Value) {
    let (status, problem) = patch(client, ticket, what, body).await;
    assert_eq!(problem["status"], status, "{problem:#}");
    (status, text(&problem, "/code").to_owned(), problem["field"].clone())
}

async fn shown(client: &Client, ticket: &str) -> Value {
    let query = "query($id: UUID!) { ticket(id: $id) { status assignee { id } version } }";
    client.data(query, json!({ "id": ticket })).await["ticket"].clone()
}

async fn life(client: &Client) {
    let channel = client.channel().await;
    let (robin, kim) = (client.agent().await, client.agent().await);
    let (ticket, chat) = begin(client, &channel, "ada").await;
    let changed = |old: &str, new: &str, assignee: Option<&str>| {
        let data = json!({
            "ticketId": ticket, "chatId": chat, "oldStatus": old, "newStatus": new, "assigneeId": assignee,
        });
        (200, json!({ "data": data }))
    };
    let status = async |body: Value| patch(client, &ticket, "status", body).await;

    let nobody = refused(client, &ticket, "status", json!({ "status": "active" })).await;
    assert_eq!(nobody, (400, "BAD_USER_INPUT".into(), json!("assigneeId")));
    let early = refused(client, &ticket, "status", json!({ "status": "inactive" })).await;
    assert_eq!(early, (409, "INVALID_TRANSITION".into(), Value::Null));
    assert_eq!(shown(client, &ticket).await["status"], "NEW");

    let take = json!({ "status": "active", "assigneeId": robin });
    assert_eq!(status(take.clone()).await, changed("new", "active", Some(&robin)));
    let before = shown(client, &ticket).await;
    assert_eq!(status(take.clone()).await, changed("active", "active", Some(&robin)));
    let active = json!({ "status": "active" });
    assert_eq!(status(active.clone()).await, changed("active", "active", Some(&robin)));
    assert_eq!(shown(client, &ticket).await, before, "nothing had to change");

    let given = patch(client, &ticket, "assignee", json!({ "newAssigneeId": kim })).await;
    let data = json!({ "ticketId": ticket, "chatId": chat, "previousAssigneeId": robin, "newAssigneeId": kim });
    assert_eq!(given, (200, json!({ "data": data })));

    let close = json!({ "status": "inactive" });
    assert_eq!(status(close.clone()).await, changed("active", "inactive", Some(&kim)));
    assert_eq!(status(close).await, changed("inactive", "inactive", Some(&kim)));
    assert_eq!(status(active).await, changed("inactive", "active", Some(&kim)));
    status(json!({ "status": "inactive" })).await;
    assert_eq!(status(take).await, changed("inactive", "active", Some(&robin)));
    assert_eq!(shown(client, &ticket).await["assignee"]["id"], json!(robin));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_goes_through_its_life() {
    on_both_stores(life).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let robin = client.agent().await;
    let (ticket, _) = begin(&client, &channel, "ada").await;
    let ticket = ticket.as_str();
    let before = app.node.store.heads().await.unwrap();
    let take = json!({ "status": "active", "assigneeId": robin });
    for (ticket, what, body, status, code, field) in [
        (UNKNOWN, "status", take.clone(), 404, "NOT_FOUND", Value::Null),
        (
            "no-uuid",
            "status",
            take.clone(),
            400,
            "BAD_USER_INPUT",
            json!("ticketId"),
        ),
        (
            ticket,
            "status",
            json!({ "status": "new" }),
            400,
            "BAD_USER_INPUT",
            json!("status"),
        ),
        (ticket, "status", json!({}), 400, "BAD_USER_INPUT", json!("body")),
        (
            ticket,
            "status",
            json!({ "status": "active", "assigneeId": "robin" }),
            400,
            "BAD_USER_INPUT",
            json!("assigneeId"),
        ),
        (
            ticket,
            "status",
            json!({ "status": "active", "assigneeId": UNKNOWN }),
            404,
            "NOT_FOUND",
            Value::Null,
        ),
        (
            ticket,
            "status",
            json!({ "status": "inactive", "assigneeId": robin }),
            400,
            "BAD_USER_INPUT",
            json!("assigneeId"),
        ),
        (
            ticket,
            "assignee",
            json!({ "newAssigneeId": null }),
            400,
            "BAD_USER_INPUT",
            json!("newAssigneeId"),
        ),
        (
            ticket,
            "assignee",
            json!({ "newAssigneeId": UNKNOWN }),
            404,
            "NOT_FOUND",
            Value::Null,
        ),
    ] {
        let found = refused(&client, ticket, what, body.clone()).await;
        assert_eq!(found, (status, code.to_owned(), field), "{what} {body}");
    }
    let version = client
        .rest_with(
            &format!("PATCH /v1/tickets/{ticket}/status"),
            &[("if-match", "\"999\"")],
            Some(take),
        )
        .await;
    assert_eq!(version.problem(), (412, "VERSION_CONFLICT"));
    assert_eq!(app.node.store.heads().await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_hears_what_the_first_one_did() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let (robin, kim) = (client.agent().await, client.agent().await);
    let (ticket, _) = begin(&client, &channel, "ada").await;
    let call = format!("PATCH /v1/tickets/{ticket}/status");
    let assign = format!("PATCH /v1/tickets/{ticket}/assignee");
    let ask = async |call: &str, key: &str, body: &Value| {
        client
            .rest_with(call, &[("idempotency-key", key)], Some(body.clone()))
            .await
    };
    let take = json!({ "status": "active", "assigneeId": robin });
    let close = json!({ "status": "inactive" });
    let to_kim = json!({ "newAssigneeId": kim });
    let taken = ask(&call, "k1", &take).await.ok();
    let given = ask(&assign, "k2", &to_kim).await.ok();
    let closed = ask(&call, "k3", &close).await.ok();
    let reopened = ask(&call, "k4", &take).await.ok();
    let version = shown(&client, &ticket).await["version"].clone();
    assert_eq!(ask(&call, "k1", &take).await.ok(), taken);
    assert_eq!(ask(&assign, "k2", &to_kim).await.ok(), given);
    assert_eq!(ask(&call, "k3", &close).await.ok(), closed);
    assert_eq!(ask(&call, "k4", &take).await.ok(), reopened);
    assert_eq!(given["data"]["previousAssigneeId"], json!(robin));
    assert_eq!(
        shown(&client, &ticket).await["version"],
        version,
        "nothing happened twice"
    );
    let other = ask(&call, "k3", &take).await;
    assert_eq!(other.problem(), (409, "IDEMPOTENCY_MISMATCH"));
}

/// Who had and who got the ticket, by its events.
async fn handovers(client: &Client, ticket: &str) -> Vec<(Value, Value)> {
    let query = "query($id: UUID!) { ticket(id: $id) { events(first: 100) { edges { node { type data } } } } }";
    let found = client.data(query, json!({ "id": ticket })).await;
    let events = found["ticket"]["events"]["edges"].as_array().unwrap().iter();
    let events = events.map(|edge| &edge["node"]);
    events
        .filter(|event| event["type"] == "ticket.assignee_changed")
        .map(|event| (event["data"]["from"].clone(), event["data"]["to"].clone()))
        .collect()
}

/// Many at once: every answer is what really happened, and all that happened is in the answers.
async fn race(clients: &[Client]) {
    let client = &clients[0];
    let channel = client.channel().await;
    let agents = join_all((0..8).map(|_| client.agent())).await;
    let (ticket, _) = begin(client, &channel, "ada").await;
    let node = |number: usize| &clients[number % clients.len()];
    let takes = agents.iter().enumerate().map(|(number, agent)| {
        let take = json!({ "status": "active", "assigneeId": agent });
        patch(node(number), &ticket, "status", take)
    });
    let answers = join_all(takes).await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:#?}");
    let fresh = answers
        .iter()
        .filter(|(_, body)| body["data"]["oldStatus"] == "new")
        .count();
    assert_eq!(fresh, 1, "{answers:#?}");
    let gives = agents.iter().enumerate().map(|(number, agent)| {
        let give = json!({ "newAssigneeId": agent });
        patch(node(number), &ticket, "assignee", give)
    });
    let mut answered: Vec<(Value, Value)> = join_all(gives)
        .await
        .into_iter()
        .map(|(status, body)| {
            assert_eq!(status, 200, "{body:#}");
            (
                body["data"]["previousAssigneeId"].clone(),
                body["data"]["newAssigneeId"].clone(),
            )
        })
        .filter(|(previous, new)| previous != new)
        .collect();
    let all = agents.len() + answered.len();
    let mut happened = eventually("the view with every handover", || async {
        let happened = handovers(client, &ticket).await;
        (happened.len() >= all).then_some(happened)
    })
    .await
    .split_off(agents.len());
    for pairs in [&mut answered, &mut happened] {
        pairs.sort_by_key(|pair| format!("{pair:?}"));
    }
    assert_eq!(answered, happened);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_values_are_those_of_the_moment_on_one_node() {
    let app = TestApp::start().await;
    race(&[app.client()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_values_are_those_of_the_moment_on_two_nodes() {
    let redis = Redis::start();
    let (one, two) = (TestApp::on_redis(&redis).await, TestApp::on_redis(&redis).await);
    race(&[one.client(), two.client()]).await;
}

async fn chunk(client: &Client, ticket: &str, last: Option<&str>) -> Value {
    let cursor = last.map_or(String::new(), |last| format!("?chunkLastMessageId={last}"));
    client.get(&format!("/v1/tickets/{ticket}/history{cursor}")).await.ok()
}

async fn history(client: &Client) {
    let channel = client.channel().await;
    let (ticket, chat) = begin(client, &channel, "ada").await;
    for number in 2..=119 {
        client
            .say(&channel, "ada", &format!("m{number}"), &format!("text {number}"))
            .await;
    }
    run(
        client,
        &format!("addNote(ticketId: \"{ticket}\", text: \"a note\")"),
        "cursor",
    )
    .await;
    run(
        client,
        &format!("sendMessage(chatId: \"{chat}\", text: \"answer\")"),
        "cursor",
    )
    .await;
    let newest = chunk(client, &ticket, None).await["data"].clone();
    assert_eq!(newest["ticket"]["id"], json!(ticket));
    assert_eq!(newest["ticket"]["chatId"], json!(chat));
    let mut fields: Vec<&String> = newest["messages"][0].as_object().unwrap().keys().collect();
    fields.sort_unstable();
    let expected = [
        "attachments",
        "createdAt",
        "direction",
        "externalId",
        "fromId",
        "fromKind",
        "id",
        "sentAt",
        "status",
        "text",
    ];
    assert_eq!(fields, expected);
    let mut texts: Vec<String> = Vec::new();
    let mut next = Value::Null;
    for held in [49, 50, 21] {
        let data = chunk(client, &ticket, next.as_str()).await["data"].clone();
        let messages = data["messages"].as_array().unwrap();
        assert_eq!(messages.len(), held);
        if !next.is_null() {
            assert_eq!(
                messages.last().unwrap()["id"],
                next,
                "the cursor is the chunk's last message"
            );
        }
        let said = messages.iter().map(|message| text(message, "/text").to_owned());
        texts = said.chain(texts).collect();
        next = data["nextChunkStartMessageId"].clone();
    }
    assert_eq!(next, Value::Null);
    let mut said = vec!["hello".to_owned()];
    said.extend((2..=119).map(|number| format!("text {number}")));
    said.push("answer".to_owned());
    assert_eq!(texts, said);
    let last = newest["messages"].as_array().unwrap().last().unwrap();
    assert_eq!((text(last, "/direction"), text(last, "/text")), ("outgoing", "answer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_comes_in_chunks_without_gap_or_repeat() {
    on_both_stores(history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_ticket_is_refused() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let (ticket, _) = begin(&client, &channel, "ada").await;
    let (other, _) = begin(&client, &channel, "bob").await;
    let foreign = chunk(&client, &other, None).await["data"]["messages"][0]["id"].clone();
    for cursor in [foreign.as_str().unwrap(), UNKNOWN, "no-uuid", ""] {
        let path = format!("/v1/tickets/{ticket}/history?chunkLastMessageId={cursor}");
        let reply = client.get(&path).await;
        assert_eq!(reply.problem(), (400, "BAD_USER_INPUT"), "{cursor}");
        assert_eq!(reply.body["field"], "chunkLastMessageId");
    }
    let unknown = client.get(&format!("/v1/tickets/{UNKNOWN}/history")).await;
    assert_eq!(unknown.problem(), (404, "NOT_FOUND"));
}
