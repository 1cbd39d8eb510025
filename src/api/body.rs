//! Bodies, and why one could not be read.

use std::error::Error;

use axum::body::{Body, Bytes, to_bytes};
use tower_http::timeout::TimeoutError;

use super::error::ApiError;

/// What came too slowly.
pub(super) const TOO_SLOW: &str = "REQUEST_TIMEOUT";

/// Reads a body, and stops as soon as it is over the bound.
pub(super) async fn read(body: Body, max_bytes: usize) -> Result<Bytes, ApiError> {
    let bytes = to_bytes(body, max_bytes).await;
    bytes.map_err(|error| unread(&error, max_bytes))
}

/// Why a body of at most `max_bytes` could not be read.
fn unread(error: &(dyn Error + 'static), max_bytes: usize) -> ApiError {
    if is_too_slow(error) {
        return ApiError::new(TOO_SLOW, "the body came too slowly");
    }
    let message = format!("the body is cut off or longer than {max_bytes} bytes");
    ApiError::new("PAYLOAD_TOO_LARGE", message)
}

/// Whether nothing came for too long.
pub(super) fn is_too_slow(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    causes.any(<dyn std::error::Error>::is::<TimeoutError>)
}
