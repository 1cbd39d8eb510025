//! Rules that cross chats: what time does, and who is given what nobody has. And what requests leave behind: when a key
//! was used.
//!
//! Every node runs them. None is in charge: what each does is a command to an aggregate that takes it once, whoever
//! sends it first.

mod assigner;
mod key_use;
mod others;
mod timers;

pub use self::key_use::{KeyUses, ToldUses, key_uses};

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::{Actor, ActorKind, Rejection};
use crate::live::Live;
use crate::router::{Router, RouterError};
use crate::store::Store;
use std::sync::Arc;
use uuid::Uuid;

/// What the processes work with.
#[derive(Clone, Debug)]
pub struct Processes {
    /// For commands.
    pub router: Router,
    /// For what happened, and the view.
    pub live: Live,
    /// For timers and desks.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
}

impl Processes {
    /// Runs until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let assigner = assigner::Assigner::new(self.clone());
        tokio::join!(timers::run(self, &stop), assigner.run(&stop), others::run(self, &stop));
    }
}

/// A rule of ours, as whoever did something.
pub(crate) fn rule(name: &str) -> Actor {
    Actor::new(ActorKind::Rule, name)
}

/// A new id, by chance; nil where the system gives no random numbers, which takes away nothing but the trace.
pub(crate) fn new_id() -> Uuid {
    let mut bytes = [0_u8; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => uuid::Builder::from_random_bytes(bytes).into_uuid(),
        Err(_) => Uuid::nil(),
    }
}

/// The refusal, if an answer is one.
fn refusal<T>(answer: &Result<T, RouterError>) -> Option<&Rejection> {
    match answer {
        Err(RouterError::Command(crate::actor::CommandError::Rejected(rejection))) => Some(rejection),
        _ => None,
    }
}

/// Waits, or learns that it is over.
async fn pause(stop: &CancellationToken, for_ms: u64) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(Duration::from_millis(for_ms)) => true,
    }
}
