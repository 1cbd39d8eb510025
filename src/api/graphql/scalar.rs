//! Scalars and the numbers of GraphQL.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use jiff::Timestamp;

use crate::clock::format_millis;
use crate::domain::{Millis, Rejection};

/// An instant: RFC 3339, in UTC, with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime(pub Millis);

#[Scalar(name = "DateTime")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let expected = || InputValueError::custom("expected an RFC 3339 date and time, from 1970 on");
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        let instant: Timestamp = text.parse().map_err(|_| expected())?;
        let millis = u64::try_from(instant.as_millisecond()).map_err(|_| expected())?;
        Ok(Self(millis))
    }

    fn to_value(&self) -> Value {
        Value::String(format_millis(self.0))
    }
}

/// A place in the logs; opaque, comes from an item and goes into `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorText(pub String);

#[Scalar(name = "Cursor")]
impl ScalarType for CursorText {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else {
            return Err(InputValueError::expected_type(value));
        };
        Ok(Self(text))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// A duration for a GraphQL `Float`, which holds what an `Int` cannot.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "durations stay far below 2^53"
)]
pub fn float(millis: Millis) -> f64 {
    millis as f64
}

/// A duration from a GraphQL `Float`.
///
/// # Errors
/// [`Rejection::InvalidInput`] for what is negative or no whole number.
pub fn millis(field: &'static str, value: f64) -> Result<Millis, Rejection> {
    if !(0.0..9e15).contains(&value) || value.fract() != 0.0 {
        return Err(Rejection::invalid(field, "a whole number of milliseconds, 0 or more"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::as_conversions,
        reason = "in range and whole, as just checked"
    )]
    Ok(value as Millis)
}

/// A counter for a GraphQL `Int`, which ends at 2^31 - 1.
#[must_use]
pub fn int(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
