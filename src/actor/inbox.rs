//! The bounded queue of one actor, and the one place that knows whether it is awake.

use parking_lot::Mutex;

use super::Reply;
use crate::domain::Aggregate;

/// A command and who waits for its answer.
#[derive(Debug)]
pub struct Waiting<A: Aggregate, T> {
    /// What is asked.
    pub command: A::Command,
    /// Who asks.
    pub reply: Reply<A>,
    /// Given back when the command leaves the queue: its place in the node's bounds.
    pub permit: T,
}

#[derive(Debug)]
struct State<W> {
    queue: Vec<W>,
    /// A wake is under way, or the actor is at work.
    awake: bool,
    /// The actor is gone for good.
    closed: bool,
}

/// What became of a command that was pushed.
#[derive(Debug)]
pub enum Pushed<W> {
    /// It waits; the actor is awake.
    Waits,
    /// It waits; the actor must be woken by the caller.
    Wake,
    /// The queue is full.
    Full(W),
    /// The actor is gone; another must be started.
    Closed(W),
}

/// A bounded queue. Everything that could race (push, rest, close) happens under one short lock.
#[derive(Debug)]
pub struct Inbox<W> {
    state: Mutex<State<W>>,
    max: usize,
}

impl<W> Inbox<W> {
    /// A queue of at most `max` commands.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            state: Mutex::new(State {
                queue: Vec::new(),
                awake: false,
                closed: false,
            }),
            max,
        }
    }

    /// Puts a command last.
    pub fn push(&self, waiting: W) -> Pushed<W> {
        let mut state = self.state.lock();
        if state.closed {
            return Pushed::Closed(waiting);
        }
        if state.queue.len() >= self.max {
            return Pushed::Full(waiting);
        }
        state.queue.push(waiting);
        if std::mem::replace(&mut state.awake, true) {
            Pushed::Waits
        } else {
            Pushed::Wake
        }
    }

    /// Takes up to `max` commands in order. None: nothing waits, and the next push has to wake the actor.
    pub fn take(&self, max: usize) -> Option<Vec<W>> {
        let mut state = self.state.lock();
        if state.queue.is_empty() {
            state.awake = false;
            // an idle chat keeps no buffer
            state.queue = Vec::new();
            return None;
        }
        if state.queue.len() <= max {
            return Some(std::mem::take(&mut state.queue));
        }
        let rest = state.queue.split_off(max);
        Some(std::mem::replace(&mut state.queue, rest))
    }

    /// Closes an idle queue for good. False: the actor is at work.
    pub fn close_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        if state.awake || !state.queue.is_empty() {
            return false;
        }
        state.closed = true;
        true
    }

    /// Closes the queue for good and gives back what waited.
    pub fn close(&self) -> Vec<W> {
        let mut state = self.state.lock();
        state.closed = true;
        std::mem::take(&mut state.queue)
    }
}
