//! What stands before every request: time-outs, connections, origins, switches, rates, and headers.

mod origins;
mod rates;
mod tls;

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Frame, KEY, Socket, TestApp, eventually};

const LONG: Duration = Duration::from_secs(20);

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.url.strip_prefix("http://").unwrap())
        .await
        .unwrap()
}

/// What comes until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await;
    let _ = read.expect("the server closes");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One request on a connection that stays open; whether it was answered.
async fn asks(stream: &mut TcpStream) -> bool {
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut bytes = Vec::new();
    let mut part = [0; 1024];
    while !bytes.ends_with(b"ok\n") {
        match tokio::time::timeout(LONG, stream.read(&mut part)).await.unwrap() {
            Ok(read) if read > 0 => bytes.extend_from_slice(&part[..read]),
            _ => return false,
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_headers_and_idle_connections_are_cut() {
    let app = TestApp::start_with(None, |config| config.server.header_timeout_ms = 200).await;
    for begin in [
        "",
        "P",
        "PR",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nx-slow: ",
    ] {
        let mut stream = connect(&app).await;
        stream.write_all(begin.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{begin}: {answer}");
    }
    let mut idle = connect(&app).await;
    assert!(asks(&mut idle).await);
    let answer = rest(&mut idle).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_outlives_the_time_out_of_headers() {
    let app = TestApp::start_with(None, |config| config.server.header_timeout_ms = 200).await;
    let mut socket = Socket::connect(&app.url, KEY).await;
    assert!(socket.is_silent(1_000).await);
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await, Frame::Json(json!({ "type": "pong" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_end_are_refused() {
    let app = TestApp::start_with(None, |config| config.server.header_timeout_ms = 60_000).await;
    let mut stream = connect(&app).await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}", "x".repeat(70 * 1024));
    // the server may close while this is on its way
    let _ = stream.write_all(long.as_bytes()).await;
    let answer = rest(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_cut() {
    let app = TestApp::start_with(None, |config| config.server.body_timeout_ms = 200).await;
    let mut stream = connect(&app).await;
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: {KEY}\r\ncontent-type: application/json\r\n\
         content-length: 1000\r\n\r\n{{\"query\":"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"REQUEST_TIMEOUT\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_not_spoken() {
    let app = TestApp::start().await;
    let mut stream = connect(&app).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_closed_at_once() {
    let app = TestApp::start_with(None, |config| config.server.connections_max = 2).await;
    let mut first = connect(&app).await;
    assert!(asks(&mut first).await);
    let socket = Socket::connect(&app.url, KEY).await;
    assert!(!asks(&mut connect(&app).await).await, "the socket counts too");
    assert!(asks(&mut first).await, "who is in stays in");
    drop(socket);
    eventually("a free seat", || async {
        asks(&mut connect(&app).await).await.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn introspection_and_graphiql_can_be_turned_off() {
    let on = TestApp::start().await;
    let off = TestApp::start_with(None, |config| {
        config.api.introspection = false;
        config.api.graphiql = false;
    })
    .await;
    let schema = "{ __schema { queryType { name } } }";
    on.client().data(schema, json!({})).await;
    let inside = "{ ...Q } fragment Q on Query { __type(name: \"Chat\") { name } }";
    for query in [schema, inside] {
        let error = off.client().error(query, json!({})).await;
        assert_eq!(error["extensions"]["code"], "INTROSPECTION_DISABLED");
    }
    let own = off.client().data("{ __typename }", json!({})).await;
    assert_eq!(own, json!({ "__typename": "Query" }));
    let mut socket = Socket::connect(&off.url, KEY).await;
    socket.subscribe("1", schema, json!({})).await;
    let Frame::Json(frame) = socket.next().await else {
        panic!("an open socket")
    };
    assert_eq!(frame["type"], "error");
    assert_eq!(frame["payload"][0]["extensions"]["code"], "INTROSPECTION_DISABLED");
    for (app, status) in [(&on, 200), (&off, 404)] {
        let page = reqwest::get(format!("{}/graphiql", app.url)).await.unwrap();
        assert_eq!(page.status(), status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_and_complexity_have_settings() {
    let query = "{ tickets(first: 1) { nodes { id } } }";
    let shallow = TestApp::start_with(None, |config| config.api.query_depth_max = 2).await;
    let cheap = TestApp::start_with(None, |config| config.api.query_complexity_max = 1).await;
    for app in [&shallow, &cheap] {
        let error = app.client().error(query, json!({})).await;
        assert_eq!(error["extensions"]["code"], "QUERY_TOO_COMPLEX", "{error:#}");
        app.client().data("{ __typename }", json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_makes_browsers_careful() {
    let app = TestApp::start().await;
    for (path, cache) in [
        ("/healthz", "no-store"),
        ("/graphql", "no-store"),
        ("/nothing", "no-store"),
        ("/", "no-cache"),
    ] {
        let answer = reqwest::get(format!("{}{path}", app.url)).await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), cache, "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
    }
}
