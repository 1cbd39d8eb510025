//! Who answers a chat: the responder or people, and how it goes from one to the other.

use uuid::Uuid;

use super::draft::{Draft, refuse};
use super::lifecycle::see_chat;
use crate::domain::Rejection;
use crate::domain::aggregate::Receipt;
use crate::domain::command::{SUMMARY_MAX_BYTES, check_text};
use crate::domain::event::EventBody;
use crate::domain::ticket::{Circumstance, Reason, Status, Ticket};

/// The responder gives the chat to people: into its open ticket, or a new one.
pub(super) fn handover(
    draft: &mut Draft<'_>,
    team_id: Option<Uuid>,
    summary: Option<&str>,
) -> Result<Receipt, Rejection> {
    check_text("summary", summary.unwrap_or_default(), SUMMARY_MAX_BYTES)?;
    draft.rules.check_team(team_id)?;
    see_chat(draft);
    let open = draft.chat.current_ticket().is_some_and(Ticket::is_open);
    if !open {
        draft.create(Reason::Handover, Circumstance::Handover, None, None);
    }
    let current = draft.ticket().and_then(|ticket| ticket.team_id);
    draft.assign_team(team_id.or(current).or(draft.rules.policy.default_team_id));
    if let Some(summary) = summary {
        let from = draft.the_ticket()?.summary.clone();
        let to = summary.to_owned();
        if from != to {
            draft.emit(EventBody::TicketSummaryChanged { from, to });
        }
    }
    draft.emit(EventBody::TicketHandedOver {
        team_id,
        summary: summary.map(str::to_owned),
    });
    let (responder, epoch) = (draft.chat.responder.clone(), draft.chat.responder_epoch);
    draft.change_responder(responder, false, epoch);
    Ok(Receipt::default())
}

/// A person takes an open ticket, whoever has it; what the responder still sends is refused.
pub(super) fn takeover(draft: &mut Draft<'_>, agent_id: Uuid) -> Result<Receipt, Rejection> {
    let from = draft.the_ticket()?.reason;
    draft.refuse_earlier()?;
    if from.status() == Status::Inactive {
        return Err(refuse(from, Reason::InProgress));
    }
    draft.rules.check_agent(Some(agent_id))?;
    take_over(draft, agent_id)?;
    Ok(Receipt::default())
}

/// A person takes a chat: its open ticket, or a new one.
pub(super) fn takeover_chat(draft: &mut Draft<'_>, agent_id: Uuid) -> Result<Receipt, Rejection> {
    draft.rules.check_agent(Some(agent_id))?;
    see_chat(draft);
    open_for_person(draft);
    take_over(draft, agent_id)?;
    Ok(Receipt::default())
}

/// A ticket for a person who speaks up where the responder had the chat alone.
pub(super) fn open_for_person(draft: &mut Draft<'_>) {
    let open = draft.chat.current_ticket().is_some_and(Ticket::is_open);
    if !open {
        draft.create(Reason::Manual, Circumstance::Takeover, None, None);
        let team = draft.rules.policy.default_team_id;
        draft.assign_team(team);
    }
}

fn take_over(draft: &mut Draft<'_>, agent_id: Uuid) -> Result<(), Rejection> {
    draft.take_in()?;
    draft.assign(Some(agent_id));
    draft.emit(EventBody::TicketTakenOver { agent_id });
    draft.give_to_person(Some(agent_id));
    Ok(())
}
