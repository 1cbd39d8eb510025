//! Who may come in: at most so many connections at once, each with its socket prepared and, if there is a certificate,
//! after its handshake.

use std::future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::connection::Connection;
use crate::config::Config;

/// Lets connections in.
#[derive(Clone, Debug)]
pub(super) struct Door {
    seats: Arc<Semaphore>,
    tls: Option<RustlsAcceptor>,
    /// How long the first bytes may take.
    patience: Duration,
    /// A peer that takes nothing for so long is cut off.
    silence: Duration,
}

impl Door {
    pub(super) fn new(config: &Config, tls: Option<RustlsAcceptor>) -> Self {
        let seats = config.server.connections_max.min(Semaphore::MAX_PERMITS);
        Self {
            seats: Arc::new(Semaphore::new(seats)),
            tls,
            patience: Duration::from_millis(config.server.header_timeout_ms),
            silence: Duration::from_millis(config.api.socket_send_timeout_ms),
        }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Door {
    type Stream = Connection;
    type Service = S;
    type Future = BoxFuture<'static, io::Result<(Connection, S)>>;

    /// Closes the newest connection at once when there are too many.
    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else {
            tracing::debug!("a connection is refused: there are too many");
            return future::ready(Err(io::ErrorKind::ConnectionRefused.into())).boxed();
        };
        prepare(&stream, self.silence);
        let (tls, patience) = (self.tls.clone(), self.patience);
        async move {
            let Some(tls) = tls else {
                return Ok((Connection::new(stream, seat, patience), service));
            };
            let (stream, service) = tls.accept(stream, service).await?;
            Ok((Connection::new(stream, seat, patience), service))
        }
        .boxed()
    }
}

/// Small messages leave at once, and a peer that takes nothing for so long is cut off.
fn prepare(stream: &TcpStream, silence: Duration) {
    let socket = socket2::SockRef::from(stream);
    let prepared = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    let prepared = prepared.and_then(|()| socket.set_tcp_user_timeout(Some(silence)));
    if let Err(error) = prepared {
        tracing::debug!(%error, "a connection keeps the system's settings");
    }
}
