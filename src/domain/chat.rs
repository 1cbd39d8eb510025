//! A chat: the lasting link of one channel and one owner, and the unit of ordering.

mod amend;
mod apply;
mod attribute;
mod draft;
mod lifecycle;
mod merge;
mod receive;
mod respond;
mod speak;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::draft::Draft;
use super::aggregate::{Aggregate, Decided, Lookup, Receipt};
use super::command::{ChatCommand, ChatCommandBody, TicketAction};
use super::event::Profile;
use super::message::Parked;
use super::people::{Responder, ResponderEntity};
use super::ticket::{Reason, Status, Ticket};
use super::{Event, Millis, Rejection, Rulebook, id};

/// The most amendments that wait for their message; the oldest goes.
pub const PARKED_MAX: usize = 64;
/// How many of the newest tickets of a chat can still be changed.
pub const REACHABLE_TICKETS_MAX: usize = 256;
/// The most tickets of a chat that were merged into others.
pub const MERGED_MAX: usize = 1_000;

/// The person outside, as one channel knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The provider's id of the person.
    pub external_id: String,
    /// What the provider says of them.
    pub profile: Profile,
    /// Their messages are stored and bother nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
}

/// Who answers a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatResponder {
    /// A responder's id, or an agent's.
    pub id: Uuid,
    /// A program or a person.
    pub entity: ResponderEntity,
    /// Which version of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<Uuid>,
    /// The same as a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_number: Option<u32>,
}

impl From<&Responder> for ChatResponder {
    fn from(responder: &Responder) -> Self {
        Self {
            id: responder.id,
            entity: responder.entity,
            version_id: responder.version_id,
            version_number: responder.version_number,
        }
    }
}

impl ChatResponder {
    /// A person inside.
    #[must_use]
    pub fn person(id: Uuid) -> Self {
        Self {
            entity: ResponderEntity::User,
            ..Self::bot(id)
        }
    }

    /// A program that no setting describes.
    #[must_use]
    pub fn bot(id: Uuid) -> Self {
        Self {
            id,
            entity: ResponderEntity::Agent,
            version_id: None,
            version_number: None,
        }
    }
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
    /// The last event of each of the newest [`REACHABLE_TICKETS_MAX`] tickets: where to read what became of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ticket_seqs: BTreeMap<u32, u64>,
    /// From the number of a merged ticket to that of the one that stands for it now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<u32, u32>,
    /// Who answers, or answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responder: Option<ChatResponder>,
    /// The responder answers, not people.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub responder_owns: bool,
    /// Raised whenever a person takes over; an answer with an older one is refused.
    #[serde(default)]
    pub responder_epoch: u32,
    /// Messages of the owner to the responder since the last public answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unanswered: u32,
    /// The channel's auto-close period as of the last event, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_close_after_ms: Option<Millis>,
    /// What waits for its message; at most [`PARKED_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<Parked>,
    /// When it was put out of sight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Millis>,
    /// When it began.
    pub created_at: Millis,
    /// The last event.
    pub updated_at: Millis,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Which ticket of a chat an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The last one, or what it was merged into.
    Current,
    /// One before it, by its number.
    Earlier(u32),
}

impl Chat {
    /// The ticket that a message or command meets: the last one, or what it was merged into.
    #[must_use]
    pub fn current_ticket(&self) -> Option<&Ticket> {
        self.merge_target.as_deref().or(self.last_ticket.as_deref())
    }

    /// The current ticket's; none while there is no ticket.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.current_ticket().map(Ticket::status)
    }

    fn current_ticket_mut(&mut self) -> Option<&mut Ticket> {
        self.merge_target.as_deref_mut().or(self.last_ticket.as_deref_mut())
    }

    /// Whether a program answered last, or is to.
    fn is_answered_by_bot(&self) -> bool {
        let responder = self.responder.as_ref();
        self.responder_owns || responder.is_some_and(|responder| responder.entity == ResponderEntity::Agent)
    }

    fn last_number(&self) -> u32 {
        self.last_ticket.as_ref().map_or(0, |ticket| ticket.number)
    }

    /// Where the ticket with this id is, or what stands for it now.
    fn place(&self, ticket_id: Uuid) -> Result<Place, Rejection> {
        let not_found = Rejection::NotFound { what: "ticket" };
        let last = self.last_ticket.as_deref().ok_or(not_found.clone())?;
        let current = self.current_ticket().ok_or(not_found.clone())?;
        // every id is derivable, so an unknown one is told from an earlier one; the newest is asked for most
        let number = (1..=last.number)
            .rev()
            .find(|number| id::ticket(self.id, *number) == ticket_id)
            .ok_or(not_found)?;
        let number = self.aliases.get(&number).copied().unwrap_or(number);
        if number == current.number {
            return Ok(Place::Current);
        }
        if self.ticket_seqs.contains_key(&number) {
            return Ok(Place::Earlier(number));
        }
        Err(Rejection::TicketSuperseded {
            last_ticket_id: last.id,
        })
    }

    /// The events that hold what became of the earlier tickets among these.
    fn events_of(&self, ticket_ids: &[Uuid]) -> Vec<u64> {
        let places = ticket_ids.iter().filter_map(|id| self.place(*id).ok());
        places
            .filter_map(|place| match place {
                Place::Current => None,
                Place::Earlier(number) => self.ticket_seqs.get(&number).copied(),
            })
            .collect()
    }
}

impl Aggregate for Chat {
    type Command = ChatCommand;
    type Policy = Rulebook;

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
            ticket_seqs: BTreeMap::new(),
            aliases: BTreeMap::new(),
            responder: None,
            responder_owns: false,
            responder_epoch: 0,
            unanswered: 0,
            auto_close_after_ms: None,
            parked: Vec::new(),
            removed_at: None,
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

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "time does nothing to the others")]
    fn due(&self) -> Option<Millis> {
        let ticket = self.current_ticket()?;
        match ticket.reason {
            Reason::OnHold => ticket.hold_until,
            Reason::InProgress | Reason::PendingCustomer => self
                .auto_close_after_ms
                .map(|period| ticket.active_at.saturating_add(period)),
            _ => None,
        }
    }

    fn admit(&self, command: &ChatCommand) -> Result<(), Rejection> {
        // time belongs to no workspace
        let elapses = matches!(command.body, ChatCommandBody::Elapse);
        if self.seq > 0 && !elapses && self.workspace_id != command.workspace_id {
            return Err(Rejection::NotFound { what: "chat" });
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others need nothing looked up")]
    fn lookup(&self, command: &ChatCommand, round: usize) -> Option<Lookup> {
        match &command.body {
            ChatCommandBody::Amend { .. } => amend::lookup(self, command, round),
            ChatCommandBody::Ticket { ticket_id, action, .. } if round == 0 => {
                let mut ids = vec![*ticket_id];
                if let TicketAction::Merge { into } = action {
                    ids.push(*into);
                }
                let seqs = self.events_of(&ids);
                (!seqs.is_empty()).then_some(Lookup::Events(seqs))
            }
            _ => None,
        }
    }

    fn decide(&self, command: &ChatCommand, rules: &Rulebook, now: Millis) -> Result<Decided<Self>, Rejection> {
        self.admit(command)?;
        let mut draft = Draft::new(self, command, rules, now);
        let receipt = decide(&mut draft)?;
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

fn decide(draft: &mut Draft<'_>) -> Result<Receipt, Rejection> {
    let command = draft.command;
    let begins = matches!(
        &command.body,
        ChatCommandBody::Receive(_)
            | ChatCommandBody::SendOutbound { .. }
            | ChatCommandBody::OpenFromPost { .. }
            | ChatCommandBody::Amend { .. }
    );
    if draft.chat.seq == 0 && !(begins && command.origin.is_some()) {
        return Err(Rejection::NotFound { what: "chat" });
    }
    match &command.body {
        ChatCommandBody::Receive(incoming) => receive::receive(draft, incoming),
        ChatCommandBody::Amend {
            message,
            amendment,
            external_id,
            of_owner,
        } => amend::amend(draft, message, (amendment, *of_owner), external_id.as_deref()),
        ChatCommandBody::Send {
            content,
            agent_id,
            responder_epoch,
        } => speak::send(draft, content, *agent_id, *responder_epoch),
        ChatCommandBody::SendOutbound {
            content,
            profile,
            subject,
        } => speak::send_outbound(draft, content, profile, subject.as_deref()),
        ChatCommandBody::Open {
            subject,
            assignee_id,
            team_id,
            is_taken,
        } => lifecycle::open(draft, subject.as_deref(), (*assignee_id, *is_taken), *team_id),
        ChatCommandBody::OpenFromPost {
            profile,
            content,
            reply,
        } => speak::open_from_post(draft, profile, content, reply.as_ref()),
        ChatCommandBody::Handover { team_id, summary } => respond::handover(draft, *team_id, summary.as_deref()),
        ChatCommandBody::TakeoverChat { agent_id } => respond::takeover_chat(draft, *agent_id),
        ChatCommandBody::BlockOwner => Ok(attribute::set_blocked(draft, true)),
        ChatCommandBody::UnblockOwner => Ok(attribute::set_blocked(draft, false)),
        ChatCommandBody::Remove => Ok(attribute::set_removed(draft, true)),
        ChatCommandBody::Restore => Ok(attribute::set_removed(draft, false)),
        ChatCommandBody::Elapse => lifecycle::elapse(draft),
        ChatCommandBody::Ticket {
            ticket_id,
            expected_version,
            action,
        } => {
            draft.go_to(*ticket_id)?;
            draft.expect_version(*expected_version)?;
            act(draft, action)
        }
    }
}

fn act(draft: &mut Draft<'_>, action: &TicketAction) -> Result<Receipt, Rejection> {
    match action {
        TicketAction::Take { agent_id } => lifecycle::take(draft, *agent_id),
        TicketAction::Assign { agent_id, team_id } => lifecycle::assign(draft, *agent_id, *team_id),
        TicketAction::Offer { agent_id } => lifecycle::offer(draft, *agent_id),
        TicketAction::Takeover { agent_id } => respond::takeover(draft, *agent_id),
        TicketAction::Complete => lifecycle::end(draft, Reason::Completed),
        TicketAction::Close => lifecycle::end(draft, Reason::Closed),
        TicketAction::Reopen => lifecycle::reopen(draft),
        TicketAction::Hold { until } => lifecycle::hold(draft, *until),
        TicketAction::Pend => lifecycle::step_active(draft, Reason::PendingCustomer),
        TicketAction::Resume => lifecycle::step_active(draft, Reason::InProgress),
        TicketAction::MarkSpam => lifecycle::put_away(draft, Reason::Spam),
        TicketAction::Delete => lifecycle::put_away(draft, Reason::Deleted),
        TicketAction::UnmarkSpam => lifecycle::bring_back(draft, Reason::Spam),
        TicketAction::Restore => lifecycle::bring_back(draft, Reason::Deleted),
        TicketAction::Merge { into } => merge::merge(draft, *into),
        TicketAction::AddTag(tag_id) => attribute::add_tag(draft, *tag_id),
        TicketAction::RemoveTag(tag_id) => attribute::remove_tag(draft, *tag_id),
        TicketAction::SetField { field_id, value } => attribute::set_field(draft, *field_id, value),
        TicketAction::SetSubject(subject) => attribute::set_subject(draft, subject.as_deref()),
        TicketAction::SetSummary(summary) => attribute::set_summary(draft, summary),
        TicketAction::SetPriority(priority) => attribute::set_priority(draft, *priority),
        TicketAction::Rate { score, comment } => attribute::rate(draft, *score, comment.as_deref()),
        TicketAction::MarkViewed => attribute::mark_viewed(draft),
        TicketAction::AddNote { text, agent_id } => speak::note(draft, text, *agent_id),
    }
}
