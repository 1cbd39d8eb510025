//! Tags, and fields that a workspace defines for tickets and contacts.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Rejection;
use super::command::{check_name, check_text};

/// The most options of one field.
pub const OPTIONS_MAX: usize = 200;
/// The longest text in a field, in bytes.
pub const FIELD_TEXT_MAX_BYTES: usize = 4_096;

/// A label for tickets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldKind {
    /// A string of at most [`FIELD_TEXT_MAX_BYTES`].
    Text,
    /// A finite number.
    Number,
    /// One of the field's options.
    Select,
    /// A day, as `2026-11-21`.
    Date,
    /// True or false.
    Checkbox,
}

/// What a field is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldTarget {
    /// Tickets.
    Ticket,
    /// Contacts.
    Contact,
}

/// A field that the workspace defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Unique.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// What it takes; fixed.
    pub kind: FieldKind,
    /// What it is of; fixed.
    pub target: FieldTarget,
    /// Of a SELECT: 1 to [`OPTIONS_MAX`]; otherwise none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Field {
    pub(super) fn check_definition(&self) -> Result<(), Rejection> {
        check_name("input.name", &self.name)?;
        let count = self.options.len();
        if (self.kind == FieldKind::Select) != (1..=OPTIONS_MAX).contains(&count) {
            return Err(Rejection::invalid(
                "input.options",
                format!("1 to {OPTIONS_MAX} for a SELECT, otherwise none"),
            ));
        }
        let mut options = self.options.iter();
        options.try_for_each(|option| check_name("input.options", option))
    }

    /// Refuses a value that is not of the field's kind. Null takes the value away.
    ///
    /// # Errors
    /// [`Rejection::InvalidInput`] naming what was expected.
    pub fn check(&self, value: &Value) -> Result<(), Rejection> {
        let expected = match (self.kind, value) {
            (_, Value::Null) | (FieldKind::Checkbox, Value::Bool(_)) | (FieldKind::Number, Value::Number(_)) => {
                return Ok(());
            }
            (FieldKind::Text, Value::String(text)) => return check_text("value", text, FIELD_TEXT_MAX_BYTES),
            (FieldKind::Select, Value::String(text)) if self.options.contains(text) => return Ok(()),
            (FieldKind::Date, Value::String(text)) if text.len() == 10 && text.parse::<Date>().is_ok() => return Ok(()),
            (FieldKind::Text, _) => "a string, or null".to_owned(),
            (FieldKind::Number, _) => "a number, or null".to_owned(),
            (FieldKind::Checkbox, _) => "true, false or null".to_owned(),
            (FieldKind::Date, _) => "a day as 2026-11-21, or null".to_owned(),
            (FieldKind::Select, _) => format!("one of {}, or null", self.options.join(", ")),
        };
        Err(Rejection::invalid("value", expected))
    }
}
