//! What an incoming message did, and why.

use serde::{Deserialize, Serialize};

use super::Millis;

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
