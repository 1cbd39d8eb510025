//! Remembers when keys were used last, off the way of the requests that use them.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{new_id, rule};
use crate::domain::{ApiKey, KeyCommand, Millis, WorkspaceCommand, WorkspaceCommandBody};
use crate::live::Live;
use crate::router::Router;

/// Uses that wait to be remembered; what comes when they are as many is left to the key's next use.
const WAITING_MAX: usize = 1_024;
/// How long this node takes to hear of what it remembered, at most, in milliseconds.
const HEAR_MS: u64 = 2_000;

/// That a key was used.
#[derive(Clone, Copy, Debug)]
struct Use {
    workspace_id: Uuid,
    key_id: Uuid,
    at: Millis,
}

/// Where uses are told. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyUses(mpsc::Sender<Use>);

/// What was told.
#[derive(Debug)]
pub struct ToldUses(mpsc::Receiver<Use>);

/// Both ends.
#[must_use]
pub fn key_uses() -> (KeyUses, ToldUses) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (KeyUses(sender), ToldUses(receiver))
}

impl KeyUses {
    /// Tells that a key was used, where that is news. Never waits.
    pub fn tell(&self, workspace_id: Uuid, key: &ApiKey, at: Millis) {
        if key.is_news(at) {
            let key_id = key.id;
            let _ = self.0.try_send(Use {
                workspace_id,
                key_id,
                at,
            });
        }
    }
}

impl ToldUses {
    /// Remembers what is told, until `stop`.
    pub async fn run(mut self, router: Router, live: Live, stop: CancellationToken) {
        loop {
            let told = tokio::select! {
                () = stop.cancelled() => return,
                told = self.0.recv() => told,
            };
            let Some(told) = told else { return };
            // many tell of it before the first of them is remembered
            let is_news = live
                .settings()
                .key_by_id(told.key_id)
                .is_some_and(|(_, key)| key.is_news(told.at));
            if is_news {
                remember(&router, &live, told).await;
            }
        }
    }
}

async fn remember(router: &Router, live: &Live, told: Use) {
    let (id, at) = (told.key_id, told.at);
    let command = WorkspaceCommand {
        id: new_id(),
        workspace_id: told.workspace_id,
        actor: rule("key use"),
        keys: Vec::new(),
        body_hash: None,
        body: WorkspaceCommandBody::Key(KeyCommand::Use { id, at }),
    };
    match router.workspace(command).await {
        Ok(answer) => {
            let wait = Duration::from_millis(HEAR_MS);
            live.wait_for(answer.partition, answer.position, wait).await;
        }
        // its next use tells it again
        Err(error) => tracing::debug!(%error, "the use of a key is not remembered"),
    }
}
