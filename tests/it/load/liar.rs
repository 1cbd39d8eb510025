//! A server before another one, which does not pass everything on as it is.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{accept_hdr_async, connect_async};

use crate::support::Client;

/// How long a question waits where it does.
const STALL: Duration = Duration::from_secs(1);

/// Changes an answer on its way.
pub type Lie = fn(&mut Value);
/// How often a frame to a subscriber comes.
pub type Times = fn(&str) -> usize;

/// What is done to what passes through.
#[derive(Clone, Copy)]
pub struct Lies {
    pub lie: Lie,
    pub times: Times,
    /// Whether a question with such variables waits before it is passed on.
    pub stalls: fn(&Value) -> bool,
}

/// Nothing.
pub const HONEST: Lies = Lies {
    lie: |_| {},
    times: |_| 1,
    stalls: |_| false,
};

async fn answer(State((client, lies)): State<(Client, Lies)>, Json(question): Json<Value>) -> Json<Value> {
    let (query, variables) = (question["query"].as_str().unwrap(), &question["variables"]);
    if (lies.stalls)(variables) {
        tokio::time::sleep(STALL).await;
    }
    let mut answer = client.send(query, variables.clone()).await.unwrap();
    (lies.lie)(&mut answer);
    Json(answer)
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A socket goes through; of what comes to its subscriber, each frame so many times.
#[allow(clippy::result_large_err, reason = "tungstenite says what its callback returns")]
async fn pass(caller: TcpStream, honest: &str, times: Times) {
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let mut request = format!("ws://{honest}/graphql").into_client_request().unwrap();
    request.headers_mut().insert(protocol.0, protocol.1.parse().unwrap());
    let accepted = accept_hdr_async(caller, |_: &Request, mut response: Response| {
        response.headers_mut().insert(protocol.0, protocol.1.parse().unwrap());
        Ok(response)
    });
    let (mut to_caller, from_caller) = accepted.await.unwrap().split();
    let (to_server, mut from_server) = connect_async(request).await.unwrap().0.split();
    let answers = async {
        while let Some(Ok(frame)) = from_server.next().await {
            let times = if let Message::Text(text) = &frame {
                times(text.as_str())
            } else {
                1
            };
            for _ in 0..times {
                if to_caller.send(frame.clone()).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        _ = from_caller.forward(to_server) => {}
        () = answers => {}
    }
}

/// A server before another one. Its root.
pub async fn start(client: Client, lies: Lies) -> String {
    let ((front, address), (back, liar)) = (listen().await, listen().await);
    let honest = client.url.trim_start_matches("http://").to_owned();
    let app: axum::Router = axum::Router::new().fallback(answer).with_state((client, lies));
    tokio::spawn(async move { axum::serve(back, app).await.unwrap() });
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = front.accept().await {
            let (honest, liar) = (honest.clone(), liar.clone());
            tokio::spawn(async move {
                // a socket begins with GET, a question is a POST
                let mut method = [0; 3];
                caller.peek(&mut method).await.unwrap();
                if &method == b"GET" {
                    return pass(caller, &honest, lies.times).await;
                }
                let mut server = TcpStream::connect(liar).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut caller, &mut server).await;
            });
        }
    });
    format!("http://{address}")
}
