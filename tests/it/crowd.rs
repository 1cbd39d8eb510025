//! Many subscribers at once: cut off, asleep, on two nodes with a short log, and some that never read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard::live::{Cursor, Live};
use switchboard::store::Heads;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::support::world::Dice;
use crate::support::{Client, Frame, KEY, Process, Redis, Socket, TestApp};

const SUBSCRIBERS: usize = 1_000;
const CHATS: usize = 20;
const MESSAGES: usize = 240;

/// How soon the server lets go of one that takes nothing: the send time-out of 8 s, and what a busy machine may need beside
/// it.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);

/// Where so much waits, it is not only on its way.
const STUCK_BYTES: u64 = 1_024;

/// How long the others may wait for those that never read: two seconds, and what a busy machine may need beside them.
const HELD_UP_MAX: Duration = Duration::from_secs(5);

/// Messages with their texts. One that never reads begins in the same group as those that do.
pub(crate) const SHARED: &str = "subscription($after: Cursor) { events(after: $after, types: [\"message.received\"]) { \
    __typename ... on Event { cursor chatId chatSeq data } ... on Gap { cursor } } }";
/// The same for a group of those that never read.
const UNREAD: &str = "subscription($after: Cursor) { events(after: $after, types: [\"message.received\"]) { \
    ... on Event { data } } }";

const ITEM: &str = "__typename ... on Event { cursor chatId chatSeq } ... on Gap { cursor }";
const CHANGE: &str = "__typename ... on TicketChange { cursor event { chatId chatSeq } } ... on Gap { cursor }";

/// What is subscribed to: the document, its field, and whether it sees an event.
struct Kind {
    document: String,
    field: &'static str,
    sees: fn(&str, bool) -> bool,
}

fn kinds() -> Vec<Kind> {
    let kind = |field, arguments: &str, item: &str, sees| Kind {
        document: format!("subscription($after: Cursor) {{ {field}(after: $after{arguments}) {{ {item} }} }}"),
        field,
        sees,
    };
    vec![
        kind("events", "", ITEM, |_, _| true),
        kind("events", ", types: [\"message.received\"]", ITEM, |name, _| {
            name == "message.received"
        }),
        kind("ticketChanged", "", CHANGE, |_, has_ticket| has_ticket),
        kind(
            "ticketChanged",
            ", filter: { statuses: [NEW, ACTIVE, INACTIVE] }",
            CHANGE,
            |_, has_ticket| has_ticket,
        ),
    ]
}

fn heads(cursor: &str) -> Heads {
    match Cursor::decode(cursor).unwrap() {
        Cursor::Heads(heads) => heads,
        Cursor::Point { .. } => panic!("not the cursor of a stream"),
    }
}

/// One record: its chat and place there, and its place in the logs.
struct Known {
    chat_id: Uuid,
    seq: u64,
    partition: usize,
    position: u64,
    name: &'static str,
    has_ticket: bool,
}

/// What a subscriber has seen, and what a gap told it that it would not see.
#[derive(Default)]
struct Seen {
    events: Vec<(Uuid, u64)>,
    missed: Vec<(Heads, Heads)>,
    connections: usize,
}

struct Places {
    one: String,
    other: OnceCell<(String, Live)>,
    start: String,
    end: Uuid,
}

async fn subscribe(places: Arc<Places>, number: usize) -> Seen {
    let kinds = kinds();
    let kind = &kinds[number % kinds.len()];
    let mut dice = Dice(0x1234_5678_9abc + number as u64 * 7_919);
    let mut seen = Seen::default();
    let mut after = places.start.clone();
    // some come late, to the node that does not know the beginning
    let is_late = number.is_multiple_of(10);
    while is_late && places.other.get().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    loop {
        let begins = is_late && seen.connections == 0;
        let other = places.other.get().filter(|_| begins || dice.once_in(3));
        let url = other.map_or(&places.one, |(url, _)| url);
        seen.connections += 1;
        let Some(mut socket) = Socket::try_connect(url, KEY).await else {
            continue;
        };
        socket.subscribe("1", &kind.document, json!({ "after": after })).await;
        for _ in 0..=dice.roll(120) {
            if dice.once_in(60) {
                tokio::time::sleep(Duration::from_millis(dice.roll(300) as u64)).await;
            }
            let Some(data) = socket.item().await else { break };
            let item = &data[kind.field];
            let cursor = item["cursor"].as_str().unwrap().to_owned();
            if item["__typename"] == "Gap" {
                let (_, live) = other.expect("the first node has seen everything: it has no gap");
                let from = heads(&after);
                // it never falls, so that when the gap was made it was no higher
                let floor = live.applied().floor;
                assert!(
                    from.is_behind(&floor),
                    "a gap after {from:?}, though all is in order from {floor:?} on"
                );
                seen.missed.push((from, heads(&cursor)));
                after = cursor;
                continue;
            }
            after = cursor;
            let event = if item["event"].is_object() {
                &item["event"]
            } else {
                item
            };
            let chat_id: Uuid = event["chatId"].as_str().unwrap_or_default().parse().unwrap_or_default();
            seen.events.push((chat_id, event["chatSeq"].as_u64().unwrap()));
            if chat_id == places.end && kind_ends(kind, event) {
                return seen;
            }
        }
    }
}

/// The last event of the last chat, for every kind: its message, the third of its three.
fn kind_ends(_: &Kind, event: &Value) -> bool {
    event["chatSeq"] == 3
}

async fn known(app: &TestApp, chats: &HashSet<Uuid>) -> Vec<Known> {
    let mut all = Vec::new();
    for chat_id in chats {
        for record in app.node.store.history(*chat_id, 0, 10_000).await.unwrap() {
            all.push(Known {
                chat_id: *chat_id,
                seq: record.event.seq,
                partition: record.partition.into(),
                position: record.position,
                name: record.event.body.name(),
                has_ticket: record.event.ticket.is_some(),
            });
        }
    }
    all
}

fn is_after(heads: &Heads, record: &Known) -> bool {
    record.position > heads.positions[record.partition]
}

fn check(seen: &Seen, kind: &Kind, known: &[Known], start: &Heads) {
    let mut last: BTreeMap<Uuid, u64> = BTreeMap::new();
    for (chat_id, seq) in &seen.events {
        let before = last.insert(*chat_id, *seq).unwrap_or(0);
        assert!(before < *seq, "{chat_id}: {seq} after {before}");
    }
    let got: HashSet<(Uuid, u64)> = seen.events.iter().copied().collect();
    for record in known {
        let wanted = is_after(start, record) && (kind.sees)(record.name, record.has_ticket);
        let told = |(from, to): &(Heads, Heads)| is_after(from, record) && !is_after(to, record);
        let excused = seen.missed.iter().any(told);
        let came = got.contains(&(record.chat_id, record.seq));
        assert!(
            came || excused || !wanted,
            "{} {} was missed without a gap",
            record.chat_id,
            record.seq
        );
        assert!(wanted || !came, "{} {} is not of this kind", record.chat_id, record.seq);
        assert!(
            !(came && excused),
            "{} {} came although a gap told otherwise",
            record.chat_id,
            record.seq
        );
    }
}

/// Says something until it is answered; beside a thousand subscribers that may take more than one try.
async fn say(client: &Client, channel: &str, owner: &str, external_id: &str) -> Uuid {
    loop {
        if let Some(receipt) = client.try_say(channel, owner, external_id, "hello").await {
            return receipt["chat"]["id"].as_str().unwrap().parse().unwrap();
        }
    }
}

async fn talk(client: &Client, channel: &str, from: usize, to: usize) -> HashSet<Uuid> {
    let mut chats = HashSet::new();
    for number in from..to {
        let owner = format!("owner {}", number % CHATS);
        chats.insert(say(client, channel, &owner, &format!("m{number}")).await);
    }
    chats
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_subscribers_miss_nothing_without_a_gap() {
    rlimit::increase_nofile_limit(8_192).unwrap();
    let redis = Redis::start();
    let short = |config: &mut switchboard::config::Config| {
        config.store.redis_partitions = 2;
        config.store.log_retention_records = 8;
    };
    let one = TestApp::start_with(Some(&redis), short).await;
    let client = one.client();
    let channel = client.channel().await;
    let mut first = Socket::connect(&one.url, KEY).await;
    first
        .subscribe("1", &kinds()[0].document, json!({ "after": null }))
        .await;
    let mut hello = 0;
    let start = loop {
        client.say(&channel, "first", &format!("f{hello}"), "hello").await;
        hello += 1;
        if let Ok(item) = tokio::time::timeout(Duration::from_millis(100), first.item()).await {
            break item.unwrap()["events"]["cursor"].as_str().unwrap().to_owned();
        }
    };
    drop(first);
    let workspace = switchboard::domain::id::first_workspace();
    let end = switchboard::domain::id::chat(workspace, channel.parse().unwrap(), "end");
    let places = Arc::new(Places {
        one: one.url.clone(),
        other: OnceCell::new(),
        start: start.clone(),
        end,
    });
    let crowd: Vec<_> = (0..SUBSCRIBERS)
        .map(|number| tokio::spawn(subscribe(Arc::clone(&places), number)))
        .collect();
    let mut chats = talk(&client, &channel, 0, MESSAGES / 2).await;
    // begins after the logs let go of their beginning
    let other = TestApp::start_with(Some(&redis), short).await;
    let live = other.node.services.live.clone();
    places.other.set((other.url.clone(), live)).unwrap();
    chats.extend(talk(&client, &channel, MESSAGES / 2, MESSAGES).await);
    say(&client, &channel, "end", "end").await;
    chats.extend([
        end,
        switchboard::domain::id::chat(workspace, channel.parse().unwrap(), "first"),
    ]);
    let limit = Duration::from_secs(150);
    let seen = tokio::time::timeout(limit, futures_util::future::join_all(crowd))
        .await
        .expect("all come to the end");
    let (known, kinds, start) = (known(&one, &chats).await, kinds(), heads(&start));
    let (mut gaps, mut cuts) = (0, 0);
    for (number, seen) in seen.into_iter().enumerate() {
        let seen = seen.unwrap();
        gaps += seen.missed.len();
        cuts += seen.connections - 1;
        check(&seen, &kinds[number % kinds.len()], &known, &start);
    }
    assert!(cuts > SUBSCRIBERS, "{cuts} cuts");
    assert!(
        gaps >= SUBSCRIBERS / 10,
        "nobody met the node that does not know the beginning"
    );
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A connection with little room: its window is small, and so are its segments, by which the server's kernel reckons how
/// much it holds for one that does not read.
pub(crate) async fn narrow(url: &str) -> TcpStream {
    let address = url.trim_start_matches("http://").parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket2::SockRef::from(&socket).set_tcp_mss(1_400).unwrap();
    socket.connect(address).await.unwrap()
}

/// A socket that subscribes and never reads.
async fn never_reads(url: &str, document: &str) -> TcpStream {
    let mut stream = narrow(url).await;
    let upgrade = "GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let init = json!({ "type": "connection_init", "payload": { "authorization": KEY } });
    let payload = json!({ "query": document, "variables": { "after": null } });
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
    for text in [init.to_string(), subscribe.to_string()] {
        let length = text.len() as u16;
        let mut frame = vec![0x81, 0xfe, (length >> 8) as u8, length as u8, 0, 0, 0, 0];
        frame.extend(text.as_bytes());
        stream.write_all(&frame).await.unwrap();
    }
    stream
}

/// How many bytes wait for each of the clients at these ports; those that the server let go are not among them.
pub(crate) fn waiting(url: &str, clients: &HashSet<u16>) -> HashMap<u16, u64> {
    let port = |address: &str| u16::from_str_radix(address.split_once(':').unwrap().1, 16).unwrap();
    let server: u16 = url.rsplit_once(':').unwrap().1.parse().unwrap();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut found = HashMap::new();
    for line in table.lines().skip(1) {
        let row: Vec<&str> = line.split_whitespace().collect();
        let (is_open, client) = (row[3] == "01", port(row[2]));
        if is_open && port(row[1]) == server && clients.contains(&client) {
            let (bytes, _) = row[4].split_once(':').unwrap();
            found.insert(client, u64::from_str_radix(bytes, 16).unwrap());
        }
    }
    found
}

/// Sees the server let go of all these clients, of each in time once it takes nothing more; how many got stuck.
async fn see_them_go(url: String, clients: HashSet<u16>) -> usize {
    let begin = Instant::now();
    let mut stuck: HashMap<u16, Instant> = HashMap::new();
    loop {
        let held = waiting(&url, &clients);
        if held.is_empty() {
            return stuck.len();
        }
        let number = held.len();
        for (client, bytes) in held {
            if bytes >= STUCK_BYTES {
                let took = stuck.entry(client).or_insert_with(Instant::now).elapsed();
                assert!(took < LET_GO_WITHIN, "{number} are held, one stuck for {took:?}");
            }
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{number} are held for ever");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_that_never_read_go_and_harm_nobody() {
    rlimit::increase_nofile_limit(8_192).unwrap();
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), None).await;
    let client = process.client();
    let channel = client.channel().await;
    let mut healthy = Vec::new();
    for _ in 0..500 {
        let mut socket = Socket::connect(&process.url, KEY).await;
        socket.subscribe("1", SHARED, json!({ "after": null })).await;
        healthy.push(socket);
    }
    // the last one is on when it hears something
    let mut hello = 0;
    while healthy[499].is_silent(200).await {
        client.say(&channel, "first", &format!("f{hello}"), "hello").await;
        hello += 1;
    }
    let chat = switchboard::domain::id::chat(
        switchboard::domain::id::first_workspace(),
        channel.parse().unwrap(),
        "ada",
    );
    let healthy: Vec<_> = healthy
        .into_iter()
        .map(|socket| tokio::spawn(read_to_the_end(socket, chat)))
        .collect();
    let before = resident_kib(process.pid());
    let mut silent = Vec::new();
    // half of them in the group of the healthy ones
    for document in [SHARED, UNREAD].into_iter().cycle().take(500) {
        silent.push(never_reads(&process.url, document).await);
    }
    let ports = silent.iter().map(|stream| stream.local_addr().unwrap().port());
    let going = tokio::spawn(see_them_go(process.url.clone(), ports.collect()));
    // their own buffers take less than a message
    let text = "x".repeat(16_000);
    let (mut sent, mut most) = (0, 0);
    while !going.is_finished() {
        let input = crate::support::message(&channel, "ada", &format!("m{sent}"), &text);
        client.ingest(input).await;
        sent += 1;
        most = most.max(resident_kib(process.pid()).saturating_sub(before));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(going.await.unwrap(), 500, "some went before anything waited for them");
    assert!(most / 500 <= 320, "{} KiB each", most / 500);
    client.say(&channel, "ada", "end", "end").await;
    for healthy in healthy {
        let (count, longest) = healthy.await.unwrap();
        assert_eq!(count, sent + 1);
        assert!(longest < HELD_UP_MAX, "a healthy one waited {longest:?}");
    }
}

/// How many messages of a chat a subscriber saw, in order, until nothing came for a while; and how long it waited between
/// two of them at most.
async fn read_to_the_end(mut socket: Socket, chat: Uuid) -> (usize, Duration) {
    let (mut count, mut last) = (0, 0);
    let (mut came_at, mut longest): (Option<Instant>, _) = (None, Duration::ZERO);
    while let Ok(Frame::Json(frame)) = tokio::time::timeout(Duration::from_secs(15), socket.next()).await {
        let event = &frame["payload"]["data"]["events"];
        assert_eq!(event["__typename"], "Event", "{frame:#}");
        if event["chatId"] == chat.to_string() {
            let seq = event["chatSeq"].as_u64().unwrap();
            assert!(seq > last);
            (count, last) = (count + 1, seq);
            let before = came_at.replace(Instant::now());
            longest = longest.max(before.map_or(Duration::ZERO, |at| at.elapsed()));
        }
    }
    (count, longest)
}
