//! One actor per aggregate puts its commands in order: decide, commit, apply, reply.
//!
//! Commands wait in a bounded [`Inbox`]; the actor's mailbox only carries the news that there are some. While one commit
//! is in flight the inbox fills, and the next commit takes all that waits. Memory never leads the log: state changes only
//! after the commit, and nobody is told what a crash could undo.

mod batch;
mod inbox;
mod writer;

pub use inbox::{Inbox, Pushed, Waiting};
pub use writer::{Rules, Wake, Writer, WriterArguments, settle};

use std::sync::Arc;

use crate::domain::{Aggregate, Receipt, Rejection};

/// An accepted command, and the state after the commit that it was part of.
#[derive(Clone, Debug)]
pub struct Answer<A> {
    /// The answer to the command.
    pub receipt: Receipt,
    /// The command was a repeat; the receipt is the first one's.
    pub repeat: bool,
    /// Which log.
    pub partition: u16,
    /// The place of the command's last event in it; 0 where nothing had to change.
    pub position: u64,
    /// The state after the commit.
    pub state: Arc<A>,
}

/// Why a command has no receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It was refused.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Nothing happened; it may be tried again.
    #[error("the store is not available: nothing was stored")]
    Unavailable,
    /// It may or may not have happened. Repeating it with the same message id or idempotency key is safe.
    #[error("the outcome is not known yet: repeat it with the same message id or idempotency key")]
    Uncertain,
}

/// What waits for a command.
pub type Reply<A> = tokio::sync::oneshot::Sender<Result<Answer<A>, CommandError>>;

/// An aggregate that actors can serve.
pub trait Served: Aggregate {
    /// The state with another version.
    #[must_use]
    fn with_version(mut self, version: u64) -> Self {
        self.set_version(version);
        self
    }
}

impl<A: Aggregate> Served for A {}
