//! Makes the deliveries of one webhook while this node holds it.

mod queue;
mod told;
mod turn;

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::turn::Turn;
use super::Webhooks;
use super::ledger::{Ledger, Outcome, State, Told};
use crate::domain::webhook::WebhookPatch;
use crate::domain::{Millis, Webhook, WebhookCommand, WorkspaceCommand, WorkspaceCommandBody};
use crate::live::{Cursor, EventFilter, From, LiveError, Topic};
use crate::process::{new_id, rule};
use crate::store::StoreError;

/// How long a node holds a webhook without saying so again, in milliseconds.
const HOLD_MS: Millis = 30_000;
/// How often a node that does not hold a webhook asks for it.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// The pause after a failure of this node.
const PAUSE: Duration = Duration::from_secs(2);
/// A node that cannot tell what is next leaves it to others for so long.
const YIELD_FOR: Duration = Duration::from_mins(1);

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

/// What was tried and is not remembered yet.
#[derive(Clone, Debug, Default)]
struct Progress {
    told: Vec<Told>,
    /// With how often the cursor had been set back when it was reached.
    cursor: Option<(u64, String)>,
    gap: Option<&'static str>,
}

impl Progress {
    fn take(&self, state: &mut State) {
        for told in &self.told {
            state.take(told);
        }
        if let Some((replays, cursor)) = &self.cursor
            && state.replays == *replays
        {
            state.cursor = Some(cursor.clone());
        }
        if let Some(reason) = self.gap {
            state.gaps = state.gaps.saturating_add(1);
            state.last_gap = Some(reason.to_owned());
        }
    }

    fn is_empty(&self) -> bool {
        self.told.is_empty() && self.cursor.is_none() && self.gap.is_none()
    }

    fn has_failures(&self) -> bool {
        let failed = |told: &Told| matches!(told.outcome, Outcome::Failed(_));
        self.told.iter().any(failed)
    }
}

/// The task of one webhook on this node.
#[derive(Debug)]
pub(super) struct Courier {
    webhooks: Webhooks,
    workspace_id: Uuid,
    webhook_id: Uuid,
    ledger: Ledger,
    began: Instant,
    progress: Mutex<Progress>,
}

impl Courier {
    pub(super) fn new(webhooks: Webhooks, workspace_id: Uuid, webhook_id: Uuid) -> Self {
        Self {
            ledger: webhooks.ledger(webhook_id),
            webhooks,
            workspace_id,
            webhook_id,
            began: Instant::now(),
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
        *self.progress.lock() = Progress::default();
        let Some(state) = self.hold().await? else {
            return Ok(End::Elsewhere);
        };
        let end = if self.lacks(&state) && self.began.elapsed() < YIELD_FOR {
            Ok(End::Elsewhere)
        } else {
            tokio::select! {
                () = stop.cancelled() => Ok(End::Off),
                end = self.work(&webhook, state) => end,
            }
        };
        self.remember().await?;
        if !matches!(end, Ok(End::Changed)) {
            self.release().await?;
        }
        end
    }

    fn is_mine(&self, state: &State) -> bool {
        state.holder == Some(self.webhooks.node)
    }

    /// Holds the webhook for a while more, if no other node does; the state then.
    async fn hold(&self) -> Result<Option<State>, CourierError> {
        let node = self.webhooks.node;
        let now = self.now();
        // over a file of its own, whoever held it before is gone
        let is_shared = self.webhooks.parts.store.is_shared();
        let longest = now.saturating_add(HOLD_MS.saturating_mul(2));
        let take = |state: &mut State| {
            let is_other = state
                .holder
                .is_some_and(|holder| holder != node && (is_shared || holder.is_nil()));
            // nobody holds it for so long: that node's clock is wrong
            if is_other && (now..=longest).contains(&state.held_until) {
                return false;
            }
            state.holder = Some(node);
            state.held_until = now.saturating_add(HOLD_MS);
            true
        };
        let state = self.ledger.change(take).await?;
        Ok(self.is_mine(&state).then_some(state))
    }

    async fn release(&self) -> Result<(), CourierError> {
        let give_back = |state: &mut State| {
            let is_mine = self.is_mine(state);
            if is_mine {
                state.holder = None;
            }
            is_mine
        };
        self.ledger.change(give_back).await?;
        Ok(())
    }

    /// Whether this node's view began after the cursor: another one may still have what is next.
    fn lacks(&self, state: &State) -> bool {
        let Some(Cursor::Heads(heads)) = state.cursor.as_deref().and_then(Cursor::decode) else {
            return false;
        };
        let floor = self.webhooks.parts.live.applied().floor;
        heads.epoch == floor.epoch && heads.is_behind(&floor)
    }

    /// Makes durable what was tried: what failed together with the cursor that passes it. Not if another node took over.
    async fn remember(&self) -> Result<(), CourierError> {
        let progress = self.progress.lock().clone();
        if progress.is_empty() {
            return Ok(());
        }
        let take = |state: &mut State| {
            let is_mine = self.is_mine(state);
            if is_mine {
                progress.take(state);
            }
            is_mine
        };
        self.ledger.change(take).await?;
        *self.progress.lock() = Progress::default();
        Ok(())
    }

    async fn turn_off(&self, reason: &str) {
        let patch = WebhookPatch {
            disable: Some(Some(reason.to_owned())),
            ..WebhookPatch::default()
        };
        let command = WorkspaceCommand {
            id: new_id(),
            workspace_id: self.workspace_id,
            actor: rule("webhook"),
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

    async fn work(&self, webhook: &Webhook, state: State) -> Result<End, CourierError> {
        let filter = EventFilter {
            types: webhook.terms.event_types.clone(),
            channel_ids: webhook.terms.channel_ids.clone(),
            hides_admin: true,
            ..EventFilter::default()
        };
        let from = self.begin(webhook, &state).await?;
        let live = &self.webhooks.parts.live;
        let tail = live.tail(Some(self.workspace_id), Topic::Events(filter), from).await?;
        Turn::new(self, webhook, state).run(tail).await
    }
}
