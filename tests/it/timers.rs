//! Deadlines: kept through kill -9, and met once though two nodes run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::story::text;
use crate::support::{Client, Process, Redis, TestApp, eventually};

/// In so many milliseconds, as a text.
fn soon(ms: i64) -> String {
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(ms);
    format!("{now:.3}")
}

/// A ticket on hold until `until`.
async fn hold(client: &Client, channel: &str, owner: &str, until: &str) -> String {
    let said = client.say(channel, owner, "m1", "hello").await;
    let ticket = text(&said, "/ticket/id").to_owned();
    client.ticket_command("takeTicket", &ticket, &agent(client).await).await;
    let held = client
        .ticket_command("holdTicket", &ticket, &format!(", until: \"{until}\""))
        .await;
    assert_eq!(held["data"]["holdTicket"]["ticket"]["reason"], "ON_HOLD", "{held:#}");
    ticket
}

async fn agent(client: &Client) -> String {
    format!(", agentId: \"{}\"", client.agent().await)
}

/// When a rule changed the ticket's status, and to what.
async fn by_rule(client: &Client, ticket: &str) -> Vec<(String, String)> {
    let query = "query($id: UUID!) { ticket(id: $id) { events(first: 100) { edges { node {
        at type actor { kind id } patch { target value } } } } } }";
    let data = client.data(query, json!({ "id": ticket })).await;
    let events = data["ticket"]["events"]["edges"].as_array().unwrap().iter();
    events
        .map(|edge| &edge["node"])
        .filter(|node| node["type"] == "ticket.status_changed" && node["actor"]["kind"] == "RULE")
        .map(|node| {
            let changes = node["patch"].as_array().unwrap();
            let reason = changes.iter().find(|change| change["target"] == "reason").unwrap();
            (text(node, "/at").to_owned(), text(reason, "/value").to_owned())
        })
        .collect()
}

async fn status_is(client: &Client, ticket: &str, reason: &str) {
    let query = "query($id: UUID!) { ticket(id: $id) { reason } }";
    eventually(reason, || async {
        let data = client.data(query, json!({ "id": ticket })).await;
        (data["ticket"]["reason"] == reason).then_some(())
    })
    .await;
}

async fn survives_kill(redis: Option<&Redis>) {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path(), redis).await;
    let client = process.client();
    let channel = client.channel().await;
    let until = soon(700);
    let ticket = hold(&client, &channel, "ada", &until).await;
    let far = hold(&client, &channel, "bob", &soon(3_600_000)).await;
    process.kill();
    tokio::time::sleep(Duration::from_millis(800)).await;
    process.restart().await;
    status_is(&client, &ticket, "IN_PROGRESS").await;
    process.kill();
    process.restart().await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let fired = by_rule(&client, &ticket).await;
    assert_eq!(fired.len(), 1, "{fired:?}");
    assert!(fired[0].0 >= until, "not before its time");
    assert!(by_rule(&client, &far).await.is_empty());
    process.kill();
    let (whole, report) = process.verify();
    assert!(whole, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passed_while_the_program_was_down_is_met_once() {
    survives_kill(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_on_redis() {
    let redis = Redis::start();
    survives_kill(Some(&redis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_meet_every_deadline_once() {
    let redis = Redis::start();
    let (one, two) = (TestApp::on_redis(&redis).await, TestApp::on_redis(&redis).await);
    let client = one.client();
    let channel = client.channel().await;
    let until = soon(2_500);
    let mut tickets = Vec::new();
    for number in 0..25 {
        tickets.push(hold(&client, &channel, &format!("owner{number}"), &until).await);
    }
    for ticket in &tickets {
        status_is(&two.client(), ticket, "IN_PROGRESS").await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for ticket in &tickets {
        let fired = by_rule(&client, ticket).await;
        assert_eq!(fired.len(), 1, "{fired:?}");
        assert!(fired[0].0 >= until);
        assert_eq!(by_rule(&two.client(), ticket).await, fired);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_ticket_closes_and_a_message_reopens_it() {
    let app = TestApp::start().await;
    let client = app.client();
    let day = 86_400_000;
    let channel = client.channel_with(json!({ "autoCloseAfterMs": day })).await;
    let said = client.say(&channel, "ada", "m1", "hello").await;
    let ticket = text(&said, "/ticket/id");
    client.ticket_command("takeTicket", ticket, &agent(&client).await).await;
    app.clock.advance(day - 60_000);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(by_rule(&client, ticket).await.is_empty());
    app.clock.advance(60_001);
    status_is(&client, ticket, "AUTO_CLOSED").await;
    assert_eq!(by_rule(&client, ticket).await.len(), 1);
    let again = client.say(&channel, "ada", "m2", "still there?").await;
    assert_eq!(again["decision"], "REOPENED");
    let subject = client.ticket_command("resumeTicket", ticket, "").await;
    assert_eq!(subject["errors"][0]["extensions"]["fromReason"], "IN_PROGRESS");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_answers_by_its_hours() {
    let app = TestApp::start().await;
    let client = app.client();
    let never = json!({ "timeZone": "Europe/Berlin", "intervals": [] });
    let policy = json!({ "greeting": "Welcome", "outOfHoursReply": "We are closed", "officeHours": never });
    let channel = client.channel_with(policy).await;
    let texts = |chat: String| {
        let client = client.clone();
        async move {
            let query = "query($id: UUID!) { chat(id: $id) { messages(first: 10) { edges { node { text author { kind id } } } } } }";
            let data = client.data(query, json!({ "id": chat })).await;
            let edges = data["chat"]["messages"]["edges"].as_array().unwrap().clone();
            edges
                .into_iter()
                .map(|edge| edge["node"].clone())
                .collect::<Vec<Value>>()
        }
    };
    let said = client.say(&channel, "ada", "m1", "hello").await;
    let shown = texts(text(&said, "/chat/id").to_owned()).await;
    assert_eq!(
        shown[1],
        json!({ "text": "We are closed", "author": { "kind": "RULE", "id": "out_of_hours" } })
    );
    assert_eq!(said["ticket"]["pendingChatMessages"], 1);
    let update =
        "mutation($id: UUID!, $policy: ChannelPolicyInput) { updateChannel(id: $id, input: { policy: $policy }) {
        policy { officeHours { timeZone intervals { day from to } } } } }";
    let all_week: Vec<Value> = [
        "MONDAY",
        "TUESDAY",
        "WEDNESDAY",
        "THURSDAY",
        "FRIDAY",
        "SATURDAY",
        "SUNDAY",
    ]
    .iter()
    .map(|day| json!({ "day": day, "from": "00:00", "to": "24:00" }))
    .collect();
    let always = json!({ "timeZone": "Asia/Tokyo", "intervals": all_week });
    let changed = client
        .data(update, json!({ "id": channel, "policy": { "officeHours": always } }))
        .await;
    assert_eq!(changed["updateChannel"]["policy"]["officeHours"], always);
    let said = client.say(&channel, "bob", "m1", "hello").await;
    assert_eq!(texts(text(&said, "/chat/id").to_owned()).await[1]["text"], "Welcome");
    let bad = json!({ "timeZone": "Mars/Olympus", "intervals": [] });
    let error = client
        .error(update, json!({ "id": channel, "policy": { "officeHours": bad } }))
        .await;
    assert_eq!(error["extensions"]["field"], "timeZone");
    let bad = json!({ "timeZone": "UTC", "intervals": [{ "day": "MONDAY", "from": "25:00", "to": "26:00" }] });
    let error = client
        .error(update, json!({ "id": channel, "policy": { "officeHours": bad } }))
        .await;
    assert_eq!(error["extensions"]["field"], "intervals");
}
