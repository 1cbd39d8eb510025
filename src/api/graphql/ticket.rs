//! Tickets.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, SimpleObject};
use uuid::Uuid;

use super::chat::Chat;
use super::kind::{Circumstance, Decision, Priority, TicketReason, TicketStatus};
use super::list::{EventConnection, MessageConnection, events, messages};
use super::loader::{self, missing, principal, services};
use super::page::{PageArguments, cost};
use super::scalar::{DateTime, float, int};
use super::setting::{self, Agent, FieldValue, Tag, Team};
use crate::domain::{self, id};
use crate::view::TicketRow;

/// What the owner thinks of how they were served.
#[derive(Clone, Debug, SimpleObject)]
pub struct Rating {
    /// 1 poor, 2 normal, 3 good.
    pub score: i32,
    /// Their words.
    pub comment: Option<String>,
    /// Of which episode.
    pub episode: i32,
    /// When the episode was rated first.
    pub created_at: DateTime,
    /// When it was rated so.
    pub updated_at: DateTime,
}

impl From<&domain::ticket::Rating> for Rating {
    fn from(rating: &domain::ticket::Rating) -> Self {
        Self {
            score: rating.score.into(),
            comment: rating.comment.clone(),
            episode: int(rating.episode.into()),
            created_at: DateTime(rating.created_at),
            updated_at: DateTime(rating.updated_at),
        }
    }
}

fn workspace(ctx: &Context<'_>) -> Result<Arc<domain::Workspace>> {
    let settings = services(ctx)?.live.settings();
    let workspace = settings.workspace(principal(ctx)?.workspace_id);
    workspace.map(Arc::clone).ok_or_else(missing)
}

fn agent(ctx: &Context<'_>, agent_id: Option<Uuid>) -> Result<Option<Agent>> {
    let workspace = workspace(ctx)?;
    let now = services(ctx)?.clock.now();
    let found = agent_id.and_then(|id| workspace.agent(id));
    Ok(found.cloned().map(|agent| setting::agent(agent, now)))
}

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

    /// The ticket that this one was merged into, and that its id stands for in commands.
    async fn merged_into(&self, ctx: &Context<'_>) -> Result<Option<Ticket>> {
        match self.0.ticket.merged_into {
            None => Ok(None),
            Some(id) => Ok(loader::ticket(ctx, id).await?.map(Ticket)),
        }
    }

    /// What it is about.
    async fn subject(&self) -> Option<&str> {
        self.0.ticket.subject.as_deref()
    }

    /// What happened so far, for who comes next.
    async fn summary(&self) -> &str {
        &self.0.ticket.summary
    }

    /// How urgent it is.
    async fn priority(&self) -> Priority {
        self.0.ticket.priority.into()
    }

    /// Who works on it.
    async fn assignee(&self, ctx: &Context<'_>) -> Result<Option<Agent>> {
        agent(ctx, self.0.ticket.assignee_id)
    }

    /// Who worked on it, or on the chat's last ticket, before.
    async fn last_handler(&self, ctx: &Context<'_>) -> Result<Option<Agent>> {
        agent(ctx, self.0.ticket.last_handler_id)
    }

    /// Which team works on it.
    async fn team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        let workspace = workspace(ctx)?;
        let team = self.0.ticket.team_id.and_then(|id| workspace.team(id));
        Ok(team.cloned().map(Team::from))
    }

    /// In the order they were added.
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<Tag>> {
        let workspace = workspace(ctx)?;
        let tags = self.0.ticket.tags.iter().filter_map(|id| workspace.tag(*id));
        Ok(tags.cloned().map(Tag::from).collect())
    }

    /// The values of fields that the workspace defined.
    async fn fields(&self, ctx: &Context<'_>) -> Result<Vec<FieldValue>> {
        Ok(setting::field_values(&*workspace(ctx)?, &self.0.ticket.fields))
    }

    /// The owner's last rating.
    async fn rating(&self) -> Option<Rating> {
        self.0.ticket.ratings.last().map(Rating::from)
    }

    /// The last rating of each episode, the last 32.
    async fn ratings(&self) -> Vec<Rating> {
        self.0.ticket.ratings.iter().map(Rating::from).collect()
    }

    /// Messages of the owner since the last public answer.
    async fn pending_chat_messages(&self) -> i32 {
        int(u64::from(self.0.ticket.pending_chat_messages))
    }

    /// Since when the owner waits for a public answer, in this episode; null when nobody waits.
    async fn waiting_since(&self) -> Option<DateTime> {
        self.0.ticket.waiting_since.map(DateTime)
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

    /// Until when it is on hold; null: until somebody resumes it, or it is not on hold.
    async fn hold_until(&self) -> Option<DateTime> {
        self.0.ticket.hold_until.map(DateTime)
    }

    /// Until when a message reopens it, by the channel's policy now; null: it is open, a message does not reopen it, or
    /// one always does.
    async fn restorable_until(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        let ticket = &self.0.ticket;
        let Some(ended_at) = ticket.ended_at.filter(|_| ticket.reason.is_restorable()) else {
            return Ok(None);
        };
        let chat = loader::chat(ctx, self.0.chat_id).await?.ok_or_else(missing)?;
        let period = services(ctx)?.live.settings().policy(chat.channel_id).restore_period_ms;
        let period = period.filter(|period| *period > 0);
        Ok(period.map(|period| DateTime(ended_at.saturating_add(period))))
    }

    /// When the assignee last looked at it.
    async fn last_viewed_at(&self) -> Option<DateTime> {
        self.0.ticket.last_viewed_at.map(DateTime)
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
    ) -> Result<MessageConnection> {
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
    async fn events(&self, ctx: &Context<'_>, first: Option<i32>, after: Option<String>) -> Result<EventConnection> {
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
