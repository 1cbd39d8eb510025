//! The messages of `graphql-transport-ws`, as the npm package graphql-ws describes them.

use async_graphql::ServerError;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::api::graphql_request::Parameters;

/// The longest id of an operation, in bytes.
const ID_MAX_BYTES: usize = 256;

/// What a client says.
#[derive(Debug, PartialEq)]
pub(super) enum ClientMessage {
    /// Opens the connection; without a payload the map is empty.
    ConnectionInit(Map<String, Json>),
    /// Wants a pong with the same payload.
    Ping(Option<Json>),
    /// Answers a ping, or shows that it is there.
    Pong,
    /// Starts an operation.
    Subscribe(Subscribe),
    /// Wants no more of an operation.
    Complete {
        /// Of the operation.
        id: String,
    },
}

/// Starts an operation.
#[derive(Debug, PartialEq)]
pub(super) struct Subscribe {
    /// Chosen by the client.
    pub(super) id: String,
    /// What to run.
    pub(super) parameters: Parameters,
}

/// Reads a message; fields that the protocol does not know are ignored.
///
/// # Errors
/// The reason of a close.
pub(super) fn parse(text: &str) -> Result<ClientMessage, String> {
    let Ok(Json::Object(mut object)) = serde_json::from_str(text) else {
        return Err("Invalid message: not a JSON object".to_owned());
    };
    let Some(Json::String(kind)) = object.remove("type") else {
        return Err("Invalid message: the type is missing".to_owned());
    };
    match kind.as_str() {
        "connection_init" => payload(&mut object).map(|found| ClientMessage::ConnectionInit(found.unwrap_or_default())),
        "ping" => payload(&mut object).map(|found| ClientMessage::Ping(found.map(Json::Object))),
        "pong" => payload(&mut object).map(|_| ClientMessage::Pong),
        "subscribe" => {
            let id = id(&mut object)?;
            let payload = payload(&mut object)?.ok_or_else(|| "Invalid message: the payload is missing".to_owned())?;
            let parameters = Parameters::from_json(payload).map_err(|why| format!("Invalid message: {why}"))?;
            Ok(ClientMessage::Subscribe(Subscribe { id, parameters }))
        }
        "complete" => id(&mut object).map(|id| ClientMessage::Complete { id }),
        _ => Err("Invalid message: the type is unknown".to_owned()),
    }
}

fn payload(object: &mut Map<String, Json>) -> Result<Option<Map<String, Json>>, String> {
    match object.remove("payload") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(payload)) => Ok(Some(payload)),
        Some(Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_)) => {
            Err("Invalid message: the payload must be an object".to_owned())
        }
    }
}

fn id(object: &mut Map<String, Json>) -> Result<String, String> {
    match object.remove("id") {
        Some(Json::String(id)) if (1..=ID_MAX_BYTES).contains(&id.len()) => Ok(id),
        _ => Err(format!(
            "Invalid message: the id must be a string of 1 to {ID_MAX_BYTES} bytes"
        )),
    }
}

/// The credential in the payload of a `connection_init`, under `authorization` in any letter case.
///
/// # Errors
/// It is there but no string.
pub(super) fn authorization(payload: &Map<String, Json>) -> Result<Option<&str>, ()> {
    let named = |(name, _): &(&String, &Json)| name.eq_ignore_ascii_case("authorization");
    match payload.iter().find(named) {
        None | Some((_, Json::Null)) => Ok(None),
        Some((_, Json::String(value))) => Ok(Some(value)),
        Some(_) => Err(()),
    }
}

/// What the server says; the fields that a message does not have are absent.
#[derive(Serialize)]
struct ServerMessage<'a, P> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
}

/// `None`, and a line in the log, if the payload cannot be written as JSON.
fn write<P: Serialize>(kind: &'static str, id: Option<&str>, payload: Option<P>) -> Option<String> {
    serde_json::to_string(&ServerMessage { id, kind, payload })
        .inspect_err(|error| tracing::error!(%error, kind, "a message cannot be written as JSON"))
        .ok()
}

/// The connection is open.
pub(super) fn acknowledge() -> Option<String> {
    write("connection_ack", None, None::<()>)
}

/// Answers a ping.
pub(super) fn pong(payload: Option<Json>) -> Option<String> {
    write("pong", None, payload)
}

/// How every response of an operation begins.
pub(super) fn next_begin(id: &str) -> String {
    format!("{{\"id\":{},\"type\":\"next\",\"payload\":", Json::from(id))
}

/// One response of an operation, which is JSON already.
pub(super) fn next(begin: &str, payload: &str) -> String {
    [begin, payload, "}"].concat()
}

/// An operation was refused; nothing follows for its id.
pub(super) fn errors(id: &str, errors: &[ServerError]) -> Option<String> {
    write("error", Some(id), Some(errors))
}

/// An operation is over.
pub(super) fn complete(id: &str) -> Option<String> {
    write("complete", Some(id), None::<()>)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::graphql_request::coded;

    fn parsed(value: &Json) -> Result<ClientMessage, String> {
        parse(&value.to_string())
    }

    #[test]
    fn messages_of_a_client() {
        let init = parsed(&json!({"type": "connection_init"}));
        assert_eq!(init, Ok(ClientMessage::ConnectionInit(Map::new())));
        let ping_message = parsed(&json!({"type": "ping", "payload": {"a": 1}}));
        assert_eq!(ping_message, Ok(ClientMessage::Ping(Some(json!({"a": 1})))));
        let answer = parsed(&json!({"type": "pong", "payload": null}));
        assert_eq!(answer, Ok(ClientMessage::Pong));
        let complete = parsed(&json!({"type": "complete", "id": "1"}));
        assert_eq!(complete, Ok(ClientMessage::Complete { id: "1".to_owned() }));
        let subscribe = json!({"type": "subscribe", "id": "1", "payload": {"query": "{ a }"}, "more": 1});
        assert!(matches!(parsed(&subscribe), Ok(ClientMessage::Subscribe(s)) if s.id == "1"));
    }

    #[test]
    fn texts_that_are_no_message() {
        for text in [
            "",
            "{",
            "null",
            "[]",
            "\"ping\"",
            "{}",
            "{\"type\":1}",
            "{\"type\":\"x\"}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn messages_that_lack_something() {
        let long = "x".repeat(257);
        for message in [
            json!({"type": "connection_init", "payload": 1}),
            json!({"type": "ping", "payload": "x"}),
            json!({"type": "complete"}),
            json!({"type": "complete", "id": 1}),
            json!({"type": "subscribe", "id": "1"}),
            json!({"type": "subscribe", "payload": {"query": "{ a }"}}),
            json!({"type": "subscribe", "id": "", "payload": {"query": "{ a }"}}),
            json!({"type": "subscribe", "id": long, "payload": {"query": "{ a }"}}),
            json!({"type": "subscribe", "id": "1", "payload": {}}),
            json!({"type": "subscribe", "id": "1", "payload": {"query": 1}}),
            json!({"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}),
        ] {
            assert!(parsed(&message).is_err(), "{message}");
        }
    }

    #[test]
    fn authorization_in_any_case() {
        let found = |payload: Json| {
            let payload = payload.as_object().unwrap().clone();
            authorization(&payload).map(|found| found.map(str::to_owned))
        };
        assert_eq!(
            found(json!({"Authorization": "Bearer a"})),
            Ok(Some("Bearer a".to_owned()))
        );
        assert_eq!(found(json!({"x": 1, "authorization": "a"})), Ok(Some("a".to_owned())));
        assert_eq!(found(json!({"AUTHORIZATION": null})), Ok(None));
        assert_eq!(found(json!({})), Ok(None));
        assert_eq!(found(json!({"authorization": 1})), Err(()));
    }

    #[test]
    fn messages_of_the_server() {
        assert_eq!(acknowledge().unwrap(), r#"{"type":"connection_ack"}"#);
        assert_eq!(pong(None).unwrap(), r#"{"type":"pong"}"#);
        let with_payload = pong(Some(json!({"a": 1}))).unwrap();
        assert_eq!(with_payload, r#"{"type":"pong","payload":{"a":1}}"#);
        let expected = r#"{"id":"1\"","type":"next","payload":{"data":true}}"#;
        assert_eq!(next(&next_begin("1\""), r#"{"data":true}"#), expected);
        assert_eq!(complete("1").unwrap(), r#"{"id":"1","type":"complete"}"#);
        let error: Json = serde_json::from_str(&errors("1", &[coded("no", "X")]).unwrap()).unwrap();
        let payload = json!([{"message": "no", "extensions": {"code": "X"}}]);
        assert_eq!(error, json!({"id": "1", "type": "error", "payload": payload}));
    }
}
