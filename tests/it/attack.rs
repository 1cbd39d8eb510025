//! What attackers send is refused in bounded time and memory, and whoever comes next is served.

mod corpus;
mod rest;
mod shapes;
mod sockets;
mod strings;
mod wire;

use std::time::Duration;

use serde_json::{Value, json};

use crate::crowd::resident_kib;
use crate::support::{Client, Process};

/// Nothing takes longer than this, also on a slow machine.
const LIMIT: Duration = Duration::from_secs(20);
/// What an attack may leave in the server's memory.
const GROWTH_MAX_KIB: u64 = 200 * 1_024;
/// The largest body of a GraphQL request.
const BODY_MAX_BYTES: usize = 131_072;

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work)
        .await
        .unwrap_or_else(|_| panic!("{what} was not over within {LIMIT:?}"))
}

async fn assert_healthy(client: &Client, after: &str) {
    let answer = within(after, client.send("{ channels { id } }", json!({}))).await;
    let answer = answer.unwrap_or_else(|error| panic!("after {after}: {error}"));
    assert!(answer["data"]["channels"].is_array(), "after {after}: {answer:#}");
}

fn assert_memory_is_bounded(process: &Process, before_kib: u64) {
    let grown = resident_kib(process.pid()).saturating_sub(before_kib);
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB more than before");
}

/// The status and the text of an answer; none where the connection was closed without one.
async fn post(client: &Client, body: Vec<u8>) -> Option<(u16, String)> {
    let request = client
        .http()
        .post(format!("{}/graphql", client.url))
        .bearer_auth(&client.key)
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json");
    let answer = request.body(body).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.text().await.unwrap_or_default()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_corpus_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), None).await;
    let client = process.client();
    client.channel().await;
    let before = resident_kib(process.pid());
    for attack in corpus::attacks() {
        let answer = within(attack.name, post(&client, attack.body.clone())).await;
        match answer {
            Some((status, text)) => assert!((400..500).contains(&status), "{}: {status} {text:.300}", attack.name),
            None => assert!(attack.body.len() > BODY_MAX_BYTES, "{}: no answer", attack.name),
        }
        assert_healthy(&client, attack.name).await;
    }
    assert_memory_is_bounded(&process, before);
}

fn introspection() -> String {
    let deeper = "fields { name type { name ofType { name fields { name type { name ofType { name fields { name type \
                  { name } } } } } } } }";
    format!("{{ __schema {{ types {{ name {deeper} }} }} }}")
}

/// Requests that may run or not, but never for long and never into an error of the server.
fn odd() -> Vec<(&'static str, String)> {
    let deep = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    let query = |text: &str, variables: &str| format!("{{\"query\":{},\"variables\":{variables}}}", Value::from(text));
    let create = "mutation($config: JSON) { createChannel(input: { type: API, name: \"x\", config: $config }) { id } }";
    let search = "query($q: String) { tickets(filter: { search: $q }) { totalCount } }";
    let first = "query($first: Int) { tickets(first: $first) { totalCount } }";
    vec![
        ("introspection within the bounds", query(&introspection(), "{}")),
        (
            "__typename 1,990 times",
            query(&format!("{{ {} }}", "__typename ".repeat(1_990)), "{}"),
        ),
        (
            "a field 100 times",
            query(&format!("{{ {} }}", "queueStats { new } ".repeat(100)), "{}"),
        ),
        (
            "a query given twice",
            "{\"query\":\"{ __typename }\",\"query\":\"{ channels { id } }\"}".to_owned(),
        ),
        (
            "a variable given 5,000 times",
            query(search, &format!("{{{}\"q\":\"b\"}}", "\"q\":\"a\",".repeat(5_000))),
        ),
        (
            "a value of 100 lists",
            query(create, &format!("{{\"config\":{}}}", deep(100))),
        ),
        (
            "a value of 60,000 numbers",
            query(create, &format!("{{\"config\":[{}1]}}", "1,".repeat(60_000))),
        ),
        ("a variable that is 2^31", query(first, "{\"first\":2147483648}")),
        (
            "a variable that is -2^63",
            query(first, "{\"first\":-9223372036854775808}"),
        ),
        (
            "a search of 100,000 letters",
            query(search, &json!({ "q": "x".repeat(100_000) }).to_string()),
        ),
        (
            "a search of quotes and operators",
            query(search, &json!({ "q": "\" OR NEAR(* ^ {} : -" }).to_string()),
        ),
        ("a search of NUL", query(search, "{\"q\":\"\\u0000\"}")),
        (
            "a search of marks that combine",
            query(
                search,
                &json!({ "q": "e\u{301}\u{327}\u{202e}\u{feff}".repeat(20) }).to_string(),
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_requests_end_soon_and_never_blame_the_server() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), None).await;
    let client = process.client();
    client.channel().await;
    let before = resident_kib(process.pid());
    for (name, body) in odd() {
        let (status, text) = within(name, post(&client, body.into_bytes())).await.unwrap();
        assert!(status < 500, "{name}: {status} {text:.300}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        for error in answer["errors"].as_array().into_iter().flatten() {
            let code = error["extensions"]["code"].as_str();
            assert!(code.is_some_and(|code| code != "INTERNAL"), "{name}: {text:.300}");
        }
        assert_healthy(&client, name).await;
    }
    assert_memory_is_bounded(&process, before);
}
