//! Subscriptions: deliveries against a bare broadcast of the same bytes by the same WebSocket crate, what an event costs
//! beside subscriptions that it does not match, memory of idle ones, and sockets that never read or read slowly beside
//! healthy ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::assigning_clones,
    clippy::duration_suboptimal_units,
    clippy::disallowed_methods,
    reason = "benches fail by panicking and measure with the clock"
)]

mod server;
mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::{Message as Sent, Utf8Bytes, WebSocketUpgrade};
use axum::routing::any;
use axum::serve::ListenerExt as _;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _, stream};
use serde_json::json;
use server::{KEY, Server};
use support::{at_least, at_most, resident_bytes, setting};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// One key is the whole crowd.
const CROWD: [(&str, &str); 3] = [
    ("SWITCHBOARD_API__SOCKETS_PER_KEY_MAX", "20000"),
    ("SWITCHBOARD_API__RATE_PER_KEY_PER_SECOND", "1000000"),
    ("SWITCHBOARD_API__RATE_BURST", "1000000"),
];
const EVENTS: &str = "subscription { events(types: [\"message.received\"]) { ... on Event { id cursor type at chatId chatSeq \
    actor { kind id name } data } } }";

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn main() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if std::env::args().any(|argument| argument == "bare") {
        runtime.block_on(bare_server());
        return;
    }
    let scenarios = [
        ("equal", equal().boxed_local()),
        ("others", others().boxed_local()),
        ("queues", queues().boxed_local()),
        ("silent", silent().boxed_local()),
        ("slow", slow().boxed_local()),
        ("idle", idle().boxed_local()),
    ];
    let asked_for = std::env::var("SCENARIO").unwrap_or_default();
    for (_, scenario) in scenarios.into_iter().filter(|(name, _)| name.contains(&asked_for)) {
        runtime.block_on(scenario);
    }
}

/// CPU seconds of a process, user and system.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

impl Server {
    async fn say(&self, owner: usize, number: usize) {
        self.say_text(owner, number, "Hello, where is my order?").await;
    }

    async fn say_text(&self, owner: usize, number: usize, text: &str) {
        let input = json!({ "channelId": self.channel, "externalId": format!("m{owner}-{number}"),
            "owner": { "externalId": format!("owner {owner}") }, "text": text });
        let query = "mutation($input: MessageInput!) { ingestMessage(input: $input) { cursor } }";
        self.ask(query, json!({ "input": input })).await;
    }

    /// An agent that has the open ticket of the owner of this number; its id.
    async fn agent(&self, number: usize) -> String {
        let query = format!("mutation {{ createAgent(input: {{ name: \"agent {number}\" }}) {{ id }} }}");
        let made = self.ask(&query, json!({})).await;
        let input = json!({ "channelId": self.channel, "externalId": format!("m{number}-0"),
            "owner": { "externalId": format!("owner {number}") }, "text": "Hello" });
        let query = "mutation($input: MessageInput!) { ingestMessage(input: $input) { ticketId } }";
        let said = self.ask(query, json!({ "input": input })).await;
        let both = json!({ "ticket": said["ingestMessage"]["ticketId"], "agent": made["createAgent"]["id"] });
        let query =
            "mutation($ticket: UUID!, $agent: UUID!) { takeTicket(ticketId: $ticket, agentId: $agent) { cursor } }";
        self.ask(query, both).await;
        made["createAgent"]["id"].as_str().unwrap().to_owned()
    }

    /// A socket with a subscription, which nobody reads from; the system holds little for it.
    async fn unread_socket(&self, query: &str) -> WebSocketStream<TcpStream> {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket2::SockRef::from(&socket).set_tcp_mss(1_400).unwrap();
        let address = self.url.trim_start_matches("http://").parse().unwrap();
        let stream = socket.connect(address).await.unwrap();
        let (mut socket, _) = tokio_tungstenite::client_async(self.request(), stream).await.unwrap();
        let init = json!({ "type": "connection_init", "payload": { "authorization": KEY } });
        let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": query } });
        for frame in [init, subscribe] {
            socket.send(Message::text(frame.to_string())).await.unwrap();
        }
        socket
    }

    fn request(&self) -> Request {
        let url = format!("{}/graphql", self.url.replace("http://", "ws://"));
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        request
    }

    async fn socket(&self) -> Socket {
        let mut socket = connect_async(self.request()).await.unwrap().0;
        let init = json!({ "type": "connection_init", "payload": { "authorization": KEY } });
        socket.send(Message::text(init.to_string())).await.unwrap();
        let _ = socket.next().await.unwrap().unwrap();
        socket
    }

    fn cpu(&self) -> f64 {
        cpu_seconds(self.child.id())
    }
}

async fn subscribe(socket: &mut Socket, id: usize, query: &str) {
    let frame = json!({ "id": id.to_string(), "type": "subscribe", "payload": { "query": query } });
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// Counts what comes.
fn count(mut socket: Socket, came: Arc<AtomicUsize>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                came.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}

async fn until(came: &AtomicUsize, wanted: usize) {
    let limit = Instant::now() + Duration::from_secs(120);
    while came.load(Ordering::Relaxed) < wanted {
        assert!(Instant::now() < limit, "{} of {wanted}", came.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The crowd's sockets, all subscribed to the same and heard of.
async fn crowd(server: &Server, size: usize) -> (Arc<AtomicUsize>, Vec<tokio::task::JoinHandle<()>>) {
    let came = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..size {
        let mut socket = server.socket().await;
        subscribe(&mut socket, 1, EVENTS).await;
        tasks.push(count(socket, Arc::clone(&came)));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.say(0, 0).await;
    until(&came, size).await;
    (came, tasks)
}

/// One message every so often, so that both servers are paced alike.
const PACE: Duration = Duration::from_millis(4);

/// Messages one by one, and as many in bursts: what comes at once may leave at once.
async fn equal() {
    let (sockets, messages) = (setting("SOCKETS", 500), setting("MESSAGES", 1_000));
    for burst in [1, 16] {
        let server = Server::start(&CROWD).await;
        let (came, _tasks) = crowd(&server, sockets).await;
        let before = (server.cpu(), came.load(Ordering::Relaxed));
        // whether the server keeps up or not: who writes does not wait for those who wrote before
        let beats = stream::unfold((tokio::time::interval(PACE * burst), 0), async |(mut pace, number)| {
            pace.tick().await;
            (number < messages / burst as usize).then_some((number + 1, (pace, number + 1)))
        });
        beats
            .flat_map(|number| stream::iter((0..burst as usize).map(move |part| (part, number))))
            .map(|(part, number)| server.say(part, number))
            .buffer_unordered(4_096)
            .collect::<()>()
            .await;
        let sent = messages / burst as usize * burst as usize;
        until(&came, before.1 + sockets * sent).await;
        let ours = (sockets * sent) as f64 / (server.cpu() - before.0);
        let bytes = sample(&server).await;
        drop(server);
        let bare = bare(sockets, (messages, burst), bytes).await;
        println!(
            "{sockets} sockets, {bytes} bytes, bursts of {burst}: {ours:.0} deliveries a CPU-second, bare {bare:.0}"
        );
        at_least(
            &format!("equal subscriptions, bursts of {burst}: deliveries per CPU-second / bare broadcast"),
            ours / bare,
            0.7,
        );
    }
}

/// How long a message is on the wire.
async fn sample(server: &Server) -> usize {
    let mut socket = server.socket().await;
    subscribe(&mut socket, 1, EVENTS).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.say(7, 9_999_999).await;
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            return text.len();
        }
    }
}

/// Every line on standard input is sent to everybody; then it says how much CPU it took.
async fn bare_server() {
    let (lines, _) = broadcast::channel::<Utf8Bytes>(1_024);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    let sender = lines.clone();
    let upgrade = move |upgrade: WebSocketUpgrade| async move {
        let mut lines = sender.subscribe();
        upgrade
            .read_buffer_size(8_192)
            .write_buffer_size(32_768)
            .on_upgrade(async move |mut socket| {
                while let Ok(line) = lines.recv().await {
                    if socket.send(Sent::Text(line)).await.is_err() {
                        return;
                    }
                }
            })
    };
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", any(upgrade))).await });
    tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines() {
            let _ = lines.send(line.unwrap().into());
        }
    })
    .await
    .unwrap();
}

async fn bare(sockets: usize, (messages, burst): (usize, u32), bytes: usize) -> f64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("bare")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut port)
        .unwrap();
    let came = Arc::new(AtomicUsize::new(0));
    for _ in 0..sockets {
        let socket = connect_async(format!("ws://127.0.0.1:{}/", port.trim()))
            .await
            .unwrap()
            .0;
        count(socket, Arc::clone(&came));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut input = child.stdin.take().unwrap();
    let line = "x".repeat(bytes) + "\n";
    let before = cpu_seconds(child.id());
    let mut pace = tokio::time::interval(PACE * burst);
    let sent = messages / burst as usize * burst as usize;
    for _ in 0..messages / burst as usize {
        pace.tick().await;
        input.write_all(line.repeat(burst as usize).as_bytes()).unwrap();
    }
    until(&came, sockets * sent).await;
    let took = cpu_seconds(child.id()) - before;
    drop(input);
    let _ = child.wait();
    (sockets * sent) as f64 / took
}

/// CPU milliseconds an event, with so many messages.
async fn cost(server: &Server, (came, each): (&AtomicUsize, usize), (owners, from): (usize, usize)) -> f64 {
    let messages = setting("MESSAGES", 1_000);
    let before = (server.cpu(), came.load(Ordering::Relaxed));
    let mut pace = tokio::time::interval(PACE);
    for number in 0..messages {
        pace.tick().await;
        server.say(number % owners, from + number).await;
    }
    until(came, before.1 + each * messages).await;
    (server.cpu() - before.0) * 1e3 / messages as f64
}

/// Sockets with fifty subscriptions each.
async fn many(server: &Server, count_of: usize, query: impl Fn(usize) -> String) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for first in (0..count_of).step_by(50) {
        let mut socket = server.socket().await;
        for number in first..(first + 50).min(count_of) {
            subscribe(&mut socket, number, &query(number)).await;
        }
        sockets.push(socket);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    sockets
}

async fn others() {
    let server = Server::start(&CROWD).await;
    let (came, _tasks) = crowd(&server, 100).await;
    let alone = cost(&server, (&came, 100), (50, 1)).await;
    let others = setting("OTHERS", 10_000);
    let foreign = |number: usize| {
        let id = uuid::Uuid::from_u128(number as u128 + 1);
        format!("subscription {{ events(chatId: \"{id}\") {{ ... on Event {{ id }} }} }}")
    };
    let _others = many(&server, others, foreign).await;
    let beside = cost(&server, (&came, 100), (50, 100_000)).await;
    println!("CPU an event: {alone:.3} ms alone, {beside:.3} ms beside {others} others");
    at_most(
        "an event beside others that it does not match / alone",
        beside / alone,
        1.1,
    );
}

/// As many as a workspace may have.
const AGENTS_MAX: usize = 5_000;

/// The queue of each of so many agents, of which each event matches one: the open tickets of whoever has it. Of more queues
/// than there may be agents, the rest is of nobody.
async fn queues() {
    let mut costs = Vec::new();
    for size in [100, setting("QUEUES", 10_000)] {
        let server = Server::start(&CROWD).await;
        let agents: Vec<String> = stream::iter(0..size.min(AGENTS_MAX))
            .map(|number| server.agent(number))
            .buffered(256)
            .collect()
            .await;
        let query = |number: usize| {
            let nobody = uuid::Uuid::from_u128(number as u128 + 1).to_string();
            let agent = agents.get(number).unwrap_or(&nobody);
            format!(
                "subscription {{ queue(filter: {{ assigneeIds: [\"{agent}\"], statuses: [NEW, ACTIVE] }}, first: 10) {{
                   __typename ... on QueueChange {{ kind ticket {{ id version }} cursor }} }} }}"
            )
        };
        let sockets = many(&server, size, query).await;
        let came = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = sockets
            .into_iter()
            .map(|socket| count(socket, Arc::clone(&came)))
            .collect();
        until(&came, size).await;
        // each owner once, then each again: no two changes of one queue within its pause
        costs.push(cost(&server, (&came, 1), (agents.len(), 1)).await);
        drop(tasks);
    }
    let [few, many] = [costs[0], costs[1]];
    println!("CPU an event: {few:.3} ms with 100 distinct queues, {many:.3} ms with many");
    at_most("an event with 10,000 distinct queues / with 100", many / few, 2.0);
}

/// Sockets that never read beside healthy ones: how long a message takes to all of these.
async fn silent() {
    // they stay as long as it takes
    let stay = ("SWITCHBOARD_API__SOCKET_SEND_TIMEOUT_MS", "60000");
    let server = Server::start(&[&CROWD[..], &[stay]].concat()).await;
    let (came, _tasks) = crowd(&server, 500).await;
    let mut times = Vec::new();
    let mut silent = Vec::new();
    for round in 0..3 {
        let mut each = Vec::new();
        for number in 0..300 {
            let wanted = came.load(Ordering::Relaxed) + 500;
            let start = Instant::now();
            server.say(number % 50, 1 + round * 1_000 + number).await;
            while came.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            each.push(start.elapsed().as_secs_f64());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        each.sort_by(f64::total_cmp);
        times.push(each[each.len() / 2]);
        if round > 0 {
            silent.clear();
            tokio::time::sleep(Duration::from_secs(1)).await;
        } else {
            for _ in 0..500 {
                let query = "subscription { events(types: [\"message.received\"]) { ... on Event { data } } }";
                silent.push(server.unread_socket(query).await);
            }
            // until what the system holds for them is full
            for number in 0..60 {
                server.say_text(60, number, &"x".repeat(16_000)).await;
            }
        }
    }
    let [before, beside, after] = [0, 1, 2].map(|round: usize| times[round] * 1e3);
    println!(
        "a message to 500 healthy sockets, median: {before:.2} ms, beside 500 silent ones {beside:.2} ms, then {after:.2} ms"
    );
    let alone = f64::midpoint(before, after);
    at_most(
        "healthy sockets beside as many that never read / alone",
        beside / alone,
        1.1,
    );
}

/// One that reads at a tenth of the rate, in the group of 500 healthy ones, which wait for it once: how long a burst takes
/// to all of these.
async fn slow() {
    const BURST: usize = 2_400;
    let server = Server::start(&CROWD).await;
    let (came, _tasks) = crowd(&server, 500).await;
    let text = "x".repeat(2_000);
    let mut best = [f64::MAX; 2];
    for round in 0..4 {
        // a new one each time, so that it begins in the group
        let mut socket = server
            .unread_socket(if round % 2 == 0 { "{ __typename }" } else { EVENTS })
            .await;
        let pause = Duration::from_secs_f64((best[0] * 10.0 / BURST as f64).min(1.0));
        let slow = tokio::spawn(async move {
            while let Some(Ok(_)) = socket.next().await {
                tokio::time::sleep(pause).await;
            }
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (start, wanted) = (Instant::now(), came.load(Ordering::Relaxed) + 500 * BURST);
        stream::iter(0..BURST)
            .map(|number| server.say_text(number % 50, 1 + round * BURST + number, &text))
            .buffer_unordered(64)
            .collect::<()>()
            .await;
        until(&came, wanted).await;
        best[round % 2] = best[round % 2].min(start.elapsed().as_secs_f64());
        slow.abort();
    }
    let [without, beside] = best.map(|seconds| seconds * 1e3);
    println!("{BURST} messages to 500 healthy sockets: {without:.0} ms, beside a slow one {beside:.0} ms");
    at_most(
        "a burst to healthy sockets beside a slow one / without",
        beside / without,
        1.1,
    );
}

async fn idle() {
    let size = setting("IDLE", 10_000);
    for (what, distinct) in [("equal", false), ("distinct", true)] {
        let server = Server::start(&CROWD).await;
        let mut sockets = Vec::new();
        for _ in 0..50 {
            sockets.push(server.socket().await);
        }
        let pid = server.child.id().to_string();
        let before = resident_bytes(&pid);
        for number in 0..size {
            let mut socket = server.socket().await;
            let id = uuid::Uuid::from_u128(if distinct { number as u128 + 1 } else { 1 });
            let query =
                format!("subscription {{ ticketChanged(filter: {{ assigneeIds: [\"{id}\"] }}) {{ __typename }} }}");
            subscribe(&mut socket, 1, &query).await;
            sockets.push(socket);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let each = (resident_bytes(&pid) - before) / size as f64 / 1024.0;
        at_most(&format!("KiB of an idle subscriber of {size} {what} ones"), each, 20.0);
    }
}
