//! Messages over REST: one in a request, and many in a stream that answers while it is sent.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::support::story::{on_both_stores, text};
use crate::support::{Client, KEY, Reply, TestApp};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

fn message(owner: &str, external_id: &str, text: &str) -> Value {
    json!({ "externalId": external_id, "owner": { "externalId": owner, "name": "Ada" }, "text": text })
}

async fn ingest(client: &Client, channel: &str, body: Value) -> Reply {
    let call = format!("POST /api/v1/channels/{channel}/messages");
    client.rest(&call, Some(body)).await
}

/// Sends a whole body, and gives the answers.
async fn stream(client: &Client, channel: &str, body: impl Into<reqwest::Body>) -> Vec<Value> {
    let url = format!("{}/api/v1/channels/{channel}/messages/stream", client.url);
    let request = client.http().post(url).bearer_auth(&client.key);
    let request = request.header("content-type", "application/x-ndjson").body(body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let text = answer.text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lines(messages: &[Value]) -> String {
    messages.iter().map(|message| format!("{message}\n")).collect()
}

/// One message does the same over both doors.
async fn one(client: &Client) {
    let channel = client.channel_with(json!({ "restorePeriodMs": null })).await;
    let first = ingest(client, &channel, message("ada", "m1", "hello")).await.ok();
    assert_eq!(first["decision"], "CREATED");
    assert_eq!(first["ticketStatus"], "NEW");
    assert_eq!(first["trace"]["rule"], "no_ticket");
    let again = client.say(&channel, "ada", "m1", "hello").await;
    assert_eq!(again["decision"], "DUPLICATE");
    for (here, there) in [
        ("/ticketId", "/ticket/id"),
        ("/chatId", "/chat/id"),
        ("/messageId", "/message/id"),
        ("/messageSeq", "/message/seq"),
        ("/trace/rule", "/trace/rule"),
    ] {
        assert_eq!(first.pointer(here), again.pointer(there), "{here}");
    }
    let mut repeat = ingest(client, &channel, message("ada", "m1", "hello")).await.ok();
    assert_eq!(repeat["decision"], "DUPLICATE");
    repeat["decision"] = first["decision"].clone();
    assert_eq!(repeat, first, "the rest is the first receipt");
    client.say(&channel, "ada", "m2", "two").await;
    let third = ingest(client, &channel, message("ada", "m3", "three")).await.ok();
    assert_eq!(third["decision"], "APPENDED");
    let ticket = text(&first, "/ticketId");
    let agent = client.agent().await;
    client
        .ticket_command("takeTicket", ticket, &format!(", agentId: \"{agent}\""))
        .await;
    client.ticket_command("closeTicket", ticket, "").await;
    let fourth = ingest(client, &channel, message("ada", "m4", "four")).await.ok();
    assert_eq!(
        (&fourth["decision"], &fourth["ticketStatus"], &fourth["ticketId"]),
        (&json!("REOPENED"), &json!("ACTIVE"), &first["ticketId"])
    );
    let said = client.messages(text(&first, "/chatId")).await;
    let said: Vec<&str> = said.iter().map(|(_, external_id)| external_id.as_str()).collect();
    assert_eq!(said, ["m1", "m2", "m3", "m4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_does_what_it_does_over_graphql() {
    on_both_stores(one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_message_is_named_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let before = app.node.store.heads().await.unwrap();
    let good = || message("ada", "m1", "hello");
    let changed = |pointer: &str, value: Value| {
        let mut message = good();
        *message.pointer_mut(pointer).unwrap() = value;
        message
    };
    let mut stranger = good();
    stranger["channelId"] = json!(channel);
    let mut sent = good();
    sent["sentAt"] = json!("yesterday");
    let mut huge = good();
    huge["attachments"] = json!([{ "kind": "image", "sizeBytes": 1e300 }]);
    for (body, field) in [
        (changed("/owner/externalId", json!(" ")), "owner.externalId"),
        (changed("/owner/externalId", json!(7)), "owner.externalId"),
        (changed("/owner", json!({})), "owner"),
        (changed("/text", json!("a\u{0}b")), "text"),
        (changed("/text", json!("x".repeat(16 * 1024 + 1))), "text"),
        (changed("/externalId", json!("")), "externalId"),
        (sent, "sentAt"),
        (huge, "attachments[0].sizeBytes"),
        (stranger, "channelId"),
    ] {
        let reply = ingest(&client, &channel, body).await;
        assert_eq!(reply.problem(), (400, "BAD_USER_INPUT"), "{:#}", reply.body);
        assert_eq!(reply.body["field"], field, "{:#}", reply.body);
    }
    let unknown = ingest(&client, UNKNOWN, good()).await;
    assert_eq!(unknown.problem(), (404, "NOT_FOUND"));
    let nonsense = ingest(&client, "no-uuid", good()).await;
    assert_eq!(
        (nonsense.problem(), &nonsense.body["field"]),
        ((400, "BAD_USER_INPUT"), &json!("channelId"))
    );
    let long = ingest(&client, &channel, changed("/text", json!("x".repeat(1_100_000)))).await;
    assert_eq!(long.problem(), (413, "PAYLOAD_TOO_LARGE"));
    assert_eq!(app.node.store.heads().await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_makes_a_message_without_an_id_safe_to_repeat() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let call = format!("POST /api/v1/channels/{channel}/messages");
    let send = async |text: &str| {
        let body = json!({ "owner": { "externalId": "ada" }, "text": text });
        client.rest_with(&call, &[("idempotency-key", "k1")], Some(body)).await
    };
    let (first, again) = (send("hello").await.ok(), send("hello").await.ok());
    assert_eq!(
        (&first["decision"], &again["decision"]),
        (&json!("CREATED"), &json!("DUPLICATE"))
    );
    assert_eq!(first["messageId"], again["messageId"]);
    assert_eq!(send("good bye").await.problem(), (409, "IDEMPOTENCY_MISMATCH"));
}

/// What is wrong in the middle refuses itself alone.
async fn errors(client: &Client) {
    let channel = client.channel().await;
    let long = message("ada", "long", &"x".repeat(70_000)).to_string();
    let body: Vec<Vec<u8>> = vec![
        message("ada", "m1", "one").to_string().into_bytes(),
        b"  \r".to_vec(),
        b"{\"owner\":".to_vec(),
        long.into_bytes(),
        b"{\"owner\":{\"externalId\":\"ada\"},\"text\":\"\xff\"}".to_vec(),
        b"{\"text\":\"whose?\"}".to_vec(),
        message("ada", "m1", "one").to_string().into_bytes(),
        b"[1, 2]".to_vec(),
        message("ada", "m2", "two").to_string().into_bytes(),
    ];
    // the last line has no line feed
    let answers = stream(client, &channel, body.join(&b'\n')).await;
    let told: Vec<(u64, &str)> = answers
        .iter()
        .map(|answer| {
            let said = answer.pointer("/receipt/decision").or(answer.pointer("/error/code"));
            (answer["line"].as_u64().unwrap(), said.unwrap().as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, "CREATED"),
            (3, "BAD_USER_INPUT"),
            (4, "PAYLOAD_TOO_LARGE"),
            (5, "BAD_USER_INPUT"),
            (6, "BAD_USER_INPUT"),
            (7, "DUPLICATE"),
            (8, "BAD_USER_INPUT"),
            (9, "APPENDED"),
        ]
    );
    let chat = text(&answers[0], "/receipt/chatId");
    let stored: Vec<String> = client.messages(chat).await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(stored, ["m1", "m2"]);
    assert_eq!(stream(client, &channel, "").await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_in_the_middle_of_a_stream_lose_nothing() {
    on_both_stores(errors).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_refused_before_it_begins() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let post = async |channel: &str, key: &str, media_type: &str| {
        let url = format!("{}/api/v1/channels/{channel}/messages/stream", app.url);
        let request = client.http().post(url).bearer_auth(key);
        let request = request.header("content-type", media_type).body("{}\n");
        let answer = request.send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap()["code"].clone(),
        )
    };
    let lines = "application/x-ndjson";
    assert_eq!(post(UNKNOWN, KEY, lines).await, (404, json!("NOT_FOUND")));
    assert_eq!(post(&channel, "nobody", lines).await, (401, json!("UNAUTHENTICATED")));
    let json_type = post(&channel, KEY, "application/json").await;
    assert_eq!(json_type, (415, json!("UNSUPPORTED_MEDIA_TYPE")));
}

/// A stream over a connection of its own, of which both ends are seen.
struct Wire {
    write: OwnedWriteHalf,
    answers: Answers,
}

/// The answers, taken out of their chunks.
struct Answers {
    read: BufReader<OwnedReadHalf>,
    text: Vec<u8>,
}

impl Wire {
    async fn open(app: &TestApp, channel: &str) -> Self {
        Self::open_with(app, channel, KEY).await
    }

    async fn open_with(app: &TestApp, channel: &str, key: &str) -> Self {
        let socket = TcpStream::connect(app.url.trim_start_matches("http://")).await.unwrap();
        let (read, mut write) = socket.into_split();
        let head = format!(
            "POST /api/v1/channels/{channel}/messages/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: {key}\r\n\
             content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        write.write_all(head.as_bytes()).await.unwrap();
        let mut answers = Answers {
            read: BufReader::with_capacity(1_024, read),
            text: Vec::new(),
        };
        let status = answers.header().await;
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        while !answers.header().await.is_empty() {}
        Self { write, answers }
    }
}

async fn send(write: &mut OwnedWriteHalf, text: &str) {
    let chunk = format!("{:x}\r\n{text}\r\n", text.len());
    write.write_all(chunk.as_bytes()).await.unwrap();
}

async fn finish(write: &mut OwnedWriteHalf) {
    write.write_all(b"0\r\n\r\n").await.unwrap();
}

impl Answers {
    async fn header(&mut self) -> String {
        let mut line = String::new();
        self.read.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    /// The next answer; none after the last.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let size = usize::from_str_radix(&self.header().await, 16).unwrap();
            let mut chunk = vec![0; size + 2];
            self.read.read_exact(&mut chunk).await.unwrap();
            if size == 0 {
                assert!(self.text.is_empty());
                return None;
            }
            self.text.extend_from_slice(&chunk[..size]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_comes_before_the_next_line_is_sent() {
    let app = TestApp::start().await;
    let channel = app.client().channel().await;
    let mut wire = Wire::open(&app, &channel).await;
    for number in 1..=50_u64 {
        let line = message("ada", &format!("m{number}"), "hello").to_string();
        // in two pieces, so that a line is cut in its middle
        let (head, tail) = line.split_at(20);
        send(&mut wire.write, head).await;
        send(&mut wire.write, &format!("{tail}\n")).await;
        let answer = wire.answers.next().await.unwrap();
        assert_eq!(answer["line"], number);
        let expected = if number == 1 { "CREATED" } else { "APPENDED" };
        assert_eq!(answer["receipt"]["decision"], expected);
    }
    finish(&mut wire.write).await;
    assert_eq!(wire.answers.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_key_also_between_lines() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let create = "mutation { createApiKey(input: { name: \"script\", scopes: [INGEST] }) { secret apiKey { id } } }";
    let made = client.data(create, json!({})).await["createApiKey"].clone();
    let mut wire = Wire::open_with(&app, &channel, made["secret"].as_str().unwrap()).await;
    send(&mut wire.write, "\n{\"begun\":").await;
    let revoke = format!("mutation {{ revokeApiKey(id: {}) {{ id }} }}", made["apiKey"]["id"]);
    client.data(&revoke, json!({})).await;
    let end = tokio::time::timeout(Duration::from_secs(5), wire.answers.next()).await;
    assert_eq!(end.unwrap().unwrap()["error"]["code"], "UNAUTHENTICATED");
    assert_eq!(wire.answers.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_pauses_for_too_long_ends_and_says_so() {
    let app = TestApp::start_with(None, |config| config.api.ingest_idle_timeout_ms = 50).await;
    let channel = app.client().channel().await;
    let mut wire = Wire::open(&app, &channel).await;
    let end = loop {
        let answer = wire.answers.next().await.unwrap();
        if answer["line"].is_null() {
            break answer;
        }
    };
    assert_eq!(end["error"]["code"], "TIMEOUT");
    assert_eq!(wire.answers.next().await, None);
}

const MANY: usize = 20_000;
const OWNERS: usize = 50;

fn many() -> Vec<Value> {
    (0..MANY)
        .map(|number| message(&format!("owner-{}", number % OWNERS), &format!("m{number}"), "hello"))
        .collect()
}

/// Every message is in its chat once, in the order of the lines.
async fn assert_stored(client: &Client, chats: &HashMap<usize, String>) {
    assert_eq!(chats.len(), OWNERS);
    for (owner, chat) in chats {
        let stored: Vec<String> = client.messages(chat).await.into_iter().map(|(_, id)| id).collect();
        let said: Vec<String> = (0..MANY)
            .filter(|number| number % OWNERS == *owner)
            .map(|number| format!("m{number}"))
            .collect();
        assert_eq!(stored, said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_answered_once_and_in_order_however_slowly_answers_are_taken() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let Wire { mut write, mut answers } = Wire::open(&app, &channel).await;
    let sending = tokio::spawn(async move {
        for some in many().chunks(97) {
            send(&mut write, &lines(some)).await;
        }
        finish(&mut write).await;
        write
    });
    let mut chats = HashMap::new();
    for number in 0..MANY {
        // everybody else has their turn before each answer is taken
        tokio::task::yield_now().await;
        let answer = answers.next().await.unwrap();
        assert_eq!(answer["line"], number + 1);
        let decision = text(&answer, "/receipt/decision");
        assert_eq!(decision, if number < OWNERS { "CREATED" } else { "APPENDED" });
        chats.insert(number % OWNERS, text(&answer, "/receipt/chatId").to_owned());
    }
    assert_eq!(answers.next().await, None);
    sending.await.unwrap();
    assert_stored(&client, &chats).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_cut_everything_can_be_sent_again() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let messages = many();
    let mut wire = Wire::open(&app, &channel).await;
    for some in messages[..1_000].chunks(97) {
        send(&mut wire.write, &lines(some)).await;
    }
    let half = messages[1_000].to_string();
    send(&mut wire.write, &half[..half.len() / 2]).await;
    for number in 1..=300 {
        assert_eq!(wire.answers.next().await.unwrap()["line"], number);
    }
    drop(wire);
    let answers = stream(&client, &channel, lines(&messages)).await;
    assert_eq!(answers.len(), MANY);
    let mut chats = HashMap::new();
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer["line"], number + 1);
        let decision = text(answer, "/receipt/decision");
        assert!(
            number >= 300 || decision == "DUPLICATE",
            "line {} was answered before",
            number + 1
        );
        chats.insert(number % OWNERS, text(answer, "/receipt/chatId").to_owned());
    }
    assert_stored(&client, &chats).await;
}
