//! From an id to the actor that serves it; starts actors, lets idle ones go, and clears away failed ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::{DashMap, Entry};
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::admission::Permit;
use super::{RouterError, RouterOptions};
use crate::actor::{Answer, CommandError, Inbox, Pushed, Reply, Rules, Served, Waiting, Wake, Writer, WriterArguments};
use crate::clock::Clock;
use crate::domain::Millis;
use crate::store::Store;

/// When a chat's queue is full, when to try again, in milliseconds.
const RETRY_AFTER_MS: u64 = 250;

type Queue<A> = Inbox<Waiting<A, Permit>>;
pub(super) type Answered<A> = oneshot::Receiver<Result<Answer<A>, CommandError>>;

#[derive(Debug)]
struct Resident<A: Served> {
    actor: ActorRef<Wake>,
    inbox: Arc<Queue<A>>,
    used_at: AtomicU64,
    version: Arc<AtomicU64>,
}

type Residents<A> = DashMap<Uuid, Arc<Resident<A>>>;

/// All actors of one kind on this node.
#[derive(Debug)]
pub(super) struct Directory<A: Served> {
    residents: Arc<Residents<A>>,
    supervisor: ActorRef<Never>,
    store: Arc<dyn Store>,
    rules: Arc<dyn Rules<A>>,
    clock: Clock,
    /// Who is looked at next when room is needed, with the last use that was seen.
    round: Mutex<VecDeque<(Uuid, Millis)>>,
    waiting_max: usize,
    residents_max: usize,
    idle_after_ms: Millis,
}

/// The supervisor is told of its actors, never spoken to.
#[derive(Debug)]
pub(super) enum Never {}

/// Clears away actors that failed: who waits in their queue is told so, and the next command starts a new one.
struct Supervisor<A: Served>(Arc<Residents<A>>);

impl<A: Served> Actor for Supervisor<A> {
    type Msg = Never;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _myself: ActorRef<Never>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Never>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let SupervisionEvent::ActorFailed(cell, error) = event else {
            return Ok(());
        };
        tracing::error!(%error, "an actor failed");
        let failed = |resident: &Arc<Resident<A>>| resident.actor.get_id() == cell.get_id();
        let found = self
            .0
            .iter()
            .find(|resident| failed(resident.value()))
            .map(|resident| *resident.key());
        let Some(id) = found else { return Ok(()) };
        if let Some((_, resident)) = self.0.remove_if(&id, |_, resident| failed(resident)) {
            for waiting in resident.inbox.close() {
                // it never left the queue
                let _ = waiting.reply.send(Err(CommandError::Unavailable));
            }
        }
        Ok(())
    }
}

impl<A: Served> Directory<A> {
    pub(super) async fn start(
        (store, clock): (Arc<dyn Store>, Clock),
        rules: Arc<dyn Rules<A>>,
        options: &RouterOptions,
    ) -> Result<Self, SpawnErr> {
        let residents: Arc<Residents<A>> = Arc::default();
        let (supervisor, _) = Supervisor::spawn(None, Supervisor(Arc::clone(&residents)), ()).await?;
        Ok(Self {
            residents,
            supervisor,
            store,
            rules,
            clock,
            round: Mutex::default(),
            waiting_max: options.waiting_per_chat_max,
            residents_max: options.resident_chats_max,
            idle_after_ms: options.idle_after_ms,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.residents.len()
    }

    /// Puts a command into its actor's queue. Nothing here waits, so a caller that goes away leaves nothing half done.
    pub(super) fn submit(&self, id: Uuid, command: A::Command, permit: Permit) -> Result<Answered<A>, RouterError> {
        let (reply, answer) = oneshot::channel();
        let reply: Reply<A> = reply;
        let mut waiting = Waiting { command, reply, permit };
        loop {
            let resident = self.resident(id)?;
            match resident.inbox.push(waiting) {
                Pushed::Waits => return Ok(answer),
                Pushed::Wake => {
                    // an actor that just failed is cleared away by the supervisor, who answers for its queue
                    let _ = resident.actor.send_message(Wake);
                    return Ok(answer);
                }
                Pushed::Full(_) => {
                    return Err(RouterError::Overloaded {
                        retry_after_ms: RETRY_AFTER_MS,
                    });
                }
                Pushed::Closed(back) => {
                    waiting = back;
                    self.forget(id, &resident);
                }
            }
        }
    }

    fn forget(&self, id: Uuid, gone: &Arc<Resident<A>>) {
        self.residents.remove_if(&id, |_, resident| Arc::ptr_eq(resident, gone));
    }

    fn resident(&self, id: Uuid) -> Result<Arc<Resident<A>>, RouterError> {
        let now = self.clock.now();
        if let Some(resident) = self.residents.get(&id) {
            resident.used_at.store(now, Ordering::Relaxed);
            return Ok(Arc::clone(&resident));
        }
        while self.residents.len() >= self.residents_max {
            if !self.passivate_one() {
                break;
            }
        }
        let resident = match self.residents.entry(id) {
            Entry::Occupied(found) => return Ok(Arc::clone(found.get())),
            Entry::Vacant(place) => Arc::clone(&place.insert(Arc::new(self.spawn(id, now)?))),
        };
        self.enter(id, now);
        Ok(resident)
    }

    fn spawn(&self, id: Uuid, now: Millis) -> Result<Resident<A>, RouterError> {
        let inbox = Arc::new(Inbox::new(self.waiting_max));
        let version = Arc::default();
        let arguments = WriterArguments {
            id,
            inbox: Arc::clone(&inbox),
            store: Arc::clone(&self.store),
            rules: Arc::clone(&self.rules),
            clock: self.clock.clone(),
            version: Arc::clone(&version),
        };
        let cell = self.supervisor.get_cell();
        let (actor, _) = ractor::ActorRuntime::spawn_linked_instant(None, Writer::default(), arguments, cell)
            .map_err(|_| RouterError::Closing)?;
        Ok(Resident {
            actor,
            inbox,
            used_at: AtomicU64::new(now),
            version,
        })
    }

    /// Lets go what another writer has taken further, so that the next command finds what is there now. Who is at work finds
    /// out by itself.
    pub(super) fn passivate_older(&self, id: Uuid, version: u64) {
        let found = self.residents.get(&id).map(|found| Arc::clone(&found));
        if let Some(resident) = found
            && resident.version.load(Ordering::Acquire) < version
        {
            self.passivate(id, &resident);
        }
    }

    fn passivate(&self, id: Uuid, resident: &Arc<Resident<A>>) -> bool {
        if !resident.inbox.close_if_idle() {
            return false;
        }
        self.forget(id, resident);
        // nothing waits and nothing more can come: the actor ends after what it has in hand
        let _ = resident.actor.drain();
        true
    }

    /// Lets go a chat that was not used since it was last looked at (the clock algorithm). False: all are at work.
    fn passivate_one(&self) -> bool {
        let mut turns = self.residents.len().saturating_mul(2);
        while turns > 0 {
            turns = turns.saturating_sub(1);
            let Some((id, looked_at)) = self.round.lock().pop_front() else {
                return false;
            };
            let Some(resident) = self.residents.get(&id).map(|found| Arc::clone(&found)) else {
                continue;
            };
            let used_at = resident.used_at.load(Ordering::Relaxed);
            if used_at == looked_at && self.passivate(id, &resident) {
                return true;
            }
            self.round.lock().push_back((id, used_at));
        }
        false
    }

    /// Enters a new chat into the round; forgets those that left by another way, so that it stays bounded.
    fn enter(&self, id: Uuid, now: Millis) {
        let mut round = self.round.lock();
        if round.len() > self.residents_max.saturating_mul(2) {
            round.retain(|(id, _)| self.residents.contains_key(id));
        }
        round.push_back((id, now));
    }

    /// Lets go what was not used for long, and what a burst brought in over the bound.
    pub(super) fn passivate_idle(&self) {
        while self.residents.len() > self.residents_max && self.passivate_one() {}
        let before = self.clock.now().saturating_sub(self.idle_after_ms);
        let idle: Vec<(Uuid, Arc<Resident<A>>)> = self
            .residents
            .iter()
            .filter(|resident| resident.used_at.load(Ordering::Relaxed) < before)
            .map(|resident| (*resident.key(), Arc::clone(resident.value())))
            .collect();
        for (id, resident) in idle {
            self.passivate(id, &resident);
        }
    }

    /// Lets every actor finish and go.
    pub(super) async fn close(&self) {
        let all: Vec<Arc<Resident<A>>> = self
            .residents
            .iter()
            .map(|resident| Arc::clone(resident.value()))
            .collect();
        for resident in &all {
            let _ = resident.actor.drain();
        }
        for resident in all {
            let _ = resident.actor.wait(None).await;
        }
        self.supervisor.stop(None);
    }
}
