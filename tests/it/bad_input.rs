//! Bad input gets a clear error with a code and the field's name, and stores nothing.

use serde_json::{Value, json};
use switchboard::domain::id;
use uuid::Uuid;

use crate::support::{Client, KEY, Socket, TestApp, make_workspace};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
const INGEST: &str = "mutation($input: MessageInput!) { ingestMessage(input: $input) { decision } }";

fn message(channel: &str, change: Value) -> Value {
    let mut input = json!({ "channelId": channel, "owner": { "externalId": "ada" }, "text": "hello" });
    for (name, value) in change.as_object().unwrap() {
        input[name] = value.clone();
    }
    json!({ "input": input })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_argument_is_named_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let ticket = client.say(&channel, "ada", "m1", "hello").await;
    let (chat, ticket) = (
        ticket["chat"]["id"].as_str().unwrap(),
        ticket["ticket"]["id"].as_str().unwrap(),
    );
    let before = app.node.store.heads().await.unwrap();
    let long = "x".repeat(16 * 1024 + 1);
    let attachments: Vec<Value> = (0..21).map(|_| json!({ "kind": "image" })).collect();
    let messages = [
        (json!({ "text": long }), "BAD_USER_INPUT", "text"),
        (json!({ "text": null }), "BAD_USER_INPUT", "text"),
        (json!({ "text": "a\u{0}b" }), "BAD_USER_INPUT", "text"),
        (
            json!({ "owner": { "externalId": " " } }),
            "BAD_USER_INPUT",
            "owner.externalId",
        ),
        (
            json!({ "owner": { "externalId": "y".repeat(257) } }),
            "BAD_USER_INPUT",
            "owner.externalId",
        ),
        (
            json!({ "owner": { "externalId": "ada", "name": "y".repeat(257) } }),
            "BAD_USER_INPUT",
            "owner.name",
        ),
        (json!({ "externalId": "" }), "BAD_USER_INPUT", "externalId"),
        (json!({ "attachments": attachments }), "BAD_USER_INPUT", "attachments"),
        (
            json!({ "attachments": [{ "kind": "image", "sizeBytes": -1 }] }),
            "BAD_USER_INPUT",
            "attachments.sizeBytes",
        ),
        (json!({ "channelId": UNKNOWN }), "NOT_FOUND", "channel"),
    ];
    for (change, code, field) in messages {
        let error = client.error(INGEST, message(&channel, change.clone())).await;
        assert_eq!(error["extensions"]["code"], code, "{error:#}");
        let named = error["extensions"]["field"] == field || error["message"].as_str().unwrap().contains(field);
        assert!(named, "{change:.80} {error:#}");
    }
    let documents = [
        (
            "mutation { createChannel(input: { type: API, name: \"x\", policy: { restorePeriodMs: -1 } }) { id } }"
                .into(),
            "BAD_USER_INPUT",
            "restorePeriodMs",
        ),
        (
            "mutation { createChannel(input: { type: API, name: \"x\", policy: { restorePeriodMs: 0.5 } }) { id } }"
                .into(),
            "BAD_USER_INPUT",
            "restorePeriodMs",
        ),
        (
            "mutation { createChannel(input: { type: API, name: \"x\", policy: { maxSkewMs: 1e15 } }) { id } }".into(),
            "BAD_USER_INPUT",
            "maxSkewMs",
        ),
        (
            "mutation { createChannel(input: { type: API, name: \" \" }) { id } }".into(),
            "BAD_USER_INPUT",
            "input.name",
        ),
        (
            "mutation { createChannel(input: { type: TELEGRAM, name: \"x\", config: { secretToken: \"ä\" } }) { id } }"
                .into(),
            "BAD_USER_INPUT",
            "secretToken",
        ),
        (
            "mutation { createChannel(input: { type: API, name: \"x\", config: { token: \"a\" } }) { id } }".into(),
            "BAD_USER_INPUT",
            "input.config",
        ),
        (
            format!("mutation {{ updateChannel(id: \"{UNKNOWN}\", input: {{ name: \"x\" }}) {{ id }} }}"),
            "NOT_FOUND",
            "channel",
        ),
        (
            format!("mutation {{ takeTicket(ticketId: \"{UNKNOWN}\", agentId: \"{UNKNOWN}\") {{ cursor }} }}"),
            "NOT_FOUND",
            "ticket",
        ),
        (
            format!("mutation {{ closeTicket(ticketId: \"{UNKNOWN}\") {{ cursor }} }}"),
            "NOT_FOUND",
            "ticket",
        ),
        (
            format!("mutation {{ sendMessage(chatId: \"{UNKNOWN}\", text: \"x\") {{ cursor }} }}"),
            "NOT_FOUND",
            "chat",
        ),
        (
            format!("mutation {{ sendMessage(chatId: \"{chat}\") {{ cursor }} }}"),
            "BAD_USER_INPUT",
            "text",
        ),
        (
            format!("mutation {{ sendMessage(chatId: \"{chat}\", text: \"x\", responderEpoch: -1) {{ cursor }} }}"),
            "BAD_USER_INPUT",
            "responderEpoch",
        ),
        (
            format!("mutation {{ closeTicket(ticketId: \"{ticket}\", idempotencyKey: \"\") {{ cursor }} }}"),
            "BAD_USER_INPUT",
            "idempotencyKey",
        ),
        (
            "{ tickets(first: -1) { totalCount } }".into(),
            "BAD_USER_INPUT",
            "first",
        ),
        (
            "{ tickets(first: 101) { totalCount } }".into(),
            "BAD_USER_INPUT",
            "first",
        ),
        (
            "{ tickets(after: \"nonsense\") { totalCount } }".into(),
            "BAD_USER_INPUT",
            "after",
        ),
        (
            format!("{{ chat(id: \"{chat}\") {{ messages(first: 1, last: 1) {{ edges {{ cursor }} }} }} }}"),
            "BAD_USER_INPUT",
            "first",
        ),
        (
            "{ tickets(filter: { createdAfter: \"yesterday\" }) { totalCount } }".into(),
            "BAD_USER_INPUT",
            "RFC 3339",
        ),
        ("{ ticket(id: \"no-uuid\") { id } }".into(), "", "UUID"),
        (
            "{ tickets(filter: { nonsense: 1 }) { totalCount } }".into(),
            "GRAPHQL_VALIDATION_FAILED",
            "nonsense",
        ),
        (
            "{ tickets(nonsense: 1) { totalCount } }".into(),
            "GRAPHQL_VALIDATION_FAILED",
            "nonsense",
        ),
        ("{ nonsense }".into(), "GRAPHQL_VALIDATION_FAILED", "nonsense"),
        ("{ tickets".into(), "GRAPHQL_PARSE_FAILED", ""),
        ("query($id: UUID!) { ticket(id: $id) { id } }".into(), "", "id"),
    ];
    for (document, code, named) in documents {
        let error = client.error(&document, json!({})).await;
        let given = error["extensions"]["code"].as_str().unwrap_or("");
        assert!(
            given == code || code.is_empty() && !given.is_empty(),
            "{document} {error:#}"
        );
        let said = format!("{} {}", error["message"], error["extensions"]["field"]);
        assert!(said.contains(named), "{document} {error:#}");
    }
    let many: Vec<Value> = (0..501)
        .map(|_| message(&channel, json!({}))["input"].clone())
        .collect();
    let query = "mutation($inputs: [MessageInput!]!) { ingestMessages(inputs: $inputs) { error { code } } }";
    let error = client.error(query, json!({ "inputs": many })).await;
    assert_eq!(error["extensions"]["field"], "inputs");
    assert_eq!(app.node.store.heads().await.unwrap(), before);
    client.say(&channel, "ada", "m2", "still served").await;
}

async fn post(client: &Client, content_type: &str, body: String) -> (u16, Value) {
    let request = client
        .http()
        .post(format!("{}/graphql", client.url))
        .bearer_auth(&client.key);
    let answer = request
        .header("content-type", content_type)
        .body(body)
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_before_they_are_run() {
    let app = TestApp::start().await;
    let client = app.client();
    let before = app.node.store.heads().await.unwrap();
    let create = "mutation { createAgent(input: { name: \\\"x\\\" }) { id } }";
    let aliases: String = (0..31).map(|number| format!("a{number}: __typename ")).collect();
    let tokens = format!("{{ __typename {} }}", "__typename ".repeat(2_100));
    let deep = format!(
        "{{ tickets {{ edges {{ node {{ chat {} id {} }} }} }} }}",
        "{ lastTicket { chat ".repeat(10),
        "} }".repeat(10)
    );
    let wide = "{ tickets(first: 100) { edges { node { chat { tickets(first: 100) { edges { node { messages(first: 100) { edges { node { id text seq } } } } } } } } } } }";
    let query = |text: &str| json!({ "query": text }).to_string();
    let cases = [
        ("application/json", "{".to_owned(), 400, "BAD_REQUEST"),
        ("application/json", "{}".to_owned(), 400, "BAD_REQUEST"),
        ("application/json", "{\"query\":1}".to_owned(), 400, "BAD_REQUEST"),
        (
            "application/json",
            format!("[{{\"query\":\"{create}\"}}]"),
            400,
            "BATCH_NOT_SUPPORTED",
        ),
        (
            "text/plain",
            format!("{{\"query\":\"{create}\"}}"),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            "application/x-www-form-urlencoded",
            format!("query={create}"),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            "application/json",
            query(&format!("{{ __typename {} }}", " ".repeat(140_000))),
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            "application/json",
            query(&format!("{{ {aliases} }}")),
            400,
            "QUERY_TOO_COMPLEX",
        ),
        ("application/json", query(&tokens), 400, "QUERY_TOO_COMPLEX"),
        ("application/json", query(&deep), 400, "QUERY_TOO_COMPLEX"),
        ("application/json", query(wide), 400, "QUERY_TOO_COMPLEX"),
    ];
    for (content_type, body, status, code) in cases {
        let (answered, answer) = post(&client, content_type, body.clone()).await;
        assert_eq!(
            (answered, answer["errors"][0]["extensions"]["code"].as_str()),
            (status, Some(code)),
            "{body:.100} {answer:.300}"
        );
    }
    let url = format!(
        "{}/graphql?query=mutation{{createAgent(input:{{name:%22x%22}}){{id}}}}",
        client.url
    );
    let answer = client.http().get(url).bearer_auth(KEY).send().await.unwrap();
    assert_eq!(answer.status(), 405, "no mutation by GET");
    assert_eq!(app.node.store.heads().await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_their_own_workspace_and_nothing_else() {
    let app = TestApp::start().await;
    let client = app.client();
    for key in ["", "wrong", "Bearer", "test-key-0123456789abcdef0123456789abcdeX"] {
        let request = client
            .http()
            .post(format!("{}/graphql", app.url))
            .header("authorization", key);
        let answer = request
            .json(&json!({ "query": "{ __typename }" }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{key}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    }
    let raw = client
        .http()
        .post(format!("{}/graphql", app.url))
        .header("authorization", KEY);
    assert_eq!(
        raw.json(&json!({ "query": "{ __typename }" }))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );

    let other_key = "other-key-0123456789abcdef0123456789abcdef";
    let other_id = id::ticket(Uuid::nil(), 77);
    make_workspace(&app.node, other_id, other_key).await;
    let stranger = Client::new(&app.url, other_key);
    let (channel, agent) = (client.channel().await, client.agent().await);
    let receipt = client.say(&channel, "ada", "m1", "secret words").await;
    let (chat, ticket) = (
        receipt["chat"]["id"].as_str().unwrap(),
        receipt["ticket"]["id"].as_str().unwrap(),
    );
    let seen = stranger.data(&format!("{{ ticket(id: \"{ticket}\") {{ id }} chat(id: \"{chat}\") {{ id }} tickets {{ totalCount }} channels {{ id }} agents {{ id }} }}"), json!({})).await;
    assert_eq!(
        seen,
        json!({ "ticket": null, "chat": null, "tickets": { "totalCount": 0 }, "channels": [], "agents": [] })
    );
    let theirs = stranger.agent().await;
    for document in [
        format!("mutation {{ closeTicket(ticketId: \"{ticket}\") {{ cursor }} }}"),
        format!("mutation {{ takeTicket(ticketId: \"{ticket}\", agentId: \"{theirs}\") {{ cursor }} }}"),
        format!("mutation {{ takeTicket(ticketId: \"{ticket}\", agentId: \"{agent}\") {{ cursor }} }}"),
        format!("mutation {{ sendMessage(chatId: \"{chat}\", text: \"x\") {{ cursor }} }}"),
        format!("mutation {{ updateChannel(id: \"{channel}\", input: {{ name: \"x\" }}) {{ id }} }}"),
        format!(
            "mutation {{ ingestMessage(input: {{ channelId: \"{channel}\", owner: {{ externalId: \"ada\" }}, text: \"x\" }}) {{ cursor }} }}"
        ),
    ] {
        let error = stranger.error(&document, json!({})).await;
        assert_eq!(error["extensions"]["code"], "NOT_FOUND", "{document}");
    }
    let mut socket = Socket::connect(&app.url, other_key).await;
    socket
        .subscribe(
            "1",
            "subscription($after: Cursor) { events(after: $after) { ... on Event { type } } }",
            json!({ "after": receipt["cursor"] }),
        )
        .await;
    client.say(&channel, "ada", "m2", "more secret words").await;
    let theirs = stranger.channel().await;
    stranger.say(&theirs, "bob", "b1", "hello").await;
    let first = socket.item().await.unwrap();
    assert_eq!(
        first["events"]["type"], "agent.created",
        "the first event that the stranger sees is their own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_gives_the_same_receipt_or_a_mismatch() {
    let app = TestApp::start().await;
    let client = app.client();
    let (channel, agent) = (client.channel().await, client.agent().await);
    let receipt = client.say(&channel, "ada", "m1", "hello").await;
    let (chat, ticket) = (
        receipt["chat"]["id"].as_str().unwrap(),
        receipt["ticket"]["id"].as_str().unwrap(),
    );
    let commands = [
        (
            format!("takeTicket(ticketId: \"{ticket}\", agentId: \"{agent}\", idempotencyKey: \"k1\") {{ cursor }}"),
            String::new(),
        ),
        (
            format!(
                "sendMessage(chatId: \"{chat}\", text: \"one\", idempotencyKey: \"k2\") {{ cursor message {{ id }} }}"
            ),
            format!("sendMessage(chatId: \"{chat}\", text: \"two\", idempotencyKey: \"k2\") {{ cursor }}"),
        ),
        (
            "createChannel(input: { type: API, name: \"a\" }, idempotencyKey: \"k3\") { id }".into(),
            "createChannel(input: { type: API, name: \"b\" }, idempotencyKey: \"k3\") { id }".into(),
        ),
        (
            format!(
                "ingestMessage(input: {{ channelId: \"{channel}\", owner: {{ externalId: \"ada\" }}, text: \"a\" }}, idempotencyKey: \"k4\") {{ cursor message {{ id }} }}"
            ),
            format!(
                "ingestMessage(input: {{ channelId: \"{channel}\", owner: {{ externalId: \"ada\" }}, text: \"b\" }}, idempotencyKey: \"k4\") {{ cursor }}"
            ),
        ),
        (
            format!("closeTicket(ticketId: \"{ticket}\", idempotencyKey: \"k5\") {{ cursor ticket {{ status }} }}"),
            format!("completeTicket(ticketId: \"{ticket}\", idempotencyKey: \"k5\") {{ cursor }}"),
        ),
    ];
    for (command, other) in commands {
        let first = client.data(&format!("mutation {{ {command} }}"), json!({})).await;
        let heads = app.node.store.heads().await.unwrap();
        assert_eq!(
            client.data(&format!("mutation {{ {command} }}"), json!({})).await,
            first
        );
        if !other.is_empty() {
            let error = client.error(&format!("mutation {{ {other} }}"), json!({})).await;
            assert_eq!(error["extensions"]["code"], "IDEMPOTENCY_MISMATCH", "{other}");
        }
        assert_eq!(app.node.store.heads().await.unwrap(), heads);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_messages_each_is_answered_on_its_own_and_in_order() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let mut inputs: Vec<Value> = (0..40)
        .map(|number| {
            message(
                &channel,
                json!({ "externalId": format!("m{number}"), "owner": { "externalId": format!("o{}", number % 3) } }),
            )["input"]
                .clone()
        })
        .collect();
    inputs[7]["text"] = Value::Null;
    inputs[9]["channelId"] = json!(UNKNOWN);
    inputs[20] = inputs[2].clone();
    let query = "mutation($inputs: [MessageInput!]!) { ingestMessages(inputs: $inputs) { receipt { decision message { seq externalId chatId } } error { code message } } }";
    let answers = client.data(query, json!({ "inputs": inputs })).await["ingestMessages"].clone();
    let mut last = std::collections::HashMap::new();
    for (number, answer) in answers.as_array().unwrap().iter().enumerate() {
        match number {
            7 => assert_eq!(answer["error"]["code"], "BAD_USER_INPUT"),
            9 => assert_eq!(answer["error"]["code"], "NOT_FOUND"),
            20 => assert_eq!(answer["receipt"]["decision"], "DUPLICATE"),
            _ => {
                let message = &answer["receipt"]["message"];
                assert_eq!(message["externalId"], format!("m{number}"));
                let seq = message["seq"].as_u64().unwrap();
                let before = last.insert(message["chatId"].to_string(), seq);
                assert!(
                    before.is_none_or(|before| before < seq),
                    "the order of the list is the order of the chat"
                );
            }
        }
    }
    assert_eq!(last.len(), 3);
}
