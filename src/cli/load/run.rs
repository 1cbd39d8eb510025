//! One run: a channel of its own, those who watch, the sending, and the look back.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;
use uuid::Uuid;

use super::client::{Client, Failure, Key};
use super::figures::{Figures, locked};
use super::finding::{Findings, Invariant};
use super::ingest::warm_up;
use super::ledger::{Closing, Ledger};
use super::messages;
use super::plan::{Plan, Scenario};
use super::progress::{Phase, Progress};
use super::report::{Deliveries, Messages, Report};
use super::sender::{Repeated, Sender, Shared};
use super::socket::Socket;
use super::target::Target;
use super::tickets::{self, Recount};
use super::watch::{Subscriber, TicketPlaces};

/// The most requests under way.
const REQUESTS_MAX: usize = 4_096;
/// Files that are open beside sockets and requests, with some room.
const OTHER_FILES: usize = 64;
/// How many sockets are opened at once.
const CONNECTING_MAX: usize = 64;
/// How long subscribers may take to get their first item, in milliseconds.
const WARM_UP_MS: u64 = 30_000;
/// How long they wait before one more is sent, in milliseconds.
const WARM_UP_STEP_MS: u64 = 500;
/// How long subscribers may take to get the rest, in milliseconds.
const CATCH_UP_MS: u64 = 10_000;
/// How often that is looked at, in milliseconds.
const LOOK_EVERY_MS: u64 = 50;
/// Exit code of a process that was interrupted.
const INTERRUPTED: i32 = 130;

const SUBSCRIBERS: &str = "subscribers get everything once and in order";
const DASHBOARDS: &str = "dashboards miss no change of a ticket";
const REPEATS: &str = "repeats are answered as duplicates of the same message";

/// The run's own channel: nobody is assigned and nothing is sent out, so that agents are left alone.
const CREATE_CHANNEL: &str = "mutation($input: ChannelInput!, $idempotencyKey: String) { \
    createChannel(input: $input, idempotencyKey: $idempotencyKey) { id } }";

/// What to do.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) plan: Plan,
    pub(super) target: Target,
    pub(super) key: Key,
    /// As it was given.
    pub(super) url: Url,
    pub(super) seconds: u32,
    /// How many subscribers watch the tickets.
    pub(super) dashboards: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatedChannel {
    create_channel: Channel,
}

#[derive(Deserialize)]
struct Channel {
    id: Uuid,
}

async fn create_channel(client: &Client, run: &str) -> Result<Uuid, Failure> {
    let policy = json!({
        "inboundMode": "TICKET",
        "assignment": "MANUAL",
        "autoCloseAfterMs": null,
        "greeting": null,
        "outOfHoursReply": null,
    });
    let input = json!({ "type": "API", "name": format!("load {run}"), "policy": policy });
    let variables = json!({ "input": input, "idempotencyKey": format!("load-{run}") });
    let created: CreatedChannel = client.read(CREATE_CHANNEL, variables).await?;
    Ok(created.create_channel.id)
}

/// How many files the process may open, where the system says it.
fn files_max() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How many requests may be under way beside the subscribers' sockets.
fn requests_max(plan: &Plan, subscribers: usize, files: Option<usize>) -> anyhow::Result<usize> {
    let taken = subscribers.saturating_add(OTHER_FILES);
    let left = files.map_or(REQUESTS_MAX, |files| files.saturating_sub(taken));
    anyhow::ensure!(
        left >= OTHER_FILES,
        "the limit of open files leaves no room for requests beside {subscribers} sockets: raise it with ulimit -n"
    );
    let requests = left.min(REQUESTS_MAX);
    // a message and its repeats are three requests at most, and have one place
    let is_repeated = plan.scenario == Scenario::Redelivery;
    Ok(if is_repeated { requests / 3 } else { requests })
}

/// Every second dashboard shows a queue, the others each ticket as it changes.
fn is_queue(dashboard: u32) -> bool {
    !dashboard.is_multiple_of(2)
}

/// Those who watch, and what ends them.
struct Watch {
    events: Arc<Subscriber>,
    dashboards: Vec<Arc<Subscriber>>,
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Watch {
    async fn begin(shared: &Arc<Shared>, settings: &Settings, start: &Arc<OnceLock<Instant>>) -> anyhow::Result<Self> {
        let share = || (Arc::clone(shared), Arc::clone(start));
        let chats = usize::try_from(settings.plan.chats()).unwrap_or(0);
        // one more for what warms up; a server that makes more tickets than chats is found out
        let places = Arc::new(TicketPlaces::new(chats.saturating_add(1)));
        let (of_events, began) = share();
        let events = Arc::new(Subscriber::of_events(of_events, began));
        let dashboard = |number: u32| {
            let (shared, start) = share();
            Arc::new(if is_queue(number) {
                Subscriber::of_queue(shared, start)
            } else {
                Subscriber::of_tickets(shared, start, Arc::clone(&places))
            })
        };
        let dashboards: Vec<_> = (0..settings.dashboards).map(dashboard).collect();
        let all = std::iter::once(&events).chain(&dashboards).map(Arc::clone);
        let connected = stream::iter(all.map(async |subscriber| {
            let socket = subscriber.begin(&settings.target, &settings.key).await?;
            anyhow::Ok((subscriber, socket))
        }));
        let connected = connected.buffer_unordered(CONNECTING_MAX).try_collect::<Vec<_>>();
        let which = || format!("one of {} subscribers", settings.dashboards.saturating_add(1));
        let connected: Vec<(Arc<Subscriber>, Socket)> = connected.await.with_context(which)?;
        let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
        for (subscriber, socket) in connected {
            let (target, key, end) = (settings.target.clone(), settings.key.clone(), end.clone());
            tasks.spawn(async move { subscriber.watch(socket, (&target, &key), &end).await });
        }
        tasks.close();
        Ok(Self {
            events,
            dashboards,
            tasks,
            end,
        })
    }

    fn are_live(&self) -> bool {
        let mut all = std::iter::once(&self.events).chain(&self.dashboards);
        all.all(|subscriber| subscriber.is_live())
    }

    /// Sends a little until every subscriber got something. From then on each has a cursor and misses nothing.
    async fn warm_up(&self, shared: &Shared) -> anyhow::Result<()> {
        let deadline = after(WARM_UP_MS);
        let mut turn = 0_u32;
        while Instant::now() < deadline {
            let sent = warm_up(&shared.client, &shared.plan, shared.channel_id, turn).await;
            sent.map_err(|failure| anyhow::anyhow!("the first message: {failure}"))?;
            turn = turn.saturating_add(1);
            let step = after(WARM_UP_STEP_MS);
            while Instant::now() < step {
                if self.are_live() {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
            }
        }
        anyhow::bail!("a subscriber got nothing within {} seconds", WARM_UP_MS / 1_000)
    }

    /// Waits until the subscriber got all that was acknowledged.
    async fn catch_up(&self, shared: &Shared, deadline: Instant) {
        while shared.ledger.outstanding() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
        }
    }

    /// Waits until every dashboard has every ticket, or its queue, as a query gives it.
    async fn catch_up_to(&self, recount: &Recount, deadline: Instant) {
        for dashboard in &self.dashboards {
            while !dashboard.is_at(recount) && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
            }
        }
    }

    fn check_dashboards(&self, recount: &Result<Recount, Failure>) -> Invariant {
        let recount = match recount {
            Ok(recount) => recount,
            Err(failure) => return Invariant::unreadable(DASHBOARDS, failure),
        };
        let mut findings = Findings::default();
        for dashboard in &self.dashboards {
            findings.join(&dashboard.findings(recount));
        }
        let (dashboards, tickets) = (self.dashboards.len(), recount.versions.len());
        let queues = dashboards / 2;
        Invariant::of(
            DASHBOARDS,
            findings,
            format!(
                "{dashboards} subscribers of {tickets} tickets, {queues} by a queue, up to {} s after the last message",
                CATCH_UP_MS / 1_000
            ),
        )
    }

    async fn end(&self) {
        self.end.cancel();
        self.tasks.wait().await;
    }
}

fn after(millis: u64) -> Instant {
    let now = Instant::now();
    now.checked_add(Duration::from_millis(millis)).unwrap_or(now)
}

/// The first interrupt ends the sending, the second one the process.
async fn interrupts(stop: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.cancel();
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(INTERRUPTED);
        }
    }
}

/// Sends, watches and looks back.
///
/// # Errors
/// The server does not take part at all.
pub(super) async fn run(settings: Settings) -> anyhow::Result<Report> {
    let subscribers = usize::try_from(settings.dashboards)?.saturating_add(1);
    let requests = requests_max(&settings.plan, subscribers, files_max())?;
    let client = Client::new(settings.target.http.clone(), &settings.key, requests)?;
    let channel_id = create_channel(&client, &settings.plan.run).await;
    let channel_id = channel_id.map_err(|failure| anyhow::anyhow!("the channel: {failure}"))?;
    let shared = Arc::new(Shared {
        plan: settings.plan.clone(),
        client,
        channel_id,
        ledger: Ledger::new(settings.plan.clone()),
        figures: Figures::new()?,
        repeated: Repeated::default(),
        stop: CancellationToken::new(),
    });
    let interrupted = CancellationToken::new();
    let tasks = TaskTracker::new();
    tasks.spawn(interrupts(interrupted.clone()));
    let start = Arc::new(OnceLock::new());
    let progress = Progress::new(settings.plan.total);
    progress.say("subscribing");
    let watch = Watch::begin(&shared, &settings, &start).await?;
    watch.warm_up(&shared).await?;
    send(
        &shared,
        *start.get_or_init(Instant::now),
        requests,
        (&progress, &interrupted),
    )
    .await;
    progress.begin_checking(shared.ledger.chats().len());
    let (invariants, chats) = check(&shared, &watch, &progress).await;
    watch.end().await;
    progress.end();
    let report = report(&shared, &settings, invariants, chats);
    Ok(Report {
        was_interrupted: interrupted.is_cancelled(),
        ..report
    })
}

async fn send(
    shared: &Arc<Shared>,
    start: Instant,
    requests: usize,
    (progress, interrupted): (&Progress, &CancellationToken),
) {
    let done = CancellationToken::new();
    let sending = async {
        Sender::new(Arc::clone(shared), start).run(requests).await;
        done.cancel();
    };
    let stopping = async {
        tokio::select! {
            () = interrupted.cancelled() => shared.stop.cancel(),
            () = done.cancelled() => {}
        }
    };
    tokio::join!(sending, stopping, progress.follow(shared, Phase::Sending, &done));
}

async fn check(shared: &Shared, watch: &Watch, progress: &Progress) -> (Vec<Invariant>, usize) {
    let done = CancellationToken::new();
    let checking = async {
        let found = look_back(shared, watch).await;
        done.cancel();
        found
    };
    let (found, ()) = tokio::join!(checking, progress.follow(shared, Phase::Checking, &done));
    found
}

/// Lets subscribers catch up, then compares what was acknowledged with what is there. And the number of chats.
async fn look_back(shared: &Shared, watch: &Watch) -> (Vec<Invariant>, usize) {
    let deadline = after(CATCH_UP_MS);
    watch.catch_up(shared, deadline).await;
    let is_watched = !watch.dashboards.is_empty();
    let recount = tickets::recount(shared, is_watched).await;
    if let Ok(recount) = &recount {
        watch.catch_up_to(recount, deadline).await;
    }
    let chats = shared.ledger.chats();
    let (mut invariants, closing) = messages::check(shared, &chats).await;
    invariants.push(messages::check_open_tickets(shared, &chats).await);
    let resumed = shared.figures.resumed.get();
    let Closing { subscriber, seen, .. } = closing;
    let within = CATCH_UP_MS / 1_000;
    let sentence =
        format!("{seen} messages came, up to {within} s after the last; {resumed} subscriptions were resumed");
    invariants.push(Invariant::of(SUBSCRIBERS, subscriber, sentence));
    if is_watched {
        invariants.push(watch.check_dashboards(&recount));
    }
    invariants.extend(tickets::check(shared, &recount).await);
    if shared.plan.scenario == Scenario::Redelivery {
        let Repeated { answered, given_up, .. } = &shared.repeated;
        let findings = locked(&shared.repeated.findings).clone();
        let sentence = format!("{} repeats answered, {} given up", answered.get(), given_up.get());
        invariants.push(Invariant::of(REPEATS, findings, sentence));
    }
    (invariants, chats.len())
}

fn report(shared: &Shared, settings: &Settings, invariants: Vec<Invariant>, chats: usize) -> Report {
    let figures = &shared.figures;
    let (sent, acknowledged) = (figures.sent.get(), figures.acknowledged.get());
    Report {
        run: shared.plan.run.clone(),
        url: settings.url.to_string(),
        channel_id: shared.channel_id.to_string(),
        scenario: shared.plan.scenario.name(),
        asked_rate_per_second: shared.plan.rate.get(),
        asked_seconds: settings.seconds,
        chats,
        subscribers: settings.dashboards.saturating_add(1),
        was_interrupted: false,
        messages: Messages {
            planned: u64::from(shared.plan.total),
            sent,
            acknowledged,
            unacknowledged: figures.unacknowledged.get(),
            given_up: sent.saturating_sub(acknowledged),
            sent_late: figures.late.get(),
            held_by_bound: figures.held.get(),
            repeats: shared.repeated.answered.get(),
        },
        rate_per_second: shared.rate_per_second(),
        errors: figures.errors(),
        retries: figures.retries.get(),
        subscriptions_resumed: figures.resumed.get(),
        acknowledge_ms: figures.acknowledge.percentiles(),
        deliver_ms: Deliveries {
            events: figures.to_events.percentiles(),
            ticket_changed: figures.to_ticket_changed.percentiles(),
            queue: figures.to_queue.percentiles(),
        },
        invariants,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn requests_leave_files_for_sockets() {
        let plan = |scenario| Plan::new(scenario, "abc".into(), NonZeroU32::MIN, (1, NonZeroU32::MIN));
        let steady = plan(Scenario::Steady);
        assert_eq!(requests_max(&steady, 1, None).unwrap(), REQUESTS_MAX);
        assert_eq!(requests_max(&steady, 51, Some(1_024)).unwrap(), 909);
        assert_eq!(requests_max(&plan(Scenario::Redelivery), 51, Some(1_024)).unwrap(), 303);
        assert!(requests_max(&steady, 10_000, Some(1_024)).is_err());
    }
}
