//! A story told to the program through GraphQL.

use serde_json::{Value, json};

use super::{Client, Process, Redis};

/// A mutation with its arguments as text; the data, without errors.
pub async fn run(client: &Client, call: &str, fields: &str) -> Value {
    let data = client
        .data(&format!("mutation {{ {call} {{ {fields} }} }}"), json!({}))
        .await;
    data.as_object().unwrap().values().next().unwrap().clone()
}

pub async fn refused(client: &Client, call: &str) -> Value {
    let error = client
        .error(&format!("mutation {{ {call} {{ cursor }} }}"), json!({}))
        .await;
    error["extensions"].clone()
}

pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap()
}

pub const TICKET: &str =
    "ticket { id number status reason circumstance subject summary priority assignee { id } team { id }
    tags { name } fields { field { name } value } rating { score } ratings { score episode } holdUntil restorableUntil
    lastViewedAt episode version mergedInto { id } previousTicket { id } pendingChatMessages }";

/// The program on both stores, one after the other; what it leaves behind is whole.
pub async fn on_both_stores(story: impl AsyncFn(&Client)) {
    let redis = Redis::start();
    for store in [None, Some(&redis)] {
        let data = tempfile::tempdir().unwrap();
        let mut process = Process::start(data.path(), store).await;
        story(&process.client()).await;
        process.kill();
        let (whole, report) = process.verify();
        assert!(whole, "{report}");
    }
}

pub async fn settings(client: &Client) -> (String, String, String, String) {
    let id = |value: Value| value["id"].as_str().unwrap().to_owned();
    let agent = client.agent().await;
    let team = format!("createTeam(input: {{ name: \"Support\", members: [{{ agentId: \"{agent}\", weight: 2 }}] }})");
    let team = run(client, &team, "id name members { agentId weight }").await;
    assert_eq!(team["members"], json!([{ "agentId": agent, "weight": 2 }]));
    let tag = run(client, "createTag(input: { name: \"vip\" })", "id").await;
    let field = "createField(input: { name: \"colour\", kind: SELECT, options: [\"red\", \"green\"] })";
    let field = run(client, field, "id kind target options").await;
    assert_eq!(field["target"], "TICKET");
    (agent, id(team), id(tag), id(field))
}
