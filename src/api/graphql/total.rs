//! How many items a list has on all pages.

use async_graphql::{Context, Object, Result};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::loader::{principal, view};
use super::scalar::int;
use crate::api::error::ApiError;
use crate::view::{ChatFilter, TicketFilter, Total};

/// What a list has.
#[derive(Clone, Debug)]
pub(super) enum Listed {
    /// As far as the key may know of them.
    Tickets(Box<TicketFilter>),
    /// As far as the key may know of them.
    Chats(ChatFilter),
    /// Of a chat, or of its ticket with this number.
    Messages(Uuid, Option<u32>),
    /// Of a chat, or of its ticket with this number.
    Events(Uuid, Option<u32>),
}

/// How many there are; counted when somebody asks, and once.
#[derive(Clone, Debug)]
pub struct ListTotal {
    listed: Listed,
    counted: OnceCell<Total>,
}

impl ListTotal {
    pub(super) fn of(listed: Listed) -> Self {
        Self {
            listed,
            counted: OnceCell::new(),
        }
    }

    pub(super) async fn total(&self, ctx: &Context<'_>) -> Result<Total> {
        let total = self.counted.get_or_try_init(|| self.count(ctx)).await?;
        Ok(*total)
    }

    async fn count(&self, ctx: &Context<'_>) -> Result<Total> {
        let workspace = principal(ctx)?.workspace_id;
        let view = view(ctx).await?;
        let total = match &self.listed {
            Listed::Tickets(filter) => view.ticket_total(workspace, (**filter).clone()).await,
            Listed::Chats(filter) => view.chat_total(workspace, filter.clone()).await,
            Listed::Messages(chat_id, ticket_number) => view.message_total(*chat_id, *ticket_number).await,
            Listed::Events(chat_id, ticket_number) => view.event_total(*chat_id, *ticket_number).await,
        };
        Ok(total.map_err(ApiError::from)?)
    }
}

#[Object]
impl ListTotal {
    /// How many there are on all pages. Kept ready for the events of a chat; of the others up to 10,000 are counted, and of
    /// a `search` all that was found.
    #[graphql(complexity = 5)]
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(self.total(ctx).await?.items))
    }

    /// `totalCount` is all of them. False: there may be more.
    #[graphql(complexity = 5)]
    async fn total_count_is_exact(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.total(ctx).await?.is_exact)
    }
}
