//! `switchboard load` as users run it: every scenario against a running server, and what it says of one that lies.

use std::process::{Command, Output};

use axum::Json;
use axum::extract::State;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Client, KEY, Process, Redis};

/// Changes an answer on its way.
type Lie = fn(&mut Value);

fn load(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(["load", "--url", url, "--key", KEY])
        .args(arguments)
        .output()
        .unwrap()
}

async fn run(url: String, scenario: &'static str, more: &'static [&'static str]) -> (Output, Value) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    let output = tokio::task::spawn_blocking({
        let file = file.to_str().unwrap().to_owned();
        move || {
            let basic = [
                "--scenario",
                scenario,
                "--rate",
                "60",
                "--seconds",
                "2",
                "--chats",
                "10",
                "--json",
                &file,
            ];
            load(&url, &[&basic[..], more].concat())
        }
    })
    .await
    .unwrap();
    let report = std::fs::read_to_string(file).map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
    (output, report)
}

async fn every_scenario_holds(process: &Process) {
    for (scenario, more) in [
        ("steady", &[][..]),
        ("hot-chat", &[]),
        ("many-chats", &[]),
        ("redelivery", &[]),
        ("dashboards", &["--subscribers", "5"]),
    ] {
        let (output, report) = run(process.url.clone(), scenario, more).await;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{scenario}: {text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!text.contains("BROKEN") && !text.contains("not checked"), "{text}");
        assert!(text.contains("counters equal a recount"), "{text}");
        assert!(report.to_string().contains("acknowledge_ms"), "{report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_holds_on_the_embedded_store() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path(), None).await;
    every_scenario_holds(&process).await;
    process.kill();
    let (whole, report) = process.verify();
    assert!(whole, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_holds_on_redis() {
    let redis = Redis::start();
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), Some(&redis)).await;
    every_scenario_holds(&process).await;
}

async fn answer(State((client, lie)): State<(Client, Lie)>, Json(question): Json<Value>) -> Json<Value> {
    let query = question["query"].as_str().unwrap();
    let mut answer = client.send(query, question["variables"].clone()).await.unwrap();
    lie(&mut answer);
    Json(answer)
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A server before another one: sockets go through as they are, answers with a lie. Its root.
async fn liar(client: Client, lie: Lie) -> String {
    let ((front, address), (back, liar)) = (listen().await, listen().await);
    let honest = client.url.trim_start_matches("http://").to_owned();
    let app: axum::Router = axum::Router::new().fallback(answer).with_state((client, lie));
    tokio::spawn(async move { axum::serve(back, app).await.unwrap() });
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = front.accept().await {
            let (honest, liar) = (honest.clone(), liar.clone());
            tokio::spawn(async move {
                // a socket begins with GET, a question is a POST
                let mut method = [0; 3];
                caller.peek(&mut method).await.unwrap();
                let server = if &method == b"GET" { honest } else { liar };
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut caller, &mut server).await;
            });
        }
    });
    format!("http://{address}")
}

fn list<'a>(answer: &'a mut Value, place: &str) -> Option<&'a mut Vec<Value>> {
    answer.pointer_mut(place).and_then(Value::as_array_mut)
}

fn add_one(answer: &mut Value, place: &str) {
    if let Some(number) = answer.pointer_mut(place) {
        *number = json!(number.as_u64().unwrap() + 1);
    }
}

fn lose_a_message(answer: &mut Value) {
    if let Some(messages) = list(answer, "/data/c0/messages/nodes") {
        messages.pop();
    }
}

fn swap_messages(answer: &mut Value) {
    if let Some(messages) = list(answer, "/data/c0/messages/nodes") {
        messages.swap(0, 1);
    }
}

fn open_another_ticket(answer: &mut Value) {
    // no other question about tickets asks for their chats
    if let Some(tickets) = list(answer, "/data/tickets/nodes").filter(|tickets| tickets[0]["chat"].is_object()) {
        let mut other = tickets[0].clone();
        other["id"] = json!("00000000-0000-4000-8000-000000000000");
        tickets.push(other);
    }
}

/// A run against such a server breaks this promise alone, or none.
async fn breaks(
    process: &Process,
    (scenario, more): (&'static str, &'static [&'static str]),
    promise: Option<&str>,
    lie: Lie,
) {
    let (output, report) = run(liar(process.client(), lie).await, scenario, more).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let all = report["invariants"].as_array().into_iter().flatten();
    let broken = all.filter(|invariant| invariant["outcome"] == "broken");
    let broken: Vec<_> = broken.map(|invariant| invariant["name"].as_str().unwrap()).collect();
    assert_eq!(broken, promise.into_iter().collect::<Vec<_>>(), "{text}");
    let said = promise.is_none_or(|promise| text.contains(&format!("BROKEN      {promise}: ")));
    assert!(said, "{text}");
    assert_eq!(output.status.code(), Some(i32::from(promise.is_some())), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_breaks_the_promise_that_it_lies_about() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), None).await;
    let lies: [(Option<&str>, Lie); 6] = [
        (None, |_| {}),
        (Some("nothing acknowledged is lost or doubled"), lose_a_message),
        (Some("the order of a chat is kept"), swap_messages),
        (Some("a chat has one open ticket at most"), open_another_ticket),
        (Some("counters equal a recount"), |answer| {
            add_one(answer, "/data/queueStats/new")
        }),
        (Some("the total of tickets equals a recount"), |answer| {
            add_one(answer, "/data/tickets/totalCount")
        }),
    ];
    let steady = lies.map(|(promise, lie)| breaks(&process, ("steady", &[]), promise, lie));
    let missed = Some("dashboards miss no change of a ticket");
    let dashboards = breaks(&process, ("dashboards", &["--subscribers", "2"]), missed, |answer| {
        add_one(answer, "/data/tickets/nodes/0/version")
    });
    tokio::join!(join_all(steady), dashboards);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_load_refuses() {
    let code = |arguments: &[&str]| load("http://127.0.0.1:9", arguments).status.code();
    assert_eq!(code(&["--scenario", "nothing"]), Some(2));
    assert_eq!(code(&["--scenario", "steady", "--rate", "0"]), Some(2));
    assert_eq!(
        code(&["--scenario", "steady", "--seconds", "1"]),
        Some(1),
        "nobody is there"
    );
    let remote = load("http://192.0.2.1:80", &["--scenario", "steady"]);
    assert_eq!(remote.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&remote.stderr).contains("--allow-remote"));
}
