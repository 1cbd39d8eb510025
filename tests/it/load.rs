//! `switchboard load` as users run it: every scenario against a running server, and what it says of one that lies.

mod liar;

use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};

use self::liar::{HONEST, Lie, Lies, Times};
use crate::support::{KEY, Process, Redis, TestApp};

/// What every run of these tests sends.
const MESSAGES: u64 = 120;
/// Two who watch tickets: one each of them as it changes, one a queue.
const DASHBOARDS: (&str, &[&str]) = ("dashboards", &["--subscribers", "2"]);
const MISSED: &str = "dashboards miss no change of a ticket";

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
    lies: Lies,
) {
    let (output, report) = run(liar::start(process.client(), lies).await, scenario, more).await;
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
    let steady = lies.map(|(promise, lie)| breaks(&process, ("steady", &[]), promise, Lies { lie, ..HONEST }));
    let another_version = Lies {
        lie: |answer| add_one(answer, "/data/tickets/nodes/0/version"),
        ..HONEST
    };
    let dashboards = breaks(&process, DASHBOARDS, Some(MISSED), another_version);
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
    let told = frames.map(|times| breaks(&process, ("steady", &[]), complete, Lies { times, ..HONEST }));
    let repeats = Some("repeats are answered as duplicates of the same message");
    let as_new = Lies {
        lie: answer_as_new,
        ..HONEST
    };
    let repeated = breaks(&process, ("redelivery", &[]), repeats, as_new);
    tokio::join!(join_all(told), repeated);
}

/// What a subscription gives with a frame; null where that is something else.
fn item(frame: &str) -> Value {
    let frame: Value = serde_json::from_str(frame).unwrap_or(Value::Null);
    frame["payload"]["data"]["item"].clone()
}

/// `ticketChanged` gives one message of many.
fn is_a_change_of_a_ticket(frame: &str) -> bool {
    item(frame)["event"].is_object() && frame.contains("-77\"")
}

/// `queue` gives what the last message of all changed. Others may be passed over, as their changes come as one.
fn is_the_last_change_of_a_queue(frame: &str) -> bool {
    item(frame)["kind"].is_string() && frame.contains("-119\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_a_dashboard_misses_or_gets_twice_are_found_out() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), None).await;
    let frames: [Times; 5] = [
        |frame| usize::from(!is_a_change_of_a_ticket(frame)),
        |frame| 1 + usize::from(is_a_change_of_a_ticket(frame)),
        |frame| usize::from(!is_the_last_change_of_a_queue(frame)),
        |frame| usize::from(item(frame)["kind"] != "ENTER"),
        |frame| 1 + usize::from(item(frame)["kind"] == "UPDATE"),
    ];
    let told = frames.map(|times| breaks(&process, DASHBOARDS, Some(MISSED), Lies { times, ..HONEST }));
    join_all(told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_server_that_stalls_is_timed_from_when_it_was_due() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), None).await;
    let stalling = Lies {
        // of the hot chat
        stalls: |variables| variables.to_string().contains("-30\""),
        ..HONEST
    };
    let (output, report) = run(liar::start(process.client(), stalling).await, "hot-chat", &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // message 30 is due after 0.5 s and waits for 1 s, and with it what follows in its chat: the thirteenth of these,
    // message 43, for 0.78 s. From when they were sent, all but the first take next to no time.
    for times in [&report["acknowledge_ms"], &report["deliver_ms"]["events"]] {
        assert_eq!(times["count"], MESSAGES, "{report:#}");
        assert!(times["p90"].as_f64().unwrap() >= 700.0, "{report:#}");
        assert!(times["max"].as_f64().unwrap() >= 1_000.0, "{report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_a_terminal_says_how_far_it_is_and_what_came_of_it() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), None).await;
    let url = process.url.clone();
    // past the first line, which comes after 10 s
    let long = ["--scenario", "steady", "--rate", "5", "--seconds", "14"];
    let long = tokio::task::spawn_blocking(move || load(&url, &long));
    let (long, (short, _)) = tokio::join!(long, run(process.url.clone(), "steady", &[]));
    let long = long.unwrap();
    let said = String::from_utf8_lossy(&long.stderr);
    let line = said
        .lines()
        .find(|line| line.contains("/70 sent, "))
        .unwrap_or_default();
    assert!(
        line.starts_with("switchboard: ") && line.contains(" acknowledged, "),
        "{said}"
    );
    for (output, all) in [(&long, "70 of 70"), (&short, "120 of 120")] {
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.starts_with("load steady on ") && text.contains(all), "{text}");
        assert!(!text.contains("switchboard: "), "{text}");
    }
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
