//! Events in the making: each is applied to the state as it is made.

use uuid::Uuid;

use super::{Chat, is_off_ticket};
use crate::domain::aggregate::{Aggregate as _, Decided, Receipt};
use crate::domain::command::ChatCommand;
use crate::domain::event::{Cause, EventBody};
use crate::domain::message::Direction;
use crate::domain::ticket::{Reason, Status, Trace};
use crate::domain::{Event, Message, Millis, Rejection};

/// Events of one command, each applied to the state as it is made.
pub(super) struct Draft<'a> {
    pub(super) chat: Chat,
    pub(super) events: Vec<Event>,
    pub(super) command: &'a ChatCommand,
    pub(super) message_id: Option<Uuid>,
    pub(super) now: Millis,
}

impl Draft<'_> {
    pub(super) fn emit(&mut self, body: EventBody) {
        let of_ticket = !matches!(
            body,
            EventBody::ChatCreated { .. } | EventBody::ChatUpdated { .. } | EventBody::MessageEdited { .. }
        );
        let mut event = Event {
            workspace_id: self.command.workspace_id,
            aggregate_id: self.chat.id,
            seq: self.chat.seq.saturating_add(1),
            version: self.chat.version.saturating_add(1),
            at: self.now,
            actor: self.command.actor.clone(),
            cause: Cause {
                command_id: self.command.id,
                message_id: self.message_id,
            },
            synthetic: false,
            body,
            ticket: None,
        };
        let version = self.chat.version;
        self.chat.apply(&event);
        // one commit may hold several events; the store raises the version once for all of them
        self.chat.version = version;
        if of_ticket && !is_off_ticket(&event.body) {
            event.ticket = self.chat.current_ticket().cloned().map(Box::new);
        }
        self.events.push(event);
    }

    pub(super) fn done(self, mut receipt: Receipt) -> Decided<Chat> {
        receipt.body_hash.clone_from(&self.command.body_hash);
        if receipt.ticket_number.is_none() && receipt.trace.is_none() {
            receipt.ticket_number = self.chat.current_ticket().map(|ticket| ticket.number);
        }
        Decided {
            state: self.chat,
            events: self.events,
            receipt,
        }
    }

    pub(super) fn change_status(&mut self, to: Reason, trace: Option<Trace>) -> Result<(), Rejection> {
        let Some(ticket) = self.chat.current_ticket() else {
            return Err(Rejection::NotFound { what: "ticket" });
        };
        let from = ticket.reason;
        check_transition(from, to)?;
        self.emit(EventBody::TicketStatusChanged { from, to, trace });
        Ok(())
    }

    pub(super) fn assign(&mut self, to: Option<Uuid>) {
        let from = self.chat.current_ticket().and_then(|t| t.assignee_id);
        if from != to {
            self.emit(EventBody::TicketAssigneeChanged { from, to });
        }
    }

    /// Emits the message's event and answers with its sequence number.
    pub(super) fn say(&mut self, message: Message) -> u64 {
        let incoming = message.direction == Direction::Incoming;
        let message = Box::new(message);
        self.emit(if incoming {
            EventBody::MessageReceived { message }
        } else {
            EventBody::MessageSent { message }
        });
        self.chat.seq
    }
}

/// NEW → ACTIVE → INACTIVE → ACTIVE; from INACTIVE only where the reason lets it back.
fn check_transition(from: Reason, to: Reason) -> Result<(), Rejection> {
    match (from.status(), to.status()) {
        (Status::New | Status::Active, Status::Active) | (Status::Active, Status::Inactive) => Ok(()),
        (Status::Inactive, Status::Active) if from.is_restorable() => Ok(()),
        (Status::Inactive, Status::Active) => Err(Rejection::NotRestorable { reason: from.name() }),
        (from, to) => Err(refuse(from, to)),
    }
}

pub(super) fn refuse(from: Status, to: Status) -> Rejection {
    Rejection::InvalidTransition {
        from,
        to,
        allowed: from.allowed(),
    }
}
