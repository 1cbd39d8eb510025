//! What clients send.

use async_graphql::{InputObject, Json, MaybeUndefined, Result};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::kind::{ChannelType, InboundMode, TicketReason, TicketStatus};
use super::scalar::{DateTime, millis};
use crate::api::error::ApiError;
use crate::domain::command::{Incoming, check_name};
use crate::domain::event::Profile;
use crate::domain::message::Content;
use crate::domain::{Attachment, PolicyPatch, Rejection, id};
use crate::provider::telegram;
use crate::view::TicketFilter;

/// The most ids of one list of a filter.
const FILTER_MAX: usize = 100;

/// A file, place, contact or sticker.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct AttachmentInput {
    /// `image`, `document`, `sticker`, `contact`, or what the provider calls it.
    pub kind: String,
    /// Where to get it. At most 2,048 bytes.
    pub url: Option<String>,
    /// A file's or contact's name.
    pub name: Option<String>,
    /// The media type.
    pub mime_type: Option<String>,
    /// In bytes.
    pub size_bytes: Option<f64>,
}

/// The person outside.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct OwnerInput {
    /// The provider's id of the person: 1 to 256 bytes. With the channel it names the chat.
    pub external_id: String,
    /// To show; absent: as known.
    pub name: Option<String>,
    /// A URL; absent: as known.
    pub avatar: Option<String>,
}

/// A message from the owner of a chat.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct MessageInput {
    /// The channel that it came in on.
    pub channel_id: Uuid,
    /// The provider's id of the message: a repeat of it gets the first receipt again.
    pub external_id: Option<String>,
    /// Who wrote.
    pub owner: OwnerInput,
    /// At most 16,384 bytes.
    pub text: Option<String>,
    /// At most 20.
    pub attachments: Option<Vec<AttachmentInput>>,
    /// When the provider says it was sent.
    pub sent_at: Option<DateTime>,
}

impl Serialize for DateTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

pub(super) fn content(text: Option<String>, attachments: Option<Vec<AttachmentInput>>) -> Result<Content, Rejection> {
    let attachments = attachments.unwrap_or_default().into_iter();
    let attachments = attachments.map(|input| {
        let size = input.size_bytes.map(|size| millis("attachments.sizeBytes", size));
        Ok(Attachment {
            kind: input.kind,
            url: input.url,
            name: input.name,
            mime_type: input.mime_type,
            size_bytes: size.transpose()?,
        })
    });
    Ok(Content {
        text,
        attachments: attachments.collect::<Result<_, Rejection>>()?,
    })
}

impl MessageInput {
    pub(super) fn into_incoming(self) -> Result<Incoming, Rejection> {
        check_name("owner.externalId", &self.owner.external_id)?;
        let incoming = Incoming {
            external_id: self.external_id,
            content: content(self.text, self.attachments)?,
            sent_at: self.sent_at.map(|at| at.0),
            profile: Profile {
                name: self.owner.name,
                avatar: self.owner.avatar,
            },
            author_name: None,
        };
        incoming.check()?;
        Ok(incoming)
    }
}

/// Which tickets; a list matches any of its values, and all that is given must match. At most 100 values a list.
#[derive(Clone, Debug, Default, InputObject)]
#[graphql(name = "TicketFilter")]
pub struct TicketFilterInput {
    /// Any of these.
    pub statuses: Option<Vec<TicketStatus>>,
    /// Any of these.
    pub reasons: Option<Vec<TicketReason>>,
    /// Assigned to any of these.
    pub assignee_ids: Option<Vec<Uuid>>,
    /// Assigned to nobody, or to somebody.
    pub unassigned: Option<bool>,
    /// On any of these.
    pub channel_ids: Option<Vec<Uuid>>,
    /// In any of these.
    pub chat_ids: Option<Vec<Uuid>>,
    /// Later than this.
    pub created_after: Option<DateTime>,
    /// Earlier than this.
    pub created_before: Option<DateTime>,
}

fn list<T, U: From<T>>(field: &'static str, values: Option<Vec<T>>) -> Result<Vec<U>, Rejection> {
    let values = values.unwrap_or_default();
    if values.len() > FILTER_MAX {
        return Err(Rejection::invalid(field, format!("at most {FILTER_MAX} values")));
    }
    Ok(values.into_iter().map(U::from).collect())
}

impl TicketFilterInput {
    pub(super) fn into_filter(self) -> Result<TicketFilter, Rejection> {
        Ok(TicketFilter {
            statuses: list("filter.statuses", self.statuses)?,
            reasons: list("filter.reasons", self.reasons)?,
            assignee_ids: list("filter.assigneeIds", self.assignee_ids)?,
            unassigned: self.unassigned,
            channel_ids: list("filter.channelIds", self.channel_ids)?,
            chat_ids: list("filter.chatIds", self.chat_ids)?,
            created_after: self.created_after.map(|at| at.0),
            created_before: self.created_before.map(|at| at.0),
        })
    }
}

/// What a channel decides; what is absent stays as it is.
#[derive(Clone, Debug, Default, InputObject, Serialize)]
pub struct ChannelPolicyInput {
    /// In milliseconds. 0: never reopen; null: for ever; absent: unchanged, at first the workspace's (24 hours).
    pub restore_period_ms: MaybeUndefined<f64>,
    /// Whether an incoming message opens a ticket by itself.
    pub inbound_mode: Option<InboundMode>,
    /// How far before its arrival a message may claim to have been sent, in milliseconds.
    pub max_skew_ms: Option<f64>,
}

impl Serialize for InboundMode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::domain::InboundMode::from(*self).serialize(serializer)
    }
}

impl Serialize for ChannelType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::domain::ChannelType::from(*self).serialize(serializer)
    }
}

impl ChannelPolicyInput {
    fn into_patch(self) -> Result<PolicyPatch, Rejection> {
        let restore = match self.restore_period_ms {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(value) => Some(Some(millis("policy.restorePeriodMs", value)?)),
        };
        let max_skew = self.max_skew_ms.map(|skew| millis("policy.maxSkewMs", skew));
        let patch = PolicyPatch {
            restore_period_ms: restore,
            inbound_mode: self.inbound_mode.map(Into::into),
            max_skew_ms: max_skew.transpose()?,
        };
        patch.check()?;
        Ok(patch)
    }
}

pub(super) fn policy(input: Option<ChannelPolicyInput>) -> Result<PolicyPatch, Rejection> {
    input.unwrap_or_default().into_patch()
}

/// The hash of the secret that a provider's configuration sets, if it sets one.
pub(super) fn hook_secret_hash(
    kind: crate::domain::ChannelType,
    config: Option<&Json<Value>>,
) -> Result<Option<String>, ApiError> {
    let Some(Json(config)) = config else {
        return Ok(None);
    };
    let only = || Rejection::invalid("input.config", "an object with secretToken, for TELEGRAM");
    let fields = config.as_object().ok_or_else(only)?;
    let Some(secret) = fields.get("secretToken").filter(|_| fields.len() == 1) else {
        return if fields.is_empty() {
            Ok(None)
        } else {
            Err(only().into())
        };
    };
    if kind != crate::domain::ChannelType::Telegram {
        return Err(only().into());
    }
    let secret = secret
        .as_str()
        .ok_or_else(|| Rejection::invalid("input.config.secretToken", "a string"))?;
    telegram::check_secret(secret)?;
    Ok(Some(id::sha256_hex(secret.as_bytes())))
}

/// A channel to connect.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct ChannelInput {
    /// What it is connected to.
    #[graphql(name = "type")]
    pub kind: ChannelType,
    /// To show: 1 to 256 bytes.
    pub name: String,
    /// What it decides itself.
    pub policy: Option<ChannelPolicyInput>,
    /// The provider's secrets, write-only. TELEGRAM: `{"secretToken": "…"}`, as given to setWebhook.
    pub config: Option<Json<Value>>,
}

/// What to change of a channel; what is absent stays.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct ChannelPatch {
    /// To show.
    pub name: Option<String>,
    /// What it decides itself.
    pub policy: Option<ChannelPolicyInput>,
    /// The provider's secrets, write-only.
    pub config: Option<Json<Value>>,
}

/// A person inside.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct AgentInput {
    /// To show: 1 to 256 bytes.
    pub name: String,
    /// An address.
    pub email: Option<String>,
    /// A URL.
    pub picture: Option<String>,
}
