//! The one place where the time of day comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Millis;

/// Gives the time; clones share it. A test may set it ahead.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicU64>,
}

impl Clock {
    /// Milliseconds since the Unix epoch.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Millis {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// Sets the time ahead by so many milliseconds more.
    pub fn advance(&self, by_ms: Millis) {
        self.ahead_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}
