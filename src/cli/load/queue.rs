//! The first tickets of a queue, as a dashboard keeps them from a snapshot and the changes after it.

use serde::Deserialize;
use uuid::Uuid;

use super::finding::Findings;
use super::plan::Place;

/// How many tickets a queue shows.
pub(super) const FIRST: usize = 10;
/// While the changes of a moment come: those that were shown and those that are.
const CHANGING_MAX: usize = FIRST.saturating_mul(2);

/// What happened to a ticket of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Kind {
    Enter,
    Update,
    Leave,
}

/// Tickets with their versions, in order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) tickets: Vec<(Uuid, u32)>,
    pub(super) findings: Findings,
    /// How many messages of each chat were shown or passed over.
    shown: Vec<u32>,
}

impl Queue {
    /// A message is the newest of its ticket; true where neither it nor a later one was that before.
    pub(super) fn shows(&mut self, message: Place) -> bool {
        let Ok(chat) = usize::try_from(message.chat) else {
            return false;
        };
        if chat >= self.shown.len() {
            self.shown.resize(chat.saturating_add(1), 0);
        }
        let Some(shown) = self.shown.get_mut(chat) else {
            return false;
        };
        let is_new = *shown <= message.n;
        *shown = message.n.saturating_add(1).max(*shown);
        is_new
    }

    /// Makes a change, which has to fit what is there. A version may be passed over: changes of 50 ms come as one.
    pub(super) fn change(&mut self, kind: Kind, (id, version): (Uuid, u32), index: Option<usize>) {
        let place = self.tickets.iter().position(|(known, _)| *known == id);
        let before = place.map(|place| self.tickets.remove(place).1);
        let is_inside = index.is_some_and(|index| index <= self.tickets.len());
        let fits = match (kind, before) {
            (Kind::Enter, None) => is_inside,
            (Kind::Update, Some(before)) => is_inside && before < version,
            (Kind::Leave, Some(before)) => index.is_none() && before <= version,
            (Kind::Enter, Some(_)) | (Kind::Update | Kind::Leave, None) => false,
        };
        if let Some(index) = index {
            self.tickets.insert(index.min(self.tickets.len()), (id, version));
            self.tickets.truncate(CHANGING_MAX);
        }
        if !fits {
            self.findings.note(|| {
                format!("ticket {id} came to a queue: {kind:?} at {index:?}, version {version} after {before:?}")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Invariant, Outcome};
    use super::*;

    const TICKETS: [Uuid; 3] = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];

    /// Makes a change to a queue of the first ticket with version 3 and the second with version 1; whether it fits.
    fn change(kind: Kind, (ticket, version): (usize, u32), index: Option<usize>) -> (bool, Vec<(Uuid, u32)>) {
        let mut queue = Queue {
            tickets: vec![(TICKETS[0], 3), (TICKETS[1], 1)],
            ..Queue::default()
        };
        queue.change(kind, (TICKETS[ticket], version), index);
        let found = Invariant::of("", queue.findings, String::new());
        (found.outcome == Outcome::Ok, queue.tickets)
    }

    #[test]
    fn changes_are_put_where_the_server_says() {
        let [first, second, third] = TICKETS;
        let entered = vec![(first, 3), (third, 1), (second, 1)];
        assert_eq!(change(Kind::Enter, (2, 1), Some(1)), (true, entered));
        let moved = vec![(second, 4), (first, 3)];
        assert_eq!(change(Kind::Update, (1, 4), Some(0)), (true, moved));
        assert_eq!(change(Kind::Leave, (0, 3), None), (true, vec![(second, 1)]));
    }

    #[test]
    fn a_message_is_shown_once_and_not_after_a_later_one() {
        let mut queue = Queue::default();
        let mut shows = |chat, n| queue.shows(Place { chat, n });
        assert!(shows(3, 0) && !shows(3, 0));
        assert!(shows(3, 2) && !shows(3, 1) && shows(3, 3));
        assert!(shows(0, 5) && shows(9, 0));
    }

    #[test]
    fn what_does_not_fit_is_found() {
        for (kind, ticket, index) in [
            (Kind::Enter, (0, 4), Some(0)),
            (Kind::Enter, (2, 1), Some(3)),
            (Kind::Enter, (2, 1), None),
            (Kind::Update, (2, 1), Some(0)),
            (Kind::Update, (0, 3), Some(0)),
            (Kind::Update, (0, 4), Some(2)),
            (Kind::Leave, (2, 1), None),
            (Kind::Leave, (0, 4), Some(0)),
            (Kind::Leave, (0, 2), None),
        ] {
            assert!(!change(kind, ticket, index).0, "{kind:?} {ticket:?} {index:?}");
        }
    }
}
