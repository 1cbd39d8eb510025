//! A ticket: one request inside a chat, its status machine and why it is where it is.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Millis;

/// NEW → ACTIVE → INACTIVE → ACTIVE, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Not taken into work yet.
    New,
    /// In work.
    Active,
    /// Ended.
    Inactive,
}

impl Status {
    /// The statuses that one step can lead to.
    #[must_use]
    pub fn allowed(self) -> &'static [Status] {
        match self {
            Self::New | Self::Inactive => &[Self::Active],
            Self::Active => &[Self::Inactive],
        }
    }

    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// What a status means here; every reason belongs to one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the table in ARCHITECTURE.md gives each its meaning")]
pub enum Reason {
    Inbound,
    Outbound,
    Handover,
    Manual,
    InProgress,
    PendingCustomer,
    OnHold,
    Completed,
    Closed,
    AutoClosed,
    Spam,
    Merged,
    Deleted,
}

impl Reason {
    /// The status that this reason belongs to.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Inbound | Self::Outbound | Self::Handover | Self::Manual => Status::New,
            Self::InProgress | Self::PendingCustomer | Self::OnHold => Status::Active,
            Self::Completed | Self::Closed | Self::AutoClosed | Self::Spam | Self::Merged | Self::Deleted => {
                Status::Inactive
            }
        }
    }

    /// Whether a ticket that ended so may be reopened.
    #[must_use]
    pub fn is_restorable(self) -> bool {
        matches!(self, Self::Completed | Self::Closed | Self::AutoClosed)
    }

    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inbound => "INBOUND",
            Self::Outbound => "OUTBOUND",
            Self::Handover => "HANDOVER",
            Self::Manual => "MANUAL",
            Self::InProgress => "IN_PROGRESS",
            Self::PendingCustomer => "PENDING_CUSTOMER",
            Self::OnHold => "ON_HOLD",
            Self::Completed => "COMPLETED",
            Self::Closed => "CLOSED",
            Self::AutoClosed => "AUTO_CLOSED",
            Self::Spam => "SPAM",
            Self::Merged => "MERGED",
            Self::Deleted => "DELETED",
        }
    }
}

/// How a ticket came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Circumstance {
    Inbound,
    Manual,
    Takeover,
    Handover,
    Outbound,
}

/// What an incoming message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// It opened a ticket.
    Created,
    /// It joined the open ticket.
    Appended,
    /// It reopened the last ticket.
    Reopened,
    /// It was stored before; the first receipt is given again.
    Duplicate,
    /// It was stored and nobody is bothered: the owner is blocked, or the last ticket is spam.
    Silenced,
    /// It was stored for the responder; there is no ticket.
    ToResponder,
}

/// The rule that made a decision; the number is its place in the order of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// 2a: the owner is blocked.
    OwnerBlocked,
    /// 2b: the last ticket is spam.
    LastTicketSpam,
    /// 3a: no ticket yet, and the channel gives messages to a responder.
    NoTicketResponder,
    /// 3b: no ticket yet.
    NoTicket,
    /// 4: the last ticket is open.
    TicketOpen,
    /// 6: the last ticket was deleted.
    LastTicketDeleted,
    /// 7: the responder owns the chat.
    ResponderOwnsChat,
    /// 8a: the channel restores for ever.
    RestoreForever,
    /// 8b: within the restore period.
    WithinRestorePeriod,
    /// 9: after the restore period.
    AfterRestorePeriod,
}

impl Rule {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnerBlocked => "owner_blocked",
            Self::LastTicketSpam => "last_ticket_spam",
            Self::NoTicketResponder => "no_ticket_responder",
            Self::NoTicket => "no_ticket",
            Self::TicketOpen => "ticket_open",
            Self::LastTicketDeleted => "last_ticket_deleted",
            Self::ResponderOwnsChat => "responder_owns_chat",
            Self::RestoreForever => "restore_forever",
            Self::WithinRestorePeriod => "within_restore_period",
            Self::AfterRestorePeriod => "after_restore_period",
        }
    }
}

/// Why an incoming message did what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// What was decided.
    pub decision: Decision,
    /// The rule that decided it.
    pub rule: Rule,
    /// The restore period in force, in milliseconds; `None` is for ever, or no period was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_period_ms: Option<Millis>,
    /// Between the ticket's end and the message, in milliseconds; `None` where no ticket had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<Millis>,
    /// When it was decided.
    pub at: Millis,
}

/// One request inside a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// Derived from the chat and the number.
    pub id: Uuid,
    /// From 1, in the order of the chat's tickets.
    pub number: u32,
    /// Where it is; the status follows from it.
    pub reason: Reason,
    /// How it came to be.
    pub circumstance: Circumstance,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee_id: Option<Uuid>,
    /// The ticket that this one was merged into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<Uuid>,
    /// Messages of the owner since the last public answer.
    pub pending_chat_messages: u32,
    /// From 1; a reopen starts the next.
    pub episode: u32,
    /// Raised by every event of the ticket.
    pub version: u64,
    /// When it was made.
    pub created_at: Millis,
    /// When this episode was taken into work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ongoing_at: Option<Millis>,
    /// The first public answer by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_response_at: Option<Millis>,
    /// When it ended; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// The last event.
    pub updated_at: Millis,
    /// Why the last message of the owner did what it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_decision: Option<Trace>,
}

impl Ticket {
    /// Follows from the reason.
    #[must_use]
    pub fn status(&self) -> Status {
        self.reason.status()
    }

    /// Not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.status() != Status::Inactive
    }
}
