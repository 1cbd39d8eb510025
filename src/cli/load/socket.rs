//! A subscription over the WebSocket subprotocol graphql-transport-ws, one a socket.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::client::Key;
use super::target::Target;

/// How long a server has to accept a socket, in milliseconds.
const ACCEPT_TIMEOUT_MS: u64 = 10_000;
/// A socket that is silent for so long, in milliseconds, is not there any more: servers ping more often.
const SILENCE_MAX_MS: u64 = 60_000;
/// How long a frame may take to leave, in milliseconds.
const SEND_TIMEOUT_MS: u64 = 10_000;
/// What a server closes with where a key asks for too much.
const TOO_MUCH: u16 = 1013;
/// The only subscription of a socket.
const ID: &str = "1";

/// A socket on which a subscription runs.
#[derive(Debug)]
pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

#[derive(Deserialize)]
struct Frame<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// Why a server closed, and which of its settings to look at where that can be helped.
fn closed(close: &CloseFrame) -> anyhow::Error {
    let CloseFrame { code, reason } = close;
    let closed = anyhow::anyhow!("closed with {code}: {reason}");
    if u16::from(*code) != TOO_MUCH {
        return closed;
    }
    closed.context(
        "the server refuses a socket: its api.sockets_per_key_max (2,000 unless set) says how many a key may have, its \
         api.rate_per_key_per_second and api.rate_burst how fast it may ask",
    )
}

impl Socket {
    /// Connects, says who asks, and subscribes.
    pub(super) async fn subscribe(target: &Target, key: &Key, query: &str, variables: Value) -> anyhow::Result<Self> {
        let opened = timeout(Duration::from_millis(ACCEPT_TIMEOUT_MS), Self::open(target, key));
        let mut socket = opened.await.context("the server did not accept the socket in time")??;
        let payload = json!({ "query": query, "variables": variables });
        let frame = json!({ "id": ID, "type": "subscribe", "payload": payload });
        socket.send(&frame).await?;
        Ok(socket)
    }

    async fn open(target: &Target, key: &Key) -> anyhow::Result<Self> {
        let mut request = target.socket.as_str().into_client_request()?;
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let mut socket = Self(connect_async(request).await?.0);
        let init = json!({ "type": "connection_init", "payload": { "authorization": key.bearer() } });
        socket.send(&init).await?;
        loop {
            let text = socket.text().await?;
            let frame: Frame = serde_json::from_str(&text).context("a frame of the server")?;
            match frame.r#type {
                "connection_ack" => return Ok(socket),
                "ping" => socket.send(&json!({ "type": "pong" })).await?,
                _ => anyhow::bail!("the server began with {text}"),
            }
        }
    }

    async fn send(&mut self, frame: &Value) -> anyhow::Result<()> {
        let sent = self.0.send(Message::text(frame.to_string()));
        let sent = timeout(Duration::from_millis(SEND_TIMEOUT_MS), sent);
        Ok(sent.await.context("the server takes no frames")??)
    }

    async fn text(&mut self) -> anyhow::Result<String> {
        loop {
            let frame = timeout(Duration::from_millis(SILENCE_MAX_MS), self.0.next());
            let frame = frame.await.context("nothing came, not even a ping")?;
            match frame.context("the connection was cut")?? {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(Some(close)) => return Err(closed(&close)),
                Message::Close(None) => anyhow::bail!("closed"),
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
            }
        }
    }

    /// The payload of the next item, as JSON.
    ///
    /// # Errors
    /// The subscription, or its socket, ended.
    pub(super) async fn next(&mut self) -> anyhow::Result<String> {
        loop {
            let text = self.text().await?;
            let frame: Frame = serde_json::from_str(&text).context("a frame of the server")?;
            match (frame.r#type, frame.payload) {
                ("next", Some(payload)) => return Ok(payload.get().to_owned()),
                ("ping", _) => self.send(&json!({ "type": "pong" })).await?,
                ("error", payload) => anyhow::bail!("refused: {}", payload.map_or("no reason", RawValue::get)),
                ("complete", _) => anyhow::bail!("the server ended the subscription"),
                _ => {}
            }
        }
    }
}
