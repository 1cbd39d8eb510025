//! Those who watch while messages come in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::client::Key;
use super::figures::locked;
use super::finding::Findings;
use super::queue::{FIRST, Kind, Queue};
use super::sender::{Shared, due};
use super::socket::Socket;
use super::target::Target;
use super::tickets::Recount;

/// How often in a row a subscription may end without an item before its subscriber gives up: after half a minute, about.
const ENDS_MAX: u32 = 40;
/// The first pause before a subscriber comes back, in milliseconds; each is longer by as much.
const COME_BACK_MS: u64 = 100;
/// The longest such pause, in milliseconds.
const COME_BACK_MAX_MS: u64 = 1_000;

const EVENTS: &str = "subscription($after: Cursor) { item: events(types: [\"message.received\"], after: $after) { \
    ... on Event { cursor chatId chatSeq data } ... on Gap { cursor reason } } }";
const TICKETS: &str = "subscription($channelIds: [UUID!], $after: Cursor) { \
    item: ticketChanged(filter: { channelIds: $channelIds }, after: $after) { \
    ... on TicketChange { cursor ticket { id version } event { type data } } ... on Gap { cursor reason } } }";
// a ticket's newest message says what a change of it brought
const QUEUE: &str = "subscription($channelIds: [UUID!], $first: Int) { \
    item: queue(filter: { channelIds: $channelIds }, orderBy: UPDATED_DESC, first: $first) { \
    ... on QueueSnapshot { cursor tickets { id version messages(last: 1) { nodes { externalId } } } } \
    ... on QueueChange { cursor kind index ticket { id version messages(last: 1) { nodes { externalId } } } } \
    ... on Gap { cursor reason } } }";

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    item: Item<'a>,
}

/// An event, a changed ticket, a queue or what changed of it, or a gap.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    cursor: String,
    reason: Option<String>,
    chat_id: Option<Uuid>,
    chat_seq: Option<u32>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    ticket: Option<Ticket>,
    #[serde(borrow)]
    event: Option<Event<'a>>,
    tickets: Option<Vec<Ticket>>,
    kind: Option<Kind>,
    index: Option<usize>,
}

#[derive(Deserialize)]
struct Ticket {
    id: Uuid,
    version: u32,
    /// The newest one, of a ticket in a queue.
    messages: Option<Messages>,
}

#[derive(Deserialize)]
struct Messages {
    nodes: Vec<Message>,
}

#[derive(Deserialize)]
struct Event<'a> {
    r#type: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct EventData {
    message: Message,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    external_id: Option<String>,
}

/// The places of tickets in every dashboard's list of versions. Bounded by the chats of the run.
#[derive(Debug)]
pub(super) struct TicketPlaces {
    places: Mutex<HashMap<Uuid, usize>>,
    places_max: usize,
}

impl TicketPlaces {
    pub(super) fn new(places_max: usize) -> Self {
        let places = Mutex::default();
        Self { places, places_max }
    }

    fn of(&self, ticket_id: Uuid) -> Option<usize> {
        let mut places = locked(&self.places);
        let next = places.len();
        if next >= self.places_max && !places.contains_key(&ticket_id) {
            return None;
        }
        Some(*places.entry(ticket_id).or_insert(next))
    }
}

/// The last version of every ticket that a dashboard got; 0: none.
#[derive(Debug, Default)]
struct Dashboard {
    versions: Vec<u32>,
    findings: Findings,
}

/// What a subscriber watches.
#[derive(Debug)]
enum Watched {
    Events,
    Tickets {
        places: Arc<TicketPlaces>,
        dashboard: Mutex<Dashboard>,
    },
    Queue(Mutex<Queue>),
}

/// One socket, and another one where it ends.
#[derive(Debug)]
pub(super) struct Subscriber {
    shared: Arc<Shared>,
    watched: Watched,
    /// When the run began.
    start: Arc<OnceLock<Instant>>,
    is_live: AtomicBool,
}

impl Subscriber {
    fn new(shared: Arc<Shared>, start: Arc<OnceLock<Instant>>, watched: Watched) -> Self {
        Self {
            shared,
            watched,
            start,
            is_live: AtomicBool::new(false),
        }
    }

    /// Watches every message.
    pub(super) fn of_events(shared: Arc<Shared>, start: Arc<OnceLock<Instant>>) -> Self {
        Self::new(shared, start, Watched::Events)
    }

    /// Watches the tickets of the run's channel.
    pub(super) fn of_tickets(shared: Arc<Shared>, start: Arc<OnceLock<Instant>>, places: Arc<TicketPlaces>) -> Self {
        let dashboard = Mutex::default();
        Self::new(shared, start, Watched::Tickets { places, dashboard })
    }

    /// Watches the last changed tickets of the run's channel.
    pub(super) fn of_queue(shared: Arc<Shared>, start: Arc<OnceLock<Instant>>) -> Self {
        Self::new(shared, start, Watched::Queue(Mutex::default()))
    }

    /// Whether something came, and with it a cursor to go on from.
    pub(super) fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Relaxed)
    }

    async fn connect(&self, target: &Target, key: &Key, after: Option<&str>) -> anyhow::Result<Socket> {
        let channel_id = self.shared.channel_id;
        let (query, variables) = match self.watched {
            Watched::Events => (EVENTS, json!({ "after": after })),
            Watched::Tickets { .. } => (TICKETS, json!({ "after": after, "channelIds": [channel_id] })),
            // begins with a snapshot, also where another one ended
            Watched::Queue(_) => (QUEUE, json!({ "channelIds": [channel_id], "first": FIRST })),
        };
        Socket::subscribe(target, key, query, variables).await
    }

    /// Subscribes for the first time.
    pub(super) async fn begin(&self, target: &Target, key: &Key) -> anyhow::Result<Socket> {
        self.connect(target, key, None).await
    }

    /// Watches until it is told to end; goes on from the last cursor where the socket does not.
    pub(super) async fn watch(&self, socket: Socket, (target, key): (&Target, &Key), end: &CancellationToken) {
        let mut cursor = None;
        let mut socket = Some(socket);
        let mut ends = 0_u32;
        loop {
            let before = cursor.clone();
            let ended = tokio::select! {
                () = end.cancelled() => return,
                ended = self.follow(socket.take(), (target, key), &mut cursor) => ended,
            };
            ends = if cursor == before { ends.saturating_add(1) } else { 1 };
            if ends >= ENDS_MAX {
                self.fail(|| format!("a subscriber could not go on: {ended:#}"));
                return;
            }
            let pause = COME_BACK_MS.saturating_mul(u64::from(ends)).min(COME_BACK_MAX_MS);
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
            }
        }
    }

    /// Takes items until something goes wrong, and says what.
    async fn follow(
        &self,
        socket: Option<Socket>,
        (target, key): (&Target, &Key),
        cursor: &mut Option<String>,
    ) -> anyhow::Error {
        let mut socket = match socket {
            Some(socket) => socket,
            None => match self.connect(target, key, cursor.as_deref()).await {
                Ok(socket) => {
                    self.shared.figures.resumed.add(1);
                    socket
                }
                Err(error) => return error,
            },
        };
        loop {
            let taken = match socket.next().await {
                Ok(payload) => self.take(&payload),
                Err(error) => return error,
            };
            match taken {
                Ok(next) => *cursor = Some(next),
                Err(error) => return error,
            }
        }
    }

    /// Takes an item; its cursor.
    fn take(&self, payload: &str) -> anyhow::Result<String> {
        let arrived = Instant::now();
        let Payload { data, errors } = serde_json::from_str(payload)?;
        let Some(Data { item }) = data else {
            anyhow::bail!("the server answered {}", errors.map_or("nothing", RawValue::get));
        };
        self.is_live.store(true, Ordering::Relaxed);
        if let Some(reason) = &item.reason {
            self.fail(|| format!("a subscriber got a gap: {reason}"));
            return Ok(item.cursor);
        }
        match (&self.watched, &item.ticket) {
            (Watched::Events, _) => {
                if let Some(index) = self.index(item.data) {
                    self.delivered(index, arrived);
                    let seq = item.chat_seq.unwrap_or(0);
                    self.shared.ledger.seen(index, item.chat_id, seq);
                }
            }
            (Watched::Tickets { places, dashboard }, Some(ticket)) => {
                let received = item.event.filter(|event| event.r#type == "message.received");
                if let Some(index) = received.and_then(|event| self.index(event.data)) {
                    self.delivered(index, arrived);
                }
                changed(places, &mut locked(dashboard), ticket);
            }
            (Watched::Tickets { .. }, None) => {}
            (Watched::Queue(queue), ticket) => {
                let shown = item.tickets.iter().flatten().chain(ticket);
                let shown: Vec<u32> = shown.filter_map(|ticket| self.newest(ticket)).collect();
                let known = |ticket: &Ticket| (ticket.id, ticket.version);
                let mut queue = locked(queue);
                for index in shown {
                    if queue.shows(self.shared.plan.place(index)) {
                        self.delivered(index, arrived);
                    }
                }
                match (item.tickets, item.kind, ticket) {
                    (Some(tickets), _, _) => queue.tickets = tickets.iter().map(known).collect(),
                    (None, Some(kind), Some(ticket)) => queue.change(kind, known(ticket), item.index),
                    (None, _, _) => queue.findings.note(|| "a queue came without tickets".into()),
                }
            }
        }
        Ok(item.cursor)
    }

    /// Which of the run's messages an event brought.
    fn index(&self, data: Option<&RawValue>) -> Option<u32> {
        let data: EventData = serde_json::from_str(data?.get()).ok()?;
        self.shared.plan.index_of(&data.message.external_id?)
    }

    /// Which of the run's messages is the newest of a ticket.
    fn newest(&self, ticket: &Ticket) -> Option<u32> {
        let message = ticket.messages.as_ref()?.nodes.first()?;
        self.shared.plan.index_of(message.external_id.as_deref()?)
    }

    fn delivered(&self, index: u32, arrived: Instant) {
        let figures = &self.shared.figures;
        let times = match self.watched {
            Watched::Events => &figures.to_events,
            Watched::Tickets { .. } => &figures.to_ticket_changed,
            Watched::Queue(_) => &figures.to_queue,
        };
        if let Some(start) = self.start.get() {
            let due = due(&self.shared.plan, *start, index);
            times.record(arrived.saturating_duration_since(due));
        }
    }

    fn fail(&self, why: impl FnOnce() -> String) {
        match &self.watched {
            Watched::Events => self.shared.ledger.subscriber_failed(why),
            Watched::Tickets { dashboard, .. } => locked(dashboard).findings.note(why),
            Watched::Queue(queue) => locked(queue).findings.note(why),
        }
    }

    /// Whether it has every ticket, or its queue, as a query gives it.
    pub(super) fn is_at(&self, recount: &Recount) -> bool {
        match &self.watched {
            Watched::Events => true,
            Watched::Tickets { places, dashboard } => {
                let dashboard = locked(dashboard);
                let mut all = recount.versions.iter();
                all.all(|(id, version)| dashboard.version(places.of(*id)) == *version)
            }
            Watched::Queue(queue) => locked(queue).tickets == recount.queue,
        }
    }

    /// What went wrong, also that a ticket or the queue is not as a query gives it.
    pub(super) fn findings(&self, recount: &Recount) -> Findings {
        match &self.watched {
            Watched::Events => Findings::default(),
            Watched::Tickets { places, dashboard } => {
                let dashboard = locked(dashboard);
                let mut findings = dashboard.findings.clone();
                for (id, version) in &recount.versions {
                    let last = dashboard.version(places.of(*id));
                    if last != *version {
                        findings.note(|| format!("ticket {id} is at version {version}, a subscriber's last is {last}"));
                    }
                }
                findings
            }
            Watched::Queue(queue) => {
                let queue = locked(queue);
                let mut findings = queue.findings.clone();
                if queue.tickets != recount.queue {
                    let (last, now) = (&queue.tickets, &recount.queue);
                    findings.note(|| format!("the queue is {now:?}, a subscriber's is {last:?}"));
                }
                findings
            }
        }
    }
}

impl Dashboard {
    fn version(&self, place: Option<usize>) -> u32 {
        let version = place.and_then(|place| self.versions.get(place));
        version.copied().unwrap_or(0)
    }
}

/// A ticket is made with version 1, every event of it raises that by one, and each comes as an item of its own: what is
/// missed or repeated shows as a version other than the next. Only the first item of all may be of a ticket that was
/// there before; the others are made once every subscriber is live.
fn changed(places: &TicketPlaces, dashboard: &mut Dashboard, ticket: &Ticket) {
    let Ticket { id, version, .. } = ticket;
    let is_first = dashboard.versions.is_empty();
    let Some(place) = places.of(*id) else {
        dashboard
            .findings
            .note(|| format!("ticket {id} is more than one a chat"));
        return;
    };
    if place >= dashboard.versions.len() {
        dashboard.versions.resize(place.saturating_add(1), 0);
    }
    if let Some(last) = dashboard.versions.get_mut(place) {
        let before = std::mem::replace(last, *version);
        if !is_first && *version != before.saturating_add(1) {
            dashboard
                .findings
                .note(|| format!("ticket {id} came with version {version} after {before}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Invariant;
    use super::super::sender::tests::shared;
    use super::*;

    #[test]
    fn versions_rise_by_one_ticket_by_ticket() {
        let places = TicketPlaces::new(3);
        let [first, second, third, fourth] = [1, 2, 3, 4].map(Uuid::from_u128);
        let mut dashboard = Dashboard::default();
        let mut come = |id, version| {
            let messages = None;
            changed(&places, &mut dashboard, &Ticket { id, version, messages });
            let found = std::mem::take(&mut dashboard.findings);
            Invariant::of("", found, String::new()).examples.pop()
        };
        // the first one was there before
        for (id, version) in [(first, 4), (second, 1), (first, 5), (second, 2)] {
            assert_eq!(come(id, version), None);
        }
        assert!(come(second, 4).unwrap().contains("version 4 after 2"));
        assert!(come(second, 4).unwrap().contains("version 4 after 4"));
        assert!(come(first, 1).unwrap().contains("version 1 after 5"));
        assert!(come(third, 2).unwrap().contains("version 2 after 0"));
        assert!(come(fourth, 1).unwrap().contains("more than one"));
    }

    #[test]
    fn items_are_read_as_they_are_sent() {
        let event = r#"{"data":{"item":{"cursor":"c","chatId":"00000000-0000-0000-0000-000000000001","chatSeq":3,
            "data":{"message":{"externalId":"abc-7","content":{}}}}}}"#;
        let payload: Payload = serde_json::from_str(event).unwrap();
        let item = payload.data.unwrap().item;
        assert_eq!((item.cursor.as_str(), item.chat_seq), ("c", Some(3)));
        let data: EventData = serde_json::from_str(item.data.unwrap().get()).unwrap();
        assert_eq!(data.message.external_id.as_deref(), Some("abc-7"));
        let change = r#"{"data":{"item":{"cursor":"c","kind":"LEAVE","index":null,
            "ticket":{"id":"00000000-0000-0000-0000-000000000001","version":2,
            "messages":{"nodes":[{"externalId":"abc-7"}]}}}}}"#;
        let payload: Payload = serde_json::from_str(change).unwrap();
        let item = payload.data.unwrap().item;
        assert_eq!((item.kind, item.index), (Some(Kind::Leave), None));
        let ticket = item.ticket.unwrap();
        let newest = ticket.messages.unwrap().nodes.pop().unwrap();
        assert_eq!((ticket.version, newest.external_id.as_deref()), (2, Some("abc-7")));
        let gap = r#"{"data":{"item":{"cursor":"c","reason":"r"}}}"#;
        let payload: Payload = serde_json::from_str(gap).unwrap();
        assert_eq!(payload.data.unwrap().item.reason.as_deref(), Some("r"));
    }

    #[test]
    fn times_to_subscribers_are_from_when_messages_were_due() {
        let shared = Arc::new(shared());
        let began = Instant::now().checked_sub(Duration::from_secs(50)).unwrap();
        let start = Arc::new(OnceLock::from(began));
        let places = Arc::new(TicketPlaces::new(1));
        let dashboard = Mutex::default();
        let data = r#""data":{"message":{"externalId":"abc-3"}}"#;
        let ticket = r#""id":"00000000-0000-0000-0000-000000000001","version":1"#;
        let newest = r#""messages":{"nodes":[{"externalId":"abc-3"}]}"#;
        for (watched, item) in [
            (Watched::Events, format!(r#""chatSeq":1,{data}"#)),
            (
                Watched::Tickets { places, dashboard },
                format!(r#""ticket":{{{ticket}}},"event":{{"type":"message.received",{data}}}"#),
            ),
            (
                Watched::Queue(Mutex::default()),
                format!(r#""tickets":[{{{ticket},{newest}}}]"#),
            ),
        ] {
            let subscriber = Subscriber::new(Arc::clone(&shared), Arc::clone(&start), watched);
            let payload = format!(r#"{{"data":{{"item":{{"cursor":"c",{item}}}}}}}"#);
            subscriber.take(&payload).unwrap();
        }
        let figures = &shared.figures;
        for times in [&figures.to_events, &figures.to_ticket_changed, &figures.to_queue] {
            let times = times.percentiles();
            // three seconds after the start
            assert!(times.count == 1 && times.p50 >= 47_000.0, "{times:?}");
        }
    }
}
