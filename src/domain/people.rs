//! Who works here: agents, teams, and responders that answer before them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::{NAME_MAX_BYTES, URL_MAX_BYTES, check_name, check_text};
use super::schedule::Schedule;
use super::{Millis, Rejection};

/// The most tickets that an agent may be given at once.
pub const CAPACITY_MAX: u32 = 1_000;
/// The most members of one team.
pub const MEMBERS_MAX: usize = 500;
/// The heaviest weight of a member.
pub const WEIGHT_MAX: u32 = 100;

/// Whether an agent takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Availability {
    /// Within their working hours.
    #[default]
    Available,
    /// For a while not.
    Away,
    /// Not.
    Offline,
}

/// A person inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// An address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Whether they take work now.
    #[serde(default)]
    pub availability: Availability,
    /// How many open tickets they may be given, 1 to [`CAPACITY_MAX`]; none: [`CAPACITY_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// When they work; none: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_hours: Option<Schedule>,
}

impl Agent {
    /// Somebody with a name, who is always there.
    #[must_use]
    pub fn named(id: Uuid, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            email: None,
            picture: None,
            availability: Availability::Available,
            capacity: None,
            working_hours: None,
        }
    }

    /// Whether they may be given work.
    #[must_use]
    pub fn is_available(&self, now: Millis) -> bool {
        let hours = self.working_hours.as_ref();
        self.availability == Availability::Available && hours.is_none_or(|hours| hours.is_open(now))
    }

    /// How many open tickets they may be given.
    #[must_use]
    pub fn room(&self) -> usize {
        usize::try_from(self.capacity.unwrap_or(CAPACITY_MAX)).unwrap_or(usize::MAX)
    }

    pub(super) fn check(&self) -> Result<(), Rejection> {
        check_name("input.name", &self.name)?;
        check_optional("input.email", self.email.as_deref(), NAME_MAX_BYTES)?;
        check_optional("input.picture", self.picture.as_deref(), URL_MAX_BYTES)?;
        if self
            .capacity
            .is_some_and(|capacity| !(1..=CAPACITY_MAX).contains(&capacity))
        {
            return Err(Rejection::invalid("input.capacity", format!("1 to {CAPACITY_MAX}")));
        }
        self.working_hours.as_ref().map_or(Ok(()), Schedule::check)
    }
}

/// What to change of an agent; what is absent stays.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in Agent; `Some(None)` takes away")]
pub struct AgentPatch {
    pub name: Option<String>,
    pub email: Option<Option<String>>,
    pub picture: Option<Option<String>>,
    pub availability: Option<Availability>,
    pub capacity: Option<Option<u32>>,
    pub working_hours: Option<Option<Schedule>>,
}

impl Agent {
    pub(super) fn patched(&self, patch: &AgentPatch) -> Self {
        Self {
            id: self.id,
            name: patch.name.clone().unwrap_or(self.name.clone()),
            email: patch.email.clone().unwrap_or(self.email.clone()),
            picture: patch.picture.clone().unwrap_or(self.picture.clone()),
            availability: patch.availability.unwrap_or(self.availability),
            capacity: patch.capacity.unwrap_or(self.capacity),
            working_hours: patch.working_hours.clone().unwrap_or(self.working_hours.clone()),
        }
    }
}

fn check_optional(field: &'static str, text: Option<&str>, max: usize) -> Result<(), Rejection> {
    text.map_or(Ok(()), |text| check_text(field, text, max))
}

/// An agent in a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The agent.
    pub agent_id: Uuid,
    /// Their share of what is given in turn, 1 to [`WEIGHT_MAX`].
    pub weight: u32,
}

/// A group of agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// A URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// At most [`MEMBERS_MAX`], each once.
    #[serde(default)]
    pub members: Vec<Member>,
}

impl Team {
    pub(super) fn check(&self, is_agent: impl Fn(Uuid) -> bool) -> Result<(), Rejection> {
        check_name("input.name", &self.name)?;
        check_optional("input.picture", self.picture.as_deref(), URL_MAX_BYTES)?;
        if self.members.len() > MEMBERS_MAX {
            return Err(Rejection::invalid("input.members", format!("at most {MEMBERS_MAX}")));
        }
        for (place, member) in self.members.iter().enumerate() {
            if !is_agent(member.agent_id) {
                return Err(Rejection::NotFound { what: "agent" });
            }
            if !(1..=WEIGHT_MAX).contains(&member.weight) {
                return Err(Rejection::invalid("input.members.weight", format!("1 to {WEIGHT_MAX}")));
            }
            let before = self.members.iter().take(place);
            if before.into_iter().any(|other| other.agent_id == member.agent_id) {
                return Err(Rejection::invalid("input.members", "every agent once"));
            }
        }
        Ok(())
    }
}

/// A program or a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ResponderEntity {
    /// An AI agent, with versions.
    Agent,
    /// A person inside.
    User,
}

/// Who answers chats before people do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Responder {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// A URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// A program or a person.
    pub entity: ResponderEntity,
    /// Which version of the program is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<Uuid>,
    /// The same as a number, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_number: Option<u32>,
}

impl Responder {
    pub(super) fn check(&self) -> Result<(), Rejection> {
        check_name("input.name", &self.name)?;
        check_optional("input.picture", self.picture.as_deref(), URL_MAX_BYTES)
    }
}
