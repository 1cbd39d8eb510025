//! What is asked of live queues.

use switchboard::clock::format_millis;
use switchboard::domain::{Priority, Reason, Status};
use switchboard::view::{TicketFilter, TicketOrder};
use uuid::Uuid;

use crate::support::world::{Dice, World};

/// How many filters by chance there are beside those that are always asked.
const BY_CHANCE: usize = 6;

pub struct Question {
    pub arguments: String,
    pub filter: TicketFilter,
    pub order: TicketOrder,
    pub first: usize,
}

/// What a filter may name, and whether it does.
type Named = (&'static str, fn(&TicketFilter) -> bool);

/// What some filters name for sure, each so that something changes among their tickets.
pub const NAMED: [Named; 4] = [
    ("chatIds", |filter| !filter.chat_ids.is_empty()),
    ("reasons", |filter| !filter.reasons.is_empty()),
    ("createdAfter", |filter| filter.created_after.is_some()),
    ("createdBefore", |filter| filter.created_before.is_some()),
];

impl Question {
    fn new(filter: TicketFilter, order: TicketOrder, first: usize) -> Self {
        let arguments = format!(
            "filter: {{ {} }}, orderBy: {}, first: {first}",
            written(&filter),
            name(order)
        );
        Self {
            arguments,
            filter,
            order,
            first,
        }
    }
}

fn name(order: TicketOrder) -> &'static str {
    match order {
        TicketOrder::UpdatedDesc => "UPDATED_DESC",
        TicketOrder::CreatedDesc => "CREATED_DESC",
        TicketOrder::CreatedAsc => "CREATED_ASC",
        TicketOrder::WaitingLongest => "WAITING_LONGEST",
        TicketOrder::Priority => "PRIORITY",
    }
}

fn list(field: &str, values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| format!("{field}: [{}]", values.join(", ")))
}

fn ids(field: &str, ids: &[Uuid]) -> Option<String> {
    let quoted: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    list(field, &quoted)
}

fn names<T: Copy>(field: &str, values: &[T], name: fn(T) -> &'static str) -> Option<String> {
    let names: Vec<String> = values.iter().map(|value| name(*value).to_owned()).collect();
    list(field, &names)
}

fn time(field: &str, at: Option<u64>) -> Option<String> {
    at.map(|at| format!("{field}: \"{}\"", format_millis(at)))
}

/// A filter as a document says it.
fn written(filter: &TicketFilter) -> String {
    let parts = [
        names("statuses", &filter.statuses, Status::name),
        names("reasons", &filter.reasons, Reason::name),
        ids("assigneeIds", &filter.assignee_ids),
        filter.unassigned.map(|unassigned| format!("unassigned: {unassigned}")),
        ids("teamIds", &filter.team_ids),
        ids("responderIds", &filter.responder_ids),
        names("priorities", &filter.priorities, Priority::name),
        ids("tagIds", &filter.tag_ids),
        Some(format!("includeRemoved: {}", filter.include_removed)),
        ids("channelIds", &filter.channel_ids),
        ids("chatIds", &filter.chat_ids),
        time("createdAfter", filter.created_after),
        time("createdBefore", filter.created_before),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

/// The questions for a world in which tickets were made at these times, in order.
pub fn questions(world: &World, dice: &mut Dice, made: &[u64]) -> Vec<Question> {
    let mut questions = of_one_kind(world);
    questions.extend(of_some_chats_and_times(world, made));
    for _ in 0..BY_CHANCE {
        let filter = by_chance(world, dice, made);
        let order = dice.pick(&[
            TicketOrder::UpdatedDesc,
            TicketOrder::CreatedDesc,
            TicketOrder::CreatedAsc,
            TicketOrder::WaitingLongest,
            TicketOrder::Priority,
        ]);
        questions.push(Question::new(filter, order, 1 + dice.roll(30)));
    }
    questions
}

fn of_one_kind(world: &World) -> Vec<Question> {
    let any = TicketFilter::default;
    vec![
        Question {
            arguments: "first: 10".into(),
            filter: any(),
            order: TicketOrder::UpdatedDesc,
            first: 10,
        },
        Question::new(
            TicketFilter {
                statuses: vec![Status::New, Status::Active],
                ..any()
            },
            TicketOrder::WaitingLongest,
            7,
        ),
        Question::new(
            TicketFilter {
                assignee_ids: vec![world.agents[0]],
                ..any()
            },
            TicketOrder::Priority,
            100,
        ),
        Question::new(
            TicketFilter {
                team_ids: vec![world.teams[1]],
                priorities: vec![Priority::High, Priority::Medium],
                ..any()
            },
            TicketOrder::CreatedAsc,
            5,
        ),
        Question::new(
            TicketFilter {
                tag_ids: vec![world.tags[2]],
                channel_ids: vec![world.channels[0], world.channels[2]],
                unassigned: Some(false),
                include_removed: true,
                ..any()
            },
            TicketOrder::UpdatedDesc,
            100,
        ),
        Question::new(
            TicketFilter {
                responder_ids: vec![world.responders[0]],
                ..any()
            },
            TicketOrder::CreatedDesc,
            20,
        ),
    ]
}

fn of_some_chats_and_times(world: &World, made: &[u64]) -> Vec<Question> {
    let any = TicketFilter::default;
    vec![
        Question::new(
            TicketFilter {
                chat_ids: world.chats().into_iter().step_by(2).collect(),
                ..any()
            },
            TicketOrder::UpdatedDesc,
            15,
        ),
        Question::new(
            TicketFilter {
                reasons: vec![Reason::Inbound, Reason::InProgress, Reason::Completed, Reason::Deleted],
                ..any()
            },
            TicketOrder::WaitingLongest,
            30,
        ),
        // those of a while, which only change
        Question::new(
            TicketFilter {
                created_after: Some(made[made.len() / 4]),
                created_before: Some(made[made.len() * 3 / 4]),
                ..any()
            },
            TicketOrder::UpdatedDesc,
            100,
        ),
        // those that are still to come
        Question::new(
            TicketFilter {
                created_after: made.last().copied(),
                ..any()
            },
            TicketOrder::Priority,
            10,
        ),
    ]
}

/// A filter of two things at most.
fn by_chance(world: &World, dice: &mut Dice, made: &[u64]) -> TicketFilter {
    let mut filter = TicketFilter {
        include_removed: dice.once_in(3),
        ..TicketFilter::default()
    };
    for _ in 0..2 {
        match dice.roll(7) {
            0 => filter.chat_ids = some(dice, &world.chats(), 12),
            1 => filter.reasons = some(dice, &Reason::ALL, 5),
            2 => filter.created_after = Some(dice.pick(made)),
            3 => filter.created_before = Some(dice.pick(made)),
            4 => filter.statuses = some(dice, &[Status::New, Status::Active, Status::Inactive], 2),
            5 => filter.channel_ids = some(dice, &world.channels, 2),
            _ => filter.team_ids = some(dice, &world.teams, 2),
        }
    }
    filter
}

/// So many of a list, or fewer where one is picked again.
fn some<T: Clone>(dice: &mut Dice, all: &[T], count: usize) -> Vec<T> {
    (0..count).map(|_| dice.pick(all)).collect()
}
