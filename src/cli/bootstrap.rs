//! The first workspace and its first key.

use std::time::Duration;

use anyhow::bail;
use uuid::Uuid;

use crate::actor::CommandError;
use crate::api::auth::{Scope, issue};
use crate::config::Secret;
use crate::domain::{Actor, ApiKey, KeyCommand, Millis, Rejection, WorkspaceCommand, WorkspaceCommandBody, id};
use crate::router::RouterError;
use crate::server::Node;

/// How long a node waits at its start for what the store holds, in milliseconds.
const CATCH_UP_MS: u64 = 600_000;

/// Where the key of the workspace is.
pub(super) enum FirstKey {
    /// Made now; shown once.
    New(String),
    /// Set by the operator.
    FromEnvironment,
    /// There since an earlier start.
    Kept,
}

/// Sends a command of switchboard itself to the first workspace. False: it was there already.
pub(super) async fn ask(node: &Node, body: WorkspaceCommandBody) -> anyhow::Result<bool> {
    let command = WorkspaceCommand {
        workspace_id: id::first_workspace(),
        id: Uuid::from_u128(u128::from(getrandom::u64()?)),
        actor: Actor::system(),
        keys: Vec::new(),
        body_hash: None,
        body,
    };
    let router = &node.services.router;
    match router.workspace(command).await {
        Ok(answer) => {
            let wait = Duration::from_millis(CATCH_UP_MS);
            let live = &node.services.live;
            live.wait_for(answer.partition, answer.position, wait).await;
            Ok(true)
        }
        Err(RouterError::Command(CommandError::Rejected(Rejection::AlreadyExists { .. }))) => Ok(false),
        Err(error) => bail!(error),
    }
}

/// Makes sure that there is a workspace, and a key that opens it.
pub(super) async fn first_key(node: &Node, admin: Option<&Secret>) -> anyhow::Result<FirstKey> {
    let live = &node.services.live;
    live.catch_up(Duration::from_millis(CATCH_UP_MS)).await?;
    let (name, now) = ("default".to_owned(), node.services.clock.now());
    ask(node, WorkspaceCommandBody::Create { name }).await?;
    if let Some(Secret(key)) = admin {
        let hash = id::sha256_hex(key.as_bytes());
        let key = ApiKey::admin("admin", &hash, now);
        match ask(node, create_key(key, now)).await {
            Ok(_) => {}
            // a node with too many keys starts, so that somebody can revoke some
            Err(error) => tracing::warn!(%error, "SWITCHBOARD_ADMIN_KEY is not taken"),
        }
        let settings = live.settings();
        let opens = |key: &ApiKey| {
            let mut secrets = key.secrets.iter().filter(|secret| secret.hash == hash);
            let is_admin = key.grant.scopes.contains(&Scope::Admin);
            is_admin && key.is_live(now) && secrets.any(|secret| secret.is_live(now))
        };
        if !settings.key(&hash).is_some_and(|(_, key)| opens(key)) {
            tracing::warn!("SWITCHBOARD_ADMIN_KEY does not open everything: it was rotated, changed or not taken");
        }
        return Ok(FirstKey::FromEnvironment);
    }
    let settings = live.settings();
    let workspace = settings.workspace(id::first_workspace());
    if workspace.is_some_and(|workspace| !workspace.keys.is_empty()) {
        return Ok(FirstKey::Kept);
    }
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    let key_id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    let issued = issue(key_id)?;
    let key = ApiKey {
        id: key_id,
        ..ApiKey::admin("first", &issued.hash, now)
    };
    ask(node, create_key(key, now)).await?;
    Ok(FirstKey::New(issued.text))
}

/// The operator who gives a key, or is given it, uses it.
fn create_key(key: ApiKey, now: Millis) -> WorkspaceCommandBody {
    let last_used_at = Some(now);
    WorkspaceCommandBody::Key(KeyCommand::Create(Box::new(ApiKey { last_used_at, ..key })))
}
