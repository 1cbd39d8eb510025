//! `YoLead`'s routes, as its documentation has them: statuses in lower case, answers in `data`, signed or with a key.
//!
//! What it leaves open: taking a NEW ticket needs an assignee, unless the ticket has one; a history begins with the
//! newest messages.

mod change;
mod history;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Components;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::api::ApiState;
use crate::domain::Status;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let mut router = OpenApiRouter::<ApiState>::default();
    router.get_openapi_mut().components = Some(signature());
    router.merge(change::routes()).merge(history::routes())
}

/// What a signed request carries.
fn signature() -> Components {
    let mut components = Components::new();
    for (scheme, header, description) in [
        ("yoLeadKey", "X-YoLead-Key", "The id of the key that signs."),
        (
            "yoLeadTimestamp",
            "X-YoLead-Timestamp",
            "Milliseconds since 1970, at most five minutes off.",
        ),
        (
            "yoLeadSignature",
            "X-YoLead-Signature",
            "Lower-case hexadecimal HMAC-SHA256 over the timestamp, a full stop and the raw body, with the key's signing secret.",
        ),
    ] {
        let value = ApiKeyValue::with_description(header, description);
        components.add_security_scheme(scheme, SecurityScheme::ApiKey(ApiKey::Header(value)));
    }
    components
}

/// Where a ticket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum YoLeadStatus {
    /// Not taken into work yet.
    New,
    /// In work.
    Active,
    /// Ended.
    Inactive,
}

impl From<Status> for YoLeadStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::New => Self::New,
            Status::Active => Self::Active,
            Status::Inactive => Self::Inactive,
        }
    }
}
