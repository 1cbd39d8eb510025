//! What tests stand on: real servers on free ports, and clients that speak to them over real sockets.

mod app;
mod ask;
mod checked;
mod faulty;
mod graphql;
mod play;
mod redis;
mod rest;
mod sink;
mod socket;
pub mod story;
pub mod world;

pub use app::{KEY, Process, TestApp, config, make_workspace, serve, verify};
pub use ask::{ask, code, types, wish};
pub use checked::{Operation, Rest, operations};
pub use faulty::Faulty;
pub use graphql::{Client, message};
pub use play::{Play, says};
pub use redis::Redis;
pub use rest::Reply;
pub use sink::{Reaction, Sent, WebhookSink};
pub use socket::{Frame, Socket};

use std::future::Future;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Tries until `attempt` gives something, 30 seconds at most.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{what} did not come about in 30 s"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
