//! GraphQL over a WebSocket: a server of the protocol `graphql-transport-ws`.
//!
//! A socket is one task. Each turn it looks, in this order, at the clock, the client and the operations;
//! what a client says is therefore heard beside a busy subscription, and each thing heard lets one operation go on, so
//! that a busy client holds up nothing either. Operations take turns (`operations.rs`) and are pulled from only when
//! what they gave before has left: a slow client slows its own socket and fills no queue.
//!
//! | close code | when |
//! |---|---|
//! | 1001 | the server shuts down |
//! | 1002, 1009 | broken frames, a message over the bound |
//! | 1013 | the key, or an address without a key, asks for too much: later it may not |
//! | 4400 | not a message of the protocol |
//! | 4401 | an operation before the acknowledgement |
//! | 4403 | no known key, or the key was revoked, expired or changed |
//! | 4406 | the client does not speak the protocol |
//! | 4408 | no `connection_init` in time |
//! | 4409 | an id that is in use |
//! | 4429 | a second `connection_init` |
//!
//! A client that is silent for three pings, or takes nothing for the send time-out, is dropped without a word.

mod gate;
mod message;
mod operations;

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::{Map, Value as Json};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use self::gate::Gate;
use self::message::{ClientMessage, Subscribe};
use self::operations::{Operations, Step};
use super::ApiState;
use super::auth::Principal;
use super::error::ApiError;
use super::graphql_request::{self as request, coded};
use super::rate::{self, Seat};
use super::streams::Answer;

/// The subprotocol.
const PROTOCOL: &str = "graphql-transport-ws";
/// How often the clock is looked at: a revoked key, a late initialisation and the end of the server are noticed so soon.
const TICK: Duration = Duration::from_millis(250);
/// How often the client is pinged.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A client that was not heard of for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long a client has to answer a close.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// How long the close may travel when nothing more can be read.
const CLOSE_LINGER: Duration = Duration::from_millis(250);
/// Read at once. Every socket has as much from its first moment on, and most say little.
const READ_BUFFER_BYTES: usize = 1_024;
/// Written at once.
const WRITE_BUFFER_BYTES: usize = 32 * 1_024;
/// The largest message that is sent; a larger response becomes an error.
const RESPONSE_MAX_BYTES: usize = 4 * 1_024 * 1_024;
/// What may wait to be written: one message, and what is written at once with it.
const WRITE_BUFFER_MAX_BYTES: usize = RESPONSE_MAX_BYTES + 4 * WRITE_BUFFER_BYTES;
/// Responses that leave together when many are ready.
const BURST_MAX: usize = 32;
/// The longest reason of a close, in bytes: a control frame has 125 and the code takes two.
const REASON_MAX_BYTES: usize = 123;

/// Answers a request for a socket.
pub(crate) async fn upgrade(state: ApiState, mut parts: Parts) -> Response {
    let authorization = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let peer = rate::peer(&parts.extensions);
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &state).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let message_max_bytes = state.limits.socket_message_max_bytes;
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(message_max_bytes)
        .max_frame_size(message_max_bytes)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_MAX_BYTES)
        .on_upgrade(move |socket| serve(state, Box::new(socket), (authorization, peer)))
}

/// What is rare is boxed, here and below: a socket that rests holds the room of the largest thing that it may do.
async fn serve(state: ApiState, socket: Box<WebSocket>, opener: (Option<String>, IpAddr)) {
    let speaks = socket.protocol().is_some();
    let mut session = Session::new(state, socket, opener);
    let ending = if speaks {
        session.run().await
    } else {
        Ending::close(4406, "Subprotocol not acceptable")
    };
    tracing::debug!(?ending, "a socket ended");
    let Session {
        socket,
        operations,
        seat,
        ..
    } = session;
    drop((operations, seat));
    Box::pin(ending.carry_out(socket)).await;
}

/// How a socket ends.
#[derive(Debug)]
enum Ending {
    /// The server says why.
    Close { code: u16, reason: String },
    /// The client closed.
    Left,
    /// Nobody is there to say anything to.
    Lost,
}

impl Ending {
    fn close(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(REASON_MAX_BYTES));
        Self::Close { code, reason }
    }

    fn going_away() -> Self {
        Self::close(1001, "Going away")
    }

    /// The frames cannot be read any more. The error's type is not public, only its text is.
    fn unreadable(error: &axum::Error) -> Self {
        if error.to_string().starts_with("Space limit exceeded") {
            Self::close(1009, "Message too big")
        } else {
            Self::close(1002, "Protocol error")
        }
    }

    /// Closes and waits for the answer: a connection that is cut with something unread takes the close with it.
    async fn carry_out(self, mut socket: Box<WebSocket>) {
        let closing = async {
            let mut answered = matches!(self, Self::Left);
            match self {
                Self::Close { code, reason } => {
                    let frame = CloseFrame {
                        code,
                        reason: reason.into(),
                    };
                    if socket.send(Message::Close(Some(frame))).await.is_err() {
                        return;
                    }
                }
                Self::Left => {}
                Self::Lost => return,
            }
            while let Some(Ok(message)) = socket.next().await {
                answered = answered || matches!(message, Message::Close(_));
            }
            if !answered {
                tokio::time::sleep(CLOSE_LINGER).await;
            }
        };
        if tokio::time::timeout(CLOSE_WITHIN, closing).await.is_err() {
            tracing::debug!("a client did not answer the close");
        }
    }
}

/// One socket.
struct Session {
    state: ApiState,
    socket: Box<WebSocket>,
    gate: Gate,
    /// Of the request that opened the socket.
    authorization: Option<String>,
    peer: IpAddr,
    /// Known once the connection was acknowledged.
    principal: Option<Principal>,
    seat: Option<Seat>,
    operations: Operations,
    tick: Interval,
    opened_at: Instant,
    heard_at: Instant,
    pinged_at: Instant,
}

impl Session {
    fn new(state: ApiState, socket: Box<WebSocket>, (authorization, peer): (Option<String>, IpAddr)) -> Self {
        let now = Instant::now();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            state,
            socket,
            gate: Gate::new(),
            authorization,
            peer,
            principal: None,
            seat: None,
            operations: Operations::default(),
            tick,
            opened_at: now,
            heard_at: now,
            pinged_at: now,
        }
    }

    async fn run(&mut self) -> Ending {
        loop {
            if let Err(ending) = self.turn().await {
                return ending;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Ending> {
        let (gate, socket) = (&self.gate, &mut self.socket);
        tokio::select! {
            biased;
            _ = self.tick.tick() => self.look_at_clock().await,
            received = poll_fn(|context| gate.poll(socket, context)) => {
                Box::pin(self.hear(received)).await?;
                self.forward_ready(1).await
            }
            Some(step) = self.operations.next() => {
                self.forward(step).await?;
                self.forward_ready(BURST_MAX).await
            }
        }
    }

    async fn look_at_clock(&mut self) -> Result<(), Ending> {
        if self.state.shutdown.is_cancelled() {
            return Err(Ending::going_away());
        }
        let init_timeout = Duration::from_millis(self.state.limits.socket_init_timeout_ms);
        if self.principal.is_none() && self.opened_at.elapsed() >= init_timeout {
            return Err(Ending::close(4408, "Connection initialisation timeout"));
        }
        if let Some(principal) = &self.principal
            && !self.state.auth.is_live(principal)
        {
            return Err(Ending::close(4403, "Forbidden"));
        }
        if self.heard_at.elapsed() >= SILENCE_MAX {
            return Err(Ending::Lost);
        }
        if self.pinged_at.elapsed() >= PING_EVERY {
            self.pinged_at = Instant::now();
            self.feed(Message::Ping(axum::body::Bytes::new())).await?;
            self.flush().await?;
        }
        Ok(())
    }

    async fn hear(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), Ending> {
        self.heard_at = Instant::now();
        match received {
            Some(Ok(Message::Text(text))) => {
                let message = message::parse(&text).map_err(|why| Ending::close(4400, why))?;
                self.act(message).await
            }
            Some(Ok(Message::Binary(_))) => Err(Ending::close(4400, "Invalid message: binary")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(Ending::Left),
            Some(Err(error)) => Err(Ending::unreadable(&error)),
        }
    }

    async fn act(&mut self, message: ClientMessage) -> Result<(), Ending> {
        match message {
            ClientMessage::ConnectionInit(payload) => self.initialise(&payload).await,
            ClientMessage::Ping(payload) => self.say(message::pong(payload)).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe(subscribe) => self.subscribe(subscribe).await,
            ClientMessage::Complete { id } => {
                self.operations.cancel(&id);
                Ok(())
            }
        }
    }

    async fn initialise(&mut self, payload: &Map<String, Json>) -> Result<(), Ending> {
        if self.principal.is_some() {
            return Err(Ending::close(4429, "Too many initialisation requests"));
        }
        let forbidden = || Ending::close(4403, "Forbidden");
        let authorization = message::authorization(payload).map_err(|()| forbidden())?;
        let authorization = authorization.or(self.authorization.as_deref());
        let admit = || {
            let principal = self.state.authenticate(authorization, self.peer)?;
            self.state.rates.spend(principal.key_id, None)?;
            let seat = self.state.rates.seat(principal.key_id)?;
            Ok::<_, ApiError>((principal, seat))
        };
        let (principal, seat) = admit().map_err(|error| match error.code {
            // clients take 4429 for a fault of theirs, and do not come back
            "RATE_LIMITED" => Ending::close(1013, error.message),
            _ => forbidden(),
        })?;
        (self.principal, self.seat) = (Some(principal), Some(seat));
        self.say(message::acknowledge()).await
    }

    async fn subscribe(&mut self, subscribe: Subscribe) -> Result<(), Ending> {
        let Some(principal) = self.principal.clone() else {
            return Err(Ending::close(4401, "Unauthorized"));
        };
        let Subscribe { id, parameters } = subscribe;
        if self.operations.has(&id) {
            let reason = format!("Subscriber for {id} already exists");
            return Err(Ending::close(4409, reason));
        }
        if let Err(error) = self.state.rates.spend(principal.key_id, None) {
            return self.say(message::errors(&id, &[request::failed(error)])).await;
        }
        let max = self.state.limits.socket_subscriptions_max;
        if !self.operations.has_room(max) {
            let text = format!("a socket has at most {max} operations at once");
            let errors = [coded(text, "TOO_MANY_SUBSCRIPTIONS")];
            return self.say(message::errors(&id, &errors)).await;
        }
        match request::prepare(parameters, &self.state.limits, principal) {
            Ok(prepared) => {
                let answers = self.state.answers(prepared);
                self.operations.start(&id, answers);
                Ok(())
            }
            Err(error) => self.say(message::errors(&id, &[error])).await,
        }
    }

    /// Sends what an operation gave, and lets it go on.
    async fn forward(&mut self, step: Step) -> Result<(), Ending> {
        let (answer, operation) = step;
        if operation.is_cancelled() {
            return Ok(());
        }
        match answer {
            None => {
                self.operations.finish(&operation);
                self.say(message::complete(operation.id())).await
            }
            Some(Answer::Refused(errors)) => {
                self.operations.finish(&operation);
                self.say(message::errors(operation.id(), &errors)).await
            }
            Some(Answer::Payload(payload)) if payload.len() > RESPONSE_MAX_BYTES => {
                self.operations.finish(&operation);
                let text = format!("a response has at most {RESPONSE_MAX_BYTES} bytes: ask for less");
                let errors = [coded(text, "RESPONSE_TOO_LARGE")];
                self.say(message::errors(operation.id(), &errors)).await
            }
            Some(Answer::Payload(payload)) => {
                self.say(Some(message::next(operation.begin(), &payload))).await?;
                self.operations.resume(operation);
                Ok(())
            }
        }
    }

    /// Sends what is ready now, at most `max`, and sees everything written out.
    async fn forward_ready(&mut self, max: usize) -> Result<(), Ending> {
        for _ in 0..max {
            let Some(Some(step)) = self.operations.next().now_or_never() else {
                break;
            };
            self.forward(step).await?;
        }
        self.flush().await
    }

    /// `None` is a message that could not be written, which the log knows.
    async fn say(&mut self, text: Option<String>) -> Result<(), Ending> {
        match text {
            Some(text) => self.feed(Message::Text(Utf8Bytes::from(text))).await,
            None => Err(Ending::close(1011, "Internal error")),
        }
    }

    /// Gives a message to the write buffer, as soon as there is room.
    async fn feed(&mut self, message: Message) -> Result<(), Ending> {
        write(&self.state, self.principal.as_ref(), self.socket.feed(message)).await
    }

    /// Sees everything written out.
    async fn flush(&mut self) -> Result<(), Ending> {
        write(&self.state, self.principal.as_ref(), self.socket.flush()).await
    }
}

/// Waits for a write, but not past the send time-out, and not when the server shuts down or the key opens nothing more.
async fn write(
    state: &ApiState,
    principal: Option<&Principal>,
    writing: impl Future<Output = Result<(), axum::Error>>,
) -> Result<(), Ending> {
    let mut writing = pin!(writing);
    // nearly always it is done at once, and needs no clock
    if let Poll::Ready(written) = futures_util::poll!(writing.as_mut()) {
        return written.map_err(|_| Ending::Lost);
    }
    Box::pin(write_slowly(state, principal, writing)).await
}

async fn write_slowly(
    state: &ApiState,
    principal: Option<&Principal>,
    writing: impl Future<Output = Result<(), axum::Error>>,
) -> Result<(), Ending> {
    let timeout = Duration::from_millis(state.limits.socket_send_timeout_ms);
    tokio::select! {
        biased;
        written = writing => written.map_err(|_| Ending::Lost),
        () = state.shutdown.cancelled() => Err(Ending::going_away()),
        () = tokio::time::sleep(timeout) => Err(Ending::Lost),
        () = shut_out(state, principal) => Err(Ending::close(4403, "Forbidden")),
    }
}

/// Waits until a key opens nothing more.
async fn shut_out(state: &ApiState, principal: Option<&Principal>) {
    let Some(principal) = principal else {
        return std::future::pending().await;
    };
    state.auth.shut_out(principal).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_a_frame() {
        let long = format!("Subscriber for {} already exists", "é".repeat(100));
        match Ending::close(4409, long) {
            Ending::Close { code, reason } => {
                assert_eq!(code, 4409);
                assert_eq!(reason.len(), 123);
                assert!(reason.starts_with("Subscriber for é"));
            }
            Ending::Left | Ending::Lost => panic!("not a close"),
        }
    }

    #[test]
    fn unreadable_frames() {
        let code = |text: &'static str| match Ending::unreadable(&axum::Error::new(text)) {
            Ending::Close { code, .. } => code,
            Ending::Left | Ending::Lost => 0,
        };
        assert_eq!(code("Space limit exceeded: Message too long: 70000 > 65536"), 1009);
        assert_eq!(code("WebSocket protocol error: bad opcode"), 1002);
    }
}
