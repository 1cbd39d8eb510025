//! From events to the state: replaying a chat's events in order rebuilds it.

use super::{Chat, is_off_ticket};
use crate::domain::ticket::{Decision, Reason, Status, Ticket};
use crate::domain::{ActorKind, Event, EventBody, Message, Millis, id};

pub(super) fn apply_body(chat: &mut Chat, event: &Event) {
    match &event.body {
        EventBody::ChatCreated { channel_id, owner } => {
            chat.channel_id = *channel_id;
            chat.owner = owner.clone();
        }
        EventBody::ChatUpdated { to, .. } => chat.owner.profile = to.clone(),
        EventBody::MessageReceived { message } => apply_received(chat, event, message),
        EventBody::MessageSent { message } => apply_sent(chat, event, message),
        EventBody::TicketCreated {
            number,
            reason,
            circumstance,
            trace,
        } => {
            chat.responder_owns = false;
            chat.merge_target = None;
            chat.last_ticket = Some(Box::new(Ticket {
                id: id::ticket(chat.id, *number),
                number: *number,
                reason: *reason,
                circumstance: *circumstance,
                assignee_id: None,
                merged_into: None,
                pending_chat_messages: 0,
                episode: 1,
                version: 1,
                created_at: event.at,
                ongoing_at: None,
                first_response_at: None,
                ended_at: None,
                updated_at: event.at,
                last_decision: trace.clone(),
            }));
        }
        EventBody::TicketStatusChanged { from, to, .. } => {
            touch(chat, event, |ticket| {
                change_reason(ticket, *from, *to, event.at);
            });
        }
        EventBody::TicketAssigneeChanged { to, .. } => {
            touch(chat, event, |ticket| ticket.assignee_id = *to);
        }
        EventBody::MessageEdited { .. }
        | EventBody::WorkspaceCreated { .. }
        | EventBody::ChannelCreated { .. }
        | EventBody::ChannelUpdated { .. }
        | EventBody::AgentCreated { .. }
        | EventBody::KeyCreated { .. } => {}
    }
}

fn touch(chat: &mut Chat, event: &Event, change: impl FnOnce(&mut Ticket)) {
    if let Some(ticket) = chat.current_ticket_mut() {
        ticket.version = ticket.version.saturating_add(1);
        ticket.updated_at = event.at;
        change(ticket);
    }
}

fn change_reason(ticket: &mut Ticket, from: Reason, to: Reason, at: Millis) {
    ticket.reason = to;
    match (from.status(), to.status()) {
        (Status::New, Status::Active) => ticket.ongoing_at = Some(at),
        (Status::Inactive, Status::Active) => {
            ticket.episode = ticket.episode.saturating_add(1);
            ticket.ongoing_at = Some(at);
            ticket.ended_at = None;
        }
        (_, Status::Inactive) => ticket.ended_at = Some(at),
        _ => {}
    }
}

fn apply_received(chat: &mut Chat, event: &Event, message: &Message) {
    if is_off_ticket(&event.body) {
        let to_responder = message
            .trace
            .as_ref()
            .is_some_and(|trace| trace.decision == Decision::ToResponder);
        chat.responder_owns |= to_responder;
        return;
    }
    touch(chat, event, |ticket| {
        ticket.pending_chat_messages = ticket.pending_chat_messages.saturating_add(1);
        ticket.last_decision.clone_from(&message.trace);
    });
}

fn apply_sent(chat: &mut Chat, event: &Event, message: &Message) {
    touch(chat, event, |ticket| {
        ticket.pending_chat_messages = 0;
        if message.author.kind != ActorKind::Bot && ticket.first_response_at.is_none() {
            ticket.first_response_at = Some(event.at);
        }
    });
}
