//! Pages of other origins.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::{KEY, TestApp};

const LISTED: &str = "https://desk.example";
const FOREIGN: &str = "https://evil.example";

async fn start() -> TestApp {
    TestApp::start_with(None, |config| config.api.cors_origins = LISTED.parse().unwrap()).await
}

fn request(app: &TestApp, method: Method, path: &str, origin: &str) -> RequestBuilder {
    let request = reqwest::Client::new().request(method, format!("{}{path}", app.url));
    request.header("origin", origin)
}

async fn posted(app: &TestApp, origin: &str) -> (StatusCode, Value) {
    let request = request(app, Method::POST, "/graphql", origin).bearer_auth(KEY);
    let answer = request
        .json(&json!({ "query": "{ __typename }" }))
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// The status of a socket's handshake.
async fn upgraded(app: &TestApp, origin: &str) -> u16 {
    let url = format!("{}/graphql", app.url.replace("http://", "ws://"));
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    headers.insert("origin", origin.parse().unwrap());
    match connect_async(request).await {
        Ok((_, answer)) => answer.status().as_u16(),
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_origin_learns_what_it_may_do() {
    let app = start().await;
    for (origin, allowed) in [(LISTED, Some(LISTED)), (FOREIGN, None)] {
        let preflight = request(&app, Method::OPTIONS, "/graphql", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,idempotency-key");
        let answer = preflight.send().await.unwrap();
        assert!(answer.status().is_success());
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("access-control-allow-origin"), allowed);
        let names = header("access-control-allow-headers").unwrap();
        assert!(
            names.contains("authorization") && names.contains("idempotency-key"),
            "{names}"
        );
        assert!(header("access-control-allow-methods").unwrap().contains("PATCH"));
        let answer = request(&app, Method::GET, "/healthz", origin).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("access-control-allow-origin"), allowed);
        assert!(header("access-control-expose-headers").unwrap().contains("ratelimit"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_change_nothing_and_open_no_sockets() {
    let app = start().await;
    for origin in [FOREIGN, "null", "http://127.0.0.1:1"] {
        let (status, problem) = posted(&app, origin).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::FORBIDDEN, &json!("FORBIDDEN")),
            "{origin}"
        );
        assert_eq!(upgraded(&app, origin).await, 403, "{origin}");
        let seen = request(&app, Method::GET, "/healthz", origin).send().await.unwrap();
        assert_eq!(seen.status(), StatusCode::OK);
    }
    for origin in [LISTED, app.url.as_str()] {
        assert_eq!(posted(&app, origin).await.0, StatusCode::OK, "{origin}");
        assert_eq!(upgraded(&app, origin).await, 101, "{origin}");
    }
    let forwarded = request(&app, Method::POST, "/graphql", FOREIGN).header("x-forwarded-host", "evil.example");
    assert_eq!(forwarded.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_no_origin_gets_cors_headers() {
    let app = TestApp::start().await;
    let own = app.url.clone();
    for origin in [own.as_str(), FOREIGN] {
        let answer = request(&app, Method::GET, "/healthz", origin).send().await.unwrap();
        assert!(answer.headers().get("access-control-allow-origin").is_none());
        let preflight = request(&app, Method::OPTIONS, "/healthz", origin).send().await.unwrap();
        assert!(preflight.headers().get("access-control-allow-origin").is_none());
    }
    assert_eq!(posted(&app, &own).await.0, StatusCode::OK);
}
