//! The actor: the only one on this node that writes its aggregate.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;
use uuid::Uuid;

use super::batch::{LOOKUPS_MAX, Plan, Verdict, by_which};
use super::inbox::{Inbox, Waiting};
use super::{Answer, CommandError, Served};
use crate::clock::Clock;
use crate::domain::aggregate::{Command, Found, Lookup};
use crate::domain::{DedupeKey, Receipt, Rejection, id};
use crate::store::{Commit, KeyHit, Outcome, Snapshot, Store, StoreError};

/// How long a commit in doubt is tried again, in milliseconds.
const RESOLVE_FOR_MS: u64 = 10_000;
/// How long a store that is away is waited for: a restart goes by without anybody noticing.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first and the longest pause between tries, in milliseconds.
const PAUSE_MS: (u64, u64) = (20, 500);
/// How often a batch is decided again because another node was first.
const CONFLICTS_MAX: usize = 64;
/// The most commands of one commit.
const BATCH_MAX: usize = 256;

/// The rules that an aggregate does not hold itself, as they are now.
pub trait Rules<A: Served>: Send + Sync + Debug + 'static {
    /// The policy for decisions on this state; `first` is the first command, which may be the one that begins it.
    fn policy(&self, state: &A, first: Option<&A::Command>) -> Arc<A::Policy>;
}

/// There are commands in the inbox.
#[derive(Clone, Copy, Debug)]
pub struct Wake;

/// What an actor is started with.
#[derive(Debug)]
pub struct WriterArguments<A: Served, T> {
    /// The aggregate.
    pub id: Uuid,
    /// Where its commands wait.
    pub inbox: Arc<Inbox<Waiting<A, T>>>,
    /// The durable truth.
    pub store: Arc<dyn Store>,
    /// The rules in force.
    pub rules: Arc<dyn Rules<A>>,
    /// The time.
    pub clock: Clock,
    /// The version that is in memory, for others to see.
    pub version: Arc<AtomicU64>,
}

/// The actor of one aggregate.
#[derive(Debug)]
pub struct Writer<A, T>(PhantomData<fn() -> (A, T)>);

impl<A, T> Default for Writer<A, T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What the actor knows.
#[derive(Debug)]
pub struct WriterState<A: Served, T> {
    arguments: WriterArguments<A, T>,
    /// As last committed; none until the first command.
    state: Option<Arc<A>>,
}

/// An outcome that stays unknown ends the actor: the next one loads what the store holds.
#[derive(Debug, thiserror::Error)]
#[error("the outcome of a commit is not known")]
struct InDoubt;

impl<A: Served, T: Send + Sync + 'static> Actor for Writer<A, T> {
    type Msg = Wake;
    type State = WriterState<A, T>;
    type Arguments = WriterArguments<A, T>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Wake>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(WriterState { arguments, state: None })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Wake>,
        _message: Wake,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        while let Some(batch) = state.arguments.inbox.take(BATCH_MAX) {
            // boxed, so that the resident task of an idle actor stays small
            if Box::pin(state.process(batch)).await.is_err() {
                return Err(InDoubt.into());
            }
            let version = state.state.as_ref().map_or(0, |state| state.version());
            state.arguments.version.store(version, Ordering::Release);
        }
        Ok(())
    }
}

type Batch<A, T> = Vec<Waiting<A, T>>;

/// Whether an answer is that of an earlier command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    No,
    /// By a key; one that a client chose asks for the same body.
    By {
        same_body: bool,
    },
}

fn answer_all<A: Served, T>(batch: Batch<A, T>, error: &CommandError) {
    for waiting in batch {
        // who no longer listens has gone away; the answer is lost with them
        let _ = waiting.reply.send(Err(error.clone()));
    }
}

impl<A: Served, T: Send + Sync + 'static> WriterState<A, T> {
    fn partition(&self) -> u16 {
        id::partition(self.arguments.id, self.arguments.store.partitions())
    }

    fn restore(&self, snapshot: Option<Snapshot>) -> Result<Arc<A>, StoreError> {
        let Some(snapshot) = snapshot else {
            return Ok(Arc::new(A::blank(self.arguments.id)));
        };
        serde_json::from_str(&snapshot.json)
            .map(Arc::new)
            .map_err(|error| StoreError::Corrupt(format!("a snapshot: {error}")))
    }

    async fn load(&mut self) -> Result<Arc<A>, StoreError> {
        let snapshot = self.arguments.store.load(self.arguments.id).await?;
        let state = self.restore(snapshot)?;
        self.state = Some(Arc::clone(&state));
        Ok(state)
    }

    async fn current(&mut self) -> Result<Arc<A>, StoreError> {
        match &self.state {
            Some(state) => Ok(Arc::clone(state)),
            None => self.load().await,
        }
    }

    /// Answers every command of a batch, or ends in doubt.
    async fn process(&mut self, mut batch: Batch<A, T>) -> Result<(), InDoubt> {
        let begun = Instant::now();
        let mut proven = false;
        let mut looked_up = HashSet::new();
        let mut tries = 0;
        while tries < CONFLICTS_MAX {
            tries = tries.saturating_add(1);
            if batch.is_empty() {
                return Ok(());
            }
            let state = match self.prepare(&mut batch).await {
                Ok(state) => state,
                Err(StoreError::Unavailable(_)) if begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(PAUSE_MS.1)).await;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot load an aggregate");
                    answer_all(batch, &CommandError::Unavailable);
                    return Ok(());
                }
            };
            let plan = self.plan(&state, &batch);
            if plan.rests_on_memory() && !proven && self.arguments.store.is_shared() {
                // another node may have written since: a refusal must not rest on an old state
                self.state = None;
                proven = true;
                continue;
            }
            match self.find_repeats(&batch, &plan.verdicts, &mut looked_up).await {
                Ok(hits) if hits.is_empty() => {}
                Ok(hits) => {
                    batch = self.repeat(batch, &hits, &state);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot look up a key");
                    answer_all(batch, &CommandError::Unavailable);
                    return Ok(());
                }
            }
            if !plan.has_events() {
                batch = self.answer(batch, plan.verdicts, &state, 0);
                continue;
            }
            let Some((rest, committed)) = self.commit(plan, batch, &state).await? else {
                return Ok(());
            };
            batch = rest;
            if committed {
                proven = true;
                tries = 0;
            }
        }
        answer_all(batch, &CommandError::Unavailable);
        Ok(())
    }

    /// Commits a plan and answers what was decided; what is left, and whether the commit took place. None: all was
    /// answered with a failure.
    async fn commit(
        &mut self,
        plan: Plan<A>,
        batch: Batch<A, T>,
        state: &Arc<A>,
    ) -> Result<Option<(Batch<A, T>, bool)>, InDoubt> {
        let (commit, next, verdicts) = plan.into_commit(state.version());
        match settle(&*self.arguments.store, &commit).await {
            Outcome::Committed { position } => {
                let next = Arc::new(next);
                self.state = Some(Arc::clone(&next));
                return Ok(Some((self.answer(batch, verdicts, &next, position), true)));
            }
            Outcome::Duplicate { hits } => {
                let before = batch.len();
                let rest = self.repeat(batch, &hits, state);
                if rest.len() == before {
                    // a key that no command brought: what was looked up is not what the store holds
                    self.state = None;
                }
                return Ok(Some((rest, false)));
            }
            Outcome::Conflict { fresh } => self.state = self.restore(fresh).ok(),
            Outcome::Regressed => self.state = None,
            Outcome::Aborted { reason } => {
                tracing::warn!(reason, "a commit was refused by the store");
                answer_all(batch, &CommandError::Unavailable);
                return Ok(None);
            }
            Outcome::Uncertain { reason } => {
                tracing::error!(reason, "the outcome of a commit stays unknown");
                answer_all(batch, &CommandError::Uncertain);
                return Err(InDoubt);
            }
        }
        Ok(Some((batch, false)))
    }

    /// The keys of commands that no commit will check: a repeat of what was done may be refused now, or have nothing to
    /// change, and gets its first receipt all the same.
    async fn find_repeats(
        &self,
        batch: &Batch<A, T>,
        verdicts: &[Verdict],
        looked_up: &mut HashSet<Uuid>,
    ) -> Result<Vec<KeyHit>, StoreError> {
        let mut hits = Vec::new();
        for (waiting, verdict) in batch.iter().zip(verdicts) {
            let unchecked = matches!(verdict, Verdict::Refused(_) | Verdict::Accepted(_, None));
            if !unchecked || !looked_up.insert(waiting.command.id()) {
                continue;
            }
            for key in waiting.command.keys() {
                hits.extend(self.arguments.store.find_key(self.arguments.id, key.as_str()).await?);
            }
        }
        Ok(hits)
    }

    fn plan(&self, state: &A, batch: &Batch<A, T>) -> Plan<A> {
        let commands = batch.iter().map(|waiting| &waiting.command);
        let begins = commands.clone().find(|command| command.may_begin());
        let policy = self.arguments.rules.policy(state, begins.or(commands.clone().next()));
        Plan::new(state, commands, &policy, self.arguments.clock.now())
    }

    /// Loads the state and what single commands need to be decided.
    async fn prepare(&mut self, batch: &mut Batch<A, T>) -> Result<Arc<A>, StoreError> {
        let state = self.current().await?;
        let mut read = HashSet::new();
        for waiting in batch {
            if let Some(found) = waiting.command.found_mut() {
                *found = Found::default();
            }
            for round in 0..LOOKUPS_MAX {
                let Some(lookup) = state.lookup(&waiting.command, round) else {
                    break;
                };
                // whoever asks for an event that a command before it is about waits for what that one makes of it
                if let Lookup::Events(seqs) = &lookup
                    && seqs.iter().any(|seq| !read.insert(*seq))
                {
                    break;
                }
                self.look_up(&lookup, waiting.command.found_mut()).await?;
            }
        }
        Ok(state)
    }

    async fn look_up(&self, lookup: &Lookup, found: Option<&mut Found>) -> Result<(), StoreError> {
        let (store, id) = (&self.arguments.store, self.arguments.id);
        let Some(found) = found else { return Ok(()) };
        match lookup {
            Lookup::Keys(keys) => {
                for key in keys {
                    let hit = store.find_key(id, key.as_str()).await?;
                    let receipt = hit.map(|hit| receipt(&hit));
                    found.receipts.insert(key.as_str().to_owned(), receipt);
                }
            }
            Lookup::Events(seqs) => {
                for seq in seqs {
                    let records = store.history(id, seq.saturating_sub(1), 1).await?;
                    let event = records.into_iter().next().map(|record| record.event);
                    found.events.insert(*seq, event);
                }
            }
        }
        Ok(())
    }

    /// Answers what was decided; gives back what has to wait for another commit.
    fn answer(&self, batch: Batch<A, T>, verdicts: Vec<Verdict>, state: &Arc<A>, position: u64) -> Batch<A, T> {
        let mut later = Vec::new();
        let mut answered: HashMap<usize, (Receipt, u64)> = HashMap::new();
        for (number, (waiting, verdict)) in batch.into_iter().zip(verdicts).enumerate() {
            let (receipt, at, repeat) = match verdict {
                Verdict::Later => {
                    later.push(waiting);
                    continue;
                }
                Verdict::Refused(rejection) | Verdict::Foreign(rejection) => {
                    let _ = waiting.reply.send(Err(rejection.into()));
                    continue;
                }
                Verdict::Accepted(receipt, offset) => {
                    let at = offset.map_or(0, |offset| position.saturating_add(offset));
                    if !waiting.command.keys().is_empty() {
                        answered.insert(number, (receipt.clone(), at));
                    }
                    (receipt, at, Repeat::No)
                }
                Verdict::RepeatOf(first, same_body) => match answered.get(&first) {
                    Some((receipt, at)) => (receipt.clone(), *at, Repeat::By { same_body }),
                    None => continue,
                },
            };
            self.reply(waiting, receipt, (at, repeat), state);
        }
        later
    }

    /// Answers repeats with the first receipt; gives back the others.
    fn repeat(&self, batch: Batch<A, T>, hits: &[KeyHit], state: &Arc<A>) -> Batch<A, T> {
        let mut others = Vec::new();
        for waiting in batch {
            let hit_of = |key: &DedupeKey| hits.iter().find(|hit| hit.key == key.as_str());
            let ours = state.admit(&waiting.command).is_ok();
            let key = by_which(waiting.command.keys(), |key| ours && hit_of(key).is_some());
            match key.and_then(|key| Some((hit_of(key)?, key.is_idempotency()))) {
                Some((hit, same_body)) => {
                    let repeat = Repeat::By { same_body };
                    self.reply(waiting, receipt(hit), (hit.position, repeat), state);
                }
                None => others.push(waiting),
            }
        }
        others
    }

    fn reply(&self, waiting: Waiting<A, T>, receipt: Receipt, (position, repeat): (u64, Repeat), state: &Arc<A>) {
        let other_body = match (waiting.command.body_hash(), &receipt.body_hash) {
            (Some(given), Some(known)) => given != known,
            _ => false,
        };
        let answer = if other_body && repeat == (Repeat::By { same_body: true }) {
            Err(Rejection::IdempotencyMismatch.into())
        } else {
            Ok(Answer {
                receipt,
                repeat: repeat != Repeat::No,
                partition: self.partition(),
                position,
                state: Arc::clone(state),
            })
        };
        let _ = waiting.reply.send(answer);
    }
}

fn receipt(hit: &KeyHit) -> Receipt {
    serde_json::from_str(&hit.receipt).unwrap_or_default()
}

/// Commits; a store that is away is waited for, and a doubt is settled by trying the very same commit again.
pub async fn settle(store: &dyn Store, commit: &Arc<Commit>) -> Outcome {
    let begun = Instant::now();
    let mut pause = PAUSE_MS.0;
    let mut in_doubt = false;
    loop {
        let outcome = store.commit(Arc::clone(commit)).await;
        let reason = match outcome {
            Outcome::Uncertain { reason } => {
                in_doubt = true;
                reason
            }
            // it did not happen now, but while in doubt an earlier try may have
            Outcome::Aborted { reason } => reason,
            Outcome::Conflict { .. } | Outcome::Duplicate { .. } if in_doubt => match ours(store, commit).await {
                Ok(Some(position)) => return Outcome::Committed { position },
                Ok(None) => return outcome,
                Err(error) => error.to_string(),
            },
            Outcome::Committed { .. } | Outcome::Duplicate { .. } | Outcome::Conflict { .. } | Outcome::Regressed => {
                return outcome;
            }
        };
        if in_doubt && begun.elapsed() >= Duration::from_millis(RESOLVE_FOR_MS) {
            return Outcome::Uncertain { reason };
        }
        if !in_doubt && begun.elapsed() >= PATIENCE {
            return Outcome::Aborted { reason };
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        pause = pause.saturating_mul(2).min(PAUSE_MS.1);
    }
}

/// The position of this commit's first event, if the store holds it.
async fn ours(store: &dyn Store, commit: &Commit) -> Result<Option<u64>, StoreError> {
    let Some(first) = commit.events.first() else {
        return Ok(None);
    };
    let before = first.seq.saturating_sub(1);
    let records = store.history(commit.aggregate_id, before, 1).await?;
    Ok(records
        .first()
        .filter(|record| record.event.cause == first.cause)
        .map(|record| record.position))
}
