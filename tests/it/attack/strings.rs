//! Every text that a mutation takes, found by introspection: NUL is refused, and so is what is longer than anything.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{assert_healthy, within};
use crate::support::story::{run, settings, text};
use crate::support::{Client, TestApp};

pub const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

const TYPES: &str = "{ __schema { mutationType { fields { name args { name type { ...T } } type { ...T } } }
    types { name fields { name } inputFields { name type { ...T } } enumValues { name } } } }
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// Ids of what is there, by the names that arguments have.
pub async fn things(client: &Client) -> HashMap<&'static str, String> {
    let (agent, team, tag, _) = settings(client).await;
    let channel = client.channel().await;
    let said = client.say(&channel, "ada", "m1", "hello").await;
    let chat = text(&said, "/chat/id").to_owned();
    let of_chat = client
        .data(
            "query($id: UUID!) { chat(id: $id) { contact { id } } }",
            json!({ "id": chat }),
        )
        .await;
    let field = run(client, "createField(input: { name: \"f\", kind: TEXT })", "id").await;
    let contact_field = "createField(input: { name: \"g\", kind: TEXT, target: CONTACT })";
    let responder = run(client, "createResponder(input: { name: \"Bot\" })", "id").await;
    let post = format!(
        "ingestPost(input: {{ kind: COMMENT, channelId: \"{channel}\", externalId: \"c\", owner: {{ externalId: \"a\" }}, text: \"x\" }})"
    );
    let post = run(client, &post, "id").await;
    HashMap::from([
        ("ticketId", text(&said, "/ticket/id").to_owned()),
        ("ticketIds", text(&said, "/ticket/id").to_owned()),
        ("contactId", text(&of_chat, "/chat/contact/id").to_owned()),
        (
            "contactFieldId",
            text(&run(client, contact_field, "id").await, "/id").to_owned(),
        ),
        ("fieldId", text(&field, "/id").to_owned()),
        ("responderId", text(&responder, "/id").to_owned()),
        ("postId", text(&post, "/id").to_owned()),
        ("agentId", agent.clone()),
        ("assigneeId", agent),
        ("chatId", chat),
        ("channelId", channel),
        ("teamId", team),
        ("tagId", tag),
    ])
}

/// The schema as introspection shows it, and what there is to name.
struct Known {
    types: HashMap<String, Value>,
    things: HashMap<&'static str, String>,
}

fn name(named: &Value) -> &str {
    named["name"].as_str().unwrap()
}

/// As it is written in a document.
fn written(kind: &Value) -> String {
    match kind["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", written(&kind["ofType"])),
        "LIST" => format!("[{}]", written(&kind["ofType"])),
        _ => name(kind).to_owned(),
    }
}

/// Without lists and marks of what is never null.
fn core(kind: &Value) -> &Value {
    match kind["kind"].as_str().unwrap() {
        "NON_NULL" | "LIST" => core(&kind["ofType"]),
        _ => kind,
    }
}

impl Known {
    async fn of(client: &Client) -> Self {
        let found = client.data(TYPES, json!({})).await;
        let types = found["__schema"]["types"].as_array().unwrap();
        Self {
            types: types
                .iter()
                .map(|known| (name(known).to_owned(), known.clone()))
                .collect(),
            things: things(client).await,
        }
    }

    fn inputs(&self, kind: &Value) -> &[Value] {
        let inputs = self.types[name(kind)]["inputFields"].as_array();
        inputs.map(Vec::as_slice).unwrap_or_default()
    }

    fn id(&self, field: &str, mutation: &str) -> &str {
        let of_mutation = |thing: &&&str| {
            mutation
                .to_lowercase()
                .contains(&thing.trim_end_matches("Id").to_lowercase())
        };
        let thing = match field {
            "id" => self.things.keys().find(of_mutation).copied().unwrap_or("none"),
            "fieldId" if mutation == "setContactField" => "contactFieldId",
            known => known,
        };
        self.things.get(thing).map_or(UNKNOWN, String::as_str)
    }

    /// The least that may be given.
    fn least(&self, field: &str, kind: &Value, mutation: &str) -> Value {
        match kind["kind"].as_str().unwrap() {
            "NON_NULL" => self.least(field, &kind["ofType"], mutation),
            "LIST" => json!([self.least(field, &kind["ofType"], mutation)]),
            "ENUM" if name(kind) == "BulkAction" => json!("ADD_NOTE"),
            "ENUM" => self.types[name(kind)]["enumValues"][0]["name"].clone(),
            "INPUT_OBJECT" => self.least_object(self.inputs(kind), mutation).into(),
            _ => match (name(kind), field) {
                ("UUID" | "ID", _) => json!(self.id(field, mutation)),
                ("Int" | "Float", _) => json!(1),
                ("Boolean", _) => json!(true),
                ("DateTime", _) => json!("2026-01-01T00:00:00Z"),
                (_, "timeZone") => json!("UTC"),
                (_, "from") => json!("09:00"),
                (_, "to") => json!("10:00"),
                _ => json!("text"),
            },
        }
    }

    fn least_object(&self, inputs: &[Value], mutation: &str) -> Map<String, Value> {
        let required = inputs.iter().filter(|input| input["type"]["kind"] == "NON_NULL");
        required
            .map(|input| {
                let value = self.least(name(input), &input["type"], mutation);
                (name(input).to_owned(), value)
            })
            .collect()
    }

    /// Every value of a type in which one text is `bad`, and where.
    fn spoiled(&self, kind: &Value, mutation: &str, bad: &Value) -> Vec<(String, Value)> {
        match kind["kind"].as_str().unwrap() {
            "NON_NULL" => self.spoiled(&kind["ofType"], mutation, bad),
            "LIST" => {
                let each = self.spoiled(&kind["ofType"], mutation, bad);
                each.into_iter().map(|(path, value)| (path, json!([value]))).collect()
            }
            "INPUT_OBJECT" => self.spoiled_object(self.inputs(kind), mutation, bad),
            "SCALAR" if !["Int", "Float", "Boolean"].contains(&name(kind)) => vec![(String::new(), bad.clone())],
            _ => Vec::new(),
        }
    }

    fn spoiled_object(&self, inputs: &[Value], mutation: &str, bad: &Value) -> Vec<(String, Value)> {
        let least = self.least_object(inputs, mutation);
        let mut all = Vec::new();
        for input in inputs {
            for (path, value) in self.spoiled(&input["type"], mutation, bad) {
                let mut object = least.clone();
                object.insert(name(input).to_owned(), value);
                all.push((format!(".{}{path}", name(input)), object.into()));
            }
        }
        all
    }

    /// A document with those arguments of a mutation that are given.
    fn document(&self, mutation: &Value, given: &Map<String, Value>) -> String {
        let arguments = mutation["args"].as_array().unwrap().iter();
        let given: Vec<_> = arguments
            .filter(|argument| given.contains_key(name(argument)))
            .collect();
        let variables: Vec<String> = given
            .iter()
            .map(|argument| format!("${}: {}", name(argument), written(&argument["type"])))
            .collect();
        let passed: Vec<String> = given
            .iter()
            .map(|argument| format!("{0}: ${0}", name(argument)))
            .collect();
        let answer = core(&mutation["type"]);
        let fields = self.types[name(answer)]["fields"].as_array();
        let selection = match fields {
            None => "",
            Some(fields) if fields.iter().any(|field| field["name"] == "error") => "{ error { code } }",
            Some(_) => "{ __typename }",
        };
        let (variables, passed) = (variables.join(", "), passed.join(", "));
        format!("mutation({variables}) {{ {}({passed}) {selection} }}", name(mutation))
    }
}

/// The codes of the errors of an answer as a whole, or of every item of it.
fn codes(answer: &Value) -> Vec<&str> {
    if let Some(errors) = answer["errors"].as_array() {
        return errors
            .iter()
            .map(|error| error["extensions"]["code"].as_str().unwrap_or("none"))
            .collect();
    }
    let data = answer["data"].as_object().into_iter().flat_map(Map::values);
    let items = data.filter_map(Value::as_array).flatten();
    items.filter_map(|item| item["error"]["code"].as_str()).collect()
}

async fn assert_refused_everywhere(what: &str, bad: Value) {
    let app = TestApp::start().await;
    let client = app.client();
    let known = Known::of(&client).await;
    let found = client.data(TYPES, json!({})).await;
    let mut tried = 0;
    let mut taken = Vec::new();
    for mutation in found["__schema"]["mutationType"]["fields"].as_array().unwrap() {
        let arguments = mutation["args"].as_array().unwrap();
        for (path, variables) in known.spoiled_object(arguments, name(mutation), &bad) {
            tried += 1;
            let document = known.document(mutation, variables.as_object().unwrap());
            let place = format!("{}{path}", name(mutation));
            let answer = within(&place, client.send(&document, variables)).await.unwrap();
            let codes = codes(&answer);
            if codes.is_empty() || codes.iter().any(|code| ["none", "INTERNAL"].contains(code)) {
                taken.push(format!("{place}: {answer:.200}"));
            }
        }
    }
    assert!(
        taken.is_empty(),
        "{what} in {} of {tried} places:\n{}",
        taken.len(),
        taken.join("\n")
    );
    assert!(tried > 150, "only {tried} places");
    assert_healthy(&client, what).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nul_is_refused_in_every_text_of_every_mutation() {
    assert_refused_everywhere("NUL", json!("a\0b")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_of_every_mutation_has_a_bound() {
    assert_refused_everywhere("100,000 letters", json!("x".repeat(100_000))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_that_may_be_given_is_taken() {
    let app = TestApp::start().await;
    let client = app.client();
    let known = Known::of(&client).await;
    let found = client.data(TYPES, json!({})).await;
    let mutations = found["__schema"]["mutationType"]["fields"].as_array().unwrap();
    let create: Vec<&Value> = mutations
        .iter()
        .filter(|mutation| ["createTag", "createTeam", "ingestMessage", "addNote", "bulk"].contains(&name(mutation)))
        .collect();
    assert_eq!(create.len(), 5);
    for mutation in create {
        let mut least = known.least_object(mutation["args"].as_array().unwrap(), name(mutation));
        if name(mutation) == "ingestMessage" {
            least["input"]["text"] = json!("hello");
        }
        if name(mutation) == "bulk" {
            least["operation"]["text"] = json!("a note");
        }
        let document = known.document(mutation, &least);
        let answer = client.send(&document, least.into()).await.unwrap();
        assert!(codes(&answer).is_empty(), "{document}: {answer}");
    }
}
