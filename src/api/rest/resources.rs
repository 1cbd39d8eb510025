//! Our own resources as a table: each route is one operation of GraphQL, so that a script is checked, allowed and answered
//! as every other client is.

mod answer;
mod check;
mod example;
mod given;
mod operation;
mod paths;
mod schema;
mod table;
mod types;

use std::sync::LazyLock;

use async_graphql::parser::parse_query;
use axum::Router;
use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::on;

use self::given::Given;
use self::operation::{Fragments, Operation};
pub(super) use self::paths::{Described, describe};
use self::schema::Schema;
use super::extract::{Caller, Conditions, Query, bad};
use crate::api::ApiState;
use crate::api::error::ApiError;
use crate::api::graphql::sdl;

/// The selections that operations share.
const FRAGMENTS: &str = include_str!("resources/fragments.graphql");

/// Every route, taken apart.
#[derive(Debug, Default)]
struct Resources {
    schema: Schema,
    fragments: Fragments,
    operations: Vec<Operation>,
    /// What does not fit the schema.
    misfits: Vec<String>,
}

impl Resources {
    /// # Errors
    /// The schema or the fragments cannot be read.
    fn parse() -> Result<Self, String> {
        let document = parse_query(format!("{{ __typename }} {FRAGMENTS}")).map_err(|error| error.to_string())?;
        let mut resources = Self {
            schema: Schema::parse(&sdl())?,
            fragments: document.fragments,
            ..Self::default()
        };
        for group in table::GROUPS {
            for row in group.rows {
                match Operation::parse((group.tag, row), &resources.schema, &resources.fragments) {
                    Ok(operation) => resources.operations.push(operation),
                    Err(misfit) => resources.misfits.push(misfit),
                }
            }
        }
        Ok(resources)
    }
}

/// Made of constants alone, so that it is the same for every node of a process.
static RESOURCES: LazyLock<Resources> = LazyLock::new(|| {
    let resources = Resources::parse().unwrap_or_else(|misfit| Resources {
        misfits: vec![misfit],
        ..Resources::default()
    });
    for misfit in &resources.misfits {
        tracing::error!(%misfit, "a resource does not fit the schema: it is not served");
    }
    resources
});

/// The routes of the table.
pub(super) fn routes() -> Router<ApiState> {
    let operations = &LazyLock::force(&RESOURCES).operations;
    operations.iter().fold(Router::new(), |router, operation| {
        let handler = move |State(state): State<ApiState>, request: Request| serve(operation, state, request);
        router.route(operation.row.path, on(operation.row.verb.filter(), handler))
    })
}

async fn serve(operation: &'static Operation, state: ApiState, request: Request) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let Caller(principal) = Caller::from_request_parts(&mut parts, &state).await?;
    principal.require(operation.scope())?;
    let Conditions(terms) = Conditions::from_request_parts(&mut parts, &state).await?;
    let query = Query::from_request_parts(&mut parts, &state).await?;
    let path = RawPathParams::from_request_parts(&mut parts, &state).await;
    let path = path.map_err(|_| bad("path", "UTF-8"))?;
    let given = Given {
        path: &path,
        query: &query,
        terms,
        body: if operation.takes_body() {
            given::object(operation, &parts.headers, body, state.limits.graphql_body_max_bytes).await?
        } else {
            serde_json::Map::new()
        },
    };
    let values = given::variables(&RESOURCES.schema, operation, given)?;
    let value = answer::run(&state, operation, principal, values).await?;
    Ok(answer::respond(operation, (parts.uri.path(), &query), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_the_schema() {
        let resources = Resources::parse().unwrap();
        assert!(resources.misfits.is_empty(), "{:#?}", resources.misfits);
        for operation in &resources.operations {
            let answers_items = !operation.found.selection.items.is_empty();
            assert!(answers_items, "{}", operation.id);
        }
    }
}
