//! Events in the making: each is applied to the state as it is made.

use uuid::Uuid;

use super::{Chat, ChatResponder, Place, apply};
use crate::domain::aggregate::{Aggregate as _, Decided, Receipt};
use crate::domain::command::{ChatCommand, ChatCommandBody, DedupeKey};
use crate::domain::event::{Cause, EventBody};
use crate::domain::message::Parked;
use crate::domain::ticket::{Circumstance, Reason, Status, Ticket};
use crate::domain::{Actor, ActorKind, Event, Message, Millis, Rejection, Rulebook, Trace, id};

/// Events of one command, each applied to the state as it is made.
pub(super) struct Draft<'a> {
    pub(super) chat: Chat,
    pub(super) command: &'a ChatCommand,
    pub(super) rules: &'a Rulebook,
    pub(super) now: Millis,
    /// Who does what comes next: who asked, or a rule.
    pub(super) actor: Actor,
    pub(super) message_id: Option<Uuid>,
    pub(super) keys: Vec<DedupeKey>,
    /// The ticket that the command is about, where that is not the current one.
    earlier: Option<Box<Ticket>>,
    /// What waited for its message when the command came.
    parked: Vec<Parked>,
    synthetic: bool,
    events: Vec<Event>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(chat: &Chat, command: &'a ChatCommand, rules: &'a Rulebook, now: Millis) -> Self {
        Self {
            chat: chat.clone(),
            command,
            rules,
            now,
            actor: command.actor.clone(),
            message_id: None,
            keys: Vec::new(),
            earlier: None,
            parked: chat.parked.clone(),
            synthetic: false,
            events: Vec::new(),
        }
    }

    /// The ticket that the command is about.
    pub(super) fn ticket(&self) -> Option<&Ticket> {
        self.earlier.as_deref().or_else(|| self.chat.current_ticket())
    }

    /// The ticket that the command is about, which must be there.
    pub(super) fn the_ticket(&self) -> Result<&Ticket, Rejection> {
        self.ticket().ok_or(Rejection::NotFound { what: "ticket" })
    }

    /// An earlier ticket as its last event left it.
    pub(super) fn earlier_ticket(&self, number: u32) -> Result<Box<Ticket>, Rejection> {
        let seq = self.chat.ticket_seqs.get(&number).copied();
        seq.and_then(|seq| self.command.found.event(seq))
            .and_then(|event| event.ticket.clone())
            .ok_or(Rejection::NotFound { what: "ticket" })
    }

    /// Makes the ticket with this id the one that the command is about.
    pub(super) fn go_to(&mut self, ticket_id: Uuid) -> Result<(), Rejection> {
        self.earlier = match self.chat.place(ticket_id)? {
            Place::Current => None,
            Place::Earlier(number) => Some(self.earlier_ticket(number)?),
        };
        Ok(())
    }

    pub(super) fn is_earlier(&self) -> bool {
        self.earlier.is_some()
    }

    /// Only the last ticket of a chat can be open.
    pub(super) fn refuse_earlier(&self) -> Result<(), Rejection> {
        match (&self.earlier, &self.chat.last_ticket) {
            (Some(_), Some(last)) => Err(Rejection::TicketSuperseded {
                last_ticket_id: last.id,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn expect_version(&self, expected: Option<u64>) -> Result<(), Rejection> {
        let ticket = self.the_ticket()?;
        if expected.is_some_and(|expected| expected != ticket.version) {
            return Err(Rejection::VersionConflict {
                ticket: Box::new(ticket.clone()),
            });
        }
        Ok(())
    }

    pub(super) fn emit(&mut self, body: EventBody) {
        let of_ticket = body.is_of_ticket();
        let mut event = Event {
            workspace_id: if self.chat.seq == 0 {
                self.command.workspace_id
            } else {
                self.chat.workspace_id
            },
            aggregate_id: self.chat.id,
            seq: self.chat.seq.saturating_add(1),
            version: self.chat.version.saturating_add(1),
            at: self.now,
            actor: self.actor.clone(),
            cause: Cause {
                command_id: self.command.id,
                message_id: self.message_id,
            },
            synthetic: self.synthetic,
            body,
            ticket: None,
        };
        if of_ticket && let Some(mut ticket) = self.earlier.take() {
            apply::change_ticket(&mut ticket, &event);
            event.ticket = Some(ticket.clone());
            self.earlier = Some(ticket);
        }
        let version = self.chat.version;
        let merged = matches!(event.body, EventBody::TicketMerged { .. }) && self.earlier.is_none();
        if merged && let Some(source) = self.chat.current_ticket() {
            // afterwards another ticket is the current one
            let mut source = source.clone();
            apply::change_ticket(&mut source, &event);
            event.ticket = Some(Box::new(source));
        }
        self.chat.apply(&event);
        // one commit may hold several events; the store raises the version once for all of them
        self.chat.version = version;
        if of_ticket && event.ticket.is_none() {
            event.ticket = self.chat.current_ticket().cloned().map(Box::new);
        }
        self.events.push(event);
    }

    /// Emits what nobody asked for and only keeps the transitions legal.
    pub(super) fn emit_synthetic(&mut self, body: EventBody) {
        self.synthetic = true;
        self.emit(body);
        self.synthetic = false;
    }

    pub(super) fn done(mut self, mut receipt: Receipt) -> Decided<Chat> {
        self.note_policy();
        receipt.body_hash.clone_from(&self.command.body_hash);
        if receipt.ticket_number.is_none() && receipt.trace.is_none() {
            receipt.ticket_number = self.ticket().map(|ticket| ticket.number);
        }
        Decided {
            state: self.chat,
            events: self.events,
            receipt,
            keys: self.keys,
        }
    }

    /// The chat's deadline counts with the channel's period as it was when something last happened.
    pub(super) fn note_policy(&mut self) {
        let (from, to) = (self.chat.auto_close_after_ms, self.rules.policy.auto_close_after_ms);
        let elapses = matches!(self.command.body, ChatCommandBody::Elapse);
        if from != to && (elapses || !self.events.is_empty()) && self.chat.current_ticket().is_some() {
            self.emit(EventBody::ChatPolicyChanged { from, to });
        }
    }

    /// As a rule of switchboard's own, from here on.
    pub(super) fn by_rule(&mut self, rule: &str) {
        self.actor = Actor::new(ActorKind::Rule, rule);
    }

    pub(super) fn change_status(&mut self, to: Reason, trace: Option<Trace>) -> Result<(), Rejection> {
        let from = self.the_ticket()?.reason;
        if !from.can_become(to) {
            return Err(refuse(from, to));
        }
        self.emit(EventBody::TicketStatusChanged {
            from,
            to,
            until: None,
            trace,
        });
        Ok(())
    }

    /// Takes a NEW ticket into work.
    pub(super) fn take_in(&mut self) -> Result<(), Rejection> {
        if self.the_ticket()?.status() == Status::New {
            self.change_status(Reason::InProgress, None)?;
        }
        Ok(())
    }

    pub(super) fn create(
        &mut self,
        reason: Reason,
        circumstance: Circumstance,
        subject: Option<&str>,
        trace: Option<Trace>,
    ) {
        let number = self.chat.last_number().saturating_add(1);
        self.emit(EventBody::TicketCreated {
            number,
            reason,
            circumstance,
            subject: subject.map(str::to_owned),
            trace,
        });
    }

    pub(super) fn assign(&mut self, to: Option<Uuid>) {
        let from = self.ticket().and_then(|ticket| ticket.assignee_id);
        if from != to {
            self.emit(EventBody::TicketAssigneeChanged { from, to });
        }
    }

    pub(super) fn assign_team(&mut self, to: Option<Uuid>) {
        let from = self.ticket().and_then(|ticket| ticket.team_id);
        if from != to {
            self.emit(EventBody::TicketTeamChanged { from, to });
        }
    }

    /// The responder has the chat from here on, or a person: then what the responder still sends is refused.
    pub(super) fn change_responder(&mut self, to: Option<ChatResponder>, owns: bool, epoch: u32) {
        let chat = &self.chat;
        if (&chat.responder, chat.responder_owns, chat.responder_epoch) == (&to, owns, epoch) {
            return;
        }
        self.emit(EventBody::ChatResponderChanged {
            from: chat.responder.clone(),
            to,
            owns,
            epoch,
        });
    }

    /// A person has the chat from here on.
    pub(super) fn give_to_person(&mut self, agent_id: Option<Uuid>) {
        let to = agent_id.map(ChatResponder::person);
        let epoch = self.chat.responder_epoch.saturating_add(1);
        self.change_responder(to, false, epoch);
    }

    /// What waited for a message when the command came.
    pub(super) fn waiting(&self, external_id: &str) -> Vec<Parked> {
        let parked = self.parked.iter().filter(|parked| parked.external_id == external_id);
        parked.cloned().collect()
    }

    /// Emits the message's event and answers with its sequence number.
    pub(super) fn say(&mut self, body: impl FnOnce(Box<Message>) -> EventBody, message: Message) -> u64 {
        // the id of the message is known before its event: it is the next one
        self.message_id = Some(id::message(self.chat.id, self.chat.seq.saturating_add(1)));
        self.emit(body(Box::new(message)));
        self.chat.seq
    }
}

pub(super) fn refuse(from: Reason, to: Reason) -> Rejection {
    Rejection::InvalidTransition { from, to }
}
