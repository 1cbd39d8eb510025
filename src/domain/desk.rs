//! An agent's desk: which open tickets count towards their capacity.
//!
//! A ticket is given to an agent in two steps: a place at the desk is committed first, then the assignment in the chat.
//! Since the desk is one aggregate with one version, two nodes never give an agent more than they have room for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::aggregate::{Aggregate, Decided};
use super::command::Wish;
use super::event::EventBody;
use super::{Event, Millis, Rejection, Rulebook};

/// The most places that a desk keeps count of.
pub const PLACES_MAX: usize = 2_000;

/// What to do with a desk.
#[derive(Clone, Copy, Debug)]
pub enum DeskCommandBody {
    /// Keep a place for a ticket that is about to be given; refused when there is no room.
    Reserve {
        /// Whose desk it is.
        agent_id: Uuid,
        /// The ticket.
        ticket_id: Uuid,
        /// Where the agent's turn counts from at least.
        floor: u64,
        /// How far the agent's turn moves: less for a heavier weight.
        stride: u64,
    },
    /// A ticket was given by hand: it counts, whether or not there is room.
    Occupy {
        /// Whose desk it is.
        agent_id: Uuid,
        /// The ticket.
        ticket_id: Uuid,
    },
    /// A ticket is no longer theirs, or has ended.
    Release {
        /// Whose desk it is.
        agent_id: Uuid,
        /// The ticket.
        ticket_id: Uuid,
    },
}

/// A wish about one desk.
pub type DeskCommand = Wish<DeskCommandBody>;

/// A desk; its JSON is the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desk {
    /// Derived from the agent.
    pub id: Uuid,
    /// The tenant.
    pub workspace_id: Uuid,
    /// Commits so far.
    pub version: u64,
    /// Events so far.
    pub seq: u64,
    /// Since when each ticket counts.
    pub tickets: BTreeMap<Uuid, Millis>,
    /// Where the agent's turn is: who is lowest is next.
    pub pass: u64,
}

impl Aggregate for Desk {
    type Command = DeskCommand;
    type Policy = Rulebook;

    fn blank(id: Uuid) -> Self {
        Self {
            id,
            workspace_id: Uuid::nil(),
            version: 0,
            seq: 0,
            tickets: BTreeMap::new(),
            pass: 0,
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

    fn decide(&self, command: &DeskCommand, rules: &Rulebook, now: Millis) -> Result<Decided<Self>, Rejection> {
        let body = match command.body {
            DeskCommandBody::Reserve {
                agent_id,
                ticket_id,
                floor,
                stride,
            } => {
                let agent = rules.workspace.agent(agent_id);
                let agent = agent.ok_or(Rejection::NotFound { what: "agent" })?;
                // also where the ticket is here already: whoever reserved it is about to give it
                if self.tickets.contains_key(&ticket_id) {
                    return Err(Rejection::AlreadyAssigned);
                }
                if self.tickets.len() >= agent.room() || !agent.is_available(now) {
                    return Err(Rejection::AtCapacity);
                }
                EventBody::AgentReserved {
                    agent_id,
                    ticket_id,
                    pass: self.pass.max(floor).saturating_add(stride),
                    by_hand: false,
                }
            }
            DeskCommandBody::Occupy { agent_id, ticket_id } => {
                if self.tickets.contains_key(&ticket_id) || self.tickets.len() >= PLACES_MAX {
                    return Ok(command.nothing(self.clone()));
                }
                EventBody::AgentReserved {
                    agent_id,
                    ticket_id,
                    pass: self.pass,
                    by_hand: true,
                }
            }
            DeskCommandBody::Release { agent_id, ticket_id } => {
                if !self.tickets.contains_key(&ticket_id) {
                    return Ok(command.nothing(self.clone()));
                }
                EventBody::AgentReleased { agent_id, ticket_id }
            }
        };
        Ok(command.grant(self, body, now))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others belong to other aggregates")]
    fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.version = event.version;
        self.workspace_id = event.workspace_id;
        match &event.body {
            EventBody::AgentReserved { ticket_id, pass, .. } => {
                self.tickets.insert(*ticket_id, event.at);
                self.pass = *pass;
            }
            EventBody::AgentReleased { ticket_id, .. } => {
                self.tickets.remove(ticket_id);
            }
            _ => {}
        }
    }
}
