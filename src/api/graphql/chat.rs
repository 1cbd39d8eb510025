//! Chats.

use async_graphql::{Context, Object, Result, SimpleObject};
use uuid::Uuid;

use super::contact::Contact;
use super::kind::{ChannelType, TicketStatus};
use super::list::{EventConnection, MessageConnection, TicketConnection, events, messages, tickets};
use super::loader::{self, missing, principal, services, view};
use super::page::{PageArguments, cost};
use super::scalar::{DateTime, int};
use super::setting::{self, Channel, Responder};
use super::ticket::Ticket;
use crate::api::services::contact;
use crate::domain::id;
use crate::view::{ChatRow, TicketFilter, TicketOrder, TicketRow};

/// How many merges of merged tickets are followed.
const MERGES_MAX: usize = 64;

/// The person outside, as one channel knows them.
#[derive(Clone, Debug, SimpleObject)]
pub struct Owner {
    /// The provider's id of the person.
    pub external_id: String,
    /// What the provider calls them.
    pub name: Option<String>,
    /// A URL.
    pub avatar: Option<String>,
    /// The channel's type.
    pub channel_type: ChannelType,
    /// Their messages are stored and bother nobody.
    pub blocked: bool,
}

/// A chat's owner.
pub(super) fn owner(ctx: &Context<'_>, chat: &ChatRow) -> Result<Owner> {
    let settings = services(ctx)?.live.settings();
    let (_, channel) = settings.channel(chat.channel_id).ok_or_else(missing)?;
    Ok(Owner {
        external_id: chat.external_id.clone(),
        name: chat.name.clone(),
        avatar: chat.avatar.clone(),
        channel_type: channel.kind.into(),
        blocked: chat.blocked,
    })
}

/// The lasting link of one channel and one owner; never ends.
#[derive(Clone, Debug)]
pub struct Chat(pub(super) ChatRow);

#[Object]
impl Chat {
    /// Derived from the workspace, the channel and the owner.
    async fn id(&self) -> Uuid {
        self.0.id
    }

    /// The channel.
    async fn channel(&self, ctx: &Context<'_>) -> Result<Channel> {
        let settings = services(ctx)?.live.settings();
        let found = settings.channel(self.0.channel_id);
        let (_, channel) = found.ok_or_else(missing)?;
        Ok(setting::channel(&settings, channel))
    }

    /// The person outside.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Owner> {
        owner(ctx, &self.0)
    }

    /// That of `lastTicket`; null while there is none.
    async fn status(&self, ctx: &Context<'_>) -> Result<Option<TicketStatus>> {
        let last = self.last(ctx).await?;
        Ok(last.map(|row| row.ticket.status().into()))
    }

    /// The ticket with the highest number, or the one that it was merged into.
    async fn last_ticket(&self, ctx: &Context<'_>) -> Result<Option<Ticket>> {
        Ok(self.last(ctx).await?.map(Ticket))
    }

    /// The person outside, over all channels.
    async fn contact(&self, ctx: &Context<'_>) -> Result<Contact> {
        let found = contact(view(ctx).await?, principal(ctx)?, self.0.contact_id).await?;
        Ok(Contact(found.ok_or_else(missing)?))
    }

    /// Who answers, or answered last: at first the channel's default; null where none is set.
    async fn responder(&self, ctx: &Context<'_>) -> Result<Option<Responder>> {
        let settings = services(ctx)?.live.settings();
        let rules = settings.rulebook(self.0.workspace_id, Some(self.0.channel_id));
        let responder = self.0.responder.clone().or(rules.responder());
        Ok(responder.map(|responder| setting::chat_responder(&rules.workspace, &responder)))
    }

    /// The responder answers, not people: messages go to it and open no ticket.
    async fn responder_owns(&self) -> bool {
        self.0.responder_owns
    }

    /// When it was put out of sight; null while it is in sight.
    async fn removed_at(&self) -> Option<DateTime> {
        self.0.removed_at.map(DateTime)
    }

    /// Raised by every takeover; a bot's answer with an older one is refused.
    async fn responder_epoch(&self) -> i32 {
        int(u64::from(self.0.responder_epoch))
    }

    /// Commits so far.
    async fn version(&self) -> i32 {
        int(self.0.version)
    }

    /// Its tickets, the oldest first.
    #[graphql(complexity = "cost(first, None, child_complexity)")]
    async fn tickets(&self, ctx: &Context<'_>, first: Option<i32>, after: Option<String>) -> Result<TicketConnection> {
        let filter = TicketFilter {
            chat_ids: vec![self.0.id],
            include_removed: true,
            ..TicketFilter::default()
        };
        let page = PageArguments::forward(first, after);
        tickets(ctx, filter, TicketOrder::CreatedAsc, page).await
    }

    /// Its messages in order.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<MessageConnection> {
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        messages(ctx, (self.0.id, None), page).await
    }

    /// Everything that happened to it, in order.
    #[graphql(complexity = "cost(first, None, child_complexity)")]
    async fn events(&self, ctx: &Context<'_>, first: Option<i32>, after: Option<String>) -> Result<EventConnection> {
        events(ctx, (self.0.id, None), PageArguments::forward(first, after)).await
    }
}

impl Chat {
    async fn last(&self, ctx: &Context<'_>) -> Result<Option<TicketRow>> {
        if self.0.tickets == 0 {
            return Ok(None);
        }
        let mut last = loader::ticket(ctx, id::ticket(self.0.id, self.0.tickets)).await?;
        for _ in 0..MERGES_MAX {
            let Some(into) = last.as_ref().and_then(|row| row.ticket.merged_into) else {
                break;
            };
            last = loader::ticket(ctx, into).await?;
        }
        Ok(last)
    }
}
