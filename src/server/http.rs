//! HTTP/1.1 on a listener, with or without TLS. Whatever a peer may take its time over has a bound.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::certificate::Certificate;
use super::door::Door;
use crate::config::Config;

/// The most bytes of a request's first line and headers, and what is buffered of a connection.
const BUFFER_MAX_BYTES: usize = 64 * 1_024;

/// Serves until `shutdown`; then nobody new comes in, and requests under way have `shutdown_timeout_ms` to end.
///
/// # Errors
/// The certificate cannot be used, or the listener fails.
pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    config: &Config,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let certificate = Certificate::load(&config.tls).await?;
    let door = Door::new(config, certificate.as_ref().map(Certificate::acceptor));
    let handle = Handle::new();
    let mut server = Server::<SocketAddr>::from_listener(listener)
        .acceptor(door)
        .handle(handle.clone());
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.server.header_timeout_ms))
        .max_buf_size(BUFFER_MAX_BYTES);
    let serving = server.serve(app.into_make_service_with_connect_info::<SocketAddr>());
    let following = async {
        match certificate {
            Some(certificate) => certificate.follow().await,
            None => std::future::pending().await,
        }
    };
    let ending = async {
        shutdown.cancelled().await;
        handle.graceful_shutdown(Some(Duration::from_millis(config.server.shutdown_timeout_ms)));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = serving => ended,
        () = following => Ok(()),
        () = ending => Ok(()),
    }
}
