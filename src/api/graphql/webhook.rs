//! Webhooks.

use async_graphql::{ComplexObject, Context, Enum, Result, SimpleObject};
use uuid::Uuid;

use super::loader::services;
use super::scalar::{DateTime, float, int};
use crate::api::error::ApiError;
use crate::domain;
use crate::webhook;

/// In whose words requests of a webhook are written.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::WebhookFormat")]
pub enum WebhookFormat {
    /// Our own.
    Standard,
    /// `UseDesk`'s: tickets, changes, comments and ratings.
    Usedesk,
    /// `YoLead`'s: `ticket.created`, `message.incoming`, `ticket.status_changed` and `ticket.assignee_changed`.
    Yolead,
}

/// A secret that requests are signed with: what it is, only its holder knows.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct WebhookSecret {
    /// When it was made.
    pub created_at: DateTime,
    /// When requests are signed with it no longer; null: never.
    pub expires_at: Option<DateTime>,
}

/// Somebody who wants to be told what happens.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Webhook {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// Where requests go.
    pub url: String,
    /// In whose words.
    pub format: WebhookFormat,
    /// Only events of these types; empty: of all that the format has words for.
    pub event_types: Vec<String>,
    /// Only what happens on these channels; empty: on all.
    pub channel_ids: Vec<Uuid>,
    /// Whether it is told.
    pub enabled: bool,
    /// Since when it is told nothing.
    pub disabled_at: Option<DateTime>,
    /// Why it is told nothing.
    pub disabled_reason: Option<String>,
    /// When it was made.
    pub created_at: DateTime,
    /// The oldest first. Two sign for a while after it was rotated.
    pub secrets: Vec<WebhookSecret>,
}

impl From<&domain::Webhook> for Webhook {
    fn from(webhook: &domain::Webhook) -> Self {
        let terms = &webhook.terms;
        let secrets = webhook.secrets.iter().map(|secret| WebhookSecret {
            created_at: DateTime(secret.created_at),
            expires_at: secret.expires_at.map(DateTime),
        });
        Self {
            id: webhook.id,
            name: terms.name.clone(),
            url: terms.url.clone(),
            format: terms.format.into(),
            event_types: terms.event_types.clone(),
            channel_ids: terms.channel_ids.clone(),
            enabled: webhook.is_enabled(),
            disabled_at: terms.disabled.as_ref().map(|disabled| DateTime(disabled.at)),
            disabled_reason: terms.disabled.as_ref().map(|disabled| disabled.reason.clone()),
            created_at: DateTime(webhook.created_at),
            secrets: secrets.collect(),
        }
    }
}

#[ComplexObject]
impl Webhook {
    /// How its deliveries stand.
    #[graphql(complexity = "10 + child_complexity")]
    async fn deliveries(&self, ctx: &Context<'_>) -> Result<WebhookDeliveries> {
        let state = services(ctx)?.webhooks.state(self.id).await.map_err(ApiError::from)?;
        Ok(state.into())
    }
}

/// How a webhook's deliveries stand, up to a second ago.
#[derive(Clone, Debug, SimpleObject)]
pub struct WebhookDeliveries {
    /// How many requests were taken.
    pub delivered: f64,
    /// Tried again later, at most 256, the oldest first.
    pub waiting: Vec<UndeliveredEvent>,
    /// Given up after eleven attempts in about a day while other events were taken: the last 256, the oldest first.
    pub given_up: Vec<UndeliveredEvent>,
    /// How many were given up before those.
    pub forgotten: f64,
    /// It took nothing ten times in a row: now one of those that wait and one of the log are tried every ten minutes, and all
    /// others wait.
    pub is_down: bool,
    /// The last attempt.
    pub last_attempt_at: Option<DateTime>,
    /// The last attempt that was taken.
    pub last_success_at: Option<DateTime>,
    /// The first of the failures since then. After 5 days the webhook is turned off.
    pub failing_since: Option<DateTime>,
    /// When something is tried again.
    pub next_attempt_at: Option<DateTime>,
    /// What was wrong the last time.
    pub last_error: Option<String>,
    /// How often it was found that events cannot be told any more, since the log no longer holds them.
    pub gaps: f64,
    /// Why not, the last time.
    pub last_gap: Option<String>,
}

/// An event that was not taken.
#[derive(Clone, Debug, SimpleObject)]
pub struct UndeliveredEvent {
    /// The event; `webhook-id` of the requests.
    pub event_id: Uuid,
    /// As `ticket.created`.
    pub event_type: String,
    /// How often it was tried.
    pub attempts: i32,
    /// The first attempt.
    pub first_attempt_at: DateTime,
    /// The last attempt.
    pub last_attempt_at: DateTime,
    /// The next attempt; null where it was given up.
    pub next_attempt_at: Option<DateTime>,
    /// What was wrong the last time.
    pub error: String,
}

fn undelivered(event: &webhook::Undelivered, is_waiting: bool) -> UndeliveredEvent {
    UndeliveredEvent {
        event_id: event.event_id(),
        event_type: event.event_type.clone(),
        attempts: int(u64::from(event.attempts)),
        first_attempt_at: DateTime(event.first_at),
        last_attempt_at: DateTime(event.last_at),
        next_attempt_at: is_waiting.then_some(DateTime(event.next_at)),
        error: event.error.clone(),
    }
}

impl From<webhook::State> for WebhookDeliveries {
    fn from(state: webhook::State) -> Self {
        Self {
            is_down: state.is_down(),
            next_attempt_at: state.next_attempt_at().map(DateTime),
            delivered: float(state.delivered),
            waiting: state.waiting.iter().map(|event| undelivered(event, true)).collect(),
            given_up: state.given_up.iter().map(|event| undelivered(event, false)).collect(),
            forgotten: float(state.forgotten),
            last_attempt_at: state.last_attempt_at.map(DateTime),
            last_success_at: state.last_success_at.map(DateTime),
            failing_since: state.failing_since.map(DateTime),
            last_error: state.last_error,
            gaps: float(state.gaps),
            last_gap: state.last_gap,
        }
    }
}

/// A webhook with what is shown this once.
#[derive(Clone, SimpleObject)]
pub struct CreatedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// What requests are signed with: `whsec_` and 32 bytes in base64; null in a repeat.
    pub secret: Option<String>,
}

impl std::fmt::Debug for CreatedWebhook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("CreatedWebhook");
        shown.field("webhook", &self.webhook).finish_non_exhaustive()
    }
}

/// A webhook that is gone.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct DeletedWebhook {
    /// The webhook.
    pub id: Uuid,
}

/// What became of a test.
#[derive(Clone, Debug, SimpleObject)]
pub struct WebhookTest {
    /// It was answered with 2xx.
    pub delivered: bool,
    /// The answer's status; null where there was no answer.
    pub status: Option<i32>,
    /// Why it was not taken.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

impl From<webhook::Tested> for WebhookTest {
    fn from(tested: webhook::Tested) -> Self {
        let duration = u64::try_from(tested.duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            delivered: tested.error.is_none(),
            status: tested.status.map(i32::from),
            error: tested.error,
            duration_ms: float(duration),
        }
    }
}

/// What is tried again.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct WebhookRetry {
    /// How many events.
    pub events: i32,
}
