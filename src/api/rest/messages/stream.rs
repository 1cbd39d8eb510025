//! Many messages in a stream, and their answers in a stream beside it.
//!
//! Lines are read only as fast as they are answered, and answers are made only as fast as they are taken: at most
//! [`IN_FLIGHT_MAX`] messages are under way, and nothing else is held but one line.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::lines::{Line, LineBounds, Lines};
use super::{IngestMessage, admit};
use crate::actor::Answer;
use crate::api::ApiState;
use crate::api::auth::Principal;
use crate::api::commands::receive;
use crate::api::error::ApiError;
use crate::api::rate::Seat;
use crate::api::rest::Problems;
use crate::api::rest::extract::{Caller, parse};
use crate::api::rest::receipt::CommandReceipt;
use crate::api::rest::tickets::InPath;
use crate::api::services::Services;
use crate::domain::{Chat, ChatCommand};
use crate::router::{Pending, RouterError};

/// The most messages of one stream that are under way.
const IN_FLIGHT_MAX: usize = 256;
/// How long a message waits for room on an overloaded node, in milliseconds.
const OVERLOAD_WAIT_MAX_MS: u64 = 30_000;
/// Both ways.
const MEDIA_TYPE: &str = "application/x-ndjson";

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(ingest_many))
}

/// Why a line was not taken in; beside these, what the code's problem carries.
#[derive(Debug, Serialize, ToSchema)]
struct IngestError {
    /// Stable; the same as in a problem.
    #[schema(example = "BAD_USER_INPUT")]
    code: &'static str,
    /// One sentence.
    message: String,
    #[serde(flatten)]
    #[schema(ignore)]
    details: Map<String, Value>,
}

impl From<ApiError> for IngestError {
    fn from(error: ApiError) -> Self {
        Self {
            code: error.code,
            message: error.message,
            details: error.details,
        }
    }
}

/// The answer to one line: a receipt, or why not.
#[derive(Debug, Serialize, ToSchema)]
struct IngestAnswer {
    /// Which line, from 1; absent where the stream ended before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// It was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<CommandReceipt>,
    /// It was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<IngestError>,
}

impl IngestAnswer {
    fn new(services: &Services, line: Option<u64>, outcome: Result<Answer<Chat>, ApiError>) -> Self {
        let (receipt, error) = match outcome {
            Ok(answer) => (Some(CommandReceipt::new(services, answer)), None),
            Err(error) => (None, Some(error.into())),
        };
        Self { line, receipt, error }
    }
}

/// Takes in many messages in one stream.
///
/// Each line of the body is a message as in `ingestMessage`, at most 64 KiB; blank lines are passed over. Each line of
/// the answer is that of one message, in the order of the lines, as soon as it is durable; a line that is refused refuses
/// itself alone. Messages of one chat are decided in the order of their lines. The body may go on for ever, and is read
/// only as fast as its answers are taken: read them while you send. Where it pauses for too long, or the key is revoked,
/// a last answer without `line` says why the stream ends. After a broken connection send again what has no answer: a
/// message with an `externalId` is stored once.
#[utoipa::path(
    post,
    path = "/api/v1/channels/{channelId}/messages/stream",
    operation_id = "ingestMessages",
    tag = "Messages",
    params(("channelId" = Uuid, Path, description = "The channel that they came in on")),
    request_body(content = IngestMessage, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "One line for each message", body = IngestAnswer, content_type = "application/x-ndjson"),
        Problems
    ),
    security(("key" = []))
)]
async fn ingest_many(
    State(state): State<ApiState>,
    Caller(principal): Caller,
    path: InPath,
    request: Request,
) -> Result<Response, ApiError> {
    let channel_id = path.id("channelId")?;
    admit(&state.services, &principal, channel_id).await?;
    let (parts, body) = request.into_parts();
    check_lines(&parts.headers)?;
    let bounds = LineBounds {
        line_max_bytes: state.limits.ingest_line_max_bytes,
        idle: Duration::from_millis(state.limits.ingest_idle_timeout_ms),
        shutdown: state.shutdown.clone(),
    };
    let intake = Intake {
        _seat: state.rates.seat(principal.key_id)?,
        lines: Lines::new(body, bounds),
        desk: Desk {
            state,
            principal,
            channel_id,
        },
    };
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
    ];
    let mut response = (headers, Body::from_stream(answers(intake))).into_response();
    // nginx would hold answers back
    let unbuffered = HeaderValue::from_static("no");
    response.headers_mut().insert("x-accel-buffering", unbuffered);
    Ok(response)
}

fn check_lines(headers: &HeaderMap) -> Result<(), ApiError> {
    let media_type = headers.get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(MEDIA_TYPE) {
        return Ok(());
    }
    let message = format!("the Content-Type must be {MEDIA_TYPE}");
    Err(ApiError::new("UNSUPPORTED_MEDIA_TYPE", message))
}

/// One stream of messages.
struct Intake {
    lines: Lines,
    desk: Desk,
    /// One of those that the key may have.
    _seat: Seat,
}

/// Where the messages of one stream go.
#[derive(Debug)]
struct Desk {
    state: ApiState,
    principal: Principal,
    channel_id: Uuid,
}

/// What became of a line before its chat decides.
#[derive(Debug)]
enum Step {
    Waits(u64, Pending<Chat>),
    Refused(u64, ApiError),
    Ends(ApiError),
}

/// Submits line after line, and gives the answers in the same order.
fn answers(intake: Intake) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let services = intake.desk.state.services.clone();
    let steps = stream::unfold(Some(intake), |intake: Option<Intake>| async move {
        let mut intake = intake?;
        let step = intake.next().await?;
        let goes_on = !matches!(step, Step::Ends(_));
        Some((step, goes_on.then_some(intake)))
    });
    let outcomes = steps.map(answer).buffered(IN_FLIGHT_MAX);
    // answers that are there at the same moment leave in one piece
    outcomes.ready_chunks(IN_FLIGHT_MAX).map(move |outcomes| {
        let mut text = Vec::with_capacity(outcomes.len().saturating_mul(512));
        for (line, outcome) in outcomes {
            let answer = IngestAnswer::new(&services, line, outcome);
            if serde_json::to_writer(&mut text, &answer).is_ok() {
                text.push(b'\n');
            }
        }
        Ok(Bytes::from(text))
    })
}

async fn answer(step: Step) -> (Option<u64>, Result<Answer<Chat>, ApiError>) {
    match step {
        Step::Waits(line, pending) => (Some(line), pending.answer().await.map_err(ApiError::from)),
        Step::Refused(line, error) => (Some(line), Err(error)),
        Step::Ends(error) => (None, Err(error)),
    }
}

fn revoked() -> ApiError {
    ApiError::new("UNAUTHENTICATED", "the API key was revoked")
}

impl Intake {
    /// Submits the next line; none after the last.
    async fn next(&mut self) -> Option<Step> {
        let line = tokio::select! {
            biased;
            () = self.desk.state.auth.shut_out(&self.desk.principal) => return Some(Step::Ends(revoked())),
            line = self.lines.next() => line?,
        };
        let (number, submitted) = match line {
            Line::Broken(error) => return Some(Step::Ends(error)),
            Line::TooLong(number) => (number, Err(self.lines.too_long())),
            Line::Text(number, text) => (number, self.desk.submit(&text).await),
        };
        Some(match submitted {
            Ok(pending) => Step::Waits(number, pending),
            Err(error) => Step::Refused(number, error),
        })
    }
}

impl Desk {
    /// Puts a message into its chat's queue. Where there is no room the stream waits, and with it whoever sends.
    async fn submit(&self, text: &[u8]) -> Result<Pending<Chat>, ApiError> {
        let mut waited_ms = 0_u64;
        loop {
            let command = self.command(text).await?;
            match self.state.services.router.submit_to_origin(command) {
                Err(RouterError::Overloaded { retry_after_ms }) if waited_ms < OVERLOAD_WAIT_MAX_MS => {
                    let wait_ms = retry_after_ms.clamp(1, OVERLOAD_WAIT_MAX_MS.saturating_sub(waited_ms));
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                    waited_ms = waited_ms.saturating_add(wait_ms);
                    if !self.state.auth.is_live(&self.principal) {
                        return Err(revoked());
                    }
                }
                submitted => return Ok(submitted?),
            }
        }
    }

    async fn command(&self, text: &[u8]) -> Result<ChatCommand, ApiError> {
        let message: IngestMessage = match serde_json::from_slice(text) {
            Ok(message) => message,
            // once more, slowly, to know which field it is
            Err(_) => parse(text)?,
        };
        let (services, principal) = (&self.state.services, &self.principal);
        let envelope = Services::envelope(principal, None, &())?;
        let reception = message.into_reception(self.channel_id)?;
        receive(services, principal, envelope, reception).await
    }
}
