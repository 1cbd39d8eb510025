//! Types of GraphQL as JSON Schema 2020-12. What is asked of an object is what its answer must have.

use std::collections::BTreeSet;

use async_graphql::parser::types::{BaseType, Selection, SelectionSet, Type, TypeKind};
use serde_json::{Map, Value, json};

use super::operation::Fragments;
use super::schema::{Member, Schema};

/// Bounds that the schema of GraphQL only has in words, by the names of fields.
const BOUNDS: &[(&[&str], &str, u64)] = &[
    (&["first", "last"], "minimum", 0),
    (&["first", "last"], "maximum", 100),
    (&["score", "stars", "weight", "capacity", "versionNumber"], "minimum", 1),
    (&["score"], "maximum", 3),
    (&["stars"], "maximum", 5),
    (&["weight"], "maximum", 100),
    (&["capacity"], "maximum", 1_000),
    (&["overlapMs"], "minimum", 0),
    (&["overlapMs"], "maximum", 2_592_000_000),
    (&["search"], "maxLength", 256),
    (&["subject"], "maxLength", 1_024),
    (
        &["text", "note", "summary", "greeting", "outOfHoursReply"],
        "maxLength",
        16_384,
    ),
    (&["attachments", "emails", "phones", "additionalIds"], "maxItems", 20),
    (&["intervals"], "maxItems", 50),
    (&["members"], "maxItems", 500),
    (&["options"], "maxItems", 200),
    (&["eventIds"], "maxItems", 100),
    (&["statuses", "reasons", "priorities"], "maxItems", 100),
];

/// Makes schemas, and keeps those that have names.
#[derive(Debug)]
pub(super) struct Types<'a> {
    schema: &'a Schema,
    fragments: &'a Fragments,
    taken: &'a BTreeSet<String>,
    /// By their names.
    pub(super) components: Map<String, Value>,
}

/// A schema, or null.
fn or_null(mut schema: Value) -> Value {
    let Some(object) = schema.as_object_mut().filter(|object| !object.is_empty()) else {
        return schema;
    };
    let Some(kind) = object.get("type").and_then(Value::as_str).map(str::to_owned) else {
        return json!({ "anyOf": [schema, { "type": "null" }] });
    };
    object.insert("type".into(), json!([kind, "null"]));
    schema
}

/// A schema with what the schema of GraphQL says in words.
pub(super) fn described(mut schema: Value, doc: Option<&str>) -> Value {
    if let (Some(doc), Some(object)) = (doc, schema.as_object_mut()) {
        object.insert("description".into(), doc.into());
    }
    schema
}

fn bounded(mut schema: Value, name: &str) -> Value {
    let bounds = BOUNDS.iter().filter(|(names, ..)| names.contains(&name));
    if let Some(object) = schema.as_object_mut().filter(|object| object.contains_key("type")) {
        object.extend(bounds.map(|(_, bound, value)| ((*bound).to_owned(), json!(value))));
    }
    schema
}

fn scalar(name: &str) -> Value {
    match name {
        "Int" => json!({ "type": "integer", "format": "int32" }),
        "Float" => json!({ "type": "number", "format": "double" }),
        "Boolean" => json!({ "type": "boolean" }),
        "UUID" => json!({ "type": "string", "format": "uuid" }),
        "DateTime" => json!({ "type": "string", "format": "date-time" }),
        "JSON" => json!({}),
        _ => json!({ "type": "string" }),
    }
}

impl<'a> Types<'a> {
    /// Names that are taken get another one.
    pub(super) fn new(schema: &'a Schema, fragments: &'a Fragments, taken: &'a BTreeSet<String>) -> Self {
        Self {
            schema,
            fragments,
            taken,
            components: Map::new(),
        }
    }

    fn component(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        let name = if self.taken.contains(name) {
            format!("{name}Resource")
        } else {
            name.to_owned()
        };
        let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
        if !self.components.contains_key(&name) {
            // in its place already where it has itself in it
            self.components.insert(name.clone(), Value::Null);
            let component = make(self);
            self.components.insert(name, component);
        }
        reference
    }

    fn named(&mut self, name: &str) -> Value {
        let schema = self.schema;
        if let Some(values) = schema.values(name) {
            let made = described(json!({ "type": "string", "enum": values }), schema.doc(name));
            return self.component(name, |_| made);
        }
        if let Some(members) = schema.members(name) {
            return self.component(name, |types| described(types.object(&members), schema.doc(name)));
        }
        scalar(name)
    }

    /// Of a value that a request gives.
    pub(super) fn input(&mut self, ty: &Type) -> Value {
        let schema = match &ty.base {
            BaseType::List(inner) => json!({ "type": "array", "items": self.input(inner) }),
            BaseType::Named(name) => self.named(name),
        };
        if ty.nullable { or_null(schema) } else { schema }
    }

    /// Of a field of a request: with its bounds.
    pub(super) fn member(&mut self, member: &Member<'_>) -> Value {
        described(bounded(self.input(member.ty), member.name), member.doc)
    }

    /// Of an object that a request gives.
    pub(super) fn object(&mut self, members: &[Member<'_>]) -> Value {
        let mut properties = Map::new();
        for member in members {
            properties.insert(member.name.to_owned(), self.member(member));
        }
        let required = members.iter().filter(|member| !member.optional);
        let required: Vec<&str> = required.map(|member| member.name).collect();
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    /// Of a value of an answer.
    pub(super) fn output(&mut self, ty: &Type, selection: &SelectionSet) -> Value {
        let schema = match &ty.base {
            BaseType::List(inner) => json!({ "type": "array", "items": self.output(inner, selection) }),
            BaseType::Named(name) if matches!(self.schema.kind(name), Some(TypeKind::Object(_))) => {
                self.selected(name, selection)
            }
            BaseType::Named(name) => self.named(name),
        };
        if ty.nullable { or_null(schema) } else { schema }
    }

    /// A shared selection is a component of its name.
    fn selected(&mut self, of: &str, selection: &SelectionSet) -> Value {
        let only = match selection.items.as_slice() {
            [item] => Some(&item.node),
            _ => None,
        };
        let Some(Selection::FragmentSpread(spread)) = only else {
            return self.fields(of, selection);
        };
        let (schema, fragments) = (self.schema, self.fragments);
        let name = &spread.node.fragment_name.node;
        let Some(fragment) = fragments.get(name) else {
            return json!({});
        };
        self.component(name, |types| {
            described(types.fields(of, &fragment.node.selection_set.node), schema.doc(of))
        })
    }

    fn fields(&mut self, of: &str, selection: &SelectionSet) -> Value {
        let mut properties = Map::new();
        for item in &selection.items {
            let Selection::Field(field) = &item.node else { continue };
            let key = field.node.response_key().node.to_string();
            let schema = self.schema;
            if let Some(definition) = schema.field(of, &field.node.name.node) {
                let value = self.output(&definition.ty.node, &field.node.selection_set.node);
                let doc = definition.description.as_ref().map(|doc| doc.node.as_str());
                properties.insert(key, described(value, doc));
            }
        }
        let required: Vec<&String> = properties.keys().collect();
        json!({ "type": "object", "required": required, "properties": properties })
    }
}

/// The type of what is there.
pub(super) fn without_null(ty: &Type) -> Type {
    Type {
        base: ty.base.clone(),
        nullable: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_in_the_type() {
        assert_eq!(or_null(json!({"type": "string"})), json!({"type": ["string", "null"]}));
        assert_eq!(or_null(json!({})), json!({}));
        let reference = json!({"$ref": "#/components/schemas/Tag"});
        let either = json!({"anyOf": [reference, {"type": "null"}]});
        assert_eq!(or_null(reference), either);
    }

    #[test]
    fn bounds_by_names() {
        let page = bounded(json!({"type": ["integer", "null"]}), "first");
        assert_eq!(page, json!({"type": ["integer", "null"], "minimum": 0, "maximum": 100}));
        let other = json!({"type": "integer"});
        assert_eq!(bounded(other.clone(), "number"), other);
    }

    #[test]
    fn taken_names_are_left_to_others() {
        let schema = Schema::parse("enum Size { BIG } input Thing { size: Size! }").unwrap();
        let (fragments, taken) = (Fragments::new(), BTreeSet::from(["Thing".to_owned()]));
        let mut types = Types::new(&schema, &fragments, &taken);
        let made = types.input(&Type::new("[Thing!]!").unwrap());
        let expected = json!({"type": "array", "items": {"$ref": "#/components/schemas/ThingResource"}});
        assert_eq!(made, expected);
        assert!(types.components.contains_key("Size"));
        assert!(!types.components.contains_key("Thing"));
    }
}
