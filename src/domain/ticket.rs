//! A ticket: one request inside a chat, and its status machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Millis, Trace};

/// The most tags of one ticket.
pub const TAGS_MAX: usize = 50;
/// The most ratings that a ticket keeps, one an episode; every one is in its events.
pub const RATINGS_MAX: usize = 32;

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

    /// Every reason, NEW, ACTIVE, INACTIVE.
    pub const ALL: [Self; 13] = [
        Self::Inbound,
        Self::Manual,
        Self::Handover,
        Self::Outbound,
        Self::InProgress,
        Self::PendingCustomer,
        Self::OnHold,
        Self::Completed,
        Self::Closed,
        Self::AutoClosed,
        Self::Spam,
        Self::Merged,
        Self::Deleted,
    ];

    /// Whether one step leads from here to `to`. Back from SPAM and DELETED also leads to where the ticket came from,
    /// which only the ticket knows.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are no way to end")]
    pub fn can_become(self, to: Self) -> bool {
        match (self.status(), to.status()) {
            (Status::New, _) => to == Self::InProgress,
            (Status::Active, Status::Active) => self != to || to == Self::OnHold,
            (Status::Active, Status::Inactive) => true,
            (_, Status::New) => false,
            (Status::Inactive, Status::Active) => to == Self::InProgress && self != Self::Merged,
            (Status::Inactive, Status::Inactive) => match to {
                Self::Deleted => self.is_restorable() || self == Self::Spam,
                Self::Spam | Self::Merged => self.is_restorable(),
                _ => false,
            },
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

/// How urgent a ticket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Priority {
    Low,
    #[default]
    Medium,
    High,
    Urgent,
}

impl Priority {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Urgent => "URGENT",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the owner thinks of how they were served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rating {
    /// 1 poor, 2 normal, 3 good.
    pub score: u8,
    /// Their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Of which episode.
    pub episode: u32,
    /// When the first rating of the episode came.
    pub created_at: Millis,
    /// When the last one came, which is this.
    pub updated_at: Millis,
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
    /// What it is about, in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What happened so far, for who comes next.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// How urgent it is.
    #[serde(default, skip_serializing_if = "Priority::is_default")]
    pub priority: Priority,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee_id: Option<Uuid>,
    /// Who worked on it, or on the chat's last ticket, before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handler_id: Option<Uuid>,
    /// Which team works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<Uuid>,
    /// In the order they were added; at most [`TAGS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Uuid>,
    /// By the field's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<Uuid, Value>,
    /// The last one of each episode, the last [`RATINGS_MAX`] episodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ratings: Vec<Rating>,
    /// The ticket that this one was merged into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<Uuid>,
    /// Messages of the owner since the last public answer.
    pub pending_chat_messages: u32,
    /// Since when the owner waits: the first message since the last public answer, in this episode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Millis>,
    /// From 1; a reopen starts the next.
    pub episode: u32,
    /// Raised by every event of the ticket.
    pub version: u64,
    /// When it was made.
    pub created_at: Millis,
    /// When this episode began: it was made or reopened.
    pub opened_at: Millis,
    /// The last message or change of status: inactivity counts from here.
    pub active_at: Millis,
    /// When this episode was taken into work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ongoing_at: Option<Millis>,
    /// The first public answer by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_response_at: Option<Millis>,
    /// When it ended; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// Until when it is on hold; none: until somebody resumes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<Millis>,
    /// Where it was when it had ended and was marked as spam or deleted: the way back, the last one first to go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_reasons: Vec<Reason>,
    /// When the assignee last looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_viewed_at: Option<Millis>,
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
