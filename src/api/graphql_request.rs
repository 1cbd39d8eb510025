//! A GraphQL request between a transport and the schema: its parameters are checked, its size is bounded, it is parsed
//! once, and whatever goes wrong carries a code. HTTP and the socket share this.

mod introspection;
mod size;

use std::time::Duration;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::parser::{Error as ParseError, parse_query};
use async_graphql::{Extensions, Request, Response, ServerError, Value, Variables};
use serde_json::{Map, Value as Json};

use super::ApiLimits;
use super::auth::Principal;
use super::error::ApiError;
use super::graphql::SwitchboardSchema;
use super::streams::{Source, variable_of_after};

/// A parameter or a message is not what it must be.
pub(crate) const BAD_REQUEST: &str = "BAD_REQUEST";
/// The document is not GraphQL.
pub(crate) const PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
/// The document does not fit the schema, or names no operation of its own.
pub(crate) const VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";
/// The document is over one of the bounds.
pub(crate) const TOO_COMPLEX: &str = "QUERY_TOO_COMPLEX";
/// The document asks what the schema is, and may not.
const INTROSPECTION_DISABLED: &str = "INTROSPECTION_DISABLED";
/// The execution took too long.
pub(crate) const TIMEOUT: &str = "TIMEOUT";
/// An argument that no validation rule looks at is not what it must be.
const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
/// A resolver failed without saying how.
const INTERNAL: &str = "INTERNAL";

/// How async-graphql begins the errors of the bounds it checks itself; it gives them no code.
const BOUND_ERRORS: [&str; 3] = [
    "Query is too complex.",
    "Query is nested too deep.",
    "The recursion depth of the query",
];

/// How async-graphql begins the errors of an argument's conversion during execution; it gives them no code either.
const INPUT_ERRORS: [&str; 3] = [
    "Failed to parse \"",
    "Expected input type \"",
    "Invalid value for argument",
];

/// What a client sends: the parameters of one operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters {
    query: String,
    operation_name: Option<String>,
    variables: Variables,
    extensions: Extensions,
}

impl Parameters {
    /// Takes the parameters out of a JSON object; fields that are not known are ignored, as the protocols want it.
    ///
    /// # Errors
    /// A sentence that says which parameter is not what it must be.
    pub(crate) fn from_json(mut object: Map<String, Json>) -> Result<Self, String> {
        let query = match object.remove("query") {
            Some(Json::String(query)) => query,
            None | Some(Json::Null) => return Err("the parameter query is missing".to_owned()),
            Some(Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
                return Err("the parameter query must be a string".to_owned());
            }
        };
        let operation_name = match object.remove("operationName") {
            None | Some(Json::Null) => None,
            Some(Json::String(name)) => Some(name).filter(|name| !name.is_empty()),
            Some(Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
                return Err("the parameter operationName must be a string or null".to_owned());
            }
        };
        Ok(Self {
            query,
            operation_name,
            variables: map(&mut object, "variables")?.unwrap_or_default(),
            extensions: map(&mut object, "extensions")?.unwrap_or_default(),
        })
    }
}

/// Takes a parameter that must be an object or null.
fn map<T: serde::de::DeserializeOwned>(object: &mut Map<String, Json>, name: &str) -> Result<Option<T>, String> {
    match object.remove(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value @ Json::Object(_)) => serde_json::from_value(value)
            .map(Some)
            .map_err(|error| format!("the parameter {name} cannot be read: {error}")),
        Some(Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_)) => {
            Err(format!("the parameter {name} must be an object or null"))
        }
    }
}

/// A request that is ready to run.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// A query or a mutation, parsed, with the principal in its data.
    Once {
        /// For the schema.
        request: Request,
        /// It changes something.
        is_mutation: bool,
    },
    /// A subscription.
    Stream(Source),
}

/// Parses a document, holds it to the bounds and finds the operation that is meant.
///
/// The size is measured before the parser runs, because the parser descends once for each bracket.
///
/// # Errors
/// An error with its code: [`PARSE_FAILED`], [`VALIDATION_FAILED`] for an operation that is not there,
/// [`TOO_COMPLEX`], or [`INTROSPECTION_DISABLED`].
pub(crate) fn prepare(
    parameters: Parameters,
    limits: &ApiLimits,
    principal: Principal,
) -> Result<Prepared, ServerError> {
    size::check_text(&parameters.query, limits.query_tokens_max).map_err(|message| coded(message, TOO_COMPLEX))?;
    let document = parse_query(&parameters.query).map_err(|error| {
        let code = if matches!(error, ParseError::RecursionLimitExceeded) {
            TOO_COMPLEX
        } else {
            PARSE_FAILED
        };
        with_code(error.into(), code)
    })?;
    size::check_aliases(&document, limits.query_aliases_max).map_err(|message| coded(message, TOO_COMPLEX))?;
    if !limits.introspection && introspection::is_asked_for(&document) {
        return Err(coded("introspection is turned off here", INTROSPECTION_DISABLED));
    }
    size::check_spread(&document).map_err(|message| coded(message, TOO_COMPLEX))?;
    let invalid = |message| coded(message, VALIDATION_FAILED);
    let operation = find_operation(&document, parameters.operation_name.as_deref()).map_err(invalid)?;
    if operation.ty == OperationType::Subscription {
        let after = variable_of_after(operation).map_err(invalid)?;
        let document = (parameters.query, document);
        let (name, variables) = (parameters.operation_name, parameters.variables);
        return Ok(Prepared::Stream(Source::new(
            document,
            name,
            variables,
            (after, principal),
        )));
    }
    let is_mutation = operation.ty == OperationType::Mutation;
    let mut request = Request::new(parameters.query)
        .variables(parameters.variables)
        .data(principal);
    request.operation_name = parameters.operation_name;
    request.extensions = parameters.extensions;
    request.set_parsed_query(document);
    Ok(Prepared::Once { request, is_mutation })
}

/// The rule of the specification's `GetOperation`.
fn find_operation<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Result<&'a OperationDefinition, String> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(&operation.node),
        (DocumentOperations::Single(_), Some(name)) => Err(unknown_operation(name)),
        (DocumentOperations::Multiple(operations), Some(name)) => operations
            .get(name)
            .map(|operation| &operation.node)
            .ok_or_else(|| unknown_operation(name)),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            match (all.next(), all.next()) {
                (Some(only), None) => Ok(&only.node),
                _ => Err("the document has several operations: say which by operationName".to_owned()),
            }
        }
    }
}

fn unknown_operation(name: &str) -> String {
    format!("the document has no operation named \"{name}\"")
}

/// Runs a query or a mutation for at most `limit`; past it, the answer is an error with the code [`TIMEOUT`] and no data.
pub(crate) async fn execute(schema: &SwitchboardSchema, request: Request, limit: Duration) -> Response {
    tokio::time::timeout(limit, schema.execute(request))
        .await
        .unwrap_or_else(|_| {
            let message = format!(
                "the execution took longer than {} ms; a mutation may still take effect",
                limit.as_millis()
            );
            Response::from_errors(vec![coded(message, TIMEOUT)])
        })
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It was refused before anything ran: there is no data, not even null.
    Refused,
    /// It ran; fields may have failed.
    Executed,
}

impl Phase {
    /// Tells from a response how far its request came.
    ///
    /// async-graphql gives every error of a resolver its path, and errors of the rules none.
    pub(crate) fn of(response: &Response) -> Self {
        let refused = response.data == Value::Null
            && !response.errors.is_empty()
            && response.errors.iter().all(|error| error.path.is_empty());
        if refused { Self::Refused } else { Self::Executed }
    }
}

/// Gives each error without a code the one of its phase.
pub(crate) fn fill_codes(errors: &mut [ServerError], phase: Phase) {
    for error in errors.iter_mut().filter(|error| code_of(error).is_none()) {
        let begins = |texts: &[&str]| texts.iter().any(|text| error.message.starts_with(text));
        let code = match phase {
            Phase::Refused if begins(&BOUND_ERRORS) => TOO_COMPLEX,
            Phase::Refused => VALIDATION_FAILED,
            Phase::Executed if begins(&INPUT_ERRORS) => BAD_USER_INPUT,
            Phase::Executed => INTERNAL,
        };
        set_code(error, code);
    }
}

/// The code of an error, if it has one.
pub(crate) fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code") {
        Some(Value::String(code)) => Some(code),
        _ => None,
    }
}

/// An error of a request as a whole.
pub(crate) fn coded(message: impl Into<String>, code: &str) -> ServerError {
    with_code(ServerError::new(message, None), code)
}

/// A failure of the API as an error of a request as a whole.
pub(crate) fn failed(failure: ApiError) -> ServerError {
    let async_graphql::Error {
        message, extensions, ..
    } = failure.into_graphql();
    let mut error = ServerError::new(message, None);
    error.extensions = extensions;
    error
}

fn with_code(mut error: ServerError, code: &str) -> ServerError {
    set_code(&mut error, code);
    error
}

fn set_code(error: &mut ServerError, code: &str) {
    error.extensions.get_or_insert_default().set("code", code);
}

#[cfg(test)]
mod tests {
    use async_graphql::PathSegment;
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads well with json!")]
    fn parameters(value: Json) -> Result<Parameters, String> {
        Parameters::from_json(value.as_object().unwrap().clone())
    }

    #[test]
    fn parameters_that_may_be_null_or_absent() {
        let bare = parameters(json!({"query": "{ a }"})).unwrap();
        let nulls = json!({"query": "{ a }", "variables": null, "operationName": null, "extensions": null});
        assert_eq!(parameters(nulls).unwrap(), bare);
        let empty = json!({"query": "{ a }", "operationName": "", "other": 1});
        assert_eq!(parameters(empty).unwrap(), bare);
    }

    #[test]
    fn parameters_of_a_wrong_type() {
        for wrong in [json!({"a": 1}), json!(0), json!(false), json!(["a"])] {
            assert!(parameters(json!({"query": wrong.clone()})).is_err());
            assert!(parameters(json!({"query": "{ a }", "operationName": wrong})).is_err());
        }
        for wrong in [json!("a"), json!(0), json!(false), json!(["a"])] {
            assert!(parameters(json!({"query": "{ a }", "variables": wrong.clone()})).is_err());
            assert!(parameters(json!({"query": "{ a }", "extensions": wrong})).is_err());
        }
        assert!(parameters(json!({"query": null})).is_err());
        assert!(parameters(json!({})).is_err());
    }

    #[test]
    fn variables_keep_their_values() {
        let given = json!({"query": "{ a }", "variables": {"a": {"b": [1, "x", null]}}});
        let variables = parameters(given).unwrap().variables;
        let json = serde_json::to_value(variables).unwrap();
        assert_eq!(json, json!({"a": {"b": [1, "x", null]}}));
    }

    fn found(query: &str, name: Option<&str>) -> Result<OperationType, String> {
        let document = parse_query(query).unwrap();
        find_operation(&document, name).map(|operation| operation.ty)
    }

    #[test]
    fn operations_are_found_by_name() {
        let two = "query A { a } mutation B { b }";
        assert_eq!(found(two, Some("B")), Ok(OperationType::Mutation));
        assert_eq!(found(two, Some("A")), Ok(OperationType::Query));
        assert!(found(two, Some("C")).is_err());
        assert!(found(two, None).is_err());
        assert_eq!(found("query A { a }", None), Ok(OperationType::Query));
        assert_eq!(found("{ a }", None), Ok(OperationType::Query));
        assert!(found("{ a }", Some("A")).is_err());
    }

    fn code_given(message: &str, phase: Phase) -> String {
        let mut errors = vec![ServerError::new(message, None)];
        fill_codes(&mut errors, phase);
        code_of(&errors[0]).unwrap().to_owned()
    }

    #[test]
    fn codes_by_phase() {
        assert_eq!(code_given("no such field", Phase::Refused), VALIDATION_FAILED);
        assert_eq!(code_given("Query is too complex.", Phase::Refused), TOO_COMPLEX);
        assert_eq!(code_given("boom", Phase::Executed), INTERNAL);
        let input = "Failed to parse \"Int\": too large";
        assert_eq!(code_given(input, Phase::Executed), BAD_USER_INPUT);
    }

    #[test]
    fn codes_that_are_there_stay() {
        let mut errors = vec![coded("later", "OVERLOADED")];
        fill_codes(&mut errors, Phase::Executed);
        assert_eq!(code_of(&errors[0]), Some("OVERLOADED"));
    }

    #[test]
    fn phase_by_path() {
        let mut response = Response::from_errors(vec![ServerError::new("x", None)]);
        assert_eq!(Phase::of(&response), Phase::Refused);
        response.errors[0].path = vec![PathSegment::Field("a".to_owned())];
        assert_eq!(Phase::of(&response), Phase::Executed);
        assert_eq!(Phase::of(&Response::default()), Phase::Executed);
    }
}
