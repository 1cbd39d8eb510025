//! The stores against the same rows written by hand: batched commits with compare-and-set and dedupe, against bare
//! pipelined commands (Redis) and a bare loop of prepared statements (SQLite).

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
use std::time::Instant;

use futures_util::stream::{self, StreamExt as _};
use rusqlite::{Connection, params};
use support::{Redis, at_least, commits, setting};
use switchboard::domain::id;
use switchboard::sqlite::{Durability, open_writer};
use switchboard::store::redis::{RedisOptions, RedisStore};
use switchboard::store::sqlite::SqliteStore;
use switchboard::store::{Commit, Outcome, Store};
use switchboard::view::View;

const PARTITIONS: u16 = 16;
/// Commits of one script call and of one pipeline.
const BATCH: usize = 32;
/// Commits of one SQLite transaction.
const GROUP: usize = 512;

type Rounds = Vec<Vec<Arc<Commit>>>;

fn main() {
    let chats = setting("CHATS", 10_000);
    let rounds = commits(chats, setting("ROUNDS", 6));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(redis(&rounds));
    runtime.block_on(sqlite(&rounds));
}

/// Commits in a second through a store: the first round makes the chats and is not counted.
async fn through(store: &dyn Store, rounds: &Rounds, at_once: usize) -> f64 {
    let mut start = Instant::now();
    for (number, round) in rounds.iter().enumerate() {
        if number == 1 {
            start = Instant::now();
        }
        stream::iter(round)
            .map(|commit| store.commit(Arc::clone(commit)))
            .buffer_unordered(at_once)
            .for_each(async |outcome| assert!(matches!(outcome, Outcome::Committed { .. }), "{outcome:?}"))
            .await;
    }
    per_second(rounds, start)
}

fn per_second(rounds: &Rounds, start: Instant) -> f64 {
    let count: usize = rounds[1..].iter().map(Vec::len).sum();
    count as f64 / start.elapsed().as_secs_f64()
}

async fn redis(rounds: &Rounds) {
    for fsync in ["always", "everysec"] {
        let server = Redis::start_with(&["--appendonly", "yes", "--appendfsync", fsync]);
        let bare = bare_pipelines(&server, rounds).await;
        drop(server);
        let server = Redis::start_with(&["--appendonly", "yes", "--appendfsync", fsync]);
        let options = RedisOptions {
            url: server.url(),
            namespace: "bench".into(),
            partitions: PARTITIONS,
            log_retention_records: 1_000_000,
        };
        let store = RedisStore::open(options).await.unwrap();
        let batched = through(&store, rounds, usize::from(PARTITIONS) * BATCH * 2).await;
        store.close().await;
        println!("Redis, appendfsync {fsync}: {batched:.0} commits/s, the same keys by bare pipelines {bare:.0}/s");
        at_least(
            &format!("Redis, appendfsync {fsync}: batched commits / bare pipelined commands"),
            batched / bare,
            1.5,
        );
    }
}

/// The same keys and bytes, every partition on its own, as pipelines of [`BATCH`] messages.
async fn bare_pipelines(server: &Redis, rounds: &Rounds) -> f64 {
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut start = Instant::now();
    let mut heads = vec![0_u64; usize::from(PARTITIONS)];
    for (number, round) in rounds.iter().enumerate() {
        let mut of_partition: Vec<Vec<&Commit>> = vec![Vec::new(); usize::from(PARTITIONS)];
        for commit in round {
            of_partition[usize::from(id::partition(commit.aggregate_id, PARTITIONS))].push(commit);
        }
        let mut lines: Vec<Vec<redis::Pipeline>> = Vec::new();
        for (partition, commits) in of_partition.iter().enumerate() {
            let batches = commits.chunks(BATCH);
            lines.push(
                batches
                    .map(|batch| pipeline(partition, batch, &mut heads[partition]))
                    .collect(),
            );
        }
        if number == 1 {
            start = Instant::now();
        }
        let runs = lines.into_iter().map(|pipelines| {
            let mut connection = connection.clone();
            async move {
                for pipeline in pipelines {
                    let _: redis::Value = pipeline.query_async(&mut connection).await.unwrap();
                }
            }
        });
        futures_util::future::join_all(runs).await;
    }
    per_second(rounds, start)
}

fn pipeline(partition: usize, batch: &[&Commit], head: &mut u64) -> redis::Pipeline {
    let prefix = format!("bench:{{p{partition:02}}}");
    let mut pipeline = redis::pipe();
    for commit in batch {
        let id = commit.aggregate_id.simple().to_string();
        let mut history = redis::cmd("HSET");
        history.arg(format!("{prefix}:history:{id}"));
        for (event, body) in commit.events.iter().zip(&commit.bodies) {
            *head += 1;
            pipeline
                .cmd("XADD")
                .arg(format!("{prefix}:log"))
                .arg(format!("{head}-0"))
                .arg("e")
                .arg(body)
                .ignore();
            history.arg(event.seq).arg(format!("{head} {body}"));
        }
        pipeline.add_command(history).ignore();
        let mut seen = redis::cmd("HSET");
        seen.arg(format!("{prefix}:seen:{id}"));
        for key in &commit.keys {
            seen.arg(&key.key).arg(format!("{head} {}", key.receipt));
        }
        pipeline.add_command(seen).ignore();
        pipeline
            .cmd("HSET")
            .arg(format!("{prefix}:chat:{id}"))
            .arg("v")
            .arg(commit.expected_version + 1)
            .arg("s")
            .arg(&commit.snapshot)
            .ignore();
        pipeline
            .cmd("ZADD")
            .arg(format!("{prefix}:index"))
            .arg(*head)
            .arg(&id)
            .ignore();
    }
    pipeline.cmd("SET").arg(format!("{prefix}:head")).arg(*head).ignore();
    pipeline
}

async fn sqlite(rounds: &Rounds) {
    let directory = tempfile::tempdir().unwrap();
    let bare = bare_loop(&directory.path().join("bare.db"), rounds);
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, View::prepare_embedded, View::projection()).unwrap();
    let grouped = through(&store, rounds, GROUP * 2).await;
    store.close().await;
    println!("SQLite: {grouped:.0} commits/s, the same rows by a bare loop {bare:.0}/s");
    at_least(
        "SQLite: group commits / the same rows by a bare loop",
        grouped / bare,
        0.6,
    );
}

/// The same rows, by prepared statements in transactions of [`GROUP`] messages; those of the view by its own code.
fn bare_loop(path: &std::path::Path, rounds: &Rounds) -> f64 {
    let prepare = SqliteStore::open(path, View::prepare_embedded, View::projection()).unwrap();
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| runtime.block_on(prepare.close()));
    let mut connection = open_writer(path, Durability::Full).unwrap();
    let mut projection = View::projection();
    let mut start = Instant::now();
    let mut position = 0_u64;
    for (number, round) in rounds.iter().enumerate() {
        if number == 1 {
            start = Instant::now();
        }
        for group in round.chunks(GROUP) {
            let transaction = connection.transaction().unwrap();
            let mut written = Vec::new();
            for commit in group {
                insert(&transaction, commit, &mut position);
                written.extend(&commit.events);
            }
            projection(&transaction, &written).unwrap();
            transaction.commit().unwrap();
        }
    }
    per_second(rounds, start)
}

fn insert(connection: &Connection, commit: &Commit, position: &mut u64) {
    let id = commit.aggregate_id.as_bytes();
    let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).unwrap().execute(params).unwrap();
    };
    for (event, body) in commit.events.iter().zip(&commit.bodies) {
        *position += 1;
        let workspace = event.workspace_id.as_bytes();
        run(
            "INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                *position as i64,
                id,
                event.seq as i64,
                workspace,
                event.body.name(),
                body
            ],
        );
    }
    run(
        "INSERT INTO aggregate VALUES (?1, ?2, ?3, ?4, NULL)
         ON CONFLICT (id) DO UPDATE SET version = ?2, last_position = ?3, snapshot = ?4",
        params![
            id,
            commit.expected_version as i64 + 1,
            *position as i64,
            commit.snapshot
        ],
    );
    for key in &commit.keys {
        run(
            "INSERT INTO seen VALUES (?1, ?2, ?3, ?4)",
            params![id, key.key, *position as i64, key.receipt],
        );
    }
}
