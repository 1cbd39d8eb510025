//! Somebody whose key was known, and what the key lets them do and see.

use std::sync::Arc;

use uuid::Uuid;

use super::{Role, Scope};
use crate::api::error::ApiError;
use crate::domain::key::KeySecret;
use crate::domain::{ApiKey, Rejection};
use crate::view::ContactRow;

/// An id that no channel has: ids of channels are of version 4.
const NO_CHANNEL: Uuid = Uuid::max();

/// What a key may do, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

fn bit(scope: Scope) -> u8 {
    match scope {
        Scope::Read => 1,
        Scope::Write => 2,
        Scope::Ingest => 4,
        Scope::Admin => 8,
    }
}

impl Scopes {
    fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |set, scope| set | bit(*scope)))
    }

    /// Those that were given, without what they imply.
    pub fn given(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & bit(*scope) != 0)
    }

    /// Whether one of them is this one or implies it.
    #[must_use]
    pub fn allow(self, wanted: Scope) -> bool {
        self.given().any(|scope| scope.implies(wanted))
    }
}

/// What a key opens: whoever has the same gets the same answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    workspace_id: Uuid,
    scopes: Scopes,
    channels: Option<Arc<[Uuid]>>,
    agent: Option<(Uuid, Role)>,
}

/// Somebody whose key was known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The tenant.
    pub workspace_id: Uuid,
    /// The key.
    pub key_id: Uuid,
    /// What it may do.
    pub scopes: Scopes,
    /// Whose key it is, if it is an agent's.
    pub agent: Option<(Uuid, Role)>,
    channels: Option<Arc<[Uuid]>>,
    /// Tells with which of its secrets the key was held.
    secret_created_at: u64,
}

impl Principal {
    pub(in crate::api) fn of(workspace_id: Uuid, key: &ApiKey, secret: &KeySecret) -> Self {
        let grant = &key.grant;
        Self {
            workspace_id,
            key_id: key.id,
            scopes: Scopes::of(&grant.scopes),
            agent: grant.agent_id.zip(grant.role),
            channels: (!grant.channel_ids.is_empty()).then(|| grant.channel_ids.as_slice().into()),
            secret_created_at: secret.created_at,
        }
    }

    /// What the key opens, whichever key it is.
    #[must_use]
    pub fn access(&self) -> Access {
        Access {
            workspace_id: self.workspace_id,
            scopes: self.scopes,
            channels: self.channels.clone(),
            agent: self.agent,
        }
    }

    /// Refuses a key without a scope.
    ///
    /// # Errors
    /// `FORBIDDEN`, naming the scope.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.allow(scope) {
            return Ok(());
        }
        let name = scope.name();
        let mut error = forbidden(format!("the key needs the scope {name} for this"));
        error.details.insert("requiredScope".into(), name.into());
        Err(error)
    }

    /// The channels that the key is limited to; none: it is not.
    #[must_use]
    pub fn channels(&self) -> Option<&[Uuid]> {
        self.channels.as_deref()
    }

    /// Whether the key may know of what is on a channel.
    #[must_use]
    pub fn sees(&self, channel_id: Uuid) -> bool {
        self.channels().is_none_or(|channels| channels.contains(&channel_id))
    }

    /// Refuses a channel that the key may not know of, as one that is not there.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub fn check_channel(&self, channel_id: Uuid) -> Result<(), ApiError> {
        if self.sees(channel_id) {
            return Ok(());
        }
        Err(Rejection::NotFound { what: "channel" }.into())
    }

    /// Refuses a key that is limited to channels what concerns all of them.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn check_all_channels(&self) -> Result<(), ApiError> {
        if self.channels.is_none() {
            return Ok(());
        }
        Err(forbidden("a key that is limited to channels may not do this"))
    }

    /// The channels of a filter, any where it names none, as far as the key may know of them. Where nothing of them is
    /// left, an id that no channel has stands for none.
    #[must_use]
    pub fn narrow(&self, wanted: Vec<Uuid>) -> Vec<Uuid> {
        let Some(channels) = self.channels() else {
            return wanted;
        };
        if wanted.is_empty() {
            return channels.to_vec();
        }
        let mut seen: Vec<Uuid> = wanted.into_iter().filter(|id| channels.contains(id)).collect();
        if seen.is_empty() {
            seen.push(NO_CHANNEL);
        }
        seen
    }

    /// What the key may know of a contact: one with no chat on a channel that it knows is none, and of one with chats
    /// elsewhere it knows those here, and nothing that was set.
    #[must_use]
    pub(in crate::api) fn glimpse(&self, contact: ContactRow) -> Option<ContactRow> {
        let is_seen = self.channels.is_none() || !contact.chats.is_empty();
        is_seen.then(|| contact.glimpse())
    }
}

pub(super) fn forbidden(message: impl Into<String>) -> ApiError {
    ApiError::new("FORBIDDEN", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const TWO: Uuid = Uuid::from_u128(2);
    const THREE: Uuid = Uuid::from_u128(3);

    fn principal(scopes: &[Scope], channel_ids: &[Uuid]) -> Principal {
        let mut key = ApiKey::admin("key", "hash", 1);
        key.grant.scopes = scopes.to_vec();
        key.grant.channel_ids = channel_ids.to_vec();
        Principal::of(THREE, &key, &key.secrets[0])
    }

    #[test]
    fn scopes_imply_each_other_as_the_table_says() {
        let allowed = |scope: Scope| Scope::ALL.map(|wanted| principal(&[scope], &[]).require(wanted).is_ok());
        // read, write, ingest, admin
        assert_eq!(allowed(Scope::Read), [true, false, false, false]);
        assert_eq!(allowed(Scope::Write), [true, true, true, false]);
        assert_eq!(allowed(Scope::Ingest), [false, false, true, false]);
        assert_eq!(allowed(Scope::Admin), [true, true, true, true]);
        let none = principal(&[], &[]);
        assert!(Scope::ALL.iter().all(|scope| none.require(*scope).is_err()));
        let error = none.require(Scope::Write).unwrap_err();
        assert_eq!(
            (error.code, &error.details["requiredScope"]),
            ("FORBIDDEN", &"WRITE".into())
        );
    }

    #[test]
    fn a_filter_never_reaches_further_than_the_key() {
        let all = principal(&[Scope::Read], &[]);
        assert!(all.narrow(Vec::new()).is_empty());
        assert_eq!(all.narrow(vec![ONE]), [ONE]);
        let limited = principal(&[Scope::Read], &[ONE, TWO]);
        assert_eq!(limited.narrow(Vec::new()), [ONE, TWO]);
        assert_eq!(limited.narrow(vec![TWO, THREE]), [TWO]);
        assert_eq!(limited.narrow(vec![THREE]), [NO_CHANNEL], "not all of them");
        assert!(limited.sees(ONE) && !limited.sees(THREE));
        assert_eq!(limited.check_channel(THREE).unwrap_err().code, "NOT_FOUND");
        assert_eq!(limited.check_all_channels().unwrap_err().code, "FORBIDDEN");
        assert_ne!(limited.access(), all.access(), "they share no answers");
    }
}
