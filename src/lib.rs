//! switchboard: an actor-based realtime message router.
//!
//! Customer messages come in from many channels. Each goes to its **chat**, where it appends to the open **ticket**,
//! reopens the last one or creates a new one; the decision is stored durably, and everybody who watches is told at once.
//!
//! # Layers
//! Imports point down; `tests/tidy.rs` checks it.
//! ```text
//! main > cli > server > config > api > provider > webhook > process > router > actor > live > view > store >
//! { domain, clock, signing, sqlite }
//! ```
//!
//! # The walk of one message
//! A request is authenticated and turned into a [`domain::ChatCommand`] ([`api`], [`provider`]). The [`router`] admits it
//! and puts it into the inbox of its chat's actor. The [`actor`] takes all that waits, lets [`domain`] decide over each in
//! turn, and hands the [`store`] one commit. Commits of many chats that wait at the same moment become durable together.
//! Only then the actor takes over the new state and the callers get their receipts.
//!
//! # The walk of one subscription
//! The [`live`] follower reads the log by position, feeds the [`view`] (embedded, the commit's own transaction did) and
//! appends to a ring of recent entries. Every subscription has its own place and reads on from there; when it is further
//! behind than the ring reaches, it reads from the view. An item's cursor names how far each log had come.

pub mod actor;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod live;
pub mod process;
pub mod provider;
pub mod router;
pub mod server;
pub mod signing;
pub mod sqlite;
pub mod store;
pub mod view;
pub mod webhook;
