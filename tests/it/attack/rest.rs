//! Every text that a REST body takes, found in the published document, and lines of NDJSON that end nowhere.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::strings::{UNKNOWN, things};
use super::wire::Wire;
use super::{assert_healthy, assert_memory_is_bounded, within};
use crate::crowd::resident_kib;
use crate::support::{Client, KEY, Process, TestApp};

/// The published document, and what there is to name.
struct Published {
    document: Value,
    things: HashMap<&'static str, String>,
}

impl Published {
    async fn of(client: &Client) -> Self {
        let answer = client.http().get(format!("{}/openapi.json", client.url)).send().await;
        Self {
            document: answer.unwrap().json().await.unwrap(),
            things: things(client).await,
        }
    }

    /// Method, path and what describes it.
    fn operations(&self) -> Vec<(String, String, &Value)> {
        let mut all = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for method in ["get", "post", "put", "patch", "delete"] {
                if let Some(operation) = item.get(method) {
                    all.push((method.to_uppercase(), path.clone(), operation));
                }
            }
        }
        all
    }

    /// A path with ids of what is there.
    fn filled(&self, path: &str) -> String {
        let mut before = "";
        let mut filled = Vec::new();
        for part in path.split('/') {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            filled.push(match name {
                Some("id") => self.thing(&format!("{}Id", before.trim_end_matches('s'))),
                Some(name) => self.thing(name),
                None => part,
            });
            before = part;
        }
        filled.join("/")
    }

    fn thing(&self, name: &str) -> &str {
        self.things.get(name).map_or(UNKNOWN, String::as_str)
    }

    /// A schema behind its references.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.trim_start_matches('#');
                self.resolved(self.document.pointer(pointer).unwrap())
            }
            None => schema,
        }
    }

    /// What a schema may be, one by one, without null.
    fn choices<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        let several = ["anyOf", "oneOf", "allOf"]
            .into_iter()
            .find_map(|word| schema[word].as_array());
        match several {
            Some(several) => several.iter().flat_map(|one| self.choices(one)).collect(),
            None if schema["type"] == "null" => Vec::new(),
            None => vec![schema],
        }
    }

    fn least(&self, name: &str, schema: &Value) -> Value {
        let Some(schema) = self.choices(schema).first().copied() else {
            return Value::Null;
        };
        if let Some(values) = schema["enum"].as_array() {
            return values[0].clone();
        }
        match (kind(schema), schema["format"].as_str()) {
            ("object", _) => self.least_object(schema).into(),
            ("array", _) => json!([self.least(name, &schema["items"])]),
            ("integer" | "number", _) => json!(1),
            ("boolean", _) => json!(true),
            (_, Some("uuid")) => json!(self.thing(name)),
            (_, Some("date-time")) => json!("2026-01-01T00:00:00Z"),
            _ => json!("text"),
        }
    }

    fn least_object(&self, schema: &Value) -> Map<String, Value> {
        let required = schema["required"].as_array().into_iter().flatten();
        required
            .filter_map(Value::as_str)
            .map(|name| (name.to_owned(), self.least(name, &schema["properties"][name])))
            .collect()
    }

    /// Every value in which one text is `bad`, and where.
    fn spoiled(&self, schema: &Value, bad: &Value) -> Vec<(String, Value)> {
        let choices = self.choices(schema).into_iter();
        choices.flat_map(|choice| self.spoiled_choice(choice, bad)).collect()
    }

    fn spoiled_choice(&self, schema: &Value, bad: &Value) -> Vec<(String, Value)> {
        match kind(schema) {
            "object" => {
                let least = self.least_object(schema);
                let mut all = Vec::new();
                for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                    for (path, value) in self.spoiled(property, bad) {
                        let mut object = least.clone();
                        object.insert(name.clone(), value);
                        all.push((format!(".{name}{path}"), object.into()));
                    }
                }
                all
            }
            "array" => {
                let each = self.spoiled(&schema["items"], bad).into_iter();
                each.map(|(path, value)| (path, json!([value]))).collect()
            }
            "string" => vec![(String::new(), bad.clone())],
            _ => Vec::new(),
        }
    }
}

/// The type beside null; what may be anything is taken for a text.
fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or("string"),
        _ if schema["properties"].is_object() => "object",
        _ => "string",
    }
}

async fn send(client: &Client, (method, path): (&str, &str), body: &Value) -> (u16, String) {
    let url = format!("{}{path}", client.url);
    let request = client
        .http()
        .request(method.parse().unwrap(), url)
        .bearer_auth(&client.key);
    let answer = request.json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn assert_refused_everywhere(what: &str, bad: Value) {
    let app = TestApp::start().await;
    let client = app.client();
    let published = Published::of(&client).await;
    let mut tried = 0;
    let mut taken = Vec::new();
    for (method, path, operation) in published.operations() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        let filled = published.filled(&path);
        for (place, body) in published.spoiled(schema, &bad) {
            tried += 1;
            let place = format!("{method} {path} {place}");
            let (status, answer) = within(&place, send(&client, (&method, &filled), &body)).await;
            if !(400..500).contains(&status) {
                taken.push(format!("{place}: {status} {answer:.200}"));
            }
        }
    }
    assert!(
        taken.is_empty(),
        "{what} in {} of {tried} places:\n{}",
        taken.len(),
        taken.join("\n")
    );
    assert!(tried > 30, "only {tried} places");
    assert_healthy(&client, what).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nul_is_refused_in_every_text_of_every_body() {
    assert_refused_everywhere("NUL", json!("a\0b")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_of_every_body_has_a_bound() {
    assert_refused_everywhere("100,000 letters", json!("x".repeat(100_000))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_json_are_refused_on_every_route() {
    let app = TestApp::start().await;
    let client = app.client();
    let published = Published::of(&client).await;
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 9] = [
        b"",
        b"{",
        b"null",
        b"\"\\ud800\"",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":\"\xff\xfe\"}",
        b"{\"name\":1e999}",
        b"{\"name\":\"a\",\"name\":\"b\",\"owner\":1,\"owner\":2}",
        deep.as_bytes(),
    ];
    for (method, path, operation) in published.operations() {
        if operation["requestBody"]["required"] != true {
            continue;
        }
        let url = format!("{}{}", client.url, published.filled(&path));
        for body in bodies {
            let request = client
                .http()
                .request(method.parse().unwrap(), &url)
                .bearer_auth(&client.key);
            // an answer may come before the body was read, and then the connection ends
            let request = request.header("connection", "close");
            let request = request.header("content-type", "application/json").body(body.to_vec());
            let status = within(&url, request.send()).await.unwrap().status().as_u16();
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
            assert!((400..500).contains(&status), "{method} {path} {shown}: {status}");
        }
    }
    assert_healthy(&client, "all bodies").await;
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n".as_slice()].concat()
}

/// The lines of an answer in chunks.
fn lines(answer: &str) -> Vec<Value> {
    let (_, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    let lines = body.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_no_message_costs_that_line_alone() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), None).await;
    let client = process.client();
    let channel = client.channel().await;
    let before = resident_kib(process.pid());
    let head = format!(
        "POST /api/v1/channels/{channel}/messages/stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {KEY}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let message = |text: &str| json!({ "owner": { "externalId": "ada" }, "text": text }).to_string() + "\n";
    let bad: Vec<Vec<u8>> = vec![
        b"}{\n".to_vec(),
        b"null\n".to_vec(),
        b"\"\\ud800\"\n".to_vec(),
        b"{\"text\":\"\xff\xfe\"}\n".to_vec(),
        ("[".repeat(60_000) + "\n").into_bytes(),
        message("a\0b").into_bytes(),
        message(&"x".repeat(20_000)).into_bytes(),
        [vec![b'x'; 1_024 * 1_024], b"\n".to_vec()].concat(),
    ];
    let count = bad.len() + 2;
    let endless = std::iter::repeat_n(chunk(&vec![b'x'; 64 * 1_024]), 1_024);
    let pieces = std::iter::once(head.into_bytes())
        .chain(bad.into_iter().map(|line| chunk(&line)))
        .chain(std::iter::once(chunk(&b"\n".repeat(10_000))))
        .chain(endless)
        .chain(std::iter::once(chunk(
            ("\n".to_owned() + &message("still heard")).as_bytes(),
        )))
        .chain(std::iter::once(b"0\r\n\r\n".to_vec()));
    let wire = Wire::connect(&process.url).await;
    let ended = within("64 MiB of one line", wire.converse(pieces, false)).await;
    assert_eq!(ended.status, Some(200), "{:.300}", ended.text);
    let mut answers = lines(&ended.text);
    assert_eq!(answers.len(), count, "{answers:?}");
    let last = answers.pop().unwrap();
    assert_eq!(last["receipt"]["decision"], "CREATED", "{last}");
    for answer in &answers {
        let code = answer["error"]["code"].as_str();
        assert!(code.is_some_and(|code| code != "INTERNAL"), "{answer}");
    }
    assert_eq!(answers.last().unwrap()["error"]["code"], "PAYLOAD_TOO_LARGE");
    assert_healthy(&client, "64 MiB of one line").await;
    assert_memory_is_bounded(&process, before);
}
