//! What an event carries, as anybody outside may see it.

use serde_json::Value;

use super::{EventBody, Scope};

/// The names under which settings hold what is derived from secrets, or makes them.
const HIDDEN: [&str; 3] = ["hash", "hookSecretHash", "salt"];

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !HIDDEN.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl EventBody {
    /// What happened, without hashes of secrets.
    #[must_use]
    pub fn public_data(&self) -> Option<Value> {
        let mut value = serde_json::to_value(self).ok()?;
        let data = value.get_mut("data")?;
        if self.scope() == Scope::Workspace {
            strip(data);
        }
        Some(data.take())
    }
}
