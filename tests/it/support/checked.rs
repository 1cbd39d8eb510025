//! REST as it is described: every answer is held against the served OpenAPI document.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use super::{Client, KEY, Reply, TestApp};

/// A client that fails when an answer is not as the document says.
pub struct Rest {
    pub client: Client,
    pub document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
    used: Mutex<BTreeSet<String>>,
}

/// An operation of the document.
#[derive(Clone, Debug)]
pub struct Operation {
    pub method: String,
    pub path: String,
    pub value: Value,
}

impl Operation {
    pub fn id(&self) -> &str {
        self.value["operationId"].as_str().unwrap()
    }

    /// The names of the parameters in one place, with their schemas.
    pub fn parameters(&self, place: &str) -> Vec<(String, Value)> {
        let all = self.value["parameters"].as_array().into_iter().flatten();
        let of_place = all.filter(|parameter| parameter["in"] == place);
        of_place
            .map(|parameter| {
                (
                    parameter["name"].as_str().unwrap().to_owned(),
                    parameter["schema"].clone(),
                )
            })
            .collect()
    }

    /// The schema of the body.
    pub fn body(&self) -> Option<&Value> {
        self.value.pointer("/requestBody/content/application~1json/schema")
    }
}

/// Every operation of a document.
pub fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().unwrap().iter();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods: Map<String, Value> = methods.as_object().unwrap().clone();
        let path = path.clone();
        let known = ["get", "post", "put", "patch", "delete"];
        let methods = methods
            .into_iter()
            .filter(move |(name, _)| known.contains(&name.as_str()));
        methods.map(move |(method, value)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            value,
        })
    };
    paths.flat_map(of_path).collect()
}

/// How many segments of a path a template names, if it fits.
fn fits(template: &str, path: &str) -> Option<usize> {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let pairs = || template.iter().zip(&path);
    let same = pairs().all(|(part, given)| part.starts_with('{') || part == given);
    (template.len() == path.len() && same).then(|| pairs().filter(|(part, given)| part == given).count())
}

impl Rest {
    pub async fn new(app: &TestApp) -> Self {
        Self::of(Client::new(&app.url, KEY)).await
    }

    pub async fn of(client: Client) -> Self {
        let document = client.get("/openapi.json").await.ok();
        Self {
            client,
            document,
            validators: Mutex::default(),
            used: Mutex::default(),
        }
    }

    /// The operations that were asked for and found, by their ids.
    pub fn used(&self) -> BTreeSet<String> {
        self.used.lock().unwrap().clone()
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call(&format!("GET {path}"), None).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.call(&format!("DELETE {path}"), None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(&format!("POST {path}"), Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.call(&format!("PUT {path}"), Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.call(&format!("PATCH {path}"), Some(body)).await
    }

    pub async fn call(&self, call: &str, body: Option<Value>) -> Reply {
        self.call_with(call, &[], body).await
    }

    /// `call` is a method and a path, as `GET /api/v1/chats`.
    pub async fn call_with(&self, call: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
        let reply = self.client.rest_with(call, headers, body.clone()).await;
        self.hold(call, body.as_ref(), &reply);
        reply
    }

    /// The operation that a call is of.
    pub fn operation(&self, call: &str) -> Option<Operation> {
        let (method, path) = call.split_once(' ').unwrap();
        let path = path.split('?').next().unwrap();
        let of_method = operations(&self.document)
            .into_iter()
            .filter(|found| found.method == method);
        of_method
            .filter_map(|found| Some((fits(&found.path, path)?, found)))
            .max_by_key(|(named, _)| *named)
            .map(|(_, found)| found)
    }

    /// Holds an answer against the document; of an accepted request also what was sent.
    pub fn hold(&self, call: &str, sent: Option<&Value>, reply: &Reply) {
        let media_type = reply.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap().trim();
        let Some(operation) = self.operation(call) else {
            assert!(
                matches!(reply.status, 401 | 404 | 405),
                "{call}: {} {:#}",
                reply.status,
                reply.body
            );
            let problem = json!({ "$ref": "#/components/schemas/Problem" });
            return self.validate("a problem", &problem, &reply.body);
        };
        let (id, status) = (operation.id(), reply.status.to_string());
        let response = &operation.value["responses"][status.as_str()];
        assert!(
            response.is_object(),
            "{id}: {status} is not described: {:#}",
            reply.body
        );
        let content = &response["content"];
        assert!(
            content.is_null() || content[media_type].is_object(),
            "{id}: {status} has no {media_type}"
        );
        if media_type.ends_with("json") {
            let name = format!("{id} {status} {media_type}");
            self.validate(&name, &content[media_type]["schema"], &reply.body);
        }
        if (200..300).contains(&reply.status) {
            self.used.lock().unwrap().insert(id.to_owned());
            if let (Some(schema), Some(sent)) = (operation.body(), sent) {
                self.validate(&format!("{id} body"), schema, sent);
            }
        }
    }

    /// Holds a value against a schema of the document.
    pub fn validate(&self, name: &str, schema: &Value, value: &Value) {
        let validator = {
            let mut validators = self.validators.lock().unwrap();
            let known = validators.entry(name.to_owned());
            known.or_insert_with(|| Arc::new(self.compile(schema))).clone()
        };
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}\n{value:#}");
    }

    /// The components are in the schema's own document, where its references lead.
    fn compile(&self, schema: &Value) -> Validator {
        let whole = json!({ "allOf": [schema], "components": self.document["components"] });
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(&whole)
            .unwrap_or_else(|error| panic!("{schema:#}: {error}"))
    }
}
