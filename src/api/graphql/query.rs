//! What can be asked.

use async_graphql::{Context, Object, Result};
use uuid::Uuid;

use super::input::TicketFilterInput;
use super::kind::TicketOrder;
use super::loader::{self, principal, services};
use super::page::{PageArguments, cost};
use super::setting::{self, Agent, Channel};
use super::ticket::{self, Chat, Ticket, TicketConnection};
use crate::api::error::ApiError;
use crate::view;

/// Reads. They never wake a chat.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query;

#[Object]
impl Query {
    /// One ticket.
    async fn ticket(&self, ctx: &Context<'_>, id: Uuid) -> Result<Option<Ticket>> {
        Ok(loader::ticket(ctx, id).await?.map(Ticket))
    }

    /// The tickets that match. `first`: 0 to 100, 20 when absent.
    #[graphql(complexity = "cost(first, None, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn tickets(
        &self,
        ctx: &Context<'_>,
        filter: Option<TicketFilterInput>,
        order_by: Option<TicketOrder>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<TicketConnection> {
        let filter = filter.unwrap_or_default().into_filter();
        let order = order_by.map_or_else(view::TicketOrder::default, Into::into);
        let page = PageArguments::forward(first, after);
        ticket::tickets(ctx, filter.map_err(ApiError::from)?, order, page).await
    }

    /// One chat.
    async fn chat(&self, ctx: &Context<'_>, id: Uuid) -> Result<Option<Chat>> {
        Ok(loader::chat(ctx, id).await?.map(Chat))
    }

    /// The workspace's channels, the oldest first.
    async fn channels(&self, ctx: &Context<'_>) -> Result<Vec<Channel>> {
        let settings = services(ctx)?.live.settings();
        let workspace = settings.workspace(principal(ctx)?.workspace_id);
        let channels = workspace.map_or(&[][..], |workspace| &workspace.channels);
        Ok(channels
            .iter()
            .map(|channel| setting::channel(&settings, channel))
            .collect())
    }

    /// The workspace's agents, the oldest first.
    async fn agents(&self, ctx: &Context<'_>) -> Result<Vec<Agent>> {
        let settings = services(ctx)?.live.settings();
        let workspace = settings.workspace(principal(ctx)?.workspace_id);
        let agents = workspace.map_or(&[][..], |workspace| &workspace.agents);
        Ok(agents.iter().cloned().map(Agent::from).collect())
    }
}
