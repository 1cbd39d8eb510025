//! What the benches share: prepared commits, a Redis of their own, CPU and memory of processes, and the table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    dead_code,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    reason = "benches fail by panicking, measure with the clock, and each uses its part of this"
)]

#[path = "../tests/it/support/redis.rs"]
mod redis_server;

pub use redis_server::Redis;

use std::sync::Arc;

use switchboard::domain::command::Incoming;
use switchboard::domain::event::Profile;
use switchboard::domain::message::Content;
use switchboard::domain::{Actor, ActorKind, Aggregate, Chat, ChatCommand, ChatCommandBody, DedupeKey, Rulebook, id};
use switchboard::router::Policies;
use switchboard::store::{Commit, KeyWrite};
use uuid::Uuid;

pub const CHANNEL: Uuid = Uuid::from_u128(7);
pub const NOW: u64 = 1_760_000_000_000;

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A number from the environment, so that a quick look and a long run are the same program.
pub fn setting(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().expect("a number"))
}

pub fn owner(number: usize) -> String {
    format!("+49 170 {number:07}")
}

/// The message with this number of an owner.
pub fn message(owner_number: usize, number: usize) -> ChatCommand {
    let owner = owner(owner_number);
    let external_id = format!("wamid.{owner_number:08}.{number:08}");
    let body = ChatCommandBody::Receive(Box::new(Incoming {
        external_id: Some(external_id.clone()),
        content: Content {
            text: Some("Hello, where is my order? It should have come on Tuesday.".into()),
            attachments: Vec::new(),
        },
        sent_at: Some(NOW),
        profile: Profile {
            name: Some("Ada Fischer".into()),
            avatar: None,
        },
        author_name: None,
    }));
    let command_id = Uuid::from_u128((owner_number as u128) << 64 | number as u128);
    let actor = Actor::new(ActorKind::Owner, owner.clone());
    ChatCommand {
        origin: Some((CHANNEL, owner)),
        keys: vec![DedupeKey::message(&external_id)],
        ..ChatCommand::new(command_id, id::first_workspace(), actor, body)
    }
}

pub fn chat_id(owner_number: usize) -> Uuid {
    id::chat(id::first_workspace(), CHANNEL, &owner(owner_number))
}

/// The commit that one message makes of a chat, and the chat after it.
pub fn commit(chat: &Chat, command: &ChatCommand) -> (Arc<Commit>, Chat) {
    commit_at(chat, command, NOW)
}

/// The same at another time.
pub fn commit_at(chat: &Chat, command: &ChatCommand, now: u64) -> (Arc<Commit>, Chat) {
    let decided = chat.decide(command, &Rulebook::default(), now).unwrap();
    let mut next = decided.state;
    next.version = chat.version + 1;
    let keys = command.keys.iter().map(|key| KeyWrite {
        key: key.as_str().to_owned(),
        receipt: serde_json::to_string(&decided.receipt).unwrap(),
        offset: decided.events.len() as u64 - 1,
    });
    let commit = Commit {
        aggregate_id: chat.id,
        expected_version: chat.version,
        snapshot: serde_json::to_string(&next).unwrap(),
        bodies: decided
            .events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap())
            .collect(),
        keys: keys.collect(),
        due: next.due(),
        events: decided.events,
    };
    (Arc::new(commit), next)
}

/// Rounds of commits over chats, as a store gets them: every chat once a round, a commit each millisecond.
pub fn commits(chats: usize, rounds: usize) -> Vec<Vec<Arc<Commit>>> {
    let mut states: Vec<Chat> = (0..chats).map(|number| Chat::blank(chat_id(number))).collect();
    let round = |round: usize, states: &mut Vec<Chat>| {
        (0..chats)
            .map(|number| {
                let now = NOW + (round * chats + number) as u64;
                let (commit, next) = commit_at(&states[number], &message(number, round), now);
                states[number] = next;
                commit
            })
            .collect()
    };
    (0..rounds).map(|number| round(number, &mut states)).collect()
}

/// One policy for every channel.
#[derive(Debug)]
pub struct FixedPolicies;

impl Policies for FixedPolicies {
    fn rulebook(&self, _workspace_id: Uuid, _channel_id: Option<Uuid>) -> Rulebook {
        Rulebook::default()
    }
}

/// CPU seconds of this process, user and system.
pub fn own_cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// CPU seconds of a Redis.
pub fn redis_cpu_seconds(redis: &Redis) -> f64 {
    let info = redis.cli(&["INFO", "cpu"]);
    info.lines()
        .filter(|line| line.starts_with("used_cpu_sys:") || line.starts_with("used_cpu_user:"))
        .map(|line| line.split(':').nth(1).unwrap().trim().parse::<f64>().unwrap())
        .sum()
}

/// Resident memory of a process in bytes.
pub fn resident_bytes(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

/// One line of the table: what, the ratio, and what it must be.
pub fn row(what: &str, measured: f64, bound: &str, holds: bool) {
    println!(
        "{what:<72} {measured:>9.2}  {bound:<8} {}",
        if holds { "holds" } else { "MISSED" }
    );
}

pub fn at_least(what: &str, measured: f64, bound: f64) {
    row(what, measured, &format!(">= {bound}"), measured >= bound);
}

pub fn at_most(what: &str, measured: f64, bound: f64) {
    row(what, measured, &format!("<= {bound}"), measured <= bound);
}
