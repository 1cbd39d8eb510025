//! API keys.

use async_graphql::{Context, Object, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use super::old_expires_at;
use super::setting::{change, found};
use crate::api::auth::{Issued, Scope, issue};
use crate::api::error::ApiError;
use crate::api::graphql::input::key::{ApiKeyInput, ApiKeyPatchInput};
use crate::api::graphql::key::{ApiKey, CreatedApiKey, RevokedApiKey};
use crate::api::graphql::loader::services;
use crate::api::graphql::needs::Needs;
use crate::api::services::new_id;
use crate::domain::{self, KeyCommand, WorkspaceCommandBody};

/// API keys.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyMutation;

fn issued(key_id: Uuid) -> Result<Issued, ApiError> {
    issue(key_id).map_err(|_| ApiError::new("INTERNAL", "the system gives no random numbers"))
}

/// Sends a command that gives a key this text, which is shown unless the command was a repeat of another.
async fn give(
    ctx: &Context<'_>,
    idempotency_key: Option<String>,
    (described, command): (Value, KeyCommand),
    issued: Issued,
) -> Result<CreatedApiKey> {
    let body = WorkspaceCommandBody::Key(command);
    let (services, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
    let key = found(workspace.key(id), "key")?;
    let is_new = key.secrets.iter().any(|secret| secret.hash == issued.hash);
    Ok(CreatedApiKey {
        api_key: key.into(),
        signing_secret: is_new.then(|| services.signing.secret(id, &issued.hash)),
        secret: is_new.then_some(issued.text),
    })
}

#[Object(guard = "Needs(Scope::Admin)")]
impl KeyMutation {
    /// Makes a key. At most 1,000 a workspace. It is shown this once: only its hash is kept.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        input: ApiKeyInput,
        idempotency_key: Option<String>,
    ) -> Result<CreatedApiKey> {
        let described = json!(["createApiKey", input]);
        let (id, now) = (new_id()?, services(ctx)?.clock.now());
        let issued = issued(id)?;
        let grant = input.into_grant();
        let key = domain::ApiKey::new(id, grant, &issued.hash, now);
        let command = KeyCommand::Create(Box::new(key));
        give(ctx, idempotency_key, (described, command), issued).await
    }

    /// Changes what a key opens; what is absent stays. Sockets and streams that it opened end where that changes what it
    /// may do. `LAST_ADMIN_KEY`: no other key with ADMIN is left that does not expire.
    async fn update_api_key(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        input: ApiKeyPatchInput,
        idempotency_key: Option<String>,
    ) -> Result<ApiKey> {
        let described = json!(["updateApiKey", id, input]);
        let patch = Box::new(input.into_patch());
        let body = WorkspaceCommandBody::Key(KeyCommand::Update { id, patch });
        let (_, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(found(workspace.key(id), "key")?.into())
    }

    /// Gives a key another text. The one before opens it for `overlapMs` more: 0 to 2,592,000,000 (30 days), a day when
    /// absent. `LIMIT_REACHED`: two texts open it already.
    async fn rotate_api_key(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        overlap_ms: Option<f64>,
        idempotency_key: Option<String>,
    ) -> Result<CreatedApiKey> {
        let described = json!(["rotateApiKey", id, overlap_ms]);
        let issued = issued(id)?;
        let command = KeyCommand::Rotate {
            id,
            hash: issued.hash.clone(),
            old_expires_at: old_expires_at(ctx, overlap_ms)?,
        };
        give(ctx, idempotency_key, (described, command), issued).await
    }

    /// Takes a key away. What it opened ends within a second. `LAST_ADMIN_KEY`: no other key with ADMIN is left that does
    /// not expire.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<RevokedApiKey> {
        let described = json!(["revokeApiKey", id]);
        let body = WorkspaceCommandBody::Key(KeyCommand::Revoke(id));
        let (_, _, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(RevokedApiKey { id })
    }
}
