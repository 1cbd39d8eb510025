//! Requests that may be signed in place of carrying a key, as `YoLead`'s are.
//!
//! `X-YoLead-Signature` is the lower-case hexadecimal HMAC-SHA256, with the key's signing secret, of
//! `X-YoLead-Timestamp`, a full stop, and the body as it was sent. The timestamp is in milliseconds and at most five
//! minutes off. With any of the three headers the request counts as signed, whatever else it carries.

mod used;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use serde::de::DeserializeOwned;

use super::extract::{bad, check_json, parse};
use crate::api::ApiState;
use crate::api::auth::Principal;
use crate::api::body::read;
use crate::api::error::ApiError;
use crate::api::rate::peer;
use crate::domain::Millis;

pub use self::used::Signatures;

/// Which key signed.
const KEY: &str = "X-YoLead-Key";
/// When.
const TIMESTAMP: &str = "X-YoLead-Timestamp";
/// The proof.
const SIGNATURE: &str = "X-YoLead-Signature";
/// How far a timestamp may be from our clock, in milliseconds.
pub(super) const SKEW_MAX_MS: Millis = 300_000;
/// The hexadecimal digits of an HMAC-SHA256.
const SIGNATURE_CHARS: usize = 64;

/// Somebody whose key or signature was known; a body is not looked at further.
#[derive(Debug)]
pub(super) struct Signed(pub(super) Principal);

/// Somebody whose key or signature was known, and what they sent as JSON.
#[derive(Debug)]
pub(super) struct SignedJson<T>(pub(super) Principal, pub(super) T);

impl FromRequest<ApiState> for Signed {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let (_, principal, _) = admit(request, state).await?;
        Ok(Self(principal))
    }
}

impl<T: DeserializeOwned> FromRequest<ApiState> for SignedJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let (parts, principal, body) = admit(request, state).await?;
        check_json(&parts.headers)?;
        Ok(Self(principal, parse(&body)?))
    }
}

/// Who asks; what is signed is the body as it came, so it is read before anything of it is believed.
async fn admit(request: Request, state: &ApiState) -> Result<(Parts, Principal, Bytes), ApiError> {
    let (parts, body) = request.into_parts();
    let stranger = |error: ApiError| match state.rates.spend_as_stranger(peer(&parts.extensions)) {
        Ok(()) => error,
        Err(limited) => limited,
    };
    let claim = Claim::of(&parts.headers, state.services.clock.now()).map_err(stranger)?;
    let (principal, body) = match claim {
        // a stranger's body is not read
        None => {
            let principal = state.admit(&parts)?;
            (principal, read(body, state.limits.graphql_body_max_bytes).await?)
        }
        Some(claim) => {
            let body = read(body, state.limits.graphql_body_max_bytes).await?;
            let principal = claim.verify(state, &body).map_err(stranger)?;
            if parts.method == Method::GET && !body.is_empty() {
                return Err(bad("body", "none in a signed GET"));
            }
            let request = format!("{} {}", parts.method, parts.uri);
            if !state
                .signatures
                .accept(claim.signature, request, state.services.clock.now())
            {
                return Err(stranger(refuse(SIGNATURE, "was used for another request")));
            }
            state.rates.spend(principal.key_id, parts.extensions.get())?;
            (principal, body)
        }
    };
    Ok((parts, principal, body))
}

/// What the headers of a signed request say, before it is proven.
#[derive(Debug)]
struct Claim<'a> {
    key: &'a str,
    timestamp: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    /// None where the request is not signed.
    fn of(headers: &'a HeaderMap, now: Millis) -> Result<Option<Self>, ApiError> {
        if ![KEY, TIMESTAMP, SIGNATURE]
            .iter()
            .any(|name| headers.contains_key(*name))
        {
            return Ok(None);
        }
        let claim = Self {
            key: one(headers, KEY)?,
            timestamp: one(headers, TIMESTAMP)?,
            signature: one(headers, SIGNATURE)?,
        };
        claim.check(now)?;
        Ok(Some(claim))
    }

    fn check(&self, now: Millis) -> Result<(), ApiError> {
        let digits = self.timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let at: Option<Millis> = self.timestamp.parse().ok().filter(|_| digits);
        let at = at.ok_or_else(|| refuse(TIMESTAMP, "expected milliseconds since 1970"))?;
        if at.abs_diff(now) > SKEW_MAX_MS {
            return Err(refuse(TIMESTAMP, "more than five minutes off"));
        }
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.signature.len() != SIGNATURE_CHARS || !self.signature.bytes().all(hexadecimal) {
            return Err(refuse(SIGNATURE, "expected 64 lower-case hexadecimal digits"));
        }
        Ok(())
    }

    fn verify(&self, state: &ApiState, body: &[u8]) -> Result<Principal, ApiError> {
        let signed = [self.timestamp.as_bytes(), b".", body].concat();
        let admitted = state.auth.signed(self.key, &signed, self.signature);
        admitted.map_err(|_| {
            refuse(
                SIGNATURE,
                "not that of this timestamp and body by a key of this X-YoLead-Key",
            )
        })
    }
}

/// A header that must be there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, ApiError> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    first
        .filter(|_| second.is_none())
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
        .ok_or_else(|| refuse(name, "expected once in a signed request"))
}

fn refuse(header: &str, why: &str) -> ApiError {
    let mut error = ApiError::new("UNAUTHENTICATED", format!("{header}: {why}"));
    error.details.insert("header".into(), header.into());
    error
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn headers(values: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn refused(values: &[(&'static str, &'static str)]) -> Option<String> {
        let error = Claim::of(&headers(values), NOW).err()?;
        Some(error.details["header"].as_str().unwrap().to_owned())
    }

    #[test]
    fn every_header_is_needed_once_and_in_its_form() {
        let key = (KEY, "k");
        let stamp = (TIMESTAMP, "1800000000000");
        let proof = (
            SIGNATURE,
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        );
        assert!(Claim::of(&headers(&[]), NOW).unwrap().is_none());
        assert_eq!(refused(&[key, stamp, proof]), None);
        for (values, header) in [
            (vec![stamp, proof], KEY),
            (vec![key, proof], TIMESTAMP),
            (vec![key, stamp], SIGNATURE),
            (vec![key, stamp, proof, proof], SIGNATURE),
            (vec![key, key, stamp, proof], KEY),
            (vec![key, (TIMESTAMP, "+1800000000000"), proof], TIMESTAMP),
            (vec![key, (TIMESTAMP, "1800000000"), proof], TIMESTAMP),
            (vec![key, (TIMESTAMP, "1800000300001"), proof], TIMESTAMP),
            (vec![key, (TIMESTAMP, "1799999699999"), proof], TIMESTAMP),
            (vec![key, stamp, (SIGNATURE, "00")], SIGNATURE),
            (
                vec![
                    key,
                    stamp,
                    (
                        SIGNATURE,
                        "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
                    ),
                ],
                SIGNATURE,
            ),
        ] {
            assert_eq!(refused(&values).as_deref(), Some(header), "{values:?}");
        }
        assert_eq!(refused(&[key, (TIMESTAMP, "1800000300000"), proof]), None);
        assert_eq!(refused(&[key, (TIMESTAMP, "1799999700000"), proof]), None);
    }
}
