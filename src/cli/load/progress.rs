//! What whoever runs it sees meanwhile: a line at the foot of the terminal, or one now and then where there is none.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::sender::Shared;

/// How often it changes, in milliseconds.
const EVERY_MS: u64 = 250;
/// How often a line is written where standard error is no terminal, in milliseconds.
const LINE_EVERY_MS: u64 = 10_000;
const TEMPLATE: &str = "{elapsed_precise} {bar:30} {pos}/{len} {msg}";

/// What a run does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Sending,
    Checking,
}

/// How far a run is.
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

    /// Begins anew, with so many chats to read.
    pub(super) fn begin_checking(&self, chats: usize) {
        self.0.set_length(u64::try_from(chats).unwrap_or(u64::MAX));
        self.0.set_position(0);
        self.say("checking");
    }

    /// Follows a phase until it ends.
    pub(super) async fn follow(&self, shared: &Shared, phase: Phase, end: &CancellationToken) {
        let every = if self.0.is_hidden() { LINE_EVERY_MS } else { EVERY_MS };
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(every)) => {
                    self.show(shared, phase, &mut std::io::stderr());
                }
            }
        }
    }

    /// Changes the line at the foot of the terminal, or writes one where there is none.
    fn show(&self, shared: &Shared, phase: Phase, lines: &mut impl Write) {
        let (position, message) = match phase {
            Phase::Sending => (shared.figures.sent.get(), sending(shared)),
            Phase::Checking => (shared.figures.chats_read.get(), "chats read".to_owned()),
        };
        if self.0.is_hidden() {
            let length = self.0.length().unwrap_or(0);
            // a line that nobody takes is no reason to end
            let _ = writeln!(lines, "switchboard: {position}/{length} {message}");
        } else {
            self.0.set_position(position);
            self.0.set_message(message);
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn sending(shared: &Shared) -> String {
    let figures = &shared.figures;
    let times = figures.acknowledge.percentiles();
    let errors = figures
        .errors()
        .values()
        .fold(0_u64, |all, count| all.saturating_add(*count));
    format!(
        "sent, {} acknowledged, {:.0}/s, {errors} errors, p50 {:.1} ms, p99 {:.1} ms",
        figures.acknowledged.get(),
        shared.rate_per_second(),
        times.p50,
        times.p99,
    )
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::super::sender::tests::shared;
    use super::*;

    #[test]
    fn without_a_terminal_a_line_says_how_far_a_run_is() {
        let shared = shared();
        let progress = Progress(ProgressBar::with_draw_target(Some(4), ProgressDrawTarget::hidden()));
        let shown = |phase| {
            let mut lines = Vec::new();
            progress.show(&shared, phase, &mut lines);
            String::from_utf8(lines).unwrap()
        };
        let figures = &shared.figures;
        figures.sent.add(3);
        for millis in [10, 100] {
            figures.receipt(Duration::from_secs(1), Duration::from_millis(millis));
        }
        figures.error("OVERLOADED");
        assert_eq!(
            shown(Phase::Sending),
            "switchboard: 3/4 sent, 2 acknowledged, 1/s, 1 errors, p50 10.0 ms, p99 100.0 ms\n"
        );
        progress.begin_checking(7);
        figures.chats_read.add(5);
        assert_eq!(shown(Phase::Checking), "switchboard: 5/7 chats read\n");
    }
}
