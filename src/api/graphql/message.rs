//! Messages and events.

use std::sync::Arc;

use async_graphql::{Json, Object, SimpleObject};
use serde_json::Value;
use uuid::Uuid;

use super::kind::{ActorKind, Direction, Visibility};
use super::scalar::{CursorText, DateTime, float, int};
use crate::domain::{self, id};
use crate::live::Cursor;
use crate::view::MessageRow;

/// Who did or said something.
#[derive(Clone, Debug, SimpleObject)]
pub struct Author {
    /// The kind.
    pub kind: ActorKind,
    /// An agent's id, an API key's id, an owner's external id.
    pub id: Option<String>,
    /// A name to show, where it is not the owner's or an agent's own.
    pub name: Option<String>,
}

impl From<domain::Actor> for Author {
    fn from(actor: domain::Actor) -> Self {
        Self {
            kind: actor.kind.into(),
            id: actor.id,
            name: actor.name,
        }
    }
}

/// A file, place, contact or sticker that came with a message.
#[derive(Clone, Debug, SimpleObject)]
pub struct Attachment {
    /// `image`, `document`, `sticker`, `contact`, or what the provider calls it.
    pub kind: String,
    /// Where to get it: a URL or the provider's file id.
    pub url: Option<String>,
    /// A file's name, a contact's name, a sticker's emoji.
    pub name: Option<String>,
    /// The media type.
    pub mime_type: Option<String>,
    /// In bytes.
    pub size_bytes: Option<f64>,
}

/// What came with something said.
pub(super) fn attachments(content: &domain::message::Content) -> Vec<Attachment> {
    let attachments = content.attachments.iter();
    attachments
        .map(|attachment| Attachment {
            kind: attachment.kind.clone(),
            url: attachment.url.clone(),
            name: attachment.name.clone(),
            mime_type: attachment.mime_type.clone(),
            size_bytes: attachment.size_bytes.map(float),
        })
        .collect()
}

/// Something said in a chat.
#[derive(Clone, Debug)]
pub struct Message(pub(super) MessageRow);

#[Object]
impl Message {
    /// Derived from the chat and `seq`.
    async fn id(&self) -> Uuid {
        id::message(self.0.chat_id, self.0.seq)
    }

    /// The chat.
    async fn chat_id(&self) -> Uuid {
        self.0.chat_id
    }

    /// The ticket; null for what was silenced or given to a responder.
    async fn ticket_id(&self) -> Option<Uuid> {
        self.0.ticket_number.map(|number| id::ticket(self.0.chat_id, number))
    }

    /// The order in the chat: the `chatSeq` of the event that brought it. Rises, with gaps.
    async fn seq(&self) -> i32 {
        int(self.0.seq)
    }

    /// Which way it goes.
    async fn direction(&self) -> Direction {
        self.0.message.direction.into()
    }

    /// Who may read it.
    async fn visibility(&self) -> Visibility {
        self.0.message.visibility.into()
    }

    /// Who said it.
    async fn author(&self) -> Author {
        self.0.message.author.clone().into()
    }

    /// The provider's id.
    async fn external_id(&self) -> Option<&str> {
        self.0.message.external_id.as_deref()
    }

    /// The text, or a file's caption, as last edited.
    async fn text(&self) -> Option<&str> {
        self.0.message.content.text.as_deref()
    }

    /// What came with it.
    async fn attachments(&self) -> Vec<Attachment> {
        attachments(&self.0.message.content)
    }

    /// RECEIVED for incoming ones; QUEUED, SENT, DELIVERED, READ or FAILED for outgoing ones.
    async fn status(&self) -> &str {
        self.0.message.status.name()
    }

    /// When the provider says it was sent.
    async fn sent_at(&self) -> DateTime {
        DateTime(self.0.message.sent_at)
    }

    /// When it arrived here.
    async fn received_at(&self) -> DateTime {
        DateTime(self.0.message.received_at)
    }

    /// The last edit.
    async fn edited_at(&self) -> Option<DateTime> {
        self.0.edited_at.map(DateTime)
    }

    /// When its author took it back; its text and attachments are not shown any more.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.0.deleted_at.map(DateTime)
    }

    /// Why it FAILED, as the provider says.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    /// One for each who reacted, the earliest first.
    async fn reactions(&self) -> Vec<Reaction> {
        let reactions = self.0.reactions.iter();
        reactions
            .map(|reaction| Reaction {
                author: reaction.author.clone().into(),
                emoji: reaction.emoji.clone(),
                at: DateTime(reaction.at),
            })
            .collect()
    }
}

/// A reaction to a message.
#[derive(Clone, Debug, SimpleObject)]
pub struct Reaction {
    /// Who.
    pub author: Author,
    /// What.
    pub emoji: String,
    /// When.
    pub at: DateTime,
}

/// One field that an event changed.
#[derive(Clone, Debug, SimpleObject)]
pub struct Change {
    /// The field.
    pub target: String,
    /// Before; null where there was nothing, or nobody knows.
    pub old_value: Option<Json<Value>>,
    /// After.
    pub value: Option<Json<Value>>,
}

/// What led to an event.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Cause {
    /// The command; all events of one command have the same.
    pub command_id: Uuid,
    /// The message that the command brought or changed.
    pub message_id: Option<Uuid>,
}

/// A fact, at its place in the log.
#[derive(Clone, Debug)]
pub struct Event {
    pub(super) event: Arc<domain::Event>,
    pub(super) cursor: Cursor,
}

fn present(value: Value) -> Option<Json<Value>> {
    (!value.is_null()).then_some(Json(value))
}

#[Object]
impl Event {
    /// Derived from the chat and `chatSeq`.
    async fn id(&self) -> Uuid {
        self.event.id()
    }

    /// Subscribe after it to get what follows.
    async fn cursor(&self) -> CursorText {
        CursorText(self.cursor.encode())
    }

    /// As `ticket.created`.
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        self.event.body.name()
    }

    /// When.
    async fn at(&self) -> DateTime {
        DateTime(self.event.at)
    }

    /// The chat; null for an event of the workspace's settings.
    async fn chat_id(&self) -> Option<Uuid> {
        self.event.chat_id()
    }

    /// The ticket, if it is an event of one.
    async fn ticket_id(&self) -> Option<Uuid> {
        self.event.ticket_id()
    }

    /// From 1, gapless in the chat.
    async fn chat_seq(&self) -> i32 {
        int(self.event.seq)
    }

    /// Who did it.
    async fn actor(&self) -> Author {
        self.event.actor.clone().into()
    }

    /// What led to it.
    async fn cause(&self) -> Cause {
        let cause = &self.event.cause;
        Cause {
            command_id: cause.command_id,
            message_id: cause.message_id,
        }
    }

    /// The fields that it changed.
    async fn patch(&self) -> Vec<Change> {
        let patch = self.event.patch().into_iter();
        patch
            .map(|change| Change {
                target: change.target,
                old_value: present(change.old_value),
                value: present(change.value),
            })
            .collect()
    }

    /// Everything that the event carries.
    async fn data(&self) -> Option<Json<Value>> {
        self.event.body.public_data().and_then(present)
    }

    /// Made by a rule to keep transitions legal, not asked for by anybody.
    async fn synthetic(&self) -> bool {
        self.event.synthetic
    }
}
