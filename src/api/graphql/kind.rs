//! The enums of the API over those of the domain.

use async_graphql::Enum;
use serde::Serialize;

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
    /// Those whose owner waits for an answer, the longest waiting first; then the others, the oldest first.
    WaitingLongest,
    /// The most urgent first, of these the oldest.
    Priority,
}

/// How urgent a ticket is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[graphql(remote = "crate::domain::Priority")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Priority {
    Low,
    Medium,
    High,
    Urgent,
}

/// How far a message has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::MessageStatus")]
#[expect(missing_docs, reason = "the names say it")]
pub enum MessageStatus {
    Received,
    Queued,
    Sent,
    Delivered,
    Read,
    Failed,
}

/// Who gets a ticket that an incoming message reopened.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[graphql(remote = "crate::domain::policy::OnReopen")]
pub enum OnReopen {
    /// Whoever had it.
    Keep,
    /// Whoever had it, if they are available now; otherwise nobody.
    KeepIfAvailable,
    /// Nobody: it waits with the new ones.
    Queue,
    /// The channel's responder answers; nobody is assigned.
    Bot,
}

/// Who is given a ticket that nobody has.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[graphql(remote = "crate::domain::policy::AssignmentMode")]
pub enum AssignmentMode {
    /// Nobody, by itself.
    Manual,
    /// In turn, by the weights of the team's members.
    RoundRobin,
    /// Who has the least.
    LeastBusy,
}

/// Whether an agent takes work.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[graphql(remote = "crate::domain::people::Availability")]
pub enum Availability {
    /// Within their working hours.
    Available,
    /// For a while not.
    Away,
    /// Not.
    Offline,
}

/// A program or a person.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[graphql(remote = "crate::domain::people::ResponderEntity")]
pub enum ResponderEntity {
    /// An AI agent, with versions.
    Agent,
    /// A person inside.
    User,
}

/// A day of the week.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[graphql(remote = "crate::domain::schedule::Day")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// What a field takes.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[graphql(remote = "crate::domain::field::FieldKind")]
pub enum FieldKind {
    /// A string of at most 4,096 bytes.
    Text,
    /// A number.
    Number,
    /// One of the field's options.
    Select,
    /// A day, as `2026-11-21`.
    Date,
    /// True or false.
    Checkbox,
}

/// What a field is of.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[graphql(remote = "crate::domain::field::FieldTarget")]
pub enum FieldTarget {
    /// Tickets.
    Ticket,
    /// Contacts.
    Contact,
}

/// Which kind of public word it is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[graphql(remote = "crate::domain::post::PostKind")]
pub enum PostKind {
    /// Under a post of the company.
    Comment,
    /// Of a product.
    Review,
}

/// What a key may do.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::key::Scope")]
pub enum Scope {
    /// Ask and watch.
    Read,
    /// Ask, watch, take in and command: chats, tickets, messages, contacts.
    Write,
    /// Take in what owners write, and nothing else.
    Ingest,
    /// Everything, settings and keys among it.
    Admin,
}

/// What an agent's key may do in the name of agents. Where a command names nobody, it acts as its own agent.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::key::Role")]
pub enum Role {
    /// Act as its agent, and as nobody else.
    Agent,
    /// Act as any agent, and give tickets to any.
    Supervisor,
}
