//! What was sent, what was acknowledged, and what subscribers and a second look say about it.

use std::collections::HashMap;
use std::sync::Mutex;

use uuid::Uuid;

use super::figures::locked;
use super::finding::Findings;
use super::ingest::Stored;
use super::plan::{Place, Plan};

/// A message; 0 stands for a `seq` that is not known.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// By its receipt.
    acknowledged_seq: u32,
    /// By the subscriber.
    seen_seq: u32,
    /// It stood in the chat when that was read.
    was_read: bool,
    was_sent: bool,
    /// It may stand behind later ones of its chat: these were taken when it was not.
    is_displaced: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct ChatMark {
    id: Option<Uuid>,
    last_acknowledged_seq: u32,
    last_seen_seq: u32,
}

#[derive(Debug, Default)]
struct State {
    messages: Vec<Mark>,
    chats: Vec<ChatMark>,
    /// Acknowledged, and not seen by the subscriber.
    outstanding: u64,
    seen: u64,
    displaced: u64,
    exactly_once: Findings,
    order: Findings,
    subscriber: Findings,
}

/// What is known of every message of the run.
#[derive(Debug)]
pub(super) struct Ledger {
    plan: Plan,
    state: Mutex<State>,
}

/// A message as it stands in its chat.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) seq: u32,
    pub(super) external_id: Option<&'a str>,
    pub(super) text: Option<&'a str>,
}

/// How far a chat was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    last_seq: u32,
    last_n: Option<u32>,
}

/// What came of it all.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) exactly_once: Findings,
    pub(super) order: Findings,
    pub(super) subscriber: Findings,
    /// Messages that the subscriber got.
    pub(super) seen: u64,
    /// Messages whose place among the others of their chat is open.
    pub(super) displaced: u64,
}

impl Ledger {
    pub(super) fn new(plan: Plan) -> Self {
        let count = |number: u32| usize::try_from(number).unwrap_or(0);
        let state = State {
            messages: vec![Mark::default(); count(plan.total)],
            chats: vec![ChatMark::default(); count(plan.chats())],
            ..State::default()
        };
        let state = Mutex::new(state);
        Self { plan, state }
    }

    fn with<T>(&self, index: u32, work: impl FnOnce(&mut Entry<'_>) -> T) -> Option<T> {
        let place = self.plan.place(index);
        let state = &mut *locked(&self.state);
        let message = usize::try_from(index).ok().and_then(|at| state.messages.get_mut(at))?;
        let chat = usize::try_from(place.chat)
            .ok()
            .and_then(|at| state.chats.get_mut(at))?;
        Some(work(&mut Entry {
            plan: &self.plan,
            index,
            place,
            message,
            chat,
            outstanding: &mut state.outstanding,
            seen: &mut state.seen,
            displaced: &mut state.displaced,
            exactly_once: &mut state.exactly_once,
            order: &mut state.order,
            subscriber: &mut state.subscriber,
        }))
    }

    /// A message goes out.
    pub(super) fn sent(&self, index: u32) {
        self.with(index, |entry| entry.message.was_sent = true);
    }

    /// Later messages of its chat were taken when this one was not: no order is expected of it.
    pub(super) fn displaced(&self, index: u32) {
        self.with(index, |entry| {
            if !entry.message.is_displaced {
                entry.message.is_displaced = true;
                *entry.displaced = entry.displaced.saturating_add(1);
            }
        });
    }

    /// A receipt came; true for the first of its message. `again`: an earlier request may have brought it.
    pub(super) fn acknowledged(&self, index: u32, stored: &Stored, again: bool) -> bool {
        self.with(index, |entry| entry.acknowledged(stored, again))
            .unwrap_or(false)
    }

    /// The subscriber got a message.
    pub(super) fn seen(&self, index: u32, chat_id: Option<Uuid>, seq: u32) {
        self.with(index, |entry| entry.seen(chat_id, seq));
    }

    /// The subscriber missed something.
    pub(super) fn subscriber_failed(&self, why: impl FnOnce() -> String) {
        locked(&self.state).subscriber.note(why);
    }

    /// How many messages were acknowledged and not seen by the subscriber.
    pub(super) fn outstanding(&self) -> u64 {
        locked(&self.state).outstanding
    }

    /// The messages without a receipt, in their order.
    pub(super) fn unacknowledged(&self) -> Vec<u32> {
        let state = locked(&self.state);
        let all = (0_u32..).zip(state.messages.iter());
        let missing = all.filter(|(_, mark)| mark.acknowledged_seq == 0);
        missing.map(|(index, _)| index).collect()
    }

    /// The chats that receipts named.
    pub(super) fn chats(&self) -> Vec<(u32, Uuid)> {
        let state = locked(&self.state);
        let known = (0_u32..).zip(state.chats.iter());
        known.filter_map(|(chat, mark)| Some((chat, mark.id?))).collect()
    }

    /// A message stands in a chat, behind those that were read before.
    pub(super) fn read(&self, chat: u32, reading: &mut Reading, read: &Read<'_>) {
        let index = read.external_id.and_then(|external_id| self.plan.index_of(external_id));
        let known = index.and_then(|index| self.with(index, |entry| entry.read(chat, reading, read)));
        if known.is_none() {
            let chat = self.plan.owner(chat);
            let Read { seq, external_id, .. } = read;
            let findings = &mut locked(&self.state).exactly_once;
            findings.note(|| format!("chat {chat}, seq {seq}: {external_id:?} is none of the run's messages"));
        }
    }

    /// What came of it all, once every chat was read.
    pub(super) fn close(&self) -> Closing {
        let state = &mut *locked(&self.state);
        for (index, mark) in (0_u32..).zip(state.messages.iter()) {
            let (seq, seen) = (mark.acknowledged_seq, mark.seen_seq);
            if seq == 0 {
                continue;
            }
            let name = || self.plan.external_id(index);
            if !mark.was_read {
                let lost = || format!("{} was acknowledged with seq {seq} and is not in its chat", name());
                state.exactly_once.note(lost);
            }
            if seen == 0 {
                let missing = || format!("{} was acknowledged with seq {seq} and did not come", name());
                state.subscriber.note(missing);
            } else if seen != seq {
                let other = || format!("{} was acknowledged with seq {seq} and came with {seen}", name());
                state.subscriber.note(other);
            }
        }
        let mut names: HashMap<Uuid, u32> = HashMap::new();
        for (chat, mark) in (0_u32..).zip(state.chats.iter()) {
            let other = mark.id.and_then(|id| names.insert(id, chat));
            if let Some(other) = other {
                state
                    .exactly_once
                    .note(|| format!("two owners, {other} and {chat}, have one chat"));
            }
        }
        Closing {
            exactly_once: state.exactly_once.clone(),
            order: state.order.clone(),
            subscriber: state.subscriber.clone(),
            seen: state.seen,
            displaced: state.displaced,
        }
    }
}

/// A message and its chat, under the lock.
struct Entry<'a> {
    plan: &'a Plan,
    index: u32,
    place: Place,
    message: &'a mut Mark,
    chat: &'a mut ChatMark,
    outstanding: &'a mut u64,
    seen: &'a mut u64,
    displaced: &'a mut u64,
    exactly_once: &'a mut Findings,
    order: &'a mut Findings,
    subscriber: &'a mut Findings,
}

impl Entry<'_> {
    fn name(&self) -> String {
        self.plan.external_id(self.index)
    }

    fn acknowledged(&mut self, stored: &Stored, again: bool) -> bool {
        let (name, seq) = (self.name(), stored.seq);
        let chat_id = *self.chat.id.get_or_insert(stored.chat_id);
        if chat_id != stored.chat_id {
            let note = || format!("{name} is in chat {}, others of its owner in {chat_id}", stored.chat_id);
            self.exactly_once.note(note);
        }
        if stored.external_id.as_deref() != Some(&name) {
            let note = || format!("the receipt of {name} is about {:?}", stored.external_id);
            self.exactly_once.note(note);
        }
        let before = self.message.acknowledged_seq;
        if before != 0 {
            if before != seq {
                let note = || format!("{name} was acknowledged with seq {before}, then with {seq}");
                self.exactly_once.note(note);
            }
            return false;
        }
        if stored.duplicate && !again {
            let note = || format!("{name} was sent once and answered as a duplicate");
            self.exactly_once.note(note);
        }
        if seq == 0 {
            self.order.note(|| format!("{name} was acknowledged with seq 0"));
            return false;
        }
        let last = self.chat.last_acknowledged_seq;
        if !self.message.is_displaced && seq <= last {
            let note = || format!("{name} was acknowledged with seq {seq}, after {last} of the same chat");
            self.order.note(note);
        }
        self.chat.last_acknowledged_seq = last.max(seq);
        self.message.acknowledged_seq = seq;
        if self.message.seen_seq == 0 {
            *self.outstanding = self.outstanding.saturating_add(1);
        }
        true
    }

    fn seen(&mut self, chat_id: Option<Uuid>, seq: u32) {
        let name = self.name();
        if self.chat.id.is_some_and(|known| chat_id != Some(known)) {
            self.subscriber.note(|| format!("{name} came from chat {chat_id:?}"));
        }
        if self.message.seen_seq != 0 {
            self.subscriber.note(|| format!("{name} came twice"));
            return;
        }
        let last = self.chat.last_seen_seq;
        if seq <= last {
            let note = || format!("{name} came with seq {seq}, after {last} of the same chat");
            self.subscriber.note(note);
        }
        self.chat.last_seen_seq = last.max(seq);
        self.message.seen_seq = seq;
        *self.seen = self.seen.saturating_add(1);
        if self.message.acknowledged_seq != 0 {
            *self.outstanding = self.outstanding.saturating_sub(1);
        }
    }

    fn read(&mut self, chat: u32, reading: &mut Reading, read: &Read<'_>) {
        let (name, seq, n) = (self.name(), read.seq, self.place.n);
        let acknowledged = self.message.acknowledged_seq;
        let text = self.plan.text(self.index);
        if !self.message.was_sent {
            self.exactly_once.note(|| format!("{name} was never sent"));
        } else if self.place.chat != chat {
            let other = self.plan.owner(chat);
            self.exactly_once.note(|| format!("{name} is in the chat of {other}"));
        } else if read.text != Some(&text) {
            let note = || format!("{name} says {:?} instead of {text:?}", read.text);
            self.exactly_once.note(note);
        } else if self.message.was_read {
            self.exactly_once
                .note(|| format!("{name} is there twice, again at seq {seq}"));
        } else if acknowledged != 0 && acknowledged != seq {
            let note = || format!("{name} was acknowledged with seq {acknowledged} and has {seq}");
            self.exactly_once.note(note);
        }
        self.message.was_read = true;
        if seq <= reading.last_seq {
            let last = reading.last_seq;
            self.order
                .note(|| format!("{name} has seq {seq} and is listed after {last}"));
        }
        reading.last_seq = seq;
        // one that was not acknowledged may have come at any time
        if acknowledged != 0 && !self.message.is_displaced {
            if let Some(last) = reading.last_n.filter(|last| *last >= n) {
                let note = || format!("{name} has seq {seq}: number {n} of its chat after number {last}");
                self.order.note(note);
            }
            reading.last_n = Some(n);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::finding::{Invariant, Outcome};
    use super::super::plan::Scenario;
    use super::*;

    const CHAT: Uuid = Uuid::from_u128(1);

    /// Four messages of one chat, all sent.
    fn ledger() -> Ledger {
        let one = NonZeroU32::MIN;
        let ledger = Ledger::new(Plan::new(Scenario::Steady, "abc".into(), one, (4, one)));
        (0..4).for_each(|index| ledger.sent(index));
        ledger
    }

    fn acknowledge(ledger: &Ledger, index: u32, seq: u32) -> bool {
        let stored = Stored {
            duplicate: false,
            chat_id: CHAT,
            message_id: Uuid::nil(),
            seq,
            external_id: Some(format!("abc-{index}")),
        };
        ledger.acknowledged(index, &stored, false)
    }

    fn read(ledger: &Ledger, list: &[(u32, u32)]) {
        let mut reading = Reading::default();
        for (index, seq) in list {
            let (external_id, text) = (format!("abc-{index}"), format!("abc 0 {index}"));
            let read = Read {
                seq: *seq,
                external_id: Some(&external_id),
                text: Some(&text),
            };
            ledger.read(0, &mut reading, &read);
        }
    }

    /// What is broken of: exactly once, order, subscriber.
    fn broken(ledger: &Ledger) -> [bool; 3] {
        let closing = ledger.close();
        [closing.exactly_once, closing.order, closing.subscriber]
            .map(|findings| Invariant::of("", findings, String::new()).outcome == Outcome::Broken)
    }

    #[test]
    fn what_was_acknowledged_seen_and_read_once_holds() {
        let ledger = ledger();
        for index in 0..3 {
            assert!(acknowledge(&ledger, index, index + 3));
            assert!(!acknowledge(&ledger, index, index + 3), "a repeat");
            assert_eq!(ledger.outstanding(), 1);
            ledger.seen(index, Some(CHAT), index + 3);
            assert_eq!(ledger.outstanding(), 0);
        }
        assert_eq!(ledger.unacknowledged(), [3]);
        // it may be there all the same
        read(&ledger, &[(0, 3), (1, 4), (2, 5), (3, 6)]);
        assert_eq!(broken(&ledger), [false; 3]);
        assert_eq!(ledger.chats(), [(0, CHAT)]);
    }

    #[test]
    fn what_is_lost_doubled_or_foreign_is_found() {
        let lists: [&[(u32, u32)]; 4] = [
            &[(0, 3)],
            &[(0, 3), (1, 4), (1, 5)],
            &[(0, 3), (1, 4), (9, 5)],
            &[(0, 3), (1, 9)],
        ];
        for list in lists {
            let ledger = ledger();
            for index in 0..2 {
                acknowledge(&ledger, index, index + 3);
                ledger.seen(index, Some(CHAT), index + 3);
            }
            read(&ledger, list);
            assert!(broken(&ledger)[0], "{list:?}");
        }
    }

    #[test]
    fn another_order_is_found_unless_the_client_made_it() {
        for is_displaced in [false, true] {
            let ledger = ledger();
            acknowledge(&ledger, 1, 3);
            if is_displaced {
                ledger.displaced(0);
                ledger.displaced(0);
            }
            acknowledge(&ledger, 0, 4);
            read(&ledger, &[(1, 3), (0, 4)]);
            let closing = ledger.close();
            assert_eq!(closing.displaced, u64::from(is_displaced));
            assert_eq!(broken(&ledger)[1], !is_displaced);
        }
    }

    #[test]
    fn a_subscriber_gets_everything_once_and_in_order() {
        let seen: [(bool, &[(u32, u32)]); 6] = [
            (false, &[(0, 3), (1, 4)]),
            (true, &[(0, 3)]),
            (true, &[(1, 4), (0, 3)]),
            (true, &[(0, 3), (1, 4), (1, 4)]),
            (true, &[(0, 3), (1, 5)]),
            (true, &[]),
        ];
        for (is_broken, list) in seen {
            let ledger = ledger();
            acknowledge(&ledger, 0, 3);
            acknowledge(&ledger, 1, 4);
            for (index, seq) in list {
                ledger.seen(*index, Some(CHAT), *seq);
            }
            read(&ledger, &[(0, 3), (1, 4)]);
            assert_eq!(broken(&ledger), [false, false, is_broken], "{list:?}");
        }
    }
}
