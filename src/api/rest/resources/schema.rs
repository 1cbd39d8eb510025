//! The schema of GraphQL as routes need it: which types there are, and what they consist of.

use std::collections::BTreeMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, FieldDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition};

/// The types by their names.
#[derive(Debug, Default)]
pub(super) struct Schema {
    types: BTreeMap<String, TypeDefinition>,
}

/// A field of an input, or a variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) ty: &'a Type,
    pub(super) doc: Option<&'a str>,
    /// It may be left out.
    pub(super) optional: bool,
}

/// The type in a list, however deep.
pub(super) fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

/// Whether there may be many.
pub(super) fn is_list(ty: &Type) -> bool {
    matches!(ty.base, BaseType::List(_))
}

impl Schema {
    /// Reads the schema's own language.
    ///
    /// # Errors
    /// It is not that language.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let document = parse_schema(text).map_err(|error| error.to_string())?;
        let types = document
            .definitions
            .into_iter()
            .filter_map(|definition| match definition {
                TypeSystemDefinition::Type(found) => Some((found.node.name.node.to_string(), found.node)),
                TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
            });
        Ok(Self { types: types.collect() })
    }

    pub(super) fn kind(&self, name: &str) -> Option<&TypeKind> {
        self.types.get(name).map(|found| &found.kind)
    }

    /// What the schema says of a type.
    pub(super) fn doc(&self, name: &str) -> Option<&str> {
        let doc = self.types.get(name)?.description.as_ref()?;
        Some(doc.node.as_str())
    }

    /// A field of an object.
    pub(super) fn field(&self, of: &str, name: &str) -> Option<&FieldDefinition> {
        let Some(TypeKind::Object(object)) = self.kind(of) else {
            return None;
        };
        let mut fields = object.fields.iter().map(|field| &field.node);
        fields.find(|field| field.name.node.as_str() == name)
    }

    /// The names of an enum.
    pub(super) fn values(&self, name: &str) -> Option<Vec<&str>> {
        let Some(TypeKind::Enum(found)) = self.kind(name) else {
            return None;
        };
        let values = found.values.iter().map(|value| value.node.value.node.as_str());
        Some(values.collect())
    }

    /// The fields of an input.
    pub(super) fn members(&self, name: &str) -> Option<Vec<Member<'_>>> {
        let Some(TypeKind::InputObject(input)) = self.kind(name) else {
            return None;
        };
        let fields = input.fields.iter().map(|field| &field.node);
        let members = fields.map(|field| Member {
            name: field.name.node.as_str(),
            ty: &field.ty.node,
            doc: field.description.as_ref().map(|doc| doc.node.as_str()),
            optional: field.ty.node.nullable || field.default_value.is_some(),
        });
        Some(members.collect())
    }
}
