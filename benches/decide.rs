//! The pure core alone: how many decisions a core makes in a second, and what each part of one costs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "benches fail by panicking and measure with the clock"
)]

mod support;

use std::time::Instant;

use support::{chat_id, commit, message};
use switchboard::domain::{Aggregate, Chat, Rulebook};

/// Nanoseconds of one call.
fn nanos(mut call: impl FnMut()) -> f64 {
    let count = support::setting("DECISIONS", 200_000);
    for _ in 0..count / 10 {
        call();
    }
    let start = Instant::now();
    for _ in 0..count {
        call();
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

fn main() {
    let blank = Chat::blank(chat_id(1));
    let (_, chat) = commit(&blank, &message(1, 0));
    let (next, policy) = (message(1, 1), Rulebook::default());
    let decide = nanos(|| {
        std::hint::black_box(chat.decide(&next, &policy, support::NOW)).unwrap();
    });
    let decided = chat.decide(&next, &policy, support::NOW).unwrap();
    let event = &decided.events[0];
    let mut replayed = chat.clone();
    let apply = nanos(|| replayed.apply(std::hint::black_box(event)));
    let write = nanos(|| {
        std::hint::black_box(serde_json::to_string(&decided.state)).unwrap();
        std::hint::black_box(serde_json::to_string(event)).unwrap();
    });
    println!(
        "an appended message: decide {decide:.0} ns, apply {apply:.0} ns, snapshot and event as JSON {write:.0} ns"
    );
    support::at_most("a decision, in parts of writing its JSON", decide / write, 3.0);
}
