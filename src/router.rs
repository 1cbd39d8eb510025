//! The one door for commands: bounds, fairness between channels, and the way to the actor that serves an aggregate.

mod admission;
mod directory;

pub use admission::{Admission, AdmissionOptions};

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::directory::Directory;
use crate::actor::{Answer, CommandError, Rules, Served};
use crate::clock::Clock;
use crate::domain::{Aggregate, ChannelPolicy, Chat, ChatCommand, Rejection, Workspace, WorkspaceCommand, id};
use crate::live::Live;
use crate::store::Store;

/// How often idle chats are looked for, in milliseconds.
const PASSIVATE_EVERY_MS: u64 = 1_000;

/// The router's bounds.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterOptions {
    /// Commands waiting for one chat.
    pub waiting_per_chat_max: usize,
    /// Commands waiting on this node.
    pub waiting_per_node_max: usize,
    /// How long a command may take, in milliseconds.
    pub command_timeout_ms: u64,
    /// Chats in memory.
    pub resident_chats_max: usize,
    /// A chat that nobody asks for so long leaves the memory, in milliseconds.
    pub idle_after_ms: u64,
}

impl Default for RouterOptions {
    fn default() -> Self {
        Self {
            waiting_per_chat_max: 1_024,
            waiting_per_node_max: 65_536,
            command_timeout_ms: 30_000,
            resident_chats_max: 100_000,
            idle_after_ms: 300_000,
        }
    }
}

/// Why the router has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// Too much is waiting; nothing was done.
    #[error("too many commands are waiting: try again in {retry_after_ms} ms")]
    Overloaded {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// The actor said no.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// This node is shutting down; nothing was done.
    #[error("this node is shutting down")]
    Closing,
}

impl From<Rejection> for RouterError {
    fn from(rejection: Rejection) -> Self {
        Self::Command(rejection.into())
    }
}

/// Where the policies of channels come from.
pub trait Policies: Send + Sync + Debug + 'static {
    /// The policy in force on a channel now.
    fn policy(&self, channel_id: Uuid) -> ChannelPolicy;
}

impl Policies for Live {
    fn policy(&self, channel_id: Uuid) -> ChannelPolicy {
        self.settings().policy(channel_id)
    }
}

#[derive(Debug)]
struct ChatRules(Arc<dyn Policies>);

impl Rules<Chat> for ChatRules {
    fn policy(&self, state: &Chat, first: Option<&ChatCommand>) -> Arc<ChannelPolicy> {
        let begins = first.and_then(|command| command.origin.as_ref());
        let channel_id = match begins {
            Some((channel_id, _)) if state.seq() == 0 => *channel_id,
            _ => state.channel_id,
        };
        Arc::new(self.0.policy(channel_id))
    }
}

#[derive(Debug)]
struct WorkspaceRules;

impl Rules<Workspace> for WorkspaceRules {
    fn policy(&self, _state: &Workspace, _first: Option<&WorkspaceCommand>) -> Arc<()> {
        Arc::new(())
    }
}

/// A command that is in its chat's queue.
#[derive(Debug)]
pub struct Pending<A: Served> {
    answered: directory::Answered<A>,
    acknowledged: Arc<Vec<AtomicU64>>,
    timeout: Duration,
}

impl<A: Served> Pending<A> {
    /// Waits for the answer. Whoever stops waiting does not stop the command.
    ///
    /// # Errors
    /// A refusal, or a store that does not answer.
    pub async fn answer(self) -> Result<Answer<A>, RouterError> {
        match tokio::time::timeout(self.timeout, self.answered).await {
            Ok(Ok(answer)) => {
                let answer = answer?;
                if let Some(position) = self.acknowledged.get(usize::from(answer.partition)) {
                    position.fetch_max(answer.position, Ordering::AcqRel);
                }
                Ok(answer)
            }
            // the actor ended before it answered, or takes too long: it may have committed
            Ok(Err(_)) | Err(_) => Err(CommandError::Uncertain.into()),
        }
    }
}

/// The router of a node; clones share it.
#[derive(Clone, Debug)]
pub struct Router {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    chats: Directory<Chat>,
    workspaces: Directory<Workspace>,
    admission: Admission,
    acknowledged: Arc<Vec<AtomicU64>>,
    options: RouterOptions,
}

impl Router {
    /// A router over a store.
    ///
    /// # Errors
    /// The supervisors cannot be started.
    pub async fn start(
        store: Arc<dyn Store>,
        policies: Arc<dyn Policies>,
        clock: Clock,
        options: RouterOptions,
    ) -> Result<Self, ractor::SpawnErr> {
        let partitions = store.partitions();
        let chats = Directory::start(
            Arc::clone(&store),
            Arc::new(ChatRules(policies)),
            clock.clone(),
            &options,
        )
        .await?;
        let workspaces = Directory::start(store, Arc::new(WorkspaceRules), clock, &options).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                chats,
                workspaces,
                acknowledged: Arc::new((0..partitions).map(|_| AtomicU64::new(0)).collect()),
                admission: Admission::new(AdmissionOptions {
                    waiting_max: options.waiting_per_node_max,
                }),
                options,
            }),
        })
    }

    /// Puts a command into a chat's queue; commands given in one order are decided in that order. `channel_id` is whose
    /// share of the node's bounds the command takes.
    ///
    /// # Errors
    /// Overload, or this node is shutting down; nothing was done then.
    pub fn submit(&self, chat_id: Uuid, channel_id: Uuid, command: ChatCommand) -> Result<Pending<Chat>, RouterError> {
        self.put(&self.shared.chats, chat_id, channel_id, command)
    }

    /// Puts a command into the queue of the chat that its origin names.
    ///
    /// # Errors
    /// As [`Router::submit`].
    pub fn submit_to_origin(&self, command: ChatCommand) -> Result<Pending<Chat>, RouterError> {
        let Some((channel_id, external_id)) = &command.origin else {
            return Err(Rejection::NotFound { what: "chat" }.into());
        };
        let chat_id = id::chat(command.workspace_id, *channel_id, external_id);
        self.submit(chat_id, *channel_id, command)
    }

    /// Asks a workspace's settings.
    ///
    /// # Errors
    /// Overload, a refusal, or a store that does not answer.
    pub async fn workspace(
        &self,
        workspace_id: Uuid,
        command: WorkspaceCommand,
    ) -> Result<Answer<Workspace>, RouterError> {
        let directory = &self.shared.workspaces;
        self.put(directory, workspace_id, workspace_id, command)?.answer().await
    }

    fn put<A: Served>(
        &self,
        directory: &Directory<A>,
        id: Uuid,
        share: Uuid,
        command: A::Command,
    ) -> Result<Pending<A>, RouterError> {
        let permit = self.shared.admission.admit(share)?;
        Ok(Pending {
            answered: directory.submit(id, command, permit)?,
            acknowledged: Arc::clone(&self.shared.acknowledged),
            timeout: Duration::from_millis(self.shared.options.command_timeout_ms),
        })
    }

    /// The last position of each log that this node has acknowledged to somebody.
    #[must_use]
    pub fn acknowledged(&self) -> Vec<u64> {
        let positions = self.shared.acknowledged.iter();
        positions.map(|position| position.load(Ordering::Acquire)).collect()
    }

    /// Lets idle chats go, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let every = (self.shared.options.idle_after_ms / 4).clamp(10, PASSIVATE_EVERY_MS);
        let every = Duration::from_millis(every);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => self.passivate_idle(),
            }
        }
    }

    /// Lets chats go that nobody asked for long enough.
    pub fn passivate_idle(&self) {
        self.shared.chats.passivate_idle();
    }

    /// How many chats are in memory.
    #[must_use]
    pub fn resident_chats(&self) -> usize {
        self.shared.chats.len()
    }

    /// Takes no more commands and waits for those that were taken, `limit` at most.
    pub async fn close(&self, limit: Duration) {
        self.shared.admission.close();
        let drained = async {
            self.shared.admission.empty().await;
            self.shared.chats.close().await;
            self.shared.workspaces.close().await;
        };
        if tokio::time::timeout(limit, drained).await.is_err() {
            tracing::warn!("commands were still waiting at the end");
        }
    }
}
