//! A node that has not taken in what its store has, and readers who come back to what has passed.

mod reading;
mod stalled;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard::actor::Answer;
use switchboard::clock::Clock;
use switchboard::domain::command::Incoming;
use switchboard::domain::event::Profile;
use switchboard::domain::{Actor, Chat, ChatCommand, ChatCommandBody, DedupeKey, id};
use switchboard::live::Cursor;
use switchboard::server::{Node, open_store};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::stalled::Stalled;
use crate::queues::queue;
use crate::support::{Client, Frame, KEY, Redis, Socket, TestApp, config, eventually, make_workspace, says, serve};

const WAIT: Duration = Duration::from_secs(20);

const EVENTS: &str = "subscription($after: Cursor) { events(after: $after) { __typename \
    ... on Event { chatId chatSeq type } ... on Gap { reason } } }";

/// A message, decided and durable; nobody waits until a view has it.
async fn say(node: &Node, (workspace_id, channel_id): (Uuid, Uuid), owner: &str, number: u32) -> Answer<Chat> {
    let body = ChatCommandBody::Receive(Box::new(Incoming {
        external_id: Some(number.to_string()),
        content: says("hello"),
        sent_at: None,
        profile: Profile::default(),
        author_name: None,
    }));
    let command = ChatCommand {
        origin: Some((channel_id, owner.to_owned())),
        keys: vec![DedupeKey::message(&number.to_string())],
        ..ChatCommand::new(id::ticket(workspace_id, number), workspace_id, Actor::system(), body)
    };
    let pending = node.services.router.submit_to_origin(command).unwrap();
    pending.answer().await.unwrap()
}

/// A node beside Redis that serves, and whose log can stand still.
struct Late {
    node: Arc<Node>,
    url: String,
    store: Arc<Stalled>,
    shutdown: CancellationToken,
    _data: tempfile::TempDir,
}

impl Late {
    async fn start(redis: &Redis) -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = config(data.path(), Some(redis));
        let (store, view) = open_store(&config.store, data.path()).await.unwrap();
        let store = Stalled::over(store);
        let node = Node::start((store.clone(), view), Clock::default(), &config)
            .await
            .unwrap();
        let node = Arc::new(node);
        make_workspace(&node, id::first_workspace(), KEY).await;
        let (url, shutdown) = serve(&node, config).await;
        Self {
            node,
            url,
            store,
            shutdown,
            _data: data,
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.url, KEY)
    }

    /// What comes now stays out of the view.
    async fn stall(&self) {
        self.node.services.live.catch_up(WAIT).await.unwrap();
        self.store.stall();
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.store.release();
        self.shutdown.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_a_stream_do_not_wait_for_what_is_written_meanwhile() {
    const MESSAGES: usize = 8;
    let redis = Redis::start();
    let late = Late::start(&redis).await;
    let client = late.client();
    let channel = client.channel().await;
    let first = client.say(&channel, "ada", "m0", "hello").await;
    for number in 1..=MESSAGES {
        client.say(&channel, "ada", &format!("m{number}"), "hello").await;
    }
    late.stall().await;
    let place = (id::first_workspace(), channel.parse().unwrap());
    say(&late.node, place, "bob", 100).await;
    let document = "subscription($after: Cursor) { ticketChanged(after: $after) {
        ... on TicketChange { ticket { chat { owner { name } } } } } }";
    let mut socket = Socket::connect(&late.url, KEY).await;
    let begin = Instant::now();
    socket
        .subscribe("1", document, json!({ "after": first["cursor"] }))
        .await;
    for _ in 0..MESSAGES {
        let item = socket.item().await.unwrap();
        assert_eq!(item["ticketChanged"]["ticket"]["chat"]["owner"]["name"], "Ada");
    }
    // a wait takes two seconds
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_waits_for_what_its_node_has_acknowledged() {
    let redis = Redis::start();
    let late = Late::start(&redis).await;
    let client = late.client();
    let channel = client.channel().await;
    let place = (id::first_workspace(), channel.parse().unwrap());
    late.stall().await;
    say(&late.node, place, "ada", 1).await;
    let asked = tokio::spawn(async move { client.data("{ tickets { totalCount } }", json!({})).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished(), "it is not there yet");
    late.store.release();
    assert_eq!(asked.await.unwrap()["tickets"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_a_node_has_not_taken_in_is_waited_for() {
    let redis = Redis::start();
    let late = Late::start(&redis).await;
    let channel = late.client().channel().await;
    let place = (id::first_workspace(), channel.parse().unwrap());
    late.stall().await;
    let answer = say(&late.node, place, "ada", 1).await;
    let epoch = late.node.store.heads().await.unwrap().epoch;
    let after = |position| {
        let partition = answer.partition;
        let cursor = Cursor::Point {
            epoch,
            partition,
            position,
        };
        json!({ "after": cursor.encode() })
    };
    let mut known = Socket::connect(&late.url, KEY).await;
    known.subscribe("1", EVENTS, after(answer.position)).await;
    let mut unknown = Socket::connect(&late.url, KEY).await;
    unknown.subscribe("1", EVENTS, after(answer.position + 1_000)).await;
    let gap = unknown.item().await.unwrap()["events"].clone();
    assert_eq!(gap["__typename"], "Gap", "nobody has that");
    assert!(known.is_silent(1_500).await, "the store has it");
    late.store.release();
    say(&late.node, place, "ada", 2).await;
    let item = known.item().await.unwrap()["events"].clone();
    let chat = id::chat(place.0, place.1, "ada").to_string();
    assert_eq!(
        (&item["__typename"], &item["chatId"], &item["type"]),
        (&json!("Event"), &json!(chat), &json!("message.received")),
        "{item:#}"
    );
}

fn snapshot(item: &Value) -> usize {
    assert_eq!(item["__typename"], "QueueSnapshot", "{item:#}");
    item["tickets"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_begins_with_what_its_node_has_acknowledged() {
    let redis = Redis::start();
    let late = Late::start(&redis).await;
    let channel = late.client().channel().await;
    let place = (id::first_workspace(), channel.parse().unwrap());
    let (document, counters) = (queue("first: 10"), "subscription { queueStats { new } }");
    late.stall().await;
    say(&late.node, place, "ada", 1).await;
    let mut socket = Socket::connect(&late.url, KEY).await;
    socket.subscribe("1", &document, json!({})).await;
    let mut counts = Socket::connect(&late.url, KEY).await;
    counts.subscribe("1", counters, json!({})).await;
    assert!(socket.is_silent(300).await, "it lacks what was acknowledged");
    late.store.release();
    assert_eq!(snapshot(&socket.item().await.unwrap()["queue"]), 1);
    assert_eq!(counts.item().await.unwrap()["queueStats"]["new"], 1);
    // whoever comes later asks for a snapshot, as there were changes since the first
    say(&late.node, place, "cay", 2).await;
    assert_eq!(socket.item().await.unwrap()["queue"]["kind"], "ENTER");
    late.stall().await;
    say(&late.node, place, "bob", 3).await;
    let mut other = Socket::connect(&late.url, KEY).await;
    other.subscribe("1", &document, json!({})).await;
    assert!(other.is_silent(300).await, "it lacks what was acknowledged");
    late.store.release();
    assert_eq!(snapshot(&other.item().await.unwrap()["queue"]), 3);
    let Frame::Json(frame) = socket.next().await else {
        panic!("an open socket")
    };
    assert_eq!(frame["payload"]["data"]["queue"]["kind"], "ENTER", "{frame:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_reads_of_the_past_is_no_news() {
    let (redis, data) = (Redis::start(), tempfile::tempdir().unwrap());
    let config = config(data.path(), Some(&redis));
    let parts = open_store(&config.store, data.path()).await.unwrap();
    let first = Node::start(parts, Clock::default(), &config).await.unwrap();
    make_workspace(&first, id::first_workspace(), KEY).await;
    first.close().await;
    let other = TestApp::on_redis(&redis).await;
    let client = other.client();
    let channel = client.channel().await;
    for number in 0..20 {
        client
            .say(&channel, &format!("old {number}"), &number.to_string(), "hello")
            .await;
    }
    let lock = rusqlite::Connection::open(data.path().join("view.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let parts = open_store(&config.store, data.path()).await.unwrap();
    let node = Arc::new(Node::start(parts, Clock::default(), &config).await.unwrap());
    let (url, shutdown) = serve(&node, config).await;
    assert!(!node.services.live.applied().ready);
    let mut socket = Socket::connect(&url, KEY).await;
    socket.subscribe("1", EVENTS, json!({})).await;
    assert!(socket.is_silent(300).await);
    lock.execute_batch("ROLLBACK").unwrap();
    eventually("a view that is built", || async {
        node.services.live.applied().ready.then_some(())
    })
    .await;
    let (mut number, mut news) = (100, Value::Null);
    let item = loop {
        let receipt = client.say(&channel, "new", &number.to_string(), "hello").await;
        news = if news.is_null() {
            receipt["chat"]["id"].clone()
        } else {
            news
        };
        number += 1;
        if let Ok(item) = tokio::time::timeout(Duration::from_millis(200), socket.item()).await {
            break item.unwrap()["events"].clone();
        }
    };
    assert_eq!(
        (&item["__typename"], &item["chatId"]),
        (&json!("Event"), &news),
        "{item:#}"
    );
    shutdown.cancel();
}
