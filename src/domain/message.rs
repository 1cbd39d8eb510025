//! Something said in a chat.

use serde::{Deserialize, Serialize};

use super::{Actor, Millis, Trace};

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

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageStatus {
    /// Incoming: stored.
    Received,
    /// Outgoing: stored, not yet given to the provider.
    Queued,
}

impl MessageStatus {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
            Self::Queued => "QUEUED",
        }
    }
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
