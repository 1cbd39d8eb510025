//! What a peer said first decides whether it is heard: only HTTP/1 is spoken here, and nobody may take for ever to begin.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

/// How HTTP/2 begins, and no method of HTTP/1 does.
const HTTP2_BEGINS: &[u8] = b"PRI";

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One accepted connection. It holds its seat until it is dropped, also as a socket.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    opening: Option<Opening>,
    _seat: OwnedSemaphorePermit,
}

/// Before it is known what is spoken; the time-out of headers begins only after that.
struct Opening {
    /// What may still come of [`HTTP2_BEGINS`].
    left: &'static [u8],
    deadline: Pin<Box<Sleep>>,
}

impl Opening {
    /// Takes what came. `true`: this is HTTP/1, and the opening is over.
    fn hear(&mut self, bytes: &[u8]) -> io::Result<bool> {
        for byte in bytes {
            match self.left.split_first() {
                Some((expected, left)) if expected == byte => self.left = left,
                Some(_) | None => return Ok(true),
            }
            if self.left.is_empty() {
                let message = "this server does not speak HTTP/2";
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
        }
        Ok(false)
    }
}

impl Connection {
    /// `patience` is how long the first bytes may take.
    pub(super) fn new(stream: impl Stream + 'static, seat: OwnedSemaphorePermit, patience: Duration) -> Self {
        let opening = Opening {
            left: HTTP2_BEGINS,
            deadline: Box::pin(tokio::time::sleep(patience)),
        };
        Self {
            stream: Box::new(stream),
            opening: Some(opening),
            _seat: seat,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let known = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Some(opening) = &mut this.opening else {
            return polled;
        };
        if polled.is_pending() {
            return match opening.deadline.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            };
        }
        match opening.hear(buffer.filled().get(known..).unwrap_or_default()) {
            Ok(true) => this.opening = None,
            Ok(false) => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Semaphore;

    use super::*;

    async fn heard(parts: &[&[u8]], patience: Duration) -> io::Result<Vec<u8>> {
        let (mut peer, stream) = tokio::io::duplex(64);
        let seat = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let mut connection = Connection::new(stream, seat, patience);
        let mut all = Vec::new();
        for part in parts {
            peer.write_all(part).await.unwrap();
            let mut bytes = [0; 64];
            let read = connection.read(&mut bytes).await?;
            all.extend_from_slice(&bytes[..read]);
        }
        connection.read_u8().await.map(|_| all)
    }

    #[tokio::test]
    async fn only_http_1_is_heard() {
        let long = Duration::from_mins(1);
        for parts in [&[&b"PRI * HTTP/2.0"[..]][..], &[b"P", b"RI"]] {
            let error = heard(parts, long).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        }
    }

    #[tokio::test]
    async fn silence_ends_only_what_has_not_begun() {
        for parts in [&[][..], &[&b"P"[..]], &[b"P", b"R"]] {
            let error = heard(parts, Duration::ZERO).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        for parts in [&[&b"POST"[..]][..], &[b"P", b"O"], &[b"G"]] {
            assert!(heard(parts, Duration::ZERO).now_or_never().is_none());
        }
    }
}
