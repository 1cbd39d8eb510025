//! What is not as it must be is refused, and named.

use serde_json::{Value, json};

use super::{filled, ours};
use crate::support::{Client, Operation, Reply, Rest, TestApp};

/// The id of nothing.
const NOTHING: &str = "6f1c9d3a-5b7e-4a52-9c38-1d2e3f4a5b6c";

fn resolved<'a>(rest: &'a Rest, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => rest.document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => schema,
    }
}

/// A call with the id of nothing wherever an id is.
fn call(operation: &Operation) -> String {
    let path = filled(&operation.path, |_| NOTHING.to_owned());
    format!("{} {path}", operation.method)
}

/// The least that an operation takes.
fn least(rest: &Rest, operation: &Operation) -> Option<Value> {
    let schema = resolved(rest, operation.body()?);
    let example = operation
        .value
        .pointer("/requestBody/content/application~1json/example")?;
    let required = schema["required"].as_array().unwrap();
    let fields = example.as_object().unwrap().iter();
    let fields = fields.filter(|(name, _)| *name == "text" || required.contains(&json!(name)));
    Some(Value::Object(
        fields.map(|(name, value)| (name.clone(), value.clone())).collect(),
    ))
}

/// Holds that a request is bad because of this field.
fn names(reply: &Reply, field: &str, what: &str) {
    assert_eq!(reply.problem(), (400, "BAD_USER_INPUT"), "{what}: {:#}", reply.body);
    let named = reply.body["field"].as_str().unwrap();
    assert!(named.starts_with(field), "{what}: {named}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_nothing() {
    let app = TestApp::start().await;
    let rest = Rest::of(Client::new(&app.url, "")).await;
    for operation in ours(&rest) {
        let reply = rest.call(&call(&operation), least(&rest, &operation)).await;
        assert_eq!(reply.problem(), (401, "UNAUTHENTICATED"), "{}", operation.id());
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    for operation in ours(&rest) {
        if operation.path.contains('{') {
            let reply = rest.call(&call(&operation), least(&rest, &operation)).await;
            assert_eq!(reply.problem(), (404, "NOT_FOUND"), "{}", operation.id());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_are_named() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    for operation in ours(&rest) {
        let (call, body) = (call(&operation), least(&rest, &operation));
        let unknown = rest.call(&format!("{call}?nonsense=1"), body.clone()).await;
        names(&unknown, "nonsense", operation.id());
        for (name, _) in operation.parameters("path") {
            let path = filled(&operation.path, |of| {
                if of == name { "nonsense" } else { NOTHING }.to_owned()
            });
            let wrong = rest.call(&format!("{} {path}", operation.method), body.clone()).await;
            names(&wrong, &name, operation.id());
        }
        for (name, schema) in operation.parameters("query") {
            let schema = resolved(&rest, &schema);
            let is_text = schema["type"] == "string" && schema["format"].is_null() && schema["enum"].is_null();
            if !is_text {
                let wrong = rest.call(&format!("{call}?{name}=nonsense"), None).await;
                names(&wrong, &name, operation.id());
            }
            if schema["type"] != "array" {
                let twice = rest.call(&format!("{call}?{name}=1&{name}=1"), None).await;
                names(&twice, &name, operation.id());
            }
        }
    }
}

/// Sends a body as it is.
async fn send(rest: &Rest, operation: &Operation, media_type: &str, body: &str) -> Reply {
    let call = call(operation);
    let (method, path) = call.split_once(' ').unwrap();
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = rest.client.http().request(method, format!("{}{path}", rest.client.url));
    let request = request.bearer_auth(&rest.client.key).header("content-type", media_type);
    let answer = request.body(body.to_owned()).send().await.unwrap();
    let reply = Reply {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.json().await.unwrap(),
    };
    rest.hold(&call, None, &reply);
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bodies_are_named() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    for operation in ours(&rest) {
        if ["GET", "DELETE"].contains(&operation.method.as_str()) {
            continue;
        }
        let mut unknown = least(&rest, &operation).unwrap_or(json!({}));
        unknown["nonsense"] = json!(1);
        let reply = rest.call(&call(&operation), Some(unknown)).await;
        names(&reply, "nonsense", operation.id());
        for (media_type, body, expected) in [
            ("application/json", "[]", (400, "BAD_USER_INPUT")),
            ("application/json", "{", (400, "BAD_USER_INPUT")),
            ("application/json", "{}{}", (400, "BAD_USER_INPUT")),
            ("text/plain", "{}", (415, "UNSUPPORTED_MEDIA_TYPE")),
        ] {
            let reply = send(&rest, &operation, media_type, body).await;
            assert_eq!(reply.problem(), expected, "{}: {body}", operation.id());
        }
        let Some(body) = least(&rest, &operation) else { continue };
        let schema = resolved(&rest, operation.body().unwrap()).clone();
        for (name, schema) in schema["properties"].as_object().unwrap() {
            let takes_anything = ["$ref", "type", "anyOf"]
                .iter()
                .all(|keyword| schema[keyword].is_null());
            if takes_anything {
                continue;
            }
            let mut wrong = body.clone();
            wrong[name] = json!({ "nonsense": [] });
            let reply = rest.call(&call(&operation), Some(wrong)).await;
            names(&reply, name, operation.id());
        }
        for name in schema["required"].as_array().unwrap() {
            let mut without = body.clone();
            let name = name.as_str().unwrap();
            without.as_object_mut().unwrap().remove(name);
            names(&rest.call(&call(&operation), Some(without)).await, name, operation.id());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_a_bound() {
    let app = TestApp::start_with(None, |config| config.api.graphql_body_max_bytes = 1_000).await;
    let rest = Rest::new(&app).await;
    let long = json!({ "name": "x".repeat(1_000) });
    let reply = rest.post("/api/v1/tags", long).await;
    assert_eq!(reply.problem(), (413, "PAYLOAD_TOO_LARGE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_domain_refuses_is_named_as_in_the_body() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    let reply = rest.post("/api/v1/contacts", json!({ "emails": [" "] })).await;
    names(&reply, "emails", "a blank address");
    let detail = reply.body["detail"].as_str().unwrap();
    assert!(detail.starts_with("emails: expected"), "{detail}");
    let reply = rest.get("/api/v1/tickets?first=101").await;
    names(&reply, "first", "a page that is too long");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_methods_are_problems() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    for path in ["/api/v1/nothing", "/api/nothing", "/v1/nothing"] {
        assert_eq!(rest.get(path).await.problem(), (404, "NOT_FOUND"), "{path}");
    }
    let reply = rest.put("/api/v1/chats", json!({})).await;
    assert_eq!(reply.problem(), (405, "METHOD_NOT_ALLOWED"));
    assert!(reply.header("allow").unwrap().contains("GET"));
    let reply = rest.delete("/api/v1/tags").await;
    assert_eq!(reply.problem(), (405, "METHOD_NOT_ALLOWED"));
    assert!(reply.header("allow").unwrap().contains("POST"));
}
