//! The bound on what waits on this node, shared fairly between channels.
//!
//! A channel may wait with as many commands as there is room left (the dynamic threshold of Choudhury and Hahne): one
//! busy channel alone gets half of the node, and with n busy ones each gets one part of n + 1; a quiet channel always
//! finds room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dashmap::DashMap;
use tokio::sync::Notify;
use uuid::Uuid;

use super::RouterError;

/// When to try again after a refusal, in milliseconds.
const RETRY_AFTER_MS: u64 = 1_000;

/// The node's bound.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionOptions {
    /// Commands waiting on this node.
    pub waiting_max: usize,
}

/// Counts what waits.
#[derive(Clone, Debug)]
pub struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: AdmissionOptions,
    waiting: AtomicUsize,
    of_channel: DashMap<Uuid, usize>,
    closed: AtomicBool,
    emptied: Notify,
}

/// A command's place; dropped when the command is answered.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    channel_id: Uuid,
}

impl Admission {
    /// Nothing waits yet.
    #[must_use]
    pub fn new(options: AdmissionOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                waiting: AtomicUsize::new(0),
                of_channel: DashMap::new(),
                closed: AtomicBool::new(false),
                emptied: Notify::new(),
            }),
        }
    }

    /// A place for one command of a channel.
    ///
    /// # Errors
    /// [`RouterError::Overloaded`] when the node or the channel's share is full, [`RouterError::Closing`] after `close`.
    pub fn admit(&self, channel_id: Uuid) -> Result<Permit, RouterError> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(RouterError::Closing);
        }
        let waiting = self.shared.waiting.load(Ordering::Relaxed);
        let room = self.shared.options.waiting_max.saturating_sub(waiting);
        let mut of_channel = self.shared.of_channel.entry(channel_id).or_insert(0);
        if *of_channel >= room {
            let nobody = *of_channel == 0;
            drop(of_channel);
            if nobody {
                self.shared.of_channel.remove_if(&channel_id, |_, count| *count == 0);
            }
            return Err(RouterError::Overloaded {
                retry_after_ms: RETRY_AFTER_MS,
            });
        }
        *of_channel = of_channel.saturating_add(1);
        drop(of_channel);
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(Permit {
            shared: Arc::clone(&self.shared),
            channel_id,
        })
    }

    /// Admits nothing more.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.emptied.notify_waiters();
    }

    /// Waits until nothing waits.
    pub async fn empty(&self) {
        loop {
            let emptied = self.shared.emptied.notified();
            if self.shared.waiting.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(mut count) = self.shared.of_channel.get_mut(&self.channel_id) {
            *count = count.saturating_sub(1);
        }
        self.shared
            .of_channel
            .remove_if(&self.channel_id, |_, count| *count == 0);
        if self.shared.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_busy_channel_leaves_room_for_others() {
        let admission = Admission::new(AdmissionOptions { waiting_max: 100 });
        let busy = Uuid::from_u128(1);
        let permits: Vec<Permit> = std::iter::from_fn(|| admission.admit(busy).ok()).collect();
        assert_eq!(permits.len(), 50);
        let quiet = admission.admit(Uuid::from_u128(2));
        assert!(quiet.is_ok());
        drop(permits);
        drop(quiet);
        assert!(admission.shared.of_channel.is_empty());
        assert_eq!(admission.shared.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn after_close_nothing_is_admitted() {
        let admission = Admission::new(AdmissionOptions { waiting_max: 1 });
        admission.close();
        assert_eq!(admission.admit(Uuid::nil()).unwrap_err(), RouterError::Closing);
    }
}
