//! Values by the types of GraphQL. What is not as it must be is named by its path in the request.

use async_graphql::ScalarType as _;
use async_graphql::parser::types::{BaseType, Type};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::schema::{Member, Schema, is_list, named};
use crate::api::error::ApiError;
use crate::api::graphql::scalar::DateTime;
use crate::api::rest::extract::bad;

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        return name.to_owned();
    }
    format!("{prefix}.{name}")
}

fn expected(schema: &Schema, ty: &Type) -> String {
    if is_list(ty) {
        return "a list".to_owned();
    }
    let name = named(ty);
    if let Some(values) = schema.values(name) {
        return format!("one of {}", values.join(", "));
    }
    let words = match name {
        "UUID" => "a UUID",
        "Int" => "a whole number of 32 bits",
        "Float" => "a number",
        "Boolean" => "true or false",
        "DateTime" => "a date and time as in RFC 3339, from 1970 on",
        "JSON" => "a value",
        _ if schema.members(name).is_some() => "an object",
        _ => "a string",
    };
    words.to_owned()
}

/// Whether a value is of a type.
pub(super) fn check(schema: &Schema, ty: &Type, field: &str, value: &Value) -> Result<(), ApiError> {
    if value.is_null() && ty.nullable {
        return Ok(());
    }
    let wrong = || bad(field, expected(schema, ty));
    match &ty.base {
        BaseType::List(inner) => {
            for (index, item) in value.as_array().ok_or_else(wrong)?.iter().enumerate() {
                check(schema, inner, &format!("{field}[{index}]"), item)?;
            }
            Ok(())
        }
        BaseType::Named(name) => {
            if let Some(members) = schema.members(name) {
                return check_members(schema, &members, field, value.as_object().ok_or_else(wrong)?);
            }
            let known = match schema.values(name) {
                Some(values) => value.as_str().is_some_and(|text| values.contains(&text)),
                None => is_scalar(name, value),
            };
            if known { Ok(()) } else { Err(wrong()) }
        }
    }
}

fn is_scalar(name: &str, value: &Value) -> bool {
    match name {
        "UUID" => value.as_str().is_some_and(|text| Uuid::try_parse(text).is_ok()),
        "Int" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "Float" => value.is_number(),
        "Boolean" => value.is_boolean(),
        "DateTime" => value.as_str().is_some_and(|text| DateTime::parse(text.into()).is_ok()),
        "JSON" => !value.is_null(),
        _ => value.is_string(),
    }
}

/// Whether an object has what it must have, and nothing else.
pub(super) fn check_members(
    schema: &Schema,
    members: &[Member<'_>],
    prefix: &str,
    object: &Map<String, Value>,
) -> Result<(), ApiError> {
    if let Some(unknown) = object
        .keys()
        .find(|name| !members.iter().any(|member| member.name == *name))
    {
        return Err(bad(join(prefix, unknown), no_other(members)));
    }
    for member in members {
        let field = join(prefix, member.name);
        match object.get(member.name) {
            Some(value) => check(schema, member.ty, &field, value)?,
            None if member.optional => {}
            None => return Err(bad(field, expected(schema, member.ty))),
        }
    }
    Ok(())
}

/// What may be given instead of something that is not known.
pub(super) fn no_other(members: &[Member<'_>]) -> String {
    if members.is_empty() {
        return "nothing of this name".to_owned();
    }
    let names: Vec<&str> = members.iter().map(|member| member.name).collect();
    format!("no other fields than {}", names.join(", "))
}

/// A text of a path or a query as a value of a type; what the text cannot be stays a text, which [`check`] refuses.
pub(super) fn from_text(ty: &Type, text: &str) -> Value {
    let value = match named(ty) {
        "Int" => text.parse::<i32>().ok().map(Value::from),
        "Float" => text
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Value::from),
        "Boolean" => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    value.unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SCHEMA: &str = "enum Size { BIG SMALL } input Part { size: Size! } \
                          input Thing { id: UUID! at: DateTime count: Int parts: [Part!] any: JSON }";

    /// The field that is refused.
    fn refused(value: &Value) -> Option<String> {
        let schema = Schema::parse(SCHEMA).unwrap();
        let members = schema.members("Thing").unwrap();
        let error = check_members(&schema, &members, "", value.as_object().unwrap()).err()?;
        Some(error.details["field"].as_str().unwrap().to_owned())
    }

    #[test]
    fn values_by_their_types() {
        let id = "6f1c3a52-7f2b-4c58-9d53-0c6a0e6f7d11";
        let good =
            json!({"id": id, "at": "2026-11-21T10:00:00Z", "count": null, "parts": [{"size": "BIG"}], "any": [1]});
        assert_eq!(refused(&good), None);
        for (wrong, field) in [
            (json!({}), "id"),
            (json!({"id": null}), "id"),
            (json!({"id": "6f1c"}), "id"),
            (json!({"id": id, "at": "yesterday"}), "at"),
            (json!({"id": id, "count": 2_147_483_648_u32}), "count"),
            (json!({"id": id, "count": "1"}), "count"),
            (json!({"id": id, "parts": {"size": "BIG"}}), "parts"),
            (
                json!({"id": id, "parts": [{"size": "BIG"}, {"size": "HUGE"}]}),
                "parts[1].size",
            ),
            (
                json!({"id": id, "parts": [{"size": "BIG", "colour": 1}]}),
                "parts[0].colour",
            ),
            (json!({"id": id, "color": 1}), "color"),
        ] {
            assert_eq!(refused(&wrong).as_deref(), Some(field), "{wrong}");
        }
    }

    #[test]
    fn texts_by_their_types() {
        let of = |ty: &str, text: &str| from_text(&Type::new(ty).unwrap(), text);
        assert_eq!(of("Int", "12"), json!(12));
        assert_eq!(of("Int!", "1e3"), json!("1e3"));
        assert_eq!(of("Boolean", "true"), json!(true));
        assert_eq!(of("Float", "NaN"), json!("NaN"));
        assert_eq!(of("String", "12"), json!("12"));
    }
}
