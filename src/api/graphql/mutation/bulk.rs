//! One operation on many tickets.

use async_graphql::{Context, Enum, InputObject, Json, Object, Result, SimpleObject};
use futures_util::future::join_all;
use serde_json::Value;
use uuid::Uuid;

use crate::api::auth::{Principal, Scope};
use crate::api::commands::{chat_of, command};
use crate::api::error::ApiError;
use crate::api::graphql::kind::Priority;
use crate::api::graphql::loader::{principal, services};
use crate::api::graphql::needs::Needs;
use crate::api::graphql::receipt::{ItemError, Receipt};
use crate::api::graphql::scalar::DateTime;
use crate::api::services::Services;
use crate::domain::command::TicketAction;
use crate::domain::{ChatCommandBody, Rejection};

/// The most tickets of one `bulk`.
const BULK_MAX: usize = 500;

/// One operation on many tickets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BulkMutation;

/// What to do with each.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BulkAction {
    Take,
    Assign,
    Takeover,
    Complete,
    Close,
    Reopen,
    Hold,
    Pend,
    Resume,
    MarkSpam,
    UnmarkSpam,
    Delete,
    Restore,
    AddTag,
    RemoveTag,
    SetField,
    SetPriority,
    MarkViewed,
    AddNote,
}

/// What to do with each ticket, and what that needs.
#[derive(Clone, Debug, InputObject)]
pub(super) struct BulkOperation {
    /// As the mutation of this name.
    pub action: BulkAction,
    /// For TAKE, TAKEOVER, ASSIGN and ADD_NOTE.
    pub agent_id: Option<Uuid>,
    /// For ASSIGN.
    pub team_id: Option<Uuid>,
    /// For ADD_TAG and REMOVE_TAG.
    pub tag_id: Option<Uuid>,
    /// For SET_FIELD.
    pub field_id: Option<Uuid>,
    /// For SET_FIELD.
    pub value: Option<Json<Value>>,
    /// For SET_PRIORITY.
    pub priority: Option<Priority>,
    /// For HOLD.
    pub until: Option<DateTime>,
    /// For ADD_NOTE.
    pub text: Option<String>,
}

fn need<T>(value: Option<T>, field: &'static str) -> Result<T, Rejection> {
    value.ok_or_else(|| Rejection::invalid(field, "a value, for this action"))
}

impl BulkOperation {
    fn into_action(self) -> Result<TicketAction, Rejection> {
        let agent_id = || need(self.agent_id, "operation.agentId");
        let tag_id = || need(self.tag_id, "operation.tagId");
        Ok(match self.action {
            BulkAction::Take => TicketAction::Take { agent_id: agent_id()? },
            BulkAction::Takeover => TicketAction::Takeover { agent_id: agent_id()? },
            BulkAction::Assign => TicketAction::Assign {
                agent_id: (self.agent_id.is_some() || self.team_id.is_none()).then_some(self.agent_id),
                team_id: self.team_id.map(Some),
            },
            BulkAction::Complete => TicketAction::Complete,
            BulkAction::Close => TicketAction::Close,
            BulkAction::Reopen => TicketAction::Reopen,
            BulkAction::Hold => TicketAction::Hold {
                until: self.until.map(|until| until.0),
            },
            BulkAction::Pend => TicketAction::Pend,
            BulkAction::Resume => TicketAction::Resume,
            BulkAction::MarkSpam => TicketAction::MarkSpam,
            BulkAction::UnmarkSpam => TicketAction::UnmarkSpam,
            BulkAction::Delete => TicketAction::Delete,
            BulkAction::Restore => TicketAction::Restore,
            BulkAction::AddTag => TicketAction::AddTag(tag_id()?),
            BulkAction::RemoveTag => TicketAction::RemoveTag(tag_id()?),
            BulkAction::SetField => TicketAction::SetField {
                field_id: need(self.field_id, "operation.fieldId")?,
                value: self.value.map_or(Value::Null, |value| value.0),
            },
            BulkAction::SetPriority => TicketAction::SetPriority(need(self.priority, "operation.priority")?.into()),
            BulkAction::MarkViewed => TicketAction::MarkViewed,
            BulkAction::AddNote => TicketAction::AddNote {
                agent_id: self.agent_id,
                text: need(self.text, "operation.text")?,
            },
        })
    }
}

/// The answer for one of many tickets: a receipt, or why not.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct BulkResult {
    /// The ticket.
    pub ticket_id: Uuid,
    /// It was done.
    pub receipt: Option<Receipt>,
    /// It was not.
    pub error: Option<ItemError>,
}

async fn one(
    services: &Services,
    principal: &Principal,
    ticket_id: Uuid,
    (key, action): (Option<String>, TicketAction),
) -> BulkResult {
    let done = async {
        let chat_id = chat_of(services, principal, ticket_id).await?;
        let body = ChatCommandBody::ticket(ticket_id, action);
        command(services, principal, chat_id, key, body).await
    };
    let (receipt, error) = match done.await {
        Ok(answer) => (Some(Receipt(answer)), None),
        Err(error) => (None, Some(ItemError::from(error))),
    };
    BulkResult {
        ticket_id,
        receipt,
        error,
    }
}

#[Object(guard = "Needs(Scope::Write)")]
impl BulkMutation {
    /// Does the same with up to 500 tickets; each is answered on its own, in the order of `ticketIds`. `idempotencyKey`
    /// counts for each together with its ticket.
    async fn bulk(
        &self,
        ctx: &Context<'_>,
        ticket_ids: Vec<Uuid>,
        operation: BulkOperation,
        idempotency_key: Option<String>,
    ) -> Result<Vec<BulkResult>> {
        let (services, principal) = (services(ctx)?, principal(ctx)?);
        if ticket_ids.len() > BULK_MAX {
            let expected = format!("at most {BULK_MAX} tickets");
            return Err(ApiError::from(Rejection::invalid("ticketIds", expected)).into());
        }
        let action = operation.into_action().map_err(ApiError::from)?;
        let answers = ticket_ids.into_iter().map(|ticket_id| {
            let key = idempotency_key.as_ref().map(|key| format!("{key}:{ticket_id}"));
            one(services, principal, ticket_id, (key, action.clone()))
        });
        Ok(join_all(answers).await)
    }
}
