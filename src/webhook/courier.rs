//! Makes the deliveries of one webhook while this node holds it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Webhooks;
use super::caller::Refused;
use super::format::{self, News};
use super::ledger::{Failure, Ledger, State, Told};
use crate::domain::webhook::{WebhookPatch, is_told};
use crate::domain::{
    Actor, ActorKind, Event, EventBody, Millis, Webhook, WebhookCommand, WorkspaceCommand, WorkspaceCommandBody,
};
use crate::live::{Cursor, EventFilter, From, LiveError, Place, Step, Tail, Topic};
use crate::store::StoreError;

/// How long a node holds a webhook without saying so again, in milliseconds.
const HOLD_MS: Millis = 30_000;
/// How often a node that does not hold a webhook asks for it.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often the one that holds it looks at what others changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether something is to be tried again.
const RETRY_LOOK_EVERY: Duration = Duration::from_millis(100);
/// The most events that are under way at once.
const WINDOW_MAX: usize = 256;
/// How long what was told may not be remembered: a crash tells it again.
const REMEMBER_EVERY: Duration = Duration::from_secs(1);
/// How often the cursor is moved while nothing is to be told.
const MOVE_EVERY: Duration = Duration::from_secs(10);
/// The pause after a failure of this node.
const PAUSE: Duration = Duration::from_secs(2);
/// How often it is told that events are missing, until that is taken.
const GAP_EVERY: Duration = Duration::from_secs(30);
/// A receiver that takes nothing for so long, in milliseconds, is told nothing more: 5 days.
const DISABLE_AFTER_MS: Millis = 432_000_000;
/// So many events after a ticket's the message that made it is looked for.
const OPENING_MAX: usize = 16;
/// The status by which a receiver says that it will never take anything again.
const GONE: u16 = 410;

/// Why the work on a webhook ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is to be told nothing any more.
    Off,
    /// Something about it changed: begin again.
    Changed,
    /// Another node holds it.
    Elsewhere,
}

/// Why it cannot go on now.
#[derive(Debug, thiserror::Error)]
enum CourierError {
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was told and is not remembered yet.
#[derive(Debug, Default)]
struct Progress {
    told: Vec<Told>,
    cursor: Option<String>,
}

/// The task of one webhook on this node.
#[derive(Debug)]
pub(super) struct Courier {
    webhooks: Webhooks,
    workspace_id: Uuid,
    webhook_id: Uuid,
    ledger: Ledger,
    /// As it was read or written last.
    state: watch::Sender<State>,
    progress: Mutex<Progress>,
}

impl Courier {
    pub(super) fn new(webhooks: Webhooks, workspace_id: Uuid, webhook_id: Uuid) -> Self {
        Self {
            ledger: webhooks.ledger(webhook_id),
            webhooks,
            workspace_id,
            webhook_id,
            state: watch::Sender::new(State::default()),
            progress: Mutex::default(),
        }
    }

    /// Works whenever this node holds the webhook, until the webhook is off.
    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            let pause = match self.turn(&stop).await {
                Ok(End::Off) => return,
                Ok(End::Changed) => Duration::ZERO,
                Ok(End::Elsewhere) => ASK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, webhook.id = %self.webhook_id, "cannot make deliveries; trying again");
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn now(&self) -> Millis {
        self.webhooks.parts.clock.now()
    }

    /// As the settings have it now; none where it is gone or off.
    fn webhook(&self) -> Option<Webhook> {
        let settings = self.webhooks.parts.live.settings();
        let found = settings.workspace(self.workspace_id)?.webhook(self.webhook_id)?;
        found.is_enabled().then(|| found.clone())
    }

    /// Takes the webhook, works, and gives it back.
    async fn turn(&self, stop: &CancellationToken) -> Result<End, CourierError> {
        let Some(webhook) = self.webhook() else {
            return Ok(End::Off);
        };
        if !self.hold().await? {
            return Ok(End::Elsewhere);
        }
        let end = tokio::select! {
            () = stop.cancelled() => Ok(End::Off),
            end = self.look(&webhook) => end,
            end = self.follow(&webhook) => end,
            end = self.try_again(&webhook) => end,
        };
        self.remember().await?;
        if !matches!(end, Ok(End::Changed)) {
            self.release().await?;
        }
        end
    }

    async fn change(&self, change: impl FnMut(&mut State) -> bool) -> Result<State, CourierError> {
        let state = self.ledger.change(change).await?;
        self.state.send_replace(state.clone());
        Ok(state)
    }

    fn is_mine(&self, state: &State) -> bool {
        state.holder == Some(self.webhooks.node)
    }

    /// Whether this node holds the webhook for a while more.
    async fn hold(&self) -> Result<bool, CourierError> {
        let node = self.webhooks.node;
        let now = self.now();
        let take = |state: &mut State| {
            // over a file of its own, whoever held it before is gone
            let is_alone = !self.webhooks.parts.store.is_shared();
            let is_held = state.holder.is_some_and(|holder| holder != node) && state.held_until >= now;
            let is_free = is_alone || !is_held;
            if is_free {
                state.holder = Some(node);
                state.held_until = now.saturating_add(HOLD_MS);
            }
            is_free
        };
        let state = self.change(take).await?;
        Ok(self.is_mine(&state))
    }

    async fn release(&self) -> Result<(), CourierError> {
        let node = self.webhooks.node;
        let give_back = |state: &mut State| {
            let is_mine = state.holder == Some(node);
            if is_mine {
                state.holder = None;
            }
            is_mine
        };
        self.change(give_back).await.map(drop)
    }

    /// Looks at what others changed: the settings, and what is remembered.
    async fn look(&self, webhook: &Webhook) -> Result<End, CourierError> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.webhook() {
                None => return Ok(End::Off),
                Some(now) if now != *webhook => return Ok(End::Changed),
                Some(_) => {}
            }
            let state = self.ledger.read().await?;
            let (now, is_mine) = (self.now(), self.is_mine(&state));
            let ends_soon = state.held_until < now.saturating_add(HOLD_MS / 2);
            let since = state.failing_since.filter(|_| state.is_down());
            self.state.send_replace(state);
            if !is_mine || (ends_soon && !self.hold().await?) {
                return Ok(End::Elsewhere);
            }
            if since.is_some_and(|since| since.saturating_add(DISABLE_AFTER_MS) <= now) {
                self.turn_off("the receiver took nothing for 5 days").await;
            }
        }
    }

    async fn turn_off(&self, reason: &str) {
        let patch = WebhookPatch {
            disable: Some(Some(reason.to_owned())),
            ..WebhookPatch::default()
        };
        let command = WorkspaceCommand {
            id: Uuid::from_u128(u128::from(getrandom::u64().unwrap_or(0))),
            workspace_id: self.workspace_id,
            actor: Actor::new(ActorKind::Rule, "webhook"),
            keys: Vec::new(),
            body_hash: None,
            body: WorkspaceCommandBody::Webhook(WebhookCommand::Update {
                id: self.webhook_id,
                patch: Box::new(patch),
            }),
        };
        match self.webhooks.parts.router.workspace(command).await {
            Ok(_) => tracing::warn!(webhook.id = %self.webhook_id, reason, "a webhook was turned off"),
            Err(error) => tracing::warn!(%error, webhook.id = %self.webhook_id, "a webhook could not be turned off"),
        }
    }

    /// Where to begin: at the cursor, or right after the webhook was made.
    async fn begin(&self, webhook: &Webhook, state: &State) -> Result<From, CourierError> {
        if let Some(cursor) = state.cursor.as_deref().and_then(Cursor::decode) {
            return Ok(From::Cursor(cursor));
        }
        let parts = &self.webhooks.parts;
        let before = webhook.created_seq.saturating_sub(1);
        let made = parts.store.history(self.workspace_id, before, 1).await?;
        let epoch = parts.live.applied().heads.epoch;
        Ok(made.first().map_or(From::Now, |record| {
            From::Cursor(Cursor::Point {
                epoch,
                partition: record.partition,
                position: record.position,
            })
        }))
    }

    /// Reads the log from the cursor on, and tells of it.
    async fn follow(&self, webhook: &Webhook) -> Result<End, CourierError> {
        let state = self.state.borrow().clone();
        let filter = EventFilter {
            types: webhook.terms.event_types.clone(),
            channel_ids: webhook.terms.channel_ids.clone(),
            hides_admin: true,
            ..EventFilter::default()
        };
        let from = self.begin(webhook, &state).await?;
        let live = &self.webhooks.parts.live;
        let mut tail = live.tail(Some(self.workspace_id), Topic::Events(filter), from).await?;
        let mut moved = tokio::time::Instant::now();
        loop {
            let room = self.state.borrow().room().min(WINDOW_MAX);
            if room == 0 {
                self.remember().await?;
                tokio::time::sleep(LOOK_EVERY).await;
            } else if let Ok(first) = tokio::time::timeout(REMEMBER_EVERY, tail.next()).await {
                let Some(first) = first? else {
                    return Ok(End::Off);
                };
                self.take(webhook, &mut tail, (first, room)).await?;
            }
            if self.state.borrow().replays != state.replays {
                return Ok(End::Changed);
            }
            if moved.elapsed() >= MOVE_EVERY {
                self.progress.lock().cursor = Some(Cursor::Heads(tail.seen().heads).encode());
                moved = tokio::time::Instant::now();
            }
            self.remember().await?;
        }
    }

    /// Tells of what comes, up to `room` events of it.
    async fn take(&self, webhook: &Webhook, tail: &mut Tail, (first, room): (Step, usize)) -> Result<(), CourierError> {
        let mut events = Vec::new();
        let mut next = Some(first);
        let mut gap = None;
        while let Some(step) = next.take() {
            match step {
                Step::Event(event, _) => events.push(event),
                Step::Gap(place, reason) => {
                    gap = Some((place, reason));
                    break;
                }
            }
            if events.len() < room
                && let Some(step) = tail.next().now_or_never()
            {
                next = step?;
            }
        }
        let cursor = Cursor::Heads(tail.place().heads.clone()).encode();
        events.retain(|event| is_told(event.body.name()) && !format::is_silenced(event));
        self.tell_all(webhook, events).await?;
        if let Some((place, reason)) = gap {
            self.tell_gap(webhook, &place, reason).await?;
        }
        self.progress.lock().cursor = Some(cursor);
        Ok(())
    }

    /// Tells of what has to be tried again.
    async fn try_again(&self, webhook: &Webhook) -> Result<End, CourierError> {
        loop {
            tokio::time::sleep(RETRY_LOOK_EVERY).await;
            let due = self.state.borrow().due(self.now(), self.webhooks.requests_at_once);
            if due.is_empty() {
                continue;
            }
            let mut events = Vec::with_capacity(due.len());
            for event in due {
                let before = event.seq.saturating_sub(1);
                let store = &self.webhooks.parts.store;
                let found = store.history(event.aggregate_id, before, 1).await?;
                events.extend(found.into_iter().map(|record| record.event));
            }
            self.tell_all(webhook, events).await?;
            self.remember().await?;
        }
    }

    /// Tells of events, those of one chat one after the other.
    async fn tell_all(&self, webhook: &Webhook, events: Vec<Arc<Event>>) -> Result<(), CourierError> {
        let mut apart: BTreeMap<Uuid, Vec<Arc<Event>>> = BTreeMap::new();
        for event in events {
            apart.entry(event.aggregate_id).or_default().push(event);
        }
        let told = stream::iter(apart.into_values()).map(|events| async move {
            let mut told = Vec::with_capacity(events.len());
            for event in events {
                told.extend(self.tell(webhook, &event).await?);
            }
            Ok::<_, CourierError>(told)
        });
        let mut told = told.buffer_unordered(self.webhooks.requests_at_once);
        while let Some(told) = told.next().await {
            self.progress.lock().told.extend(told?);
        }
        Ok(())
    }

    /// Tells of one event; none where the format has no words for it.
    async fn tell(&self, webhook: &Webhook, event: &Event) -> Result<Option<Told>, CourierError> {
        let Some(body) = self.body(webhook, event).await? else {
            return Ok(None);
        };
        let id = event.id().to_string();
        let answer = self.webhooks.post(webhook, &id, &body).await;
        if answer.as_ref().is_err_and(|refused| refused.status == Some(GONE)) {
            self.turn_off("the receiver answered 410 Gone").await;
        }
        Ok(Some(Told {
            aggregate_id: event.aggregate_id,
            seq: event.seq,
            event_type: event.body.name(),
            at: self.now(),
            result: answer.map(drop).map_err(Failure::from),
        }))
    }

    async fn body(&self, webhook: &Webhook, event: &Event) -> Result<Option<serde_json::Value>, CourierError> {
        let parts = &self.webhooks.parts;
        let settings = parts.live.settings();
        let Some(workspace) = settings.workspace(self.workspace_id) else {
            return Ok(None);
        };
        let view = parts.live.view();
        let mut chat = None;
        if let Some(chat_id) = event.chat_id() {
            let found = view
                .chats(self.workspace_id, vec![chat_id])
                .await
                .map_err(LiveError::from)?;
            chat = found.into_iter().next();
        }
        let mut contact = None;
        let mut opening = None;
        if let Some(chat) = chat.as_ref().filter(|_| format::needs_more(webhook)) {
            let found = view.contact(self.workspace_id, chat.contact_id, None).await;
            contact = found.map_err(LiveError::from)?;
            opening = self.opening(event).await?;
        }
        let news = News {
            event,
            workspace,
            chat: chat.as_ref(),
            contact: contact.as_ref(),
            made_ticket: format::made_ticket(event),
            opening: opening.as_deref(),
        };
        Ok(format::body(&news, webhook, &self.webhooks.newest_secret(webhook)))
    }

    /// The text of the message for which a ticket was made; it comes with the same command, a little later.
    async fn opening(&self, event: &Event) -> Result<Option<String>, CourierError> {
        if !matches!(event.body, EventBody::TicketCreated { .. }) {
            return Ok(None);
        }
        let store = &self.webhooks.parts.store;
        let records = store.history(event.aggregate_id, event.seq, OPENING_MAX).await?;
        let events = records.iter().map(|record| &record.event);
        let mut same = events.take_while(|next| next.cause.command_id == event.cause.command_id);
        let message = same.find_map(|next| next.body.message());
        Ok(message.and_then(|message| message.content.text.clone()))
    }

    /// Says that events are missing, until that is taken: what follows makes no sense otherwise.
    async fn tell_gap(&self, webhook: &Webhook, place: &Place, reason: &str) -> Result<(), CourierError> {
        tracing::warn!(webhook.id = %self.webhook_id, reason, "events cannot be told any more");
        let now = self.now();
        let Some(body) = format::gap(webhook, reason, now) else {
            return Ok(());
        };
        let id = format!("gap_{}", Cursor::Heads(place.heads.clone()).encode());
        loop {
            let answer = self.webhooks.post(webhook, &id, &body).await;
            let (is_taken, at) = (answer.is_ok(), self.now());
            let note = |state: &mut State| {
                match &answer {
                    Ok(_) => state.succeed(at),
                    Err(refused) => state.fail(&refused.reason, at),
                }
                true
            };
            self.change(note).await?;
            if is_taken {
                return Ok(());
            }
            tokio::time::sleep(GAP_EVERY).await;
        }
    }

    /// Makes durable what was told. What failed is remembered before the cursor passes it.
    async fn remember(&self) -> Result<(), CourierError> {
        let progress = std::mem::take(&mut *self.progress.lock());
        if progress.told.is_empty() && progress.cursor.is_none() {
            return Ok(());
        }
        let (node, replays) = (self.webhooks.node, self.state.borrow().replays);
        let take = |state: &mut State| {
            let is_mine = state.holder == Some(node);
            if is_mine {
                progress.told.iter().for_each(|told| state.take(told));
                if state.replays == replays && progress.cursor.is_some() {
                    state.cursor.clone_from(&progress.cursor);
                }
            }
            is_mine
        };
        self.change(take).await.map(drop)
    }
}

impl std::convert::From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self {
            reason: refused.reason,
            retry_after_ms: refused.retry_after_ms,
        }
    }
}
