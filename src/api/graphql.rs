//! The GraphQL schema: names that clients rely on, over the router and the view.

#![allow(
    clippy::unused_async,
    reason = "the derive asks for async resolvers, also where nothing waits"
)]

pub mod chat;
pub mod contact;
pub mod input;
pub mod key;
pub mod kind;
pub mod list;
mod loader;
pub mod message;
mod mutation;
mod needs;
mod page;
mod query;
pub mod queue;
pub mod receipt;
pub mod scalar;
pub mod setting;
pub mod subscription;
pub mod ticket;
pub mod total;
pub mod webhook;

pub use mutation::Mutation;
pub use query::Query;
pub use subscription::Subscription;

use std::time::Duration;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Schema, SchemaBuilder};
use tokio_util::task::TaskTracker;

use self::loader::Rows;
use super::ApiLimits;
use super::services::Services;

/// The whole schema.
pub type SwitchboardSchema = Schema<Query, Mutation, Subscription>;

/// The most directives of a field.
const DIRECTIVES_MAX: usize = 16;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query, Mutation::default(), Subscription).limit_directives(DIRECTIVES_MAX)
}

/// The schema over a node.
#[must_use]
pub fn schema(services: Services, tasks: TaskTracker, limits: &ApiLimits) -> SwitchboardSchema {
    let rows = DataLoader::new(Rows(services.clone()), move |load| {
        tasks.spawn(load);
    })
    .delay(Duration::ZERO);
    builder()
        .limit_depth(limits.query_depth_max)
        .limit_complexity(limits.query_complexity_max)
        .data(services)
        .data(rows)
        .finish()
}

/// The schema as text, as `schema.graphql` keeps it.
#[must_use]
pub fn sdl() -> String {
    builder().finish().sdl()
}
