//! What may be asked of a chat.

use uuid::Uuid;

use super::aggregate::Command;
use super::event::Profile;
use super::message::Content;
use super::{Actor, Millis, Rejection};

/// 16 KiB of UTF-8: the longest text of a message, in bytes.
pub const TEXT_MAX_BYTES: usize = 16 * 1024;
/// The most attachments of one message.
pub const ATTACHMENTS_MAX: usize = 20;
/// The longest external id, name or key, in bytes.
pub const NAME_MAX_BYTES: usize = 256;
/// The longest URL, in bytes.
pub const URL_MAX_BYTES: usize = 2_048;

/// Something by which a repeat is known, unique in its aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey(String);

impl DedupeKey {
    /// The provider's id of a message.
    #[must_use]
    pub fn message(external_id: &str) -> Self {
        Self(format!("m:{external_id}"))
    }

    /// The provider's id of a delivery, where that is another than the message's.
    #[must_use]
    pub fn update(external_id: &str) -> Self {
        Self(format!("u:{external_id}"))
    }

    /// A key that an API client chose.
    #[must_use]
    pub fn idempotency(key: &str) -> Self {
        Self(format!("k:{key}"))
    }

    /// As it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message from the owner.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The provider's id, if it has one.
    pub external_id: Option<String>,
    /// What it says.
    pub content: Content,
    /// When the provider says it was sent.
    pub sent_at: Option<Millis>,
    /// What the provider says of the owner now.
    pub profile: Profile,
    /// Who wrote it, where that is not the owner (a member of a group).
    pub author_name: Option<String>,
}

/// What to do with a chat.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum ChatCommandBody {
    Receive(Box<Incoming>),
    /// Replace what a message says; `message_seq` is looked up by `target` before the decision.
    Edit {
        target: DedupeKey,
        message_seq: Option<u64>,
        content: Content,
        edited_at: Millis,
    },
    Send {
        content: Content,
        agent_id: Option<Uuid>,
        responder_epoch: Option<u32>,
    },
    Take {
        ticket_id: Uuid,
        agent_id: Uuid,
    },
    Assign {
        ticket_id: Uuid,
        agent_id: Option<Uuid>,
    },
    Complete {
        ticket_id: Uuid,
    },
    Close {
        ticket_id: Uuid,
    },
    Reopen {
        ticket_id: Uuid,
    },
}

/// A wish about one chat.
#[derive(Clone, Debug)]
pub struct ChatCommand {
    /// Unique.
    pub id: Uuid,
    /// The tenant that asks; a chat of another one is not found.
    pub workspace_id: Uuid,
    /// The channel and the owner's external id, for a command that may begin the chat.
    pub origin: Option<(Uuid, String)>,
    /// Who asks.
    pub actor: Actor,
    /// By which a repeat is known.
    pub keys: Vec<DedupeKey>,
    /// SHA-256 of the body, with an idempotency key.
    pub body_hash: Option<String>,
    /// What to do.
    pub body: ChatCommandBody,
}

impl Command for ChatCommand {
    fn id(&self) -> Uuid {
        self.id
    }

    fn keys(&self) -> &[DedupeKey] {
        &self.keys
    }

    fn body_hash(&self) -> Option<&str> {
        self.body_hash.as_deref()
    }

    fn target(&self) -> Option<&DedupeKey> {
        if let ChatCommandBody::Edit { target, .. } = &self.body {
            Some(target)
        } else {
            None
        }
    }

    fn set_target(&mut self, found: Option<u64>) {
        if let ChatCommandBody::Edit { message_seq, .. } = &mut self.body {
            *message_seq = found;
        }
    }
}

/// Refuses a text that is longer than `max` bytes or holds a NUL.
///
/// # Errors
/// [`Rejection::InvalidInput`] naming the field.
pub fn check_text(field: &'static str, text: &str, max: usize) -> Result<(), Rejection> {
    if text.len() > max {
        return Err(Rejection::invalid(field, format!("at most {max} bytes")));
    }
    if text.contains('\0') {
        return Err(Rejection::invalid(field, "text without NUL characters"));
    }
    Ok(())
}

/// Refuses a name that is empty, too long or holds a NUL.
///
/// # Errors
/// [`Rejection::InvalidInput`] naming the field.
pub fn check_name(field: &'static str, text: &str) -> Result<(), Rejection> {
    if text.trim().is_empty() {
        return Err(Rejection::invalid(field, "a text that is not blank"));
    }
    check_text(field, text, NAME_MAX_BYTES)
}

impl Content {
    /// Refuses content without text or attachment, and what is over a bound.
    ///
    /// # Errors
    /// [`Rejection::InvalidInput`] naming the field.
    pub fn check(&self) -> Result<(), Rejection> {
        if self.attachments.is_empty() && self.text.as_deref().is_none_or(str::is_empty) {
            return Err(Rejection::invalid("text", "a text or an attachment"));
        }
        if let Some(text) = &self.text {
            check_text("text", text, TEXT_MAX_BYTES)?;
        }
        if self.attachments.len() > ATTACHMENTS_MAX {
            return Err(Rejection::invalid("attachments", format!("at most {ATTACHMENTS_MAX}")));
        }
        for attachment in &self.attachments {
            check_name("attachments.kind", &attachment.kind)?;
            for (field, text, max) in [
                ("attachments.url", &attachment.url, URL_MAX_BYTES),
                ("attachments.name", &attachment.name, NAME_MAX_BYTES),
                ("attachments.mimeType", &attachment.mime_type, NAME_MAX_BYTES),
            ] {
                if let Some(text) = text {
                    check_text(field, text, max)?;
                }
            }
        }
        Ok(())
    }
}

impl Incoming {
    /// Refuses what is over a bound.
    ///
    /// # Errors
    /// [`Rejection::InvalidInput`] naming the field.
    pub fn check(&self) -> Result<(), Rejection> {
        self.content.check()?;
        if let Some(external_id) = &self.external_id {
            check_name("externalId", external_id)?;
        }
        if let Some(name) = &self.profile.name {
            check_text("owner.name", name, NAME_MAX_BYTES)?;
        }
        if let Some(avatar) = &self.profile.avatar {
            check_text("owner.avatar", avatar, URL_MAX_BYTES)?;
        }
        Ok(())
    }
}
