//! The server of the benches that measure it from outside.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    reason = "benches fail by panicking"
)]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::free_port;

pub const KEY: &str = "bench-key-0123456789abcdef0123456789abcdef";

/// The program as a child, on its embedded store, with a channel.
pub struct Server {
    pub url: String,
    pub child: Child,
    _data: tempfile::TempDir,
    http: reqwest::Client,
    pub channel: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// With these variables beside those that every bench sets.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let (port, data) = (free_port(), tempfile::tempdir().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(data.path())
            .env("SWITCHBOARD_ADMIN_KEY", KEY)
            .env("SWITCHBOARD_LOG__FILTER", "error")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self {
            url: format!("http://127.0.0.1:{port}"),
            child,
            _data: data,
            http: reqwest::Client::new(),
            channel: String::new(),
        };
        let ready = format!("{}/readyz", server.url);
        while !server
            .http
            .get(&ready)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let made = server.ask(
            "mutation { createChannel(input: { type: API, name: \"bench\" }) { id } }",
            json!({}),
        );
        made.await["createChannel"]["id"]
            .as_str()
            .unwrap()
            .clone_into(&mut server.channel);
        server
    }

    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        let request = self.http.post(format!("{}/graphql", self.url)).bearer_auth(KEY);
        let answer = request
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer["errors"].is_null(), "{answer}");
        answer["data"].clone()
    }
}
