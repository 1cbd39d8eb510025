//! What a person at a terminal sees meanwhile. Nothing is shown where standard error is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::sender::Shared;

/// How often it changes, in milliseconds.
const EVERY_MS: u64 = 250;
const TEMPLATE: &str = "{elapsed_precise} {bar:30} {pos}/{len} {msg}";

/// A line at the foot of the terminal.
#[derive(Clone, Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(total: u32) -> Self {
        let bar = ProgressBar::new(u64::from(total));
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Says what is done now.
    pub(super) fn say(&self, what: &'static str) {
        self.0.set_message(what);
        self.0.tick();
    }

    /// Follows the sending until it ends.
    pub(super) async fn follow(&self, shared: &Shared, end: &CancellationToken) {
        loop {
            self.show(shared);
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(EVERY_MS)) => {}
            }
        }
    }

    fn show(&self, shared: &Shared) {
        if self.0.is_hidden() {
            return;
        }
        let figures = &shared.figures;
        let times = figures.acknowledge.percentiles();
        let errors = figures
            .errors()
            .values()
            .fold(0_u64, |all, count| all.saturating_add(*count));
        self.0.set_position(figures.sent.get());
        self.0.set_message(format!(
            "sent, {} acknowledged, {:.0}/s, {errors} errors, p50 {:.1} ms, p99 {:.1} ms",
            figures.acknowledged.get(),
            shared.rate_per_second(),
            times.p50,
            times.p99,
        ));
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
