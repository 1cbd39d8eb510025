//! The enums of the API over those of the domain.

use async_graphql::Enum;

/// What a channel is connected to.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::ChannelType")]
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

/// NEW → ACTIVE → INACTIVE → ACTIVE, and nothing else.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::Status")]
pub enum TicketStatus {
    /// Not taken into work yet.
    New,
    /// In work.
    Active,
    /// Ended.
    Inactive,
}

/// What a status means here; every reason belongs to one status.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::Reason")]
#[expect(missing_docs, reason = "the table in ARCHITECTURE.md gives each its meaning")]
pub enum TicketReason {
    Inbound,
    Outbound,
    Handover,
    Manual,
    InProgress,
    PendingCustomer,
    OnHold,
    Completed,
    Closed,
    AutoClosed,
    Spam,
    Merged,
    Deleted,
}

/// How a ticket came to be.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::Circumstance")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Circumstance {
    Inbound,
    Manual,
    Takeover,
    Handover,
    Outbound,
}

/// What an incoming message did.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::Decision")]
pub enum Decision {
    /// It opened a ticket.
    Created,
    /// It joined the open ticket.
    Appended,
    /// It reopened the last ticket.
    Reopened,
    /// It was stored before: this is the first receipt again.
    Duplicate,
    /// It was stored and bothers nobody.
    Silenced,
    /// It was stored for the responder; there is no ticket.
    ToResponder,
}

/// Which way a message goes.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::Direction")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Direction {
    Incoming,
    Outgoing,
}

/// Who may read a message.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::Visibility")]
pub enum Visibility {
    /// The owner and everybody inside.
    Public,
    /// Only people inside.
    Note,
}

/// Who did something.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::ActorKind")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ActorKind {
    Owner,
    Agent,
    Bot,
    Rule,
    System,
    Api,
}

/// Whether an incoming message opens a ticket by itself.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::InboundMode")]
pub enum InboundMode {
    /// A message opens a ticket.
    Ticket,
    /// A responder answers first; no ticket until it hands over.
    Responder,
}

/// The order of a list of tickets.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::view::TicketOrder")]
pub enum TicketOrder {
    /// The last changed first.
    UpdatedDesc,
    /// The newest first.
    CreatedDesc,
    /// The oldest first.
    CreatedAsc,
}
