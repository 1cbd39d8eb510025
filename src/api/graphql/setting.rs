//! Channels and agents.

use async_graphql::{Object, SimpleObject};
use uuid::Uuid;

use super::kind::{ChannelType, InboundMode};
use super::scalar::float;
use crate::domain;

/// A connected account of the company.
#[derive(Clone, Debug)]
pub struct Channel {
    pub(super) channel: domain::Channel,
    pub(super) policy: domain::ChannelPolicy,
}

#[Object]
impl Channel {
    /// Unique.
    async fn id(&self) -> Uuid {
        self.channel.id
    }

    /// What it is connected to.
    #[graphql(name = "type")]
    async fn kind(&self) -> ChannelType {
        self.channel.kind.into()
    }

    /// To show.
    async fn name(&self) -> &str {
        &self.channel.name
    }

    /// The rules in force: the channel's own over the workspace's.
    async fn policy(&self) -> ChannelPolicy {
        ChannelPolicy {
            restore_period_ms: self.policy.restore_period_ms.map(float),
            inbound_mode: self.policy.inbound_mode.into(),
            max_skew_ms: float(self.policy.max_skew_ms),
        }
    }
}

/// What a channel decides about its chats.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct ChannelPolicy {
    /// How long after its end a ticket is reopened by a message, in milliseconds. 0: never; null: for ever.
    pub restore_period_ms: Option<f64>,
    /// Whether an incoming message opens a ticket by itself.
    pub inbound_mode: InboundMode,
    /// How far before its arrival a message may claim to have been sent, in milliseconds.
    pub max_skew_ms: f64,
}

/// A person inside.
#[derive(Clone, Debug, SimpleObject)]
pub struct Agent {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// An address.
    pub email: Option<String>,
    /// A URL.
    pub picture: Option<String>,
}

impl From<domain::Agent> for Agent {
    fn from(agent: domain::Agent) -> Self {
        Self {
            id: agent.id,
            name: agent.name,
            email: agent.email,
            picture: agent.picture,
        }
    }
}

/// A channel with its policy in force.
pub(super) fn channel(settings: &crate::live::Settings, channel: &domain::Channel) -> Channel {
    Channel {
        policy: settings.policy(channel.id),
        channel: channel.clone(),
    }
}
