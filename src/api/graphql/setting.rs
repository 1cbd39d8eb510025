//! A workspace's settings.

use std::collections::BTreeMap;

use async_graphql::{Json, Object, SimpleObject};
use serde_json::Value;
use uuid::Uuid;

use super::kind::{
    AssignmentMode, Availability, ChannelType, Day, FieldKind, FieldTarget, InboundMode, OnReopen, ResponderEntity,
};
use super::scalar::{float, int};
use crate::domain;

/// A connected account of the company.
#[derive(Clone, Debug)]
pub struct Channel {
    pub(super) channel: domain::Channel,
    pub(super) policy: domain::ChannelPolicy,
}

#[Object]
impl Channel {
    /// Unique.
    async fn id(&self) -> Uuid {
        self.channel.id
    }

    /// What it is connected to.
    #[graphql(name = "type")]
    async fn kind(&self) -> ChannelType {
        self.channel.kind.into()
    }

    /// To show.
    async fn name(&self) -> &str {
        &self.channel.name
    }

    /// The rules in force: the channel's own over the workspace's.
    async fn policy(&self) -> ChannelPolicy {
        self.policy.clone().into()
    }
}

/// What a channel decides about its chats.
#[derive(Clone, Debug, SimpleObject)]
pub struct ChannelPolicy {
    /// How long after its end a ticket is reopened by a message, in milliseconds. 0: never; null: for ever.
    pub restore_period_ms: Option<f64>,
    /// Whether an incoming message opens a ticket by itself.
    pub inbound_mode: InboundMode,
    /// How far before its arrival a message may claim to have been sent, in milliseconds.
    pub max_skew_ms: f64,
    /// Who gets a ticket that a message reopened.
    pub on_reopen: OnReopen,
    /// An ACTIVE ticket that is not on hold ends after so long without a message, in milliseconds; null: never.
    pub auto_close_after_ms: Option<f64>,
    /// Who is given a ticket that nobody has.
    pub assignment: AssignmentMode,
    /// Whoever worked on the chat before comes first, if they are available.
    pub last_handler_first: bool,
    /// The team of tickets that name none.
    pub default_team_id: Option<Uuid>,
    /// Who answers first in mode RESPONDER.
    pub default_responder_id: Option<Uuid>,
    /// When the office is open; null: always.
    pub office_hours: Option<Schedule>,
    /// Sent to the owner once a message made a ticket.
    pub greeting: Option<String>,
    /// Sent instead when the office is closed, also once a ticket was reopened.
    pub out_of_hours_reply: Option<String>,
}

impl From<domain::ChannelPolicy> for ChannelPolicy {
    fn from(policy: domain::ChannelPolicy) -> Self {
        Self {
            restore_period_ms: policy.restore_period_ms.map(float),
            inbound_mode: policy.inbound_mode.into(),
            max_skew_ms: float(policy.max_skew_ms),
            on_reopen: policy.on_reopen.into(),
            auto_close_after_ms: policy.auto_close_after_ms.map(float),
            assignment: policy.assignment.into(),
            last_handler_first: policy.last_handler_first,
            default_team_id: policy.default_team_id,
            default_responder_id: policy.default_responder_id,
            office_hours: policy.office_hours.map(Schedule::from),
            greeting: policy.greeting,
            out_of_hours_reply: policy.out_of_hours_reply,
        }
    }
}

/// Hours of one day.
#[derive(Clone, Debug, SimpleObject)]
pub struct Interval {
    /// The day on which it begins.
    pub day: Day,
    /// As `09:00`.
    pub from: String,
    /// As `17:30`, and `24:00` for the end of the day; before `from`: on the next day.
    pub to: String,
}

/// Hours of a week.
#[derive(Clone, Debug, SimpleObject)]
pub struct Schedule {
    /// A name of the IANA time zone database.
    pub time_zone: String,
    /// When it is open.
    pub intervals: Vec<Interval>,
}

fn clock_time(minute: u16) -> String {
    format!("{:02}:{:02}", minute.div_euclid(60), minute.rem_euclid(60))
}

impl From<domain::schedule::Schedule> for Schedule {
    fn from(schedule: domain::schedule::Schedule) -> Self {
        let intervals = schedule.intervals.into_iter();
        Self {
            time_zone: schedule.time_zone,
            intervals: intervals
                .map(|interval| Interval {
                    day: interval.day.into(),
                    from: clock_time(interval.from_minute),
                    to: clock_time(interval.to_minute),
                })
                .collect(),
        }
    }
}

/// A person inside.
#[derive(Clone, Debug, SimpleObject)]
pub struct Agent {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// An address.
    pub email: Option<String>,
    /// A URL.
    pub picture: Option<String>,
    /// Whether they take work, within their working hours.
    pub availability: Availability,
    /// Whether they take work at this moment.
    pub is_available: bool,
    /// How many open tickets they may be given.
    pub capacity: i32,
    /// When they work; null: always.
    pub working_hours: Option<Schedule>,
}

/// An agent as of now.
pub(super) fn agent(agent: domain::Agent, now: domain::Millis) -> Agent {
    Agent {
        is_available: agent.is_available(now),
        capacity: i32::try_from(agent.room()).unwrap_or(i32::MAX),
        id: agent.id,
        name: agent.name,
        email: agent.email,
        picture: agent.picture,
        availability: agent.availability.into(),
        working_hours: agent.working_hours.map(Schedule::from),
    }
}

/// An agent in a team.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Member {
    /// The agent.
    pub agent_id: Uuid,
    /// Their share of what is given in turn.
    pub weight: i32,
}

/// A group of agents.
#[derive(Clone, Debug, SimpleObject)]
pub struct Team {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// A URL.
    pub picture: Option<String>,
    /// Who is in it.
    pub members: Vec<Member>,
}

impl From<domain::Team> for Team {
    fn from(team: domain::Team) -> Self {
        let members = team.members.into_iter();
        Self {
            id: team.id,
            name: team.name,
            picture: team.picture,
            members: members
                .map(|member| Member {
                    agent_id: member.agent_id,
                    weight: int(member.weight.into()),
                })
                .collect(),
        }
    }
}

/// Who answers a chat.
#[derive(Clone, Debug, SimpleObject)]
pub struct Responder {
    /// Unique; an agent's where a person answers.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// A URL.
    pub picture: Option<String>,
    /// A program or a person.
    pub entity: ResponderEntity,
    /// Which version of the program.
    pub version_id: Option<Uuid>,
    /// The same as a number.
    pub version_number: Option<i32>,
}

impl From<domain::Responder> for Responder {
    fn from(responder: domain::Responder) -> Self {
        Self {
            id: responder.id,
            name: responder.name,
            picture: responder.picture,
            entity: responder.entity.into(),
            version_id: responder.version_id,
            version_number: responder.version_number.map(|number| int(number.into())),
        }
    }
}

/// Who answers a chat, with the name and picture that the settings give.
pub(super) fn chat_responder(workspace: &domain::Workspace, responder: &domain::ChatResponder) -> Responder {
    let person = workspace.agent(responder.id);
    let (name, picture) = match (workspace.responder(responder.id), person) {
        (Some(known), _) => (known.name.clone(), known.picture.clone()),
        (None, Some(agent)) => (agent.name.clone(), agent.picture.clone()),
        (None, None) => ("bot".to_owned(), None),
    };
    Responder {
        id: responder.id,
        name,
        picture,
        entity: responder.entity.into(),
        version_id: responder.version_id,
        version_number: responder.version_number.map(|number| int(number.into())),
    }
}

/// A label for tickets.
#[derive(Clone, Debug, SimpleObject)]
pub struct Tag {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
}

impl From<domain::field::Tag> for Tag {
    fn from(tag: domain::field::Tag) -> Self {
        Self {
            id: tag.id,
            name: tag.name,
        }
    }
}

/// A field that the workspace defined.
#[derive(Clone, Debug, SimpleObject)]
pub struct Field {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// What it takes.
    pub kind: FieldKind,
    /// What it is of.
    pub target: FieldTarget,
    /// Of a SELECT.
    pub options: Vec<String>,
}

impl From<domain::field::Field> for Field {
    fn from(field: domain::field::Field) -> Self {
        Self {
            id: field.id,
            name: field.name,
            kind: field.kind.into(),
            target: field.target.into(),
            options: field.options,
        }
    }
}

/// A field's value.
#[derive(Clone, Debug, SimpleObject)]
pub struct FieldValue {
    /// The field.
    pub field: Field,
    /// Of the field's kind.
    pub value: Json<Value>,
}

/// Values with their fields, in the order of the workspace's fields.
pub(super) fn field_values(workspace: &domain::Workspace, values: &BTreeMap<Uuid, Value>) -> Vec<FieldValue> {
    let fields = workspace.fields.iter();
    fields
        .filter_map(|field| {
            Some(FieldValue {
                value: Json(values.get(&field.id)?.clone()),
                field: field.clone().into(),
            })
        })
        .collect()
}

/// A channel with its policy in force.
pub(super) fn channel(settings: &crate::live::Settings, channel: &domain::Channel) -> Channel {
    Channel {
        policy: settings.policy(channel.id),
        channel: channel.clone(),
    }
}
