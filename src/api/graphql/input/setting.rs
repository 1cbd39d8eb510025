//! What clients send about settings.

use async_graphql::{InputObject, Json, MaybeUndefined, Result};
use jiff::civil::Time;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::patch;
use crate::api::error::ApiError;
use crate::api::graphql::kind::{
    AssignmentMode, Availability, ChannelType, Day, FieldKind, FieldTarget, InboundMode, OnReopen, ResponderEntity,
};
use crate::api::graphql::scalar::millis;
use crate::domain::field::Field;
use crate::domain::people::AgentPatch;
use crate::domain::people::{Agent, Member, Responder, Team};
use crate::domain::schedule::{Interval, Schedule};
use crate::domain::{PolicyPatch, Rejection, id};
use crate::provider::telegram;

/// Hours of one day.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct IntervalInput {
    /// The day on which it begins.
    pub day: Day,
    /// As `09:00`.
    pub from: String,
    /// As `17:30`, and `24:00` for the end of the day; before `from`: on the next day.
    pub to: String,
}

/// Hours of a week.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct ScheduleInput {
    /// A name of the IANA time zone database, as `Europe/Berlin`.
    pub time_zone: String,
    /// At most 50.
    pub intervals: Vec<IntervalInput>,
}

fn minute(text: &str) -> Result<u16, Rejection> {
    let expected = || Rejection::invalid("intervals", "times as 09:00");
    if text == "24:00" {
        return Ok(24 * 60);
    }
    let time = Time::strptime("%H:%M", text).map_err(|_| expected())?;
    let minutes = i32::from(time.hour())
        .saturating_mul(60)
        .saturating_add(i32::from(time.minute()));
    u16::try_from(minutes).map_err(|_| expected())
}

impl ScheduleInput {
    fn into_schedule(self) -> Result<Schedule, Rejection> {
        let intervals = self.intervals.into_iter().map(|interval| {
            Ok(Interval {
                day: interval.day.into(),
                from_minute: minute(&interval.from)?,
                to_minute: minute(&interval.to)?,
            })
        });
        Ok(Schedule {
            time_zone: self.time_zone,
            intervals: intervals.collect::<Result<_, Rejection>>()?,
        })
    }
}

fn schedule(input: MaybeUndefined<ScheduleInput>) -> Result<Option<Option<Schedule>>, Rejection> {
    Ok(match patch(input) {
        Some(Some(input)) => Some(Some(input.into_schedule()?)),
        Some(None) => Some(None),
        None => None,
    })
}

/// What a channel decides; what is absent stays as it is, at first the workspace's.
#[derive(Clone, Debug, Default, InputObject, Serialize)]
pub struct ChannelPolicyInput {
    /// In milliseconds. 0: never reopen; null: for ever; absent: unchanged, at first the workspace's (24 hours).
    pub restore_period_ms: MaybeUndefined<f64>,
    /// Whether an incoming message opens a ticket by itself.
    pub inbound_mode: Option<InboundMode>,
    /// How far before its arrival a message may claim to have been sent, in milliseconds.
    pub max_skew_ms: Option<f64>,
    /// Who gets a ticket that a message reopened.
    pub on_reopen: Option<OnReopen>,
    /// An ACTIVE ticket that is not on hold ends after so long without a message, in milliseconds; null: never.
    pub auto_close_after_ms: MaybeUndefined<f64>,
    /// Who is given a ticket that nobody has.
    pub assignment: Option<AssignmentMode>,
    /// Whoever worked on the chat before comes first, if they are available.
    pub last_handler_first: Option<bool>,
    /// The team of tickets that name none.
    pub default_team_id: MaybeUndefined<Uuid>,
    /// Who answers first in mode RESPONDER.
    pub default_responder_id: MaybeUndefined<Uuid>,
    /// When the office is open; null: always.
    pub office_hours: MaybeUndefined<ScheduleInput>,
    /// Sent to the owner once a message made a ticket: at most 16,384 bytes.
    pub greeting: MaybeUndefined<String>,
    /// Sent instead when the office is closed, also once a ticket was reopened: at most 16,384 bytes.
    pub out_of_hours_reply: MaybeUndefined<String>,
}

impl Serialize for InboundMode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::domain::InboundMode::from(*self).serialize(serializer)
    }
}

impl Serialize for ChannelType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::domain::ChannelType::from(*self).serialize(serializer)
    }
}

fn period(field: &'static str, value: MaybeUndefined<f64>) -> Result<Option<Option<u64>>, Rejection> {
    Ok(match patch(value) {
        Some(Some(value)) => Some(Some(millis(field, value)?)),
        Some(None) => Some(None),
        None => None,
    })
}

impl ChannelPolicyInput {
    fn into_patch(self) -> Result<PolicyPatch, Rejection> {
        let max_skew = self.max_skew_ms.map(|skew| millis("policy.maxSkewMs", skew));
        let patch = PolicyPatch {
            restore_period_ms: period("policy.restorePeriodMs", self.restore_period_ms)?,
            inbound_mode: self.inbound_mode.map(Into::into),
            max_skew_ms: max_skew.transpose()?,
            on_reopen: self.on_reopen.map(Into::into),
            auto_close_after_ms: period("policy.autoCloseAfterMs", self.auto_close_after_ms)?,
            assignment: self.assignment.map(Into::into),
            last_handler_first: self.last_handler_first,
            default_team_id: patch(self.default_team_id),
            default_responder_id: patch(self.default_responder_id),
            office_hours: schedule(self.office_hours)?,
            greeting: patch(self.greeting),
            out_of_hours_reply: patch(self.out_of_hours_reply),
        };
        patch.check()?;
        Ok(patch)
    }
}

pub(in crate::api::graphql) fn policy(input: Option<ChannelPolicyInput>) -> Result<Box<PolicyPatch>, Rejection> {
    input.unwrap_or_default().into_patch().map(Box::new)
}

/// The hash of the secret that a provider's configuration sets, if it sets one.
pub(in crate::api::graphql) fn hook_secret_hash(
    kind: crate::domain::ChannelType,
    config: Option<&Json<Value>>,
) -> Result<Option<String>, ApiError> {
    let Some(Json(config)) = config else {
        return Ok(None);
    };
    let only = || Rejection::invalid("input.config", "an object with secretToken, for TELEGRAM");
    let fields = config.as_object().ok_or_else(only)?;
    let Some(secret) = fields.get("secretToken").filter(|_| fields.len() == 1) else {
        return if fields.is_empty() {
            Ok(None)
        } else {
            Err(only().into())
        };
    };
    if kind != crate::domain::ChannelType::Telegram {
        return Err(only().into());
    }
    let secret = secret
        .as_str()
        .ok_or_else(|| Rejection::invalid("input.config.secretToken", "a string"))?;
    telegram::check_secret(secret)?;
    Ok(Some(id::sha256_hex(secret.as_bytes())))
}

/// A channel to connect.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct ChannelInput {
    /// What it is connected to.
    #[graphql(name = "type")]
    pub kind: ChannelType,
    /// To show: 1 to 256 bytes.
    pub name: String,
    /// What it decides itself.
    pub policy: Option<ChannelPolicyInput>,
    /// The provider's secrets, write-only. TELEGRAM: `{"secretToken": "…"}`, as given to setWebhook.
    pub config: Option<Json<Value>>,
}

/// What to change of a channel; what is absent stays.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct ChannelPatch {
    /// To show.
    pub name: Option<String>,
    /// What it decides itself.
    pub policy: Option<ChannelPolicyInput>,
    /// The provider's secrets, write-only.
    pub config: Option<Json<Value>>,
}

/// A person inside.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct AgentInput {
    /// To show: 1 to 256 bytes.
    pub name: String,
    /// An address.
    pub email: Option<String>,
    /// A URL.
    pub picture: Option<String>,
    /// Whether they take work now; absent: AVAILABLE.
    pub availability: Option<Availability>,
    /// How many open tickets they may be given: 1 to 1,000; absent: 1,000.
    pub capacity: Option<u32>,
    /// When they work; absent: always.
    pub working_hours: Option<ScheduleInput>,
}

impl AgentInput {
    pub(in crate::api::graphql) fn into_agent(self, id: Uuid) -> Result<Agent, Rejection> {
        Ok(Agent {
            id,
            name: self.name,
            email: self.email,
            picture: self.picture,
            availability: self.availability.map_or_else(Default::default, Into::into),
            capacity: self.capacity,
            working_hours: self.working_hours.map(ScheduleInput::into_schedule).transpose()?,
        })
    }
}

/// What to change of an agent; what is absent stays, null takes away.
#[derive(Clone, Debug, InputObject, Serialize)]
#[graphql(name = "AgentPatch")]
pub struct AgentPatchInput {
    /// To show: 1 to 256 bytes.
    pub name: Option<String>,
    /// An address.
    pub email: MaybeUndefined<String>,
    /// A URL.
    pub picture: MaybeUndefined<String>,
    /// Whether they take work now.
    pub availability: Option<Availability>,
    /// How many open tickets they may be given: 1 to 1,000.
    pub capacity: MaybeUndefined<u32>,
    /// When they work.
    pub working_hours: MaybeUndefined<ScheduleInput>,
}

impl AgentPatchInput {
    pub(in crate::api::graphql) fn into_patch(self) -> Result<AgentPatch, Rejection> {
        Ok(AgentPatch {
            name: self.name,
            email: patch(self.email),
            picture: patch(self.picture),
            availability: self.availability.map(Into::into),
            capacity: patch(self.capacity),
            working_hours: schedule(self.working_hours)?,
        })
    }
}

/// An agent in a team.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct MemberInput {
    /// The agent.
    pub agent_id: Uuid,
    /// Their share of what is given in turn: 1 to 100; absent: 1.
    pub weight: Option<u32>,
}

/// A group of agents.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct TeamInput {
    /// To show: 1 to 256 bytes.
    pub name: String,
    /// A URL.
    pub picture: Option<String>,
    /// At most 500, each once.
    pub members: Option<Vec<MemberInput>>,
}

impl TeamInput {
    pub(in crate::api::graphql) fn into_team(self, id: Uuid) -> Team {
        let members = self.members.unwrap_or_default().into_iter();
        Team {
            id,
            name: self.name,
            picture: self.picture,
            members: members
                .map(|member| Member {
                    agent_id: member.agent_id,
                    weight: member.weight.unwrap_or(1),
                })
                .collect(),
        }
    }
}

/// Who answers chats before people do.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct ResponderInput {
    /// To show: 1 to 256 bytes.
    pub name: String,
    /// A URL.
    pub picture: Option<String>,
    /// A program or a person; absent: AGENT.
    pub entity: Option<ResponderEntity>,
    /// Which version of the program is in use.
    pub version_id: Option<Uuid>,
    /// The same as a number, from 1.
    pub version_number: Option<u32>,
}

impl ResponderInput {
    pub(in crate::api::graphql) fn into_responder(self, id: Uuid) -> Responder {
        Responder {
            id,
            name: self.name,
            picture: self.picture,
            entity: self.entity.unwrap_or(ResponderEntity::Agent).into(),
            version_id: self.version_id,
            version_number: self.version_number,
        }
    }
}

/// A label for tickets.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct TagInput {
    /// To show: 1 to 256 bytes.
    pub name: String,
}

/// A field of tickets or contacts.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct FieldInput {
    /// To show: 1 to 256 bytes.
    pub name: String,
    /// What it takes; fixed.
    pub kind: FieldKind,
    /// What it is of; fixed. Absent: TICKET.
    pub target: Option<FieldTarget>,
    /// Of a SELECT: 1 to 200.
    pub options: Option<Vec<String>>,
}

impl FieldInput {
    pub(in crate::api::graphql) fn into_field(self, id: Uuid) -> Field {
        Field {
            id,
            name: self.name,
            kind: self.kind.into(),
            target: self.target.unwrap_or(FieldTarget::Ticket).into(),
            options: self.options.unwrap_or_default(),
        }
    }
}
