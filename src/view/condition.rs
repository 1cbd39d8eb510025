//! A growing WHERE with its values.

use rusqlite::types::Value;
use uuid::Uuid;

/// Conditions that all hold.
pub(super) struct Where {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

pub(super) fn blob(bytes: &[u8]) -> Value {
    Value::Blob(bytes.to_vec())
}

pub(super) fn blobs(ids: &[Uuid]) -> Vec<Value> {
    ids.iter().map(|id| blob(id.as_bytes())).collect()
}

pub(super) fn texts(names: impl Iterator<Item = &'static str>) -> Vec<Value> {
    names.map(|name| Value::Text(name.to_owned())).collect()
}

impl Where {
    /// Begins with a condition and its values.
    pub(super) fn new(sql: &str, values: Vec<Value>) -> Self {
        Self {
            sql: sql.to_owned(),
            values,
        }
    }

    /// And this one.
    pub(super) fn and(mut self, condition: &str, value: Value) -> Self {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.push(value);
        self
    }

    /// And a column has any of these values; whatever it has where there are none.
    pub(super) fn any(mut self, column: &str, values: Vec<Value>) -> Self {
        if !values.is_empty() {
            let mut marks = "?,".repeat(values.len());
            marks.pop();
            for part in [" AND ", column, " IN (", &marks, ")"] {
                self.sql.push_str(part);
            }
            self.values.extend(values);
        }
        self
    }
}
