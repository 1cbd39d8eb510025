//! What a channel decides about its chats.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::{TEXT_MAX_BYTES, check_text};
use super::schedule::Schedule;
use super::{Agent, ChatResponder, Millis, Rejection, Workspace};

/// 24 hours, in milliseconds: the workspace's restore period until somebody sets another.
pub const DEFAULT_RESTORE_PERIOD_MS: Millis = 86_400_000;
/// 24 hours, in milliseconds: how far back a provider's `sentAt` is believed until somebody sets another bound.
pub const DEFAULT_MAX_SKEW_MS: Millis = 86_400_000;
/// The largest period that a policy may name, in milliseconds: one hundred years.
pub const PERIOD_MAX_MS: Millis = 3_155_760_000_000;

/// Whether an incoming message opens a ticket by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InboundMode {
    /// A message opens a ticket.
    #[default]
    Ticket,
    /// A responder answers first; no ticket until it hands over.
    Responder,
}

/// Who gets a ticket that an incoming message reopened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnReopen {
    /// Whoever had it.
    Keep,
    /// Whoever had it, if they are available now; otherwise nobody.
    #[default]
    KeepIfAvailable,
    /// Nobody: it waits with the new ones.
    Queue,
    /// The channel's responder answers; nobody is assigned.
    Bot,
}

/// Who is given a ticket that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AssignmentMode {
    /// Nobody, by itself.
    #[default]
    Manual,
    /// In turn, by the weights of the team's members.
    RoundRobin,
    /// Who has the least.
    LeastBusy,
}

/// The rules in force on a channel: its own over the workspace's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChannelPolicy {
    /// How long after its end a ticket is reopened by a message, in milliseconds. 0: never, `None`: for ever.
    pub restore_period_ms: Option<Millis>,
    /// Whether a message opens a ticket.
    pub inbound_mode: InboundMode,
    /// How far before its arrival a message may claim to have been sent, in milliseconds.
    pub max_skew_ms: Millis,
    /// Who gets a ticket that a message reopened.
    pub on_reopen: OnReopen,
    /// An ACTIVE ticket that is not on hold ends after so long without a message, in milliseconds; `None`: never.
    pub auto_close_after_ms: Option<Millis>,
    /// Who is given a ticket that nobody has.
    pub assignment: AssignmentMode,
    /// Whoever worked on the chat before comes first, if they are available.
    pub last_handler_first: bool,
    /// The team of tickets that name none.
    pub default_team_id: Option<Uuid>,
    /// Who answers first in mode RESPONDER.
    pub default_responder_id: Option<Uuid>,
    /// When the office is open; `None`: always.
    pub office_hours: Option<Schedule>,
    /// Sent to the owner once a message made a ticket.
    pub greeting: Option<String>,
    /// Sent instead when the office is closed, also once a ticket was reopened.
    pub out_of_hours_reply: Option<String>,
}

impl Default for ChannelPolicy {
    fn default() -> Self {
        Self {
            restore_period_ms: Some(DEFAULT_RESTORE_PERIOD_MS),
            inbound_mode: InboundMode::default(),
            max_skew_ms: DEFAULT_MAX_SKEW_MS,
            on_reopen: OnReopen::default(),
            auto_close_after_ms: None,
            assignment: AssignmentMode::default(),
            last_handler_first: false,
            default_team_id: None,
            default_responder_id: None,
            office_hours: None,
            greeting: None,
            out_of_hours_reply: None,
        }
    }
}

/// A setting that a channel leaves out, sets to nothing, or sets.
pub type Patch<T> = Option<Option<T>>;

/// What a channel sets itself; what it leaves out comes from the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(
    missing_docs,
    reason = "as in ChannelPolicy; `Some(None)` is null, `None` as the workspace says"
)]
pub struct PolicyPatch {
    #[serde(skip_serializing_if = "Option::is_none", with = "nested")]
    pub restore_period_ms: Patch<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbound_mode: Option<InboundMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_skew_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_reopen: Option<OnReopen>,
    #[serde(skip_serializing_if = "Option::is_none", with = "nested")]
    pub auto_close_after_ms: Patch<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment: Option<AssignmentMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handler_first: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", with = "nested")]
    pub default_team_id: Patch<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", with = "nested")]
    pub default_responder_id: Patch<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", with = "nested")]
    pub office_hours: Patch<Schedule>,
    #[serde(skip_serializing_if = "Option::is_none", with = "nested")]
    pub greeting: Patch<String>,
    #[serde(skip_serializing_if = "Option::is_none", with = "nested")]
    pub out_of_hours_reply: Patch<String>,
}

/// A present `null` is `Some(None)`; an absent field stays `None` by `default`.
mod nested {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::<T>::deserialize(deserializer).map(Some)
    }
}

impl PolicyPatch {
    /// Takes over every field that `newer` names.
    pub fn merge(&mut self, newer: &Self) {
        fn take<T: Clone>(to: &mut Option<T>, newer: Option<&T>) {
            if let Some(newer) = newer {
                *to = Some(newer.clone());
            }
        }
        take(&mut self.restore_period_ms, newer.restore_period_ms.as_ref());
        take(&mut self.inbound_mode, newer.inbound_mode.as_ref());
        take(&mut self.max_skew_ms, newer.max_skew_ms.as_ref());
        take(&mut self.on_reopen, newer.on_reopen.as_ref());
        take(&mut self.auto_close_after_ms, newer.auto_close_after_ms.as_ref());
        take(&mut self.assignment, newer.assignment.as_ref());
        take(&mut self.last_handler_first, newer.last_handler_first.as_ref());
        take(&mut self.default_team_id, newer.default_team_id.as_ref());
        take(&mut self.default_responder_id, newer.default_responder_id.as_ref());
        take(&mut self.office_hours, newer.office_hours.as_ref());
        take(&mut self.greeting, newer.greeting.as_ref());
        take(&mut self.out_of_hours_reply, newer.out_of_hours_reply.as_ref());
    }

    /// The policy in force when `defaults` are the workspace's.
    #[must_use]
    pub fn over(&self, defaults: &ChannelPolicy) -> ChannelPolicy {
        fn or<T: Clone>(own: Option<&T>, default: &T) -> T {
            own.unwrap_or(default).clone()
        }
        ChannelPolicy {
            restore_period_ms: or(self.restore_period_ms.as_ref(), &defaults.restore_period_ms),
            inbound_mode: or(self.inbound_mode.as_ref(), &defaults.inbound_mode),
            max_skew_ms: or(self.max_skew_ms.as_ref(), &defaults.max_skew_ms),
            on_reopen: or(self.on_reopen.as_ref(), &defaults.on_reopen),
            auto_close_after_ms: or(self.auto_close_after_ms.as_ref(), &defaults.auto_close_after_ms),
            assignment: or(self.assignment.as_ref(), &defaults.assignment),
            last_handler_first: or(self.last_handler_first.as_ref(), &defaults.last_handler_first),
            default_team_id: or(self.default_team_id.as_ref(), &defaults.default_team_id),
            default_responder_id: or(self.default_responder_id.as_ref(), &defaults.default_responder_id),
            office_hours: or(self.office_hours.as_ref(), &defaults.office_hours),
            greeting: or(self.greeting.as_ref(), &defaults.greeting),
            out_of_hours_reply: or(self.out_of_hours_reply.as_ref(), &defaults.out_of_hours_reply),
        }
    }

    /// Refuses a period longer than [`PERIOD_MAX_MS`], a schedule that is none, and a text that is too long.
    ///
    /// # Errors
    /// [`Rejection::InvalidInput`] naming the field.
    pub fn check(&self) -> Result<(), Rejection> {
        let periods = [
            ("policy.restorePeriodMs", self.restore_period_ms.flatten()),
            ("policy.maxSkewMs", self.max_skew_ms),
            ("policy.autoCloseAfterMs", self.auto_close_after_ms.flatten()),
        ];
        for (field, period) in periods {
            if period.is_some_and(|period| period > PERIOD_MAX_MS) {
                return Err(Rejection::invalid(field, format!("0 to {PERIOD_MAX_MS} milliseconds")));
            }
        }
        if self.auto_close_after_ms.flatten() == Some(0) {
            return Err(Rejection::invalid(
                "policy.autoCloseAfterMs",
                "1 millisecond or more, or null",
            ));
        }
        for (field, text) in [
            ("policy.greeting", &self.greeting),
            ("policy.outOfHoursReply", &self.out_of_hours_reply),
        ] {
            if let Some(Some(text)) = text {
                check_text(field, text, TEXT_MAX_BYTES)?;
            }
        }
        if let Some(Some(hours)) = &self.office_hours {
            hours.check()?;
        }
        Ok(())
    }
}

/// All that a decision over a chat needs and the chat does not hold itself.
#[derive(Clone, Debug)]
pub struct Rulebook {
    /// In force on the chat's channel.
    pub policy: ChannelPolicy,
    /// The settings.
    pub workspace: Arc<Workspace>,
}

impl Default for Rulebook {
    fn default() -> Self {
        ChannelPolicy::default().into()
    }
}

/// A policy beside settings without people, tags or fields.
impl From<ChannelPolicy> for Rulebook {
    fn from(policy: ChannelPolicy) -> Self {
        Self {
            policy,
            workspace: Arc::new(<Workspace as super::Aggregate>::blank(Uuid::nil())),
        }
    }
}

impl Rulebook {
    /// Whether an agent may be given work now.
    #[must_use]
    pub fn is_available(&self, agent_id: Uuid, now: Millis) -> bool {
        self.workspace
            .agent(agent_id)
            .is_some_and(|agent: &Agent| agent.is_available(now))
    }

    /// Refuses an agent that the workspace does not have.
    ///
    /// # Errors
    /// [`Rejection::NotFound`].
    pub fn check_agent(&self, agent_id: Option<Uuid>) -> Result<(), Rejection> {
        match agent_id {
            Some(id) if self.workspace.agent(id).is_none() => Err(Rejection::NotFound { what: "agent" }),
            _ => Ok(()),
        }
    }

    /// Refuses a team that the workspace does not have.
    ///
    /// # Errors
    /// [`Rejection::NotFound`].
    pub fn check_team(&self, team_id: Option<Uuid>) -> Result<(), Rejection> {
        match team_id {
            Some(id) if self.workspace.team(id).is_none() => Err(Rejection::NotFound { what: "team" }),
            _ => Ok(()),
        }
    }

    /// The responder that answers first on the channel.
    #[must_use]
    pub fn responder(&self) -> Option<ChatResponder> {
        let id = self.policy.default_responder_id?;
        self.workspace.responder(id).map(ChatResponder::from)
    }

    /// Whether the office is open.
    #[must_use]
    pub fn is_open(&self, now: Millis) -> bool {
        let hours = self.policy.office_hours.as_ref();
        hours.is_none_or(|hours| hours.is_open(now))
    }
}
