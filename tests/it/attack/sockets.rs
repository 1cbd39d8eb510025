//! Frames and messages that no client sends: the socket is closed with the right code, and only that one.

use serde_json::{Value, json};

use super::corpus;
use super::wire::{Wire, frame};
use super::{assert_healthy, within};
use crate::support::{Frame, KEY, Socket, TestApp};

const MEBIBYTE: usize = 1_024 * 1_024;
const EVENTS: &str = "subscription { events { __typename } }";

const BROKEN: &[u16] = &[1002];
const BROKEN_TEXT: &[u16] = &[1002, 1007];
const TOO_LONG: &[u16] = &[1009];
const INVALID: &[u16] = &[4400];

/// What ends a socket, and the codes that may say why.
fn frames() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let unmasked = b"\x81\x02{}".to_vec();
    let huge = |first: u8| {
        let mut frame = vec![first, 0xff];
        frame.extend_from_slice(&(1_u64 << 62).to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame
    };
    vec![
        ("a frame without a mask", unmasked, BROKEN),
        ("a compressed frame", frame(0xc1, b"{}"), BROKEN),
        ("the second reserved bit", frame(0xa1, b"{}"), BROKEN),
        ("the third reserved bit", frame(0x91, b"{}"), BROKEN),
        ("a reserved opcode", frame(0x83, b"{}"), BROKEN),
        ("a reserved control opcode", frame(0x8b, b""), BROKEN),
        ("a continuation of nothing", frame(0x80, b"{}"), BROKEN),
        ("a ping of 126 bytes", frame(0x89, &[0; 126]), BROKEN),
        ("a ping in fragments", frame(0x09, b"x"), BROKEN),
        ("a text that is not UTF-8", frame(0x81, b"\"\xff\xfe\""), BROKEN_TEXT),
        ("a length of 2^62", huge(0x81), TOO_LONG),
        ("a close of one byte", frame(0x88, &[3]), BROKEN),
        ("a binary message", frame(0x82, &[0; 100]), INVALID),
        ("a message that is no JSON", frame(0x81, b"}{"), INVALID),
        ("a message of brackets", frame(0x81, &[b'['; 60_000]), INVALID),
        ("a message of NUL", frame(0x81, &[0; 100]), INVALID),
        ("a message that is too long", frame(0x81, &[b' '; 70_000]), TOO_LONG),
        (
            "an id of 1,000 letters",
            frame(
                0x81,
                json!({ "type": "complete", "id": "x".repeat(1_000) })
                    .to_string()
                    .as_bytes(),
            ),
            INVALID,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_frames_and_messages_close_the_socket_with_their_code() {
    let app = TestApp::start().await;
    let client = app.client();
    let mut bystander = Socket::connect(&app.url, KEY).await;
    for initialised in [false, true] {
        for (what, bytes, codes) in frames() {
            let mut wire = Wire::websocket(&app.url, initialised).await;
            wire.send(&bytes).await;
            let code = within(what, wire.close_code()).await;
            assert!(code.is_some_and(|code| codes.contains(&code)), "{what}: {code:?}");
            assert_healthy(&client, what).await;
        }
    }
    bystander.send(json!({ "type": "ping" })).await;
    assert_eq!(bystander.next().await, Frame::Json(json!({ "type": "pong" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_without_end_are_ended() {
    let app = TestApp::start_with(None, |config| config.api.socket_init_timeout_ms = 500).await;
    let client = app.client();
    let (begin, more) = (frame(0x01, b"\""), frame(0x00, &[b'x'; 16_000]));
    for initialised in [false, true] {
        let wire = Wire::websocket(&app.url, initialised).await;
        let (sent, code) = within("a text without end", wire.flood(&begin, &more, 64 * MEBIBYTE)).await;
        assert!(matches!(code, Some(1009) | None), "{code:?}");
        assert!(sent < 32 * MEBIBYTE, "{sent} bytes were taken");
        assert_healthy(&client, "a text without end").await;
    }
    // fragments of nothing never become too long, so that only the clock ends them
    let wire = Wire::websocket(&app.url, false).await;
    let ended = within(
        "fragments of nothing",
        wire.flood(&begin, &frame(0x00, b""), usize::MAX / 16),
    )
    .await;
    assert!(matches!(ended.1, Some(4408) | None), "{ended:?}");
    assert_healthy(&client, "fragments of nothing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_pings_holds_up_nobody() {
    let app = TestApp::start_with(None, |config| config.api.socket_send_timeout_ms = 500).await;
    let client = app.client();
    let message = json!({ "type": "ping", "payload": { "a": "x".repeat(1_000) } }).to_string();
    for (what, ping) in [
        ("pings of the protocol", frame(0x81, message.as_bytes())),
        ("pings of the socket", frame(0x89, &[b'x'; 125])),
        ("pongs that nobody asked for", frame(0x8a, &[b'x'; 125])),
    ] {
        let mut wire = Wire::websocket(&app.url, true).await;
        let mut bystander = Socket::connect(&app.url, KEY).await;
        let flood = ping.repeat(64 * 1_024 / ping.len());
        let flooding = async {
            for _ in 0..128 {
                // who does not read its answers may be held up, or cut off
                let sending = tokio::time::timeout(std::time::Duration::from_secs(2), wire.send(&flood));
                if !matches!(sending.await, Ok(true)) {
                    break;
                }
            }
        };
        let waiting = async {
            for _ in 0..20 {
                bystander.send(json!({ "type": "ping" })).await;
                assert_eq!(bystander.next().await, Frame::Json(json!({ "type": "pong" })));
            }
        };
        within(what, async { tokio::join!(flooding, waiting) }).await;
        assert_healthy(&client, what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_subscriptions_a_socket_gets_fifty() {
    let app = TestApp::start().await;
    let mut socket = Socket::connect(&app.url, KEY).await;
    let max = 50;
    let subscribing = async {
        for number in 0..10_000 {
            let id = number.to_string();
            socket.subscribe(&id, EVENTS, json!({})).await;
            if number >= max {
                let Frame::Json(answer) = socket.next().await else {
                    panic!("closed at {number}");
                };
                assert_eq!(
                    (&answer["type"], &answer["id"]),
                    (&json!("error"), &json!(id)),
                    "{answer}"
                );
            }
        }
    };
    // each of them waits for its answer
    tokio::time::timeout(std::time::Duration::from_secs(60), subscribing)
        .await
        .unwrap();
    let client = app.client();
    assert_healthy(&client, "10,000 subscriptions").await;
    let channel = client.channel().await;
    client.say(&channel, "ada", "m1", "hello").await;
    assert!(socket.item().await.is_some(), "those that it got go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_is_refused_over_a_socket_too() {
    let app = TestApp::start().await;
    let client = app.client();
    for attack in corpus::attacks() {
        let Ok(payload @ Value::Object(_)) = serde_json::from_slice(&attack.body) else {
            continue;
        };
        let mut socket = Socket::connect(&app.url, KEY).await;
        socket
            .send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
            .await;
        match within(attack.name, socket.next()).await {
            Frame::Json(answer) => assert_eq!(answer["type"], "error", "{}: {answer:.300}", attack.name),
            Frame::Closed(code, _) => {
                assert!(
                    [1009, 4400, 1006].contains(&code),
                    "{}: closed with {code}",
                    attack.name
                );
                assert!(code != 1006 || attack.body.len() > 65_536, "{}: cut off", attack.name);
            }
        }
        assert_healthy(&client, attack.name).await;
    }
}
