//! What a subscription wants to hear of, and under which keys it is found.

use uuid::Uuid;

use crate::domain::event::NAMES;
use crate::domain::{Event, EventBody, Status};
use crate::view::{Entry, StatsFilter, TicketFilter};

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the API")]
pub struct EventFilter {
    pub chat_id: Option<Uuid>,
    pub ticket_id: Option<Uuid>,
    /// Any of these; all where it is empty.
    pub types: Vec<String>,
    /// What happens to chats on these, and posts that come in or change there; all where it is empty.
    pub channel_ids: Vec<Uuid>,
    /// Leaves out those that need ADMIN: of API keys and webhooks.
    pub hides_admin: bool,
}

/// The events that need ADMIN begin with these.
const NEED_ADMIN: [&str; 2] = ["key.", "webhook."];

/// The events without a chat that say which channel they are of.
const OF_POSTS: [&str; 2] = ["post.received", "post.edited"];

/// What a subscription is about.
#[derive(Clone, Debug)]
pub enum Topic {
    /// Events.
    Events(EventFilter),
    /// Events after which their ticket matches.
    Tickets(TicketFilter),
    /// Events by which the first tickets of a queue, or its counters, may have changed.
    Queue(TicketFilter),
    /// Events by which counters may have changed.
    Stats(StatsFilter),
}

/// What an event is looked up by. A subscription is filed under the narrowest that it names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Any,
    /// A chat was removed or brought back, with all its tickets; on this channel, where one is named.
    Removal(Option<Uuid>),
    /// A chat has another responder, and so have all its tickets.
    OtherResponder,
    Type(&'static str),
    Chat(Uuid),
    Ticket(Uuid),
    Assignee(Option<Uuid>),
    Team(Option<Uuid>),
    Responder(Uuid),
    Tag(Uuid),
    Channel(Uuid),
    Status(Status),
}

/// Which channel an entry is of.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others say no channel")]
fn channel_of(entry: &Entry) -> Option<Uuid> {
    let of_post = match &entry.record.event.body {
        EventBody::PostReceived { post } | EventBody::PostEdited { to: post, .. } => Some(post.channel_id),
        _ => None,
    };
    entry.whereabouts.map(|at| at.channel_id).or(of_post)
}

impl EventFilter {
    fn matches(&self, entry: &Entry) -> bool {
        let event = &*entry.record.event;
        let name = event.body.name();
        let same = |wanted: Option<Uuid>, found: Option<Uuid>| wanted.is_none_or(|wanted| found == Some(wanted));
        same(self.chat_id, event.chat_id())
            && same(self.ticket_id, event.ticket_id())
            && (self.types.is_empty() || self.types.iter().any(|wanted| wanted == name))
            && (self.channel_ids.is_empty() || channel_of(entry).is_some_and(|id| self.channel_ids.contains(&id)))
            && !(self.hides_admin && NEED_ADMIN.iter().any(|prefix| name.starts_with(prefix)))
    }

    /// The wanted ones of these types.
    fn types_of(&self, names: &[&'static str]) -> Vec<Key> {
        let is_wanted = |name: &&str| self.types.is_empty() || self.types.iter().any(|wanted| wanted == name);
        names.iter().copied().filter(is_wanted).map(Key::Type).collect()
    }

    fn keys(&self) -> Vec<Key> {
        match (self.ticket_id, self.chat_id) {
            (Some(id), _) => vec![Key::Ticket(id)],
            (None, Some(id)) => vec![Key::Chat(id)],
            (None, None) if self.types.is_empty() && self.channel_ids.is_empty() => vec![Key::Any],
            (None, None) if self.channel_ids.is_empty() => self.types_of(NAMES),
            (None, None) => {
                let mut keys: Vec<_> = self.channel_ids.iter().copied().map(Key::Channel).collect();
                keys.extend(self.types_of(&OF_POSTS));
                keys
            }
        }
    }
}

/// The narrowest of what a filter names.
fn filter_keys(filter: &TicketFilter) -> Vec<Key> {
    let ids = |ids: &[Uuid], key: fn(Uuid) -> Key| ids.iter().copied().map(key).collect::<Vec<_>>();
    let mut keys = ids(&filter.chat_ids, Key::Chat);
    let others = [
        ids(&filter.assignee_ids, |id| Key::Assignee(Some(id))),
        ids(&filter.tag_ids, Key::Tag),
        ids(&filter.team_ids, |id| Key::Team(Some(id))),
        ids(&filter.responder_ids, Key::Responder),
        ids(&filter.channel_ids, Key::Channel),
        if filter.unassigned == Some(true) {
            vec![Key::Assignee(None)]
        } else {
            Vec::new()
        },
        filter.statuses.iter().copied().map(Key::Status).collect(),
        filter
            .reasons
            .iter()
            .map(|reason| Key::Status(reason.status()))
            .collect(),
        vec![Key::Any],
    ];
    for other in others {
        if keys.is_empty() {
            keys = other;
        }
    }
    keys
}

/// Where removals of chats are found, for tickets on any of these channels; on all where there are none.
fn removal_keys(channel_ids: &[Uuid]) -> Vec<Key> {
    if channel_ids.is_empty() {
        return vec![Key::Removal(None)];
    }
    channel_ids.iter().map(|id| Key::Removal(Some(*id))).collect()
}

impl Topic {
    /// Under which keys it is filed.
    pub(super) fn keys(&self) -> Vec<Key> {
        match self {
            Self::Events(filter) => filter.keys(),
            Self::Tickets(filter) => filter_keys(filter),
            Self::Queue(filter) => {
                let mut keys = filter_keys(filter);
                keys.extend(removal_keys(&filter.channel_ids));
                if !filter.responder_ids.is_empty() {
                    keys.push(Key::OtherResponder);
                }
                keys
            }
            Self::Stats(filter) => {
                let filter = TicketFilter {
                    channel_ids: filter.channel_ids.clone(),
                    team_ids: filter.team_ids.clone(),
                    assignee_ids: filter.assignee_ids.clone(),
                    ..TicketFilter::default()
                };
                let mut keys = filter_keys(&filter);
                keys.extend(removal_keys(&filter.channel_ids));
                keys
            }
        }
    }

    /// Whether it is about tickets of some responders.
    pub(super) fn names_responders(&self) -> bool {
        matches!(self, Self::Tickets(filter) if !filter.responder_ids.is_empty())
    }

    /// Whether an entry that was found by a key, or read in the order of the log, is wanted.
    pub(super) fn wants(&self, entry: &Entry) -> bool {
        let event = &*entry.record.event;
        match self {
            Self::Events(filter) => filter.matches(entry),
            Self::Tickets(filter) => match (&event.ticket, entry.whereabouts) {
                (Some(ticket), Some(at)) => filter.matches(ticket, at),
                _ => false,
            },
            Self::Queue(_) | Self::Stats(_) => event.ticket.is_some() || !sweep(entry).is_empty(),
        }
    }
}

/// How an entry may change tickets that it does not bring along.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others change one ticket at most")]
fn sweep(entry: &Entry) -> Vec<Key> {
    match entry.record.event.body {
        EventBody::ChatRemoved {} | EventBody::ChatRestored {} => {
            let channel_id = entry.whereabouts.map(|at| at.channel_id);
            let on_channel = channel_id.map(|id| Key::Removal(Some(id)));
            [Some(Key::Removal(None)), on_channel].into_iter().flatten().collect()
        }
        EventBody::ChatResponderChanged { .. } => vec![Key::OtherResponder],
        _ => Vec::new(),
    }
}

/// What an entry is found by: what its ticket is now, and what it was before.
pub(super) fn keys_of(entry: &Entry) -> Vec<Key> {
    let event = &*entry.record.event;
    let mut keys = vec![Key::Any, Key::Type(event.body.name())];
    keys.extend(event.chat_id().map(Key::Chat));
    keys.extend(event.ticket_id().map(Key::Ticket));
    if let Some(at) = entry.whereabouts {
        keys.push(Key::Channel(at.channel_id));
        keys.extend(at.responder_id.map(Key::Responder));
    }
    keys.extend(sweep(entry));
    if let Some(ticket) = &event.ticket {
        keys.push(Key::Assignee(ticket.assignee_id));
        keys.push(Key::Team(ticket.team_id));
        keys.push(Key::Status(ticket.status()));
        keys.extend(ticket.tags.iter().copied().map(Key::Tag));
    }
    keys.extend(key_before(event));
    keys
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others change nothing that keys are made of"
)]
fn key_before(event: &Event) -> Option<Key> {
    match &event.body {
        EventBody::TicketAssigneeChanged { from, .. } => Some(Key::Assignee(*from)),
        EventBody::TicketTeamChanged { from, .. } => Some(Key::Team(*from)),
        EventBody::TicketTagRemoved { tag_id } => Some(Key::Tag(*tag_id)),
        EventBody::TicketStatusChanged { from, .. } | EventBody::TicketMerged { from, .. } => {
            Some(Key::Status(from.status()))
        }
        EventBody::ChatResponderChanged { from, .. } => from.as_ref().map(|from| Key::Responder(from.id)),
        _ => None,
    }
}
