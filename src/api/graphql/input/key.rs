//! What clients send about keys.

use async_graphql::{InputObject, MaybeUndefined};
use serde::Serialize;
use uuid::Uuid;

use super::patch;
use crate::api::graphql::kind::{Role, Scope};
use crate::api::graphql::scalar::DateTime;
use crate::domain::KeyGrant;
use crate::domain::key::{self, KeyPatch};

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        key::Scope::from(*self).serialize(serializer)
    }
}

impl Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        key::Role::from(*self).serialize(serializer)
    }
}

fn scopes(scopes: Vec<Scope>) -> Vec<key::Scope> {
    scopes.into_iter().map(key::Scope::from).collect()
}

/// A new key.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct ApiKeyInput {
    /// To show.
    pub name: String,
    /// What it may do: one or more, each once. ADMIN is not for keys of some channels, nor for role AGENT.
    pub scopes: Vec<Scope>,
    /// It knows of nothing on other channels: at most 100. Absent or empty: it knows all.
    pub channel_ids: Option<Vec<Uuid>>,
    /// Whose key it is; absent: no agent's.
    pub agent_id: Option<Uuid>,
    /// What it may do in the name of agents; AGENT when absent from an agent's key.
    pub role: Option<Role>,
    /// When it opens nothing any more; absent: never.
    pub expires_at: Option<DateTime>,
}

impl ApiKeyInput {
    pub(in crate::api::graphql) fn into_grant(self) -> KeyGrant {
        let role = self.role.map(key::Role::from);
        KeyGrant {
            name: self.name,
            scopes: scopes(self.scopes),
            channel_ids: self.channel_ids.unwrap_or_default(),
            agent_id: self.agent_id,
            role: role.or(self.agent_id.map(|_| key::Role::Agent)),
            expires_at: self.expires_at.map(|at| at.0),
        }
    }
}

/// What to change of a key; what is absent stays.
#[derive(Clone, Debug, InputObject, Serialize)]
#[graphql(name = "ApiKeyPatch")]
pub struct ApiKeyPatchInput {
    /// To show.
    pub name: Option<String>,
    /// They replace those that it has.
    pub scopes: Option<Vec<Scope>>,
    /// They replace those that it has; empty: it knows all.
    pub channel_ids: Option<Vec<Uuid>>,
    /// Of an agent's key.
    pub role: Option<Role>,
    /// Null: never.
    pub expires_at: MaybeUndefined<DateTime>,
}

impl ApiKeyPatchInput {
    pub(in crate::api::graphql) fn into_patch(self) -> KeyPatch {
        KeyPatch {
            name: self.name,
            scopes: self.scopes.map(scopes),
            channel_ids: self.channel_ids,
            role: self.role.map(key::Role::from),
            expires_at: patch(self.expires_at).map(|at| at.map(|at| at.0)),
        }
    }
}
