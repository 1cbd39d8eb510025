//! The one place where the time of day comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

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

/// As a date and time; none past the year 9999.
#[must_use]
pub fn timestamp(at: Millis) -> Option<Timestamp> {
    let at = i64::try_from(at).ok()?;
    Timestamp::from_millisecond(at).ok()
}

/// RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn format_millis(at: Millis) -> String {
    timestamp(at).map_or_else(String::new, |instant| format!("{instant:.3}"))
}
