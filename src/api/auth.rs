//! Who asks: an API key opens one workspace, and nothing but the key says which.

use uuid::Uuid;

use crate::domain::id::sha256_hex;
use crate::live::Live;

/// The shortest API key, in characters.
pub const KEY_MIN_CHARS: usize = 32;
/// The longest credential that is looked at, in bytes.
const KEY_MAX_BYTES: usize = 1_024;

/// Somebody whose key was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The tenant.
    pub workspace_id: Uuid,
    /// The key.
    pub key_id: Uuid,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No key.
    #[error("an API key is missing: send it as Authorization: Bearer KEY")]
    Missing,
    /// Not a key that opens anything.
    #[error("the API key is not known")]
    Unknown,
}

/// Knows the keys of all workspaces by their hashes.
#[derive(Clone, Debug)]
pub struct Authenticator {
    live: Live,
}

impl Authenticator {
    /// Keys come from the settings that `live` keeps at hand.
    #[must_use]
    pub fn new(live: Live) -> Self {
        Self { live }
    }

    /// Who holds this credential: `Bearer KEY`, or the key alone. The key is looked up by its SHA-256, so that the time
    /// it takes says nothing about a known one.
    ///
    /// # Errors
    /// No key, or an unknown one.
    pub fn authenticate(&self, authorization: Option<&str>) -> Result<Principal, AuthError> {
        let credential = authorization.map(str::trim).unwrap_or_default();
        let key = match credential.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
            _ => credential,
        };
        if key.is_empty() {
            return Err(AuthError::Missing);
        }
        if key.len() > KEY_MAX_BYTES {
            return Err(AuthError::Unknown);
        }
        let settings = self.live.settings();
        let (workspace_id, key) = settings.key(&sha256_hex(key.as_bytes())).ok_or(AuthError::Unknown)?;
        Ok(Principal {
            workspace_id,
            key_id: key.id,
        })
    }

    /// Whether the key still opens something.
    #[must_use]
    pub fn is_live(&self, principal: &Principal) -> bool {
        self.live.settings().has_key(principal.key_id)
    }
}
