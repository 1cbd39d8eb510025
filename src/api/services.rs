//! What the handlers work with.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::auth::Principal;
use super::error::ApiError;
use crate::clock::Clock;
use crate::domain::command::{NAME_MAX_BYTES, check_text};
use crate::domain::{Actor, ActorKind, DedupeKey, Rejection};
use crate::live::Live;
use crate::router::Router;
use crate::signing::Signing;
use crate::view::{ChatRow, ContactRow, PostRow, TicketRow, View};
use crate::webhook::Webhooks;

/// How long a read waits for this node to take in its own writes, in milliseconds.
const OWN_WRITES_WAIT_MS: u64 = 2_000;

/// The parts of a node that an answer is made of.
#[derive(Clone, Debug)]
pub struct Services {
    /// For commands.
    pub router: Router,
    /// For reads and subscriptions.
    pub live: Live,
    /// The time.
    pub clock: Clock,
    /// The signing secrets of keys.
    pub signing: Signing,
    /// For how deliveries stand.
    pub webhooks: Webhooks,
}

/// What every command carries beside its body.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) id: Uuid,
    pub(crate) actor: Actor,
    pub(crate) keys: Vec<DedupeKey>,
    pub(crate) body_hash: Option<String>,
}

/// A new id, by chance.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn new_id() -> Result<Uuid, ApiError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| ApiError::new("INTERNAL", "the system gives no random numbers"))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

impl Services {
    /// The view with everything in it that this node has acknowledged.
    pub(crate) async fn view(&self) -> Result<&View, ApiError> {
        let view = self.view_as_it_is().await?;
        self.own_writes().await;
        Ok(view)
    }

    /// The view as far as it is, once it answers.
    pub(crate) async fn view_as_it_is(&self) -> Result<&View, ApiError> {
        let view = self.live.view();
        let wait = Duration::from_millis(OWN_WRITES_WAIT_MS);
        if !view.is_embedded() && tokio::time::timeout(wait, self.live.ready()).await.is_err() {
            return Err(ApiError::new(
                "UNAVAILABLE",
                "the view is being built: ask later, or another node",
            ));
        }
        Ok(view)
    }

    /// Waits until this node has taken in what it has acknowledged, but not for long.
    pub(crate) async fn own_writes(&self) {
        if self.live.view().is_embedded() {
            return;
        }
        let wait = Duration::from_millis(OWN_WRITES_WAIT_MS);
        let begin = Instant::now();
        for (partition, position) in (0_u16..).zip(self.router.acknowledged()) {
            let left = wait.saturating_sub(begin.elapsed());
            if position > 0 && !self.live.wait_for(partition, position, left).await {
                break;
            }
        }
    }

    /// Waits until everything that the store holds now can be read here: what is not found then is not there.
    pub(crate) async fn catch_up(&self) -> Result<(), ApiError> {
        let wait = Duration::from_millis(OWN_WRITES_WAIT_MS);
        Ok(self.live.catch_up(wait).await?)
    }

    /// Waits until this node's settings have a change that it made.
    pub(crate) async fn settled(&self, partition: u16, position: u64) {
        let wait = Duration::from_millis(OWN_WRITES_WAIT_MS);
        self.live.wait_for(partition, position, wait).await;
    }

    /// Whether a channel is the workspace's, and one that the key may know of; one that another node just made is waited
    /// for.
    pub(crate) async fn check_channel(&self, principal: &Principal, channel_id: Uuid) -> Result<(), ApiError> {
        principal.check_channel(channel_id)?;
        let known = || {
            let settings = self.live.settings();
            settings
                .channel(channel_id)
                .is_some_and(|(workspace_id, _)| workspace_id == principal.workspace_id)
        };
        self.known_or_later(known, "channel").await
    }

    /// Whether an agent is the workspace's.
    pub(crate) async fn check_agent(&self, principal: &Principal, agent_id: Uuid) -> Result<(), ApiError> {
        let known = || {
            let settings = self.live.settings();
            settings
                .workspace(principal.workspace_id)
                .is_some_and(|workspace| workspace.agent(agent_id).is_some())
        };
        self.known_or_later(known, "agent").await
    }

    async fn known_or_later(&self, known: impl Fn() -> bool, what: &'static str) -> Result<(), ApiError> {
        if known() {
            return Ok(());
        }
        self.catch_up().await?;
        if known() {
            return Ok(());
        }
        Err(Rejection::NotFound { what }.into())
    }

    /// A ticket of the workspace that the key may know of.
    pub(crate) async fn find_ticket(
        &self,
        principal: &Principal,
        ticket_id: Uuid,
    ) -> Result<Option<TicketRow>, ApiError> {
        let found = self.any_ticket(principal.workspace_id, ticket_id).await?;
        let Some(row) = found else { return Ok(None) };
        let is_seen = principal.channels().is_none() || self.find_chat(principal, row.chat_id).await?.is_some();
        Ok(is_seen.then_some(row))
    }

    async fn any_ticket(&self, workspace: Uuid, ticket_id: Uuid) -> Result<Option<TicketRow>, ApiError> {
        let found = self.view().await?;
        let found = found.tickets_by_id(workspace, vec![ticket_id]).await?;
        if let Some(row) = found.into_iter().next() {
            return Ok(Some(row));
        }
        if self.live.view().is_embedded() {
            return Ok(None);
        }
        self.catch_up().await?;
        let found = self.live.view().tickets_by_id(workspace, vec![ticket_id]);
        Ok(found.await?.into_iter().next())
    }

    /// A chat of the workspace that the key may know of.
    async fn find_chat(&self, principal: &Principal, chat_id: Uuid) -> Result<Option<ChatRow>, ApiError> {
        let (workspace, view) = (principal.workspace_id, self.view().await?);
        let mut found = view.chats(workspace, vec![chat_id]).await?;
        if found.is_empty() && !view.is_embedded() {
            self.catch_up().await?;
            found = view.chats(workspace, vec![chat_id]).await?;
        }
        let mut found = found.into_iter();
        Ok(found.find(|chat| principal.sees(chat.channel_id)))
    }

    /// Refuses a chat that a key may not know of, as one that is not there. Whether it is there for a key that knows all
    /// channels is left to the chat.
    pub(crate) async fn check_chat(&self, principal: &Principal, chat_id: Uuid) -> Result<(), ApiError> {
        if principal.channels().is_none() || self.find_chat(principal, chat_id).await?.is_some() {
            return Ok(());
        }
        Err(Rejection::NotFound { what: "chat" }.into())
    }

    /// What the key may know of the contact that stands for this one, as far as this node has read.
    pub(crate) async fn contact(&self, principal: &Principal, id: Uuid) -> Result<Option<ContactRow>, ApiError> {
        contact(self.view().await?, principal, id).await
    }

    /// A comment or review that the key may know of, as far as this node has read.
    pub(crate) async fn post(&self, principal: &Principal, id: Uuid) -> Result<Option<PostRow>, ApiError> {
        let found = self.view().await?.post(principal.workspace_id, id).await?;
        let is_seen = |post: &PostRow| post.body.as_ref().is_some_and(|body| principal.sees(body.channel_id));
        Ok(found.filter(is_seen))
    }

    /// What a command carries; the key, with the body, makes a repeat known.
    pub(crate) fn envelope(
        principal: &Principal,
        idempotency_key: Option<String>,
        body: &impl serde::Serialize,
    ) -> Result<Envelope, ApiError> {
        let mut keys = Vec::new();
        let mut body_hash = None;
        if let Some(key) = idempotency_key {
            if key.is_empty() {
                return Err(Rejection::invalid("idempotencyKey", "1 to 256 bytes").into());
            }
            check_text("idempotencyKey", &key, NAME_MAX_BYTES)?;
            keys.push(DedupeKey::idempotency(&key));
            let body = serde_json::to_vec(body).unwrap_or_default();
            body_hash = Some(crate::domain::id::sha256_hex(&body));
        }
        Ok(Envelope {
            id: new_id()?,
            actor: Actor::new(ActorKind::Api, principal.key_id.to_string()),
            keys,
            body_hash,
        })
    }
}

/// What the key may know of the contact that stands for this one, as far as the view is.
pub(crate) async fn contact(view: &View, principal: &Principal, id: Uuid) -> Result<Option<ContactRow>, ApiError> {
    let channels = principal.channels().map(<[Uuid]>::to_vec);
    let found = view.contact(principal.workspace_id, id, channels).await?;
    Ok(found.and_then(|contact| principal.glimpse(contact)))
}
