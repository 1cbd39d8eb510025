//! Messages of owners, straight to their chats: one in a request, or many in a stream.

mod lines;
mod stream;

use axum::Json;
use axum::extract::{Request, State};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Problems;
use super::extract::{Caller, Conditions, check_json, parse};
use super::receipt::CommandReceipt;
use super::tickets::{InPath, KeyHeader};
use crate::api::ApiState;
use crate::api::auth::{Principal, Scope};
use crate::api::body::read;
use crate::api::commands::{Reception, receive};
use crate::api::error::ApiError;
use crate::api::services::Services;
use crate::domain::command::Incoming;
use crate::domain::event::Profile;
use crate::domain::message::Content;
use crate::domain::{Attachment, Millis, Rejection};

/// The largest size of an attachment: what a JSON number of every client holds exactly.
const SIZE_MAX_BYTES: u64 = 9_007_199_254_740_991;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(ingest)).merge(stream::routes())
}

/// A file, place, contact or sticker.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IngestAttachment {
    /// `image`, `document`, `sticker`, `contact`, or what the provider calls it.
    #[schema(example = "image", min_length = 1, max_length = 256)]
    kind: String,
    /// Where to get it. At most 2,048 bytes.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// A file's or contact's name.
    #[schema(max_length = 256)]
    name: Option<String>,
    /// The media type.
    #[schema(max_length = 256)]
    mime_type: Option<String>,
    /// In bytes.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    size_bytes: Option<u64>,
}

/// The person outside.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IngestOwner {
    /// The provider's id of the person: 1 to 256 bytes. With the channel it names the chat.
    #[schema(example = "15551234567", min_length = 1, max_length = 256)]
    external_id: String,
    /// To show; absent: as known.
    #[schema(example = "Ada", max_length = 256)]
    name: Option<String>,
    /// A URL; absent: as known.
    #[schema(max_length = 2048)]
    avatar: Option<String>,
}

/// A message from the owner of a chat: a text, attachments, or both.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IngestMessage {
    /// The provider's id of the message: a repeat of it gets the first receipt again.
    #[schema(example = "wamid.1", min_length = 1, max_length = 256)]
    external_id: Option<String>,
    /// Who wrote.
    owner: IngestOwner,
    /// At most 16,384 bytes.
    #[schema(example = "Hello", max_length = 16384)]
    text: Option<String>,
    /// At most 20.
    #[schema(max_items = 20)]
    attachments: Option<Vec<IngestAttachment>>,
    /// When the provider says it was sent: RFC 3339, from 1970 on.
    #[serde(default, deserialize_with = "instant")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-05-08T11:01:00.000Z")]
    sent_at: Option<Millis>,
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let instant: Option<Timestamp> = text.parse().ok();
    let millis = instant.and_then(|instant| u64::try_from(instant.as_millisecond()).ok());
    millis
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("expected an RFC 3339 date and time, from 1970 on"))
}

impl IngestAttachment {
    fn into_attachment(self) -> Result<Attachment, Rejection> {
        if self.size_bytes.is_some_and(|size| size > SIZE_MAX_BYTES) {
            let expected = format!("0 to {SIZE_MAX_BYTES}");
            return Err(Rejection::invalid("attachments.sizeBytes", expected));
        }
        Ok(Attachment {
            kind: self.kind,
            url: self.url,
            name: self.name,
            mime_type: self.mime_type,
            size_bytes: self.size_bytes,
        })
    }
}

impl IngestMessage {
    fn into_reception(self, channel_id: Uuid) -> Result<Reception, Rejection> {
        let attachments = self.attachments.unwrap_or_default().into_iter();
        let attachments = attachments.map(IngestAttachment::into_attachment);
        Ok(Reception {
            channel_id,
            owner_external_id: self.owner.external_id,
            incoming: Incoming {
                external_id: self.external_id,
                content: Content {
                    text: self.text,
                    attachments: attachments.collect::<Result<_, _>>()?,
                },
                sent_at: self.sent_at,
                profile: Profile {
                    name: self.owner.name,
                    avatar: self.owner.avatar,
                },
                author_name: None,
            },
        })
    }
}

/// Whether the key may take messages in on the channel.
async fn admit(services: &Services, principal: &Principal, channel_id: Uuid) -> Result<(), ApiError> {
    principal.require(Scope::Ingest)?;
    principal.check_channel(channel_id)?;
    services.check_channel(principal, channel_id).await
}

/// Takes in one message of an owner.
///
/// It is appended to the open ticket, reopens the last one, or creates one: `decision` says which, and `trace` why. A
/// repeat of its `externalId`, or of the `Idempotency-Key`, is a DUPLICATE and stores nothing. The answer comes once the
/// message is durable.
#[utoipa::path(
    post,
    path = "/api/v1/channels/{channelId}/messages",
    operation_id = "ingestMessage",
    tag = "Messages",
    params(("channelId" = Uuid, Path, description = "The channel that it came in on"), KeyHeader),
    request_body = IngestMessage,
    responses((status = 200, description = "What the message did", body = CommandReceipt), Problems),
    security(("key" = []))
)]
async fn ingest(
    State(state): State<ApiState>,
    Caller(principal): Caller,
    path: InPath,
    Conditions(terms): Conditions,
    request: Request,
) -> Result<Json<CommandReceipt>, ApiError> {
    let services = &state.services;
    let channel_id = path.id("channelId")?;
    admit(services, &principal, channel_id).await?;
    let (parts, body) = request.into_parts();
    check_json(&parts.headers)?;
    let message: IngestMessage = parse(&read(body, state.limits.ingest_body_max_bytes).await?)?;
    let asked = json!(["ingest", channel_id, message]);
    let envelope = Services::envelope(&principal, terms.idempotency_key, &asked)?;
    let command = receive(services, &principal, envelope, message.into_reception(channel_id)?).await?;
    let answer = services.router.submit_to_origin(command)?.answer().await?;
    Ok(Json(CommandReceipt::new(services, answer)))
}
