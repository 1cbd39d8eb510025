//! What becomes of a ticket, and who has it; with what was before.

mod attempt;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::attempt::{Attempt, UNCHANGED, assign};
use super::YoLeadStatus;
use crate::api::ApiState;
use crate::api::auth::Scope;
use crate::api::error::ApiError;
use crate::api::rest::Problems;
use crate::api::rest::extract::{Conditions, bad};
use crate::api::rest::signed::SignedJson;
use crate::api::rest::tickets::{InPath, KeyHeader, VersionHeader};
use crate::domain::{Status, Ticket, TicketAction};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(change_status))
        .routes(routes!(change_assignee))
}

/// Where a ticket can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum YoLeadTarget {
    /// Take into work, or reopen.
    Active,
    /// Close.
    Inactive,
}

/// Where to send a ticket.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct YoLeadStatusWish {
    /// Where it is to be.
    status: YoLeadTarget,
    /// With `active`: who works on it. Needed where the ticket is new and has nobody.
    assignee_id: Option<Uuid>,
}

impl YoLeadStatusWish {
    fn action(&self, ticket: &Ticket) -> Result<TicketAction, ApiError> {
        match (self.status, ticket.status()) {
            (YoLeadTarget::Inactive, Status::Inactive) => Ok(UNCHANGED),
            (YoLeadTarget::Inactive, Status::New | Status::Active) => Ok(TicketAction::Close),
            (YoLeadTarget::Active, Status::Inactive) => Ok(TicketAction::Reopen),
            (YoLeadTarget::Active, Status::New) => {
                let agent_id = self.assignee_id.or(ticket.assignee_id);
                let agent_id = agent_id.ok_or_else(|| bad("assigneeId", "who takes the ticket, which has nobody"))?;
                Ok(TicketAction::Take { agent_id })
            }
            (YoLeadTarget::Active, Status::Active) => {
                let other = self
                    .assignee_id
                    .filter(|agent_id| ticket.assignee_id != Some(*agent_id));
                Ok(other.map_or(UNCHANGED, assign))
            }
        }
    }
}

/// What became of a ticket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct YoLeadStatusChange {
    /// The ticket; of one that was merged into another, the other.
    ticket_id: Uuid,
    /// Its chat.
    chat_id: Uuid,
    /// Where it was.
    old_status: YoLeadStatus,
    /// Where it went.
    new_status: YoLeadStatus,
    /// Who has it.
    #[schema(required)]
    assignee_id: Option<Uuid>,
}

/// What became of a ticket.
#[derive(Debug, Serialize, ToSchema)]
struct YoLeadStatusAnswer {
    /// The answer.
    data: YoLeadStatusChange,
}

/// Who is to have a ticket.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct YoLeadAssigneeWish {
    /// The agent.
    new_assignee_id: Uuid,
}

/// Who had a ticket, and who has it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the document's names")]
struct YoLeadAssigneeChange {
    /// The ticket; of one that was merged into another, the other.
    ticket_id: Uuid,
    /// Its chat.
    chat_id: Uuid,
    /// Who had it.
    #[schema(required)]
    previous_assignee_id: Option<Uuid>,
    /// Who has it.
    new_assignee_id: Uuid,
}

/// Who had a ticket, and who has it.
#[derive(Debug, Serialize, ToSchema)]
struct YoLeadAssigneeAnswer {
    /// The answer.
    data: YoLeadAssigneeChange,
}

/// Changes a ticket's status.
///
/// `active` takes a new ticket into work and reopens an inactive one, `inactive` closes an active one. A new one cannot
/// be closed before somebody took it: 409 `INVALID_TRANSITION`. What is so already stays so.
#[utoipa::path(
    patch,
    path = "/v1/tickets/{ticketId}/status",
    operation_id = "changeYoLeadTicketStatus",
    tag = "YoLead",
    params(("ticketId" = Uuid, Path, description = "The ticket"), KeyHeader, VersionHeader),
    request_body = YoLeadStatusWish,
    responses((status = 200, description = "The status before and after", body = YoLeadStatusAnswer), Problems),
    security(("key" = []), ("yoLeadKey" = [], "yoLeadTimestamp" = [], "yoLeadSignature" = []))
)]
async fn change_status(
    State(state): State<ApiState>,
    path: InPath,
    conditions: Result<Conditions, ApiError>,
    SignedJson(principal, wish): SignedJson<YoLeadStatusWish>,
) -> Result<Json<YoLeadStatusAnswer>, ApiError> {
    principal.require(Scope::Write)?;
    let Conditions(terms) = conditions?;
    if wish.status == YoLeadTarget::Inactive && wish.assignee_id.is_some() {
        return Err(bad("assigneeId", "absent with inactive"));
    }
    let (services, ticket_id) = (&state.services, path.id("ticketId")?);
    let asked = json!(["yolead.status", wish]);
    let attempt = Attempt::new((services, &principal), ticket_id, terms, asked).await?;
    if let Some(agent_id) = wish.assignee_id {
        principal.check_agent(agent_id)?;
        services.check_agent(&principal, agent_id).await?;
    }
    let before = attempt.make(|ticket: &Ticket| wish.action(ticket)).await?;
    let reopened = before.status == Status::Inactive && wish.status == YoLeadTarget::Active;
    if let Some(agent_id) = wish.assignee_id.filter(|_| reopened) {
        attempt.assign_too(agent_id).await?;
    }
    let new_status = match wish.status {
        YoLeadTarget::Active => YoLeadStatus::Active,
        YoLeadTarget::Inactive => YoLeadStatus::Inactive,
    };
    Ok(Json(YoLeadStatusAnswer {
        data: YoLeadStatusChange {
            ticket_id: before.ticket_id,
            chat_id: attempt.chat_id(),
            old_status: before.status.into(),
            new_status,
            assignee_id: wish.assignee_id.or(before.assignee_id),
        },
    }))
}

/// Changes who works on a ticket.
///
/// A new ticket becomes active by it. A ticket may be given to whom it belongs already.
#[utoipa::path(
    patch,
    path = "/v1/tickets/{ticketId}/assignee",
    operation_id = "changeYoLeadTicketAssignee",
    tag = "YoLead",
    params(("ticketId" = Uuid, Path, description = "The ticket"), KeyHeader, VersionHeader),
    request_body = YoLeadAssigneeWish,
    responses((status = 200, description = "The assignee before and after", body = YoLeadAssigneeAnswer), Problems),
    security(("key" = []), ("yoLeadKey" = [], "yoLeadTimestamp" = [], "yoLeadSignature" = []))
)]
async fn change_assignee(
    State(state): State<ApiState>,
    path: InPath,
    conditions: Result<Conditions, ApiError>,
    SignedJson(principal, wish): SignedJson<YoLeadAssigneeWish>,
) -> Result<Json<YoLeadAssigneeAnswer>, ApiError> {
    principal.require(Scope::Write)?;
    let Conditions(terms) = conditions?;
    let (services, ticket_id) = (&state.services, path.id("ticketId")?);
    let asked = json!(["yolead.assignee", wish]);
    let attempt = Attempt::new((services, &principal), ticket_id, terms, asked).await?;
    services.check_agent(&principal, wish.new_assignee_id).await?;
    let before = attempt.make(|_: &Ticket| Ok(assign(wish.new_assignee_id))).await?;
    Ok(Json(YoLeadAssigneeAnswer {
        data: YoLeadAssigneeChange {
            ticket_id: before.ticket_id,
            chat_id: attempt.chat_id(),
            previous_assignee_id: before.assignee_id,
            new_assignee_id: wish.new_assignee_id,
        },
    }))
}
