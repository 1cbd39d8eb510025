//! A signature in place of a key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{UNKNOWN, begin};
use crate::support::story::{run, text};
use crate::support::{Client, TestApp};

/// A key that signs.
struct Signer {
    app: TestApp,
    client: Client,
    key: String,
    secret: String,
}

impl Signer {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let client = app.client();
        let call = "createApiKey(input: { name: \"yolead\", scopes: [READ, WRITE] })";
        let made = run(&client, call, "apiKey { id } signingSecret").await;
        Self {
            key: text(&made, "/apiKey/id").to_owned(),
            secret: text(&made, "/signingSecret").to_owned(),
            client,
            app,
        }
    }

    fn now(&self) -> u64 {
        self.app.clock.now()
    }

    fn sign(&self, timestamp: u64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(format!("{timestamp}.{body}").as_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn headers(&self, timestamp: u64, body: &str) -> Vec<(&'static str, String)> {
        vec![
            ("X-YoLead-Key", self.key.clone()),
            ("X-YoLead-Timestamp", timestamp.to_string()),
            ("X-YoLead-Signature", self.sign(timestamp, body)),
        ]
    }

    async fn send(&self, call: &str, headers: &[(&'static str, String)], body: &str) -> (u16, Value) {
        let (method, path) = call.split_once(' ').unwrap();
        let url = format!("{}{path}", self.app.url);
        let mut request = self.client.http().request(method.parse().unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_stands_for_the_key() {
    let signer = Signer::start().await;
    let client = &signer.client;
    let (ticket, _) = begin(client, &client.channel().await, "ada").await;
    let robin = client.agent().await;
    // what is signed are the bytes, whatever their spaces
    let body = format!("{{ \"status\":\"active\" ,\n \"assigneeId\" : \"{robin}\" }}");
    let call = format!("PATCH /v1/tickets/{ticket}/status");
    let (status, answer) = signer.send(&call, &signer.headers(signer.now(), &body), &body).await;
    assert_eq!(
        (status, &answer["data"]["newStatus"]),
        (200, &json!("active")),
        "{answer:#}"
    );
    let call = format!("GET /v1/tickets/{ticket}/history");
    let (status, answer) = signer.send(&call, &signer.headers(signer.now(), ""), "").await;
    assert_eq!(status, 200, "{answer:#}");
    let four_minutes = 240_000;
    for timestamp in [signer.now() - four_minutes, signer.now() + four_minutes] {
        let (status, answer) = signer.send(&call, &signer.headers(timestamp, ""), "").await;
        assert_eq!(status, 200, "{answer:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_signature_is_401_and_names_the_header() {
    let signer = Signer::start().await;
    let client = &signer.client;
    let (ticket, _) = begin(client, &client.channel().await, "ada").await;
    let robin = client.agent().await;
    let call = format!("PATCH /v1/tickets/{ticket}/assignee");
    let body = json!({ "newAssigneeId": robin }).to_string();
    let before = signer.app.node.store.heads().await.unwrap();
    let now = signer.now();
    let good = signer.headers(now, &body);
    let with = |place: usize, value: String| {
        let mut headers = good.clone();
        headers[place].1 = value;
        headers
    };
    let without = |place: usize| {
        let mut headers = good.clone();
        headers.remove(place);
        headers
    };
    let twice = |place: usize| {
        let mut headers = good.clone();
        headers.push(headers[place].clone());
        headers
    };
    let beside_a_key = |mut headers: Vec<(&'static str, String)>| {
        headers.push(("authorization", client.key.clone()));
        headers
    };
    let (key, stamp, proof) = ("X-YoLead-Key", "X-YoLead-Timestamp", "X-YoLead-Signature");
    for (headers, header) in [
        (signer.headers(now - 310_000, &body), stamp),
        (signer.headers(now + 310_000, &body), stamp),
        (signer.headers(now / 1_000, &body), stamp),
        (with(1, "soon".into()), stamp),
        (with(1, (now - 1).to_string()), proof),
        (signer.headers(now, &body.replace('}', " }")), proof),
        (with(0, UNKNOWN.into()), proof),
        (with(2, good[2].1.to_uppercase()), proof),
        (with(2, "0".repeat(64)), proof),
        (with(2, "00".into()), proof),
        (without(0), key),
        (without(1), stamp),
        (without(2), proof),
        (twice(0), key),
        (twice(1), stamp),
        (twice(2), proof),
        (beside_a_key(with(2, "0".repeat(64))), proof),
        (beside_a_key(without(2)), proof),
    ] {
        let (status, problem) = signer.send(&call, &headers, &body).await;
        assert_eq!(
            (status, text(&problem, "/code")),
            (401, "UNAUTHENTICATED"),
            "{problem:#}"
        );
        assert!(text(&problem, "/detail").starts_with(header), "{headers:?} {problem:#}");
    }
    let (status, problem) = signer.send(&call, &[], &body).await;
    assert_eq!((status, text(&problem, "/code")), (401, "UNAUTHENTICATED"));
    assert_eq!(signer.app.node.store.heads().await.unwrap(), before);
    let (status, answer) = signer.send(&call, &beside_a_key(good.clone()), &body).await;
    assert_eq!(status, 200, "{answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_good_for_one_method_and_path() {
    let signer = Signer::start().await;
    let client = &signer.client;
    let channel = client.channel().await;
    let (one, _) = begin(client, &channel, "ada").await;
    let (other, _) = begin(client, &channel, "bob").await;
    let body = json!({ "newAssigneeId": client.agent().await }).to_string();
    let headers = signer.headers(signer.now(), &body);
    let call = |ticket: &str| format!("PATCH /v1/tickets/{ticket}/assignee");
    for (call, body, expected) in [
        (call(&one), body.as_str(), 200),
        (call(&one), body.as_str(), 200),
        (call(&other), body.as_str(), 401),
        (format!("GET /v1/tickets/{one}/history"), body.as_str(), 400),
    ] {
        let (status, answer) = signer.send(&call, &headers, body).await;
        assert_eq!(status, expected, "{call} {answer:#}");
    }
}
