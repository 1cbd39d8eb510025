//! What may be asked of a chat.

use serde_json::Value;
use uuid::Uuid;

use super::aggregate::{Aggregate, Command, Decided, Found, Receipt};
use super::event::{Cause, EventBody, Profile};
use super::message::{Amendment, Content, MessageStatus};
use super::ticket::Priority;
use super::{Actor, Event, Millis, Rejection};

/// 16 KiB of UTF-8: the longest text of a message, in bytes.
pub const TEXT_MAX_BYTES: usize = 16 * 1024;
/// The most attachments of one message.
pub const ATTACHMENTS_MAX: usize = 20;
/// The longest external id, name or key, in bytes.
pub const NAME_MAX_BYTES: usize = 256;
/// The longest URL, in bytes.
pub const URL_MAX_BYTES: usize = 2_048;

/// The longest subject, in bytes.
pub const SUBJECT_MAX_BYTES: usize = 1_024;
/// The longest summary, in bytes.
pub const SUMMARY_MAX_BYTES: usize = 16 * 1024;

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

    /// How far a message has come, once.
    #[must_use]
    pub fn status(message_seq: u64, status: MessageStatus) -> Self {
        Self(format!("r:{message_seq}:{}", status.name()))
    }

    /// That a message was taken back.
    #[must_use]
    pub fn deletion(message_seq: u64) -> Self {
        Self(format!("d:{message_seq}"))
    }

    /// Whether an API client chose it: then the same body is expected with it.
    #[must_use]
    pub fn is_idempotency(&self) -> bool {
        self.0.starts_with("k:")
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

/// Which message is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageName {
    /// By the provider's id; what comes before its message is parked.
    External(String),
    /// By its place in the chat.
    Seq(u64),
}

/// What to do with a ticket.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum TicketAction {
    Take {
        agent_id: Uuid,
    },
    /// `None` leaves as it is, `Some(None)` takes away.
    Assign {
        agent_id: Option<Option<Uuid>>,
        team_id: Option<Option<Uuid>>,
    },
    /// Assign, but only while nobody has it.
    Offer {
        agent_id: Uuid,
    },
    Takeover {
        agent_id: Uuid,
    },
    Complete,
    Close,
    Reopen,
    Hold {
        until: Option<Millis>,
    },
    Pend,
    Resume,
    MarkSpam,
    UnmarkSpam,
    Merge {
        into: Uuid,
    },
    Delete,
    Restore,
    AddTag(Uuid),
    RemoveTag(Uuid),
    SetField {
        field_id: Uuid,
        value: Value,
    },
    SetSubject(Option<String>),
    SetSummary(String),
    SetPriority(Priority),
    Rate {
        score: u8,
        comment: Option<String>,
    },
    MarkViewed,
    AddNote {
        text: String,
        agent_id: Option<Uuid>,
    },
}

/// What to do with a chat.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum ChatCommandBody {
    Receive(Box<Incoming>),
    /// Edit, delete, react to a message, or say how far it has come.
    Amend {
        message: MessageName,
        amendment: Amendment,
        /// With a receipt: the id that the provider gave the message.
        external_id: Option<String>,
        /// Whoever asks may edit and delete what the owner writes, and nothing else.
        of_owner: bool,
    },
    Send {
        content: Content,
        agent_id: Option<Uuid>,
        responder_epoch: Option<u32>,
    },
    /// Write to somebody first: a ticket NEW / OUTBOUND, unless one is open.
    SendOutbound {
        content: Content,
        profile: Profile,
        subject: Option<String>,
    },
    Open {
        subject: Option<String>,
        assignee_id: Option<Uuid>,
        team_id: Option<Uuid>,
        /// The assignee has taken it into work; otherwise it waits for them, NEW.
        is_taken: bool,
    },
    /// A comment or review of the owner becomes a ticket: the open one, or a new one.
    OpenFromPost {
        profile: Profile,
        content: Content,
        reply: Option<Content>,
    },
    Handover {
        team_id: Option<Uuid>,
        summary: Option<String>,
    },
    /// Take over a chat that the responder has, also one without a ticket.
    TakeoverChat {
        agent_id: Uuid,
    },
    BlockOwner,
    UnblockOwner,
    Remove,
    Restore,
    /// Time has passed: do what is due.
    Elapse,
    Ticket {
        ticket_id: Uuid,
        /// The ticket's version that the command was made for.
        expected_version: Option<u64>,
        action: TicketAction,
    },
}

impl ChatCommandBody {
    /// Something to do with a ticket, whatever its version.
    #[must_use]
    pub fn ticket(ticket_id: Uuid, action: TicketAction) -> Self {
        Self::Ticket {
            ticket_id,
            expected_version: None,
            action,
        }
    }
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
    /// What was looked up for the decision.
    pub found: Found,
}

impl ChatCommand {
    /// A command without keys, to a chat that is there.
    #[must_use]
    pub fn new(id: Uuid, workspace_id: Uuid, actor: Actor, body: ChatCommandBody) -> Self {
        Self {
            id,
            workspace_id,
            origin: None,
            actor,
            keys: Vec::new(),
            body_hash: None,
            body,
            found: Found::default(),
        }
    }
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

    fn may_begin(&self) -> bool {
        self.origin.is_some()
    }

    fn found(&self) -> Option<&Found> {
        Some(&self.found)
    }

    fn found_mut(&mut self) -> Option<&mut Found> {
        Some(&mut self.found)
    }
}

/// A wish about an aggregate that is not a chat.
#[derive(Clone, Debug)]
pub struct Wish<B> {
    /// Unique.
    pub id: Uuid,
    /// The tenant that asks.
    pub workspace_id: Uuid,
    /// Who asks.
    pub actor: Actor,
    /// By which a repeat is known.
    pub keys: Vec<DedupeKey>,
    /// SHA-256 of the body, with an idempotency key.
    pub body_hash: Option<String>,
    /// What to do.
    pub body: B,
}

impl<B: std::fmt::Debug + Send + Sync + 'static> Command for Wish<B> {
    fn id(&self) -> Uuid {
        self.id
    }

    fn keys(&self) -> &[DedupeKey] {
        &self.keys
    }

    fn body_hash(&self) -> Option<&str> {
        self.body_hash.as_deref()
    }
}

impl<B> Wish<B> {
    /// The one event that grants this wish, applied to the state.
    pub(super) fn grant<A: Aggregate>(&self, state: &A, body: EventBody, now: Millis) -> Decided<A> {
        let event = Event {
            workspace_id: self.workspace_id,
            aggregate_id: state.id(),
            seq: state.seq().saturating_add(1),
            version: state.version().saturating_add(1),
            at: now,
            actor: self.actor.clone(),
            cause: Cause {
                command_id: self.id,
                message_id: None,
            },
            synthetic: false,
            body,
            ticket: None,
        };
        let mut next = state.clone();
        next.apply(&event);
        next.set_version(state.version());
        Decided {
            events: vec![event],
            ..self.nothing(next)
        }
    }

    /// There is nothing to change.
    pub(super) fn nothing<A: Aggregate>(&self, state: A) -> Decided<A> {
        let receipt = Receipt {
            setting_id: Some(state.id()),
            body_hash: self.body_hash.clone(),
            ..Receipt::default()
        };
        Decided {
            state,
            events: Vec::new(),
            receipt,
            keys: Vec::new(),
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

/// Whether a list has something more than once.
pub(super) fn is_repetitive<T: PartialEq>(list: &[T]) -> bool {
    let is_repeated = |(place, item): (usize, &T)| list.iter().take(place).any(|other| other == item);
    list.iter().enumerate().any(is_repeated)
}

/// Refuses a subject that is blank or too long.
///
/// # Errors
/// [`Rejection::InvalidInput`] naming the field.
pub fn check_subject(subject: Option<&str>) -> Result<(), Rejection> {
    let Some(subject) = subject else { return Ok(()) };
    if subject.trim().is_empty() {
        return Err(Rejection::invalid("subject", "a text that is not blank, or null"));
    }
    check_text("subject", subject, SUBJECT_MAX_BYTES)
}

impl Profile {
    /// Refuses what is over a bound.
    ///
    /// # Errors
    /// [`Rejection::InvalidInput`] naming the field.
    pub fn check(&self) -> Result<(), Rejection> {
        check_text("owner.name", self.name.as_deref().unwrap_or_default(), NAME_MAX_BYTES)?;
        check_text(
            "owner.avatar",
            self.avatar.as_deref().unwrap_or_default(),
            URL_MAX_BYTES,
        )
    }
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
        self.profile.check()
    }
}
