//! Our own resources over REST. Every answer is held against the OpenAPI document that the program serves.

mod behaviour;
mod described;
mod refused;
mod walk;

use std::collections::BTreeSet;

use serde_json::Value;

use self::walk::walk;
use crate::support::{Operation, Redis, Reply, Rest, TestApp, operations};

/// Those of the documents and of ingestion have their own tests.
const ELSEWHERE: [&str; 13] = [
    "GET /api/v1/tickets/{}/details",
    "GET /api/v1/tickets/details",
    "PATCH /api/v1/tickets/{}/complete",
    "POST /api/v1/tickets",
    "POST /api/v1/tickets/{}/tags",
    "DELETE /api/v1/tickets/{}/tags/{}",
    "PATCH /api/v1/tickets/{}/takeover",
    "PATCH /api/v1/tickets/{}/assignee",
    "PATCH /v1/tickets/{}/status",
    "PATCH /v1/tickets/{}/assignee",
    "GET /v1/tickets/{}/history",
    "POST /api/v1/channels/{}/messages",
    "POST /api/v1/channels/{}/messages/stream",
];

/// A path with something else for its parameters.
fn filled(path: &str, fill: impl Fn(&str) -> String) -> String {
    let segments = path.split('/').map(|segment| {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        name.map_or_else(|| segment.to_owned(), &fill)
    });
    segments.collect::<Vec<String>>().join("/")
}

/// The operations that are tested here.
fn ours(rest: &Rest) -> Vec<Operation> {
    let all = operations(&rest.document).into_iter();
    all.filter(|operation| {
        let path = filled(&operation.path, |_| "{}".to_owned());
        !ELSEWHERE.contains(&format!("{} {path}", operation.method).as_str())
    })
    .collect()
}

/// What a 201 says.
fn made(reply: Reply) -> Value {
    assert_eq!(reply.status, 201, "{:#}", reply.body);
    reply.body
}

async fn every_operation(app: &TestApp) {
    let rest = Rest::new(app).await;
    walk(&rest).await;
    let expected: BTreeSet<String> = ours(&rest).iter().map(|operation| operation.id().to_owned()).collect();
    let used = rest.used();
    let missing: Vec<&String> = expected.difference(&used).collect();
    assert!(missing.is_empty(), "no test asks for {missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_does_what_is_described() {
    every_operation(&TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_does_what_is_described_on_redis() {
    let redis = Redis::start();
    every_operation(&TestApp::on_redis(&redis).await).await;
}
