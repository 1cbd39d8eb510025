//! A change that knows what it changed: each command is made for one version of the ticket, and made again for what is
//! there when that has passed.

use serde_json::Value;
use uuid::Uuid;

use crate::actor::Answer;
use crate::api::auth::Principal;
use crate::api::commands::{Repeats, Terms, command, ticket};
use crate::api::error::ApiError;
use crate::api::services::Services;
use crate::domain::{Chat, ChatCommandBody, EventBody, Reason, Status, Ticket, TicketAction, id};
use crate::view::EventRow;
use crate::view::page::{PAGE_MAX, Range};

/// How often a command is made again for what others left. Everybody who loses to another sees one of them through.
const TRIES_MAX: usize = 16;
/// A version that no ticket has: the refusal brings the ticket that is there.
const NO_VERSION: u64 = u64::MAX;
/// How many pages of a chat's events are looked through for those of a repeated command.
const PAGES_MAX: usize = 20;

/// A command that changes nothing, and is refused when the ticket has another version.
pub(super) const UNCHANGED: TicketAction = TicketAction::Assign {
    agent_id: None,
    team_id: None,
};

/// Gives a ticket to an agent.
pub(super) fn assign(agent_id: Uuid) -> TicketAction {
    TicketAction::Assign {
        agent_id: Some(Some(agent_id)),
        team_id: None,
    }
}

/// A ticket at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) ticket_id: Uuid,
    pub(super) status: Status,
    pub(super) assignee_id: Option<Uuid>,
}

impl From<&Ticket> for Moment {
    fn from(ticket: &Ticket) -> Self {
        Self {
            ticket_id: ticket.id,
            status: ticket.status(),
            assignee_id: ticket.assignee_id,
        }
    }
}

/// A change to one ticket.
pub(super) struct Attempt<'a> {
    services: &'a Services,
    principal: &'a Principal,
    chat_id: Uuid,
    /// As this node knows it.
    known: Ticket,
    terms: Terms,
    /// What makes a repeat the same.
    asked: Value,
    ticket_id: Uuid,
}

impl<'a> Attempt<'a> {
    pub(super) async fn new(
        (services, principal): (&'a Services, &'a Principal),
        ticket_id: Uuid,
        terms: Terms,
        asked: Value,
    ) -> Result<Self, ApiError> {
        let row = ticket(services, principal, ticket_id).await?;
        Ok(Self {
            services,
            principal,
            chat_id: row.chat_id,
            known: row.ticket,
            terms,
            asked,
            ticket_id,
        })
    }

    pub(super) fn chat_id(&self) -> Uuid {
        self.chat_id
    }

    /// Does what is wished for the ticket as it is, and says how it was. A repeat hears how it was the first time.
    pub(super) async fn make(
        &self,
        wish: impl Fn(&Ticket) -> Result<TicketAction, ApiError>,
    ) -> Result<Moment, ApiError> {
        let (mut known, mut tries) = (self.known.clone(), 0_usize);
        let expected = self.terms.expected_version;
        let passed = known.reason == Reason::Merged || expected.is_some_and(|expected| expected != known.version);
        let mut version = if passed { NO_VERSION } else { known.version };
        loop {
            tries = tries.saturating_add(1);
            // a refusal must not rest on an old ticket either
            let (action, refusal) = match wish(&known) {
                Ok(action) => (action, None),
                Err(refusal) => (UNCHANGED, Some(refusal)),
            };
            match (self.send(version, action).await, refusal) {
                (Err(error), _) if tries < TRIES_MAX => known = self.fresh(error)?,
                (Err(error), _) => return Err(error),
                (Ok(answer), _) if answer.repeat => return self.first_time(&known, &answer).await,
                (Ok(_), Some(refusal)) => return Err(refusal),
                (Ok(_), None) => return Ok(Moment::from(&known)),
            }
            version = known.version;
        }
    }

    /// Gives the ticket to somebody in the same request, after what was made of it.
    pub(super) async fn assign_too(&self, agent_id: Uuid) -> Result<(), ApiError> {
        let key = self.terms.idempotency_key.as_ref();
        let repeats = Repeats {
            idempotency_key: key.map(|key| id::sha256_hex(format!("assign {key}").as_bytes())),
            asked: Some(self.asked.clone()),
        };
        let body = ChatCommandBody::ticket(self.ticket_id, assign(agent_id));
        command(self.services, self.principal, self.chat_id, repeats, body).await?;
        Ok(())
    }

    async fn send(&self, version: u64, action: TicketAction) -> Result<Answer<Chat>, ApiError> {
        let body = ChatCommandBody::Ticket {
            ticket_id: self.ticket_id,
            expected_version: Some(version),
            action,
        };
        let repeats = Repeats {
            idempotency_key: self.terms.idempotency_key.clone(),
            asked: Some(self.asked.clone()),
        };
        command(self.services, self.principal, self.chat_id, repeats, body).await
    }

    /// The ticket that is there, if that is why a command was refused and the client allows it.
    fn fresh(&self, error: ApiError) -> Result<Ticket, ApiError> {
        let found = error.details.get("ticket").filter(|_| error.code == "VERSION_CONFLICT");
        let found: Option<Ticket> = found.and_then(|found| serde_json::from_value(found.clone()).ok());
        let expected = self.terms.expected_version;
        let allowed = found.filter(|ticket| expected.is_none_or(|expected| expected == ticket.version));
        allowed.ok_or(error)
    }

    /// What a command found that is repeated now; what is there now, where its events are too far back.
    async fn first_time(&self, known: &Ticket, answer: &Answer<Chat>) -> Result<Moment, ApiError> {
        let view = self.services.view().await?;
        let mut before = None;
        for _ in 0..PAGES_MAX {
            let page = view.events(self.chat_id, None, back_from(before)).await?;
            let mut rows = page.items.iter();
            let last = rows.find(|row| row.partition == answer.partition && row.position == answer.position);
            if let Some(last) = last {
                let after = last.event.seq.saturating_add(1);
                let rows = view.events(self.chat_id, None, back_from(Some(after))).await?.items;
                let found = found_by(&rows, last.event.cause.command_id);
                return Ok(found.unwrap_or_else(|| known.into()));
            }
            before = page.items.first().map(|row| row.event.seq);
            if !page.has_previous {
                break;
            }
        }
        Ok(known.into())
    }
}

fn back_from(before: Option<u64>) -> Range<u64> {
    Range::Backward {
        before,
        limit: PAGE_MAX,
    }
}

/// What a command found, from its events.
fn found_by(rows: &[EventRow], command_id: Uuid) -> Option<Moment> {
    let events = rows.iter().rev().map(|row| &row.event);
    let events = events.filter(|event| event.cause.command_id == command_id);
    let mut found = Moment::from(events.clone().find_map(|event| event.ticket.as_deref())?);
    for event in events {
        if let EventBody::TicketStatusChanged { from, .. } = &event.body {
            found.status = from.status();
        }
        if let EventBody::TicketAssigneeChanged { from, .. } = &event.body {
            found.assignee_id = *from;
        }
    }
    Some(found)
}
