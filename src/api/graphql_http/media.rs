//! Which media type answers, and which one is read.

use std::cmp::Ordering;

use axum::http::{HeaderMap, header};

/// How an answer is written; both are JSON, but they differ in what a status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum MediaType {
    /// `application/graphql-response+json`.
    GraphqlResponse,
    /// `application/json`.
    Json,
}

impl MediaType {
    /// The header of an answer.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    fn essence(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json",
            Self::Json => "application/json",
        }
    }
}

/// Whether a body is JSON in UTF-8.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let (essence, parameters) = split(value);
    essence.eq_ignore_ascii_case(MediaType::Json.essence()) && is_utf8(parameters)
}

/// The media type that the client likes best; `None` if it takes neither.
///
/// Without a preference `application/json` answers, as clients from before the specification expect.
pub(super) fn accepted(headers: &HeaderMap) -> Option<MediaType> {
    let lines: Vec<_> = headers
        .get_all(header::ACCEPT)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    negotiate(&lines.join(","))
}

fn negotiate(accept: &str) -> Option<MediaType> {
    if accept.trim().is_empty() {
        return Some(MediaType::Json);
    }
    let graphql = Fit::of(MediaType::GraphqlResponse, accept);
    let json = Fit::of(MediaType::Json, accept);
    match (graphql, json) {
        (None, None) => None,
        (Some(_), None) => Some(MediaType::GraphqlResponse),
        (None, Some(_)) => Some(MediaType::Json),
        (Some(graphql), Some(json)) => Some(match graphql.order(json) {
            Ordering::Greater => MediaType::GraphqlResponse,
            Ordering::Equal if graphql.precision == EXACT => MediaType::GraphqlResponse,
            Ordering::Less | Ordering::Equal => MediaType::Json,
        }),
    }
}

/// The precision of a range without a wildcard.
const EXACT: u8 = 2;

/// How well a header fits a media type.
#[derive(Clone, Copy, Debug)]
struct Fit {
    quality: f32,
    precision: u8,
}

impl Fit {
    /// The most precise range decides; a quality of zero refuses.
    fn of(media_type: MediaType, accept: &str) -> Option<Self> {
        accept
            .split(',')
            .filter_map(|range| Self::of_range(media_type, range))
            .max_by_key(|fit| fit.precision)
            .filter(|fit| fit.quality > 0.0)
    }

    fn of_range(media_type: MediaType, range: &str) -> Option<Self> {
        let (essence, parameters) = split(range);
        let precision = if essence.eq_ignore_ascii_case(media_type.essence()) {
            EXACT
        } else if essence.eq_ignore_ascii_case("application/*") {
            1
        } else if essence == "*/*" {
            0
        } else {
            return None;
        };
        let quality = match parameter(parameters, "q") {
            Some(text) => text.parse::<f32>().ok()?.clamp(0.0, 1.0),
            None => 1.0,
        };
        is_utf8(parameters).then_some(Self { quality, precision })
    }

    fn order(self, other: Self) -> Ordering {
        self.quality
            .total_cmp(&other.quality)
            .then(self.precision.cmp(&other.precision))
    }
}

/// The type and subtype, and the parameters.
fn split(value: &str) -> (&str, &str) {
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    (essence.trim(), parameters)
}

/// UTF-8 is what is meant without a charset.
fn is_utf8(parameters: &str) -> bool {
    parameter(parameters, "charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
}

fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        key.trim().eq_ignore_ascii_case(name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const GRAPHQL: Option<MediaType> = Some(MediaType::GraphqlResponse);
    const JSON: Option<MediaType> = Some(MediaType::Json);

    #[test]
    fn one_media_type() {
        assert_eq!(negotiate("application/graphql-response+json"), GRAPHQL);
        assert_eq!(negotiate("APPLICATION/GraphQL-Response+JSON; charset=UTF-8"), GRAPHQL);
        assert_eq!(negotiate("application/json"), JSON);
        assert_eq!(negotiate("text/html"), None);
        assert_eq!(negotiate("application/json; charset=utf-16"), None);
        assert_eq!(negotiate("application/json;q=0"), None);
    }

    #[test]
    fn no_preference() {
        assert_eq!(accepted(&HeaderMap::new()), JSON);
        assert_eq!(negotiate(""), JSON);
        assert_eq!(negotiate("*/*"), JSON);
        assert_eq!(negotiate("application/*"), JSON);
        assert_eq!(negotiate("text/html,application/xml;q=0.9,*/*;q=0.8"), JSON);
    }

    #[test]
    fn preferences() {
        let both = "application/graphql-response+json, application/json";
        assert_eq!(negotiate(both), GRAPHQL);
        assert_eq!(
            negotiate("application/json, application/graphql-response+json"),
            GRAPHQL
        );
        let less = "application/graphql-response+json;q=0.5, application/json;q=0.9";
        assert_eq!(negotiate(less), JSON);
        assert_eq!(negotiate("application/json, */*"), JSON);
        assert_eq!(negotiate("application/graphql-response+json, */*"), GRAPHQL);
        assert_eq!(negotiate("*/*, application/json;q=0"), GRAPHQL);
    }

    #[test]
    fn lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, HeaderValue::from_static("text/html"));
        let graphql = HeaderValue::from_static("application/graphql-response+json");
        headers.append(header::ACCEPT, graphql);
        assert_eq!(accepted(&headers), GRAPHQL);
    }

    #[test]
    fn content_types() {
        let json = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            is_json(&headers)
        };
        assert!(json("application/json"));
        assert!(json("Application/JSON;charset=\"UTF-8\""));
        assert!(!json("application/json; charset=latin1"));
        assert!(!json("text/plain"));
        assert!(!json("application/x-www-form-urlencoded"));
        assert!(!json("application/jsonp"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
