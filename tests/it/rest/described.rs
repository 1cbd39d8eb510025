//! The OpenAPI document itself, and the page that shows it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ours;
use crate::support::{Rest, TestApp, operations};

/// Everything that a value refers to.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.insert(reference.clone());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_whole() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    let document = &rest.document;
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    references(document, &mut found);
    assert!(found.len() > 30);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}: {schema:#}");
    }
    let mut ids = BTreeSet::new();
    for operation in operations(document) {
        assert!(
            ids.insert(operation.id().to_owned()),
            "{} is there twice",
            operation.id()
        );
        let declared: BTreeSet<String> = operation.parameters("path").into_iter().map(|(name, _)| name).collect();
        let named = operation
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let named: BTreeSet<String> = named.map(str::to_owned).collect();
        assert_eq!(declared, named, "{}", operation.path);
    }
    assert_eq!(document["components"]["securitySchemes"]["key"]["in"], "header");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_described_with_examples_and_errors() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    let tags: Vec<&Value> = rest.document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    for operation in ours(&rest) {
        let (id, value) = (operation.id(), &operation.value);
        assert!(value["summary"].is_string(), "{id}");
        assert_eq!(value["security"], json!([{ "key": [] }]), "{id}");
        assert!(tags.contains(&&value["tags"][0]), "{id}");
        for status in [
            "400", "401", "403", "404", "409", "412", "413", "415", "429", "500", "503", "504",
        ] {
            let problem = &value["responses"][status]["content"]["application/problem+json"]["schema"];
            assert_eq!(problem["$ref"], "#/components/schemas/Problem", "{id} {status}");
        }
        let answers = value["responses"].as_object().unwrap().iter();
        let answers: Vec<&Value> = answers
            .filter(|(status, _)| status.starts_with('2'))
            .map(|(_, answer)| &answer["content"]["application/json"])
            .collect();
        assert_eq!(answers.len(), 1, "{id}");
        let body = value.pointer("/requestBody/content/application~1json");
        for (name, content) in [("answer", Some(answers[0])), ("body", body)] {
            if let Some(content) = content {
                assert!(!content["example"].is_null(), "{id}: no example of the {name}");
                rest.validate(&format!("{id} example {name}"), &content["schema"], &content["example"]);
            }
        }
    }
}

/// The text of a page.
async fn page(app: &TestApp, path: &str) -> (u16, String, String) {
    let answer = reqwest::get(format!("{}{path}", app.url)).await.unwrap();
    let policy = answer.headers().get("content-security-policy");
    let policy = policy
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default();
    (answer.status().as_u16(), policy, answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_no_other_host() {
    let app = TestApp::start().await;
    let (status, policy, index) = page(&app, "/api/docs").await;
    assert_eq!(status, 200);
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("http"), "{policy}");
    let parts = index.split('"').filter_map(|part| {
        let name = part.strip_prefix("./").unwrap_or(part);
        let is_file = [".js", ".css", ".png"].iter().any(|ending| name.ends_with(ending));
        is_file.then(|| name.to_owned())
    });
    let parts: Vec<String> = parts.collect();
    assert!(parts.len() >= 5, "{index}");
    let mut texts = vec![("index.html".to_owned(), index.clone())];
    for part in parts {
        let answer = reqwest::get(format!("{}/api/docs/{part}", app.url)).await.unwrap();
        assert_eq!(answer.status(), 200, "{part}");
        if part.ends_with("css") || part == "swagger-initializer.js" {
            texts.push((part, answer.text().await.unwrap()));
        }
    }
    for (part, text) in &texts {
        for elsewhere in [
            "src=\"http",
            "href=\"http",
            "src=\"//",
            "href=\"//",
            "url(http",
            "url(//",
            "@import",
        ] {
            assert!(!text.contains(elsewhere), "{part} has {elsewhere}");
        }
    }
    let (_, initializer) = texts.iter().find(|(part, _)| part == "swagger-initializer.js").unwrap();
    assert!(initializer.contains("\"/openapi.json\""), "{initializer}");
    assert!(!initializer.contains("http"), "{initializer}");
    assert_eq!(page(&app, "/api/docs/nothing.js").await.0, 404);
}
