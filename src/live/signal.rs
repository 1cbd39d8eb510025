//! Tells a subscription that something came which may matter to it.

use std::sync::Arc;

use super::Live;
use super::hub::{Came, Interest, Slot};

/// Filed with the hub until it is dropped.
#[derive(Debug)]
pub struct Signal {
    live: Live,
    slot: Arc<Slot>,
}

impl Signal {
    pub(super) fn new(live: Live, interest: Arc<Interest>) -> Self {
        let slot = live.shared.hub.join(interest);
        Self { live, slot }
    }

    /// Whether something came since the last time.
    #[must_use]
    pub fn take(&self) -> bool {
        !matches!(self.slot.take(), Came::Nothing)
    }

    /// Waits until something came, or came before and was not taken; may be dropped without loss.
    pub async fn news(&self) {
        self.slot.news().await;
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.live.shared.hub.leave(&self.slot);
    }
}
