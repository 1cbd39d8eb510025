//! Whose pages may use the API from a browser.

use std::str::FromStr;
use std::sync::Arc;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use url::Url;

/// Origins beside one's own, as browsers write them. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Origins(Arc<[HeaderValue]>);

/// As settings hold them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Line(String),
    List(Vec<String>),
}

impl TryFrom<Written> for Origins {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Line(line) => line.parse(),
            Written::List(list) => list.iter().map(|text| origin(text)).collect::<Result<_, _>>().map(Self),
        }
    }
}

/// Parted by commas.
impl FromStr for Origins {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let texts = line.split(',').map(str::trim).filter(|text| !text.is_empty());
        texts.map(origin).collect::<Result<_, _>>().map(Self)
    }
}

/// Scheme, host and a port that is not the scheme's own, and nothing else: it is compared by its letters.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| ["http", "https"].contains(&url.scheme()) && url.origin().ascii_serialization() == text);
    let value = url.and_then(|_| HeaderValue::from_str(text).ok());
    value.ok_or_else(|| format!("{text}: expected an origin such as https://desk.example.com"))
}

impl Origins {
    /// Each of them.
    #[must_use]
    pub fn list(&self) -> &[HeaderValue] {
        &self.0
    }

    /// Whether a request comes from a page of neither this host nor a listed origin. Programs name no origin.
    ///
    /// `X-Forwarded-Host` is not looked at: anybody may send it.
    pub(super) fn is_foreign(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return false;
        };
        let host = headers.get(header::HOST);
        let is_own = host.and_then(|host| is_own(origin, host)).unwrap_or(false);
        !is_own && !self.0.contains(origin)
    }
}

/// Schemes are not compared: TLS may end before this process. `None` where something is not what it must be.
fn is_own(origin: &HeaderValue, host: &HeaderValue) -> Option<bool> {
    let origin = Url::parse(origin.to_str().ok()?).ok()?;
    let host = Authority::from_str(host.to_str().ok()?).ok()?;
    let usual_port = match origin.scheme() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let is_same_host = origin.host_str()?.eq_ignore_ascii_case(host.host());
    Some(is_same_host && origin.port().unwrap_or(usual_port) == host.port_u16().unwrap_or(usual_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_foreign(listed: &str, origin: &str, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        headers.insert("x-forwarded-host", HeaderValue::from_static("evil.example"));
        listed.parse::<Origins>().unwrap().is_foreign(&headers)
    }

    #[test]
    fn ones_own_host_is_not_foreign() {
        for (origin, host) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("https://desk.example", "desk.example"),
            ("https://desk.example", "Desk.Example:443"),
            ("http://desk.example", "desk.example:80"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert!(!is_foreign("", origin, host), "{origin} {host}");
        }
        assert!(!Origins::default().is_foreign(&HeaderMap::new()));
    }

    #[test]
    fn whoever_is_neither_listed_nor_own_is_foreign() {
        for (origin, host) in [
            ("http://127.0.0.1:8081", "127.0.0.1:8080"),
            ("https://desk.example", "desk.example:80"),
            ("https://evil.example", "desk.example"),
            ("https://desk.example.evil.example", "desk.example"),
            ("null", "desk.example"),
            ("chrome-extension://desk.example", "desk.example"),
            ("", "desk.example"),
        ] {
            assert!(is_foreign("https://listed.example", origin, host), "{origin} {host}");
        }
        assert!(!is_foreign(
            "https://a.example, https://b.example",
            "https://b.example",
            "x"
        ));
        assert!(is_foreign("https://a.example", "https://a.example:8443", "x"));
    }

    #[test]
    fn what_is_no_origin() {
        for text in [
            "*",
            "null",
            "desk.example",
            "https://desk.example/",
            "https://desk.example/path",
            "https://desk.example:443",
            "https://Desk.example",
            "ftp://desk.example",
        ] {
            assert!(text.parse::<Origins>().is_err(), "{text}");
        }
        assert_eq!("".parse(), Ok(Origins::default()));
    }
}
