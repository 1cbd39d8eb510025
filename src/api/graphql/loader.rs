//! Look-ups that the fields of one answer share.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Error, Result};
use uuid::Uuid;

use super::subscription::track::Track;
use crate::api::auth::Principal;
use crate::api::error::ApiError;
use crate::api::services::Services;
use crate::view::{ChatRow, TicketRow, View};

/// Reads rows of many workspaces; every key names its own.
pub(super) struct Rows(pub(super) Services);

/// A chat of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChatKey(pub(super) Uuid, pub(super) Uuid);

/// A ticket of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TicketKey(pub(super) Uuid, pub(super) Uuid);

/// A row as far as the view is. For subscriptions: what an event tells of was in the view before the event was given, and
/// a wait for what this node has written since would hold up every one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AsItIs<K>(K);

type Found<K, V> = std::result::Result<HashMap<K, V>, Arc<ApiError>>;

fn by_workspace(pairs: impl Iterator<Item = (Uuid, Uuid)>) -> HashMap<Uuid, Vec<Uuid>> {
    let mut ids: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for (workspace, id) in pairs {
        ids.entry(workspace).or_default().push(id);
    }
    ids
}

async fn chats(view: &View, keys: Vec<ChatKey>) -> Found<ChatKey, ChatRow> {
    let mut found = HashMap::new();
    for (workspace, ids) in by_workspace(keys.into_iter().map(|key| (key.0, key.1))) {
        let rows = view.chats(workspace, ids).await;
        let rows = rows.map_err(|error| Arc::new(ApiError::from(error)))?;
        found.extend(rows.into_iter().map(|row| (ChatKey(workspace, row.id), row)));
    }
    Ok(found)
}

async fn tickets(view: &View, keys: Vec<TicketKey>) -> Found<TicketKey, TicketRow> {
    let mut found = HashMap::new();
    for (workspace, ids) in by_workspace(keys.into_iter().map(|key| (key.0, key.1))) {
        let rows = view.tickets_by_id(workspace, ids).await;
        let rows = rows.map_err(|error| Arc::new(ApiError::from(error)))?;
        found.extend(rows.into_iter().map(|row| (TicketKey(workspace, row.ticket.id), row)));
    }
    Ok(found)
}

fn as_it_is<K: Eq + Hash, V>(found: HashMap<K, V>) -> HashMap<AsItIs<K>, V> {
    found.into_iter().map(|(key, row)| (AsItIs(key), row)).collect()
}

impl Loader<ChatKey> for Rows {
    type Value = ChatRow;
    type Error = Arc<ApiError>;

    async fn load(&self, keys: &[ChatKey]) -> Found<ChatKey, ChatRow> {
        chats(self.0.view().await?, keys.to_vec()).await
    }
}

impl Loader<AsItIs<ChatKey>> for Rows {
    type Value = ChatRow;
    type Error = Arc<ApiError>;

    async fn load(&self, keys: &[AsItIs<ChatKey>]) -> Found<AsItIs<ChatKey>, ChatRow> {
        let keys = keys.iter().map(|key| key.0).collect();
        Ok(as_it_is(chats(self.0.view_as_it_is().await?, keys).await?))
    }
}

impl Loader<TicketKey> for Rows {
    type Value = TicketRow;
    type Error = Arc<ApiError>;

    async fn load(&self, keys: &[TicketKey]) -> Found<TicketKey, TicketRow> {
        tickets(self.0.view().await?, keys.to_vec()).await
    }
}

impl Loader<AsItIs<TicketKey>> for Rows {
    type Value = TicketRow;
    type Error = Arc<ApiError>;

    async fn load(&self, keys: &[AsItIs<TicketKey>]) -> Found<AsItIs<TicketKey>, TicketRow> {
        let keys = keys.iter().map(|key| key.0).collect();
        Ok(as_it_is(tickets(self.0.view_as_it_is().await?, keys).await?))
    }
}

fn unshare(error: Arc<ApiError>) -> Error {
    Arc::unwrap_or_clone(error).into_graphql()
}

/// The asking key's workspace.
pub(super) fn principal<'a>(ctx: &Context<'a>) -> Result<&'a Principal> {
    ctx.data::<Principal>()
}

/// The view for the fields of an answer; for those of a subscription as far as it is.
pub(super) async fn view<'a>(ctx: &Context<'a>) -> Result<&'a View> {
    let services = services(ctx)?;
    Ok(if Track::is_of(ctx) {
        services.view_as_it_is().await?
    } else {
        services.view().await?
    })
}

/// The node.
pub(super) fn services<'a>(ctx: &Context<'a>) -> Result<&'a Services> {
    ctx.data::<Services>()
}

/// A chat that the key may know of.
pub(super) async fn chat(ctx: &Context<'_>, id: Uuid) -> Result<Option<ChatRow>> {
    let principal = principal(ctx)?;
    let key = ChatKey(principal.workspace_id, id);
    let rows = ctx.data::<DataLoader<Rows>>()?;
    let found = if Track::is_of(ctx) {
        rows.load_one(AsItIs(key)).await
    } else {
        rows.load_one(key).await
    };
    let found = found.map_err(unshare)?;
    Ok(found.filter(|chat| principal.sees(chat.channel_id)))
}

/// A ticket that the key may know of.
pub(super) async fn ticket(ctx: &Context<'_>, id: Uuid) -> Result<Option<TicketRow>> {
    let principal = principal(ctx)?;
    let key = TicketKey(principal.workspace_id, id);
    let rows = ctx.data::<DataLoader<Rows>>()?;
    let found = if Track::is_of(ctx) {
        rows.load_one(AsItIs(key)).await
    } else {
        rows.load_one(key).await
    };
    let found = found.map_err(unshare)?;
    let Some(row) = found else { return Ok(None) };
    let is_seen = principal.channels().is_none() || chat(ctx, row.chat_id).await?.is_some();
    Ok(is_seen.then_some(row))
}

/// What an id that the view itself gave must lead to.
pub(super) fn missing() -> Error {
    ApiError::new("UNAVAILABLE", "this node has not read that yet: ask again").into_graphql()
}
