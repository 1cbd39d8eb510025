//! What a key needs for a field.

use async_graphql::{Context, Guard, Result};

use super::loader::principal;
use crate::api::auth::Scope;

/// Refuses keys without this scope, with `FORBIDDEN`.
pub(super) struct Needs(pub(super) Scope);

impl Guard for Needs {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        Ok(principal(ctx)?.require(self.0)?)
    }
}
