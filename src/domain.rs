//! The pure core: what a message or a command does to a chat.
//!
//! Nothing here waits, reads a clock, draws a random number or logs. Time, ids and limits are arguments; what comes
//! back is a list of [`Event`]s and the state they lead to. [`Chat::decide`] chooses, [`Chat::apply`] changes: replaying
//! the events of a chat in their order rebuilds it.

pub mod aggregate;
pub mod chat;
pub mod command;
pub mod event;
pub mod id;
pub mod incoming;
pub mod message;
pub mod policy;
pub mod rejection;
pub mod ticket;
pub mod workspace;

pub use aggregate::{Aggregate, Decided, Receipt};
pub use chat::{Chat, Owner};
pub use command::{ChatCommand, ChatCommandBody, DedupeKey};
pub use event::{Actor, ActorKind, Cause, Change, Event, EventBody};
pub use message::{Attachment, Direction, Message, MessageStatus, Visibility};
pub use policy::{ChannelPolicy, InboundMode, PolicyPatch};
pub use rejection::Rejection;
pub use ticket::{Circumstance, Decision, Reason, Rule, Status, Ticket, Trace};
pub use workspace::{Agent, ApiKey, Channel, ChannelType, Workspace, WorkspaceCommand, WorkspaceCommandBody};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;
