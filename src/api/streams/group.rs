//! What the members of a group share: the answers that not all of them have taken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::{Answer, Item, Kind};
use crate::live::Place;

/// The most answers that are kept for members that have not taken them.
const WAITING_MAX: usize = 256;
/// The most bytes of them.
const WAITING_MAX_BYTES: usize = 256 * 1_024;
/// From so many quarters of either on, the next answers wait for members.
const CROWDED_QUARTERS: usize = 3;
/// How long, with so many members.
fn patience(members: usize) -> Duration {
    let each = u64::try_from(members).unwrap_or(u64::MAX);
    Duration::from_millis(each.saturating_add(50).min(1_000))
}

/// One execution and its members.
#[derive(Debug)]
pub(super) struct Group {
    state: Mutex<State>,
    /// Raised by all that members wait for.
    version: watch::Sender<u64>,
    deserted: Notify,
    asked: Notify,
    /// It is not crowded any more.
    eased: Notify,
}

#[derive(Debug, Default)]
struct State {
    kind: Option<Kind>,
    members: usize,
    /// Those of them that have not taken what is gone.
    lost: usize,
    /// Until when the answers before a number are to be taken.
    crowded: Option<(Instant, u64)>,
    /// Every answer after this entry is in `waiting`, or is still to come: the life of the logs, and the ordinal in it.
    covered_from: (u64, u64),
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The number of the first in `waiting`.
    first: u64,
    /// The whole state, and the number of the first answer after it.
    newest: Option<(Answer, u64)>,
    is_over: bool,
    last_words: Option<Answer>,
}

#[derive(Debug)]
struct Waiting {
    answer: Answer,
    place: Option<Place>,
    /// Whoever takes it begins with a snapshot again.
    is_break: bool,
    /// How many members have not taken it.
    untaken: usize,
}

fn life(place: &Place) -> (u64, u64) {
    (place.heads.epoch, place.ordinal)
}

impl Waiting {
    fn bytes(&self) -> usize {
        match &self.answer {
            Answer::Payload(text) => text.len(),
            Answer::Refused(_) => 0,
        }
    }

    /// Whether it leads past a place, or into another life of the logs.
    fn leads_past(&self, place: &Place) -> bool {
        let own = self.place.as_ref();
        own.is_none_or(|own| own.heads.epoch != place.heads.epoch || own.ordinal > place.ordinal)
    }
}

impl State {
    /// The number of the next answer.
    fn next(&self) -> u64 {
        self.first
            .saturating_add(u64::try_from(self.waiting.len()).unwrap_or(u64::MAX))
    }

    fn pop(&mut self) {
        if let Some(gone) = self.waiting.pop_front() {
            self.lost = self.lost.max(gone.untaken);
            self.first = self.first.saturating_add(1);
            self.bytes = self.bytes.saturating_sub(gone.bytes());
            if let Some(place) = &gone.place {
                self.covered_from = life(place);
            }
        }
    }

    /// Whether somebody who is not lost has so much to take that the next answers should wait.
    fn is_crowded(&self) -> bool {
        let is_much = |has: usize, max: usize| has.saturating_mul(4) >= max.saturating_mul(CROWDED_QUARTERS);
        self.is_held_up()
            && self.waiting.len() > 1
            && (is_much(self.waiting.len(), WAITING_MAX) || is_much(self.bytes, WAITING_MAX_BYTES))
    }

    /// Until when the next answer waits, if it has to.
    fn deadline(&mut self) -> Option<Instant> {
        if !self.is_crowded() {
            return None;
        }
        match self.crowded {
            Some((deadline, before)) if self.first < before => Some(deadline),
            Some(_) | None => {
                let deadline = Instant::now().checked_add(patience(self.members))?;
                self.crowded = Some((deadline, self.next()));
                Some(deadline)
            }
        }
    }

    /// Waits no longer for those who have not taken what they should have.
    fn lose(&mut self) {
        let Some((_, before)) = self.crowded.take() else {
            return;
        };
        while self.first < before && self.is_held_up() {
            self.pop();
        }
        self.trim();
    }

    /// Whether somebody who is not lost has not taken the oldest.
    fn is_held_up(&self) -> bool {
        self.waiting.front().is_some_and(|front| front.untaken > self.lost)
    }

    /// Lets go of what all have taken who are not lost, and of the oldest where there is too much.
    fn trim(&mut self) {
        while self.waiting.front().is_some_and(|front| front.untaken <= self.lost)
            || self.waiting.len() > WAITING_MAX
            || (self.bytes > WAITING_MAX_BYTES && self.waiting.len() > 1)
        {
            self.pop();
        }
    }

    /// A member that would have taken this number next goes on elsewhere.
    fn find_again(&mut self, number: u64) {
        if number < self.first {
            self.lost = self.lost.saturating_sub(1);
        }
    }

    fn at(&mut self, number: u64) -> Option<&mut Waiting> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.waiting.get_mut(index)
    }
}

impl Default for Group {
    fn default() -> Self {
        Self {
            state: Mutex::new(State::default()),
            version: watch::channel(0).0,
            deserted: Notify::new(),
            asked: Notify::new(),
            eased: Notify::new(),
        }
    }
}

impl Group {
    fn wake(&self) {
        self.version.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Says what kind of stream it is; a log covers what follows its start.
    pub(super) fn open(&self, kind: Kind, start: Option<&Place>) {
        let mut state = self.state.lock();
        if state.kind.is_some() {
            return;
        }
        state.kind = Some(kind);
        state.covered_from = start.map_or((0, 0), life);
        drop(state);
        self.wake();
    }

    /// One more answer.
    pub(super) fn give(&self, answer: Answer, item: Option<Item>) {
        let mut state = self.state.lock();
        match (&answer, item) {
            (Answer::Refused(_), _) => state.last_words = Some(answer),
            (Answer::Payload(_), Some(Item::Snapshot)) => {
                let next = state.next();
                state.newest = Some((answer, next));
            }
            (Answer::Payload(_), item) => {
                let is_break = matches!(item, Some(Item::Break));
                let place = match item {
                    Some(Item::Entry(place)) => Some(place),
                    _ => None,
                };
                let waiting = Waiting {
                    answer,
                    place,
                    is_break,
                    untaken: state.members,
                };
                state.newest = None;
                state.bytes = state.bytes.saturating_add(waiting.bytes());
                state.waiting.push_back(waiting);
                state.trim();
            }
        }
        drop(state);
        self.wake();
    }

    /// Waits for members that have much to take, but not for long: a burst comes faster than they have their turns. Whoever
    /// has not taken by then what there was at first reads by itself.
    pub(super) async fn room(&self) {
        loop {
            let Some(deadline) = self.state.lock().deadline() else {
                return;
            };
            if timeout_at(deadline, self.eased.notified()).await.is_err() {
                self.state.lock().lose();
            }
        }
    }

    /// No more answers follow.
    pub(super) fn end(&self) {
        self.state.lock().is_over = true;
        self.wake();
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.lock().is_over
    }

    /// Waits until there may be no members.
    pub(super) async fn deserted(&self) {
        self.deserted.notified().await;
    }

    /// Ends it if there are none.
    pub(super) fn end_if_deserted(&self) -> bool {
        let mut state = self.state.lock();
        state.is_over = state.is_over || state.members == 0;
        state.is_over
    }

    /// Waits until a member asks for a snapshot.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// One more member, which has taken all answers so far.
    pub(super) fn join(self: Arc<Self>) -> Member {
        let mut state = self.state.lock();
        state.members = state.members.saturating_add(1);
        let next = state.next();
        drop(state);
        Member {
            version: self.version.subscribe(),
            group: self,
            next,
            has_taken: false,
            has_state: false,
            newest_taken: None,
        }
    }
}

/// What a member got.
pub(super) enum Taken {
    /// An answer, and where it leads to.
    Answer(Answer, Option<Place>),
    /// The group does not hold what comes next any more.
    Behind,
    /// Nothing follows.
    Nothing,
}

/// A subscriber's place in its group.
pub(super) struct Member {
    group: Arc<Group>,
    version: watch::Receiver<u64>,
    /// The number of the answer that it takes next.
    next: u64,
    /// It has taken something.
    has_taken: bool,
    /// It has the state that changes begin from.
    has_state: bool,
    /// The newest state that it has, where each takes the place of the one before.
    newest_taken: Option<Answer>,
}

enum Look {
    Taken(Taken),
    Wait,
    Ask,
}

impl Member {
    /// Whether it has taken anything.
    pub(super) fn has_taken(&self) -> bool {
        self.has_taken
    }

    /// Waits until the group has begun; whether it can give all that follows a place.
    pub(super) async fn begin(&mut self, place: &Place) -> bool {
        loop {
            self.version.borrow_and_update();
            {
                let mut state = self.group.state.lock();
                match state.kind {
                    _ if state.is_over => return true,
                    None => {}
                    Some(Kind::Log) => {
                        let (epoch, ordinal) = state.covered_from;
                        if epoch != place.heads.epoch || ordinal > place.ordinal {
                            return false;
                        }
                        // what it had not joined yet when it was given
                        let joined = usize::try_from(self.next.saturating_sub(state.first)).unwrap_or(usize::MAX);
                        let missed = state.waiting.iter().take(joined);
                        let passed = missed.take_while(|waiting| !waiting.leads_past(place)).count();
                        for waiting in state.waiting.iter_mut().take(joined).skip(passed) {
                            waiting.untaken = waiting.untaken.saturating_add(1);
                        }
                        state.find_again(self.next);
                        self.next = state.first.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX));
                        return true;
                    }
                    Some(Kind::Changes | Kind::Newest) => return true,
                }
            }
            if self.version.changed().await.is_err() {
                return true;
            }
        }
    }

    /// The next answer that leads past a place.
    pub(super) async fn next(&mut self, past: &Place) -> Taken {
        loop {
            self.version.borrow_and_update();
            match self.look(past) {
                Look::Taken(taken) => {
                    self.has_taken = true;
                    return taken;
                }
                Look::Wait => {}
                Look::Ask => self.group.asked.notify_one(),
            }
            if self.version.changed().await.is_err() {
                return Taken::Nothing;
            }
        }
    }

    fn look(&mut self, past: &Place) -> Look {
        let group = Arc::clone(&self.group);
        let mut state = group.state.lock();
        let was_crowded = state.is_crowded();
        let look = self.look_at(&mut state, past);
        if was_crowded && !state.is_crowded() {
            group.eased.notify_one();
        }
        look
    }

    fn look_at(&mut self, state: &mut State, past: &Place) -> Look {
        match state.kind {
            Some(Kind::Newest) => {
                if let Some((answer, _)) = &state.newest
                    && !self.newest_taken.as_ref().is_some_and(|taken| taken.is_same(answer))
                {
                    self.newest_taken = Some(answer.clone());
                    return Look::Taken(Taken::Answer(answer.clone(), None));
                }
            }
            Some(Kind::Changes) if !self.has_state || self.next < state.first => {
                let next = state.next();
                return match &state.newest {
                    Some((answer, number)) if *number == next => {
                        let answer = answer.clone();
                        self.pass(state, next);
                        self.has_state = true;
                        Look::Taken(Taken::Answer(answer, None))
                    }
                    _ if state.is_over => Look::Taken(end(state)),
                    _ => Look::Ask,
                };
            }
            Some(Kind::Log) if self.next < state.first => {
                // what went was taken by all who were members then, unless there was too much
                return Look::Taken(Taken::Behind);
            }
            _ => {}
        }
        let number = self.next;
        while let Some(waiting) = state.at(self.next) {
            self.next = self.next.saturating_add(1);
            waiting.untaken = waiting.untaken.saturating_sub(1);
            self.has_state = self.has_state && !waiting.is_break;
            let found = waiting
                .leads_past(past)
                .then(|| (waiting.answer.clone(), waiting.place.clone()));
            if let Some((answer, place)) = found {
                state.trim();
                return Look::Taken(Taken::Answer(answer, place));
            }
        }
        if number != self.next {
            state.trim();
        }
        if state.is_over {
            return Look::Taken(end(state));
        }
        Look::Wait
    }

    /// Leaves out what comes before a number.
    fn pass(&mut self, state: &mut State, to: u64) {
        state.find_again(self.next);
        for number in self.next.max(state.first)..to {
            if let Some(waiting) = state.at(number) {
                waiting.untaken = waiting.untaken.saturating_sub(1);
            }
        }
        self.next = to;
        state.trim();
    }
}

fn end(state: &State) -> Taken {
    match &state.last_words {
        Some(answer) => Taken::Answer(answer.clone(), None),
        None => Taken::Nothing,
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let group = Arc::clone(&self.group);
        let mut state = group.state.lock();
        let next = state.next();
        self.pass(&mut state, next);
        state.members = state.members.saturating_sub(1);
        group.eased.notify_one();
        if state.members == 0 {
            drop(state);
            group.deserted.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
