//! Webhooks.

use async_graphql::{Context, Object, Result};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::old_expires_at;
use super::setting::{change, found};
use crate::api::auth::Scope;
use crate::api::error::ApiError;
use crate::api::graphql::input::webhook::{WebhookInput, WebhookPatchInput};
use crate::api::graphql::loader::{principal, services};
use crate::api::graphql::needs::Needs;
use crate::api::graphql::scalar::{CursorText, int};
use crate::api::graphql::webhook::{CreatedWebhook, DeletedWebhook, Webhook, WebhookRetry, WebhookTest};
use crate::api::services::{Services, new_id};
use crate::domain::{self, Millis, Rejection, WebhookCommand, WorkspaceCommandBody};
use crate::live::Cursor;

/// When to test again where too many do, in milliseconds.
const BUSY_MS: Millis = 5_000;
/// The most events that are named at once.
const EVENTS_MAX: usize = 100;

/// Webhooks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WebhookMutation;

fn check_url(services: &Services, url: Option<&str>) -> Result<(), ApiError> {
    let Some(url) = url else { return Ok(()) };
    // what is no URL at all is refused with its own words
    if Url::parse(url).is_err() {
        return Ok(());
    }
    let refused = |reason| Rejection::invalid("input.url", format!("a URL that can be asked: {reason}")).into();
    services.webhooks.check_url(url).map_err(refused)
}

fn known(ctx: &Context<'_>, id: Uuid) -> Result<domain::Webhook> {
    let settings = services(ctx)?.live.settings();
    let workspace = settings.workspace(principal(ctx)?.workspace_id);
    found(
        workspace.and_then(|workspace| workspace.webhook(id)).cloned(),
        "webhook",
    )
}

/// The secret of this salt, unless the command was a repeat of another.
fn shown(services: &Services, webhook: &domain::Webhook, salt: Uuid) -> CreatedWebhook {
    let is_new = webhook.secrets.iter().any(|secret| secret.salt == salt);
    CreatedWebhook {
        webhook: webhook.into(),
        secret: is_new.then(|| services.webhooks.secret(webhook.id, salt)),
    }
}

#[Object(guard = "Needs(Scope::Admin)")]
impl WebhookMutation {
    /// Makes a webhook: from now on a URL is told what happens, each event at least once, signed as Standard Webhooks says.
    /// At most 100 a workspace. Its secret is shown this once.
    async fn create_webhook(
        &self,
        ctx: &Context<'_>,
        input: WebhookInput,
        idempotency_key: Option<String>,
    ) -> Result<CreatedWebhook> {
        let described = json!(["createWebhook", input]);
        check_url(services(ctx)?, Some(&input.url))?;
        let (id, salt, now) = (new_id()?, new_id()?, services(ctx)?.clock.now());
        let webhook = domain::Webhook::new(id, input.into_terms(), salt, now);
        let body = WorkspaceCommandBody::Webhook(WebhookCommand::Create(Box::new(webhook)));
        let (services, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(shown(&services, found(workspace.webhook(id), "webhook")?, salt))
    }

    /// Changes a webhook; what is absent stays.
    async fn update_webhook(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        input: WebhookPatchInput,
        idempotency_key: Option<String>,
    ) -> Result<Webhook> {
        let described = json!(["updateWebhook", id, input]);
        check_url(services(ctx)?, input.url.as_deref())?;
        if input.enabled == Some(true) && !known(ctx, id)?.is_enabled() {
            services(ctx)?.webhooks.resume(id).await.map_err(ApiError::from)?;
        }
        let patch = Box::new(input.into_patch());
        let body = WorkspaceCommandBody::Webhook(WebhookCommand::Update { id, patch });
        let (_, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(found(workspace.webhook(id), "webhook")?.into())
    }

    /// Gives a webhook another secret. For `overlapMs` more, requests are signed with the one before too: 0 to 2,592,000,000
    /// (30 days), a day when absent. `LIMIT_REACHED`: two sign already.
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        overlap_ms: Option<f64>,
        idempotency_key: Option<String>,
    ) -> Result<CreatedWebhook> {
        let described = json!(["rotateWebhookSecret", id, overlap_ms]);
        let salt = new_id()?;
        let command = WebhookCommand::Rotate {
            id,
            salt,
            old_expires_at: old_expires_at(ctx, overlap_ms)?,
        };
        let body = WorkspaceCommandBody::Webhook(command);
        let (services, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(shown(&services, found(workspace.webhook(id), "webhook")?, salt))
    }

    /// Takes a webhook away, with what is remembered of its deliveries.
    async fn delete_webhook(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<DeletedWebhook> {
        let described = json!(["deleteWebhook", id]);
        let body = WorkspaceCommandBody::Webhook(WebhookCommand::Delete(id));
        let (services, _, id) = change(ctx, idempotency_key, (described, body)).await?;
        services.webhooks.forget(id).await.map_err(ApiError::from)?;
        Ok(DeletedWebhook { id })
    }

    /// Posts a test to a webhook and waits for the answer. It need not be enabled. `OVERLOADED`: this node tests 16 already.
    async fn test_webhook(&self, ctx: &Context<'_>, id: Uuid) -> Result<WebhookTest> {
        let webhook = known(ctx, id)?;
        let tested = services(ctx)?.webhooks.test(&webhook).await;
        Ok(tested
            .ok_or_else(|| ApiError::overloaded("too many webhooks are being tested", BUSY_MS))?
            .into())
    }

    /// Tries again at once what waits and what was given up: these events, at most 100, or all when absent.
    async fn retry_webhook(&self, ctx: &Context<'_>, id: Uuid, event_ids: Option<Vec<Uuid>>) -> Result<WebhookRetry> {
        known(ctx, id)?;
        if event_ids.as_ref().is_some_and(|ids| ids.len() > EVENTS_MAX) {
            let expected = format!("at most {EVENTS_MAX}");
            return Err(ApiError::from(Rejection::invalid("eventIds", expected)).into());
        }
        let count = services(ctx)?.webhooks.retry(id, event_ids.as_deref()).await;
        let count = u64::try_from(count.map_err(ApiError::from)?).unwrap_or(u64::MAX);
        Ok(WebhookRetry { events: int(count) })
    }

    /// Tells again everything that came after a cursor. `BAD_CURSOR`: not a cursor. What the log no longer holds is told as
    /// `webhook.gap`.
    async fn replay_webhook(&self, ctx: &Context<'_>, id: Uuid, after: CursorText) -> Result<Webhook> {
        let webhook = known(ctx, id)?;
        let cursor = Cursor::decode(&after.0).ok_or_else(|| {
            let mut error = ApiError::from(Rejection::invalid("after", "a cursor of an event or a receipt"));
            error.code = "BAD_CURSOR";
            error
        })?;
        let replayed = services(ctx)?.webhooks.replay(id, &cursor).await;
        replayed.map_err(ApiError::from)?;
        Ok((&webhook).into())
    }
}
