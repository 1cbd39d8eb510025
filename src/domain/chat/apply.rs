//! From events to the state: replaying a chat's events in order rebuilds it.

use super::{Chat, PARKED_MAX, REACHABLE_TICKETS_MAX};
use crate::domain::event::TicketField;
use crate::domain::message::MessageStatus;
use crate::domain::ticket::{RATINGS_MAX, Rating, Reason, Status, Ticket};
use crate::domain::{ActorKind, Decision, Event, EventBody, Message, Millis, id};

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other events are those of tickets, or of other aggregates"
)]
pub(super) fn apply_body(chat: &mut Chat, event: &Event) {
    match &event.body {
        EventBody::ChatCreated { channel_id, owner } => {
            chat.channel_id = *channel_id;
            chat.owner = owner.clone();
        }
        EventBody::ChatUpdated { to, .. } => chat.owner.profile = to.clone(),
        EventBody::ChatResponderChanged { to, owns, epoch, .. } => {
            chat.responder.clone_from(to);
            chat.responder_owns = *owns;
            chat.responder_epoch = *epoch;
        }
        EventBody::ChatPolicyChanged { to, .. } => chat.auto_close_after_ms = *to,
        EventBody::ChatOwnerBlocked {} => chat.owner.blocked = true,
        EventBody::ChatOwnerUnblocked {} => chat.owner.blocked = false,
        EventBody::ChatRemoved {} => chat.removed_at = Some(event.at),
        EventBody::ChatRestored {} => chat.removed_at = None,
        EventBody::MessageParked { parked } => {
            if chat.parked.len() >= PARKED_MAX {
                chat.parked.remove(0);
            }
            chat.parked.push((**parked).clone());
        }
        EventBody::MessageStatusChanged {
            external_id: Some(external_id),
            ..
        } => unpark(chat, external_id),
        EventBody::MessageReceived { message } => received(chat, event, message),
        EventBody::MessageSent { message } => {
            if message.author.kind != ActorKind::Rule {
                chat.unanswered = 0;
            }
            apply_ticket(chat, event);
        }
        EventBody::TicketCreated { .. } => create(chat, event),
        EventBody::TicketMerged { target, .. } => merge(chat, event, target),
        _ if event.body.is_of_ticket() => apply_ticket(chat, event),
        _ => {}
    }
}

fn unpark(chat: &mut Chat, external_id: &str) {
    chat.parked.retain(|parked| parked.external_id != external_id);
}

fn received(chat: &mut Chat, event: &Event, message: &Message) {
    if let Some(external_id) = &message.external_id {
        unpark(chat, external_id);
    }
    match message.trace.as_ref().map(|trace| trace.decision) {
        Some(Decision::Silenced) => {}
        Some(Decision::ToResponder) => chat.unanswered = chat.unanswered.saturating_add(1),
        _ => apply_ticket(chat, event),
    }
}

/// Changes the ticket that an event is of. An earlier one is not held here: where to read it is.
fn apply_ticket(chat: &mut Chat, event: &Event) {
    let current = chat.current_ticket().map(|ticket| ticket.number);
    let number = event.ticket.as_ref().map(|ticket| ticket.number).or(current);
    let Some(number) = number else { return };
    note_seq(chat, number, event.seq);
    if Some(number) == current
        && let Some(ticket) = chat.current_ticket_mut()
    {
        change_ticket(ticket, event);
    }
}

fn note_seq(chat: &mut Chat, number: u32, seq: u64) {
    chat.ticket_seqs.insert(number, seq);
    if chat.ticket_seqs.len() > REACHABLE_TICKETS_MAX {
        chat.ticket_seqs.pop_first();
    }
}

fn create(chat: &mut Chat, event: &Event) {
    let EventBody::TicketCreated {
        number,
        reason,
        circumstance,
        subject,
        trace,
    } = &event.body
    else {
        return;
    };
    let unanswered = std::mem::take(&mut chat.unanswered);
    let before = chat.current_ticket();
    let last_handler_id = before.and_then(|ticket| ticket.assignee_id.or(ticket.last_handler_id));
    chat.merge_target = None;
    chat.last_ticket = Some(Box::new(Ticket {
        id: id::ticket(chat.id, *number),
        number: *number,
        reason: *reason,
        circumstance: *circumstance,
        subject: subject.clone(),
        summary: String::new(),
        priority: crate::domain::Priority::default(),
        assignee_id: None,
        last_handler_id,
        team_id: None,
        tags: Vec::new(),
        fields: std::collections::BTreeMap::new(),
        ratings: Vec::new(),
        merged_into: None,
        pending_chat_messages: unanswered,
        waiting_since: (unanswered > 0).then_some(event.at),
        episode: 1,
        version: 1,
        created_at: event.at,
        opened_at: event.at,
        active_at: event.at,
        ongoing_at: None,
        first_response_at: None,
        ended_at: None,
        hold_until: None,
        former_reasons: Vec::new(),
        last_viewed_at: None,
        updated_at: event.at,
        last_decision: trace.clone(),
    }));
    note_seq(chat, *number, event.seq);
}

fn merge(chat: &mut Chat, event: &Event, target: &Ticket) {
    let current = chat.current_ticket().map(|ticket| ticket.number);
    let Some(source) = event.ticket.as_ref().map(|ticket| ticket.number).or(current) else {
        return;
    };
    note_seq(chat, source, event.seq);
    for alias in chat.aliases.values_mut().filter(|alias| **alias == source) {
        *alias = target.number;
    }
    chat.aliases.insert(source, target.number);
    if Some(source) != current {
        return;
    }
    if let Some(ticket) = chat.current_ticket_mut() {
        change_ticket(ticket, event);
    }
    chat.merge_target = Some(Box::new(target.clone()));
}

/// What an event does to the ticket that it is of.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other events change nothing of a ticket but its version"
)]
pub(super) fn change_ticket(ticket: &mut Ticket, event: &Event) {
    ticket.version = ticket.version.saturating_add(1);
    ticket.updated_at = event.at;
    match &event.body {
        EventBody::MessageReceived { message } => {
            ticket.pending_chat_messages = ticket.pending_chat_messages.saturating_add(1);
            ticket.waiting_since.get_or_insert(event.at);
            ticket.last_decision.clone_from(&message.trace);
            ticket.active_at = event.at;
        }
        EventBody::MessageSent { message } => sent(ticket, message, event.at),
        EventBody::TicketStatusChanged { from, to, until, .. } => {
            ticket.hold_until = *until;
            change_reason(ticket, *from, *to, event.at);
        }
        EventBody::TicketMerged { from, into, .. } => {
            change_reason(ticket, *from, Reason::Merged, event.at);
            ticket.merged_into = Some(*into);
            ticket.hold_until = None;
        }
        EventBody::TicketAssigneeChanged { from, to } => {
            ticket.last_handler_id = from.or(ticket.last_handler_id);
            ticket.assignee_id = *to;
        }
        EventBody::TicketTeamChanged { to, .. } => ticket.team_id = *to,
        EventBody::TicketTakenOver { .. } => ticket.circumstance = crate::domain::Circumstance::Takeover,
        EventBody::TicketHandedOver { .. } => ticket.circumstance = crate::domain::Circumstance::Handover,
        EventBody::TicketTagAdded { tag_id } => ticket.tags.push(*tag_id),
        EventBody::TicketTagRemoved { tag_id } => ticket.tags.retain(|tag| tag != tag_id),
        EventBody::TicketFieldChanged { field, to, .. } => change_field(ticket, *field, to),
        EventBody::TicketSummaryChanged { to, .. } => ticket.summary.clone_from(to),
        EventBody::TicketViewed {} => ticket.last_viewed_at = Some(event.at),
        EventBody::TicketRated { rating, .. } => rate(ticket, rating),
        _ => {}
    }
}

fn sent(ticket: &mut Ticket, message: &Message, at: Millis) {
    debug_assert_eq!(message.status, MessageStatus::Queued, "as it is stored first");
    // what a rule sends by itself is no answer
    if message.author.kind == ActorKind::Rule {
        return;
    }
    ticket.pending_chat_messages = 0;
    ticket.waiting_since = None;
    ticket.active_at = at;
    if message.author.kind != ActorKind::Bot && ticket.first_response_at.is_none() {
        ticket.first_response_at = Some(at);
    }
}

fn change_reason(ticket: &mut Ticket, from: Reason, to: Reason, at: Millis) {
    ticket.reason = to;
    ticket.active_at = at;
    match (from.status(), to.status()) {
        (Status::New, Status::Active) => ticket.ongoing_at = Some(at),
        (Status::Inactive, Status::Active) => {
            ticket.episode = ticket.episode.saturating_add(1);
            ticket.opened_at = at;
            ticket.ongoing_at = Some(at);
            ticket.ended_at = None;
            ticket.former_reasons.clear();
        }
        (Status::Active, Status::Inactive) => {
            ticket.ended_at = Some(at);
            ticket.waiting_since = None;
        }
        (Status::Inactive, Status::Inactive) => {
            if ticket.former_reasons.last() == Some(&to) {
                ticket.former_reasons.pop();
            } else {
                ticket.former_reasons.push(from);
            }
        }
        _ => {}
    }
}

fn change_field(ticket: &mut Ticket, field: TicketField, to: &serde_json::Value) {
    match field {
        TicketField::Subject => ticket.subject = to.as_str().map(str::to_owned),
        TicketField::Priority => ticket.priority = serde_json::from_value(to.clone()).unwrap_or_default(),
        TicketField::Custom(id) if to.is_null() => {
            ticket.fields.remove(&id);
        }
        TicketField::Custom(id) => {
            ticket.fields.insert(id, to.clone());
        }
    }
}

fn rate(ticket: &mut Ticket, rating: &Rating) {
    ticket.ratings.retain(|known| known.episode != rating.episode);
    if ticket.ratings.len() >= RATINGS_MAX {
        ticket.ratings.remove(0);
    }
    ticket.ratings.push(rating.clone());
}
