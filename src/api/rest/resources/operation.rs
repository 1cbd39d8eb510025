//! One operation of GraphQL behind a route: what it takes from where in a request, and where its answer is.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection,
    SelectionSet, Type,
};
use async_graphql::parser::{Positioned, parse_query};
use serde_json::{Map, Value};

use super::schema::{Member, Schema, named};
use super::table::{Row, Verb};
use crate::api::auth::Scope;

/// The selections that operations share, by their names.
pub(super) type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Where in a request a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    /// A parameter of the query string, or one for each field of an input.
    Query,
    Header,
    /// A field of the body.
    Body,
    /// The body.
    Whole,
}

/// Something that the operation takes.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) place: Place,
}

/// A parameter of the query string, and whether it is a field of the variable or the variable itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter<'a> {
    pub(super) member: Member<'a>,
    pub(super) variable: &'a str,
    pub(super) is_field: bool,
}

/// What of an operation's data is the answer.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The way to it.
    pub(super) keys: Vec<String>,
    /// Its type; of a page that of the items.
    pub(super) ty: Type,
    /// What is asked of it; of a page that of each item.
    pub(super) selection: SelectionSet,
    /// A page of a list.
    pub(super) is_page: bool,
    /// With how many there are in all.
    pub(super) is_counted: bool,
    /// What the schema says.
    pub(super) doc: Option<String>,
}

/// A route and its operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) row: &'static Row,
    pub(super) tag: &'static str,
    /// The operation's name.
    pub(super) id: String,
    pub(super) variables: Vec<Variable>,
    pub(super) found: Found,
    document: ExecutableDocument,
}

impl Operation {
    /// Takes a row of the table apart.
    ///
    /// # Errors
    /// A sentence that says what does not fit the schema.
    pub(super) fn parse(
        (tag, row): (&'static str, &'static Row),
        schema: &Schema,
        fragments: &Fragments,
    ) -> Result<Self, String> {
        let wrong = |what: &str| format!("{} {}: {what}", row.verb.name(), row.path);
        let mut document = parse_query(row.operation).map_err(|error| wrong(&error.to_string()))?;
        let (id, definition) = match document.operations.iter().next() {
            Some((Some(name), definition)) => (name.to_string(), definition.node.clone()),
            Some((None, _)) | None => return Err(wrong("the operation has no name")),
        };
        let root = match definition.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => return Err(wrong("a subscription")),
        };
        let selection = &definition.selection_set.node;
        collect(selection, fragments, &mut document.fragments).map_err(|error| wrong(&error))?;
        let found = find(root, selection, schema).map_err(|error| wrong(&error))?;
        let variables = variables(&definition, row);
        Ok(Self {
            row,
            tag,
            id,
            variables,
            found,
            document,
        })
    }

    /// The document for what is given. Arguments whose variables are not given are left out, as the specification wants
    /// it: async-graphql takes them for null.
    pub(super) fn document(&self, given: &Map<String, Value>) -> ExecutableDocument {
        let mut document = self.document.clone();
        let fit = |definition: &mut OperationDefinition| {
            let variables = &mut definition.variable_definitions;
            variables.retain(|variable| given.contains_key(variable.node.name.node.as_str()));
            prune(&mut definition.selection_set.node, given);
        };
        match &mut document.operations {
            DocumentOperations::Single(definition) => fit(&mut definition.node),
            DocumentOperations::Multiple(all) => all.values_mut().for_each(|definition| fit(&mut definition.node)),
        }
        document
    }

    /// The parameters of the query string.
    pub(super) fn parameters<'a>(&'a self, schema: &'a Schema) -> Vec<Parameter<'a>> {
        let mut parameters = Vec::new();
        for variable in self.variables.iter().filter(|variable| variable.place == Place::Query) {
            let name = variable.name.as_str();
            let parameter = |member, is_field| Parameter {
                member,
                variable: name,
                is_field,
            };
            match schema.members(named(&variable.ty)) {
                Some(fields) => parameters.extend(fields.into_iter().map(|field| parameter(field, true))),
                None => parameters.push(parameter(variable.member(), false)),
            }
        }
        parameters
    }

    /// The fields of the body.
    pub(super) fn body(&self) -> Vec<Member<'_>> {
        let variables = self.variables.iter().filter(|variable| variable.place == Place::Body);
        variables.map(Variable::member).collect()
    }

    /// What the body is as a whole.
    pub(super) fn whole(&self) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.place == Place::Whole)
    }

    /// Whether nothing can be done without a body.
    pub(super) fn needs_body(&self) -> bool {
        self.whole().is_some() || self.body().iter().any(|member| !member.optional)
    }

    /// What a key needs at least; GraphQL may ask for more.
    pub(super) fn scope(&self) -> Scope {
        match self.row.verb {
            Verb::Get => Scope::Read,
            Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => Scope::Write,
        }
    }

    /// Whether a request may have a body.
    pub(super) fn takes_body(&self) -> bool {
        matches!(self.row.verb, Verb::Post | Verb::Put | Verb::Patch)
    }

    /// Whether there is such a variable.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.variables.iter().any(|variable| variable.name == name)
    }
}

impl Variable {
    fn member(&self) -> Member<'_> {
        Member {
            name: &self.name,
            ty: &self.ty,
            doc: None,
            optional: self.ty.nullable,
        }
    }
}

fn variables(definition: &OperationDefinition, row: &Row) -> Vec<Variable> {
    let definitions = definition
        .variable_definitions
        .iter()
        .map(|definition| &definition.node);
    let variable = definitions.map(|definition| {
        let name = definition.name.node.to_string();
        let place = match (name.as_str(), row.verb) {
            _ if row.path.contains(&format!("{{{name}}}")) => Place::Path,
            ("idempotencyKey" | "expectedVersion", _) => Place::Header,
            (_, Verb::Get | Verb::Delete) => Place::Query,
            ("input", Verb::Post | Verb::Put | Verb::Patch) => Place::Whole,
            (_, Verb::Post | Verb::Put | Verb::Patch) => Place::Body,
        };
        let ty = definition.var_type.node.clone();
        Variable { name, ty, place }
    });
    variable.collect()
}

/// Adds the fragments that a selection needs.
fn collect(selection: &SelectionSet, all: &Fragments, needed: &mut Fragments) -> Result<(), String> {
    for item in &selection.items {
        match &item.node {
            Selection::Field(field) => collect(&field.node.selection_set.node, all, needed)?,
            Selection::InlineFragment(inline) => collect(&inline.node.selection_set.node, all, needed)?,
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                let fragment = all.get(name).ok_or_else(|| format!("there is no fragment {name}"))?;
                if needed.insert(name.clone(), fragment.clone()).is_none() {
                    collect(&fragment.node.selection_set.node, all, needed)?;
                }
            }
        }
    }
    Ok(())
}

/// Leaves out the arguments whose variables are not given.
fn prune(selection: &mut SelectionSet, given: &Map<String, Value>) {
    for item in &mut selection.items {
        if let Selection::Field(field) = &mut item.node {
            field.node.arguments.retain(|(_, value)| {
                let text = value.node.to_string();
                text.strip_prefix('$').is_none_or(|name| given.contains_key(name))
            });
            prune(&mut field.node.selection_set.node, given);
        }
    }
}

/// The only field of a selection.
fn only(selection: &SelectionSet) -> Option<&Field> {
    match selection.items.as_slice() {
        [item] => match &item.node {
            Selection::Field(field) => Some(&field.node),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
        },
        _ => None,
    }
}

/// A field of a selection by its name.
fn field_of<'a>(selection: &'a SelectionSet, name: &str) -> Option<&'a Field> {
    selection.items.iter().find_map(|item| match &item.node {
        Selection::Field(field) if field.node.name.node.as_str() == name => Some(&field.node),
        Selection::Field(_) | Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
    })
}

/// Goes down to the first thing of which more than one other thing is asked.
fn find(root: &str, selection: &SelectionSet, schema: &Schema) -> Result<Found, String> {
    let (mut of, mut selection, mut keys) = (root.to_owned(), selection, Vec::new());
    loop {
        let field = only(selection).ok_or("an operation asks for one field")?;
        let name = field.name.node.as_str();
        let definition = schema.field(&of, name);
        let definition = definition.ok_or_else(|| format!("{of} has no field {name}"))?;
        keys.push(field.response_key().node.to_string());
        selection = &field.selection_set.node;
        named(&definition.ty.node).clone_into(&mut of);
        if only(selection).is_some_and(|next| !next.selection_set.node.items.is_empty()) {
            continue;
        }
        let mut found = Found {
            keys,
            ty: definition.ty.node.clone(),
            selection: selection.clone(),
            is_page: of.ends_with("Connection"),
            is_counted: field_of(selection, "totalCount").is_some(),
            doc: definition.description.as_ref().map(|doc| doc.node.clone()),
        };
        if found.is_page {
            let nodes = schema.field(&of, "nodes").zip(field_of(selection, "nodes"));
            let (definition, nodes) = nodes.ok_or("a page has nodes")?;
            found.ty = definition.ty.node.clone();
            found.selection = nodes.selection_set.node.clone();
        }
        return Ok(found);
    }
}
