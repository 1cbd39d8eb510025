//! A graphql-transport-ws client that shows every frame.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What came.
#[derive(Debug, PartialEq)]
pub enum Frame {
    Json(Value),
    Closed(u16, String),
}

fn request(url: &str) -> Request {
    let url = format!("{}/graphql", url.replace("http://", "ws://"));
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    request
}

impl Socket {
    /// Connected, not initialised.
    pub async fn raw(url: &str) -> Self {
        Self::try_raw(url).await.unwrap()
    }

    pub async fn try_raw(url: &str) -> Option<Self> {
        Some(Self(connect_async(request(url)).await.ok()?.0))
    }

    /// Connected and acknowledged.
    pub async fn connect(url: &str, key: &str) -> Self {
        Self::try_connect(url, key).await.unwrap()
    }

    pub async fn try_connect(url: &str, key: &str) -> Option<Self> {
        Self::try_raw(url).await?.initialise(key).await
    }

    /// Acknowledged, over a connection that is there.
    pub async fn over(stream: TcpStream, url: &str, key: &str) -> Self {
        let opened = client_async(request(url), MaybeTlsStream::Plain(stream)).await;
        Self(opened.unwrap().0).initialise(key).await.unwrap()
    }

    async fn initialise(mut self, key: &str) -> Option<Self> {
        let init = json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {key}") } });
        self.send(init).await;
        match self.next().await {
            Frame::Json(ack) if ack["type"] == "connection_ack" => Some(self),
            _ => None,
        }
    }

    pub async fn send(&mut self, frame: Value) {
        let _ = self.0.send(Message::text(frame.to_string())).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        let _ = self.0.send(Message::text(text)).await;
    }

    pub async fn send_binary(&mut self, bytes: &[u8]) {
        let _ = self.0.send(Message::binary(bytes.to_vec())).await;
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "id": id, "type": "subscribe", "payload": payload }))
            .await;
    }

    /// The next frame that is not a ping, 30 seconds at most. A broken connection is a close with 1006.
    pub async fn next(&mut self) -> Frame {
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, self.next_for_ever())
            .await
            .expect("a frame within 30 s")
    }

    async fn next_for_ever(&mut self) -> Frame {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    if value["type"] != "ping" {
                        return Frame::Json(value);
                    }
                }
                Some(Ok(Message::Close(Some(close)))) => {
                    return Frame::Closed(close.code.into(), close.reason.to_string());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return Frame::Closed(1006, String::new()),
            }
        }
    }

    /// The data of the next `next`; none when the socket closed.
    pub async fn item(&mut self) -> Option<Value> {
        match self.next().await {
            Frame::Json(frame) => {
                assert_eq!(frame["type"], "next", "{frame:#}");
                assert!(frame["payload"]["errors"].is_null(), "{frame:#}");
                Some(frame["payload"]["data"].clone())
            }
            Frame::Closed(..) => None,
        }
    }

    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Frame::Closed(code, reason) = self.next().await {
                return (code, reason);
            }
        }
    }

    /// Whether nothing comes for so long.
    pub async fn is_silent(&mut self, millis: u64) -> bool {
        tokio::time::timeout(Duration::from_millis(millis), self.next())
            .await
            .is_err()
    }
}
