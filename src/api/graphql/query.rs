//! What can be asked.

use std::sync::Arc;

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Object, Result};
use uuid::Uuid;

use super::chat::Chat;
use super::contact::{Contact, Post};
use super::input::{self, TicketFilterInput};
use super::key::{self, ApiKey, Viewer};
use super::kind::{PostKind, TicketOrder};
use super::list::{TicketConnection, tickets};
use super::loader::{self, missing, principal, services};
use super::needs::Needs;
use super::page::{PageArguments, connection, cost};
use super::queue::{QueueStats, queue_stats, stats_filter};
use super::setting::{self, Agent, Channel, ChannelPolicy, Field, Responder, Tag, Team};
use super::ticket::Ticket;
use super::total::{ListTotal, Listed};
use super::webhook::Webhook;
use crate::api::auth::Scope;
use crate::api::error::ApiError;
use crate::domain;
use crate::view::page::{Listing, Range, TicketKey};
use crate::view::{self, ChatFilter, PostFilter};

/// Reads. They never wake a chat.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query;

fn settings_of(ctx: &Context<'_>) -> Result<Arc<domain::Workspace>> {
    let settings = services(ctx)?.live.settings();
    let workspace = settings.workspace(principal(ctx)?.workspace_id);
    workspace.map(Arc::clone).ok_or_else(missing)
}

#[Object(guard = "Needs(Scope::Read)")]
impl Query {
    /// One ticket.
    async fn ticket(&self, ctx: &Context<'_>, id: Uuid) -> Result<Option<Ticket>> {
        Ok(loader::ticket(ctx, id).await?.map(Ticket))
    }

    /// The tickets that match. `first`: 0 to 100, 20 when absent. `after`: a cursor of a list in the same order.
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
        tickets(ctx, filter.map_err(ApiError::from)?, order, page).await
    }

    /// One chat.
    async fn chat(&self, ctx: &Context<'_>, id: Uuid) -> Result<Option<Chat>> {
        Ok(loader::chat(ctx, id).await?.map(Chat))
    }

    /// The chats that match, the last active first; not removed ones. `first`: 0 to 100, 20 when absent. `search`: as in
    /// `TicketFilter`; it finds chats by their owner, messages and tickets.
    #[graphql(complexity = "cost(first, None, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn chats(
        &self,
        ctx: &Context<'_>,
        channel_ids: Option<Vec<Uuid>>,
        search: Option<String>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Connection<String, Chat, ListTotal>> {
        let range = PageArguments::forward(first, after).keys(Listing::Chats);
        let Range::Forward { after, limit } = range.map_err(ApiError::from)? else {
            return Err(missing());
        };
        let wanted = input::list("channelIds", channel_ids).map_err(ApiError::from)?;
        let mut channel_ids = principal(ctx)?.narrow(wanted);
        if channel_ids.is_empty() {
            channel_ids = settings_of(ctx)?.channels.iter().map(|channel| channel.id).collect();
        }
        let search = input::search("search", search).map_err(ApiError::from)?;
        let filter = ChatFilter { channel_ids, search };
        let workspace = principal(ctx)?.workspace_id;
        let view = services(ctx)?.view().await?;
        let found = view
            .chat_page(workspace, filter.clone(), after, limit)
            .await
            .map_err(ApiError::from)?;
        let total = ListTotal::of(Listed::Chats(filter));
        Ok(connection(found, total, |chat| {
            let key = TicketKey {
                at: chat.updated_at,
                id: chat.id,
            };
            (key.encode(Listing::Chats), Chat(chat))
        }))
    }

    /// The counters of the whole workspace, or of these channels, teams and assignees. They are kept, not counted.
    async fn queue_stats(
        &self,
        ctx: &Context<'_>,
        channel_ids: Option<Vec<Uuid>>,
        team_ids: Option<Vec<Uuid>>,
        assignee_ids: Option<Vec<Uuid>>,
    ) -> Result<QueueStats> {
        let stats = stats_filter(principal(ctx)?, channel_ids, team_ids, assignee_ids);
        let stats = stats.map_err(ApiError::from)?;
        queue_stats(ctx, stats).await
    }

    /// A contact, by its own id or that of one that was merged into it.
    async fn contact(&self, ctx: &Context<'_>, id: Uuid) -> Result<Option<Contact>> {
        let found = services(ctx)?.contact(principal(ctx)?, id).await?;
        Ok(found.map(Contact))
    }

    /// A public comment or a product review.
    async fn post(&self, ctx: &Context<'_>, id: Uuid) -> Result<Option<Post>> {
        let found = services(ctx)?.post(principal(ctx)?, id).await?;
        Ok(found.map(Post))
    }

    /// Public comments and product reviews, the newest first. `first`: 0 to 100, 20 when absent.
    #[graphql(complexity = "cost(first, None, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn posts(
        &self,
        ctx: &Context<'_>,
        kind: Option<PostKind>,
        channel_id: Option<Uuid>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Connection<String, Post>> {
        let range = PageArguments::forward(first, after).keys(Listing::Posts);
        let Range::Forward { after, limit } = range.map_err(ApiError::from)? else {
            return Err(missing());
        };
        let principal = principal(ctx)?;
        let filter = PostFilter {
            kind: kind.map(Into::into),
            channel_ids: principal.narrow(channel_id.into_iter().collect()),
        };
        let workspace = principal.workspace_id;
        let view = services(ctx)?.view().await?;
        let found = view
            .posts(workspace, filter, after, limit)
            .await
            .map_err(ApiError::from)?;
        Ok(connection(found, EmptyFields, |post| {
            let key = TicketKey {
                at: post.created_at,
                id: post.id,
            };
            (key.encode(Listing::Posts), Post(post))
        }))
    }

    /// The workspace's teams, the oldest first.
    async fn teams(&self, ctx: &Context<'_>) -> Result<Vec<Team>> {
        let teams = settings_of(ctx)?.teams.clone().into_iter();
        Ok(teams.map(Team::from).collect())
    }

    /// The workspace's responders, the oldest first.
    async fn responders(&self, ctx: &Context<'_>) -> Result<Vec<Responder>> {
        let responders = settings_of(ctx)?.responders.clone().into_iter();
        Ok(responders.map(Responder::from).collect())
    }

    /// The workspace's tags, the oldest first.
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<Tag>> {
        let tags = settings_of(ctx)?.tags.clone().into_iter();
        Ok(tags.map(Tag::from).collect())
    }

    /// The fields that the workspace defined, the oldest first.
    async fn fields(&self, ctx: &Context<'_>) -> Result<Vec<Field>> {
        let fields = settings_of(ctx)?.fields.clone().into_iter();
        Ok(fields.map(Field::from).collect())
    }

    /// What channels leave open.
    async fn workspace_policy(&self, ctx: &Context<'_>) -> Result<ChannelPolicy> {
        Ok(settings_of(ctx)?.policy.clone().into())
    }

    /// The workspace's channels, the oldest first.
    async fn channels(&self, ctx: &Context<'_>) -> Result<Vec<Channel>> {
        let (principal, workspace) = (principal(ctx)?, settings_of(ctx)?);
        let settings = services(ctx)?.live.settings();
        let channels = workspace.channels.iter();
        let channels = channels.filter(|channel| principal.sees(channel.id));
        Ok(channels.map(|channel| setting::channel(&settings, channel)).collect())
    }

    /// The workspace's agents, the oldest first.
    async fn agents(&self, ctx: &Context<'_>) -> Result<Vec<Agent>> {
        let now = services(ctx)?.clock.now();
        let agents = settings_of(ctx)?.agents.clone().into_iter();
        Ok(agents.map(|agent| setting::agent(agent, now)).collect())
    }

    /// The workspace's keys, the oldest first.
    #[graphql(guard = "Needs(Scope::Admin)")]
    async fn api_keys(&self, ctx: &Context<'_>) -> Result<Vec<ApiKey>> {
        Ok(settings_of(ctx)?.keys.iter().map(ApiKey::from).collect())
    }

    /// The workspace's webhooks, the oldest first.
    #[graphql(guard = "Needs(Scope::Admin)")]
    async fn webhooks(&self, ctx: &Context<'_>) -> Result<Vec<Webhook>> {
        Ok(settings_of(ctx)?.webhooks.iter().map(Webhook::from).collect())
    }

    /// One webhook.
    #[graphql(guard = "Needs(Scope::Admin)")]
    async fn webhook(&self, ctx: &Context<'_>, id: Uuid) -> Result<Option<Webhook>> {
        Ok(settings_of(ctx)?.webhook(id).map(Webhook::from))
    }

    /// Who asks.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        key::viewer(ctx)
    }
}
