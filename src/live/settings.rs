//! The settings of all workspaces, at hand.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::domain::policy::AssignmentMode;
use crate::domain::{ApiKey, Channel, ChannelPolicy, Rulebook, Webhook, Workspace};

/// As of some record; a newer one takes its place as a whole.
#[derive(Debug, Default)]
pub struct Settings {
    workspaces: HashMap<Uuid, Arc<Workspace>>,
    channels: HashMap<Uuid, (Uuid, Channel)>,
    /// By the hash of each of its secrets.
    keys: HashMap<String, (Uuid, Arc<ApiKey>)>,
    keys_by_id: HashMap<Uuid, (Uuid, Arc<ApiKey>)>,
    giving: HashSet<Uuid>,
}

impl Settings {
    /// Indexes workspaces by what is looked up.
    #[must_use]
    pub fn new(workspaces: Vec<Workspace>) -> Self {
        let mut settings = Self::default();
        for workspace in workspaces {
            let gives = |channel: &Channel| channel.policy.assignment.unwrap_or(workspace.policy.assignment);
            if workspace
                .channels
                .iter()
                .any(|channel| gives(channel) != AssignmentMode::Manual)
            {
                settings.giving.insert(workspace.id);
            }
            for channel in &workspace.channels {
                settings.channels.insert(channel.id, (workspace.id, channel.clone()));
            }
            for key in &workspace.keys {
                let key = Arc::new(key.clone());
                for secret in &key.secrets {
                    let known = (workspace.id, Arc::clone(&key));
                    settings.keys.insert(secret.hash.clone(), known);
                }
                settings.keys_by_id.insert(key.id, (workspace.id, key));
            }
            settings.workspaces.insert(workspace.id, Arc::new(workspace));
        }
        settings
    }

    /// A workspace.
    #[must_use]
    pub fn workspace(&self, id: Uuid) -> Option<&Arc<Workspace>> {
        self.workspaces.get(&id)
    }

    /// A channel and its workspace.
    #[must_use]
    pub fn channel(&self, id: Uuid) -> Option<(Uuid, &Channel)> {
        self.channels.get(&id).map(|(workspace, channel)| (*workspace, channel))
    }

    /// The policy in force on a channel.
    #[must_use]
    pub fn policy(&self, channel_id: Uuid) -> ChannelPolicy {
        let found = self.channel(channel_id);
        let workspace = found.and_then(|(workspace_id, _)| self.workspace(workspace_id));
        let defaults = workspace.map_or_else(ChannelPolicy::default, |workspace| workspace.policy.clone());
        found.map_or(defaults.clone(), |(_, channel)| channel.policy.over(&defaults))
    }

    /// The rules in force in a workspace, on a channel if one is named.
    #[must_use]
    pub fn rulebook(&self, workspace_id: Uuid, channel_id: Option<Uuid>) -> Rulebook {
        let Some(workspace) = self.workspace(workspace_id) else {
            return Rulebook::default();
        };
        Rulebook {
            policy: channel_id.map_or_else(|| workspace.policy.clone(), |id| self.policy(id)),
            workspace: Arc::clone(workspace),
        }
    }

    /// All webhooks, with their workspaces.
    pub fn webhooks(&self) -> impl Iterator<Item = (Uuid, &Webhook)> {
        let workspaces = self.workspaces.values();
        workspaces.flat_map(|workspace| workspace.webhooks.iter().map(|webhook| (workspace.id, webhook)))
    }

    /// Workspaces in which tickets are given by themselves, on some channel.
    pub fn giving(&self) -> impl Iterator<Item = &Arc<Workspace>> {
        self.giving.iter().filter_map(|id| self.workspace(*id))
    }

    /// Whether tickets are given by themselves, on some channel of a workspace.
    #[must_use]
    pub fn gives_in(&self, workspace_id: Uuid) -> bool {
        self.giving.contains(&workspace_id)
    }

    /// The key of a secret with this SHA-256, and its workspace. It may have expired, and so may the secret.
    #[must_use]
    pub fn key(&self, hash: &str) -> Option<(Uuid, &ApiKey)> {
        self.keys.get(hash).map(|(workspace, key)| (*workspace, &**key))
    }

    /// The key with this id, and its workspace. It may have expired.
    #[must_use]
    pub fn key_by_id(&self, id: Uuid) -> Option<(Uuid, &ApiKey)> {
        self.keys_by_id.get(&id).map(|(workspace, key)| (*workspace, &**key))
    }
}
