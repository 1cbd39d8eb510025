//! API keys through the front door: made, used, rotated, expired, revoked.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use switchboard::api::auth::{AuthError, Authenticator};
use switchboard::clock::format_millis;
use switchboard::domain::id::{self, sha256_hex};
use switchboard::process::key_uses;

use crate::support::{Client, Frame, KEY, Redis, Socket, TestApp, eventually};

const HOUR_MS: u64 = 3_600_000;
/// How long what a key opened may go on once it opens nothing more.
const SECOND: Duration = Duration::from_secs(1);
const MADE: &str = "apiKey { id name prefix scopes channelIds agentId role createdAt expiresAt lastUsedAt
    secrets { createdAt expiresAt } } secret signingSecret";

/// A key, with what was shown once.
struct Made {
    id: String,
    secret: String,
    signing: String,
}

impl Made {
    fn of(made: &Value) -> Self {
        let text = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        Self {
            id: text("/apiKey/id"),
            secret: text("/secret"),
            signing: text("/signingSecret"),
        }
    }

    async fn new(admin: &Client, input: &str) -> Self {
        let create = format!("createApiKey(input: {{ name: \"script\", {input} }})");
        Self::of(&run(admin, &create, MADE).await)
    }

    /// With another secret from now on.
    async fn rotated(&self, admin: &Client, overlap_ms: u64) -> Self {
        let rotate = format!("rotateApiKey(id: \"{}\", overlapMs: {overlap_ms})", self.id);
        Self::of(&run(admin, &rotate, MADE).await)
    }

    fn client(&self, app: &TestApp) -> Client {
        Client::new(&app.url, &self.secret)
    }
}

async fn run(client: &Client, call: &str, fields: &str) -> Value {
    let data = client
        .data(&format!("mutation {{ {call} {{ {fields} }} }}"), json!({}))
        .await;
    data.as_object().unwrap().values().next().unwrap().clone()
}

async fn refused(client: &Client, call: &str) -> String {
    let error = client
        .error(&format!("mutation {{ {call} {{ __typename }} }}"), json!({}))
        .await;
    error["extensions"]["code"].as_str().unwrap().to_owned()
}

async fn opens(client: &Client) -> bool {
    let answer = client.send("{ viewer { keyId } }", json!({})).await.unwrap();
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    assert!(code.is_none_or(|code| code == "UNAUTHENTICATED"), "{answer:#}");
    code.is_none()
}

/// A key by its id, as `apiKeys` shows it.
async fn shown(admin: &Client, id: &str) -> Value {
    let fields = "id name scopes channelIds lastUsedAt secrets { createdAt expiresAt }";
    let keys = admin.data(&format!("{{ apiKeys {{ {fields} }} }}"), json!({})).await;
    let keys = keys["apiKeys"].as_array().unwrap();
    keys.iter().find(|key| key["id"] == id).cloned().unwrap_or_default()
}

/// When a key was used last, as soon as that is not what it was.
async fn used(admin: &Client, (client, id): (&Client, &str), but: &Value) -> Value {
    eventually("the use", || async {
        assert!(opens(client).await);
        let at = shown(admin, id).await["lastUsedAt"].clone();
        (!at.is_null() && at != *but).then_some(at)
    })
    .await
}

/// A socket with a subscription that has begun.
async fn watching(app: &TestApp, key: &str) -> Socket {
    let mut socket = Socket::connect(&app.url, key).await;
    socket
        .subscribe("1", "subscription { queueStats { new } }", json!({}))
        .await;
    socket.item().await.unwrap();
    socket
}

/// An event stream that has begun.
async fn streaming(client: &Client) -> reqwest::Response {
    let request = client.http().post(format!("{}/graphql/stream", client.url));
    let request = request.bearer_auth(&client.key);
    let watch = json!({ "query": "subscription { queueStats { new } }" });
    let mut stream = request.json(&watch).send().await.unwrap();
    let mut text = String::new();
    while !text.contains("\"new\"") {
        text.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().unwrap()));
    }
    stream
}

async fn ends_within_a_second(mut socket: Socket, mut stream: Option<reqwest::Response>) {
    let ends = async {
        let (code, _) = socket.closed().await;
        assert_eq!(code, 4403);
        if let Some(stream) = &mut stream {
            while stream.chunk().await.unwrap().is_some() {}
        }
    };
    tokio::time::timeout(SECOND, ends)
        .await
        .expect("it ends within a second");
}

async fn a_key_lives(app: &TestApp) {
    let admin = app.client();
    let events = "subscription { events(types: [\"key.created\", \"key.updated\", \"key.rotated\", \"key.revoked\"]) {
        ... on Event { type actor { id } data patch { target oldValue value } } } }";
    let mut watch = Socket::connect(&app.url, KEY).await;
    watch.subscribe("1", events, json!({})).await;
    // the answer to a second operation shows that the first has begun
    watch.subscribe("2", "{ viewer { keyId } }", json!({})).await;
    while !matches!(watch.next().await, Frame::Json(frame) if frame["type"] == "complete") {}
    let create = "createApiKey(input: { name: \"script\", scopes: [READ] }, idempotencyKey: \"k\")";
    let answer = run(&admin, create, MADE).await;
    let first = Made::of(&answer);
    assert_eq!(answer["apiKey"]["prefix"].as_str().unwrap(), &first.secret[..36]);
    assert_eq!(first.secret.len(), 36 + 1 + 43);
    assert_eq!(answer["apiKey"]["scopes"], json!(["READ"]));
    assert!(answer["apiKey"]["lastUsedAt"].is_null() && answer["apiKey"]["role"].is_null());
    let repeat = run(&admin, create, MADE).await;
    assert_eq!(repeat["apiKey"]["id"], first.id.as_str());
    assert!(
        repeat["secret"].is_null() && repeat["signingSecret"].is_null(),
        "{repeat:#}"
    );
    assert!(opens(&first.client(app)).await);
    let rename = format!("updateApiKey(id: \"{}\", input: {{ name: \"other\" }})", first.id);
    assert_eq!(run(&admin, &rename, "name").await["name"], "other");
    let second = first.rotated(&admin, HOUR_MS).await;
    assert_eq!(second.id, first.id);
    assert!(opens(&first.client(app)).await && opens(&second.client(app)).await);
    let revoke = format!("revokeApiKey(id: \"{}\", idempotencyKey: \"r\")", first.id);
    for _ in 0..2 {
        assert_eq!(run(&admin, &revoke, "id").await["id"], first.id.as_str());
    }
    assert!(!opens(&first.client(app)).await && !opens(&second.client(app)).await);
    let mut seen = vec![answer["apiKey"].clone(), repeat, shown(&admin, &first.id).await];
    for name in ["key.created", "key.updated", "key.rotated", "key.revoked"] {
        let event = watch.item().await.unwrap()["events"].clone();
        assert_eq!(event["type"], name, "{event:#}");
        seen.push(event);
    }
    assert_eq!(
        seen[4]["patch"],
        json!([{ "target": "name", "oldValue": "script", "value": "other" }])
    );
    let seen = Value::from(seen).to_string();
    for made in [&first, &second] {
        for secret in [&made.secret[37..], &sha256_hex(made.secret.as_bytes()), &made.signing] {
            assert!(!seen.contains(secret), "{secret} is shown again: {seen}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_opens_until_it_is_revoked() {
    a_key_lives(&TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_opens_until_it_is_revoked_on_redis() {
    a_key_lives(&TestApp::on_redis(&Redis::start()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_before_ends_after_the_overlap_and_its_sockets_with_it() {
    let app = TestApp::start().await;
    let admin = app.client();
    let first = Made::new(&admin, "scopes: [READ]").await;
    let second = first.rotated(&admin, HOUR_MS).await;
    let rotate = format!("rotateApiKey(id: \"{}\")", first.id);
    assert_eq!(refused(&admin, &rotate).await, "LIMIT_REACHED");
    for wrong in ["-1", "2592000001", "0.5"] {
        let rotate = format!("rotateApiKey(id: \"{}\", overlapMs: {wrong})", first.id);
        assert_eq!(refused(&admin, &rotate).await, "BAD_USER_INPUT", "{wrong}");
    }
    let (old, mut new) = (
        watching(&app, &first.secret).await,
        watching(&app, &second.secret).await,
    );
    app.clock.advance(HOUR_MS);
    ends_within_a_second(old, None).await;
    assert!(new.is_silent(600).await, "the new secret goes on");
    assert!(!opens(&first.client(&app)).await && opens(&second.client(&app)).await);
    let third = second.rotated(&admin, 0).await;
    ends_within_a_second(new, None).await;
    assert!(!opens(&second.client(&app)).await && opens(&third.client(&app)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_expires_and_what_it_opened_ends() {
    let app = TestApp::start().await;
    let admin = app.client();
    let at = format_millis(app.clock.now() + HOUR_MS);
    let made = Made::new(&admin, &format!("scopes: [READ], expiresAt: \"{at}\"")).await;
    let client = made.client(&app);
    let (socket, stream) = (watching(&app, &made.secret).await, streaming(&client).await);
    app.clock.advance(HOUR_MS);
    ends_within_a_second(socket, Some(stream)).await;
    let answer = client.send("{ viewer { keyId } }", json!({})).await.unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    let lasting = format!("updateApiKey(id: \"{}\", input: {{ expiresAt: null }})", made.id);
    assert!(run(&admin, &lasting, "expiresAt").await["expiresAt"].is_null());
    assert!(opens(&client).await);
}

async fn revocation_ends_what_is_open(app: &TestApp) {
    let admin = app.client();
    let (made, other) = (
        Made::new(&admin, "scopes: [READ]").await,
        Made::new(&admin, "scopes: [READ]").await,
    );
    let mut bystander = watching(app, &other.secret).await;
    let (socket, stream) = (watching(app, &made.secret).await, streaming(&made.client(app)).await);
    run(&admin, &format!("revokeApiKey(id: \"{}\")", made.id), "id").await;
    ends_within_a_second(socket, Some(stream)).await;
    assert!(
        bystander.is_silent(300).await,
        "equal subscriptions of another key go on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_ends_sockets_and_streams_within_a_second() {
    revocation_ends_what_is_open(&TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_ends_sockets_and_streams_within_a_second_on_redis() {
    revocation_ends_what_is_open(&TestApp::on_redis(&Redis::start()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_a_key_opens_ends_its_sockets_and_a_new_name_does_not() {
    let app = TestApp::start().await;
    let admin = app.client();
    let made = Made::new(&admin, "scopes: [READ]").await;
    let mut socket = watching(&app, &made.secret).await;
    let change = |input: &str| format!("updateApiKey(id: \"{}\", input: {{ {input} }})", made.id);
    run(&admin, &change("name: \"other\""), "id").await;
    assert!(socket.is_silent(600).await);
    run(&admin, &change("scopes: [READ, INGEST]"), "id").await;
    ends_within_a_second(socket, None).await;
    let channel = admin.channel().await;
    let socket = watching(&app, &made.secret).await;
    run(&admin, &change(&format!("channelIds: [\"{channel}\"]")), "id").await;
    ends_within_a_second(socket, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_known_within_an_hour() {
    let app = TestApp::start().await;
    let admin = app.client();
    let made = Made::new(&admin, "scopes: [READ]").await;
    let client = made.client(&app);
    assert!(shown(&admin, &made.id).await["lastUsedAt"].is_null());
    let first = used(&admin, (&client, &made.id), &Value::Null).await;
    let before = app.node.store.heads().await.unwrap();
    for _ in 0..50 {
        assert!(opens(&client).await);
    }
    assert_eq!(shown(&admin, &made.id).await["lastUsedAt"], first);
    let after = app.node.store.heads().await.unwrap();
    assert_eq!(after, before, "a key in use writes nothing more");
    app.clock.advance(HOUR_MS);
    let second = used(&admin, (&client, &made.id), &first).await;
    assert!(second.as_str() > first.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_can_always_make_keys() {
    let app = TestApp::start().await;
    let admin = app.client();
    let own = admin.data("{ viewer { keyId } }", json!({})).await["viewer"]["keyId"].clone();
    assert_eq!(own, id::key(&sha256_hex(KEY.as_bytes())).to_string());
    let revoke = format!("revokeApiKey(id: {own})");
    assert_eq!(refused(&admin, &revoke).await, "LAST_ADMIN_KEY");
    let lower = format!("updateApiKey(id: {own}, input: {{ scopes: [WRITE] }})");
    assert_eq!(refused(&admin, &lower).await, "LAST_ADMIN_KEY");
    let other = Made::new(&admin, "scopes: [ADMIN]").await;
    run(&other.client(&app), &revoke, "id").await;
    assert!(!opens(&admin).await);
    let last = format!("revokeApiKey(id: \"{}\")", other.id);
    assert_eq!(refused(&other.client(&app), &last).await, "LAST_ADMIN_KEY");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_what_their_key_opens() {
    let app = TestApp::start().await;
    let admin = app.client();
    let (channel, _) = (admin.channel().await, admin.channel().await);
    let agent = admin.agent().await;
    let input = format!("scopes: [WRITE], channelIds: [\"{channel}\"], agentId: \"{agent}\", role: SUPERVISOR");
    let made = Made::new(&admin, &input).await;
    let query = "{ viewer { keyId name scopes channels { id } agent { id } role } }";
    let viewer = made.client(&app).data(query, json!({})).await;
    let expected = json!({ "keyId": made.id, "name": "script", "scopes": ["WRITE"], "channels": [{ "id": channel }],
        "agent": { "id": agent }, "role": "SUPERVISOR" });
    assert_eq!(viewer["viewer"], expected);
    let viewer = admin.data(query, json!({})).await["viewer"].clone();
    assert_eq!(
        (&viewer["scopes"], viewer["channels"].as_array().unwrap().len()),
        (&json!(["ADMIN"]), 2)
    );
}

fn sign(secret: &str, text: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text);
    let digest = mac.finalize().into_bytes();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_opens_what_its_key_opens() {
    let app = TestApp::start().await;
    let admin = app.client();
    let services = &app.node.services;
    let (uses, _told) = key_uses();
    let auth = Authenticator::new(
        services.live.clone(),
        services.clock.clone(),
        services.signing.clone(),
        uses,
    );
    let first = Made::new(&admin, "scopes: [READ]").await;
    let second = first.rotated(&admin, HOUR_MS).await;
    let held = auth.authenticate(Some(&second.secret)).unwrap();
    let prefix = &first.secret[..36];
    for name in [first.id.as_str(), prefix] {
        assert_eq!(
            auth.signed(name, b"text", &sign(&second.signing, b"text")),
            Ok(held.clone())
        );
        assert!(auth.signed(name, b"text", &sign(&first.signing, b"text")).is_ok());
    }
    let wrong = Err(AuthError::Signature);
    assert_eq!(auth.signed(prefix, b"other", &sign(&second.signing, b"text")), wrong);
    assert_eq!(auth.signed(prefix, b"text", &sign(&second.secret, b"text")), wrong);
    assert_eq!(auth.signed(prefix, b"text", ""), wrong);
    let other = Made::new(&admin, "scopes: [READ]").await;
    assert_eq!(auth.signed(&other.id, b"text", &sign(&second.signing, b"text")), wrong);
    assert_eq!(auth.signed("sbk_", b"text", ""), Err(AuthError::Unknown));
    app.clock.advance(HOUR_MS);
    assert_eq!(auth.signed(prefix, b"text", &sign(&first.signing, b"text")), wrong);
    assert!(auth.signed(prefix, b"text", &sign(&second.signing, b"text")).is_ok());
    assert!(auth.is_live(&held));
    run(&admin, &format!("revokeApiKey(id: \"{}\")", first.id), "id").await;
    let unknown = auth.signed(prefix, b"text", &sign(&second.signing, b"text"));
    assert_eq!(unknown, Err(AuthError::Unknown));
    assert!(!auth.is_live(&held));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_contact_with_chats_elsewhere_a_limited_key_knows_those_here() {
    let app = TestApp::start().await;
    let admin = app.client();
    let (here, elsewhere) = (admin.channel().await, admin.channel().await);
    let limited = Made::new(&admin, &format!("scopes: [WRITE], channelIds: [\"{here}\"]")).await;
    let limited = limited.client(&app);
    let mut contacts = Vec::new();
    for channel in [&here, &elsewhere] {
        let said = admin.say(channel, "ada", "m1", "hello").await;
        let chat = said["chat"]["id"].as_str().unwrap();
        let asked = format!("{{ chat(id: \"{chat}\") {{ contact {{ id }} }} }}");
        let found = admin.data(&asked, json!({})).await;
        contacts.push(found["chat"]["contact"]["id"].as_str().unwrap().to_owned());
    }
    let [one, other] = [&contacts[0], &contacts[1]];
    let update = |id: &str| format!("updateContact(id: \"{id}\", input: {{ note: \"between us\", phones: [\"+1\"] }})");
    run(&limited, &update(one), "id").await;
    let asked = format!("{{ contact(id: \"{one}\") {{ note phones identities {{ externalId }} }} }}");
    let whole = limited.data(&asked, json!({})).await;
    assert_eq!(whole["contact"]["note"], "between us");
    run(
        &admin,
        &format!("mergeContacts(contactId: \"{other}\", into: \"{one}\")"),
        "id",
    )
    .await;
    let part = limited.data(&asked, json!({})).await;
    let expected = json!({ "note": null, "phones": [], "identities": [{ "externalId": "ada" }] });
    assert_eq!(part["contact"], expected);
    assert_eq!(refused(&limited, &update(one)).await, "FORBIDDEN");
    let known = admin.data(&asked, json!({})).await;
    assert_eq!(known["contact"]["phones"], json!(["+1"]));
}
