//! The words of document 001 for those of the domain.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::people::ResponderEntity;
use crate::domain::{ChannelType, Circumstance, Status};

/// Where a ticket is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LifecycleStatus {
    /// Not taken into work yet.
    Pending,
    /// In work.
    Ongoing,
    /// Ended, for whatever reason.
    Completed,
}

impl LifecycleStatus {
    /// From its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "pending" => Some(Self::Pending),
            "ongoing" => Some(Self::Ongoing),
            "completed" => Some(Self::Completed),
            _ => None,
        }
    }
}

impl From<Status> for LifecycleStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::New => Self::Pending,
            Status::Active => Self::Ongoing,
            Status::Inactive => Self::Completed,
        }
    }
}

impl From<LifecycleStatus> for Status {
    fn from(status: LifecycleStatus) -> Self {
        match status {
            LifecycleStatus::Pending => Self::New,
            LifecycleStatus::Ongoing => Self::Active,
            LifecycleStatus::Completed => Self::Inactive,
        }
    }
}

/// How a ticket came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TicketCircumstance {
    /// A person took the chat from the responder.
    Takeover,
    /// The responder gave the chat to people.
    Handover,
    /// The owner wrote.
    Inbound,
    /// Somebody opened it by hand.
    Manual,
    /// Somebody wrote to the owner first.
    Outbound,
}

impl From<Circumstance> for TicketCircumstance {
    fn from(circumstance: Circumstance) -> Self {
        match circumstance {
            Circumstance::Takeover => Self::Takeover,
            Circumstance::Handover => Self::Handover,
            Circumstance::Inbound => Self::Inbound,
            Circumstance::Manual => Self::Manual,
            Circumstance::Outbound => Self::Outbound,
        }
    }
}

/// What a channel is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TicketChannelType {
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

impl From<ChannelType> for TicketChannelType {
    fn from(kind: ChannelType) -> Self {
        match kind {
            ChannelType::Whatsapp => Self::Whatsapp,
            ChannelType::Telegram => Self::Telegram,
            ChannelType::Instagram => Self::Instagram,
            ChannelType::Facebook => Self::Facebook,
            ChannelType::Vk => Self::Vk,
            ChannelType::Line => Self::Line,
            ChannelType::Web => Self::Web,
            ChannelType::Email => Self::Email,
            ChannelType::Api => Self::Api,
            ChannelType::Shopee => Self::Shopee,
            ChannelType::Lazada => Self::Lazada,
            ChannelType::Tiktok => Self::Tiktok,
        }
    }
}

/// Whose a chat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OwnerEntity {
    /// A person outside, known by a channel.
    ExternalUser,
    /// A person inside; no channel makes such chats.
    #[expect(
        dead_code,
        reason = "the document has it; the owners of all chats are people outside"
    )]
    User,
}

/// What answers a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ChatResponderEntity {
    /// A program, with versions.
    Agent,
    /// A person inside.
    User,
}

impl From<ResponderEntity> for ChatResponderEntity {
    fn from(entity: ResponderEntity) -> Self {
        match entity {
            ResponderEntity::Agent => Self::Agent,
            ResponderEntity::User => Self::User,
        }
    }
}
