//! Real clients, unmodified: npm graphql-ws and graphql-sse, npm graphql-http's audits, PyPI gql, and a browser.

use std::process::Command;

use crate::support::{KEY, TestApp};

/// Runs a client in a folder against a node; its whole output is the failure's text.
async fn run(directory: &str, program: &str, arguments: &[&str]) {
    let app = TestApp::start().await;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(format!("{}/{directory}", env!("CARGO_MANIFEST_DIR")))
        .env("SWITCHBOARD_URL", &app.url)
        .env("SWITCHBOARD_KEY", KEY);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; ./test installs what is needed"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_graphql_ws_subscribes_and_resumes() {
    run("tests/clients", "node", &["graphql_ws_client.mjs"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_graphql_sse_subscribes_and_resumes() {
    run("tests/clients", "node", &["graphql_sse_client.mjs"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_gql_queries_and_subscribes() {
    run("tests/clients", ".venv/bin/python", &["gql_client.py"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_published_audit_of_graphql_over_http_passes() {
    run("tests/clients", "node", &["audits.mjs"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_sees_tickets_move_and_graphiql_stream() {
    run("web", "node", &["tests/browser.mjs"]).await;
}
