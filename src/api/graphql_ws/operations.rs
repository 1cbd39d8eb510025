//! The operations of one socket, which take turns.
//!
//! Each waits in a queue until it has something; who has given one response goes to the back. A cancelled operation is
//! woken once more to be thrown away, and counts until then.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{BoxStream, FuturesUnordered, Stream, StreamExt, StreamFuture};

use super::message::next_begin;
use crate::api::streams::Answer;

/// What an operation gives, in order.
pub(super) type Answers = BoxStream<'static, Answer>;

/// What an operation gave, `None` at its end, and the operation itself.
pub(super) type Step = (Option<Answer>, Operation);

/// An operation, live or cancelled.
pub(super) struct Operation {
    id: Arc<str>,
    /// Tells it from earlier operations of the same id.
    number: u64,
    /// How every answer begins.
    begin: Box<str>,
    answers: Abortable<Answers>,
}

impl Operation {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// How every answer begins.
    pub(super) fn begin(&self) -> &str {
        &self.begin
    }

    /// Whether its client wants no more of it.
    pub(super) fn is_cancelled(&self) -> bool {
        self.answers.is_aborted()
    }
}

impl Stream for Operation {
    type Item = Answer;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Answer>> {
        self.get_mut().answers.poll_next_unpin(context)
    }
}

struct Live {
    number: u64,
    abort: AbortHandle,
}

/// All operations of a socket.
#[derive(Default)]
pub(super) struct Operations {
    live: HashMap<Arc<str>, Live>,
    waiting: FuturesUnordered<StreamFuture<Operation>>,
    started: u64,
}

impl Operations {
    /// Whether an operation of this id is live.
    pub(super) fn has(&self, id: &str) -> bool {
        self.live.contains_key(id)
    }

    /// Whether one more may start. Cancelled operations that are not thrown away yet may be as many again.
    pub(super) fn has_room(&self, max: usize) -> bool {
        self.live.len() < max && self.waiting.len() < max.saturating_mul(2)
    }

    /// Starts an operation; its id must be free.
    pub(super) fn start(&mut self, id: &str, answers: Answers) {
        self.started = self.started.saturating_add(1);
        let id: Arc<str> = id.into();
        let (abort, registration) = AbortHandle::new_pair();
        let number = self.started;
        self.live.insert(Arc::clone(&id), Live { number, abort });
        self.resume(Operation {
            begin: next_begin(&id).into(),
            id,
            number,
            answers: Abortable::new(answers, registration),
        });
    }

    /// Ends an operation from outside; nothing happens if it is not live.
    pub(super) fn cancel(&mut self, id: &str) {
        if let Some(live) = self.live.remove(id) {
            live.abort.abort();
        }
    }

    /// The next step of any operation; `None` if there are no operations. May be dropped without loss.
    pub(super) async fn next(&mut self) -> Option<Step> {
        self.waiting.next().await
    }

    /// Puts an operation at the back.
    pub(super) fn resume(&mut self, operation: Operation) {
        self.waiting.push(StreamExt::into_future(operation));
    }

    /// Frees the id of an operation that gives nothing more.
    pub(super) fn finish(&mut self, operation: &Operation) {
        let known = self.live.get(&operation.id);
        if known.is_some_and(|live| live.number == operation.number) {
            self.live.remove(&operation.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};

    use super::*;

    fn step(operations: &mut Operations) -> Option<Step> {
        operations.next().now_or_never().flatten()
    }

    fn endless() -> Answers {
        stream::repeat_with(|| Answer::Payload("{}".into())).boxed()
    }

    #[test]
    fn operations_take_turns() {
        let mut operations = Operations::default();
        for id in ["a", "b", "c"] {
            operations.start(id, endless());
        }
        let mut seen = String::new();
        for _ in 0..9 {
            let (response, operation) = step(&mut operations).unwrap();
            assert!(response.is_some());
            seen.push_str(operation.id());
            operations.resume(operation);
        }
        assert_eq!(seen, "abcabcabc");
    }

    #[test]
    fn a_cancelled_id_is_free_at_once() {
        let mut operations = Operations::default();
        operations.start("a", stream::pending().boxed());
        assert!(step(&mut operations).is_none());
        operations.cancel("a");
        assert!(!operations.has("a"));
        operations.start("a", endless());
        let (response, cancelled) = step(&mut operations).unwrap();
        assert!(response.is_none());
        assert!(cancelled.is_cancelled());
        operations.finish(&cancelled);
        assert!(operations.has("a"));
        let (response, operation) = step(&mut operations).unwrap();
        assert!(response.is_some());
        assert!(!operation.is_cancelled());
        operations.resume(operation);
        assert_eq!(operations.waiting.len(), 1);
    }

    #[test]
    fn an_end_is_a_step() {
        let mut operations = Operations::default();
        operations.start("a", stream::empty().boxed());
        let (response, operation) = step(&mut operations).unwrap();
        assert!(response.is_none());
        operations.finish(&operation);
        assert!(!operations.has("a"));
        assert!(step(&mut operations).is_none());
    }

    #[test]
    fn room_counts_what_is_not_thrown_away() {
        let mut operations = Operations::default();
        for _ in 0..4 {
            assert!(operations.has_room(2));
            operations.start("a", stream::pending().boxed());
            operations.cancel("a");
        }
        assert!(!operations.has_room(2));
        while step(&mut operations).is_some() {}
        assert!(operations.has_room(2));
        operations.start("a", endless());
        operations.start("b", endless());
        assert!(!operations.has_room(2));
    }
}
