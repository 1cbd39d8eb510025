//! A workspace's settings: channels, agents and keys, under the same rules as a chat.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::aggregate::{Aggregate, Command, Decided, Receipt};
use super::command::{DedupeKey, check_name};
use super::event::{Cause, EventBody};
use super::{Actor, ChannelPolicy, Event, Millis, PolicyPatch, Rejection};

/// The most channels of one workspace.
pub const CHANNELS_MAX: usize = 1_000;
/// The most agents of one workspace.
pub const AGENTS_MAX: usize = 5_000;
/// The most API keys of one workspace.
pub const KEYS_MAX: usize = 1_000;

/// What a channel is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the providers' own names")]
pub enum ChannelType {
    Whatsapp,
    Telegram,
    Instagram,
    Facebook,
    Vk,
    Line,
    Web,
    Email,
    Api,
    Shopee,
    Lazada,
    Tiktok,
}

/// A connected account of the company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Unique.
    pub id: Uuid,
    /// What it is connected to.
    #[serde(rename = "type")]
    pub kind: ChannelType,
    /// To show.
    pub name: String,
    /// What it sets itself; the rest is the workspace's.
    #[serde(default)]
    pub policy: PolicyPatch,
    /// SHA-256 of the secret that the provider's requests carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_secret_hash: Option<String>,
}

/// A person inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// An address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// An API key; its secret is not kept, only its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Derived from the hash.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// SHA-256 of the whole key, in hexadecimal.
    pub hash: String,
}

/// The settings of one workspace; its JSON is the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// The tenant.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// Commits so far.
    pub version: u64,
    /// Events so far.
    pub seq: u64,
    /// What a channel leaves open.
    pub policy: ChannelPolicy,
    /// At most [`CHANNELS_MAX`].
    pub channels: Vec<Channel>,
    /// At most [`AGENTS_MAX`].
    pub agents: Vec<Agent>,
    /// At most [`KEYS_MAX`].
    pub keys: Vec<ApiKey>,
}

/// What to do with a workspace's settings.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum WorkspaceCommandBody {
    Create {
        name: String,
    },
    CreateChannel(Box<Channel>),
    UpdateChannel {
        id: Uuid,
        name: Option<String>,
        policy: PolicyPatch,
        hook_secret_hash: Option<String>,
    },
    CreateAgent(Agent),
    CreateKey(ApiKey),
}

/// A wish about a workspace's settings.
#[derive(Clone, Debug)]
pub struct WorkspaceCommand {
    /// Unique.
    pub id: Uuid,
    /// Who asks.
    pub actor: Actor,
    /// By which a repeat is known.
    pub keys: Vec<DedupeKey>,
    /// SHA-256 of the body, with an idempotency key.
    pub body_hash: Option<String>,
    /// What to do.
    pub body: WorkspaceCommandBody,
}

impl Command for WorkspaceCommand {
    fn id(&self) -> Uuid {
        self.id
    }

    fn keys(&self) -> &[DedupeKey] {
        &self.keys
    }

    fn body_hash(&self) -> Option<&str> {
        self.body_hash.as_deref()
    }
}

impl Workspace {
    /// The channel with this id.
    #[must_use]
    pub fn channel(&self, id: Uuid) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.id == id)
    }

    /// The agent with this id.
    #[must_use]
    pub fn agent(&self, id: Uuid) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.id == id)
    }

    fn choose(&self, command: &WorkspaceCommand) -> Result<(EventBody, Uuid), Rejection> {
        match &command.body {
            WorkspaceCommandBody::Create { name } => {
                check_name("name", name)?;
                if self.seq > 0 {
                    return Err(Rejection::AlreadyExists { what: "a workspace" });
                }
                Ok((EventBody::WorkspaceCreated { name: name.clone() }, self.id))
            }
            _ if self.seq == 0 => Err(Rejection::NotFound { what: "workspace" }),
            WorkspaceCommandBody::CreateChannel(channel) => {
                check_name("input.name", &channel.name)?;
                channel.policy.check()?;
                check_new("a channel", self.channel(channel.id).is_none())?;
                check_room("channels", self.channels.len(), CHANNELS_MAX)?;
                let channel = channel.clone();
                let id = channel.id;
                Ok((EventBody::ChannelCreated { channel }, id))
            }
            WorkspaceCommandBody::UpdateChannel {
                id,
                name,
                policy,
                hook_secret_hash,
            } => {
                if let Some(name) = name {
                    check_name("input.name", name)?;
                }
                policy.check()?;
                if self.channel(*id).is_none() {
                    return Err(Rejection::NotFound { what: "channel" });
                }
                let body = EventBody::ChannelUpdated {
                    id: *id,
                    name: name.clone(),
                    policy: policy.clone(),
                    hook_secret_hash: hook_secret_hash.clone(),
                };
                Ok((body, *id))
            }
            WorkspaceCommandBody::CreateAgent(agent) => {
                check_name("input.name", &agent.name)?;
                check_new("an agent", self.agent(agent.id).is_none())?;
                check_room("agents", self.agents.len(), AGENTS_MAX)?;
                let agent = agent.clone();
                let id = agent.id;
                Ok((EventBody::AgentCreated { agent }, id))
            }
            WorkspaceCommandBody::CreateKey(key) => {
                check_name("input.name", &key.name)?;
                check_new("a key", self.keys.iter().all(|known| known.hash != key.hash))?;
                check_room("keys", self.keys.len(), KEYS_MAX)?;
                let key = key.clone();
                let id = key.id;
                Ok((EventBody::KeyCreated { key }, id))
            }
        }
    }
}

fn check_new(what: &'static str, is_new: bool) -> Result<(), Rejection> {
    if is_new {
        return Ok(());
    }
    Err(Rejection::AlreadyExists { what })
}

fn check_room(what: &'static str, len: usize, max: usize) -> Result<(), Rejection> {
    if len >= max {
        return Err(Rejection::LimitReached { what, max });
    }
    Ok(())
}

impl Aggregate for Workspace {
    type Command = WorkspaceCommand;
    type Policy = ();

    fn blank(id: Uuid) -> Self {
        Self {
            id,
            name: String::new(),
            version: 0,
            seq: 0,
            policy: ChannelPolicy::default(),
            channels: Vec::new(),
            agents: Vec::new(),
            keys: Vec::new(),
        }
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn seq(&self) -> u64 {
        self.seq
    }

    fn decide(&self, command: &WorkspaceCommand, (): &(), now: Millis) -> Result<Decided<Self>, Rejection> {
        let (body, setting_id) = self.choose(command)?;
        let event = Event {
            workspace_id: self.id,
            aggregate_id: self.id,
            seq: self.seq.saturating_add(1),
            version: self.version.saturating_add(1),
            at: now,
            actor: command.actor.clone(),
            cause: Cause {
                command_id: command.id,
                message_id: None,
            },
            synthetic: false,
            body,
            ticket: None,
        };
        let mut state = self.clone();
        state.apply(&event);
        state.version = self.version;
        Ok(Decided {
            state,
            events: vec![event],
            receipt: Receipt {
                setting_id: Some(setting_id),
                body_hash: command.body_hash.clone(),
                ..Receipt::default()
            },
        })
    }

    fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.version = event.version;
        match &event.body {
            EventBody::WorkspaceCreated { name } => self.name.clone_from(name),
            EventBody::ChannelCreated { channel } => self.channels.push(Channel::clone(channel)),
            EventBody::ChannelUpdated {
                id,
                name,
                policy,
                hook_secret_hash,
            } => {
                if let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == *id) {
                    if let Some(name) = name {
                        channel.name.clone_from(name);
                    }
                    channel.policy = channel.policy.merged(policy);
                    if hook_secret_hash.is_some() {
                        channel.hook_secret_hash.clone_from(hook_secret_hash);
                    }
                }
            }
            EventBody::AgentCreated { agent } => self.agents.push(agent.clone()),
            EventBody::KeyCreated { key } => self.keys.push(key.clone()),
            EventBody::ChatCreated { .. }
            | EventBody::ChatUpdated { .. }
            | EventBody::MessageReceived { .. }
            | EventBody::MessageSent { .. }
            | EventBody::MessageEdited { .. }
            | EventBody::TicketCreated { .. }
            | EventBody::TicketStatusChanged { .. }
            | EventBody::TicketAssigneeChanged { .. } => {}
        }
    }
}
