//! The pure core: what a message or a command does to a chat.
//!
//! Nothing here waits, reads a clock, draws a random number or logs. Time, ids and limits are arguments; what comes
//! back is a list of [`Event`]s and the state they lead to. [`Chat::decide`] chooses, [`Chat::apply`] changes: replaying
//! the events of a chat in their order rebuilds it.

pub mod aggregate;
pub mod chat;
pub mod command;
pub mod contact;
pub mod decision;
pub mod desk;
pub mod event;
pub mod field;
pub mod id;
pub mod incoming;
pub mod key;
pub mod message;
pub mod people;
pub mod policy;
pub mod post;
pub mod rejection;
pub mod schedule;
pub mod ticket;
pub mod webhook;
pub mod workspace;

pub use aggregate::{Aggregate, Decided, Receipt};
pub use chat::{Chat, ChatResponder, Owner};
pub use command::{ChatCommand, ChatCommandBody, DedupeKey, TicketAction};
pub use contact::{Contact, ContactCommand, ContactCommandBody};
pub use decision::{Decision, Rule, Trace};
pub use desk::{Desk, DeskCommand, DeskCommandBody};
pub use event::{Actor, ActorKind, Cause, Change, Event, EventBody, Scope};
pub use key::{ApiKey, KeyCommand, KeyGrant};
pub use message::{Attachment, Direction, Message, MessageStatus, Visibility};
pub use people::{Agent, Responder, Team};
pub use policy::{ChannelPolicy, InboundMode, PolicyPatch, Rulebook};
pub use post::{Post, PostCommand, PostCommandBody};
pub use rejection::Rejection;
pub use ticket::{Circumstance, Priority, Reason, Status, Ticket};
pub use webhook::{Webhook, WebhookCommand, WebhookFormat};
pub use workspace::{Channel, ChannelType, Setting, Workspace, WorkspaceCommand, WorkspaceCommandBody};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;
