//! Who asks: an API key opens one workspace, and nothing but the key says which, and how much of it.

mod acting;
mod issue;
mod principal;

pub(crate) use self::issue::{Issued, issue, prefix};
pub use self::principal::{Access, Principal, Scopes};
pub use crate::domain::key::{Role, Scope};

use std::time::Duration;

use uuid::Uuid;

use self::issue::PREFIX;
use crate::clock::Clock;
use crate::domain::ApiKey;
use crate::domain::id::sha256_hex;
use crate::domain::key::KeySecret;
use crate::live::Live;
use crate::process::KeyUses;
use crate::signing::Signing;

/// The shortest API key, in characters.
pub const KEY_MIN_CHARS: usize = 32;
/// How often it is looked whether a key still opens something.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The longest credential that is looked at, in bytes.
const KEY_MAX_BYTES: usize = 1_024;

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No key.
    #[error("an API key is missing: send it as Authorization: Bearer KEY")]
    Missing,
    /// Not a key that opens anything.
    #[error("the API key is not known")]
    Unknown,
    /// It opened something once.
    #[error("the API key has expired")]
    Expired,
    /// Not what the key's signing secret makes of the request.
    #[error("the signature is not one of the key's")]
    Signature,
}

/// Knows the keys of all workspaces by their hashes.
#[derive(Clone, Debug)]
pub struct Authenticator {
    live: Live,
    clock: Clock,
    signing: Signing,
    uses: KeyUses,
}

impl Authenticator {
    /// Keys come from the settings that `live` keeps at hand; that they were used is told to `uses`.
    #[must_use]
    pub fn new(live: Live, clock: Clock, signing: Signing, uses: KeyUses) -> Self {
        Self {
            live,
            clock,
            signing,
            uses,
        }
    }

    /// Who holds this credential: `Bearer KEY`, or the key alone. The key is looked up by its SHA-256, so that the time
    /// it takes says nothing about a known one.
    ///
    /// # Errors
    /// No key, an unknown one, or one that has expired.
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
        let hash = sha256_hex(key.as_bytes());
        let settings = self.live.settings();
        let (workspace_id, key) = settings.key(&hash).ok_or(AuthError::Unknown)?;
        let mut secrets = key.secrets.iter();
        let secret = secrets.find(|secret| secret.hash == hash).ok_or(AuthError::Unknown)?;
        self.admit(workspace_id, key, secret)
    }

    /// Who signed `signed` with the signing secret of a key, named by its id or its prefix `sbk_ID`. The signature is the
    /// HMAC-SHA256 in lower-case hexadecimal; comparing it takes the same time wherever it differs.
    ///
    /// # Errors
    /// An unknown key, one that has expired, or a signature by none of its secrets.
    pub fn signed(&self, key: &str, signed: &[u8], signature_hex: &str) -> Result<Principal, AuthError> {
        let id = key.strip_prefix(PREFIX).unwrap_or(key);
        let id = Uuid::try_parse(id).map_err(|_| AuthError::Unknown)?;
        let settings = self.live.settings();
        let (workspace_id, key) = settings.key_by_id(id).ok_or(AuthError::Unknown)?;
        let now = self.clock.now();
        let mut live = key.secrets.iter().filter(|secret| secret.is_live(now));
        let is_by = |secret: &&KeySecret| self.signing.is_signed(key.id, &secret.hash, (signed, signature_hex));
        let secret = live.find(is_by).ok_or(AuthError::Signature)?;
        self.admit(workspace_id, key, secret)
    }

    fn admit(&self, workspace_id: Uuid, key: &ApiKey, secret: &KeySecret) -> Result<Principal, AuthError> {
        let now = self.clock.now();
        if !key.is_live(now) || !secret.is_live(now) {
            return Err(AuthError::Expired);
        }
        self.uses.tell(workspace_id, key, now);
        Ok(Principal::of(workspace_id, key, secret))
    }

    /// Waits until the key does not open any more what it opened.
    pub async fn shut_out(&self, principal: &Principal) {
        while self.is_live(principal) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether the key still opens what it opened, by the secret that it was held with.
    #[must_use]
    pub fn is_live(&self, principal: &Principal) -> bool {
        let now = self.clock.now();
        let settings = self.live.settings();
        let Some((workspace_id, key)) = settings.key_by_id(principal.key_id) else {
            return false;
        };
        let mut secrets = key.secrets.iter().filter(|secret| secret.is_live(now));
        key.is_live(now) && secrets.any(|secret| Principal::of(workspace_id, key, secret) == *principal)
    }
}
