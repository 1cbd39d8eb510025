//! Subscriptions. Equal ones of a workspace share one execution and its answers as text; a subscriber has its own place
//! among them, holds nothing, and costs nobody anything while it is slow.
//!
//! A subscriber that begins at a cursor, or that has fallen behind what its group still holds, runs an execution of its
//! own, at its own pace, until that rests; then it goes on with the group. So nothing is missed and nothing comes twice.

mod group;
mod source;

pub(super) use self::source::{Source, variable_of_after};

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use async_graphql::{Response, ServerError};
use futures_util::stream::{BoxStream, StreamExt as _};
use futures_util::{FutureExt as _, Stream, stream};
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use self::group::{Group, Member, Taken};
use self::source::Key;
use super::graphql::SwitchboardSchema;
use super::graphql::subscription::track::{Item, Kind, Track};
use super::graphql_request::{self as request, Phase};
use crate::live::{Live, Place};

/// How often a subscriber joins a group anew that ends without a word.
const REJOINS_MAX: u32 = 3;

/// What a subscription gives.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A response as JSON.
    Payload(Arc<str>),
    /// It cannot run; nothing follows.
    Refused(Vec<ServerError>),
}

impl Answer {
    /// Whether two are not only equal but one.
    fn is_same(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Payload(one), Self::Payload(other)) if Arc::ptr_eq(one, other))
    }

    /// Of an execution's response; `is_first` says whether it may have been refused.
    pub(super) fn of(mut response: Response, is_first: bool) -> Self {
        let phase = if is_first {
            Phase::of(&response)
        } else {
            Phase::Executed
        };
        request::fill_codes(&mut response.errors, phase);
        if phase == Phase::Refused {
            return Self::Refused(response.errors);
        }
        match serde_json::to_string(&response) {
            Ok(text) => Self::Payload(text.into()),
            Err(error) => {
                tracing::error!(%error, "a response cannot be written as JSON");
                Self::Refused(vec![request::coded("the response cannot be written", "INTERNAL")])
            }
        }
    }
}

/// All groups of a node.
#[derive(Clone)]
pub struct Streams {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Streams").finish_non_exhaustive()
    }
}

struct Shared {
    schema: SwitchboardSchema,
    live: Live,
    tasks: TaskTracker,
    groups: Mutex<HashMap<Arc<Key>, Arc<Group>>>,
}

/// An execution of one's own.
struct Private {
    track: Arc<Track>,
    responses: BoxStream<'static, Response>,
    is_begun: bool,
}

/// Where a subscriber gets its answers.
enum Mode {
    /// From nowhere yet.
    Joining,
    Alone(Private),
    With(Member),
    Ended,
}

/// One subscriber.
struct Subscriber {
    streams: Streams,
    source: Arc<Source>,
    /// What it has been given.
    place: Place,
    mode: Mode,
    /// How often its group ended before it gave anything.
    rejoins: u32,
}

impl Streams {
    /// No groups yet; executions run as `tasks`.
    #[must_use]
    pub fn new(schema: SwitchboardSchema, live: Live, tasks: TaskTracker) -> Self {
        let groups = Mutex::new(HashMap::new());
        Self {
            shared: Arc::new(Shared {
                schema,
                live,
                tasks,
                groups,
            }),
        }
    }

    /// Begins a subscription.
    pub(super) fn subscribe(&self, source: Source) -> impl Stream<Item = Answer> + Send + 'static {
        let mode = if source.has_after() {
            Mode::Alone(self.alone(&source, Track::default()))
        } else {
            Mode::Joining
        };
        let subscriber = Subscriber {
            place: self.shared.live.place(),
            streams: self.clone(),
            source: Arc::new(source),
            mode,
            rejoins: 0,
        };
        stream::unfold(subscriber, |mut subscriber| async move {
            let answer = subscriber.next().await?;
            Some((answer, subscriber))
        })
    }

    fn alone(&self, source: &Source, track: Track) -> Private {
        let track = Arc::new(track);
        let request = source.request().data(Arc::clone(&track));
        Private {
            track,
            responses: self.shared.schema.execute_stream(request),
            is_begun: false,
        }
    }

    /// The group of a source, begun at a place if there is none. Whoever gives up its last member ends it.
    fn join(&self, source: &Arc<Source>, place: &Place) -> Member {
        let mut groups = self.shared.groups.lock();
        let group = match groups.entry(Arc::clone(source.key())) {
            Entry::Occupied(known) if !known.get().is_over() => {
                source.share();
                Arc::clone(known.get())
            }
            entry @ (Entry::Occupied(_) | Entry::Vacant(_)) => {
                let group = Arc::new(Group::default());
                entry.insert_entry(Arc::clone(&group));
                let private = self.alone(source, Track::beginning_at(place.clone()));
                let running = self.clone().run(Arc::clone(source), Arc::clone(&group), private);
                self.shared.tasks.spawn(running);
                group
            }
        };
        group.join()
    }

    /// Runs a group's execution until nobody listens or it ends.
    async fn run(self, source: Arc<Source>, group: Arc<Group>, mut private: Private) {
        let running = Running {
            streams: self,
            source,
            group,
        };
        let group = &running.group;
        loop {
            let response = tokio::select! {
                biased;
                () = group.deserted() => {
                    if running.end_if_deserted() {
                        return;
                    }
                    continue;
                }
                () = group.asked() => {
                    private.track.ask();
                    continue;
                }
                response = next_or_open(&mut private, group) => response,
            };
            let Some(response) = response else { return };
            let answer = Answer::of(response, !private.is_begun);
            private.is_begun = true;
            let item = match &answer {
                Answer::Payload(_) => private.track.item(),
                Answer::Refused(_) => None,
            };
            // what is no item says why there are none
            let Some(item) = item else {
                group.end_with(answer);
                return;
            };
            group.give(answer, item);
            group.room().await;
        }
    }
}

/// Ends its group when it is dropped, however that comes.
struct Running {
    streams: Streams,
    source: Arc<Source>,
    group: Arc<Group>,
}

impl Running {
    fn end_if_deserted(&self) -> bool {
        // whoever joins holds the same lock
        let _groups = self.streams.shared.groups.lock();
        self.group.end_if_deserted()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut groups = self.streams.shared.groups.lock();
        self.group.end();
        let known = groups.get(self.source.key());
        if known.is_some_and(|known| Arc::ptr_eq(known, &self.group)) {
            groups.remove(self.source.key());
        }
    }
}

/// The next response; tells the group what kind of stream it is as soon as that is known.
async fn next_or_open(private: &mut Private, group: &Group) -> Option<Response> {
    let track = Arc::clone(&private.track);
    let mut next = private.responses.next();
    std::future::poll_fn(|context| {
        let polled = next.poll_unpin(context);
        if let Some((kind, start)) = track.kind() {
            group.open(kind, start.as_ref());
        }
        polled
    })
    .await
}

impl Subscriber {
    async fn next(&mut self) -> Option<Answer> {
        loop {
            match &mut self.mode {
                Mode::Ended => return None,
                // boxed: whoever goes with a group keeps no room for it
                Mode::Joining => Box::pin(self.join()).await,
                Mode::Alone(_) => {
                    if let Some(answer) = Box::pin(self.next_alone()).await {
                        return answer;
                    }
                }
                Mode::With(member) => {
                    let had_taken = member.has_taken();
                    match member.next(&self.place).await {
                        Taken::Answer(answer, place) => {
                            self.place = place.unwrap_or_else(|| std::mem::take(&mut self.place));
                            return Some(answer);
                        }
                        Taken::Last(answer) => {
                            self.mode = Mode::Ended;
                            return Some(answer);
                        }
                        Taken::Behind => {
                            let track = Track::beginning_at(self.place.clone());
                            self.mode = Mode::Alone(self.streams.alone(&self.source, track));
                        }
                        // it ended between two who joined it
                        Taken::Nothing if !had_taken && self.rejoins < REJOINS_MAX => {
                            self.rejoins = self.rejoins.saturating_add(1);
                            self.mode = Mode::Joining;
                        }
                        Taken::Nothing => self.mode = Mode::Ended,
                    }
                }
            }
        }
    }

    /// Goes with the group from where it is, or reads by itself what the group cannot give.
    async fn join(&mut self) {
        if self.place == Place::default() {
            // what came while the view was being built is old
            self.place = self.streams.shared.live.begun().await;
        }
        let mut member = self.streams.join(&self.source, &self.place);
        if member.begin(&self.place).await {
            self.mode = Mode::With(member);
        } else {
            let track = Track::beginning_at(self.place.clone());
            self.mode = Mode::Alone(self.streams.alone(&self.source, track));
        }
    }

    /// The next answer of its own execution; none inside where the group takes over.
    async fn next_alone(&mut self) -> Option<Option<Answer>> {
        let Mode::Alone(private) = &mut self.mode else {
            return None;
        };
        let track = Arc::clone(&private.track);
        let mut next = private.responses.next();
        let polled = std::future::poll_fn(|context| match next.poll_unpin(context) {
            std::task::Poll::Ready(response) => std::task::Poll::Ready(Ok(response)),
            std::task::Poll::Pending => match track.rest() {
                Some(rest) => std::task::Poll::Ready(Err(rest)),
                None => std::task::Poll::Pending,
            },
        });
        match polled.await {
            Ok(None) => {
                self.mode = Mode::Ended;
                Some(None)
            }
            Ok(Some(response)) => {
                let answer = Answer::of(response, !private.is_begun);
                private.is_begun = true;
                if let Some(Item::Entry(place)) = track.item() {
                    self.place = place;
                }
                if matches!(answer, Answer::Refused(_)) {
                    self.mode = Mode::Ended;
                }
                Some(Some(answer))
            }
            Err(rest) => {
                let mut member = self.streams.join(&self.source, &rest);
                if member.begin(&rest).await {
                    self.place = rest;
                    self.mode = Mode::With(member);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
