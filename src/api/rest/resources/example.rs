//! Examples, made from schemas.

use serde_json::{Map, Value, json};

/// How deep an example goes.
const DEPTH_MAX: usize = 24;

/// Texts by the names of fields.
const TEXTS: &[(&str, &str)] = &[
    ("additionalIds", "crm-1024"),
    ("avatar", "https://example.org/robin.png"),
    ("comment", "Quick and friendly."),
    ("cursor", "AAAAAAAAAAE"),
    ("emails", "robin@example.org"),
    ("email", "robin@example.org"),
    ("emoji", "👍"),
    ("eventType", "ticket.created"),
    ("eventTypes", "ticket.created"),
    ("externalId", "+49 170 1234567"),
    ("from", "09:00"),
    ("kind", "image"),
    ("mimeType", "image/png"),
    ("name", "Robin"),
    ("note", "Prefers to be called in the morning."),
    ("options", "blue"),
    ("phones", "+49 170 1234567"),
    ("picture", "https://example.org/robin.png"),
    ("prefix", "sbk_6f1c3a527f2b4c589d530c6a0e6f7d11"),
    ("rule", "open-ticket"),
    ("status", "SENT"),
    ("subject", "A parcel that did not arrive"),
    ("summary", "The parcel was sent on Monday."),
    ("timeZone", "Europe/Berlin"),
    ("to", "17:30"),
    ("url", "https://example.org/parcel.png"),
];

/// A value that fits a schema, for a field of this name.
pub(super) fn example(schema: &Value, name: &str, components: &Map<String, Value>) -> Value {
    made(schema, name, (components, DEPTH_MAX))
}

fn made(schema: &Value, name: &str, (components, depth): (&Map<String, Value>, usize)) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let component = reference.rsplit('/').next().and_then(|name| components.get(name));
        return component.map_or(Value::Null, |found| made(found, name, (components, depth)));
    }
    if let Some(first) = schema.pointer("/anyOf/0") {
        return made(first, name, (components, depth));
    }
    if let Some(first) = schema.pointer("/enum/0") {
        return first.clone();
    }
    let kind = schema.pointer("/type/0").or_else(|| schema.get("type"));
    match kind.and_then(Value::as_str) {
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let fields = properties.into_iter().flatten();
            let fields = fields.map(|(name, schema)| (name.clone(), made(schema, name, (components, depth))));
            Value::Object(fields.collect())
        }
        Some("array") => {
            let items = schema.get("items").map(|items| made(items, name, (components, depth)));
            Value::Array(items.into_iter().collect())
        }
        Some("integer") => schema
            .get("minimum")
            .cloned()
            .filter(|least| least.as_u64() != Some(0))
            .unwrap_or(json!(1)),
        Some("number") => json!(86_400_000),
        Some("boolean") => json!(true),
        Some("string") => text(schema, name),
        _ => json!("blue"),
    }
}

fn text(schema: &Value, name: &str) -> Value {
    let by_name = || TEXTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => "6f1c3a52-7f2b-4c58-9d53-0c6a0e6f7d11",
        Some("date-time") => "2026-11-21T10:00:00.000Z",
        _ => by_name().unwrap_or("Hello, how can I help?"),
    };
    text.into()
}
