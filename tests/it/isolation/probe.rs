//! What is asked of a side, and how it must be answered.

use serde_json::json;

use super::{Ids, Side, assert_clean, document, field_of, is_empty, written};
use crate::support::Client;

/// Kind, table, name and call.
pub type Probe = (&'static str, &'static str, &'static str, String);

/// The calls of one row: names before the same arguments stand in it together.
pub fn calls(call: &str) -> impl Iterator<Item = String> {
    let (fields, arguments) = call.split_at(call.find('(').unwrap_or(call.len()));
    fields
        .split_whitespace()
        .map(move |field| format!("{field}{arguments}"))
}

/// What a client of side two is answered to all but subscriptions.
pub async fn probe(probes: Vec<Probe>, client: &Client, (one, two): (&Side, &Side), foreign: &Ids) {
    for (kind, table, name, call) in probes.into_iter().filter(|probe| probe.0 != "subscription") {
        let request = written(&call, &[("one.", &one.things), ("", &two.things)], two.secret);
        let request = document(kind, &request);
        let answer = client.send(&request, json!({})).await.unwrap();
        assert_clean(&request, &answer, foreign);
        let code = if name.is_empty() { "NOT_FOUND" } else { name };
        let refused = answer["errors"][0]["extensions"]["code"].as_str();
        assert_eq!(refused, (table == "REFUSED").then_some(code), "{request}\n{answer:#}");
        let given = &answer["data"][field_of(&call)];
        match table {
            "EMPTY" => {
                assert!(is_empty(given), "{request}\n{answer:#}");
                let there = one.client.data(&request, json!({})).await;
                assert!(!is_empty(&there), "nothing is there to be found: {request}");
            }
            "OWN" => {
                assert!(given.to_string().contains("twosecret"), "{request}\n{answer:#}");
                if let (Some(total), Some(edges)) = (given["totalCount"].as_u64(), given["edges"].as_array()) {
                    assert_eq!(total, edges.len() as u64, "{request}\n{answer:#}");
                }
            }
            "EACH" => {
                let codes = given.as_array().unwrap().iter().map(|item| &item["error"]["code"]);
                let codes: Vec<&str> = codes.map(|code| code.as_str().unwrap_or("DONE")).collect();
                assert_eq!(codes.join(" "), name, "{request}\n{answer:#}");
            }
            _ => {}
        }
    }
}
