//! Document 001 against what is published and against what is answered: name by name, nullability by nullability.

pub mod document;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use self::document::{Answer, Line, ROUTES, Route, lines, path_parameters, values};
use crate::support::story::{run, text};
use crate::support::{Client, TestApp};

/// A schema without its references, and whether null is one of its values.
fn resolved(document: &Value, schema: &Value) -> (Value, bool) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').unwrap();
        return resolved(document, document.pointer(pointer).unwrap());
    }
    let either = ["oneOf", "anyOf"].iter().find_map(|name| schema[*name].as_array());
    let is_null = |schema: &Value| schema["type"] == "null";
    if let Some(either) = either
        && either.iter().any(is_null)
    {
        let others: Vec<&Value> = either.iter().filter(|schema| !is_null(schema)).collect();
        let [other] = others[..] else {
            panic!("more than one schema beside null: {schema:#}")
        };
        return (resolved(document, other).0, true);
    }
    let mut schema = schema.clone();
    if let Some(types) = schema["type"].as_array().cloned() {
        let others: Vec<Value> = types.iter().filter(|name| **name != "null").cloned().collect();
        assert_eq!(others.len(), 1, "{schema:#}");
        schema["type"] = others[0].clone();
        return (schema, types.len() > 1);
    }
    (schema, false)
}

fn is_uuid(schema: &Value) -> bool {
    schema["type"] == "string" && schema["format"] == "uuid"
}

/// Holds that a published schema is what a line of the document says.
fn assert_is(document: &Value, line: &Line, schema: &Value, context: &str) {
    let (schema, nullable) = resolved(document, schema);
    assert_eq!(
        nullable, line.nullable,
        "nullability of {} {context}: {schema:#}",
        line.name
    );
    let (kind, format) = (schema["type"].as_str(), schema["format"].as_str());
    let fits = match line.kind {
        "string" => kind == Some("string") && format.is_none() && schema["enum"].is_null(),
        "uuid" => is_uuid(&schema),
        "date-time" => kind == Some("string") && format == Some("date-time"),
        "boolean" | "integer" => kind == Some(line.kind),
        // what is counted is whole
        "number" => matches!(kind, Some("number" | "integer")),
        "uuids" => {
            let either = schema["anyOf"].as_array().unwrap();
            let many = either.iter().find(|schema| schema["type"] == "array").unwrap();
            either.len() == 2 && is_uuid(&many["items"]) && either.iter().any(is_uuid)
        }
        of => {
            let published: BTreeSet<&str> = schema["enum"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap())
                .collect();
            let expected: BTreeSet<&str> = values(of).unwrap().iter().copied().collect();
            kind == Some("string") && published == expected
        }
    };
    assert!(fits, "{} {context} is no {}: {schema:#}", line.name, line.kind);
    let bounds = [
        ("default", line.default),
        ("minimum", line.minimum),
        ("maximum", line.maximum),
    ];
    for (name, expected) in bounds {
        let published = schema.get(name).cloned();
        let Some(expected) = expected else {
            assert!(
                published.is_none() || line.kind == "integer",
                "{name} of {} {context}",
                line.name
            );
            continue;
        };
        let expected: Value = serde_json::from_str(expected).unwrap();
        let as_number = published.as_ref().and_then(Value::as_f64);
        let same = published.as_ref() == Some(&expected) || as_number.is_some() && as_number == expected.as_f64();
        assert!(same, "{name} of {} {context}: {published:?}", line.name);
    }
}

/// Holds that an object has exactly the fields of a table, all of them required.
fn assert_object(document: &Value, table: &'static str, schema: &Value, context: &str) {
    let (schema, nullable) = resolved(document, schema);
    assert!(!nullable, "{context}");
    let lines = lines(table);
    let names: BTreeSet<&str> = lines.iter().map(|line| line.name).collect();
    let properties = schema["properties"].as_object().unwrap();
    let published: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    assert_eq!(published, names, "{context}");
    let required = schema["required"].as_array().unwrap().iter();
    let required: BTreeSet<&str> = required.map(|name| name.as_str().unwrap()).collect();
    assert_eq!(required, names, "required {context}");
    for line in &lines {
        assert_is(document, line, &properties[line.name], context);
    }
}

fn assert_parameters(document: &Value, route: &Route, operation: &Value) {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let of = |place: &str| -> Vec<Value> {
        let found = parameters.iter().filter(|parameter| parameter["in"] == place);
        found.cloned().collect()
    };
    let names = |list: &[Value]| -> BTreeSet<String> { list.iter().map(|one| text(one, "/name").to_owned()).collect() };
    let expected: BTreeSet<String> = path_parameters(route.path).into_iter().map(str::to_owned).collect();
    assert_eq!(names(&of("path")), expected, "{}", route.path);
    for parameter in of("path") {
        assert_eq!(parameter["required"], true, "{parameter:#}");
        assert!(is_uuid(&resolved(document, &parameter["schema"]).0), "{parameter:#}");
    }
    let query = lines(route.query);
    let expected: BTreeSet<String> = query.iter().map(|line| line.name.to_owned()).collect();
    assert_eq!(names(&of("query")), expected, "{}", route.path);
    for parameter in of("query") {
        let line = query.iter().find(|line| line.name == parameter["name"]).unwrap();
        let required = parameter["required"].as_bool().unwrap_or(false);
        assert_eq!(required, line.required, "required {}", line.name);
        assert_is(document, line, &parameter["schema"], route.path);
    }
}

/// A key in the header `authorization`.
fn assert_key(document: &Value, operation: &Value) {
    let schemes = operation["security"].as_array().unwrap();
    let names: Vec<&String> = schemes
        .iter()
        .flat_map(|scheme| scheme.as_object().unwrap().keys())
        .collect();
    assert!(!names.is_empty(), "{operation:#}");
    for name in names {
        let scheme = &document["components"]["securitySchemes"][name];
        let in_header = scheme["in"] == "header"
            && scheme["name"]
                .as_str()
                .is_some_and(|name| name.eq_ignore_ascii_case("authorization"));
        assert!(in_header || scheme["scheme"] == "bearer", "{name}: {scheme:#}");
    }
}

async fn published(client: &Client) -> Value {
    client.get("/openapi.json").await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_what_the_document_says() {
    let app = TestApp::start().await;
    let document = published(&app.client()).await;
    assert!(text(&document, "/openapi").starts_with("3.1"));
    for route in &ROUTES {
        let context = format!("{} {}", route.method, route.path);
        let operation = &document["paths"][route.path][route.method];
        assert!(operation.is_object(), "{context} is not published");
        assert_parameters(&document, route, operation);
        assert_key(&document, operation);
        let body = &operation["requestBody"];
        assert_eq!(body.is_null(), route.body.is_empty(), "{context}");
        if !route.body.is_empty() {
            assert_eq!(body["required"], true, "{context}");
            let schema = &body["content"]["application/json"]["schema"];
            assert_object(&document, route.body, schema, &context);
        }
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        match route.answer {
            Answer::One(table) => assert_object(&document, table, schema, &context),
            Answer::Many(table) => {
                assert_eq!(schema["type"], "array", "{context}");
                assert_object(&document, table, &schema["items"], &context);
            }
        }
    }
}

/// Holds that a value is what a line of the document says.
fn assert_value(line: &Line, value: &Value, context: &str) {
    let context = format!("{} {context}: {value}", line.name);
    if value.is_null() {
        assert!(line.nullable, "{context}");
        return;
    }
    let fits = match line.kind {
        "string" => value.is_string(),
        "uuid" => {
            let id = value.as_str().and_then(|text| Uuid::try_parse(text).ok());
            id.is_some_and(|id| id.get_version_num() == 4)
        }
        "date-time" => {
            let at = value.as_str().map(str::parse::<jiff::Timestamp>);
            at.is_some_and(|at| at.is_ok())
        }
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        of => value.as_str().is_some_and(|name| values(of).unwrap().contains(&name)),
    };
    assert!(fits, "{context}");
}

/// What the answers of a life so far are held against.
struct Witness {
    client: Client,
    document: Value,
    /// The fields that had a value, by route.
    seen: BTreeSet<(&'static str, String)>,
    routes: BTreeSet<&'static str>,
}

impl Witness {
    /// Calls a route by its place in the document, and holds every field of the answer against it.
    async fn call(&mut self, call: &str, body: Option<Value>) -> Value {
        let (method, path) = call.split_once(' ').unwrap();
        let path = path.split('?').next().unwrap();
        let is_it = |route: &&Route| {
            let (given, known) = (path.split('/'), route.path.split('/'));
            let same = |(given, known): (&str, &str)| given == known || known.starts_with('{') && given != "details";
            let as_long = given.clone().count() == known.clone().count();
            route.method.eq_ignore_ascii_case(method) && as_long && given.zip(known).all(same)
        };
        let route = ROUTES.iter().find(is_it).unwrap_or_else(|| panic!("{call}"));
        let answer = self.client.rest(call, body).await.ok();
        self.validate(route, &answer);
        let (table, found) = match route.answer {
            Answer::One(table) => (table, vec![answer.clone()]),
            Answer::Many(table) => (table, answer.as_array().unwrap().clone()),
        };
        assert!(!found.is_empty(), "{call} answers nothing");
        let lines = lines(table);
        let names: BTreeSet<&str> = lines.iter().map(|line| line.name).collect();
        for object in &found {
            let given: BTreeSet<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(given, names, "{call}");
            for line in &lines {
                assert_value(line, &object[line.name], call);
                if !object[line.name].is_null() {
                    self.seen.insert((route.path, line.name.to_owned()));
                }
            }
        }
        self.routes.insert(route.path);
        answer
    }

    /// By the published schema as well.
    fn validate(&self, route: &Route, answer: &Value) {
        let operation = &self.document["paths"][route.path][route.method];
        let mut schema = operation["responses"]["200"]["content"]["application/json"]["schema"].clone();
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(answer).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{} {}: {errors:?}", route.method, route.path);
    }
}

/// A workspace in which everything that the document shows has a name and a picture.
async fn furnished(client: &Client) -> [String; 4] {
    let id = |made: Value| text(&made, "/id").to_owned();
    let picture = "picture: \"https://example.org/p.png\"";
    let agent = format!("createAgent(input: {{ name: \"Robin\", email: \"robin@example.org\", {picture} }})");
    let agent = id(run(client, &agent, "id").await);
    let team = format!("createTeam(input: {{ name: \"Support\", {picture}, members: [] }})");
    let team = id(run(client, &team, "id").await);
    let version = Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef);
    let bot =
        format!("createResponder(input: {{ name: \"Bot\", {picture}, versionId: \"{version}\", versionNumber: 3 }})");
    let bot = id(run(client, &bot, "id").await);
    let tag = id(run(client, "createTag(input: { name: \"vip\" })", "id").await);
    [agent, team, bot, tag]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_documents_fields() {
    let app = TestApp::start().await;
    let client = app.client();
    let document = published(&client).await;
    let mut witness = Witness {
        client: client.clone(),
        document,
        seen: BTreeSet::new(),
        routes: BTreeSet::new(),
    };
    // a workspace with nothing in it but a channel and a chat
    let bare = client.channel().await;
    let bare = client.say(&bare, "bob", "b1", "hello").await;
    let details = format!("GET /api/v1/tickets/{}/details", text(&bare, "/ticket/id"));
    witness.call(&details, None).await;
    witness.call("GET /api/v1/tickets/details?status=pending", None).await;
    let [agent, team, bot, tag] = furnished(&client).await;
    let channel = client.channel_with(json!({ "defaultResponderId": bot })).await;
    let said = client.say(&channel, "ada", "m1", "hello").await;
    let (chat, ticket) = (text(&said, "/chat/id"), text(&said, "/ticket/id"));
    let at = |rest: &str| format!("/api/v1/tickets/{ticket}/{rest}");
    witness.call(&format!("GET {}", at("details")), None).await;
    witness.call("GET /api/v1/tickets/details?status=pending", None).await;
    let assignee = || Some(json!({ "assigneeId": agent }));
    witness.call(&format!("PATCH {}", at("assignee")), assignee()).await;
    witness.call(&format!("PATCH {}", at("takeover")), assignee()).await;
    witness
        .call(&format!("POST {}", at("tags")), Some(json!({ "tagId": tag })))
        .await;
    witness
        .call(&format!("DELETE {}", at(&format!("tags/{tag}"))), None)
        .await;
    let viewed = format!("markViewed(ticketId: \"{ticket}\")");
    run(&client, &viewed, "cursor").await;
    let completed = Some(json!({ "userId": agent }));
    witness.call(&format!("PATCH {}", at("complete")), completed).await;
    let new = json!({ "chatId": chat, "ticketingTeamId": team, "assigneeId": agent, "status": "completed" });
    let made = witness.call("POST /api/v1/tickets", Some(new.clone())).await;
    let details = format!("GET /api/v1/tickets/{}/details", text(&made, "/id"));
    witness.call(&details, None).await;
    witness.call("GET /api/v1/tickets/details?status=completed", None).await;
    let mut without_team = new;
    without_team["ticketingTeamId"] = Value::Null;
    without_team["status"] = json!("ongoing");
    witness.call("POST /api/v1/tickets", Some(without_team)).await;
    let called: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
    assert_eq!(witness.routes, called);
    // a field that is always null would pass for a nullable one
    for path in ["/api/v1/tickets/{id}/details", "/api/v1/tickets/details"] {
        let never: Vec<&str> = lines(table_of(path))
            .into_iter()
            .map(|line| line.name)
            .filter(|name| !witness.seen.contains(&(path, (*name).to_owned())))
            .collect();
        assert_eq!(never, ["ownerEmail"], "no owner is a platform user");
    }
}

fn table_of(path: &str) -> &'static str {
    match ROUTES.iter().find(|route| route.path == path).unwrap().answer {
        Answer::One(table) | Answer::Many(table) => table,
    }
}
