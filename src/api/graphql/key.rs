//! API keys.

use async_graphql::{Context, Result, SimpleObject};
use uuid::Uuid;

use super::kind::{Role, Scope};
use super::loader::{missing, principal, services};
use super::scalar::DateTime;
use super::setting::{self, Agent, Channel};
use crate::api::auth::prefix;
use crate::domain;

/// A secret of a key: what it is, only the holder of the key knows.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct KeySecret {
    /// When it was made.
    pub created_at: DateTime,
    /// When it opens nothing any more; null: never, as long as the key opens something.
    pub expires_at: Option<DateTime>,
}

/// What opens the API.
#[derive(Clone, Debug, SimpleObject)]
pub struct ApiKey {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// What the key begins with, if it was made here; names it in a signed request.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// It knows of nothing on other channels; empty: it knows all.
    pub channel_ids: Vec<Uuid>,
    /// Whose key it is; null: no agent's.
    pub agent_id: Option<Uuid>,
    /// What it may do in the name of agents; null where it is no agent's.
    pub role: Option<Role>,
    /// When it was made.
    pub created_at: DateTime,
    /// When it opens nothing any more; null: never.
    pub expires_at: Option<DateTime>,
    /// When it was used last, within an hour; null: never.
    pub last_used_at: Option<DateTime>,
    /// The oldest first. Two open it for a while after it was rotated.
    pub secrets: Vec<KeySecret>,
}

impl From<&domain::ApiKey> for ApiKey {
    fn from(key: &domain::ApiKey) -> Self {
        let grant = &key.grant;
        let secrets = key.secrets.iter().map(|secret| KeySecret {
            created_at: DateTime(secret.created_at),
            expires_at: secret.expires_at.map(DateTime),
        });
        Self {
            id: key.id,
            name: grant.name.clone(),
            prefix: prefix(key.id),
            scopes: grant.scopes.iter().copied().map(Scope::from).collect(),
            channel_ids: grant.channel_ids.clone(),
            agent_id: grant.agent_id,
            role: grant.role.map(Role::from),
            created_at: DateTime(key.created_at),
            expires_at: grant.expires_at.map(DateTime),
            last_used_at: key.last_used_at.map(DateTime),
            secrets: secrets.collect(),
        }
    }
}

/// A key with what is shown this once.
#[derive(Clone, SimpleObject)]
pub struct CreatedApiKey {
    /// The key.
    pub api_key: ApiKey,
    /// The text to send as `Authorization`; null in a repeat.
    pub secret: Option<String>,
    /// What to sign requests with; null in a repeat.
    pub signing_secret: Option<String>,
}

impl std::fmt::Debug for CreatedApiKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("CreatedApiKey");
        shown.field("api_key", &self.api_key).finish_non_exhaustive()
    }
}

/// A key that opens nothing any more.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct RevokedApiKey {
    /// The key.
    pub id: Uuid,
}

/// Who asks, and what their key lets them do.
#[derive(Clone, Debug, SimpleObject)]
pub struct Viewer {
    /// The key.
    pub key_id: Uuid,
    /// Of the key.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The channels that it knows of.
    pub channels: Vec<Channel>,
    /// Whose key it is; null: no agent's.
    pub agent: Option<Agent>,
    /// What it may do in the name of agents; null where it is no agent's.
    pub role: Option<Role>,
}

pub(super) fn viewer(ctx: &Context<'_>) -> Result<Viewer> {
    let (services, principal) = (services(ctx)?, principal(ctx)?);
    let settings = services.live.settings();
    let (_, key) = settings.key_by_id(principal.key_id).ok_or_else(missing)?;
    let workspace = settings.workspace(principal.workspace_id).ok_or_else(missing)?;
    let channels = workspace.channels.iter();
    let channels = channels.filter(|channel| principal.sees(channel.id));
    let (agent_id, role) = principal.agent.unzip();
    let agent = agent_id.and_then(|id| workspace.agent(id).cloned());
    Ok(Viewer {
        key_id: key.id,
        name: key.grant.name.clone(),
        scopes: principal.scopes.given().map(Scope::from).collect(),
        channels: channels.map(|channel| setting::channel(&settings, channel)).collect(),
        agent: agent.map(|agent| setting::agent(agent, services.clock.now())),
        role: role.map(Role::from),
    })
}
