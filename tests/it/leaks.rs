//! No secret is found in what the program writes or says: its log at its loudest, its data, Redis, errors, metrics.

mod needles;
pub mod program;

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use self::needles::{Haystack, Secret};
use self::program::Program;
use crate::support::{Client, KEY, Redis, Socket};

/// Found everywhere where messages are, so that a search that finds nothing cannot pass.
const CANARY: &str = "canary-4d1f0c5e77";
const TELEGRAM: &str = "Telegram_secret-0b7e4f9a2c6d81e35f";
const NEXT_TELEGRAM: &str = "Telegram_secret-the_next-93c1d7";
const REDIS: &str = "redis/p@ss+word=5a1c9e";
/// Sent by mistake: they open nothing here, and may open something elsewhere.
const WRONG_KEY: &str = "sbk_00000000000040008000000000000000_wrong-key-of-somebody-else-7c21f0a9";
const WRONG_TELEGRAM: &str = "Telegram_secret-of_another_bot-61f2";
const WRONG_PASSWORD: &str = "basic/p@ssword+of=a-proxy-84d0";

/// Tells the program everything, and remembers what it says.
struct Teller {
    client: Client,
    /// All that was said but for the answers that show a new secret.
    heard: String,
    secrets: Vec<Secret>,
}

impl Teller {
    async fn hear(&mut self, request: reqwest::RequestBuilder) -> u16 {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        writeln!(self.heard, "{:?}", answer.headers()).unwrap();
        self.heard.push_str(&answer.text().await.unwrap_or_default());
        status
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.client.url);
        self.client.http().request(method.parse().unwrap(), url)
    }

    async fn ask(&mut self, key: &str, query: &str, variables: Value) -> Value {
        let request = self.request("POST", "/graphql").bearer_auth(key);
        let request = request.json(&json!({ "query": query, "variables": variables }));
        let before = self.heard.len();
        self.hear(request).await;
        let body = self.heard[before..].split_once('\n').unwrap().1;
        serde_json::from_str(body).unwrap()
    }

    /// An answer that shows a secret, which is not heard.
    async fn issue(&mut self, call: &str) -> (String, String, String) {
        let fields = "apiKey { id } secret signingSecret";
        let data = self
            .client
            .data(&format!("mutation {{ {call} {{ {fields} }} }}"), json!({}))
            .await;
        let issued = data.as_object().unwrap().values().next().unwrap();
        let text = |pointer: &str| issued.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let (key, signing) = (text("/secret"), text("/signingSecret"));
        self.secrets.push(Secret::new(call, &key));
        // the part that is not the id
        self.secrets.push(Secret::new(call, &key[key.len() - 40..]));
        self.secrets.push(Secret::new(call, &signing));
        (text("/apiKey/id"), key, signing)
    }

    /// What a webhook signs with is heard by nobody but its receiver.
    async fn issue_webhook(&mut self) {
        let create = "createWebhook(input: { name: \"desk\", url: \"https://receiver.invalid\" })";
        let made = crate::support::story::run(&self.client, create, "webhook { id } secret").await;
        let rotate = format!("rotateWebhookSecret(id: {})", made["webhook"]["id"]);
        let rotated = crate::support::story::run(&self.client, &rotate, "secret").await;
        for secret in [&made["secret"], &rotated["secret"]] {
            let secret = secret.as_str().unwrap();
            self.secrets.push(Secret::new("webhook", secret));
            self.secrets
                .push(Secret::new("webhook", secret.strip_prefix("whsec_").unwrap()));
        }
    }
}

fn known_secrets() -> Vec<Secret> {
    [
        KEY,
        TELEGRAM,
        NEXT_TELEGRAM,
        REDIS,
        WRONG_KEY,
        WRONG_TELEGRAM,
        WRONG_PASSWORD,
    ]
    .map(|text| Secret::new(text, text))
    .into()
}

fn signature(secret: &str, signed: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every way to show a key, with one that opens something or not.
async fn show(teller: &mut Teller, key: &str) {
    let query = json!({ "query": "{ channels { id } }" });
    let authorizations = [
        key.to_owned(),
        format!("Bearer {key}"),
        format!("bearer  {key} "),
        format!("Token {key}"),
    ];
    for authorization in authorizations {
        for (method, path) in [
            ("POST", "/graphql"),
            ("POST", "/graphql/stream"),
            ("GET", "/api/v1/tags"),
        ] {
            let request = teller.request(method, path).header("authorization", &authorization);
            teller.hear(request.header("accept", "*/*").json(&query)).await;
        }
    }
    let request = teller.request("GET", "/api/v1/tags").basic_auth(key, Some(key));
    teller.hear(request).await;
    // in places where no key belongs
    for (name, value) in [
        ("x-api-key", key),
        ("cookie", key),
        ("x-yolead-key", key),
        ("x-yolead-signature", key),
    ] {
        let request = teller.request("GET", "/api/v1/tags").header(name, value);
        teller.hear(request).await;
    }
    for path in [
        format!("/graphql?access_token={key}"),
        format!("/api/v1/tags?key={key}"),
        format!("/hooks/telegram/x?secret={key}"),
    ] {
        let request = teller.request("GET", &path);
        teller.hear(request).await;
    }
    for payload in [
        json!({ "authorization": key }),
        json!({ "authorization": { "key": key } }),
        json!({ "token": key }),
    ] {
        let mut socket = Socket::raw(&teller.client.url).await;
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        let frame = socket.next().await;
        writeln!(teller.heard, "{frame:?}").unwrap();
    }
}

async fn keys(teller: &mut Teller, ticket: &str) -> String {
    let create = "createApiKey(input: { name: \"script\", scopes: [READ, WRITE] })";
    let (id, key, signing) = teller.issue(create).await;
    teller.issue_webhook().await;
    show(teller, &key).await;
    let rotate = format!("rotateApiKey(id: \"{id}\", overlapMs: 60000)");
    let (_, next, _) = teller.issue(&rotate).await;
    show(teller, &next).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let body = "{\"status\":\"inactive\"}";
    let right = signature(&signing, &format!("{now}.{body}"));
    for (signature, known) in [(right, true), (signature(&key, body), false), (signing, false)] {
        let request = teller
            .request("PATCH", &format!("/v1/tickets/{ticket}/status"))
            .header("content-type", "application/json")
            .header("x-yolead-key", &id)
            .header("x-yolead-timestamp", now.to_string())
            .header("x-yolead-signature", signature)
            .body(body);
        assert_eq!(teller.hear(request).await != 401, known, "a signed request");
    }
    let listed = teller.ask(KEY, "{ apiKeys { id name } }", json!({})).await;
    assert!(listed["data"]["apiKeys"].to_string().contains(&id), "{listed}");
    let refused = teller.ask(
        &next,
        "mutation { createApiKey(input: { name: \"x\", scopes: [ADMIN] }) { secret } }",
        json!({}),
    );
    assert_eq!(refused.await["errors"][0]["extensions"]["code"], "FORBIDDEN");
    id
}

async fn telegram(teller: &mut Teller) {
    let create = "mutation($type: ChannelType!, $config: JSON) { createChannel(input: { type: $type, name: \"bot\", config: $config }) { id } }";
    let made = teller
        .ask(
            KEY,
            create,
            json!({ "type": "TELEGRAM", "config": { "secretToken": TELEGRAM } }),
        )
        .await;
    let channel = made["data"]["createChannel"]["id"].as_str().unwrap().to_owned();
    let update = "mutation($id: UUID!, $config: JSON) { updateChannel(id: $id, input: { config: $config }) { id } }";
    let hook = format!("/hooks/telegram/{channel}");
    let message = json!({ "update_id": 1, "message": { "message_id": 1, "date": 1_760_000_000,
        "chat": { "id": 7, "type": "private" }, "from": { "id": 7, "is_bot": false, "first_name": "Ada" }, "text": CANARY } });
    for (secret, body, status) in [
        (TELEGRAM, message.to_string(), 200),
        (TELEGRAM, "{".to_owned(), 400),
        (WRONG_TELEGRAM, message.to_string(), 401),
        (KEY, message.to_string(), 401),
    ] {
        let request = teller
            .request("POST", &hook)
            .header("X-Telegram-Bot-Api-Secret-Token", secret);
        assert_eq!(teller.hear(request.body(body)).await, status, "the hook");
    }
    // settings that are refused do not repeat what was given
    for config in [
        json!({ "secret": TELEGRAM }),
        json!({ "secretToken": [TELEGRAM] }),
        json!({ "secretToken": { "a": TELEGRAM } }),
        json!({ "secretToken": format!("{TELEGRAM} ä") }),
        json!([TELEGRAM]),
        json!(TELEGRAM),
    ] {
        for kind in ["TELEGRAM", "API"] {
            let refused = teller.ask(KEY, create, json!({ "type": kind, "config": config })).await;
            assert!(refused["errors"].is_array(), "{kind} {config}");
        }
        teller
            .ask(KEY, update, json!({ "id": channel, "config": config }))
            .await;
    }
    teller
        .ask(
            KEY,
            update,
            json!({ "id": channel, "config": { "secretToken": NEXT_TELEGRAM } }),
        )
        .await;
}

/// Everything that can be read back.
async fn read_back(teller: &mut Teller, after: &Value, key_id: &str) {
    for path in [
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/api/v1/keys",
        "/api/v1/channels",
        "/api/v1/tags",
    ] {
        let request = teller.request("GET", path).bearer_auth(KEY);
        teller.hear(request).await;
    }
    let mut socket = Socket::connect(&teller.client.url, KEY).await;
    let events = "subscription($after: Cursor) { events(after: $after) { ... on Event { type data patch { target oldValue value } } } }";
    socket.subscribe("1", events, json!({ "after": after })).await;
    let mut saw_key = false;
    loop {
        let item = socket.item().await.unwrap().to_string();
        saw_key = saw_key || item.contains("key.created") || item.contains(key_id);
        let is_last = item.contains("channel.updated");
        teller.heard.push_str(&item);
        if is_last {
            break;
        }
    }
    assert!(saw_key, "an event of the key");
}

async fn story(client: Client) -> Teller {
    let mut teller = Teller {
        client,
        heard: String::new(),
        secrets: known_secrets(),
    };
    let channel = teller.client.channel().await;
    let agent = teller.client.agent().await;
    let said = teller.client.say(&channel, "ada", "m1", CANARY).await;
    let ticket = said["ticket"]["id"].as_str().unwrap().to_owned();
    let take = teller
        .client
        .ticket_command("takeTicket", &ticket, &format!(", agentId: \"{agent}\""))
        .await;
    assert!(take["errors"].is_null(), "{take}");
    let key_id = keys(&mut teller, &ticket).await;
    show(&mut teller, KEY).await;
    show(&mut teller, WRONG_KEY).await;
    let request = teller
        .request("GET", "/api/v1/tags")
        .basic_auth("proxy", Some(WRONG_PASSWORD));
    teller.hear(request).await;
    telegram(&mut teller).await;
    read_back(&mut teller, &said["cursor"], &key_id).await;
    let revoke = format!("mutation {{ revokeApiKey(id: \"{key_id}\") {{ __typename }} }}");
    teller.ask(KEY, &revoke, json!({})).await;
    teller
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_beside_the_embedded_store() {
    let mut program = Program::start(None, "text").await;
    let teller = story(program.client()).await;
    program.end();
    let mut hay = Haystack::default();
    hay.add_file("the log", &program.log());
    let data = hay.add_directory("the data", &program.data());
    hay.add("an answer", teller.heard.as_bytes());
    assert!(data.contains(CANARY), "the data can be searched");
    hay.assert_without(&teller.secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_beside_redis() {
    let redis = Redis::start();
    let directory = redis.cli(&["CONFIG", "GET", "dir"]);
    let directory = directory.lines().nth(1).unwrap().to_owned();
    assert_eq!(redis.cli(&["CONFIG", "SET", "requirepass", REDIS]).trim(), "OK");
    let escaped = needles::percent(REDIS);
    let url = redis.url().replace("redis://", &format!("redis://:{escaped}@"));
    let mut program = Program::start(Some(&url), "json").await;
    let teller = story(program.client()).await;
    program.end();
    let mut hay = Haystack::default();
    hay.add_file("the log", &program.log());
    hay.add_directory("the view", &program.data());
    let kept = hay.add_directory("Redis", directory.as_ref());
    hay.add("an answer", teller.heard.as_bytes());
    assert!(kept.contains(CANARY), "what Redis keeps can be searched");
    hay.assert_without(&teller.secrets);
    // nor where the password is wrong
    let wrong = url.replace(&escaped, &needles::percent(WRONG_PASSWORD));
    let refused = Program::refused(&wrong);
    assert!(!refused.is_empty(), "it says why it does not start");
    let mut hay = Haystack::default();
    hay.add("the refusal", refused.as_bytes());
    hay.assert_without(&[Secret::new("the wrong password", WRONG_PASSWORD)]);
}
