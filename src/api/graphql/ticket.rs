//! Chats and tickets.

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Object, Result, SimpleObject};
use uuid::Uuid;

use super::kind::{ChannelType, Circumstance, Decision, TicketReason, TicketStatus};
use super::loader::{self, missing, principal, services};
use super::message::{Event, Message};
use super::page::{PageArguments, connection, cost};
use super::scalar::{DateTime, float, int};
use super::setting::{self, Agent, Channel};
use crate::api::error::ApiError;
use crate::domain::{self, id};
use crate::live::Cursor;
use crate::view::page::{TicketKey, encode_seq};
use crate::view::{ChatRow, TicketFilter, TicketOrder, TicketRow};

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

/// The lasting link of one channel and one owner; never ends.
#[derive(Clone, Debug)]
pub struct Chat(pub(super) ChatRow);

/// Why an incoming message did what it did.
#[derive(Clone, Debug, SimpleObject)]
pub struct DecisionTrace {
    /// What was decided.
    pub decision: Decision,
    /// The rule that decided it.
    pub rule: String,
    /// The restore period in force, in milliseconds; null is for ever, or that no period was looked at.
    pub restore_period_ms: Option<f64>,
    /// Between the ticket's end and the message, in milliseconds; null where no ticket had ended.
    pub elapsed_ms: Option<f64>,
    /// When it was decided.
    pub at: DateTime,
}

impl From<domain::Trace> for DecisionTrace {
    fn from(trace: domain::Trace) -> Self {
        Self {
            decision: trace.decision.into(),
            rule: trace.rule.name().to_owned(),
            restore_period_ms: trace.restore_period_ms.map(float),
            elapsed_ms: trace.elapsed_ms.map(float),
            at: DateTime(trace.at),
        }
    }
}

/// How many there are.
#[derive(Clone, Debug)]
pub struct TicketTotal(pub(super) TicketFilter);

#[Object]
impl TicketTotal {
    /// How many tickets match; 10000 stands for 10,000 or more.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let workspace = principal(ctx)?.workspace_id;
        let view = services(ctx)?.view().await;
        let total = view.ticket_total(workspace, self.0.clone()).await;
        Ok(int(total.map_err(ApiError::from)?))
    }
}

/// One page of tickets.
pub(super) type TicketConnection = Connection<String, Ticket, TicketTotal, EmptyFields>;

pub(super) async fn tickets(
    ctx: &Context<'_>,
    filter: TicketFilter,
    order: TicketOrder,
    page: PageArguments,
) -> Result<TicketConnection> {
    let range = page.range(TicketKey::decode).map_err(ApiError::from)?;
    let workspace = principal(ctx)?.workspace_id;
    let view = services(ctx)?.view().await;
    let found = view.tickets(workspace, filter.clone(), order, range).await;
    let found = found.map_err(ApiError::from)?;
    Ok(connection(found, TicketTotal(filter), |row| {
        (order.key(&row.ticket).encode(), Ticket(row))
    }))
}

async fn messages(
    ctx: &Context<'_>,
    (chat_id, ticket_number): (Uuid, Option<u32>),
    page: PageArguments,
) -> Result<Connection<String, Message>> {
    let range = page.seqs().map_err(ApiError::from)?;
    let view = services(ctx)?.view().await;
    let found = view.messages(chat_id, ticket_number, range).await;
    let found = found.map_err(ApiError::from)?;
    Ok(connection(found, EmptyFields, |row| {
        (encode_seq(row.seq), Message(row))
    }))
}

async fn events(
    ctx: &Context<'_>,
    (chat_id, ticket_number): (Uuid, Option<u32>),
    page: PageArguments,
) -> Result<Connection<String, Event>> {
    let range = page.seqs().map_err(ApiError::from)?;
    let services = services(ctx)?;
    let view = services.view().await;
    let found = view.events(chat_id, ticket_number, range).await;
    let found = found.map_err(ApiError::from)?;
    let epoch = services.live.applied().heads.epoch;
    Ok(connection(found, EmptyFields, |row| {
        let cursor = Cursor::Point {
            epoch,
            partition: row.partition,
            position: row.position,
        };
        let seq = encode_seq(row.event.seq);
        let event = row.event;
        (seq, Event { event, cursor })
    }))
}

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
        let settings = services(ctx)?.live.settings();
        let (_, channel) = settings.channel(self.0.channel_id).ok_or_else(missing)?;
        Ok(Owner {
            external_id: self.0.external_id.clone(),
            name: self.0.name.clone(),
            avatar: self.0.avatar.clone(),
            channel_type: channel.kind.into(),
            blocked: self.0.blocked,
        })
    }

    /// The last ticket's; null while there is none.
    async fn status(&self, ctx: &Context<'_>) -> Result<Option<TicketStatus>> {
        let last = self.last(ctx).await?;
        Ok(last.map(|row| row.ticket.status().into()))
    }

    /// The ticket with the highest number.
    async fn last_ticket(&self, ctx: &Context<'_>) -> Result<Option<Ticket>> {
        Ok(self.last(ctx).await?.map(Ticket))
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
    ) -> Result<Connection<String, Message>> {
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
    async fn events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Connection<String, Event>> {
        events(ctx, (self.0.id, None), PageArguments::forward(first, after)).await
    }
}

impl Chat {
    async fn last(&self, ctx: &Context<'_>) -> Result<Option<TicketRow>> {
        if self.0.tickets == 0 {
            return Ok(None);
        }
        loader::ticket(ctx, id::ticket(self.0.id, self.0.tickets)).await
    }
}

/// One request inside a chat.
#[derive(Clone, Debug)]
pub struct Ticket(pub(super) TicketRow);

#[Object]
impl Ticket {
    /// Derived from the chat and the number.
    async fn id(&self) -> Uuid {
        self.0.ticket.id
    }

    /// From 1, in the order of the chat's tickets.
    async fn number(&self) -> i32 {
        int(u64::from(self.0.ticket.number))
    }

    /// The chat.
    async fn chat(&self, ctx: &Context<'_>) -> Result<Chat> {
        let found = loader::chat(ctx, self.0.chat_id).await?;
        Ok(Chat(found.ok_or_else(missing)?))
    }

    /// The ticket before it in its chat.
    async fn previous_ticket(&self, ctx: &Context<'_>) -> Result<Option<Ticket>> {
        match self.0.ticket.number.checked_sub(1) {
            None | Some(0) => Ok(None),
            Some(number) => self.sibling(ctx, number).await,
        }
    }

    /// The ticket after it in its chat.
    async fn next_ticket(&self, ctx: &Context<'_>) -> Result<Option<Ticket>> {
        self.sibling(ctx, self.0.ticket.number.saturating_add(1)).await
    }

    /// NEW, ACTIVE or INACTIVE.
    async fn status(&self) -> TicketStatus {
        self.0.ticket.status().into()
    }

    /// What the status means here.
    async fn reason(&self) -> TicketReason {
        self.0.ticket.reason.into()
    }

    /// How it came to be.
    async fn circumstance(&self) -> Circumstance {
        self.0.ticket.circumstance.into()
    }

    /// Who works on it.
    async fn assignee(&self, ctx: &Context<'_>) -> Result<Option<Agent>> {
        let Some(agent_id) = self.0.ticket.assignee_id else {
            return Ok(None);
        };
        let settings = services(ctx)?.live.settings();
        let workspace = settings.workspace(principal(ctx)?.workspace_id);
        Ok(workspace
            .and_then(|workspace| workspace.agent(agent_id))
            .map(|agent| agent.clone().into()))
    }

    /// Messages of the owner since the last public answer.
    async fn pending_chat_messages(&self) -> i32 {
        int(u64::from(self.0.ticket.pending_chat_messages))
    }

    /// From 1; a reopen starts the next.
    async fn episode(&self) -> i32 {
        int(u64::from(self.0.ticket.episode))
    }

    /// Raised by every event of the ticket.
    async fn version(&self) -> i32 {
        int(self.0.ticket.version)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.ticket.created_at)
    }

    /// When this episode was taken into work.
    async fn ongoing_at(&self) -> Option<DateTime> {
        self.0.ticket.ongoing_at.map(DateTime)
    }

    /// The first public answer by a person.
    async fn first_response_at(&self) -> Option<DateTime> {
        self.0.ticket.first_response_at.map(DateTime)
    }

    /// When it ended; null while it is open.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ticket.ended_at.map(DateTime)
    }

    /// The same as `endedAt`.
    async fn completed_at(&self) -> Option<DateTime> {
        self.0.ticket.ended_at.map(DateTime)
    }

    /// The last event.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.ticket.updated_at)
    }

    /// Why the last message of the owner did what it did: "why was this reopened?".
    async fn last_decision(&self) -> Option<DecisionTrace> {
        self.0.ticket.last_decision.clone().map(DecisionTrace::from)
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
    ) -> Result<Connection<String, Message>> {
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        messages(ctx, self.place(), page).await
    }

    /// Everything that happened to it, in order.
    #[graphql(complexity = "cost(first, None, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Connection<String, Event>> {
        events(ctx, self.place(), PageArguments::forward(first, after)).await
    }
}

impl Ticket {
    fn place(&self) -> (Uuid, Option<u32>) {
        (self.0.chat_id, Some(self.0.ticket.number))
    }

    async fn sibling(&self, ctx: &Context<'_>, number: u32) -> Result<Option<Ticket>> {
        let found = loader::ticket(ctx, id::ticket(self.0.chat_id, number)).await?;
        Ok(found.map(Ticket))
    }
}
