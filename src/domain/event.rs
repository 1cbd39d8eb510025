//! What happened: the events of a chat and of a workspace's settings.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::message::Content;
use super::ticket::{Circumstance, Reason, Ticket, Trace};
use super::workspace::{Agent, ApiKey, Channel};
use super::{Message, Millis, Owner, PolicyPatch, id};

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are DESIGN's words")]
pub enum ActorKind {
    Owner,
    Agent,
    Bot,
    Rule,
    System,
    Api,
}

/// Who did something, and which one of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The kind.
    pub kind: ActorKind,
    /// An agent's id, an API key's id, an owner's external id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A name to show, where it is not the owner's or an agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Actor {
    /// An actor without a name of its own.
    #[must_use]
    pub fn new(kind: ActorKind, id: impl Into<String>) -> Self {
        Self {
            kind,
            id: Some(id.into()),
            name: None,
        }
    }

    /// switchboard itself.
    #[must_use]
    pub fn system() -> Self {
        Self {
            kind: ActorKind::System,
            id: None,
            name: None,
        }
    }
}

/// What led to an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The command.
    pub command_id: Uuid,
    /// The message that the command brought, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Uuid>,
}

/// A name and a picture as the provider gives them.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// To show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
}

/// What happened, with what is needed to rebuild the state from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "fields are named as the types they change")]
pub enum EventBody {
    /// A chat began.
    #[serde(rename = "chat.created")]
    ChatCreated { channel_id: Uuid, owner: Owner },
    /// The owner's name or picture changed.
    #[serde(rename = "chat.updated")]
    ChatUpdated { from: Profile, to: Profile },
    /// The owner said something.
    #[serde(rename = "message.received")]
    MessageReceived { message: Box<Message> },
    /// Somebody answered.
    #[serde(rename = "message.sent")]
    MessageSent { message: Box<Message> },
    /// A message's content was replaced by its author.
    #[serde(rename = "message.edited")]
    MessageEdited {
        message_seq: u64,
        content: Content,
        edited_at: Millis,
    },
    /// A ticket was made.
    #[serde(rename = "ticket.created")]
    TicketCreated {
        number: u32,
        reason: Reason,
        circumstance: Circumstance,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<Trace>,
    },
    /// A ticket's status or reason changed.
    #[serde(rename = "ticket.status_changed")]
    TicketStatusChanged {
        from: Reason,
        to: Reason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<Trace>,
    },
    /// A ticket was given to somebody else.
    #[serde(rename = "ticket.assignee_changed")]
    TicketAssigneeChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Uuid>,
    },
    /// A workspace was made.
    #[serde(rename = "workspace.created")]
    WorkspaceCreated { name: String },
    /// A channel was connected.
    #[serde(rename = "channel.created")]
    ChannelCreated { channel: Box<Channel> },
    /// A channel's name, policy or secret changed; what is absent stayed.
    #[serde(rename = "channel.updated")]
    ChannelUpdated {
        id: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default)]
        policy: PolicyPatch,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hook_secret_hash: Option<String>,
    },
    /// A person inside was added.
    #[serde(rename = "agent.created")]
    AgentCreated { agent: Agent },
    /// An API key was made.
    #[serde(rename = "key.created")]
    KeyCreated { key: ApiKey },
}

/// Every type of event.
pub const NAMES: [&str; 13] = [
    "chat.created",
    "chat.updated",
    "message.received",
    "message.sent",
    "message.edited",
    "ticket.created",
    "ticket.status_changed",
    "ticket.assignee_changed",
    "workspace.created",
    "channel.created",
    "channel.updated",
    "agent.created",
    "key.created",
];

impl EventBody {
    /// The type in the API and in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ChatCreated { .. } => "chat.created",
            Self::ChatUpdated { .. } => "chat.updated",
            Self::MessageReceived { .. } => "message.received",
            Self::MessageSent { .. } => "message.sent",
            Self::MessageEdited { .. } => "message.edited",
            Self::TicketCreated { .. } => "ticket.created",
            Self::TicketStatusChanged { .. } => "ticket.status_changed",
            Self::TicketAssigneeChanged { .. } => "ticket.assignee_changed",
            Self::WorkspaceCreated { .. } => "workspace.created",
            Self::ChannelCreated { .. } => "channel.created",
            Self::ChannelUpdated { .. } => "channel.updated",
            Self::AgentCreated { .. } => "agent.created",
            Self::KeyCreated { .. } => "key.created",
        }
    }

    /// Whether it happened to a workspace's settings and not to a chat.
    #[must_use]
    pub fn is_setting(&self) -> bool {
        matches!(
            self,
            Self::WorkspaceCreated { .. }
                | Self::ChannelCreated { .. }
                | Self::ChannelUpdated { .. }
                | Self::AgentCreated { .. }
                | Self::KeyCreated { .. }
        )
    }
}

/// One field that an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The field's name in the API.
    pub target: &'static str,
    /// Before; null where there was nothing, or nobody knows.
    pub old_value: Value,
    /// After.
    pub value: Value,
}

impl Change {
    fn new(target: &'static str, old_value: Value, value: Value) -> Self {
        Self {
            target,
            old_value,
            value,
        }
    }
}

/// A fact about an aggregate: a chat, or a workspace's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The tenant.
    pub workspace_id: Uuid,
    /// The chat, or the workspace itself for its settings.
    pub aggregate_id: Uuid,
    /// From 1, gapless in the aggregate: the chat's `chatSeq`.
    pub seq: u64,
    /// The commit that brought it.
    pub version: u64,
    /// When.
    pub at: Millis,
    /// Who did it.
    pub actor: Actor,
    /// What led to it.
    pub cause: Cause,
    /// Made by a rule to keep transitions legal, not asked for by anybody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// What happened.
    pub body: EventBody,
    /// The ticket it belongs to, as it was right after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Box<Ticket>>,
}

impl Event {
    /// Derived from the aggregate and the sequence number.
    #[must_use]
    pub fn id(&self) -> Uuid {
        id::event(self.aggregate_id, self.seq)
    }

    /// The chat; none for an event of a workspace's settings.
    #[must_use]
    pub fn chat_id(&self) -> Option<Uuid> {
        (!self.body.is_setting()).then_some(self.aggregate_id)
    }

    /// The ticket's id.
    #[must_use]
    pub fn ticket_id(&self) -> Option<Uuid> {
        self.ticket.as_ref().map(|ticket| ticket.id)
    }

    /// The fields that this event changed, with their values before and after.
    #[must_use]
    pub fn patch(&self) -> Vec<Change> {
        match &self.body {
            EventBody::ChatUpdated { from, to } => {
                let mut changes = Vec::new();
                if from.name != to.name {
                    changes.push(Change::new("owner.name", json!(from.name), json!(to.name)));
                }
                if from.avatar != to.avatar {
                    changes.push(Change::new("owner.avatar", json!(from.avatar), json!(to.avatar)));
                }
                changes
            }
            EventBody::MessageEdited { content, .. } => {
                vec![Change::new("text", Value::Null, json!(content.text))]
            }
            EventBody::TicketCreated { reason, .. } => vec![
                Change::new("status", Value::Null, json!(reason.status())),
                Change::new("reason", Value::Null, json!(reason)),
            ],
            EventBody::TicketStatusChanged { from, to, .. } => {
                let mut changes = Vec::new();
                if from.status() != to.status() {
                    changes.push(Change::new("status", json!(from.status()), json!(to.status())));
                }
                changes.push(Change::new("reason", json!(from), json!(to)));
                changes
            }
            EventBody::TicketAssigneeChanged { from, to } => {
                vec![Change::new("assigneeId", json!(from), json!(to))]
            }
            EventBody::ChannelUpdated { name, policy, .. } => {
                let mut changes = Vec::new();
                if name.is_some() {
                    changes.push(Change::new("name", Value::Null, json!(name)));
                }
                if *policy != PolicyPatch::default() {
                    changes.push(Change::new("policy", Value::Null, json!(policy)));
                }
                changes
            }
            EventBody::ChatCreated { .. }
            | EventBody::MessageReceived { .. }
            | EventBody::MessageSent { .. }
            | EventBody::WorkspaceCreated { .. }
            | EventBody::ChannelCreated { .. }
            | EventBody::AgentCreated { .. }
            | EventBody::KeyCreated { .. } => Vec::new(),
        }
    }
}
