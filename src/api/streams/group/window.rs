//! The answers that not all members of a group have taken, and how long the next ones wait for whom.
//!
//! Answers come in bursts, faster than all members have their turns. Once somebody has much to take, the next answers wait:
//! that is a crowding. Whoever has too much to take as it begins is slow, until it has had little to take once. Those that
//! are still slow at a deadline, which is fixed as it begins, are lost: nobody waits for them any more. So a burst is shared
//! by all that read it, and who reads more slowly than answers come holds up the others once.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{Answer, Item};
use crate::live::Place;

/// What may wait for each member. A group of one holds little, since one client may have many of them.
const WINDOW_MEMBER_BYTES: u64 = 16 * 1_024;
/// And for a whole group at least and at most. An answer more may cross it.
const WINDOW_BYTES: (u64, u64) = (32 * 1_024, 256 * 1_024);
/// What an answer counts for at least: it has a place beside its text.
const ANSWER_MIN_BYTES: u64 = 1_024;
/// From so many quarters of the window on, the next answer waits. Who has one quarter to take, or less, is not slow.
const CROWDED_QUARTERS: u64 = 3;
/// How long those are waited for who are slow: at least, and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// And in between a millisecond more for so many answers that any member has to take, since all have their turns: less than
/// two cores manage, beside everything else.
const TAKEN_PER_MS: u64 = 64;

fn patience(untaken: usize) -> Duration {
    let (least, most) = PATIENCE;
    let more = u64::try_from(untaken).unwrap_or(u64::MAX) / TAKEN_PER_MS;
    Duration::from_millis(more).saturating_add(least).min(most)
}

/// The answers, and where the members are among them.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// All, with those that are lost.
    pub(super) members: usize,
    /// Those that have taken everything.
    pub(super) idle: usize,
    /// The first is one that somebody takes next.
    waiting: VecDeque<Waiting>,
    /// The number of the first in `waiting`.
    first: u64,
    /// What all answers so far weigh.
    given: u64,
    /// Every answer after this entry is in `waiting`, or is still to come: the life of the logs, and the ordinal in it.
    covered_from: (u64, u64),
    crowding: Option<Crowding>,
    /// The mark of the last crowding whose slow ones were lost.
    lost_in: Option<u64>,
    /// Nearly all are slow, and set the pace.
    is_paced: bool,
}

#[derive(Debug)]
struct Waiting {
    answer: Answer,
    place: Option<Place>,
    /// Whoever takes it begins with a snapshot again.
    is_break: bool,
    /// What all answers before it weigh.
    before: u64,
    /// How many members take it next; nobody counts those that are lost.
    readers: usize,
    /// Those of them that are slow.
    slow: usize,
}

#[derive(Debug)]
struct Crowding {
    /// Whoever took an answer before this number next, as it began, is slow. No two crowdings have the same.
    mark: u64,
    began: Instant,
    deadline: Instant,
    /// Members that are still slow; without any it is over.
    slow: usize,
    /// Who has so much to take, or less, is not slow.
    little: u64,
}

/// Where a member is.
#[derive(Debug)]
pub(super) struct Reader {
    /// The number of the answer that it takes next.
    next: u64,
    /// The mark of the crowding that has found it slow.
    slow_in: Option<u64>,
    /// It waits for a snapshot, and nobody waits for it.
    is_out: bool,
    /// It has the state that changes begin from.
    pub(super) has_state: bool,
}

fn life(place: &Place) -> (u64, u64) {
    (place.heads.epoch, place.ordinal)
}

fn weight(answer: &Answer) -> u64 {
    let bytes = match answer {
        Answer::Payload(text) => text.len(),
        Answer::Refused(_) => 0,
    };
    u64::try_from(bytes).unwrap_or(u64::MAX).max(ANSWER_MIN_BYTES)
}

impl Waiting {
    /// Whether it leads past a place, or into another life of the logs.
    fn leads_past(&self, place: &Place) -> bool {
        let own = self.place.as_ref();
        own.is_none_or(|own| own.heads.epoch != place.heads.epoch || own.ordinal > place.ordinal)
    }
}

impl Window {
    /// Covers what follows a place.
    pub(super) fn open(&mut self, start: Option<&Place>) {
        self.covered_from = start.map_or((0, 0), life);
    }

    /// The number of the next answer.
    pub(super) fn next(&self) -> u64 {
        self.first
            .saturating_add(u64::try_from(self.waiting.len()).unwrap_or(u64::MAX))
    }

    /// One more member, which has taken all answers so far.
    pub(super) fn join(&mut self) -> Reader {
        self.members = self.members.saturating_add(1);
        self.idle = self.idle.saturating_add(1);
        Reader {
            next: self.next(),
            slow_in: None,
            is_out: false,
            has_state: false,
        }
    }

    /// One member less.
    pub(super) fn leave(&mut self, reader: &mut Reader) {
        self.members = self.members.saturating_sub(1);
        self.step_out(reader);
    }

    /// A member takes nothing until it skips to a snapshot: nobody waits for it.
    pub(super) fn step_out(&mut self, reader: &mut Reader) {
        if self.has_lost(reader) {
            return;
        }
        self.settle(reader);
        let was_slow = self.is_slow(reader);
        self.count_out(reader);
        reader.is_out = true;
        if was_slow {
            self.ease();
        }
        self.trim();
    }

    /// One more answer, which is no snapshot.
    pub(super) fn push(&mut self, answer: Answer, item: Item) {
        let before = self.given;
        self.given = self.given.saturating_add(weight(&answer));
        self.waiting.push_back(Waiting {
            answer,
            is_break: matches!(item, Item::Break),
            place: match item {
                Item::Entry(place) => Some(place),
                Item::Snapshot | Item::Change | Item::Break => None,
            },
            before,
            readers: std::mem::take(&mut self.idle),
            slow: 0,
        });
        self.trim();
    }

    /// Whether nobody waits for a member any more.
    pub(super) fn has_lost(&self, reader: &Reader) -> bool {
        let was_slow = reader.slow_in.is_some() && reader.slow_in == self.lost_in;
        reader.is_out || was_slow || reader.next < self.first
    }

    /// The next answer that leads past a place, for a member that is not lost.
    pub(super) fn take(&mut self, reader: &mut Reader, past: &Place) -> Option<(Answer, Option<Place>)> {
        let mut to = reader.next;
        let mut found = None;
        while found.is_none()
            && let Some(waiting) = self.at(to)
        {
            to = to.saturating_add(1);
            reader.has_state = reader.has_state && !waiting.is_break;
            found = waiting
                .leads_past(past)
                .then(|| (waiting.answer.clone(), waiting.place.clone()));
        }
        self.advance(reader, to);
        found
    }

    /// A member has the state as of now, and leaves out what comes before; it may have been lost.
    pub(super) fn skip(&mut self, reader: &mut Reader) {
        let to = self.next();
        if self.has_lost(reader) {
            self.idle = self.idle.saturating_add(1);
            reader.next = to;
            reader.slow_in = None;
            reader.is_out = false;
        } else {
            self.advance(reader, to);
        }
        reader.has_state = true;
    }

    /// A member that has just come goes back to what follows a place; false where it had better read that by itself.
    pub(super) fn go_back(&mut self, reader: &mut Reader, place: &Place) -> bool {
        let (epoch, ordinal) = self.covered_from;
        if epoch != place.heads.epoch || ordinal > place.ordinal || self.has_lost(reader) {
            return false;
        }
        let passed = self.waiting.iter().take_while(|waiting| !waiting.leads_past(place));
        let passed = u64::try_from(passed.count()).unwrap_or(u64::MAX);
        let behind = self.first.saturating_add(passed);
        let to = behind.min(reader.next);
        // others may come to its place much later
        let is_ahead = self.is_paced && behind == self.next();
        let crowding = self.crowding.as_ref();
        let is_slow = to < reader.next && crowding.is_some_and(|crowding| to < crowding.mark);
        if is_ahead || is_slow {
            return false;
        }
        self.advance(reader, to);
        true
    }

    /// Whether those that have taken everything wait for nearly all others, and had better read by themselves.
    pub(super) fn is_paced(&self) -> bool {
        self.is_paced
    }

    /// What waits, as a weight.
    pub(super) fn held(&self) -> u64 {
        self.left(self.first)
    }

    /// Whether somebody has so much to take that the next answer should wait.
    pub(super) fn is_crowded(&self) -> bool {
        self.held() >= self.quarter().saturating_mul(CROWDED_QUARTERS)
    }

    /// Until when the next answer waits, if it has to.
    pub(super) fn hold(&mut self, now: Instant) -> Option<Instant> {
        if !self.is_crowded() {
            return None;
        }
        let known = self.crowding.take();
        let crowding = known.unwrap_or_else(|| self.crowding_from(now));
        Some(self.crowding.insert(crowding).deadline)
    }

    /// The deadline is over: nobody waits for the slow ones any more. Nearly all have longer; of a log, which they would
    /// read by themselves while they share it now, those that have gone on by then stay.
    pub(super) fn give_up(&mut self, now: Instant, is_log: bool) {
        let Some(crowding) = &mut self.crowding else {
            return;
        };
        let readers = self.waiting.iter().map(|waiting| waiting.readers);
        let waited_for = readers.fold(self.idle, usize::saturating_add);
        let are_nearly_all = crowding.slow.saturating_mul(8) >= waited_for.saturating_mul(7);
        let (more, most) = PATIENCE;
        if are_nearly_all && now.saturating_duration_since(crowding.began) < most {
            crowding.deadline = now.checked_add(more).unwrap_or(now);
            return;
        }
        let mark = crowding.mark;
        self.crowding = None;
        self.is_paced = are_nearly_all && is_log;
        if !self.is_paced {
            self.lost_in = Some(mark);
        }
        for (number, waiting) in (self.first..).zip(&mut self.waiting) {
            let slow = std::mem::take(&mut waiting.slow);
            if !self.is_paced || number < mark {
                waiting.readers = waiting.readers.saturating_sub(slow);
            }
        }
        self.trim();
    }

    /// A quarter of what may wait.
    fn quarter(&self) -> u64 {
        let members = u64::try_from(self.members).unwrap_or(u64::MAX);
        let (least, most) = WINDOW_BYTES;
        members.saturating_mul(WINDOW_MEMBER_BYTES).clamp(least, most) / 4
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    fn at(&self, number: u64) -> Option<&Waiting> {
        self.waiting.get(self.index(number)?)
    }

    /// What a member has to take from a number on, as a weight.
    fn left(&self, number: u64) -> u64 {
        self.at(number)
            .map_or(0, |waiting| self.given.saturating_sub(waiting.before))
    }

    fn crowding_from(&mut self, now: Instant) -> Crowding {
        let (given, quarter) = (self.given, self.quarter());
        let (mut mark, mut slow) = (self.first, 0_usize);
        let (mut readers, mut untaken) = (0_usize, 0_usize);
        for waiting in &mut self.waiting {
            readers = readers.saturating_add(waiting.readers);
            untaken = untaken.saturating_add(readers);
            if given.saturating_sub(waiting.before) > quarter {
                waiting.slow = waiting.readers;
                mark = mark.saturating_add(1);
                slow = readers;
            } else {
                waiting.slow = 0;
            }
        }
        Crowding {
            mark,
            began: now,
            deadline: now.checked_add(patience(untaken)).unwrap_or(now),
            slow,
            little: quarter,
        }
    }

    fn is_slow(&self, reader: &Reader) -> bool {
        let crowding = self.crowding.as_ref();
        crowding.is_some_and(|crowding| reader.slow_in == Some(crowding.mark))
    }

    /// Tells a member that has not moved since the crowding began whether that has found it slow.
    fn settle(&self, reader: &mut Reader) {
        if let Some(crowding) = &self.crowding
            && reader.next < crowding.mark
        {
            reader.slow_in = Some(crowding.mark);
        }
    }

    /// One is slow no longer.
    fn ease(&mut self) {
        if let Some(crowding) = &mut self.crowding {
            crowding.slow = crowding.slow.saturating_sub(1);
            if crowding.slow == 0 {
                self.crowding = None;
                self.is_paced = false;
            }
        }
    }

    fn advance(&mut self, reader: &mut Reader, to: u64) {
        if to == reader.next {
            return;
        }
        self.settle(reader);
        self.count_out(reader);
        reader.next = to;
        let little = self.crowding.as_ref().map_or(0, |crowding| crowding.little);
        if self.is_slow(reader) && self.left(to) <= little {
            reader.slow_in = None;
            self.ease();
        }
        self.count_in(reader);
        self.trim();
    }

    fn count_in(&mut self, reader: &Reader) {
        let slow = usize::from(self.is_slow(reader));
        let place = self.index(reader.next);
        if let Some(waiting) = place.and_then(|index| self.waiting.get_mut(index)) {
            waiting.readers = waiting.readers.saturating_add(1);
            waiting.slow = waiting.slow.saturating_add(slow);
        } else {
            self.idle = self.idle.saturating_add(1);
        }
    }

    fn count_out(&mut self, reader: &Reader) {
        let slow = usize::from(self.is_slow(reader));
        let place = self.index(reader.next);
        if let Some(waiting) = place.and_then(|index| self.waiting.get_mut(index)) {
            waiting.readers = waiting.readers.saturating_sub(1);
            waiting.slow = waiting.slow.saturating_sub(slow);
        } else {
            self.idle = self.idle.saturating_sub(1);
        }
    }

    /// Lets go of what nobody takes any more.
    fn trim(&mut self) {
        while self.waiting.front().is_some_and(|front| front.readers == 0)
            && let Some(gone) = self.waiting.pop_front()
        {
            self.first = self.first.saturating_add(1);
            if let Some(place) = &gone.place {
                self.covered_from = life(place);
            }
        }
        self.is_paced = self.is_paced && self.held() > self.quarter();
    }
}
