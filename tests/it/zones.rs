//! Records made by hand: lists of tickets made at certain times (what a walk passes over has none of them), of tickets that
//! few have, and the age of queues.

mod broad;

use std::sync::Arc;

use switchboard::domain::event::{Cause, Profile};
use switchboard::domain::{Actor, Event, EventBody, Owner, Reason, Ticket, id};
use switchboard::store::Record;
use switchboard::view::page::{Page, Range, TicketKey};
use switchboard::view::{StatsFilter, TicketFilter, TicketOrder, View};
use uuid::Uuid;

use crate::support::world::Dice;

const AGENTS: usize = 3;

/// A chat in which tickets are made and changed as time goes by.
struct World {
    dice: Dice,
    now: u64,
    chat_id: Uuid,
    seq: u64,
    tickets: Vec<Ticket>,
    records: Vec<Record>,
}

fn agent(number: usize) -> Uuid {
    id::chat(Uuid::nil(), Uuid::nil(), &number.to_string())
}

impl World {
    fn new() -> Self {
        let owner = Owner {
            external_id: "ada".into(),
            profile: Profile {
                name: None,
                avatar: None,
            },
            blocked: false,
        };
        let channel_id = agent(99);
        let mut world = Self {
            dice: Dice(0x20e),
            now: 1_780_000_000_000,
            chat_id: id::chat(id::first_workspace(), channel_id, "ada"),
            seq: 0,
            tickets: Vec::new(),
            records: Vec::new(),
        };
        world.record(EventBody::ChatCreated { channel_id, owner }, None);
        world
    }

    fn record(&mut self, body: EventBody, ticket: Option<Ticket>) {
        self.seq += 1;
        let event = Event {
            workspace_id: id::first_workspace(),
            aggregate_id: self.chat_id,
            seq: self.seq,
            version: self.seq,
            at: self.now,
            actor: Actor::system(),
            cause: Cause {
                command_id: Uuid::nil(),
                message_id: None,
            },
            synthetic: false,
            ticket: ticket.map(Box::new),
            body,
        };
        self.records.push(Record {
            partition: 0,
            position: self.seq,
            json: serde_json::to_string(&event).unwrap().into(),
            event: Arc::new(event),
        });
    }

    /// A new ticket, or a change of one, mostly of a late one.
    fn step(&mut self) {
        let most = self.dice.pick(&[2, 20_000, 600_000_000]);
        self.now += self.dice.roll(most) as u64;
        let count = self.tickets.len();
        let which = if count < 10 || self.dice.once_in(4) {
            self.create();
            count
        } else if self.dice.once_in(10) {
            self.dice.roll(count)
        } else {
            count - 1 - self.dice.roll(count.min(200))
        };
        let (now, agent) = (self.now, agent(self.dice.roll(AGENTS)));
        let ticket = &mut self.tickets[which];
        ticket.updated_at = now;
        if self.dice.once_in(3) {
            ticket.waiting_since = self.dice.once_in(2).then_some(now);
        }
        if self.dice.once_in(5) {
            ticket.assignee_id = Some(agent);
            ticket.reason = self.dice.pick(&[Reason::InProgress, Reason::Completed]);
        }
        let ticket = ticket.clone();
        self.changed(ticket);
    }

    /// A ticket is so now.
    fn changed(&mut self, ticket: Ticket) {
        let body = EventBody::TicketCreated {
            number: ticket.number,
            reason: ticket.reason,
            circumstance: ticket.circumstance,
            subject: None,
            trace: None,
        };
        self.record(body, Some(ticket));
    }

    fn create(&mut self) {
        let number = u32::try_from(self.tickets.len() + 1).unwrap();
        let json = serde_json::json!({
            "id": id::ticket(self.chat_id, number), "number": number, "reason": "IN_PROGRESS", "circumstance": "INBOUND",
            "assigneeId": agent(0), "tags": [], "priority": "LOW", "pendingChatMessages": 0, "episode": 1, "version": 1,
            "createdAt": self.now, "openedAt": self.now, "activeAt": self.now, "updatedAt": self.now,
        });
        self.tickets.push(serde_json::from_value(json).unwrap());
    }

    /// Tickets made later or earlier than some, or both, perhaps of one agent.
    fn filter(&mut self) -> TicketFilter {
        let dice = &mut self.dice;
        let mut times = [dice.pick(&self.tickets).created_at, dice.pick(&self.tickets).created_at];
        times.sort_unstable();
        let bounds = dice.roll(3);
        TicketFilter {
            created_after: (bounds != 0).then_some(times[0]),
            created_before: (bounds != 1).then_some(times[1]),
            assignee_ids: if dice.once_in(2) {
                vec![agent(dice.roll(AGENTS))]
            } else {
                Vec::new()
            },
            ..TicketFilter::default()
        }
    }
}

async fn page(
    view: &View,
    (filter, order): (&TicketFilter, TicketOrder),
    range: Range<TicketKey>,
) -> (Vec<Uuid>, Option<TicketKey>) {
    let page: Page<_> = view
        .tickets(id::first_workspace(), filter.clone(), order, range)
        .await
        .unwrap();
    let last = page.items.last().map(|row| order.key(&row.ticket));
    (page.items.iter().map(|row| row.ticket.id).collect(), last)
}

async fn ask(view: &View, world: &mut World) {
    let filter = world.filter();
    let order = world
        .dice
        .pick(&[TicketOrder::UpdatedDesc, TicketOrder::WaitingLongest]);
    let matching = world.tickets.iter().filter(|ticket| {
        filter.created_after.is_none_or(|at| ticket.created_at > at)
            && filter.created_before.is_none_or(|at| ticket.created_at < at)
            && (filter.assignee_ids.is_empty() || ticket.assignee_id == Some(filter.assignee_ids[0]))
    });
    let mut expected: Vec<_> = matching.map(|ticket| (order.key(ticket).at, ticket.id)).collect();
    expected.sort_unstable();
    if order == TicketOrder::UpdatedDesc {
        expected.reverse();
    }
    let expected: Vec<Uuid> = expected.into_iter().map(|(_, id)| id).collect();
    let limit = 1 + world.dice.roll(400);
    let wanted = (&filter, order);
    let (found, _) = page(view, wanted, Range::Forward { after: None, limit }).await;
    assert_eq!(found, expected[..limit.min(expected.len())], "{wanted:?}");
    if expected.is_empty() {
        return;
    }
    let nth = 1 + world.dice.roll(expected.len());
    let first = Range::Forward {
        after: None,
        limit: nth,
    };
    let (found, key) = page(view, wanted, first).await;
    assert_eq!(found, expected[..nth], "{wanted:?}");
    let (found, _) = page(view, wanted, Range::Forward { after: key, limit }).await;
    let rest = &expected[nth..expected.len().min(nth + limit)];
    assert_eq!(found, rest, "after {nth}, {wanted:?}");
    let (found, _) = page(view, wanted, Range::Backward { before: key, limit }).await;
    let end = nth - 1;
    let before = &expected[end.saturating_sub(limit)..end];
    assert_eq!(found, before, "before {nth}, {wanted:?}");
}

/// Of the zones of an order, how many there are, how many tickets they have, and how many zones are no wider than they
/// need to be.
fn zones(path: &std::path::Path, order: &str) -> (usize, usize, usize) {
    let file = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT z.list, z.at, z.least, z.most, count(*), min(u.created), max(u.created) FROM zone_{order} z
         JOIN by_{order} u ON u.list = z.list
           AND z.at = (SELECT max(at) FROM zone_{order} WHERE list = u.list AND at <= u.at)
         GROUP BY 1, 2";
    let mut read = file.prepare(&sql.replace("{order}", order)).unwrap();
    let number = |row: &rusqlite::Row<'_>, column| row.get::<_, i64>(column).unwrap();
    let zones = read.query_map([], |row| {
        let is_narrow = (number(row, 2), number(row, 3)) == (number(row, 5), number(row, 6));
        Ok((usize::try_from(number(row, 4)).unwrap(), is_narrow))
    });
    let zones: Vec<(usize, bool)> = zones.unwrap().map(Result::unwrap).collect();
    let tickets = zones.iter().map(|(tickets, _)| tickets).sum();
    let narrow = zones.iter().filter(|(_, is_narrow)| *is_narrow).count();
    println!(
        "{order}: {} zones of {tickets} places, {narrow} of them narrow",
        zones.len()
    );
    (zones.len(), tickets, narrow)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_zone_that_is_passed_over_has_what_is_looked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("view.db");
    let view = View::standalone(&path).unwrap();
    let mut world = World::new();
    for _ in 0..40 {
        for _ in 0..=world.dice.roll(500) {
            world.step();
        }
        view.apply(std::mem::take(&mut world.records), None).await.unwrap();
        assert_eq!(view.recount().await.unwrap(), []);
        for _ in 0..10 {
            ask(&view, &mut world).await;
        }
    }
    for order in ["updated", "waiting"] {
        let (count, tickets, narrow) = zones(&path, order);
        assert!(count > 20 && (20..200).contains(&(tickets / count)), "{order}");
        assert!(narrow * 4 > count, "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_are_narrow_in_whichever_order_tickets_come() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("view.db");
    let view = View::standalone(&path).unwrap();
    let mut world = World::new();
    for _ in 0..8 {
        for _ in 0..400 {
            world.now = 1_780_000_000_000 + world.dice.roll(1 << 24) as u64;
            world.create();
            let later = world.dice.roll(1 << 26) as u64;
            let ticket = world.tickets.last_mut().unwrap();
            ticket.updated_at += later;
            ticket.waiting_since = Some(ticket.created_at + later / 2);
            let ticket = ticket.clone();
            world.changed(ticket);
        }
        view.apply(std::mem::take(&mut world.records), None).await.unwrap();
    }
    for order in ["updated", "waiting"] {
        let (count, _, narrow) = zones(&path, order);
        assert!(count > 20, "{order}");
        assert_eq!(narrow, count, "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_few_that_somebody_has_are_found_among_the_many_that_nobody_has() {
    let directory = tempfile::tempdir().unwrap();
    let view = View::standalone(&directory.path().join("view.db")).unwrap();
    let mut world = World::new();
    for number in 0..1_000 {
        world.now += 1_000;
        world.create();
        let ticket = world.tickets.last_mut().unwrap();
        ticket.assignee_id = (number % 90 == 7).then(|| agent(number % AGENTS));
        ticket.reason = [Reason::Completed, Reason::Spam][number % 2];
        let ticket = ticket.clone();
        world.changed(ticket);
    }
    view.apply(std::mem::take(&mut world.records), None).await.unwrap();
    for reasons in [vec![], vec![Reason::Spam]] {
        let filter = TicketFilter {
            unassigned: Some(false),
            reasons,
            ..TicketFilter::default()
        };
        let matches = |ticket: &&Ticket| {
            ticket.assignee_id.is_some() && (filter.reasons.is_empty() || filter.reasons.contains(&ticket.reason))
        };
        let mut expected: Vec<Uuid> = world.tickets.iter().filter(matches).map(|ticket| ticket.id).collect();
        expected.reverse();
        let wanted = (&filter, TicketOrder::UpdatedDesc);
        let (first, key) = page(&view, wanted, Range::Forward { after: None, limit: 4 }).await;
        let (rest, _) = page(&view, wanted, Range::Forward { after: key, limit: 50 }).await;
        assert_eq!([first, rest].concat(), expected);
        let total = view.ticket_total(id::first_workspace(), filter).await.unwrap();
        assert_eq!((total.items, total.is_exact), (expected.len() as u64, true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_new_ticket_of_an_agent_is_the_agents_own() {
    let directory = tempfile::tempdir().unwrap();
    let view = View::standalone(&directory.path().join("view.db")).unwrap();
    let mut world = World::new();
    let mut made_at = Vec::new();
    for assignee_id in [None, Some(agent(1)), Some(agent(2)), Some(agent(1))] {
        world.now += 1_000;
        made_at.push(world.now);
        world.create();
        let ticket = world.tickets.last_mut().unwrap();
        (ticket.assignee_id, ticket.reason) = (assignee_id, Reason::Inbound);
        let ticket = ticket.clone();
        world.changed(ticket);
    }
    view.apply(std::mem::take(&mut world.records), None).await.unwrap();
    for (assignee_ids, oldest, new) in [
        (vec![], Some(made_at[0]), 4),
        (vec![agent(1)], Some(made_at[1]), 2),
        (vec![agent(2)], Some(made_at[2]), 1),
        (vec![agent(1), agent(2)], Some(made_at[1]), 3),
        (vec![agent(0)], None, 0),
    ] {
        let filter = StatsFilter {
            assignee_ids,
            ..StatsFilter::default()
        };
        let stats = view.queue_stats(id::first_workspace(), filter).await.unwrap();
        assert_eq!((stats.oldest_new_at, stats.new), (oldest, new));
    }
}
