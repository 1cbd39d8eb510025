//! A healthy client beside one that throws the tests' corpus of attacks: what its requests take, against what they take
//! alone. Both clients run on the server's machine, so that a part of what is measured is their own work.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "benches fail by panicking and measure with the clock"
)]

#[path = "../tests/it/attack/corpus.rs"]
mod corpus;
mod server;
mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use server::Server;
use support::{at_most, resident_bytes, setting};

/// Between two requests of the healthy client.
const PACE: Duration = Duration::from_millis(5);
const INGEST: &str = "mutation($input: MessageInput!) { ingestMessage(input: $input) { cursor } }";
const LIST: &str =
    "{ tickets(first: 20) { nodes { id status subject assignee { id name } chat { owner { name } } } totalCount } }";

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    tokio::runtime::Runtime::new().unwrap().block_on(beside());
}

impl Server {
    async fn say(&self, number: usize) {
        let input = json!({ "channelId": self.channel, "externalId": format!("m{number}"),
            "owner": { "externalId": format!("owner {}", number % 200) }, "text": "Hello, where is my order?" });
        self.ask(INGEST, json!({ "input": input })).await;
    }

    /// A key of the attacker's own, which may only read.
    async fn other_key(&self) -> String {
        let create = "mutation { createApiKey(input: { name: \"attacker\", scopes: [READ] }) { secret } }";
        let made = self.ask(create, json!({})).await;
        made["createApiKey"]["secret"].as_str().unwrap().to_owned()
    }
}

/// Messages and lists at an even pace; what each took, in milliseconds.
async fn healthy(server: &Server, from: usize) -> Vec<f64> {
    let mut times = Vec::new();
    let mut pace = tokio::time::interval(PACE);
    for number in 0..setting("REQUESTS", 800) {
        pace.tick().await;
        let start = Instant::now();
        if number % 4 == 0 {
            server.say(from + number).await;
        } else {
            server.ask(LIST, json!({})).await;
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times
}

/// The whole corpus, again and again, so many a second, whether the last ones were answered or not.
fn attacker(url: &str, key: &str) -> tokio::task::JoinHandle<()> {
    let (url, key, http) = (format!("{url}/graphql"), key.to_owned(), reqwest::Client::new());
    tokio::spawn(async move {
        let attacks = corpus::attacks();
        let mut pace = tokio::time::interval(Duration::from_secs(1) / setting("ATTACKS", 50) as u32);
        for attack in attacks.iter().cycle() {
            pace.tick().await;
            let request = http.post(&url).bearer_auth(&key).body(attack.body.clone());
            let sending = request.header("content-type", "application/json").send();
            let name = attack.name;
            tokio::spawn(async move {
                if let Ok(answer) = sending.await
                    && answer.status().is_server_error()
                {
                    println!("{name}: {}", answer.status());
                }
            });
        }
    })
}

fn quantile(times: &mut [f64], of: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * of) as usize]
}

/// Rounds alone and beside the attacker take turns, so that both see the same machine.
async fn beside() {
    let server = Server::start(&[]).await;
    let key = server.other_key().await;
    healthy(&server, 0).await;
    let pid = server.child.id().to_string();
    let before = resident_bytes(&pid);
    let (mut alone, mut attacked) = (Vec::new(), Vec::new());
    for round in 0..setting("ROUNDS", 5) {
        let from = (round + 1) * 1_000_000;
        alone.extend(healthy(&server, from).await);
        let throwing = attacker(&server.url, &key);
        attacked.extend(healthy(&server, from + 500_000).await);
        throwing.abort();
        // what is under way ends before the next round alone
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for (what, of) in [("median", 0.5), ("99th percentile", 0.99)] {
        let (calm, beside) = (quantile(&mut alone, of), quantile(&mut attacked, of));
        println!("a healthy client's {what}: {calm:.2} ms alone, {beside:.2} ms beside the attacker");
        at_most(&format!("{what} beside the attacker / alone"), beside / calm, 1.1);
    }
    let grown = (resident_bytes(&pid) - before) / 1_024.0 / 1_024.0;
    at_most("MiB that the server grew by", grown, 200.0);
}
