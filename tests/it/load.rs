//! `switchboard load` as users run it: every scenario against a running server, and what it says of one that lies.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Json;
use axum::extract::State;
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{accept_hdr_async, connect_async};

use crate::support::{Client, KEY, Process, Redis, TestApp};

/// What every run of these tests sends.
const MESSAGES: u64 = 120;

/// Changes an answer on its way.
type Lie = fn(&mut Value);
/// How often a frame to a subscriber comes.
type Times = fn(&str) -> usize;

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
    let report = std::fs::read_to_string(file).unwrap();
    (output, serde_json::from_str(&report).unwrap_or(Value::Null))
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
        assert_eq!(report["acknowledge_ms"]["count"], MESSAGES, "{report:#}");
        let deliver = &report["deliver_ms"];
        assert_eq!(deliver["events"]["count"], MESSAGES, "{report:#}");
        // three of five watch tickets, two a queue, which shows the newest message of a ticket alone
        let (tickets, queues) = if scenario == "dashboards" { (3, 2) } else { (0, 0) };
        assert_eq!(deliver["ticket_changed"]["count"], MESSAGES * tickets, "{report:#}");
        let of_queues = deliver["queue"]["count"].as_u64().unwrap();
        assert!((queues..=MESSAGES * queues).contains(&of_queues), "{report:#}");
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

/// A socket goes through; of what comes to its subscriber, each frame so many times.
#[allow(clippy::result_large_err, reason = "tungstenite says what its callback returns")]
async fn pass(caller: TcpStream, honest: &str, times: Times) {
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let mut request = format!("ws://{honest}/graphql").into_client_request().unwrap();
    request.headers_mut().insert(protocol.0, protocol.1.parse().unwrap());
    let accepted = accept_hdr_async(caller, |_: &Request, mut response: Response| {
        response.headers_mut().insert(protocol.0, protocol.1.parse().unwrap());
        Ok(response)
    });
    let (mut to_caller, from_caller) = accepted.await.unwrap().split();
    let (to_server, mut from_server) = connect_async(request).await.unwrap().0.split();
    let answers = async {
        while let Some(Ok(frame)) = from_server.next().await {
            let times = if let Message::Text(text) = &frame {
                times(text.as_str())
            } else {
                1
            };
            for _ in 0..times {
                if to_caller.send(frame.clone()).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        _ = from_caller.forward(to_server) => {}
        () = answers => {}
    }
}

/// A server before another one, which lies in its answers and to its subscribers. Its root.
async fn liar(client: Client, (lie, times): (Lie, Times)) -> String {
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
                if &method == b"GET" {
                    return pass(caller, &honest, times).await;
                }
                let mut server = TcpStream::connect(liar).await.unwrap();
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

fn answer_as_new(answer: &mut Value) {
    if let Some(decision) = answer.pointer_mut("/data/ingestMessage/decision") {
        *decision = json!("APPENDED");
    }
}

fn refuse_to_look_back_at_first(answer: &mut Value) {
    static REFUSED: AtomicUsize = AtomicUsize::new(0);
    let looks_back = ["/data/c0", "/data/tickets", "/data/queueStats"];
    let looks_back = looks_back.iter().any(|place| answer.pointer(place).is_some());
    if looks_back && REFUSED.fetch_add(1, Ordering::Relaxed) < 4 {
        let extensions = json!({ "code": "RATE_LIMITED", "retryAfterMs": 1 });
        *answer = json!({ "errors": [{ "message": "too much", "extensions": extensions }] });
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
    lies: (Lie, Times),
) {
    let (output, report) = run(liar(process.client(), lies).await, scenario, more).await;
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
    let once: Times = |_| 1;
    let lies: [(Option<&str>, Lie); 8] = [
        (None, |_| {}),
        (None, refuse_to_look_back_at_first),
        (Some("nothing acknowledged is lost or doubled"), lose_a_message),
        (Some("the order of a chat is kept"), swap_messages),
        (Some("a chat has one open ticket at most"), open_another_ticket),
        (Some("counters equal a recount"), |answer| {
            add_one(answer, "/data/queueStats/new")
        }),
        (Some("counters equal a recount"), |answer| {
            if let Some(at) = answer.pointer_mut("/data/queueStats/oldestNewAt") {
                *at = json!("2020-01-01T00:00:00.000Z");
            }
        }),
        (Some("the total of tickets equals a recount"), |answer| {
            add_one(answer, "/data/tickets/totalCount")
        }),
    ];
    let steady = lies.map(|(promise, lie)| breaks(&process, ("steady", &[]), promise, (lie, once)));
    let missed = Some("dashboards miss no change of a ticket");
    let another_version: Lie = |answer| add_one(answer, "/data/tickets/nodes/0/version");
    let dashboards = breaks(
        &process,
        ("dashboards", &["--subscribers", "2"]),
        missed,
        (another_version, once),
    );
    tokio::join!(join_all(steady), dashboards);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_about_repeats_or_to_its_subscribers_is_found_out() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), None).await;
    // frames of one message: no other id, and no owner's name, ends like that
    let frames: [Times; 2] = [
        |frame| usize::from(!frame.contains("-77\"")),
        |frame| 1 + usize::from(frame.contains("-77\"")),
    ];
    let complete = Some("subscribers get everything once and in order");
    let told = frames.map(|times| breaks(&process, ("steady", &[]), complete, (|_| {}, times)));
    let repeats = Some("repeats are answered as duplicates of the same message");
    let repeated = breaks(&process, ("redelivery", &[]), repeats, (answer_as_new, |_| 1));
    tokio::join!(join_all(told), repeated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_less_gets_it_later() {
    let app = TestApp::start_with(None, |config| {
        config.api.rate_per_key_per_second = 20_u32.try_into().unwrap();
        config.api.rate_burst = 10_u32.try_into().unwrap();
    })
    .await;
    let (output, report) = run(app.url.clone(), "steady", &[]).await;
    assert!(
        output.status.success(),
        "{report:#}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let errors = report["errors"].as_object().unwrap();
    assert!(errors.keys().eq(["RATE_LIMITED"]), "{report:#}");
    let messages = &report["messages"];
    assert_eq!(
        (&messages["acknowledged"], &messages["unacknowledged"]),
        (&json!(MESSAGES), &json!(0)),
        "{report:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_are_too_many_are_said_to_be() {
    let app = TestApp::start_with(None, |config| config.api.sockets_per_key_max = 3).await;
    let (output, _) = run(app.url.clone(), "dashboards", &["--subscribers", "5"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    for part in ["one of 6 subscribers", "api.sockets_per_key_max", "1013", "at most 3"] {
        assert!(said.contains(part), "{part} in {said}");
    }
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
    let nowhere = load(
        "http://127.0.0.1:9",
        &["--scenario", "steady", "--json", "/no/such/directory/report.json"],
    );
    assert_eq!(nowhere.status.code(), Some(2), "before anybody is asked");
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("/no/such/directory/report.json"));
}
