//! What was said in a ticket, in chunks from the newest back.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::YoLeadStatus;
use crate::api::ApiState;
use crate::api::auth::Scope;
use crate::api::commands::ticket;
use crate::api::error::ApiError;
use crate::api::rest::Problems;
use crate::api::rest::extract::{Query, bad, id};
use crate::api::rest::signed::Signed;
use crate::api::rest::tickets::{InPath, chat};
use crate::clock::format_millis;
use crate::domain::id::message;
use crate::domain::message::Attachment;
use crate::domain::{ActorKind, Direction, Visibility};
use crate::view::page::Range;
use crate::view::{MessageRow, TicketRow};

/// The messages of one chunk.
const CHUNK: usize = 50;
/// The name of the parameter.
const CURSOR: &str = "chunkLastMessageId";
/// Ids are derived from the place in the chat, of which the newest so many are tried.
const PLACES_MAX: usize = 200_000;
/// Others get their turn after so many.
const PLACES_AT_ONCE: usize = 2_000;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(history))
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum YoLeadDirection {
    /// From the client.
    Incoming,
    /// To the client.
    Outgoing,
}

/// A file, place, contact or sticker.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct YoLeadAttachment {
    /// `image`, `document`, `sticker`, `contact`, or what the provider calls it.
    kind: String,
    /// Where to get it: a URL or the provider's file id.
    #[schema(required)]
    url: Option<String>,
    /// A file's name, a contact's name, a sticker's emoji.
    #[schema(required)]
    name: Option<String>,
    /// The media type.
    #[schema(required)]
    mime_type: Option<String>,
    /// In bytes.
    #[schema(required)]
    size_bytes: Option<u64>,
}

impl From<Attachment> for YoLeadAttachment {
    fn from(attachment: Attachment) -> Self {
        Self {
            kind: attachment.kind,
            url: attachment.url,
            name: attachment.name,
            mime_type: attachment.mime_type,
            size_bytes: attachment.size_bytes,
        }
    }
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct YoLeadMessage {
    /// Unique.
    id: Uuid,
    /// The provider's id.
    #[schema(required)]
    external_id: Option<String>,
    /// When the provider says it was sent.
    #[schema(format = DateTime)]
    sent_at: String,
    /// When it arrived here.
    #[schema(format = DateTime)]
    created_at: String,
    /// Who said it: the client's id at the provider, an agent's, a key's.
    #[schema(required)]
    from_id: Option<String>,
    /// What said it: OWNER, AGENT, BOT, RULE, SYSTEM, API.
    #[schema(value_type = String, example = "OWNER")]
    from_kind: ActorKind,
    /// Which way it goes.
    direction: YoLeadDirection,
    /// As last edited; null where its author took it back.
    #[schema(required)]
    text: Option<String>,
    /// What came with it.
    attachments: Vec<YoLeadAttachment>,
    /// RECEIVED for incoming ones; QUEUED, SENT, DELIVERED, READ or FAILED for outgoing ones.
    #[schema(example = "RECEIVED")]
    status: &'static str,
}

impl From<MessageRow> for YoLeadMessage {
    fn from(row: MessageRow) -> Self {
        let said = row.message;
        Self {
            id: message(row.chat_id, row.seq),
            external_id: said.external_id,
            sent_at: format_millis(said.sent_at),
            created_at: format_millis(said.received_at),
            from_id: said.author.id,
            from_kind: said.author.kind,
            direction: match said.direction {
                Direction::Incoming => YoLeadDirection::Incoming,
                Direction::Outgoing => YoLeadDirection::Outgoing,
            },
            text: said.content.text,
            attachments: said.content.attachments.into_iter().map(Into::into).collect(),
            status: said.status.name(),
        }
    }
}

/// A ticket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct YoLeadTicket {
    /// Unique.
    id: Uuid,
    /// Its chat.
    chat_id: Uuid,
    /// Where it is.
    status: YoLeadStatus,
    /// Who works on it.
    #[schema(required)]
    assignee_id: Option<Uuid>,
    /// When it was made.
    #[schema(format = DateTime)]
    started_at: String,
    /// When it ended.
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
}

impl From<TicketRow> for YoLeadTicket {
    fn from(row: TicketRow) -> Self {
        let ticket = row.ticket;
        Self {
            id: ticket.id,
            chat_id: row.chat_id,
            status: ticket.status().into(),
            assignee_id: ticket.assignee_id,
            started_at: format_millis(ticket.created_at),
            ended_at: ticket.ended_at.map(format_millis),
        }
    }
}

/// One chunk of what was said.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct YoLeadHistory {
    /// The ticket.
    ticket: YoLeadTicket,
    /// The earliest first; at most 50, without notes.
    messages: Vec<YoLeadMessage>,
    /// Where the chunk before this one starts, reading back: give it as `chunkLastMessageId`. Null: there is none.
    #[schema(required)]
    next_chunk_start_message_id: Option<Uuid>,
}

/// One chunk of what was said.
#[derive(Debug, Serialize, ToSchema)]
struct YoLeadHistoryAnswer {
    /// The answer.
    data: YoLeadHistory,
}

/// What was said in a ticket.
///
/// The newest chunk, or the one whose last message is `chunkLastMessageId`; that message is the last of the answer. A
/// chunk may hold less than 50 messages: there is no other before it only where `nextChunkStartMessageId` is null.
#[utoipa::path(
    get,
    path = "/v1/tickets/{ticketId}/history",
    operation_id = "getYoLeadTicketHistory",
    tag = "YoLead",
    params(
        ("ticketId" = Uuid, Path, description = "The ticket"),
        ("chunkLastMessageId" = Option<Uuid>, Query, description = "The `nextChunkStartMessageId` of the answer before")
    ),
    responses((status = 200, description = "The ticket and a chunk of its messages", body = YoLeadHistoryAnswer), Problems),
    security(("key" = []), ("yoLeadKey" = [], "yoLeadTimestamp" = [], "yoLeadSignature" = []))
)]
async fn history(
    State(state): State<ApiState>,
    path: InPath,
    query: Query,
    Signed(principal): Signed,
) -> Result<Json<YoLeadHistoryAnswer>, ApiError> {
    principal.require(Scope::Read)?;
    let (services, ticket_id) = (&state.services, path.id("ticketId")?);
    let last = query.one(CURSOR)?.map(|text| id(CURSOR, text)).transpose()?;
    let row = ticket(services, &principal, ticket_id).await?;
    let unknown = || bad(CURSOR, "the id of a message of this ticket");
    let seq = match last {
        None => None,
        Some(last) => {
            let newest = chat(services, &principal, row.chat_id).await?.seq;
            Some(place(row.chat_id, newest, last).await.ok_or_else(unknown)?)
        }
    };
    let range = Range::Backward {
        before: seq.map(|seq| seq.saturating_add(1)),
        limit: CHUNK.saturating_add(1),
    };
    let found = services
        .live
        .view()
        .messages(row.chat_id, Some(row.ticket.number), range);
    let mut rows = found.await?.items;
    if seq.is_some() && rows.last().map(|row| row.seq) != seq {
        return Err(unknown());
    }
    let next = (rows.len() > CHUNK).then(|| rows.remove(0));
    rows.retain(|row| row.message.visibility == Visibility::Public);
    Ok(Json(YoLeadHistoryAnswer {
        data: YoLeadHistory {
            ticket: row.into(),
            messages: rows.into_iter().map(YoLeadMessage::from).collect(),
            next_chunk_start_message_id: next.map(|row| message(row.chat_id, row.seq)),
        },
    }))
}

/// The place of a message in its chat; none where it is not there, or too far back.
async fn place(chat_id: Uuid, newest: u64, wanted: Uuid) -> Option<u64> {
    for (tried, seq) in (1..=newest).rev().take(PLACES_MAX).enumerate() {
        if message(chat_id, seq) == wanted {
            return Some(seq);
        }
        if tried.is_multiple_of(PLACES_AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
    None
}
