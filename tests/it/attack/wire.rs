//! A bare connection, for what no client library would send.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::KEY;

pub struct Wire(TcpStream);

/// What came back when all was sent, or as much as the server took.
pub struct Exchange {
    pub sent: usize,
    /// None: it was closed without an answer.
    pub status: Option<u16>,
    /// Everything, up to 1 MiB.
    pub text: String,
}

impl Wire {
    pub async fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("http://");
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Upgraded to a WebSocket, and initialised where `initialised` says so.
    pub async fn websocket(url: &str, initialised: bool) -> Self {
        let mut wire = Self::connect(url).await;
        let upgrade = "GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
            sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
        assert!(wire.send(upgrade.as_bytes()).await);
        let head = wire.read_head().await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        if initialised {
            let init = format!("{{\"type\":\"connection_init\",\"payload\":{{\"authorization\":\"{KEY}\"}}}}");
            assert!(wire.send(&frame(0x81, init.as_bytes())).await);
            assert_eq!(
                wire.next_frame().await.map(|(opcode, _)| opcode),
                Some(1),
                "the acknowledgement"
            );
        }
        wire
    }

    /// Whether the server still took it.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    async fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    /// Sends pieces for as long as there are any and the server takes them, and reads everything meanwhile.
    /// Ends with the answer's status when `until_head`, otherwise when the server closes.
    pub async fn converse(self, mut pieces: impl Iterator<Item = Vec<u8>>, until_head: bool) -> Exchange {
        let (reading, mut writing) = self.0.into_split();
        let mut answer = tokio::spawn(read(reading, until_head));
        let mut sent = 0;
        let mut piece = pieces.next();
        let text = loop {
            let bytes = piece.as_deref().unwrap_or_default();
            tokio::select! {
                biased;
                text = &mut answer => break text.unwrap(),
                written = writing.write_all(bytes), if piece.is_some() => {
                    if written.is_err() {
                        break (&mut answer).await.unwrap();
                    }
                    sent += bytes.len();
                    piece = pieces.next();
                }
            }
        };
        Exchange {
            sent,
            status: status(&text),
            text,
        }
    }

    /// The opcode and the payload of the next frame; none when the connection ended.
    pub async fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        next_frame(&mut self.0).await
    }

    /// How the server closed the socket; none when it was cut off.
    pub async fn close_code(&mut self) -> Option<u16> {
        close_code(&mut self.0).await
    }

    /// Sends one frame, then another one again and again, until the server closes: how much went out, and the code.
    pub async fn flood(self, first: &[u8], again: &[u8], max_bytes: usize) -> (usize, Option<u16>) {
        let pieces = std::iter::once(first).chain(std::iter::repeat_n(again, max_bytes / again.len()));
        let (mut reading, mut writing) = self.0.into_split();
        let mut closed = tokio::spawn(async move { close_code(&mut reading).await });
        let mut sent = 0;
        for piece in pieces {
            tokio::select! {
                biased;
                code = &mut closed => return (sent, code.unwrap()),
                written = writing.write_all(piece) => {
                    if written.is_err() {
                        break;
                    }
                    sent += piece.len();
                }
            }
        }
        drop(writing);
        (sent, closed.await.unwrap())
    }
}

/// Reads all that comes; keeps its first mebibyte.
async fn read(mut reading: impl AsyncRead + Unpin, until_head: bool) -> String {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 64 * 1_024];
    loop {
        match reading.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                let room = (1_024 * 1_024_usize).saturating_sub(kept.len());
                kept.extend_from_slice(&buffer[..count.min(room)]);
            }
        }
        if until_head && kept.windows(4).any(|four| four == b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn status(text: &str) -> Option<u16> {
    text.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
}

/// Frames of a server are not masked.
async fn next_frame(reading: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let (first, second) = (reading.read_u8().await.ok()?, reading.read_u8().await.ok()?);
    let length = match second & 0x7f {
        126 => u64::from(reading.read_u16().await.ok()?),
        127 => reading.read_u64().await.ok()?,
        short => u64::from(short),
    };
    let mut payload = vec![0; length as usize];
    reading.read_exact(&mut payload).await.ok()?;
    Some((first & 0x0f, payload))
}

async fn close_code(reading: &mut (impl AsyncRead + Unpin)) -> Option<u16> {
    loop {
        let (opcode, payload) = next_frame(reading).await?;
        if opcode == 8 {
            let code = payload.first_chunk::<2>()?;
            return Some(u16::from_be_bytes(*code));
        }
    }
}

/// A frame of a client, masked with zeros; `first` is the byte of FIN, RSV and the opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short if short < 126 => frame.push(0x80 | short as u8),
        medium if medium <= 0xffff => {
            frame.push(0x80 | 0x7e);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
