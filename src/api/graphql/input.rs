//! What clients send.

pub mod key;
pub mod setting;
pub mod webhook;

use async_graphql::{InputObject, MaybeUndefined, Result};
use serde::Serialize;
use uuid::Uuid;

use super::kind::{PostKind, Priority, TicketReason, TicketStatus};
use super::scalar::{DateTime, millis};
use crate::api::commands::Reception;
use crate::domain::command::{Incoming, check_name};
use crate::domain::contact::ContactPatch;
use crate::domain::event::Profile;
use crate::domain::message::Content;
use crate::domain::post::PostBody;
use crate::domain::{Attachment, Rejection};
use crate::view::TicketFilter;
use crate::view::search::SEARCH_MAX_BYTES;

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
    pub(super) fn into_reception(self) -> Result<Reception, Rejection> {
        Ok(Reception {
            channel_id: self.channel_id,
            owner_external_id: self.owner.external_id,
            incoming: Incoming {
                external_id: self.external_id,
                content: content(self.text, self.attachments)?,
                sent_at: self.sent_at.map(|at| at.0),
                profile: Profile {
                    name: self.owner.name,
                    avatar: self.owner.avatar,
                },
                author_name: None,
            },
        })
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
    /// Of any of these teams.
    pub team_ids: Option<Vec<Uuid>>,
    /// In chats that any of these responders has when the ticket is looked at. One that only stands in for a missing
    /// responder, as a channel's default does, has none.
    pub responder_ids: Option<Vec<Uuid>>,
    /// With any of these tags.
    pub tag_ids: Option<Vec<Uuid>>,
    /// Any of these.
    pub priorities: Option<Vec<Priority>>,
    /// Every word is found in the subject, the summary, a message, or the name or identifier of the owner; letter case and
    /// accents do not count, and from three letters on the beginning of a word is enough. At most 256 bytes and 8 words; of
    /// each word the newest 1,000 places are looked at. Not in a subscription.
    pub search: Option<String>,
    /// Also deleted tickets and those of removed chats; a filter by reason DELETED finds deleted ones anyway.
    pub include_removed: Option<bool>,
    /// On any of these.
    pub channel_ids: Option<Vec<Uuid>>,
    /// In any of these.
    pub chat_ids: Option<Vec<Uuid>>,
    /// Later than this.
    pub created_after: Option<DateTime>,
    /// Earlier than this.
    pub created_before: Option<DateTime>,
}

pub(super) fn list<T, U: From<T>>(field: &'static str, values: Option<Vec<T>>) -> Result<Vec<U>, Rejection> {
    let values = values.unwrap_or_default();
    if values.len() > FILTER_MAX {
        return Err(Rejection::invalid(field, format!("at most {FILTER_MAX} values")));
    }
    Ok(values.into_iter().map(U::from).collect())
}

/// A search; one of nothing but blanks is none.
pub(super) fn search(field: &'static str, text: Option<String>) -> Result<Option<String>, Rejection> {
    let text = text.filter(|text| !text.trim().is_empty());
    if text.as_ref().is_some_and(|text| text.len() > SEARCH_MAX_BYTES) {
        return Err(Rejection::invalid(field, format!("at most {SEARCH_MAX_BYTES} bytes")));
    }
    Ok(text)
}

impl TicketFilterInput {
    /// The filter of a subscription, which no change of a text can be held against.
    pub(super) fn into_live_filter(self) -> Result<TicketFilter, Rejection> {
        if self.search.is_some() {
            return Err(Rejection::invalid("filter.search", "absent in a subscription"));
        }
        self.into_filter()
    }

    pub(super) fn into_filter(self) -> Result<TicketFilter, Rejection> {
        Ok(TicketFilter {
            statuses: list("filter.statuses", self.statuses)?,
            reasons: list("filter.reasons", self.reasons)?,
            assignee_ids: list("filter.assigneeIds", self.assignee_ids)?,
            unassigned: self.unassigned,
            team_ids: list("filter.teamIds", self.team_ids)?,
            responder_ids: list("filter.responderIds", self.responder_ids)?,
            responder_version_ids: Vec::new(),
            search: search("filter.search", self.search)?,
            tag_ids: list("filter.tagIds", self.tag_ids)?,
            priorities: list("filter.priorities", self.priorities)?,
            include_removed: self.include_removed.unwrap_or(false),
            channel_ids: list("filter.channelIds", self.channel_ids)?,
            chat_ids: list("filter.chatIds", self.chat_ids)?,
            created_after: self.created_after.map(|at| at.0),
            created_before: self.created_before.map(|at| at.0),
        })
    }
}

/// A message to somebody who has not written.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct OutboundInput {
    /// The channel that it goes out on.
    pub channel_id: Uuid,
    /// To whom.
    pub owner: OwnerInput,
    /// At most 16,384 bytes.
    pub text: Option<String>,
    /// At most 20.
    pub attachments: Option<Vec<AttachmentInput>>,
    /// What the ticket is about: at most 1,024 bytes.
    pub subject: Option<String>,
}

impl OutboundInput {
    pub(super) fn into_parts(self) -> Result<(Profile, Content, Option<String>), Rejection> {
        check_name("input.owner.externalId", &self.owner.external_id)?;
        let profile = Profile {
            name: self.owner.name,
            avatar: self.owner.avatar,
        };
        Ok((profile, content(self.text, self.attachments)?, self.subject))
    }
}

/// What is known of a person outside; what is absent stays, null takes away.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct ContactInput {
    /// To show, over what the providers say.
    pub name: MaybeUndefined<String>,
    /// At most 20; they replace those that are known.
    pub emails: Option<Vec<String>>,
    /// At most 20.
    pub phones: Option<Vec<String>>,
    /// Only people inside see it: at most 16,384 bytes.
    pub note: MaybeUndefined<String>,
    /// Of other systems: at most 20.
    pub additional_ids: Option<Vec<String>>,
}

/// Absent: as it is; null: taken away.
pub(super) fn patch<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

impl From<ContactInput> for ContactPatch {
    fn from(input: ContactInput) -> Self {
        Self {
            name: patch(input.name),
            emails: input.emails,
            phones: input.phones,
            note: patch(input.note),
            additional_ids: input.additional_ids,
        }
    }
}

/// A public comment or a product review.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct PostInput {
    /// Comment or review.
    pub kind: PostKind,
    /// The channel that it came in on.
    pub channel_id: Uuid,
    /// The provider's id of it: with the channel it names the post.
    pub external_id: String,
    /// Its author, by the id that their private messages carry.
    pub owner: OwnerInput,
    /// At most 16,384 bytes; a review may have stars alone.
    pub text: Option<String>,
    /// At most 20.
    pub attachments: Option<Vec<AttachmentInput>>,
    /// A review's: 1 to 5.
    pub stars: Option<i32>,
    /// The post or product that it is about.
    pub subject: Option<String>,
    /// Where it can be seen.
    pub url: Option<String>,
    /// When the provider says it was written.
    pub sent_at: Option<DateTime>,
}

impl PostInput {
    pub(super) fn into_body(self) -> Result<PostBody, Rejection> {
        let stars = self.stars.map(u8::try_from).transpose();
        Ok(PostBody {
            kind: self.kind.into(),
            channel_id: self.channel_id,
            external_id: self.external_id,
            owner_external_id: self.owner.external_id,
            profile: Profile {
                name: self.owner.name,
                avatar: self.owner.avatar,
            },
            content: content(self.text, self.attachments)?,
            stars: stars.map_err(|_| Rejection::invalid("input.stars", "1 to 5"))?,
            subject: self.subject,
            url: self.url,
            sent_at: self.sent_at.map(|at| at.0),
        })
    }
}
