//! How much a key, and an address without one, may ask for.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Frame, KEY, Socket, TestApp, eventually, make_workspace};

const OTHER_KEY: &str = "other-key-0123456789abcdef0123456789abcdef";
/// More than any test needs until a rate is used up, though a little comes back meanwhile.
const MANY: usize = 200;

/// One by the second in the long run, three at once.
async fn start() -> TestApp {
    TestApp::start_with(None, |config| {
        config.api.rate_per_key_per_second = 1_u32.try_into().unwrap();
        config.api.rate_burst = 3_u32.try_into().unwrap();
    })
    .await
}

async fn ask(app: &TestApp, key: &str) -> Response {
    let request = reqwest::Client::new().post(format!("{}/graphql", app.url));
    let request = request.header("authorization", key);
    request
        .json(&json!({ "query": "{ __typename }" }))
        .send()
        .await
        .unwrap()
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers()[name].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_answered_and_what_follows_is_told_when_to_come_back() {
    let app = start().await;
    let first = ask(&app, KEY).await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(header(&first, "ratelimit-policy"), "\"default\";q=3;w=3");
    assert_eq!(header(&first, "ratelimit"), "\"default\";r=2;t=1");
    let mut answered = 1;
    let refused = loop {
        let answer = ask(&app, KEY).await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        answered += 1;
        assert!(answered < MANY, "nothing is refused");
    };
    assert!(answered >= 3);
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&refused, "retry-after"), "1");
    assert_eq!(header(&refused, "ratelimit"), "\"default\";r=0;t=3");
    let body: Value = refused.json().await.unwrap();
    let details = &body["errors"][0]["extensions"];
    assert_eq!(details["code"], "RATE_LIMITED");
    assert!(
        (1..=1_000).contains(&details["retryAfterMs"].as_u64().unwrap()),
        "{body:#}"
    );

    make_workspace(&app.node, Uuid::from_u128(9), OTHER_KEY).await;
    let other = ask(&app, OTHER_KEY).await;
    assert_eq!(other.status(), StatusCode::OK, "each key has its own rate");
    assert_eq!(header(&other, "ratelimit"), "\"default\";r=2;t=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_too_many_is_refused_and_its_socket_stays() {
    let app = start().await;
    let mut socket = Socket::connect(&app.url, KEY).await;
    let mut started = 0;
    let refused = loop {
        socket.subscribe("a", "{ __typename }", json!({})).await;
        let Frame::Json(frame) = socket.next().await else {
            panic!("an open socket")
        };
        if frame["type"] == "error" {
            break frame;
        }
        assert_eq!(
            socket.next().await,
            Frame::Json(json!({ "id": "a", "type": "complete" }))
        );
        started += 1;
        assert!(started < MANY, "nothing is refused");
    };
    assert!(started >= 2, "the connection took one of three");
    let details = &refused["payload"][0]["extensions"];
    assert_eq!(details["code"], "RATE_LIMITED");
    assert!(details["retryAfterMs"].as_u64().unwrap() > 0);
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await, Frame::Json(json!({ "type": "pong" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_counted_by_address_and_nobody_else_with_them() {
    let app = TestApp::start_with(None, |config| {
        config.api.failed_auth_per_minute = 2_u32.try_into().unwrap();
    })
    .await;
    for (key, status) in [("nobody", 401), ("nobody", 401), ("nobody", 429), ("", 429)] {
        let answer = ask(&app, key).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers().contains_key("retry-after"), status == 429);
        assert!(
            !answer.headers().contains_key("ratelimit"),
            "strangers have no rate to speak of"
        );
    }
    let mut stranger = Socket::raw(&app.url).await;
    let init = json!({ "type": "connection_init", "payload": { "authorization": "nobody" } });
    stranger.send(init).await;
    assert_eq!(stranger.closed().await.0, 1013);
    assert_eq!(ask(&app, KEY).await.status(), StatusCode::OK);
}

async fn stream(app: &TestApp) -> Response {
    let request = reqwest::Client::new().post(format!("{}/graphql/stream", app.url));
    let query = "subscription { events { __typename } }";
    let request = request.bearer_auth(KEY).header("accept", "text/event-stream");
    request.json(&json!({ "query": query })).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_and_streams_of_a_key_are_bounded() {
    let app = TestApp::start_with(None, |config| config.api.sockets_per_key_max = 2).await;
    let (socket, open) = (Socket::connect(&app.url, KEY).await, stream(&app).await);
    assert_eq!(open.status(), StatusCode::OK);
    let refused = stream(&app).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&refused, "retry-after"), "1");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    let mut late = Socket::raw(&app.url).await;
    let init = json!({ "type": "connection_init", "payload": { "authorization": KEY } });
    late.send(init).await;
    assert_eq!(late.closed().await.0, 1013);
    assert_eq!(
        ask(&app, KEY).await.status(),
        StatusCode::OK,
        "requests are counted by themselves"
    );
    drop(open);
    let another = eventually("the stream's place", || Socket::try_connect(&app.url, KEY)).await;
    drop((socket, another));
    eventually("the sockets' places", || async {
        let pair = (stream(&app).await, stream(&app).await);
        (pair.0.status() == 200 && pair.1.status() == 200).then_some(())
    })
    .await;
}
