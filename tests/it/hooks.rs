//! Telegram's Updates through the hook: what is stored, what is refused, what is ignored.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const SECRET: &str = "s3cret_Token-1";

struct Bot {
    app: TestApp,
    client: Client,
    channel: String,
}

impl Bot {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let client = app.client();
        let made = client
            .data(
                "mutation($config: JSON) { createChannel(input: { type: TELEGRAM, name: \"bot\", config: $config }) { id } }",
                json!({ "config": { "secretToken": SECRET } }),
            )
            .await;
        let channel = made["createChannel"]["id"].as_str().unwrap().to_owned();
        Self { app, client, channel }
    }

    async fn post(&self, channel: &str, secret: Option<&str>, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let url = format!("{}/hooks/telegram/{channel}", self.app.url);
        let mut request = self
            .client
            .http()
            .post(url)
            .header("content-type", "application/json")
            .body(body);
        if let Some(secret) = secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    async fn update(&self, update: &Value) -> Value {
        let (status, answer) = self.post(&self.channel, Some(SECRET), update.to_string()).await;
        assert_eq!(status, 200, "{answer:#}");
        answer
    }

    /// The tickets with all that an Update can fill.
    async fn tickets(&self) -> Vec<Value> {
        let query = "{ tickets { edges { node { status chat { owner { externalId name } } messages(first: 10) { edges { node {
            text externalId sentAt editedAt author { kind id name } attachments { kind url name mimeType sizeBytes } } } } } } } }";
        let data = self.client.data(query, json!({})).await;
        let edges = data["tickets"]["edges"].as_array().unwrap().iter();
        edges.map(|edge| edge["node"].clone()).collect()
    }
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/telegram/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn milliseconds(text: &Value) -> i64 {
    let instant: jiff::Timestamp = text.as_str().unwrap().parse().unwrap();
    instant.as_millisecond()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_becomes_a_ticket() {
    let bot = Bot::start().await;
    let update = fixture("text");
    let message = &update["message"];
    assert_eq!(bot.update(&update).await["decision"], "CREATED");
    let tickets = bot.tickets().await;
    assert_eq!(tickets.len(), 1);
    assert_eq!(tickets[0]["status"], "NEW");
    let owner = &tickets[0]["chat"]["owner"];
    assert_eq!(owner["externalId"], message["chat"]["id"].to_string());
    let first_name = message["chat"]["first_name"].as_str().unwrap();
    assert!(owner["name"].as_str().unwrap().starts_with(first_name));
    let stored = &tickets[0]["messages"]["edges"][0]["node"];
    assert_eq!(stored["text"], message["text"]);
    assert_eq!(stored["externalId"], message["message_id"].to_string());
    assert_eq!(
        milliseconds(&stored["sentAt"]),
        message["date"].as_i64().unwrap() * 1_000
    );
    assert_eq!(
        (&stored["author"]["kind"], &stored["author"]["name"]),
        (&json!("OWNER"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_contacts_and_stickers_are_attached() {
    for (name, kind) in [
        ("photo", "image"),
        ("document", "document"),
        ("sticker", "sticker"),
        ("contact", "contact"),
    ] {
        let bot = Bot::start().await;
        let update = fixture(name);
        let message = &update["message"];
        bot.update(&update).await;
        let stored = bot.tickets().await[0]["messages"]["edges"][0]["node"].clone();
        let attachment = &stored["attachments"][0];
        assert_eq!(attachment["kind"], kind);
        assert_eq!(stored["text"], message["caption"], "a caption is the text");
        let area = |size: &&Value| size["width"].as_u64().unwrap() * size["height"].as_u64().unwrap();
        let largest = message["photo"]
            .as_array()
            .and_then(|sizes| sizes.iter().max_by_key(area))
            .unwrap_or(&Value::Null);
        let (file, url) = match name {
            "photo" => (largest, "telegram:file/"),
            "contact" => (&message["contact"], "tel:"),
            other => (&message[other], "telegram:file/"),
        };
        let place = file.get("file_id").unwrap_or(&file["phone_number"]).as_str().unwrap();
        assert_eq!(attachment["url"], format!("{url}{place}"));
        if name == "document" {
            assert_eq!(
                (&attachment["name"], &attachment["mimeType"]),
                (&file["file_name"], &file["mime_type"])
            );
            assert_eq!(attachment["sizeBytes"].as_f64(), file["file_size"].as_f64());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_replaces_the_text() {
    let bot = Bot::start().await;
    let edit = fixture("edited_message");
    let mut said = edit.clone();
    said["message"] = edit["edited_message"].clone();
    said.as_object_mut().unwrap().remove("edited_message");
    said["update_id"] = json!(1);
    said["message"]["text"] = json!("before");
    assert_eq!(bot.update(&said).await["decision"], "CREATED");
    assert_eq!(bot.update(&edit).await["decision"], "EDITED");
    assert_eq!(bot.update(&edit).await["decision"], "DUPLICATE");
    assert_edited(&bot, &edit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_comes_before_its_message_waits_for_it() {
    let bot = Bot::start().await;
    let edit = fixture("edited_message");
    let mut said = edit.clone();
    said["message"] = edit["edited_message"].clone();
    said.as_object_mut().unwrap().remove("edited_message");
    said["update_id"] = json!(1);
    said["message"]["text"] = json!("before");
    assert_eq!(bot.update(&edit).await["decision"], "PARKED");
    assert!(bot.tickets().await.is_empty());
    assert_eq!(bot.update(&edit).await["decision"], "DUPLICATE");
    assert_eq!(bot.update(&said).await["decision"], "CREATED");
    assert_edited(&bot, &edit).await;
}

async fn assert_edited(bot: &Bot, edit: &Value) {
    let tickets = bot.tickets().await;
    let messages = tickets[0]["messages"]["edges"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
    let stored = &messages[0]["node"];
    assert_eq!(stored["text"], edit["edited_message"]["text"]);
    let edited_at = edit["edited_message"]["edit_date"].as_i64().unwrap() * 1_000;
    assert_eq!(milliseconds(&stored["editedAt"]), edited_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_the_owner_and_its_members_are_authors() {
    let bot = Bot::start().await;
    let update = fixture("group");
    bot.update(&update).await;
    let tickets = bot.tickets().await;
    assert_eq!(tickets[0]["chat"]["owner"]["name"], update["message"]["chat"]["title"]);
    let author = tickets[0]["messages"]["edges"][0]["node"]["author"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(author.starts_with(update["message"]["from"]["first_name"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_acknowledged_and_ignored() {
    let bot = Bot::start().await;
    let before = bot.app.node.store.heads().await.unwrap();
    for name in ["new_chat_members", "callback_query", "channel_post"] {
        assert_eq!(bot.update(&fixture(name)).await["decision"], "IGNORED", "{name}");
    }
    assert_eq!(bot.app.node.store.heads().await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_stored_once_however_often_and_in_whatever_wrapping_it_comes() {
    let bot = Bot::start().await;
    let update = fixture("text");
    let answers = join_all((0..5).map(|_| bot.update(&update))).await;
    let count = |decision: &str| answers.iter().filter(|answer| answer["decision"] == decision).count();
    assert_eq!((count("CREATED"), count("DUPLICATE")), (1, 4));
    let mut again = update.clone();
    again["update_id"] = json!(999_999);
    assert_eq!(
        bot.update(&again).await["decision"],
        "DUPLICATE",
        "the message id is known"
    );
    assert_eq!(bot.tickets().await[0]["messages"]["edges"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_nonsense_are_refused_and_nothing_is_stored() {
    let bot = Bot::start().await;
    let update = fixture("text").to_string();
    let other = bot.client.channel().await;
    let before = bot.app.node.store.heads().await.unwrap();
    let unknown = "00000000-0000-4000-8000-000000000000";
    let huge = format!("{{\"update_id\":1,\"x\":\"{}\"}}", "y".repeat(1_100_000));
    let cases: [(&str, Option<&str>, &str, u16, &str); 10] = [
        (&bot.channel, None, &update, 401, "UNAUTHENTICATED"),
        (&bot.channel, Some("wrong"), &update, 401, "UNAUTHENTICATED"),
        (&bot.channel, Some(""), &update, 401, "UNAUTHENTICATED"),
        (unknown, Some(SECRET), &update, 404, "NOT_FOUND"),
        ("no-uuid", Some(SECRET), &update, 404, "NOT_FOUND"),
        (&other, Some(SECRET), &update, 404, "NOT_FOUND"),
        (&bot.channel, Some(SECRET), "{", 400, "BAD_REQUEST"),
        (&bot.channel, Some(SECRET), "{\"message\":{}}", 400, "BAD_REQUEST"),
        (
            &bot.channel,
            Some(SECRET),
            "{\"update_id\":1,\"message\":{\"message_id\":\"private words\"}}",
            400,
            "BAD_REQUEST",
        ),
        (&bot.channel, Some(SECRET), &huge, 413, "PAYLOAD_TOO_LARGE"),
    ];
    for (channel, secret, body, status, code) in cases {
        let (answered, problem) = bot.post(channel, secret, body.to_owned()).await;
        assert_eq!((answered, problem["code"].as_str()), (status, Some(code)), "{body:.80}");
        assert_eq!(problem["status"], status);
        assert!(
            !problem.to_string().contains("private words"),
            "an error never quotes a message"
        );
    }
    assert_eq!(bot.app.node.store.heads().await.unwrap(), before);
}
