//! REST over HTTP.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::Client;

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// Null where there is none.
    pub body: Value,
}

impl Reply {
    /// What a 200 says.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.body
    }

    /// The status and the code of a problem.
    pub fn problem(&self) -> (u16, &str) {
        let media_type = self.header("content-type");
        assert_eq!(media_type, Some("application/problem+json"), "{:#}", self.body);
        assert_eq!(self.body["status"], self.status, "{:#}", self.body);
        (self.status, self.body["code"].as_str().unwrap())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Client {
    /// `call` is a method and a path, as `GET /api/v1/tickets/details`.
    pub async fn rest_with(&self, call: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
        let (method, path) = call.split_once(' ').unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http().request(method, format!("{}{path}", self.url));
        request = request.header("authorization", &self.key);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{call} gave no JSON: {text}"))
        };
        Reply { status, headers, body }
    }

    pub async fn rest(&self, call: &str, body: Option<Value>) -> Reply {
        self.rest_with(call, &[], body).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.rest(&format!("GET {path}"), None).await
    }
}
