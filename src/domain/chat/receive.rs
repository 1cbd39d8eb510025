//! An incoming message.

use super::draft::Draft;
use super::{Owner, amend};
use crate::domain::aggregate::Receipt;
use crate::domain::command::Incoming;
use crate::domain::event::{EventBody, Profile};
use crate::domain::message::{Content, Direction, MessageStatus, Visibility};
use crate::domain::policy::OnReopen;
use crate::domain::ticket::{Circumstance, Reason};
use crate::domain::{Actor, ActorKind, Decision, Message, Rejection, Trace, incoming};

/// Begins the chat, or takes over what the provider now says of its owner.
pub(super) fn meet_owner(draft: &mut Draft<'_>, profile: &Profile) -> Result<(), Rejection> {
    if draft.chat.seq == 0 {
        let Some((channel_id, external_id)) = &draft.command.origin else {
            return Err(Rejection::NotFound { what: "chat" });
        };
        let owner = Owner {
            external_id: external_id.clone(),
            profile: profile.clone(),
            blocked: false,
        };
        draft.emit(EventBody::ChatCreated {
            channel_id: *channel_id,
            owner,
        });
        return Ok(());
    }
    let from = draft.chat.owner.profile.clone();
    let to = Profile {
        name: profile.name.clone().or(from.name.clone()),
        avatar: profile.avatar.clone().or(from.avatar.clone()),
    };
    if from != to {
        draft.emit(EventBody::ChatUpdated { from, to });
    }
    Ok(())
}

pub(super) fn receive(draft: &mut Draft<'_>, incoming: &Incoming) -> Result<Receipt, Rejection> {
    incoming.check()?;
    meet_owner(draft, &incoming.profile)?;
    let trace = incoming::decide(&draft.chat, &draft.rules.policy, incoming.sent_at, draft.now);
    if trace.decision != Decision::Silenced && draft.chat.removed_at.is_some() {
        draft.emit(EventBody::ChatRestored {});
    }
    place(draft, &trace)?;
    let message_seq = hear(draft, incoming, &trace);
    if let Some(external_id) = &incoming.external_id {
        amend::release(draft, external_id, (message_seq, false), MessageStatus::Received);
    }
    let off_ticket = matches!(trace.decision, Decision::Silenced | Decision::ToResponder);
    let ticket = draft.ticket().filter(|_| !off_ticket);
    let ticket_number = ticket.map(|ticket| ticket.number);
    answer_by_rule(draft, trace.decision);
    Ok(Receipt {
        trace: Some(trace),
        ticket_number,
        message_seq: Some(message_seq),
        ..Receipt::default()
    })
}

/// Opens or reopens the ticket that the message goes to.
fn place(draft: &mut Draft<'_>, trace: &Trace) -> Result<(), Rejection> {
    match trace.decision {
        Decision::Created => {
            draft.create(Reason::Inbound, Circumstance::Inbound, None, Some(trace.clone()));
            let team = draft.rules.policy.default_team_id;
            draft.assign_team(team);
            leave_to_people(draft);
        }
        Decision::Reopened => {
            draft.change_status(Reason::InProgress, Some(trace.clone()))?;
            leave_to_people(draft);
            hand_on(draft);
        }
        Decision::Appended => {
            let reason = draft.ticket().map(|ticket| ticket.reason);
            if matches!(reason, Some(Reason::PendingCustomer | Reason::OnHold)) {
                draft.change_status(Reason::InProgress, Some(trace.clone()))?;
            }
        }
        Decision::ToResponder => {
            let responder = draft.rules.responder().or(draft.chat.responder.clone());
            if !draft.chat.responder_owns {
                draft.change_responder(responder, true, draft.chat.responder_epoch);
            }
        }
        Decision::Silenced | Decision::Duplicate => {}
    }
    Ok(())
}

/// A ticket that a message opened is for people, also where the responder had the chat before.
fn leave_to_people(draft: &mut Draft<'_>) {
    let (responder, epoch) = (draft.chat.responder.clone(), draft.chat.responder_epoch);
    draft.change_responder(responder, false, epoch);
}

/// Who gets a ticket that a message reopened.
fn hand_on(draft: &mut Draft<'_>) {
    let assignee = draft.ticket().and_then(|ticket| ticket.assignee_id);
    let available = assignee.is_some_and(|agent_id| draft.rules.is_available(agent_id, draft.now));
    match draft.rules.policy.on_reopen {
        OnReopen::Keep => {}
        OnReopen::KeepIfAvailable if available => {}
        OnReopen::KeepIfAvailable | OnReopen::Queue => draft.assign(None),
        OnReopen::Bot => {
            draft.assign(None);
            let responder = draft.rules.responder();
            if responder.is_some() {
                draft.change_responder(responder, true, draft.chat.responder_epoch);
            }
        }
    }
}

fn hear(draft: &mut Draft<'_>, incoming: &Incoming, trace: &Trace) -> u64 {
    let author = Actor {
        name: incoming.author_name.clone(),
        ..Actor::new(ActorKind::Owner, draft.chat.owner.external_id.clone())
    };
    let message = Message {
        direction: Direction::Incoming,
        visibility: Visibility::Public,
        author,
        external_id: incoming.external_id.clone(),
        content: incoming.content.clone(),
        status: MessageStatus::Received,
        sent_at: incoming.sent_at.unwrap_or(draft.now),
        received_at: draft.now,
        trace: Some(trace.clone()),
    };
    draft.say(|message| EventBody::MessageReceived { message }, message)
}

/// The channel's own answer: that the office is closed, or a greeting.
fn answer_by_rule(draft: &mut Draft<'_>, decision: Decision) {
    let policy = &draft.rules.policy;
    let closed = !draft.rules.is_open(draft.now);
    let (rule, text) = match decision {
        Decision::Created | Decision::Reopened if closed && policy.out_of_hours_reply.is_some() => {
            ("out_of_hours", &policy.out_of_hours_reply)
        }
        Decision::Created => ("greeting", &policy.greeting),
        Decision::Appended | Decision::Reopened | Decision::Duplicate | Decision::Silenced | Decision::ToResponder => {
            return;
        }
    };
    let Some(text) = text.clone().filter(|text| !text.is_empty()) else {
        return;
    };
    draft.by_rule(rule);
    let message = Message {
        direction: Direction::Outgoing,
        visibility: Visibility::Public,
        author: draft.actor.clone(),
        external_id: None,
        content: Content {
            text: Some(text),
            attachments: Vec::new(),
        },
        status: MessageStatus::Queued,
        sent_at: draft.now,
        received_at: draft.now,
        trace: None,
    };
    draft.say(|message| EventBody::MessageSent { message }, message);
}
