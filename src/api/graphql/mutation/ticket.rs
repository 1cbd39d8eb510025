//! Commands to a ticket. `expectedVersion`: refused with `VERSION_CONFLICT` and the current state when the ticket has
//! changed since.

#![expect(clippy::too_many_arguments, reason = "the arguments of the fields")]

use async_graphql::{Context, Json, MaybeUndefined, Object, Result};
use serde_json::Value;
use uuid::Uuid;

use super::{Terms, ticket_command};
use crate::api::auth::Scope;
use crate::api::error::ApiError;
use crate::api::graphql::kind::Priority;
use crate::api::graphql::needs::Needs;
use crate::api::graphql::receipt::Receipt;
use crate::api::graphql::scalar::DateTime;
use crate::domain::Rejection;
use crate::domain::command::TicketAction;

/// Commands to a ticket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TicketMutation;

/// Absent: as it is; null: nobody.
fn change<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

#[Object(guard = "Needs(Scope::Write)")]
impl TicketMutation {
    /// NEW → ACTIVE, assigned to an agent.
    async fn take_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        agent_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Take { agent_id }).await
    }

    /// A person takes an open ticket over, whoever has it: the responder's epoch rises, and what a bot still sends with the
    /// older one is refused with `STALE_RESPONDER`.
    async fn takeover(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        agent_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Takeover { agent_id }).await
    }

    /// ACTIVE → INACTIVE, COMPLETED.
    async fn complete_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Complete).await
    }

    /// ACTIVE → INACTIVE, CLOSED.
    async fn close_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Close).await
    }

    /// INACTIVE → ACTIVE, at any time: the last ticket of a chat that was completed, closed or closed by itself.
    async fn reopen_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Reopen).await
    }

    /// ACTIVE → ON_HOLD, until somebody resumes it, the owner writes, or `until` comes: the next ten years.
    async fn hold_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        until: Option<DateTime>,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(
            ctx,
            ticket_id,
            terms,
            TicketAction::Hold {
                until: until.map(|until| until.0),
            },
        )
        .await
    }

    /// ACTIVE → PENDING_CUSTOMER: it is the owner's turn.
    async fn pend_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Pend).await
    }

    /// ON_HOLD or PENDING_CUSTOMER → IN_PROGRESS.
    async fn resume_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Resume).await
    }

    /// To SPAM: what the owner writes from now on is stored and bothers nobody.
    async fn mark_spam(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::MarkSpam).await
    }

    /// From SPAM back to where the ticket came from: ACTIVE, or how it had ended.
    async fn unmark_spam(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::UnmarkSpam).await
    }

    /// Merges a ticket into another one of the same chat: its id goes on naming that one, its messages go with it, and
    /// where it was open the other one is open now. At most 1,000 a chat.
    async fn merge_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        into: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Merge { into }).await
    }

    /// To DELETED: out of sight, and the owner's next message opens another ticket.
    async fn delete_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Delete).await
    }

    /// From DELETED back to where the ticket came from: ACTIVE, or how it had ended.
    async fn restore_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Restore).await
    }

    /// Adds a tag; at most 50 a ticket.
    async fn add_tag(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        tag_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::AddTag(tag_id)).await
    }

    /// Takes a tag away.
    async fn remove_tag(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        tag_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::RemoveTag(tag_id)).await
    }

    /// Sets a field that the workspace defined; null takes the value away.
    async fn set_field(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        field_id: Uuid,
        value: Option<Json<Value>>,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(
            ctx,
            ticket_id,
            terms,
            TicketAction::SetField {
                field_id,
                value: value.map_or(Value::Null, |value| value.0),
            },
        )
        .await
    }

    /// What it is about: at most 1,024 bytes, or null.
    async fn set_subject(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        subject: Option<String>,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::SetSubject(subject)).await
    }

    /// What happened so far: at most 16,384 bytes.
    async fn set_summary(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        summary: String,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::SetSummary(summary)).await
    }

    /// How urgent it is.
    async fn set_priority(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        priority: Priority,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::SetPriority(priority.into())).await
    }

    /// The assignee looked at it.
    async fn mark_viewed(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::MarkViewed).await
    }

    /// A note that the owner does not see: at most 16,384 bytes. `agentId`: who wrote it.
    async fn add_note(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        text: String,
        agent_id: Option<Uuid>,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::AddNote { text, agent_id }).await
    }

    /// The owner's rating of this episode: 1 poor, 2 normal, 3 good. The last one counts, every one is in the events.
    async fn rate_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        score: i32,
        comment: Option<String>,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        let score = u8::try_from(score)
            .map_err(|_| ApiError::from(Rejection::invalid("score", "1 (poor), 2 (normal) or 3 (good)")))?;
        ticket_command(ctx, ticket_id, terms, TicketAction::Rate { score, comment }).await
    }

    /// Gives a ticket to an agent, a team, or both; null takes it away. Neither: nobody has it any more. A NEW ticket that
    /// gets an agent is taken into work.
    async fn assign_ticket(
        &self,
        ctx: &Context<'_>,
        ticket_id: Uuid,
        agent_id: MaybeUndefined<Uuid>,
        team_id: MaybeUndefined<Uuid>,
        expected_version: Option<i32>,
        idempotency_key: Option<String>,
    ) -> Result<Receipt> {
        let terms = Terms {
            expected_version,
            idempotency_key,
        };
        let (agent_id, team_id) = (change(agent_id), change(team_id));
        let agent_id = if agent_id.is_none() && team_id.is_none() {
            Some(None)
        } else {
            agent_id
        };
        ticket_command(ctx, ticket_id, terms, TicketAction::Assign { agent_id, team_id }).await
    }
}
