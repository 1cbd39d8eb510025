//! `switchboard load` as users run it: every scenario against a running server, and what it says of one that lies.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{KEY, Process, Redis};

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
