//! A store whose answers get lost: before the write, after it, or both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use switchboard::store::{
    Commit, Followed, Heads, KeyHit, Listing, Outcome, Record, Snapshot, Store, StoreError, Timer,
};
use uuid::Uuid;

#[derive(Debug)]
pub struct Faulty {
    store: Arc<dyn Store>,
    calls: AtomicU64,
    pub lost_before: AtomicU64,
    pub lost_after: AtomicU64,
}

impl Faulty {
    pub fn over(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            calls: AtomicU64::new(0),
            lost_before: AtomicU64::new(0),
            lost_after: AtomicU64::new(0),
        })
    }
}

fn lost() -> Outcome {
    Outcome::Uncertain {
        reason: "a test lost the answer".into(),
    }
}

#[async_trait]
impl Store for Faulty {
    fn partitions(&self) -> u16 {
        self.store.partitions()
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    async fn load(&self, id: Uuid) -> Result<Option<Snapshot>, StoreError> {
        self.store.load(id).await
    }

    /// Every third call is lost before the write, every third after it.
    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        match self.calls.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => {
                self.lost_before.fetch_add(1, Ordering::Relaxed);
                lost()
            }
            1 => {
                let outcome = self.store.commit(commit).await;
                if matches!(outcome, Outcome::Committed { .. }) {
                    self.lost_after.fetch_add(1, Ordering::Relaxed);
                }
                lost()
            }
            _ => self.store.commit(commit).await,
        }
    }

    async fn find_key(&self, id: Uuid, key: &str) -> Result<Option<KeyHit>, StoreError> {
        self.store.find_key(id, key).await
    }

    async fn history(&self, id: Uuid, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.store.history(id, after_seq, limit).await
    }

    async fn list(&self, partition: u16, since: u64, token: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        self.store.list(partition, since, token, limit).await
    }

    async fn timers(&self, partition: u16, until: u64, limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.store.timers(partition, until, limit).await
    }

    async fn heads(&self) -> Result<Heads, StoreError> {
        self.store.heads().await
    }

    async fn follow(&self, after: &Heads, limit: usize) -> Result<Followed, StoreError> {
        self.store.follow(after, limit).await
    }

    async fn memo(&self, id: Uuid) -> Result<Option<Snapshot>, StoreError> {
        self.store.memo(id).await
    }

    async fn set_memo(&self, id: Uuid, version: u64, text: String) -> Result<bool, StoreError> {
        self.store.set_memo(id, version, text).await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
