//! The PyPI package schemathesis makes up requests from the published OpenAPI document and from the GraphQL schema.
//! `FUZZ_EXAMPLES` and `FUZZ_SEED` make a run longer, or another one.

use std::process::Command;

use switchboard::domain::id;

use crate::support::{KEY, TestApp};

/// Of REST: every answer is as the document says, and none is the server's fault.
const REST_CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
     response_schema_conformance";

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Runs the fuzzer against a node; how many operations it tested.
async fn fuzz(path: &str, examples: &str, arguments: &[&str]) -> usize {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    client.say(&channel, "ada", "m1", "hello").await;
    let (root, scratch) = (env!("CARGO_MANIFEST_DIR"), tempfile::tempdir().unwrap());
    let mut command = Command::new(format!("{root}/tests/clients/.venv/bin/schemathesis"));
    command
        .args(["--no-color", "run"])
        .arg(format!("{}{path}", app.url))
        .args(["--header", &format!("Authorization: Bearer {KEY}")])
        .args(["--max-examples", &setting("FUZZ_EXAMPLES", examples)])
        .args(["--seed", &setting("FUZZ_SEED", "1")])
        .args(["--generation-database", "none", "--suppress-health-check", "all"])
        .args(["--request-timeout", "30", "--warnings", "off", "--continue-on-failure"])
        .args(arguments)
        .current_dir(scratch.path())
        .env("SCHEMATHESIS_HOOKS", format!("{root}/tests/fuzz/hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(
            "SWITCHBOARD_KEY_ID",
            id::key(&id::sha256_hex(KEY.as_bytes())).to_string(),
        );
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("schemathesis: {error}; ./test installs what is needed"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let channels = client.data("{ channels { id } }", serde_json::json!({})).await;
    assert!(channels["channels"].is_array(), "the key still opens the workspace");
    let mut tested = text.lines().filter_map(|line| line.trim().strip_prefix("Tested: "));
    tested.next().and_then(|count| count.parse().ok()).expect(&text)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fuzzer_finds_nothing_in_rest() {
    let phases = setting("FUZZ_PHASES", "examples,coverage,fuzzing");
    let arguments = ["--checks", REST_CHECKS, "--phases", &phases];
    let tested = fuzz("/openapi.json", "10", &arguments).await;
    assert!(tested > 30, "only {tested} operations");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fuzzer_finds_nothing_in_graphql() {
    let checks = "not_a_failure_of_the_server";
    let arguments = ["--checks", checks, "--phases", "fuzzing", "--mode", "positive"];
    let tested = fuzz("/graphql", "8", &arguments).await;
    assert!(tested > 70, "only {tested} operations");
}
