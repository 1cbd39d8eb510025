//! Sockets of those who speak another language.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::support::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_speak_the_protocol_is_told_so() {
    let app = TestApp::start().await;
    let url = format!("{}/graphql", app.url.replace("http://", "ws://"));
    let (mut socket, _) = connect_async(url).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(20), socket.next()).await;
    let Ok(Some(Ok(Message::Close(Some(close))))) = closed else {
        panic!("{closed:?}")
    };
    assert_eq!(
        (u16::from(close.code), close.reason.to_string()),
        (4406, "Subprotocol not acceptable".to_owned())
    );
}
