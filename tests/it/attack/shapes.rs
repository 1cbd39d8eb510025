//! HTTP as no client library writes it: bodies without end, headers that contradict each other, paths that climb.

use super::strings::UNKNOWN;
use super::wire::{Exchange, Wire};
use super::{assert_healthy, assert_memory_is_bounded, within};
use crate::crowd::resident_kib;
use crate::support::{KEY, Process, TestApp};

const GIBIBYTE: usize = 1_024 * 1_024 * 1_024;
/// What fits into the system's buffers of both ends, generously.
const TAKEN_MAX_BYTES: usize = 64 * 1_024 * 1_024;

async fn exchange(url: &str, bytes: &[u8]) -> Exchange {
    let wire = Wire::connect(url).await;
    wire.converse(std::iter::once(bytes.to_vec()), true).await
}

/// A request's head with a key; `headers` end with a line break each.
fn head(line: &str, headers: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\
         Accept: application/graphql-response+json, */*\r\n{headers}\r\n"
    )
}

fn assert_refused(what: &str, exchange: &Exchange) {
    let refused = exchange.status.is_none_or(|status| (400..500).contains(&status));
    assert!(refused, "{what}: {:.300}", exchange.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_a_gibibyte_is_refused_long_before_its_end() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), None).await;
    let client = process.client();
    let channel = client.channel().await;
    let before = resident_kib(process.pid());
    let json = "Content-Type: application/json\r\n";
    let routes = [
        "POST /graphql".to_owned(),
        "POST /graphql/stream".to_owned(),
        "POST /api/v1/tickets".to_owned(),
        format!("PATCH /api/v1/tickets/{UNKNOWN}/complete"),
        format!("PATCH /v1/tickets/{UNKNOWN}/status"),
        format!("POST /api/v1/channels/{channel}/messages"),
        "POST /api/v1/tags".to_owned(),
        format!("POST /hooks/telegram/{channel}"),
        "POST /no/such/route".to_owned(),
    ];
    for route in &routes {
        let length = head(route, &format!("{json}Content-Length: {GIBIBYTE}\r\n"));
        let chunked = head(route, &format!("{json}Transfer-Encoding: chunked\r\n"));
        let plain = vec![b' '; 64 * 1_024];
        let chunk = [b"10000\r\n".as_slice(), plain.as_slice(), b"\r\n".as_slice()].concat();
        for (head, piece) in [(length, plain), (chunked, chunk)] {
            let pieces = std::iter::repeat_n(piece.clone(), GIBIBYTE / piece.len());
            let pieces = std::iter::once(head.into_bytes()).chain(pieces);
            let ended = within(route, Wire::connect(&process.url).await.converse(pieces, true)).await;
            assert_refused(route, &ended);
            assert!(ended.sent < TAKEN_MAX_BYTES, "{route}: {} bytes were taken", ended.sent);
            assert_healthy(&client, route).await;
        }
    }
    assert_memory_is_bounded(&process, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dribbles_is_cut_off() {
    let app = TestApp::start_with(None, |config| {
        config.server.header_timeout_ms = 300;
        config.server.body_timeout_ms = 300;
    })
    .await;
    let begun = head(
        "POST /graphql",
        "Content-Type: application/json\r\nContent-Length: 100\r\n",
    );
    let cases = [
        ("nothing", String::new()),
        ("a method", "GET".to_owned()),
        ("half a head", begun.trim_end().to_owned()),
        ("a body that stops", format!("{begun}{{")),
        (
            "a chunk that stops",
            head(
                "POST /graphql",
                "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
            ) + "5\r\n{",
        ),
    ];
    for (what, bytes) in cases {
        let ended = within(what, exchange(&app.url, bytes.as_bytes())).await;
        assert_refused(what, &ended);
        assert_healthy(&app.client(), what).await;
    }
}

/// Requests whose length two readers might see differently, and what is no request at all.
fn misshapen() -> Vec<(&'static str, String)> {
    let post = |headers: &str, body: &str| {
        let headers = format!("Content-Type: application/json\r\n{headers}");
        head("POST /graphql", &headers) + body
    };
    let query = "{\"query\":\"{ __typename }\"}";
    let get = |headers: &str| head("GET /graphql?query=%7B__typename%7D", headers);
    let bombs: String = (0..1_000).map(|number| format!("X-{number}: 1\r\n")).collect();
    let long = |count: usize| "a".repeat(count);
    vec![
        (
            "a length and chunks",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "chunks and a length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
        ),
        (
            "two lengths",
            post("Content-Length: 26\r\nContent-Length: 5\r\n", query),
        ),
        ("a list of lengths", post("Content-Length: 26, 5\r\n", query)),
        ("a length with a sign", post("Content-Length: +26\r\n", query)),
        ("a negative length", post("Content-Length: -1\r\n", query)),
        ("a hexadecimal length", post("Content-Length: 0x1a\r\n", query)),
        (
            "a length over 2^64",
            post("Content-Length: 99999999999999999999\r\n", query),
        ),
        (
            "an unknown coding",
            post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ),
        (
            "chunks that are not last",
            post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ),
        (
            "a space before the colon",
            post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a folded line",
            post("X-A: 1\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a chunk of no length",
            post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk over 2^64",
            post("Transfer-Encoding: chunked\r\n", "FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk with 100 KiB beside its length",
            post("Transfer-Encoding: chunked\r\n", &format!("5;{}\r\n", long(102_400))),
        ),
        (
            "100 KiB of trailers",
            post(
                "Transfer-Encoding: chunked\r\n",
                &format!("0\r\nX: {}\r\n\r\n", long(102_400)),
            ),
        ),
        (
            "chunks in HTTP/1.0",
            "POST /graphql HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        ("1,000 headers", get(&bombs)),
        ("a header of 100 KiB", get(&format!("X-Long: {}\r\n", long(102_400)))),
        ("a header of 1 MiB", get(&format!("X-Long: {}\r\n", long(1_048_576)))),
        ("a header's name of 100 KiB", get(&format!("{}: 1\r\n", long(102_400)))),
        ("a path of 100 KiB", head(&format!("GET /{}", long(102_400)), "")),
        ("NUL in a header", get("X-A: a\0b\r\n")),
        ("a header without a name", get(": 1\r\n")),
        ("a header with a space in its name", get("X A: 1\r\n")),
        ("an unknown method", head("BREW /graphql", "")),
        ("TRACE", head("TRACE /graphql", "")),
        ("CONNECT", head("CONNECT example.org:443", "")),
        (
            "an unknown version",
            "GET /graphql HTTP/9.9\r\nHost: x\r\n\r\n".to_owned(),
        ),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("no path", "GET\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n".to_owned()),
        (
            "a key of 10,000 letters",
            format!(
                "GET /graphql?query=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
                long(10_000)
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn misshapen_requests_are_refused() {
    let app = TestApp::start().await;
    for (what, request) in misshapen() {
        let ended = within(what, exchange(&app.url, request.as_bytes())).await;
        assert_refused(what, &ended);
        assert_healthy(&app.client(), what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_utf8_are_refused() {
    let app = TestApp::start().await;
    let with = |before: &str, after: &str| [before.as_bytes(), b"\xff\xfe".as_slice(), after.as_bytes()].concat();
    let line = "HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ";
    let cases = [
        ("in a key", with(&format!("GET /graphql?query=a {line}"), "\r\n\r\n")),
        ("in a path", with("GET /api/v1/", &format!(" {line}{KEY}\r\n\r\n"))),
        (
            "in a query string",
            with("GET /graphql?query=", &format!(" {line}{KEY}\r\n\r\n")),
        ),
        (
            "in a content type",
            with(
                &format!("POST /graphql {line}{KEY}\r\nContent-Type: application/json"),
                "\r\nContent-Length: 2\r\n\r\n{}",
            ),
        ),
        (
            "in an idempotency key",
            with(
                &format!("POST /api/v1/tags {line}{KEY}\r\nContent-Type: application/json\r\nIdempotency-Key: "),
                "\r\nContent-Length: 12\r\n\r\n{\"name\":\"x\"}",
            ),
        ),
        (
            "in a version",
            with(
                &format!(
                    "PATCH /api/v1/tickets/{UNKNOWN}/takeover {line}{KEY}\r\nContent-Type: application/json\r\nIf-Match: "
                ),
                "\r\nContent-Length: 2\r\n\r\n{}",
            ),
        ),
    ];
    for (what, request) in cases {
        let ended = within(what, exchange(&app.url, &request)).await;
        assert_refused(what, &ended);
        assert_healthy(&app.client(), what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_climb_or_hide_something_lead_nowhere() {
    let app = TestApp::start().await;
    let details = "/api/v1/tickets/details?status=pending";
    let mut paths: Vec<String> = [
        "/../../etc/passwd",
        "/assets/../../../../etc/passwd",
        "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets/..\\..\\Cargo.toml",
        "/assets/..;/..;/Cargo.toml",
        "/assets//etc/passwd",
        "/assets/%00",
        "/assets/%ff",
        "/%00",
        "/graphql%00",
        "/graphql/%2e%2e/metrics%00",
        "/graphql?query=%00",
        "/graphql?query=%ff%fe",
        "/graphql?query=%7B__typename%7D&variables=%ff",
        "/graphql?query=%7B__typename%7D&variables=%00",
        "/graphql?query=%7B__typename%7D&query=%7B__typename%7D",
        "/hooks/telegram/%00",
        "/api/docs/%2e%2e/%2e%2e/Cargo.toml",
        "/api/docs/%00",
    ]
    .map(str::to_owned)
    .into();
    for id in [
        "%00",
        "%ff%fe",
        "..%2f..%2fgraphql",
        "%2e%2e",
        "'%20OR%201=1--",
        "%F0%9F%92%A9",
    ] {
        paths.push(format!("/api/v1/tickets/{id}/details"));
        paths.push(format!("/api/v1/chats/{id}"));
        paths.push(format!("/v1/tickets/{id}/history"));
    }
    for parameter in [
        "status=%00",
        "status=%ff",
        "pageSize=-1",
        "pageSize=99999999999999999999999999",
        "pageNumber=0",
        "pageNumber=1e999",
        "pageNumber=18446744073709551615",
        "chatIds=%00",
        "chatIds[]=x&chatIds[]=",
        "includeRemoved=%ff",
        "tagIds=../..",
    ] {
        paths.push(format!("{details}&{parameter}"));
    }
    for path in &paths {
        let request = head(&format!("GET {path}"), "");
        let ended = within(path, exchange(&app.url, request.as_bytes())).await;
        assert_refused(path, &ended);
        assert!(
            !ended.text.contains("[package]") && !ended.text.contains("root:"),
            "{path}"
        );
    }
    assert_healthy(&app.client(), "all paths").await;
}
