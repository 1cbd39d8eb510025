//! Events on their way: those of one aggregate one after the other, and how far all of them are done.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use crate::domain::Event;
use crate::store::Heads;

/// Events in the order of the log, until each was tried.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Waiting to be tried, by their place.
    waiting: VecDeque<(u64, Arc<Event>)>,
    /// Aggregates of which one is being tried.
    busy: HashSet<Uuid>,
    /// Read and not done.
    unfinished: BTreeSet<u64>,
    /// How far each log had come, by the place of what was read then.
    heads: BTreeMap<u64, Heads>,
    last: u64,
}

impl Queue {
    /// How many were read and are not done.
    pub(super) fn len(&self) -> usize {
        self.unfinished.len()
    }

    /// Everything up to here was read; with an event, that is to be tried.
    pub(super) fn push(&mut self, event: Option<Arc<Event>>, heads: Heads) {
        self.last = self.last.saturating_add(1);
        self.heads.insert(self.last, heads);
        if let Some(event) = event {
            self.unfinished.insert(self.last);
            self.waiting.push_back((self.last, event));
        }
    }

    /// The next that may be tried.
    pub(super) fn pop(&mut self) -> Option<(u64, Arc<Event>)> {
        let free = |(_, event): &(u64, Arc<Event>)| !self.busy.contains(&event.aggregate_id);
        let next = self.waiting.iter().position(free)?;
        let (place, event) = self.waiting.remove(next)?;
        self.busy.insert(event.aggregate_id);
        Some((place, event))
    }

    /// An event was tried.
    pub(super) fn finish(&mut self, place: u64, aggregate_id: Uuid) {
        self.busy.remove(&aggregate_id);
        self.unfinished.remove(&place);
    }

    /// How far everything was tried, if that is further than before.
    pub(super) fn done(&mut self) -> Option<Heads> {
        let end = self.unfinished.first().copied().unwrap_or(u64::MAX);
        let later = self.heads.split_off(&end);
        let done = std::mem::replace(&mut self.heads, later);
        done.into_values().next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Cause;
    use crate::domain::{Actor, EventBody};

    fn event(aggregate: u128, seq: u64) -> Arc<Event> {
        Arc::new(Event {
            workspace_id: Uuid::nil(),
            aggregate_id: Uuid::from_u128(aggregate),
            seq,
            version: seq,
            at: 1,
            actor: Actor::system(),
            cause: Cause {
                command_id: Uuid::nil(),
                message_id: None,
            },
            synthetic: false,
            body: EventBody::ChatRemoved {},
            ticket: None,
        })
    }

    fn heads(position: u64) -> Heads {
        Heads {
            epoch: 1,
            positions: vec![position],
        }
    }

    #[test]
    fn one_of_an_aggregate_is_tried_at_a_time_and_the_cursor_stays_before_the_first_that_is_not_done() {
        let mut queue = Queue::default();
        for (position, aggregate, seq) in [(1, 1, 1), (2, 1, 2), (3, 2, 1), (4, 3, 1)] {
            queue.push(Some(event(aggregate, seq)), heads(position));
        }
        let taken: Vec<(u64, Uuid, u64)> = std::iter::from_fn(|| queue.pop())
            .map(|(place, event)| (place, event.aggregate_id, event.seq))
            .collect();
        let of = Uuid::from_u128;
        assert_eq!(taken, [(1, of(1), 1), (3, of(2), 1), (4, of(3), 1)]);
        assert_eq!(queue.done(), None);
        queue.finish(4, of(3));
        assert_eq!((queue.done(), queue.len()), (None, 3));
        queue.finish(1, of(1));
        assert_eq!(queue.done(), Some(heads(1)));
        assert_eq!(queue.done(), None);
        let (place, second) = queue.pop().unwrap();
        assert_eq!((place, second.seq), (2, 2));
        queue.finish(3, of(2));
        assert_eq!(queue.done(), None);
        queue.push(None, heads(9));
        assert_eq!(queue.done(), None);
        queue.finish(2, of(1));
        assert_eq!((queue.done(), queue.len()), (Some(heads(9)), 0));
        queue.push(None, heads(11));
        assert_eq!(queue.done(), Some(heads(11)));
    }
}
