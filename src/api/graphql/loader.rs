//! Look-ups that the fields of one answer share.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Error, Result};
use uuid::Uuid;

use crate::api::auth::Principal;
use crate::api::error::ApiError;
use crate::api::services::Services;
use crate::view::{ChatRow, TicketRow};

/// Reads rows of many workspaces; every key names its own.
pub(super) struct Rows(pub(super) Services);

/// A chat of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChatKey(pub(super) Uuid, pub(super) Uuid);

/// A ticket of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TicketKey(pub(super) Uuid, pub(super) Uuid);

fn by_workspace(pairs: impl Iterator<Item = (Uuid, Uuid)>) -> HashMap<Uuid, Vec<Uuid>> {
    let mut ids: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for (workspace, id) in pairs {
        ids.entry(workspace).or_default().push(id);
    }
    ids
}

impl Loader<ChatKey> for Rows {
    type Value = ChatRow;
    type Error = Arc<ApiError>;

    async fn load(&self, keys: &[ChatKey]) -> std::result::Result<HashMap<ChatKey, ChatRow>, Self::Error> {
        let mut found = HashMap::with_capacity(keys.len());
        let view = self.0.view().await?;
        for (workspace, ids) in by_workspace(keys.iter().map(|key| (key.0, key.1))) {
            let rows = view
                .chats(workspace, ids)
                .await
                .map_err(|error| Arc::new(error.into()))?;
            found.extend(rows.into_iter().map(|row| (ChatKey(workspace, row.id), row)));
        }
        Ok(found)
    }
}

impl Loader<TicketKey> for Rows {
    type Value = TicketRow;
    type Error = Arc<ApiError>;

    async fn load(&self, keys: &[TicketKey]) -> std::result::Result<HashMap<TicketKey, TicketRow>, Self::Error> {
        let mut found = HashMap::with_capacity(keys.len());
        let view = self.0.view().await?;
        for (workspace, ids) in by_workspace(keys.iter().map(|key| (key.0, key.1))) {
            let rows = view
                .tickets_by_id(workspace, ids)
                .await
                .map_err(|error| Arc::new(error.into()))?;
            found.extend(rows.into_iter().map(|row| (TicketKey(workspace, row.ticket.id), row)));
        }
        Ok(found)
    }
}

fn unshare(error: Arc<ApiError>) -> Error {
    Arc::unwrap_or_clone(error).into_graphql()
}

/// The asking key's workspace.
pub(super) fn principal<'a>(ctx: &Context<'a>) -> Result<&'a Principal> {
    ctx.data::<Principal>()
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
    let found = rows.load_one(key).await.map_err(unshare)?;
    Ok(found.filter(|chat| principal.sees(chat.channel_id)))
}

/// A ticket that the key may know of.
pub(super) async fn ticket(ctx: &Context<'_>, id: Uuid) -> Result<Option<TicketRow>> {
    let principal = principal(ctx)?;
    let key = TicketKey(principal.workspace_id, id);
    let rows = ctx.data::<DataLoader<Rows>>()?;
    let found = rows.load_one(key).await.map_err(unshare)?;
    let Some(row) = found else { return Ok(None) };
    let is_seen = principal.channels().is_none() || chat(ctx, row.chat_id).await?.is_some();
    Ok(is_seen.then_some(row))
}

/// What an id that the view itself gave must lead to.
pub(super) fn missing() -> Error {
    ApiError::new("UNAVAILABLE", "this node has not read that yet: ask again").into_graphql()
}
