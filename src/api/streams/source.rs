//! What is asked for, and when two ask for the same.

use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, Selection};
use async_graphql::{Name, Request, Value, Variables};
use parking_lot::Mutex;

use crate::api::auth::{Access, Principal};

/// Subscriptions with the same key give the same answers to everybody who may ask.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    access: Access,
    query: String,
    operation_name: Option<String>,
    /// As JSON, without the one that says where to begin.
    variables: String,
}

/// A subscription that was asked for.
#[derive(Debug)]
pub(in crate::api) struct Source {
    key: Arc<Key>,
    principal: Principal,
    /// Until the first execution takes it; whoever shares another's never needs it.
    document: Mutex<Option<ExecutableDocument>>,
    variables: Variables,
    has_after: bool,
}

/// Where an operation's only field says where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum After {
    /// Nowhere.
    Absent,
    /// In the document itself.
    Literal,
    /// In a variable.
    Variable(Name),
}

/// Finds the argument `after` of a subscription's only field.
///
/// # Errors
/// There is more than one field, or none.
pub(in crate::api) fn variable_of_after(operation: &OperationDefinition) -> Result<After, String> {
    let fields = &operation.selection_set.node.items;
    let [only] = fields.as_slice() else {
        return Err("a subscription has one field".to_owned());
    };
    let Selection::Field(field) = &only.node else {
        return Err("a subscription's field is not in a fragment".to_owned());
    };
    let Some(after) = field.node.get_argument("after") else {
        return Ok(After::Absent);
    };
    let mut variable = None;
    let literal = after.node.clone().into_const_with(|name| {
        variable = Some(name);
        Ok::<_, std::convert::Infallible>(Value::Null)
    });
    Ok(match (variable, literal) {
        (Some(name), _) if has_default(operation, &name) => After::Literal,
        (Some(name), _) => After::Variable(name),
        (None, Ok(Value::Null)) => After::Absent,
        (None, _) => After::Literal,
    })
}

/// A default is in the document, as a literal is.
fn has_default(operation: &OperationDefinition, name: &Name) -> bool {
    let definitions = operation.variable_definitions.iter().map(|definition| &definition.node);
    let mut of_name = definitions.filter(|definition| definition.name.node == *name);
    of_name.any(|definition| definition.default_value.is_some())
}

impl Source {
    pub(in crate::api) fn new(
        (query, document): (String, ExecutableDocument),
        operation_name: Option<String>,
        variables: Variables,
        (after, principal): (After, Principal),
    ) -> Self {
        let mut compared = variables.clone();
        let has_after = match after {
            After::Absent => false,
            After::Literal => true,
            After::Variable(name) => compared.remove(&name).is_some_and(|value| value != Value::Null),
        };
        let variables_json = serde_json::to_string(&compared).unwrap_or_default();
        Self {
            key: Arc::new(Key {
                access: principal.access(),
                query,
                operation_name,
                variables: variables_json,
            }),
            principal,
            document: Mutex::new(Some(document)),
            variables,
            has_after,
        }
    }

    pub(super) fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Whether it begins at a cursor.
    pub(super) fn has_after(&self) -> bool {
        self.has_after
    }

    /// Forgets what only an execution of its own would need at once.
    pub(super) fn share(&self) {
        *self.document.lock() = None;
    }

    /// One execution of it.
    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(self.key.query.clone())
            .variables(self.variables.clone())
            .data(self.principal.clone());
        request.operation_name.clone_from(&self.key.operation_name);
        if let Some(document) = self.document.lock().take() {
            request.set_parsed_query(document);
        }
        request
    }
}
