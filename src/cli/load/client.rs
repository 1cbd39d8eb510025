//! GraphQL over HTTP, and what a failure is called.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

/// How often a question that may be asked again is asked again.
pub(super) const RETRIES_MAX: u32 = 5;
/// How long a request may take, in milliseconds: longer than a server takes before it gives up itself.
const REQUEST_TIMEOUT_MS: u64 = 45_000;
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// The first pause before a question is asked again, in milliseconds; it doubles.
const BACKOFF_MS: u64 = 100;
/// The longest pause, in milliseconds, whatever the server asks for.
const BACKOFF_MAX_MS: u64 = 5_000;
/// The longest sentence of a failure that is kept, in characters.
const MESSAGE_MAX_CHARS: usize = 300;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The server's code, `transport`, or an HTTP status.
    pub(super) class: String,
    /// One sentence.
    pub(super) message: String,
    /// What the server asks for.
    pub(super) retry_after: Option<Duration>,
    /// The same question may be answered later.
    pub(super) retryable: bool,
}

impl Failure {
    /// One that the server named.
    pub(super) fn coded(code: &str, message: &str, retry_after_ms: Option<f64>) -> Self {
        let millis = retry_after_ms.filter(|millis| millis.is_finite() && *millis >= 0.0);
        Self {
            retryable: matches!(
                code,
                "OVERLOADED" | "RATE_LIMITED" | "UNAVAILABLE" | "UNCERTAIN" | "TIMEOUT"
            ),
            retry_after: millis.and_then(|millis| Duration::try_from_secs_f64(millis / 1_000.0).ok()),
            class: code.chars().take(64).collect(),
            message: message.chars().take(MESSAGE_MAX_CHARS).collect(),
        }
    }

    /// Nothing came back, or nothing that can be read: it may have taken effect.
    pub(super) fn transport(message: &str) -> Self {
        Self {
            retryable: true,
            ..Self::coded("transport", message, None)
        }
    }

    fn status(status: reqwest::StatusCode, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        Self {
            retryable: status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS,
            ..Self::coded(&format!("http {}", status.as_u16()), &text, None)
        }
    }

    /// Nothing was stored, for certain.
    pub(super) fn is_certain(&self) -> bool {
        matches!(self.class.as_str(), "OVERLOADED" | "RATE_LIMITED")
    }

    /// How long to wait before the next attempt, the first being 0.
    pub(super) fn backoff(&self, attempt: u32) -> Duration {
        let doubled = BACKOFF_MS.saturating_mul(2_u64.saturating_pow(attempt));
        let own = Duration::from_millis(doubled);
        let longest = Duration::from_millis(BACKOFF_MAX_MS);
        self.retry_after.map_or(own, |asked| asked.max(own)).min(longest)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

/// The API key; it is not shown.
#[derive(Clone)]
pub(super) struct Key(pub(super) String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl std::str::FromStr for Key {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl Key {
    /// As both protocols want it.
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

/// An answer, which may have data and errors both.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<T> {
    pub(super) data: Option<T>,
    #[serde(default = "Vec::new")]
    errors: Vec<GraphqlError>,
}

impl<T> Answer<T> {
    /// The first error.
    pub(super) fn failure(&self) -> Option<Failure> {
        let error = self.errors.first()?;
        let Extensions { code, retry_after_ms } = &error.extensions;
        let code = code.as_deref().unwrap_or("no code");
        Some(Failure::coded(code, &error.message, *retry_after_ms))
    }
}

#[derive(Debug, Deserialize)]
struct GraphqlError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    code: Option<String>,
    retry_after_ms: Option<f64>,
}

#[derive(Serialize)]
struct Question<'a, V> {
    query: &'a str,
    variables: V,
}

/// Asks one server.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
}

impl Client {
    /// `connections_max`: how many are kept for the next question.
    pub(super) fn new(url: Url, key: &Key, connections_max: usize) -> anyhow::Result<Self> {
        let mut authorization = HeaderValue::from_str(&key.bearer()).context("the key")?;
        authorization.set_sensitive(true);
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            // whoever is asked is who was named: no proxy between, and the key goes nowhere else
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
            .timeout(Duration::from_millis(REQUEST_TIMEOUT_MS))
            .pool_max_idle_per_host(connections_max)
            .build()?;
        Ok(Self { http, url })
    }

    /// The answer as it is.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: impl Serialize,
    ) -> Result<Answer<T>, Failure> {
        let lost = |error: reqwest::Error| Failure::transport(&format!("{:#}", anyhow::Error::new(error)));
        let request = self.http.post(self.url.clone()).json(&Question { query, variables });
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let body = response.bytes().await.map_err(lost)?;
        match serde_json::from_slice::<Answer<T>>(&body) {
            Ok(answer) if answer.data.is_some() || !answer.errors.is_empty() => Ok(answer),
            Err(error) if status.is_success() => {
                Err(Failure::transport(&format!("the answer cannot be read: {error}")))
            }
            Ok(_) | Err(_) => Err(Failure::status(status, &body)),
        }
    }

    /// The data, where nothing went wrong.
    pub(super) async fn ask<T: DeserializeOwned>(&self, query: &str, variables: impl Serialize) -> Result<T, Failure> {
        let answer = self.post(query, variables).await?;
        if let Some(failure) = answer.failure() {
            return Err(failure);
        }
        answer
            .data
            .ok_or_else(|| Failure::transport("an answer with neither data nor errors"))
    }

    /// As `ask`, and once more where that may help. For what may be asked twice.
    pub(super) async fn read<T: DeserializeOwned>(&self, query: &str, variables: impl Serialize) -> Result<T, Failure> {
        let mut attempt = 0_u32;
        loop {
            match self.ask(query, &variables).await {
                Err(failure) if failure.retryable && attempt < RETRIES_MAX => {
                    tokio::time::sleep(failure.backoff(attempt)).await;
                    attempt = attempt.saturating_add(1);
                }
                answer => return answer,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_a_bound_and_heeds_the_server() {
        let failure = Failure::coded("UNAVAILABLE", "", None);
        assert_eq!(failure.backoff(0), Duration::from_millis(100));
        assert_eq!(failure.backoff(3), Duration::from_millis(800));
        assert_eq!(failure.backoff(60), Duration::from_secs(5));
        let asked = |millis| Failure::coded("OVERLOADED", "", Some(millis)).backoff(0);
        assert_eq!(asked(700.0), Duration::from_millis(700));
        assert_eq!(asked(1e12), Duration::from_secs(5));
        assert_eq!(asked(f64::NAN), Duration::from_millis(100));
        assert_eq!(asked(-1.0), Duration::from_millis(100));
    }

    #[test]
    fn codes_say_what_may_be_asked_again() {
        for code in ["OVERLOADED", "RATE_LIMITED", "UNAVAILABLE", "UNCERTAIN", "TIMEOUT"] {
            assert!(Failure::coded(code, "", None).retryable, "{code}");
        }
        for code in ["BAD_USER_INPUT", "INTERNAL", "UNAUTHENTICATED", ""] {
            assert!(!Failure::coded(code, "", None).retryable, "{code}");
        }
        assert!(Failure::transport("").retryable);
    }

    #[test]
    fn codes_say_what_was_not_stored() {
        for code in ["OVERLOADED", "RATE_LIMITED"] {
            assert!(Failure::coded(code, "", None).is_certain(), "{code}");
        }
        for code in ["UNAVAILABLE", "UNCERTAIN", "TIMEOUT", "transport", "http 429"] {
            assert!(!Failure::coded(code, "", None).is_certain(), "{code}");
        }
    }

    #[test]
    fn errors_carry_what_is_needed() {
        let text = r#"{"data":null,"errors":[{"message":"m","extensions":{"code":"OVERLOADED","retryAfterMs":250}}]}"#;
        let answer: Answer<u8> = serde_json::from_str(text).unwrap();
        let failure = answer.failure().unwrap();
        assert_eq!(failure.class, "OVERLOADED");
        assert_eq!(failure.retry_after, Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", Key("secret".into())), "Key(…)");
    }
}
