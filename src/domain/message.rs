//! Something said in a chat.

use serde::{Deserialize, Serialize};

use super::{Actor, Decision, Millis, Trace};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    /// From the owner.
    Incoming,
    /// To the owner.
    Outgoing,
}

/// Who may read a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Visibility {
    /// The owner and everybody inside.
    #[default]
    Public,
    /// Only people inside.
    Note,
}

/// How far a message has come. QUEUED < SENT < DELIVERED < READ: it only rises, and FAILED ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageStatus {
    /// Incoming: stored.
    Received,
    /// Outgoing: stored, not yet given to the provider.
    Queued,
    /// Outgoing: the provider has it.
    Sent,
    /// Outgoing: it is on the owner's device.
    Delivered,
    /// Outgoing: the owner saw it.
    Read,
    /// Outgoing: it will not arrive.
    Failed,
}

impl MessageStatus {
    /// What a provider's receipt can say.
    pub const REPORTED: [Self; 4] = [Self::Sent, Self::Delivered, Self::Read, Self::Failed];

    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
            Self::Queued => "QUEUED",
            Self::Sent => "SENT",
            Self::Delivered => "DELIVERED",
            Self::Read => "READ",
            Self::Failed => "FAILED",
        }
    }

    /// Whether a receipt may change a message from here to `to`.
    #[must_use]
    pub fn can_rise(self, to: Self) -> bool {
        match (self, to) {
            (Self::Received | Self::Failed, _) | (_, Self::Received | Self::Queued) => false,
            (from, Self::Failed) => matches!(from, Self::Queued | Self::Sent),
            (from, to) => from.rank() < to.rank(),
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Received | Self::Queued => 0,
            Self::Sent => 1,
            Self::Delivered => 2,
            Self::Read => 3,
            Self::Failed => 4,
        }
    }
}

/// What happens to a message after it was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "fields are named as in the API")]
pub enum Amendment {
    /// Its author said it otherwise.
    Edit { content: Content, edited_at: Millis },
    /// Its author took it back.
    Delete { deleted_at: Millis },
    /// Somebody reacted; without an emoji they took their reaction back.
    React {
        author: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        emoji: Option<String>,
        at: Millis,
    },
    /// The provider says how far it has come.
    Receipt {
        status: MessageStatus,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        at: Millis,
    },
}

/// An amendment that came before its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    /// The provider's id of the message.
    pub external_id: String,
    /// What to do once it is there.
    pub amendment: Amendment,
    /// Whoever asks may change what the owner writes, and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_owner: bool,
}

/// A file, place, contact or sticker that came with a message. The file itself stays with the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// `image`, `document`, `sticker`, `contact`, or what the provider calls it.
    pub kind: String,
    /// Where to get it: a URL or the provider's file id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A file's name, a contact's name, a sticker's emoji.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// In bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// What a message says; an edit replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// The text, or a file's caption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// At most [`super::command::ATTACHMENTS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// One message as it was stored first; `seq` and the chat come from its event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Which way it goes.
    pub direction: Direction,
    /// Who may read it.
    pub visibility: Visibility,
    /// Who said it.
    pub author: Actor,
    /// The provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// What it says.
    pub content: Content,
    /// How far it has come.
    pub status: MessageStatus,
    /// When the provider says it was sent.
    pub sent_at: Millis,
    /// When it arrived here.
    pub received_at: Millis,
    /// For an incoming message: why it did what it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

impl Message {
    /// An incoming message that reached no ticket.
    #[must_use]
    pub fn is_off_ticket(&self) -> bool {
        let decision = self.trace.as_ref().map(|trace| trace.decision);
        matches!(decision, Some(Decision::Silenced | Decision::ToResponder))
    }
}
