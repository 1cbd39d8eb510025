//! What a channel decides about its chats.

use serde::{Deserialize, Serialize};

use super::{Millis, Rejection};

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

/// The rules in force for one chat at the moment of a decision: the channel's over the workspace's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelPolicy {
    /// How long after its end a ticket is reopened by a message, in milliseconds. 0: never, `None`: for ever.
    pub restore_period_ms: Option<Millis>,
    /// Whether a message opens a ticket.
    pub inbound_mode: InboundMode,
    /// How far before its arrival a message may claim to have been sent, in milliseconds.
    pub max_skew_ms: Millis,
}

impl Default for ChannelPolicy {
    fn default() -> Self {
        Self {
            restore_period_ms: Some(DEFAULT_RESTORE_PERIOD_MS),
            inbound_mode: InboundMode::default(),
            max_skew_ms: DEFAULT_MAX_SKEW_MS,
        }
    }
}

/// What a channel sets itself; what it leaves out comes from the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyPatch {
    /// `Some(None)`: for ever. `None`: as the workspace says.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nested")]
    pub restore_period_ms: Option<Option<Millis>>,
    /// `None`: as the workspace says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound_mode: Option<InboundMode>,
    /// `None`: as the workspace says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_skew_ms: Option<Millis>,
}

/// A present `null` is `Some(None)`; an absent field stays `None` by `default`.
mod nested {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(
        clippy::ref_option,
        clippy::option_option,
        reason = "the signature that serde asks for"
    )]
    pub(super) fn serialize<S: Serializer>(value: &Option<Option<u64>>, serializer: S) -> Result<S::Ok, S::Error> {
        value.flatten().serialize(serializer)
    }

    #[expect(clippy::option_option, reason = "absent and null differ")]
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
        Option::<u64>::deserialize(deserializer).map(Some)
    }
}

impl PolicyPatch {
    /// This patch with every field that `newer` names replaced.
    #[must_use]
    pub fn merged(&self, newer: &Self) -> Self {
        Self {
            restore_period_ms: newer.restore_period_ms.or(self.restore_period_ms),
            inbound_mode: newer.inbound_mode.or(self.inbound_mode),
            max_skew_ms: newer.max_skew_ms.or(self.max_skew_ms),
        }
    }

    /// The policy in force when `defaults` are the workspace's.
    #[must_use]
    pub fn over(&self, defaults: &ChannelPolicy) -> ChannelPolicy {
        ChannelPolicy {
            restore_period_ms: self.restore_period_ms.unwrap_or(defaults.restore_period_ms),
            inbound_mode: self.inbound_mode.unwrap_or(defaults.inbound_mode),
            max_skew_ms: self.max_skew_ms.unwrap_or(defaults.max_skew_ms),
        }
    }

    /// Refuses a period longer than [`PERIOD_MAX_MS`].
    ///
    /// # Errors
    /// [`Rejection::InvalidInput`] naming the field.
    pub fn check(&self) -> Result<(), Rejection> {
        let periods = [
            ("policy.restorePeriodMs", self.restore_period_ms.flatten()),
            ("policy.maxSkewMs", self.max_skew_ms),
        ];
        for (field, period) in periods {
            if period.is_some_and(|period| period > PERIOD_MAX_MS) {
                return Err(Rejection::invalid(field, format!("0 to {PERIOD_MAX_MS} milliseconds")));
            }
        }
        Ok(())
    }
}
