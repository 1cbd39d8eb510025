//! What an incoming message does: the rules in their order, and nothing but the rules.

use super::decision::{Decision, Rule, Trace};
use super::policy::InboundMode;
use super::ticket::{Reason, Status};
use super::{ChannelPolicy, Chat, Millis};

/// Decides over a message that is not a repeat (rule 1 is the store's, which alone knows every key).
///
/// `sent_at` counts within `max_skew_ms` before `now`: a provider's late redelivery does not split tickets, and a
/// message sent before the close and received after it reopens.
#[must_use]
pub fn decide(chat: &Chat, policy: &ChannelPolicy, sent_at: Option<Millis>, now: Millis) -> Trace {
    let trace = |decision, rule| Trace {
        decision,
        rule,
        restore_period_ms: None,
        elapsed_ms: None,
        at: now,
    };
    let current = chat.current_ticket();
    if chat.owner.blocked {
        return trace(Decision::Silenced, Rule::OwnerBlocked);
    }
    if current.is_some_and(|ticket| ticket.reason == Reason::Spam) {
        return trace(Decision::Silenced, Rule::LastTicketSpam);
    }
    let Some(ticket) = current else {
        return match policy.inbound_mode {
            InboundMode::Responder => trace(Decision::ToResponder, Rule::NoTicketResponder),
            InboundMode::Ticket => trace(Decision::Created, Rule::NoTicket),
        };
    };
    if ticket.status() != Status::Inactive {
        return trace(Decision::Appended, Rule::TicketOpen);
    }
    if ticket.reason == Reason::Deleted {
        return trace(Decision::Created, Rule::LastTicketDeleted);
    }
    if policy.inbound_mode == InboundMode::Responder && chat.responder_owns {
        return trace(Decision::ToResponder, Rule::ResponderOwnsChat);
    }
    let earliest = now.saturating_sub(policy.max_skew_ms);
    let effective_at = sent_at.unwrap_or(now).clamp(earliest, now);
    let elapsed = effective_at.saturating_sub(ticket.ended_at.unwrap_or(now));
    let (decision, rule) = match policy.restore_period_ms {
        None => (Decision::Reopened, Rule::RestoreForever),
        // 0 is "always new", also for a message that was sent before the end
        Some(0) => (Decision::Created, Rule::AfterRestorePeriod),
        Some(period) if elapsed <= period => (Decision::Reopened, Rule::WithinRestorePeriod),
        Some(_) => (Decision::Created, Rule::AfterRestorePeriod),
    };
    Trace {
        restore_period_ms: policy.restore_period_ms,
        elapsed_ms: Some(elapsed),
        ..trace(decision, rule)
    }
}
