//! kill -9 and a Redis that goes away, under load: nothing acknowledged is lost, nothing is doubled.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use crate::support::{Client, Process, Redis, Socket, eventually};

/// Writers that go on through every outage: each repeats a message until it is acknowledged.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    failures: Arc<AtomicU64>,
    receipts: Arc<Mutex<HashMap<String, Value>>>,
    writers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(client: &Client, channel: &str, writers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let failures = Arc::new(AtomicU64::new(0));
        let receipts = Arc::new(Mutex::new(HashMap::new()));
        let writers = (0..writers)
            .map(|writer| {
                let (client, channel) = (client.clone(), channel.to_owned());
                let (stop, acknowledged, receipts) = (stop.clone(), acknowledged.clone(), receipts.clone());
                let failures = failures.clone();
                tokio::spawn(async move {
                    for number in 0_u32.. {
                        let external_id = format!("w{writer}-{number}");
                        let owner = format!("owner{}", (writer + number as usize) % 7);
                        loop {
                            if let Some(receipt) = client.try_say(&channel, &owner, &external_id, "hello").await {
                                receipts.lock().insert(external_id, receipt);
                                acknowledged.fetch_add(1, Ordering::Relaxed);
                                break;
                            }
                            failures.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                })
            })
            .collect();
        Self {
            stop,
            acknowledged,
            failures,
            receipts,
            writers,
        }
    }

    /// Waits until so many more messages are acknowledged.
    async fn progress(&self, more: u64) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + more;
        eventually("progress", || async {
            (self.acknowledged.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await;
    }

    async fn finish(self) -> HashMap<String, Value> {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            writer.await.unwrap();
        }
        Arc::try_unwrap(self.receipts).unwrap().into_inner()
    }
}

/// Every acknowledged message is there once, where its receipt says.
async fn nothing_lost_nothing_doubled(client: &Client, receipts: &HashMap<String, Value>) {
    let mut of_chat: HashMap<&str, Vec<(u64, &String)>> = HashMap::new();
    for (external_id, receipt) in receipts {
        let chat = receipt["chat"]["id"].as_str().unwrap();
        of_chat
            .entry(chat)
            .or_default()
            .push((receipt["message"]["seq"].as_u64().unwrap(), external_id));
    }
    let mut total = 0;
    for (chat, mut expected) in of_chat {
        expected.sort();
        let stored = client.messages(chat).await;
        let distinct: HashSet<&String> = stored.iter().map(|(_, external_id)| external_id).collect();
        assert_eq!(distinct.len(), stored.len(), "nothing is doubled");
        let stored: Vec<(u64, &String)> = stored.iter().map(|(seq, external_id)| (*seq, external_id)).collect();
        assert_eq!(
            stored, expected,
            "every writer repeats until it is heard, so what is stored is what was acknowledged"
        );
        total += stored.len();
    }
    assert_eq!(total, receipts.len());
}

async fn killed_again_and_again(redis: Option<&Redis>) {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path(), redis).await;
    let client = process.client();
    let channel = client.channel().await;
    let load = Load::start(&client, &channel, 12);
    for round in 0..50_u64 {
        load.progress(5 + round % 17).await;
        process.kill();
        if round % 10 == 9 {
            let (clean, report) = process.verify();
            assert!(clean, "{report}");
        }
        process.restart().await;
    }
    load.progress(20).await;
    let receipts = load.finish().await;
    assert!(receipts.len() > 500);
    nothing_lost_nothing_doubled(&client, &receipts).await;
    assert!(process.terminate().success());
    let (clean, report) = process.verify();
    assert!(clean, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_on_sqlite_lose_and_double_nothing() {
    killed_again_and_again(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_on_redis_lose_and_double_nothing() {
    let redis = Redis::start();
    killed_again_and_again(Some(&redis)).await;
}

/// Reads a subscription to its end and gives back the cursor and identity of each event of the channel's chats.
async fn watch(url: String, stop: Arc<AtomicBool>) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    let mut socket = Socket::connect(&url, crate::support::KEY).await;
    let query = "subscription { events(types: [\"message.received\"]) { __typename ... on Event { chatId chatSeq } ... on Gap { reason } } }";
    socket.subscribe("1", query, serde_json::json!({})).await;
    while !stop.load(Ordering::Relaxed) || !socket.is_silent(3_000).await {
        let item = tokio::time::timeout(Duration::from_millis(500), socket.item()).await;
        let Ok(item) = item else { continue };
        let item = item.expect("the socket stays open while Redis is away")["events"].clone();
        assert_eq!(item["__typename"], "Event", "{item:#}");
        seen.push((
            item["chatId"].as_str().unwrap().to_owned(),
            item["chatSeq"].as_u64().unwrap(),
        ));
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_redis_loses_nothing_and_everybody_goes_on() {
    let mut redis = Redis::start();
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(data.path(), Some(&redis)).await;
    let client = process.client();
    let channel = client.channel().await;
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = tokio::spawn(watch(process.url.clone(), stop.clone()));
    client.say(&channel, "first", "first", "hello").await;
    let load = Load::start(&client, &channel, 12);
    for round in 0..5 {
        load.progress(30 + round * 10).await;
        redis.restart();
    }
    load.progress(100).await;
    assert_eq!(load.failures.load(Ordering::Relaxed), 0, "no writer noticed");
    let receipts = load.finish().await;
    nothing_lost_nothing_doubled(&client, &receipts).await;
    stop.store(true, Ordering::Relaxed);
    let mut seen = watcher.await.unwrap();
    let mut expected: Vec<(String, u64)> = receipts
        .values()
        .map(|receipt| {
            (
                receipt["chat"]["id"].as_str().unwrap().to_owned(),
                receipt["message"]["seq"].as_u64().unwrap(),
            )
        })
        .collect();
    seen.retain(|event| expected.contains(event));
    let distinct: HashSet<&(String, u64)> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "nothing is delivered twice");
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected, "the subscription missed nothing");
    assert!(process.terminate().success());
    let (clean, report) = process.verify();
    assert!(clean, "{report}");
}
