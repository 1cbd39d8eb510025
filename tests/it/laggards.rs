//! One of a group stops reading for a while: the others wait for it only so long, and it reads on where it stopped.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard::domain::id;

use crate::crowd::{SHARED, narrow, waiting};
use crate::support::{Client, KEY, Socket, TestApp};

const HEALTHY: usize = 4;
const TEXT_BYTES: usize = 16_000;

/// More than may wait for one of so small a group: in the group, in its socket's task and in its own buffers.
const FAR_BEHIND_BYTES: usize = 512 * 1_024;

/// How long a group waits at least for one that has much to take, so that somebody notices.
const WAITED_FOR: Duration = Duration::from_millis(100);

/// A reader with little room, which can stop.
struct Laggard {
    socket: Socket,
    ports: HashSet<u16>,
}

impl Laggard {
    async fn connect(url: &str) -> Self {
        let stream = narrow(url).await;
        let ports = HashSet::from([stream.local_addr().unwrap().port()]);
        let mut socket = Socket::over(stream, url, KEY).await;
        socket.subscribe("1", SHARED, json!({ "after": null })).await;
        Self { socket, ports }
    }

    /// How many bytes wait for it outside the server.
    fn on_its_way(&self, url: &str) -> usize {
        let bytes: u64 = waiting(url, &self.ports).values().sum();
        usize::try_from(bytes).unwrap()
    }
}

/// One group: some that read everything at once, and one that can stop.
struct Party {
    client: Client,
    channel: String,
    chat: String,
    healthy: Vec<Socket>,
    laggard: Laggard,
    /// What the healthy ones were given, each of them the same.
    given: Vec<Value>,
    /// How much of it the laggard was given.
    taken: usize,
}

impl Party {
    /// All of them are on.
    async fn begin(app: &TestApp) -> Self {
        let client = app.client();
        let channel = client.channel().await;
        let mut healthy = Vec::new();
        for _ in 0..HEALTHY {
            let mut socket = Socket::connect(&app.url, KEY).await;
            socket.subscribe("1", SHARED, json!({ "after": null })).await;
            healthy.push(socket);
        }
        let mut laggard = Laggard::connect(&app.url).await;
        let mut hello = 0;
        let mut call = async || {
            hello += 1;
            client.say(&channel, "first", &format!("f{hello}"), "hello").await;
        };
        // each is on when it hears something
        for socket in &mut healthy {
            while socket.is_silent(100).await {
                call().await;
            }
        }
        while laggard.socket.is_silent(100).await {
            call().await;
        }
        let chat = id::chat(id::first_workspace(), channel.parse().unwrap(), "ada");
        Self {
            client,
            channel,
            chat: chat.to_string(),
            healthy,
            laggard,
            given: Vec::new(),
            taken: 0,
        }
    }

    /// Whether an item is of the chat that counts, and not of the one that they were called with.
    fn counts(&self, item: &Value) -> bool {
        assert_eq!(item["__typename"], "Event", "{item:#}");
        item["chatId"] == self.chat.as_str()
    }

    /// Says something, which every healthy one is given.
    async fn say(&mut self) {
        let (number, text) = (self.given.len(), "x".repeat(TEXT_BYTES));
        self.client
            .say(&self.channel, "ada", &format!("m{number}"), &text)
            .await;
        for reader in 0..HEALTHY {
            let item = loop {
                let data = self.healthy[reader].item().await.expect("an open socket");
                if self.counts(&data["events"]) {
                    break data["events"].clone();
                }
            };
            if reader == 0 {
                self.given.push(item);
            } else {
                assert!(item == self.given[number], "another has {}", item["chatSeq"]);
            }
        }
    }

    /// Goes on while the laggard takes nothing, until it is far behind. How long two messages took together at most: where
    /// the group waits after the one, the other waits with it.
    async fn leave_behind(&mut self) -> Duration {
        let first = self.given.len();
        let (mut last_begin, mut longest) = (Instant::now(), Duration::ZERO);
        loop {
            let begin = Instant::now();
            self.say().await;
            longest = longest.max(last_begin.elapsed());
            last_begin = begin;
            let said = (self.given.len() - first) * TEXT_BYTES;
            if said > FAR_BEHIND_BYTES + self.laggard.on_its_way(&self.client.url) {
                return longest;
            }
        }
    }

    /// The laggard reads on: it is given the very same, in the same order.
    async fn catch_up(&mut self) {
        while self.taken < self.given.len() {
            let data = self.laggard.socket.item().await.expect("an open socket");
            let item = &data["events"];
            if self.counts(item) {
                let (seq, expected) = (&item["chatSeq"], &self.given[self.taken]["chatSeq"]);
                assert!(*item == self.given[self.taken], "{seq} in place of {expected}");
                self.taken += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stops_for_a_while_misses_nothing_and_shares_again() {
    // longer than it stops, however busy the machine is
    let app = TestApp::start_with(None, |config| config.api.socket_send_timeout_ms = 60_000).await;
    let mut party = Party::begin(&app).await;
    let waited = party.leave_behind().await;
    assert!(waited >= WAITED_FOR, "{waited:?}: it began in no group with the others");
    party.catch_up().await;
    for _ in 0..5 {
        party.say().await;
        party.catch_up().await;
    }
    let waited = party.leave_behind().await;
    assert!(waited >= WAITED_FOR, "{waited:?}: it went on by itself");
    party.catch_up().await;
    assert!(party.laggard.socket.is_silent(300).await, "something comes again");
    let history = app.node.store.history(party.chat.parse().unwrap(), 0, 10_000).await;
    let history = history.unwrap().into_iter().map(|record| record.event);
    let said = history.filter(|event| event.body.name() == "message.received");
    let said: Vec<Value> = said.map(|event| event.seq.into()).collect();
    let given: Vec<Value> = party.given.iter().map(|item| item["chatSeq"].clone()).collect();
    assert_eq!(given, said);
}
