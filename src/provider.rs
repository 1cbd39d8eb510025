//! Providers: who their requests are from, and what they ask for. One file a provider.

pub mod telegram;

use subtle::ConstantTimeEq as _;

use crate::domain::DedupeKey;
use crate::domain::command::Incoming;
use crate::domain::id::sha256_hex;
use crate::domain::message::Amendment;

/// What one request of a provider asks for.
#[derive(Clone, Debug)]
pub enum Inbound {
    /// The owner said something.
    Message {
        /// The provider's id of the chat's owner.
        owner_external_id: String,
        /// What was said.
        incoming: Incoming,
        /// By which a repeat is known.
        keys: Vec<DedupeKey>,
    },
    /// Something happened to what was said.
    Amend {
        /// The provider's id of the chat's owner.
        owner_external_id: String,
        /// The provider's id of the message.
        message_external_id: String,
        /// What happened.
        amendment: Amendment,
        /// By which a repeat is known.
        keys: Vec<DedupeKey>,
    },
    /// To be acknowledged and dropped.
    Ignored {
        /// Why.
        reason: &'static str,
    },
}

/// A request that is not what the provider sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Where, and what was expected; never what was there.
    #[error("not a {what} at line {line}, column {column}")]
    Malformed {
        /// What the body should have been.
        what: &'static str,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
}

/// Whether a request carries the secret whose SHA-256 is known. The time it takes says nothing about the secret.
#[must_use]
pub fn secret_matches(given: Option<&[u8]>, stored_hash: &str) -> bool {
    given.is_some_and(|given| {
        let given = sha256_hex(given);
        given.as_bytes().ct_eq(stored_hash.as_bytes()).into()
    })
}
