//! What is counted and timed during a run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest time that is told apart from longer ones, in microseconds: two hours.
const LONGEST_US: u64 = 7_200_000_000;
/// Significant digits of a time.
const DIGITS: u8 = 3;
/// How many kinds of errors are told apart; a server that makes up codes cannot fill the memory.
const CLASSES_MAX: usize = 64;

/// What a lock guards; a panic elsewhere does not make a count wrong.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number for arithmetic with fractions.
pub(super) fn float(number: u64) -> f64 {
    Duration::from_secs(number).as_secs_f64()
}

/// A count that only rises.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long things took.
#[derive(Debug)]
pub(super) struct Times(Mutex<Histogram<u64>>);

impl Times {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(Mutex::new(Histogram::new_with_bounds(1, LONGEST_US, DIGITS)?)))
    }

    pub(super) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US);
        locked(&self.0).saturating_record(micros);
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        let times = locked(&self.0);
        let at = |quantile| millis(times.value_at_quantile(quantile));
        Percentiles {
            count: times.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: millis(times.max()),
        }
    }
}

fn millis(micros: u64) -> f64 {
    float(micros) / 1_000.0
}

/// How long things took, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Percentiles {
    pub(super) count: u64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    #[serde(rename = "p99.9")]
    pub(super) p99_9: f64,
    pub(super) max: f64,
}

/// Everything that a run counts beside the messages themselves.
#[derive(Debug)]
pub(super) struct Figures {
    /// From when a message was due to its acknowledgement; without one, to the end of the sending.
    pub(super) acknowledge: Times,
    /// From when a message was due to its arrival at the subscriber of `events`.
    pub(super) to_events: Times,
    /// The same for those of `ticketChanged`; one time for each of them.
    pub(super) to_ticket_changed: Times,
    /// The same for those of `queue`, of the messages that they show.
    pub(super) to_queue: Times,
    /// Messages that were put into a request, repeats and retries apart.
    pub(super) sent: Count,
    /// Messages with a receipt.
    pub(super) acknowledged: Count,
    /// Messages that were due and got none.
    pub(super) unacknowledged: Count,
    /// Messages that were asked for again after an error.
    pub(super) retries: Count,
    /// Messages that were sent more than `LATE_MS` after they were due.
    pub(super) late: Count,
    /// Messages that waited because too many requests were under way.
    pub(super) held: Count,
    /// Subscriptions that went on from their last cursor on another socket.
    pub(super) resumed: Count,
    /// Chats that were read to their end when looking back.
    pub(super) chats_read: Count,
    /// When the last receipt came, after the start, in microseconds.
    pub(super) last_receipt_us: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
}

impl Figures {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            acknowledge: Times::new()?,
            to_events: Times::new()?,
            to_ticket_changed: Times::new()?,
            to_queue: Times::new()?,
            sent: Count::default(),
            acknowledged: Count::default(),
            unacknowledged: Count::default(),
            retries: Count::default(),
            late: Count::default(),
            held: Count::default(),
            resumed: Count::default(),
            chats_read: Count::default(),
            last_receipt_us: AtomicU64::new(0),
            errors: Mutex::default(),
        })
    }

    /// A receipt came, so long after the start and so long after its message was due.
    pub(super) fn receipt(&self, since_start: Duration, since_due: Duration) {
        self.acknowledged.add(1);
        self.acknowledge.record(since_due);
        let micros = u64::try_from(since_start.as_micros()).unwrap_or(u64::MAX);
        self.last_receipt_us.fetch_max(micros, Ordering::Relaxed);
    }

    /// No receipt came for a message that was due so long ago.
    pub(super) fn no_receipt(&self, since_due: Duration) {
        self.unacknowledged.add(1);
        self.acknowledge.record(since_due);
    }

    /// A message, or a request, was not answered as it should.
    pub(super) fn error(&self, class: &str) {
        let mut errors = locked(&self.errors);
        let known = errors.contains_key(class) || errors.len() < CLASSES_MAX;
        let count = errors
            .entry(if known { class } else { "other" }.to_owned())
            .or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn errors(&self) -> BTreeMap<String, u64> {
        locked(&self.errors).clone()
    }

    /// Receipts a second, from the start to the last one, or to when the last message that was sent was due.
    pub(super) fn rate_per_second(&self, last_due: Duration) -> f64 {
        let last_receipt = Duration::from_micros(self.last_receipt_us.load(Ordering::Relaxed));
        let time = last_receipt.max(last_due);
        if time.is_zero() {
            return 0.0;
        }
        float(self.acknowledged.get()) / time.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let times = Times::new().unwrap();
        assert_eq!(times.percentiles().count, 0);
        (1..=1_000).for_each(|ms| times.record(Duration::from_millis(ms)));
        let found = times.percentiles();
        assert_eq!(found.count, 1_000);
        for (found, expected) in [
            (found.p50, 500.0),
            (found.p90, 900.0),
            (found.p99, 990.0),
            (found.p99_9, 999.0),
            (found.max, 1_000.0),
        ] {
            assert!((found - expected).abs() <= expected / 500.0, "{found} for {expected}");
        }
    }

    #[test]
    fn times_past_the_bounds_are_kept_at_them() {
        let times = Times::new().unwrap();
        times.record(Duration::MAX);
        times.record(Duration::ZERO);
        assert_eq!(times.percentiles().count, 2);
        assert!(times.percentiles().max >= 7_200_000.0);
    }

    #[test]
    fn made_up_errors_are_counted_together() {
        let figures = Figures::new().unwrap();
        (0..200).for_each(|number| figures.error(&format!("E{number}")));
        figures.error("E0");
        let errors = figures.errors();
        assert_eq!(errors.len(), CLASSES_MAX + 1);
        assert_eq!((errors["E0"], errors["other"]), (2, 136));
    }

    #[test]
    fn the_rate_is_up_to_the_last_receipt_or_message() {
        let figures = Figures::new().unwrap();
        let rate = |last_due| figures.rate_per_second(Duration::from_secs(last_due));
        assert!(rate(0).abs() < f64::EPSILON);
        for tenth in 1..=10 {
            figures.receipt(Duration::from_millis(tenth * 100), Duration::ZERO);
        }
        assert!((rate(0) - 10.0).abs() < 1e-9);
        assert!((rate(2) - 5.0).abs() < 1e-9, "and nothing for a second more");
    }
}
