//! The whole way of a message inside the process (submit, actor, decide, commit, reply) against the commit script fed
//! with prepared arguments; one hot chat against many; the router's CPU against Redis's; and memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "benches fail by panicking and measure with the clock"
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use support::{FixedPolicies, Redis, at_least, at_most, chat_id, commits, message, setting};
use switchboard::clock::Clock;
use switchboard::domain::{ChatCommand, DedupeKey};
use switchboard::router::{Router, RouterOptions};
use switchboard::store::redis::{RedisOptions, RedisStore};
use switchboard::store::sqlite::SqliteStore;
use switchboard::store::{Outcome, Store};
use switchboard::view::View;
use uuid::Uuid;

const PARTITIONS: u16 = 16;
/// Messages under way.
const AT_ONCE: usize = 1_024;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        speed().await;
        resident_memory().await;
        idle_memory().await;
    });
}

async fn open(redis: &Redis) -> Arc<dyn Store> {
    let options = RedisOptions {
        url: redis.url(),
        namespace: "bench".into(),
        partitions: PARTITIONS,
        log_retention_records: 1_000_000,
    };
    Arc::new(RedisStore::open(options).await.unwrap())
}

async fn start(store: &Arc<dyn Store>) -> Router {
    let options = RouterOptions {
        waiting_per_chat_max: 65_536,
        waiting_per_node_max: 1_000_000,
        resident_chats_max: 200_000,
        ..RouterOptions::default()
    };
    Router::start(Arc::clone(store), Arc::new(FixedPolicies), Clock::default(), options)
        .await
        .unwrap()
}

/// Sends messages, [`AT_ONCE`] under way; how many in a second.
async fn send(router: &Router, commands: Vec<ChatCommand>) -> f64 {
    let count = commands.len();
    let begun = Instant::now();
    stream::iter(commands)
        .map(|command| async { router.submit_to_origin(command).unwrap().answer().await.unwrap() })
        .buffer_unordered(AT_ONCE)
        .for_each(async |answer| assert!(!answer.repeat))
        .await;
    count as f64 / begun.elapsed().as_secs_f64()
}

async fn speed() {
    let (chats, rounds) = (setting("CHATS", 10_000), setting("ROUNDS", 8));
    let prepared = prepared_script(chats, rounds).await;
    let redis = Redis::start();
    let store = open(&redis).await;
    let router = start(&store).await;
    send(&router, (0..chats).map(|chat| message(chat, 0)).collect()).await;
    let before = (support::own_cpu_seconds(), support::redis_cpu_seconds(&redis));
    let many = (1..rounds).flat_map(|round| (0..chats).map(move |chat| message(chat, round)));
    let many = send(&router, many.collect()).await;
    let router_cpu = support::own_cpu_seconds() - before.0;
    let redis_cpu = support::redis_cpu_seconds(&redis) - before.1;
    let hot = send(
        &router,
        (0..chats * (rounds - 1))
            .map(|number| message(chats + 1, number))
            .collect(),
    )
    .await;
    println!("{many:.0} messages/s over {chats} chats, {hot:.0}/s in one; prepared script calls {prepared:.0}/s");
    println!(
        "CPU: {:.1} s of the router, {:.1} s of Redis for {} messages",
        router_cpu,
        redis_cpu,
        chats * (rounds - 1)
    );
    at_least(
        "the whole path over many warm chats / the script with prepared arguments",
        many / prepared,
        0.8,
    );
    at_least("one hot chat / many chats", hot / many, 0.5);
    at_most(
        "router's CPU a message / Redis's CPU a message",
        router_cpu / redis_cpu,
        1.0,
    );
    router.close(Duration::from_secs(10)).await;
}

/// The same messages as commits that were prepared before the clock ran.
async fn prepared_script(chats: usize, rounds: usize) -> f64 {
    let redis = Redis::start();
    let store = open(&redis).await;
    let prepared = commits(chats, rounds);
    let mut begun = Instant::now();
    for (number, round) in prepared.iter().enumerate() {
        if number == 1 {
            begun = Instant::now();
        }
        stream::iter(round)
            .map(|commit| store.commit(Arc::clone(commit)))
            .buffer_unordered(AT_ONCE)
            .for_each(async |outcome| assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}"))
            .await;
    }
    let rate = (chats * (rounds - 1)) as f64 / begun.elapsed().as_secs_f64();
    store.close().await;
    rate
}

async fn resident_memory() {
    let chats = setting("RESIDENT", 100_000);
    let redis = Redis::start_with(&[]);
    let store = open(&redis).await;
    let router = start(&store).await;
    send(&router, (0..1_000).map(|chat| message(chats + chat, 0)).collect()).await;
    let before = support::resident_bytes("self");
    for some in (0..chats).collect::<Vec<_>>().chunks(10_000) {
        send(&router, some.iter().map(|chat| message(*chat, 0)).collect()).await;
    }
    assert!(router.resident_chats() >= chats);
    let each = (support::resident_bytes("self") - before) / chats as f64 / 1024.0;
    at_most(&format!("memory of a resident chat, of {chats}, in KB"), each, 12.0);
    router.close(Duration::from_mins(1)).await;
}

/// The program itself on a store with few and with many chats, none of them asked for.
async fn idle_memory() {
    let (few, many) = (1_000, setting("STORED", 1_000_000));
    let mut measured = Vec::new();
    for stored in [few, many] {
        let directory = tempfile::tempdir().unwrap();
        fill(directory.path(), stored).await;
        let port = support::free_port();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(directory.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        measured.push(support::resident_bytes(&child.id().to_string()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    println!(
        "RSS with {few} chats stored {:.1} MB, with {many} {:.1} MB",
        measured[0] / 1e6,
        measured[1] / 1e6
    );
    at_most(
        "memory with many chats stored and idle / with few",
        measured[1] / measured[0],
        1.5,
    );
}

async fn fill(directory: &std::path::Path, chats: usize) {
    let path = directory.join("switchboard.db");
    let store = SqliteStore::open(&path, View::prepare_embedded, View::projection()).unwrap();
    for some in (0..chats).collect::<Vec<_>>().chunks(50_000) {
        let commits: Vec<_> = some
            .iter()
            .map(|number| {
                let mut first = message(*number, 0);
                first.id = Uuid::from_u128(*number as u128);
                first.keys = vec![DedupeKey::message(&number.to_string())];
                support::commit(&switchboard::domain::Aggregate::blank(chat_id(*number)), &first).0
            })
            .collect();
        stream::iter(commits)
            .map(|commit| store.commit(commit))
            .buffer_unordered(2_048)
            .for_each(async |outcome| assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}"))
            .await;
    }
    store.close().await;
}
