//! What the members of a group share: the answers that not all of them have taken.

mod window;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use self::window::{Reader, Window};
use super::{Answer, Item, Kind};
use crate::live::Place;

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
    window: Window,
    /// The whole state, and the number of the first answer after it.
    newest: Option<(Answer, u64)>,
    /// How many of these were given.
    snapshots: u64,
    is_over: bool,
    /// Why it is over, for every member.
    last_words: Option<Answer>,
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
        state.window.open(start);
        drop(state);
        self.wake();
    }

    /// One more answer.
    pub(super) fn give(&self, answer: Answer, item: Item) {
        let mut state = self.state.lock();
        if matches!(item, Item::Snapshot) {
            let next = state.window.next();
            state.newest = Some((answer, next));
            state.snapshots = state.snapshots.saturating_add(1);
        } else {
            state.newest = None;
            state.window.push(answer, item);
        }
        drop(state);
        self.wake();
    }

    /// Waits for members that have much to take, but not for long: see `window`.
    pub(super) async fn room(&self) {
        loop {
            let Some(deadline) = self.state.lock().window.hold(Instant::now()) else {
                return;
            };
            if timeout_at(deadline, self.eased.notified()).await.is_err() {
                let mut state = self.state.lock();
                let is_log = state.kind == Some(Kind::Log);
                state.window.give_up(Instant::now(), is_log);
            }
        }
    }

    /// No more answers follow.
    pub(super) fn end(&self) {
        self.state.lock().is_over = true;
        self.wake();
    }

    /// No more answers follow but this one, which is for every member.
    pub(super) fn end_with(&self, last_words: Answer) {
        self.state.lock().last_words = Some(last_words);
        self.end();
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
        state.is_over = state.is_over || state.window.members == 0;
        state.is_over
    }

    /// Waits until a member asks for a snapshot.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// One more member, which has taken all answers so far.
    pub(super) fn join(self: Arc<Self>) -> Member {
        let mut state = self.state.lock();
        let (reader, snapshots) = (state.window.join(), state.snapshots);
        drop(state);
        Member {
            snapshots,
            version: self.version.subscribe(),
            group: self,
            reader,
            has_taken: false,
            newest_taken: None,
        }
    }
}

/// What a member got.
pub(super) enum Taken {
    /// An answer, and where it leads to.
    Answer(Answer, Option<Place>),
    /// Why nothing follows.
    Last(Answer),
    /// The group does not hold what comes next any more, or would be long about it.
    Behind,
    /// Nothing follows.
    Nothing,
}

/// A subscriber's place in its group.
pub(super) struct Member {
    group: Arc<Group>,
    version: watch::Receiver<u64>,
    reader: Reader,
    /// How many there had been when it came: one from before may lack what its client had written by then.
    snapshots: u64,
    /// It has taken something.
    has_taken: bool,
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

    /// Waits until the group has begun; whether it gives all that follows a place.
    pub(super) async fn begin(&mut self, place: &Place) -> bool {
        loop {
            self.version.borrow_and_update();
            {
                let mut state = self.group.state.lock();
                match state.kind {
                    _ if state.is_over => return true,
                    None => {}
                    Some(Kind::Log) => return state.window.go_back(&mut self.reader, place),
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
        let was_crowded = state.window.is_crowded();
        let look = self.look_at(&mut state, past);
        if was_crowded && !state.window.is_crowded() {
            group.eased.notify_one();
        }
        look
    }

    fn look_at(&mut self, state: &mut State, past: &Place) -> Look {
        let is_lost = state.window.has_lost(&self.reader);
        match state.kind {
            Some(Kind::Newest) => {
                if let Some((answer, _)) = &state.newest
                    && !self.newest_taken.as_ref().is_some_and(|taken| taken.is_same(answer))
                {
                    self.newest_taken = Some(answer.clone());
                    return Look::Taken(Taken::Answer(answer.clone(), None));
                }
            }
            Some(Kind::Changes) if is_lost || !self.reader.has_state => {
                let next = state.window.next();
                return match &state.newest {
                    Some((answer, number)) if *number == next && state.snapshots > self.snapshots => {
                        let answer = answer.clone();
                        state.window.skip(&mut self.reader);
                        Look::Taken(Taken::Answer(answer, None))
                    }
                    _ if state.is_over => Look::Taken(end(state)),
                    _ => {
                        state.window.step_out(&mut self.reader);
                        Look::Ask
                    }
                };
            }
            Some(Kind::Log) if is_lost => return Look::Taken(Taken::Behind),
            _ => {}
        }
        match state.window.take(&mut self.reader, past) {
            Some((answer, place)) => Look::Taken(Taken::Answer(answer, place)),
            None if state.is_over => Look::Taken(end(state)),
            None if state.window.is_paced() => Look::Taken(Taken::Behind),
            None => Look::Wait,
        }
    }
}

fn end(state: &State) -> Taken {
    state.last_words.clone().map_or(Taken::Nothing, Taken::Last)
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.group.state.lock();
        state.window.leave(&mut self.reader);
        let is_deserted = state.window.members == 0;
        drop(state);
        self.group.eased.notify_one();
        if is_deserted {
            self.group.deserted.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
