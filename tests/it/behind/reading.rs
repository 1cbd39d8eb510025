//! Reading on in one workspace from long ago, past much that is another's.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use switchboard::clock::Clock;
use switchboard::domain::{EventBody, id};
use switchboard::live::{Cursor, From, Step, Tail, Topic};
use switchboard::server::{Node, open_store};
use switchboard::store::Heads;
use switchboard::view::{TicketFilter, Whereabouts};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{WAIT, say};
use crate::support::world::World;
use crate::support::{KEY, Redis, config, make_workspace};

const OTHER: Uuid = Uuid::from_u128(77);
/// Of another's, in one stretch: three records each, more than one look passes.
const OTHERS: u32 = 900;

async fn open(data: &Path, redis: Option<&Redis>) -> Node {
    let config = config(data, redis);
    let parts = open_store(&config.store, data).await.unwrap();
    let node = Node::start(parts, Clock::default(), &config).await.unwrap();
    node.services.live.catch_up(WAIT).await.unwrap();
    node
}

/// The events after which their ticket matched, by chat and place there; and how many of them match no more, as somebody
/// else answers their chat now.
async fn expected(node: &Node, world: &World, filter: &TicketFilter) -> (Vec<(Uuid, u64)>, usize) {
    let (mut found, mut stale) = (Vec::new(), 0);
    for chat_id in world.chats() {
        let (mut channel_id, mut responder_id) = (Uuid::nil(), None);
        let mut of_chat = 0;
        for record in node.store.history(chat_id, 0, 1_000).await.unwrap() {
            match &record.event.body {
                EventBody::ChatCreated { channel_id: of, .. } => channel_id = *of,
                EventBody::ChatResponderChanged { to, .. } => responder_id = to.as_ref().map(|to| to.id),
                _ => {}
            }
            let at = Whereabouts {
                chat_id,
                channel_id,
                responder_id,
            };
            let ticket = record.event.ticket.as_ref();
            if ticket.is_some_and(|ticket| filter.matches(ticket, at)) {
                found.push((chat_id, record.event.seq));
                of_chat += 1;
            }
        }
        if responder_id.is_none_or(|id| !filter.responder_ids.contains(&id)) {
            stale += of_chat;
        }
    }
    found.sort_unstable();
    (found, stale)
}

/// All that comes until nothing is left to read, each chat's in order; and where it rests.
async fn read(node: &Node, mut tail: Tail) -> Vec<(Uuid, u64)> {
    let (rests, place) = (Notify::new(), Mutex::new(None));
    let mut last: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut seen = Vec::new();
    loop {
        let rest = |at: &switchboard::live::Place| {
            *place.lock() = Some(at.clone());
            rests.notify_one();
        };
        let step = tokio::select! {
            biased;
            step = tail.next_or_rest(rest) => step.unwrap().unwrap(),
            () = rests.notified() => break,
            () = tokio::time::sleep(Duration::from_secs(30)) => panic!("it comes to no rest after {}", seen.len()),
        };
        let Step::Event(event, _) = step else {
            panic!("{step:?}")
        };
        let before = last.insert(event.aggregate_id, event.seq);
        assert!(before.is_none_or(|before| before < event.seq));
        seen.push((event.aggregate_id, event.seq));
    }
    let place = place.lock().take().unwrap();
    assert_eq!(place, node.services.live.place(), "it knows of all that it passed");
    seen.sort_unstable();
    seen
}

/// Whoever would read another's words finds none.
fn spoil(data: &Path, (file, table): (&str, &str)) {
    let file = rusqlite::Connection::open(data.join(file)).unwrap();
    let spoilt = file.execute(
        &format!("UPDATE {table} SET body = 'no words' WHERE workspace = ?1"),
        [OTHER.as_bytes()],
    );
    assert!(spoilt.unwrap() > 2 * 2 * OTHERS as usize);
}

async fn read_again(redis: Option<&Redis>, log: (&str, &str)) {
    let data = tempfile::tempdir().unwrap();
    let workspace = id::first_workspace();
    let first = open(data.path(), redis).await;
    make_workspace(&first, workspace, KEY).await;
    let mut world = World::new(&first, workspace, (4, 0x7a11)).await;
    for round in 0..2 {
        for _ in 0..250 {
            world.step(&first).await;
        }
        let others = (0..OTHERS).map(|number| {
            let (node, number) = (&first, round * OTHERS + number + 1);
            async move { say(node, (OTHER, Uuid::nil()), &number.to_string(), number).await }
        });
        join_all(others).await;
    }
    first.services.live.catch_up(WAIT).await.unwrap();
    first.close().await;
    spoil(data.path(), log);
    // one that has nothing of it in memory
    let again = open(data.path(), redis).await;
    let live = &again.services.live;
    let heads = live.applied().heads;
    let start = Heads {
        epoch: heads.epoch,
        positions: vec![0; heads.positions.len()],
    };
    let by_responders = TicketFilter {
        responder_ids: vec![world.responders[0], world.agents[0]],
        ..TicketFilter::default()
    };
    for filter in [TicketFilter::default(), by_responders] {
        let from = From::Cursor(Cursor::Heads(start.clone()));
        let tail = live.tail(Some(workspace), Topic::Tickets(filter.clone()), from);
        let seen = read(&again, tail.await.unwrap()).await;
        let (expected, stale) = expected(&again, &world, &filter).await;
        assert_eq!(seen, expected, "{filter:?}");
        assert!(expected.len() > 5, "{}", expected.len());
        assert!(filter.responder_ids.is_empty() || stale > 0, "nobody took over");
    }
    again.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_late_finds_their_own_as_it_was_and_nothing_else() {
    read_again(None, ("switchboard.db", "log")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_they_do_on_redis() {
    let redis = Redis::start();
    read_again(Some(&redis), ("view.history.db", "event")).await;
}
