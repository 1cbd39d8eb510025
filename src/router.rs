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
use crate::domain::command::Wish;
use crate::domain::{
    Aggregate, Chat, ChatCommand, Contact, ContactCommand, Desk, DeskCommand, Event, Post, PostCommand, Rejection,
    Rulebook, Scope, Workspace, WorkspaceCommand, id,
};
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

/// Where the rules of workspaces and channels come from.
pub trait Policies: Send + Sync + Debug + 'static {
    /// The rules in force now, on a channel if one is named.
    fn rulebook(&self, workspace_id: Uuid, channel_id: Option<Uuid>) -> Rulebook;
}

impl Policies for Live {
    fn rulebook(&self, workspace_id: Uuid, channel_id: Option<Uuid>) -> Rulebook {
        self.settings().rulebook(workspace_id, channel_id)
    }
}

#[derive(Debug)]
struct ChatRules(Arc<dyn Policies>);

impl Rules<Chat> for ChatRules {
    fn policy(&self, state: &Chat, first: Option<&ChatCommand>) -> Arc<Rulebook> {
        let begins = first.and_then(|command| command.origin.as_ref());
        let (workspace_id, channel_id) = match (first, begins) {
            (Some(command), Some((channel_id, _))) if state.seq() == 0 => (command.workspace_id, *channel_id),
            _ => (state.workspace_id, state.channel_id),
        };
        Arc::new(self.0.rulebook(workspace_id, Some(channel_id)))
    }
}

/// For what has no channel: the rules of the workspace that the first command names.
#[derive(Debug)]
struct WorkspaceWide(Arc<dyn Policies>);

impl<B, A> Rules<A> for WorkspaceWide
where
    B: Debug + Send + Sync + 'static,
    A: Served<Command = Wish<B>, Policy = Rulebook>,
{
    fn policy(&self, _state: &A, first: Option<&Wish<B>>) -> Arc<Rulebook> {
        let workspace_id = first.map_or_else(Uuid::nil, |command| command.workspace_id);
        Arc::new(self.0.rulebook(workspace_id, None))
    }
}

#[derive(Debug)]
struct NoRules;

impl<A: Served<Policy = ()>> Rules<A> for NoRules {
    fn policy(&self, _state: &A, _first: Option<&A::Command>) -> Arc<()> {
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
    contacts: Directory<Contact>,
    posts: Directory<Post>,
    desks: Directory<Desk>,
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
        let chat_rules = Arc::new(ChatRules(Arc::clone(&policies)));
        let wide = Arc::new(WorkspaceWide(policies));
        let start = || (Arc::clone(&store), clock.clone());
        let chats = Directory::start(start(), chat_rules, &options).await?;
        let workspaces = Directory::start(start(), Arc::new(NoRules), &options).await?;
        let contacts = Directory::<Contact>::start(start(), Arc::<WorkspaceWide>::clone(&wide), &options).await?;
        let posts = Directory::start(start(), Arc::new(NoRules), &options).await?;
        let desks = Directory::start(start(), wide, &options).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                chats,
                workspaces,
                contacts,
                posts,
                desks,
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
    /// Overload, a refusal, or a store that does not answer; so for every question.
    pub async fn workspace(&self, command: WorkspaceCommand) -> Result<Answer<Workspace>, RouterError> {
        self.ask(&self.shared.workspaces, command.workspace_id, command).await
    }

    /// Asks a contact.
    ///
    /// # Errors
    /// As [`Router::workspace`].
    pub async fn contact(&self, id: Uuid, command: ContactCommand) -> Result<Answer<Contact>, RouterError> {
        self.ask(&self.shared.contacts, id, command).await
    }

    /// Asks a comment or review.
    ///
    /// # Errors
    /// As [`Router::workspace`].
    pub async fn post(&self, id: Uuid, command: PostCommand) -> Result<Answer<Post>, RouterError> {
        self.ask(&self.shared.posts, id, command).await
    }

    /// Asks an agent's desk.
    ///
    /// # Errors
    /// As [`Router::workspace`].
    pub async fn desk(&self, id: Uuid, command: DeskCommand) -> Result<Answer<Desk>, RouterError> {
        self.ask(&self.shared.desks, id, command).await
    }

    async fn ask<B, A>(&self, directory: &Directory<A>, id: Uuid, command: Wish<B>) -> Result<Answer<A>, RouterError>
    where
        A: Served<Command = Wish<B>>,
    {
        let share = command.workspace_id;
        self.put(directory, id, share, command)?.answer().await
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
        let shared = &self.shared;
        shared.chats.passivate_idle();
        shared.workspaces.passivate_idle();
        shared.contacts.passivate_idle();
        shared.posts.passivate_idle();
        shared.desks.passivate_idle();
    }

    /// Takes note of an event in the log: whatever this node remembers from before it is let go.
    pub fn note(&self, event: &Event) {
        let (shared, id, version) = (&self.shared, event.aggregate_id, event.version);
        match event.body.scope() {
            Scope::Chat => shared.chats.passivate_older(id, version),
            Scope::Workspace => shared.workspaces.passivate_older(id, version),
            Scope::Contact => shared.contacts.passivate_older(id, version),
            Scope::Post => shared.posts.passivate_older(id, version),
            Scope::Desk => shared.desks.passivate_older(id, version),
        }
    }

    /// Forgets how far it has acknowledged commands: the logs began a new life, in which positions mean nothing.
    pub fn forget_acknowledged(&self) {
        for position in self.shared.acknowledged.iter() {
            position.store(0, Ordering::Release);
        }
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
            self.shared.contacts.close().await;
            self.shared.posts.close().await;
            self.shared.desks.close().await;
        };
        if tokio::time::timeout(limit, drained).await.is_err() {
            tracing::warn!("commands were still waiting at the end");
        }
    }
}
