//! A store whose log stands still for those who follow it, while everything else goes on.

use std::sync::Arc;

use async_trait::async_trait;
use switchboard::store::{
    Commit, Followed, Heads, KeyHit, Listing, Outcome, Record, Snapshot, Store, StoreError, Timer,
};
use tokio::sync::watch;
use uuid::Uuid;

#[derive(Debug)]
pub struct Stalled {
    store: Arc<dyn Store>,
    flows: watch::Sender<bool>,
}

impl Stalled {
    pub fn over(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            flows: watch::channel(true).0,
        })
    }

    pub fn stall(&self) {
        self.flows.send_replace(false);
    }

    pub fn release(&self) {
        self.flows.send_replace(true);
    }

    async fn flows(&self) {
        let mut flows = self.flows.subscribe();
        flows.wait_for(|flows| *flows).await.unwrap();
    }
}

#[async_trait]
impl Store for Stalled {
    fn partitions(&self) -> u16 {
        self.store.partitions()
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    async fn load(&self, id: Uuid) -> Result<Option<Snapshot>, StoreError> {
        self.store.load(id).await
    }

    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        self.store.commit(commit).await
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
        self.flows().await;
        let followed = self.store.follow(after, limit).await;
        // it may have stopped while this was read
        self.flows().await;
        followed
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
