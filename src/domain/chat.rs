//! A chat: the lasting link of one channel and one owner, and the unit of ordering.

mod apply;
mod draft;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::draft::{Draft, refuse};
use super::aggregate::{Aggregate, Decided, Receipt};
use super::command::{ChatCommand, ChatCommandBody, Incoming};
use super::event::{EventBody, Profile};
use super::message::{Content, Direction, MessageStatus, Visibility};
use super::ticket::{Circumstance, Decision, Reason, Status, Ticket};
use super::{Actor, ActorKind, ChannelPolicy, Event, Message, Millis, Rejection, id, incoming};

/// The person outside, as one channel knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The provider's id of the person.
    pub external_id: String,
    /// What the provider says of them.
    pub profile: Profile,
    /// Their messages are stored and bother nobody.
    #[serde(default)]
    pub blocked: bool,
}

/// The state of a chat; its JSON is the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    /// Derived from workspace, channel and owner.
    pub id: Uuid,
    /// The tenant.
    pub workspace_id: Uuid,
    /// The channel.
    pub channel_id: Uuid,
    /// The person outside.
    pub owner: Owner,
    /// Commits so far.
    pub version: u64,
    /// Events so far.
    pub seq: u64,
    /// The ticket with the highest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ticket: Option<Box<Ticket>>,
    /// The ticket that the last one was merged into, while it is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_target: Option<Box<Ticket>>,
    /// The responder answers, not people.
    #[serde(default)]
    pub responder_owns: bool,
    /// Raised by every takeover; an answer with an older one is refused.
    #[serde(default)]
    pub responder_epoch: u32,
    /// When it began.
    pub created_at: Millis,
    /// The last event.
    pub updated_at: Millis,
}

impl Chat {
    /// The ticket that a message or command meets: the last one, or what it was merged into.
    #[must_use]
    pub fn current_ticket(&self) -> Option<&Ticket> {
        self.merge_target.as_deref().or(self.last_ticket.as_deref())
    }

    /// The last ticket's; none while there is no ticket.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.last_ticket.as_ref().map(|ticket| ticket.status())
    }

    fn current_ticket_mut(&mut self) -> Option<&mut Ticket> {
        self.merge_target.as_deref_mut().or(self.last_ticket.as_deref_mut())
    }

    /// The current ticket if `ticket_id` names it.
    fn named_ticket(&self, ticket_id: Uuid) -> Result<&Ticket, Rejection> {
        let not_found = Rejection::NotFound { what: "ticket" };
        let last = self.last_ticket.as_deref().ok_or(not_found.clone())?;
        let current = self.current_ticket().ok_or(not_found.clone())?;
        if current.id == ticket_id || last.id == ticket_id {
            return Ok(current);
        }
        // every earlier id is derivable, so an unknown one is told from an earlier one
        if (1..last.number).any(|number| id::ticket(self.id, number) == ticket_id) {
            return Err(Rejection::TicketSuperseded {
                last_ticket_id: last.id,
            });
        }
        Err(not_found)
    }
}

/// An incoming message that reached no ticket.
fn is_off_ticket(body: &EventBody) -> bool {
    let EventBody::MessageReceived { message } = body else {
        return false;
    };
    message
        .trace
        .as_ref()
        .is_some_and(|trace| matches!(trace.decision, Decision::Silenced | Decision::ToResponder))
}

impl Aggregate for Chat {
    type Command = ChatCommand;
    type Policy = ChannelPolicy;

    fn blank(id: Uuid) -> Self {
        Self {
            id,
            workspace_id: Uuid::nil(),
            channel_id: Uuid::nil(),
            owner: Owner {
                external_id: String::new(),
                profile: Profile::default(),
                blocked: false,
            },
            version: 0,
            seq: 0,
            last_ticket: None,
            merge_target: None,
            responder_owns: false,
            responder_epoch: 0,
            created_at: 0,
            updated_at: 0,
        }
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn seq(&self) -> u64 {
        self.seq
    }

    fn decide(&self, command: &ChatCommand, policy: &ChannelPolicy, now: Millis) -> Result<Decided<Self>, Rejection> {
        let exists = self.seq > 0;
        if exists && self.workspace_id != command.workspace_id {
            return Err(Rejection::NotFound { what: "chat" });
        }
        let mut draft = Draft {
            chat: self.clone(),
            events: Vec::new(),
            command,
            message_id: None,
            now,
        };
        if let ChatCommandBody::Receive(incoming) = &command.body {
            return receive(draft, incoming, policy);
        }
        if !exists {
            return Err(Rejection::NotFound { what: "chat" });
        }
        let receipt = match &command.body {
            ChatCommandBody::Receive(_) => Receipt::default(),
            ChatCommandBody::Edit {
                message_seq,
                content,
                edited_at,
                ..
            } => edit(&mut draft, *message_seq, content, *edited_at)?,
            ChatCommandBody::Send {
                content,
                agent_id,
                responder_epoch,
            } => send(&mut draft, content, *agent_id, *responder_epoch)?,
            ChatCommandBody::Take { ticket_id, agent_id } => take(&mut draft, *ticket_id, *agent_id)?,
            ChatCommandBody::Assign { ticket_id, agent_id } => assign(&mut draft, *ticket_id, *agent_id)?,
            ChatCommandBody::Complete { ticket_id } => end(&mut draft, *ticket_id, Reason::Completed)?,
            ChatCommandBody::Close { ticket_id } => end(&mut draft, *ticket_id, Reason::Closed)?,
            ChatCommandBody::Reopen { ticket_id } => reopen(&mut draft, *ticket_id)?,
        };
        Ok(draft.done(receipt))
    }

    fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.version = event.version;
        self.updated_at = event.at;
        if self.seq == 1 {
            self.workspace_id = event.workspace_id;
            self.created_at = event.at;
        }
        apply::apply_body(self, event);
    }
}

/// Begins the chat, or takes over what the provider now says of its owner.
fn meet_owner(draft: &mut Draft<'_>, incoming: &Incoming) -> Result<(), Rejection> {
    if draft.chat.seq == 0 {
        let Some((channel_id, external_id)) = &draft.command.origin else {
            return Err(Rejection::NotFound { what: "chat" });
        };
        let owner = Owner {
            external_id: external_id.clone(),
            profile: incoming.profile.clone(),
            blocked: false,
        };
        draft.emit(EventBody::ChatCreated {
            channel_id: *channel_id,
            owner,
        });
    } else {
        let from = draft.chat.owner.profile.clone();
        let to = Profile {
            name: incoming.profile.name.clone().or(from.name.clone()),
            avatar: incoming.profile.avatar.clone().or(from.avatar.clone()),
        };
        if from != to {
            draft.emit(EventBody::ChatUpdated { from, to });
        }
    }
    Ok(())
}

fn receive(mut draft: Draft<'_>, incoming: &Incoming, policy: &ChannelPolicy) -> Result<Decided<Chat>, Rejection> {
    incoming.check()?;
    let now = draft.now;
    meet_owner(&mut draft, incoming)?;
    let trace = incoming::decide(&draft.chat, policy, incoming.sent_at, now);
    let mut ticket_number = draft.chat.current_ticket().map(|ticket| ticket.number);
    match trace.decision {
        Decision::Created => {
            let last = draft.chat.last_ticket.as_ref();
            let number = last.map_or(0, |ticket| ticket.number).saturating_add(1);
            ticket_number = Some(number);
            draft.emit(EventBody::TicketCreated {
                number,
                reason: Reason::Inbound,
                circumstance: Circumstance::Inbound,
                trace: Some(trace.clone()),
            });
        }
        Decision::Reopened => draft.change_status(Reason::InProgress, Some(trace.clone()))?,
        Decision::Appended => {
            let reason = draft.chat.current_ticket().map(|ticket| ticket.reason);
            if matches!(reason, Some(Reason::PendingCustomer | Reason::OnHold)) {
                draft.change_status(Reason::InProgress, Some(trace.clone()))?;
            }
        }
        Decision::Silenced | Decision::ToResponder | Decision::Duplicate => ticket_number = None,
    }
    // the id of the message is known before its event: it is the next one
    draft.message_id = Some(id::message(draft.chat.id, draft.chat.seq.saturating_add(1)));
    let author = Actor {
        name: incoming.author_name.clone(),
        ..Actor::new(ActorKind::Owner, draft.chat.owner.external_id.clone())
    };
    let message_seq = draft.say(Message {
        direction: Direction::Incoming,
        visibility: Visibility::Public,
        author,
        external_id: incoming.external_id.clone(),
        content: incoming.content.clone(),
        status: MessageStatus::Received,
        sent_at: incoming.sent_at.unwrap_or(now),
        received_at: now,
        trace: Some(trace.clone()),
    });
    Ok(draft.done(Receipt {
        trace: Some(trace),
        ticket_number,
        message_seq: Some(message_seq),
        ..Receipt::default()
    }))
}

fn edit(
    draft: &mut Draft<'_>,
    message_seq: Option<u64>,
    content: &Content,
    edited_at: Millis,
) -> Result<Receipt, Rejection> {
    content.check()?;
    let message_seq = message_seq.ok_or(Rejection::NotFound { what: "message" })?;
    draft.message_id = Some(id::message(draft.chat.id, message_seq));
    draft.emit(EventBody::MessageEdited {
        message_seq,
        content: content.clone(),
        edited_at,
    });
    Ok(Receipt {
        message_seq: Some(message_seq),
        ..Receipt::default()
    })
}

fn send(
    draft: &mut Draft<'_>,
    content: &Content,
    agent_id: Option<Uuid>,
    responder_epoch: Option<u32>,
) -> Result<Receipt, Rejection> {
    content.check()?;
    let epoch = draft.chat.responder_epoch;
    if responder_epoch.is_some_and(|of_reply| of_reply < epoch) {
        return Err(Rejection::StaleResponder { epoch });
    }
    let by_bot = responder_epoch.is_some();
    let author = if by_bot {
        Actor {
            kind: ActorKind::Bot,
            ..draft.command.actor.clone()
        }
    } else {
        agent_id.map_or_else(
            || draft.command.actor.clone(),
            |agent_id| Actor::new(ActorKind::Agent, agent_id.to_string()),
        )
    };
    let status = draft.chat.current_ticket().map(Ticket::status);
    if !by_bot && status == Some(Status::New) {
        draft.change_status(Reason::InProgress, None)?;
        let unassigned = draft
            .chat
            .current_ticket()
            .is_some_and(|ticket| ticket.assignee_id.is_none());
        if unassigned && agent_id.is_some() {
            draft.assign(agent_id);
        }
    }
    draft.message_id = Some(id::message(draft.chat.id, draft.chat.seq.saturating_add(1)));
    let message_seq = draft.say(Message {
        direction: Direction::Outgoing,
        visibility: Visibility::Public,
        author,
        external_id: None,
        content: content.clone(),
        status: MessageStatus::Queued,
        sent_at: draft.now,
        received_at: draft.now,
        trace: None,
    });
    Ok(Receipt {
        message_seq: Some(message_seq),
        ..Receipt::default()
    })
}

fn take(draft: &mut Draft<'_>, ticket_id: Uuid, agent_id: Uuid) -> Result<Receipt, Rejection> {
    let from = draft.chat.named_ticket(ticket_id)?.status();
    if from != Status::New {
        return Err(refuse(from, Status::Active));
    }
    draft.change_status(Reason::InProgress, None)?;
    draft.assign(Some(agent_id));
    Ok(Receipt::default())
}

fn assign(draft: &mut Draft<'_>, ticket_id: Uuid, agent_id: Option<Uuid>) -> Result<Receipt, Rejection> {
    let from = draft.chat.named_ticket(ticket_id)?.status();
    if from == Status::New && agent_id.is_some() {
        draft.change_status(Reason::InProgress, None)?;
    }
    draft.assign(agent_id);
    Ok(Receipt::default())
}

fn end(draft: &mut Draft<'_>, ticket_id: Uuid, reason: Reason) -> Result<Receipt, Rejection> {
    let from = draft.chat.named_ticket(ticket_id)?.status();
    if from != Status::Active {
        return Err(refuse(from, Status::Inactive));
    }
    draft.change_status(reason, None)?;
    Ok(Receipt::default())
}

fn reopen(draft: &mut Draft<'_>, ticket_id: Uuid) -> Result<Receipt, Rejection> {
    let from = draft.chat.named_ticket(ticket_id)?.status();
    if from != Status::Inactive {
        return Err(refuse(from, Status::Active));
    }
    draft.change_status(Reason::InProgress, None)?;
    Ok(Receipt::default())
}
