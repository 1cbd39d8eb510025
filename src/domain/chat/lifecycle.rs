//! A ticket's way through its statuses.

use uuid::Uuid;

use super::draft::{Draft, refuse};
use crate::domain::aggregate::{Aggregate as _, Receipt};
use crate::domain::command::check_subject;
use crate::domain::event::EventBody;
use crate::domain::policy::InboundMode;
use crate::domain::ticket::{Circumstance, Reason, Status, Ticket};
use crate::domain::{Millis, Rejection};

/// The furthest that a hold may reach, in milliseconds: ten years.
const HOLD_MAX_MS: Millis = 315_576_000_000;

/// Opens a ticket by hand.
pub(super) fn open(
    draft: &mut Draft<'_>,
    subject: Option<&str>,
    (assignee_id, is_taken): (Option<Uuid>, bool),
    team_id: Option<Uuid>,
) -> Result<Receipt, Rejection> {
    check_subject(subject)?;
    refuse_open(draft)?;
    see_chat(draft);
    draft.rules.check_agent(assignee_id)?;
    draft.rules.check_team(team_id)?;
    draft.create(Reason::Manual, Circumstance::Manual, subject, None);
    draft.assign_team(team_id.or(draft.rules.policy.default_team_id));
    if assignee_id.is_some() && is_taken {
        give(draft, assignee_id)?;
    } else {
        draft.assign(assignee_id);
    }
    Ok(Receipt::default())
}

/// At most one ticket of a chat is open.
pub(super) fn refuse_open(draft: &Draft<'_>) -> Result<(), Rejection> {
    match draft.chat.current_ticket() {
        Some(ticket) if ticket.is_open() => Err(Rejection::AlreadyOpen { ticket_id: ticket.id }),
        _ => Ok(()),
    }
}

/// A chat in which something is begun is in sight again.
pub(super) fn see_chat(draft: &mut Draft<'_>) {
    if draft.chat.removed_at.is_some() {
        draft.emit(EventBody::ChatRestored {});
    }
}

/// Gives the ticket to an agent, or to nobody; the responder has it no longer once a person has.
pub(super) fn give(draft: &mut Draft<'_>, agent_id: Option<Uuid>) -> Result<(), Rejection> {
    let takes_over = agent_id.is_some() && draft.chat.is_answered_by_bot() && !draft.is_earlier();
    if agent_id.is_some() {
        draft.take_in()?;
    }
    draft.assign(agent_id);
    if takes_over {
        draft.give_to_person(agent_id);
    }
    Ok(())
}

pub(super) fn take(draft: &mut Draft<'_>, agent_id: Uuid) -> Result<Receipt, Rejection> {
    let from = draft.the_ticket()?.reason;
    if from.status() != Status::New {
        return Err(refuse(from, Reason::InProgress));
    }
    draft.rules.check_agent(Some(agent_id))?;
    give(draft, Some(agent_id))?;
    Ok(Receipt::default())
}

pub(super) fn assign(
    draft: &mut Draft<'_>,
    agent_id: Option<Option<Uuid>>,
    team_id: Option<Option<Uuid>>,
) -> Result<Receipt, Rejection> {
    draft.rules.check_agent(agent_id.flatten())?;
    draft.rules.check_team(team_id.flatten())?;
    if let Some(team_id) = team_id {
        draft.assign_team(team_id);
    }
    if let Some(agent_id) = agent_id {
        give(draft, agent_id)?;
    }
    Ok(Receipt::default())
}

/// Assigns what nobody has; refused once somebody has it, or it ended.
pub(super) fn offer(draft: &mut Draft<'_>, agent_id: Uuid) -> Result<Receipt, Rejection> {
    let ticket = draft.the_ticket()?;
    let taken = ticket.assignee_id.is_some() || draft.chat.responder_owns;
    if draft.is_earlier() || !ticket.is_open() || taken {
        return Err(Rejection::AlreadyAssigned);
    }
    give(draft, Some(agent_id))?;
    Ok(Receipt::default())
}

pub(super) fn end(draft: &mut Draft<'_>, reason: Reason) -> Result<Receipt, Rejection> {
    let from = draft.the_ticket()?.reason;
    if from.status() != Status::Active {
        return Err(refuse(from, reason));
    }
    draft.change_status(reason, None)?;
    give_back(draft);
    Ok(Receipt::default())
}

/// In mode RESPONDER the responder has the chat again once its ticket has ended.
fn give_back(draft: &mut Draft<'_>) {
    if draft.rules.policy.inbound_mode == InboundMode::Responder {
        let responder = draft.rules.responder().or(draft.chat.responder.clone());
        draft.change_responder(responder, true, draft.chat.responder_epoch);
    }
}

/// By hand, at any time: whoever had it keeps it.
pub(super) fn reopen(draft: &mut Draft<'_>) -> Result<Receipt, Rejection> {
    let from = draft.the_ticket()?.reason;
    if !from.is_restorable() {
        return Err(refuse(from, Reason::InProgress));
    }
    draft.refuse_earlier()?;
    see_chat(draft);
    draft.change_status(Reason::InProgress, None)?;
    let assignee_id = draft.ticket().and_then(|ticket| ticket.assignee_id);
    if draft.chat.is_answered_by_bot() {
        draft.give_to_person(assignee_id);
    }
    Ok(Receipt::default())
}

pub(super) fn hold(draft: &mut Draft<'_>, until: Option<Millis>) -> Result<Receipt, Rejection> {
    let from = draft.the_ticket()?.reason;
    if from.status() != Status::Active {
        return Err(refuse(from, Reason::OnHold));
    }
    let latest = draft.now.saturating_add(HOLD_MAX_MS);
    if until.is_some_and(|until| until <= draft.now || until > latest) {
        return Err(Rejection::invalid("until", "a time in the next ten years"));
    }
    draft.emit(EventBody::TicketStatusChanged {
        from,
        to: Reason::OnHold,
        until,
        trace: None,
    });
    Ok(Receipt::default())
}

/// ACTIVE to ACTIVE: waiting for the customer, or in progress again.
pub(super) fn step_active(draft: &mut Draft<'_>, to: Reason) -> Result<Receipt, Rejection> {
    let from = draft.the_ticket()?.reason;
    if from.status() != Status::Active {
        return Err(refuse(from, to));
    }
    draft.change_status(to, None)?;
    Ok(Receipt::default())
}

/// To SPAM or DELETED. A NEW ticket goes through ACTIVE on the way.
pub(super) fn put_away(draft: &mut Draft<'_>, to: Reason) -> Result<Receipt, Rejection> {
    let from = draft.the_ticket()?.reason;
    pass_active(draft, from);
    draft.change_status(to, None)?;
    Ok(Receipt::default())
}

/// Two legal transitions instead of one that is not.
pub(super) fn pass_active(draft: &mut Draft<'_>, from: Reason) {
    if from.status() == Status::New {
        draft.emit_synthetic(EventBody::TicketStatusChanged {
            from,
            to: Reason::InProgress,
            until: None,
            trace: None,
        });
    }
}

/// From SPAM or DELETED back to where the ticket came from: ACTIVE, or how it had ended.
pub(super) fn bring_back(draft: &mut Draft<'_>, from: Reason) -> Result<Receipt, Rejection> {
    let ticket = draft.the_ticket()?;
    let to = ticket.former_reasons.last().copied().unwrap_or(Reason::InProgress);
    if ticket.reason != from {
        return Err(refuse(ticket.reason, to));
    }
    if to.status() == Status::Active {
        draft.refuse_earlier()?;
    }
    draft.emit(EventBody::TicketStatusChanged {
        from,
        to,
        until: None,
        trace: None,
    });
    Ok(Receipt::default())
}

/// Does what is due: a hold ends, or a ticket that nobody spoke in.
pub(super) fn elapse(draft: &mut Draft<'_>) -> Result<Receipt, Rejection> {
    draft.note_policy();
    let due = draft.chat.due().is_some_and(|due| due <= draft.now);
    match draft.chat.current_ticket().map(|ticket: &Ticket| ticket.reason) {
        Some(Reason::OnHold) if due => {
            draft.by_rule("hold_until");
            draft.change_status(Reason::InProgress, None)?;
        }
        Some(_) if due => {
            draft.by_rule("auto_close");
            draft.change_status(Reason::AutoClosed, None)?;
            give_back(draft);
        }
        _ => {}
    }
    Ok(Receipt::default())
}
