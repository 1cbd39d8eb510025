//! GraphQL over Server-Sent Events: the distinct connections mode of the protocol of the npm package graphql-sse, for
//! clients behind proxies that let no WebSocket through.
//!
//! One request is one operation; its answers come as events `next`, and `complete` follows the last. Errors of the
//! document come as a `next` too, since whoever reads events sees no status. A client ends a subscription by closing the
//! connection, and resumes it with `after`.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::{Interval, MissedTickBehavior};

use super::ApiState;
use super::auth::Principal;
use super::graphql_http::{self as http, MediaType, Refusal};
use super::graphql_request::{self as request, Prepared};
use super::rate::Seat;
use super::streams::Answer;

/// How often the clock is looked at: a revoked key is noticed so soon.
const TICK: Duration = Duration::from_millis(500);
/// After so many ticks without an event a comment is sent, so that no proxy takes the connection for a dead one.
const QUIET_TICKS: u32 = 24;

/// `/graphql/stream`.
pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/graphql/stream", any(serve))
}

async fn serve(State(state): State<ApiState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let read = async {
        let (parameters, principal) = http::read(&state, &parts, body).await?;
        if !takes_events(&parts.headers) {
            let status = StatusCode::NOT_ACCEPTABLE;
            return Err(Refusal::new(
                status,
                "NOT_ACCEPTABLE",
                "the answer is text/event-stream",
            ));
        }
        let prepared = request::prepare(parameters, &state.limits, principal.clone());
        if parts.method == Method::GET && matches!(prepared, Ok(Prepared::Once { is_mutation: true, .. })) {
            return Err(Refusal::method("a mutation needs POST", "POST"));
        }
        let seat = state.rates.seat(principal.key_id)?;
        Ok((prepared, (principal, seat)))
    };
    let (prepared, holder) = match read.await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(MediaType::Json),
    };
    let answers = match prepared {
        Ok(prepared) => state.answers(prepared),
        Err(error) => stream::once(async move { Answer::Refused(vec![error]) }).boxed(),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
    ];
    let mut response = (headers, Body::from_stream(events(state, holder, answers))).into_response();
    // nginx would hold events back
    let unbuffered = HeaderValue::from_static("no");
    response.headers_mut().insert("x-accel-buffering", unbuffered);
    response
}

fn takes_events(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    let is_events = |value: &HeaderValue| {
        let ranges = value.to_str().unwrap_or_default().split(',');
        let mut names = ranges.map(|range| range.split(';').next().unwrap_or_default().trim());
        names.any(|name| ["text/event-stream", "text/*", "*/*"].contains(&name.to_ascii_lowercase().as_str()))
    };
    accepted.peek().is_none() || accepted.any(is_events)
}

/// One connection.
struct Session {
    state: ApiState,
    principal: Principal,
    /// None once the last was given.
    answers: Option<BoxStream<'static, Answer>>,
    tick: Interval,
    quiet: u32,
    _seat: Seat,
}

type Event = Result<Bytes, std::convert::Infallible>;

fn events(
    state: ApiState,
    (principal, seat): (Principal, Seat),
    answers: BoxStream<'static, Answer>,
) -> impl Stream<Item = Event> + Send + 'static {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let session = Session {
        state,
        principal,
        answers: Some(answers),
        tick,
        quiet: QUIET_TICKS,
        _seat: seat,
    };
    stream::unfold(session, |mut session| async move {
        let event = session.next().await?;
        Some((Ok(Bytes::from(event)), session))
    })
}

impl Session {
    async fn next(&mut self) -> Option<String> {
        loop {
            let answers = self.answers.as_mut()?;
            tokio::select! {
                biased;
                () = self.state.shutdown.cancelled() => return None,
                _ = self.tick.tick() => {
                    if !self.state.auth.is_live(&self.principal) {
                        return None;
                    }
                    self.quiet = self.quiet.saturating_add(1);
                    if self.quiet > QUIET_TICKS {
                        self.quiet = 0;
                        return Some(":\n\n".to_owned());
                    }
                }
                answer = answers.next() => {
                    self.quiet = 0;
                    let (event, is_last) = write(answer);
                    if is_last {
                        self.answers = None;
                    }
                    return Some(event);
                }
            }
        }
    }
}

/// An answer as events; JSON has no line breaks of its own.
fn write(answer: Option<Answer>) -> (String, bool) {
    const COMPLETE: &str = "event: complete\ndata: \n\n";
    match answer {
        None => (COMPLETE.to_owned(), true),
        Some(Answer::Payload(payload)) => (["event: next\ndata: ", &payload, "\n\n"].concat(), false),
        Some(Answer::Refused(errors)) => {
            let errors = serde_json::to_string(&errors).unwrap_or_else(|_| "[]".to_owned());
            let next = format!("event: next\ndata: {{\"errors\":{errors}}}\n\n{COMPLETE}");
            (next, true)
        }
    }
}
