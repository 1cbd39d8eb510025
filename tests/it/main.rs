//! Every test that goes through a front door, as one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::clone_on_ref_ptr,
    clippy::duration_suboptimal_units,
    clippy::cast_precision_loss,
    clippy::doc_markdown,
    clippy::needless_pass_by_value,
    clippy::assigning_clones,
    clippy::semicolon_if_nothing_returned,
    clippy::format_collect,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    clippy::struct_excessive_bools,
    clippy::match_bool,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    reason = "tests fail by panicking, and measure with the clock"
)]

mod support;

mod aggregates;
mod amendments;
mod api;
mod assignment;
mod attack;
mod bad_input;
mod behind;
mod clients;
mod contract;
mod conversations;
mod crash;
mod crowd;
mod decisions;
mod documents;
mod earlier;
mod edge;
mod fuzz;
mod grants;
mod halves;
mod hooks;
mod isolation;
mod keys;
mod laggards;
mod leaks;
mod lifecycle;
mod limited_key;
mod lists;
mod load;
mod model;
mod ndjson;
mod ordering;
mod outside;
mod patches;
mod posts;
mod program;
mod queues;
mod races;
mod responders;
mod rest;
mod reviewed;
mod roles;
mod rules;
mod scopes;
mod settings;
mod sockets;
mod strangers;
mod streams;
mod timers;
mod timing;
mod totals;
mod watched;
mod webhooks;
mod yolead;
mod zones;

#[path = "../store.rs"]
mod store;
#[path = "../tidy.rs"]
mod tidy;
