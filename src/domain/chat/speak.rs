//! What is said from inside, and tickets that begin with it.

use uuid::Uuid;

use super::draft::Draft;
use super::lifecycle::see_chat;
use super::{ChatResponder, receive, respond};
use crate::domain::aggregate::Receipt;
use crate::domain::command::{TEXT_MAX_BYTES, check_subject, check_text};
use crate::domain::event::{EventBody, Profile};
use crate::domain::message::{Content, Direction, MessageStatus, Visibility};
use crate::domain::people::ResponderEntity;
use crate::domain::ticket::{Circumstance, Reason, Status, Ticket};
use crate::domain::{Actor, ActorKind, Message, Rejection};

fn outgoing(draft: &Draft<'_>, author: Actor, content: &Content, visibility: Visibility) -> Message {
    Message {
        direction: Direction::Outgoing,
        visibility,
        author,
        external_id: None,
        content: content.clone(),
        status: MessageStatus::Queued,
        sent_at: draft.now,
        received_at: draft.now,
        trace: None,
    }
}

fn said(message_seq: u64) -> Receipt {
    Receipt {
        message_seq: Some(message_seq),
        ..Receipt::default()
    }
}

/// An agent, or the key alone.
fn person(draft: &Draft<'_>, agent_id: Option<Uuid>) -> Actor {
    agent_id.map_or_else(
        || draft.command.actor.clone(),
        |agent_id| Actor::new(ActorKind::Agent, agent_id.to_string()),
    )
}

pub(super) fn send(
    draft: &mut Draft<'_>,
    content: &Content,
    agent_id: Option<Uuid>,
    responder_epoch: Option<u32>,
) -> Result<Receipt, Rejection> {
    content.check()?;
    draft.rules.check_agent(agent_id)?;
    let epoch = draft.chat.responder_epoch;
    if responder_epoch.is_some_and(|of_reply| of_reply < epoch) {
        return Err(Rejection::StaleResponder { epoch });
    }
    let author = if responder_epoch.is_some() {
        speak_as_bot(draft)
    } else {
        speak_up(draft, agent_id)?;
        person(draft, agent_id)
    };
    let message = outgoing(draft, author, content, Visibility::Public);
    Ok(said(draft.say(|message| EventBody::MessageSent { message }, message)))
}

/// A bot that answers is the chat's responder, so that a person who comes after it takes the chat from it.
fn speak_as_bot(draft: &mut Draft<'_>) -> Actor {
    let by_bot = |responder: &&ChatResponder| responder.entity == ResponderEntity::Agent;
    let known = draft
        .chat
        .responder
        .as_ref()
        .filter(by_bot)
        .map(|responder| responder.id);
    let configured = draft.rules.responder();
    let of_key = draft
        .command
        .actor
        .id
        .as_deref()
        .and_then(|id| Uuid::try_parse(id).ok());
    let id = known
        .or(configured.as_ref().map(|responder| responder.id))
        .unwrap_or(of_key.unwrap_or_default());
    if known.is_none() {
        let responder = configured.unwrap_or(ChatResponder::bot(id));
        let (owns, epoch) = (draft.chat.responder_owns, draft.chat.responder_epoch);
        draft.change_responder(Some(responder), owns, epoch);
    }
    Actor::new(ActorKind::Bot, id.to_string())
}

/// The first answer of a person takes a NEW ticket into work, and the chat from the responder.
fn speak_up(draft: &mut Draft<'_>, agent_id: Option<Uuid>) -> Result<(), Rejection> {
    let answered_by_bot = draft.chat.is_answered_by_bot();
    if draft.chat.responder_owns {
        respond::open_for_person(draft);
    }
    let Some(ticket) = draft.ticket() else { return Ok(()) };
    let (status, unassigned) = (ticket.status(), ticket.assignee_id.is_none());
    if status == Status::New {
        draft.take_in()?;
        if unassigned && agent_id.is_some() {
            draft.assign(agent_id);
        }
    }
    if answered_by_bot {
        draft.give_to_person(agent_id);
    }
    Ok(())
}

pub(super) fn send_outbound(
    draft: &mut Draft<'_>,
    content: &Content,
    profile: &Profile,
    subject: Option<&str>,
) -> Result<Receipt, Rejection> {
    content.check()?;
    profile.check()?;
    check_subject(subject)?;
    receive::meet_owner(draft, profile)?;
    see_chat(draft);
    if !draft.chat.current_ticket().is_some_and(Ticket::is_open) {
        draft.create(Reason::Outbound, Circumstance::Outbound, subject, None);
        let team = draft.rules.policy.default_team_id;
        draft.assign_team(team);
    }
    let message = outgoing(draft, draft.command.actor.clone(), content, Visibility::Public);
    Ok(said(draft.say(|message| EventBody::MessageSent { message }, message)))
}

/// The text of a comment or review opens the ticket as a note; the private reply, if there is one, follows it.
pub(super) fn open_from_post(
    draft: &mut Draft<'_>,
    profile: &Profile,
    content: &Content,
    reply: Option<&Content>,
) -> Result<Receipt, Rejection> {
    if let Some(reply) = reply {
        reply.check()?;
    }
    receive::meet_owner(draft, profile)?;
    see_chat(draft);
    if !draft.chat.current_ticket().is_some_and(Ticket::is_open) {
        draft.create(Reason::Manual, Circumstance::Manual, None, None);
        let team = draft.rules.policy.default_team_id;
        draft.assign_team(team);
    }
    let author = Actor {
        name: profile.name.clone(),
        ..Actor::new(ActorKind::Owner, draft.chat.owner.external_id.clone())
    };
    let note = outgoing(draft, author, content, Visibility::Note);
    let mut message_seq = draft.say(|message| EventBody::NoteAdded { message }, note);
    if let Some(reply) = reply {
        let message = outgoing(draft, draft.command.actor.clone(), reply, Visibility::Public);
        message_seq = draft.say(|message| EventBody::MessageSent { message }, message);
    }
    Ok(said(message_seq))
}

pub(super) fn note(draft: &mut Draft<'_>, text: &str, agent_id: Option<Uuid>) -> Result<Receipt, Rejection> {
    if text.trim().is_empty() {
        return Err(Rejection::invalid("text", "a text that is not blank"));
    }
    check_text("text", text, TEXT_MAX_BYTES)?;
    draft.rules.check_agent(agent_id)?;
    draft.the_ticket()?;
    let content = Content {
        text: Some(text.to_owned()),
        attachments: Vec::new(),
    };
    let note = outgoing(draft, person(draft, agent_id), &content, Visibility::Note);
    Ok(said(draft.say(|message| EventBody::NoteAdded { message }, note)))
}
