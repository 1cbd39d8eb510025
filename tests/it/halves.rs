//! The view's two halves: files that a crash left at different places, and tables of another layout.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use switchboard::clock::Clock;
use switchboard::domain::id;
use switchboard::live::{EventFilter, From, Step, Topic};
use switchboard::server::{Node, open_store};
use switchboard::view::page::{Range, TicketKey};
use switchboard::view::{ChatFilter, StatsFilter, TicketFilter, TicketOrder};
use uuid::Uuid;

use crate::leaks::program::Program;
use crate::support::world::{ChatModel, WORDS, World};
use crate::support::{Client, Redis, TestApp, config, make_workspace};

const WAIT: Duration = Duration::from_secs(20);
const STATE: &str = "view.db";
const HISTORY: &str = "view.history.db";
const KEY_OF_BEGUN: &str = "a-key-of-thirty-two-characters-xx";

async fn node(data: &Path, redis: Option<&Redis>) -> Node {
    let config = config(data, redis);
    let parts = open_store(&config.store, data).await.unwrap();
    let node = Node::start(parts, Clock::default(), &config).await.unwrap();
    node.services.live.catch_up(WAIT).await.unwrap();
    node
}

/// A node with a workspace in which nothing has happened yet.
async fn begun(data: &Path, redis: Option<&Redis>, (owners, seed): (usize, u64)) -> (Node, World) {
    let node = node(data, redis).await;
    let workspace = id::first_workspace();
    make_workspace(&node, workspace, KEY_OF_BEGUN).await;
    let world = World::new(&node, workspace, (owners, seed)).await;
    (node, world)
}

/// Copies one file of a view that nobody writes, with its log of changes.
fn copy(file: &str, from: &Path, to: &Path) {
    for name in [file.to_owned(), format!("{file}-wal")] {
        if from.join(&name).exists() {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// All that a view answers, as text.
async fn answers(node: &Node, world: &World) -> Vec<String> {
    let (view, workspace) = (node.services.live.view(), world.workspace_id);
    let mut found = Vec::new();
    let all = |after: Option<TicketKey>| Range::Forward { after, limit: 5_000 };
    let searches = WORDS.iter().map(|word| Some((*word).to_owned()));
    for search in searches.chain([None]) {
        let filter = TicketFilter {
            search: search.clone(),
            include_removed: true,
            ..TicketFilter::default()
        };
        for order in [TicketOrder::UpdatedDesc, TicketOrder::WaitingLongest] {
            let page = view.tickets(workspace, filter.clone(), order, all(None)).await.unwrap();
            found.push(format!("{search:?} {order:?} {:?}", page.items));
        }
        let channel_ids = world.channels.clone();
        let chats = view.chat_page(workspace, ChatFilter { channel_ids, search }, None, 5_000);
        found.push(format!("{:?}", chats.await.unwrap().items));
    }
    let stats = view.queue_stats(workspace, StatsFilter::default()).await.unwrap();
    found.push(format!("{stats:?} {:?}", view.settings().await.unwrap()));
    for chat in world.chats() {
        for ticket in [None, Some(1), Some(2), Some(3)] {
            let range = Range::Forward {
                after: None,
                limit: 5_000,
            };
            let messages = view.messages(chat, ticket, range).await.unwrap().items;
            let events = view.events(chat, ticket, range).await.unwrap().items;
            found.push(format!("{chat} {ticket:?} {messages:?} {events:?}"));
        }
    }
    found
}

fn assert_same(found: &[String], expected: &[String], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_that_is_behind_catches_up_and_the_other_takes_nothing_twice() {
    let redis = Redis::start();
    let [whole, early, late] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let (first, mut world) = begun(whole.path(), Some(&redis), (60, 0xca5e)).await;
    for copied in [&early, &late] {
        for _ in 0..400 {
            world.step(&first).await;
        }
        first.services.live.catch_up(WAIT).await.unwrap();
        for file in [STATE, HISTORY] {
            copy(file, whole.path(), copied.path());
        }
    }
    let expected = answers(&first, &world).await;
    for (state, history) in [(&early, &late), (&late, &early)] {
        let mixed = tempfile::tempdir().unwrap();
        copy(STATE, state.path(), mixed.path());
        copy(HISTORY, history.path(), mixed.path());
        let second = node(mixed.path(), Some(&redis)).await;
        let what = if state.path() == early.path() {
            "the state was behind"
        } else {
            "the history was behind"
        };
        assert_same(&answers(&second, &world).await, &expected, what);
        assert_eq!(second.services.live.view().recount().await.unwrap(), [], "{what}");
        let of_both = [&first, &second].map(|node| node.services.live.view().last_ordinal());
        let [of_first, of_second] = futures_util::future::join_all(of_both).await.try_into().unwrap();
        assert_eq!(of_second.unwrap(), of_first.unwrap(), "{what}");
        second.close().await;
    }
    first.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_reads_from_the_histories_what_the_logs_no_longer_have() {
    let redis = Redis::start();
    let [whole, old, new] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let (first, mut world) = begun(whole.path(), Some(&redis), (60, 0x01d)).await;
    for step in 0..800 {
        if step == 300 {
            first.services.live.catch_up(WAIT).await.unwrap();
            for file in [STATE, HISTORY] {
                copy(file, whole.path(), old.path());
            }
        }
        world.step(&first).await;
    }
    first.services.live.catch_up(WAIT).await.unwrap();
    let expected = answers(&first, &world).await;
    for partition in 0..first.store.partitions() {
        let log = format!("sb:{{p{partition:02}}}:log");
        redis.cli(&["XTRIM", &log, "MAXLEN", "0"]);
        assert_eq!(redis.cli(&["XLEN", &log]).trim(), "0");
    }
    for (data, what) in [(&old, "an old view"), (&new, "a new view")] {
        let late = node(data.path(), Some(&redis)).await;
        assert_same(&answers(&late, &world).await, &expected, what);
        assert_eq!(late.services.live.view().recount().await.unwrap(), [], "{what}");
        late.close().await;
    }
    first.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_how_far_a_view_is_that_is_built_from_the_histories() {
    let (redis, data) = (Redis::start(), tempfile::tempdir().unwrap());
    let (first, mut world) = begun(data.path(), Some(&redis), (20, 0x109)).await;
    for _ in 0..200 {
        world.step(&first).await;
    }
    let heads = first.store.heads().await.unwrap();
    for partition in 0..first.store.partitions() {
        redis.cli(&["XTRIM", &format!("sb:{{p{partition:02}}}:log"), "MAXLEN", "0"]);
    }
    first.close().await;
    let program = Program::start(Some(&redis.url()), "text").await;
    let log = std::fs::read_to_string(program.log()).unwrap();
    let of: u64 = heads.positions.iter().sum();
    let said = log.lines().filter(|line| line.contains("building the view"));
    let said: Vec<u64> = said
        .map(|line| {
            let (_, records) = line.split_once("live.records=").unwrap();
            let (records, all) = records.split_once(" live.of=").unwrap();
            assert_eq!(all.trim().parse(), Ok(of), "{line}");
            records.parse().unwrap()
        })
        .collect();
    assert!(
        said.len() >= 5 && said.is_sorted() && said.iter().all(|records| *records <= of),
        "{said:?} of {of}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_misses_nothing_while_one_half_cannot_write() {
    let redis = Redis::start();
    for (file, held_ms, what) in [
        (STATE, 3_000, "the state was locked"),
        (HISTORY, 4_500, "the history was locked"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let (node, mut world) = begun(data.path(), Some(&redis), (4, 0x10c)).await;
        for _ in 0..100 {
            world.step(&node).await;
        }
        node.services.live.catch_up(WAIT).await.unwrap();
        // found only by where the chat is, which the state knows
        let filter = EventFilter {
            channel_ids: world.channels.clone(),
            ..EventFilter::default()
        };
        let tail = node
            .services
            .live
            .tail(Some(world.workspace_id), Topic::Events(filter), From::Now);
        let mut tail = tail.await.unwrap();
        let before = node.store.heads().await.unwrap();
        let lock = rusqlite::Connection::open(data.path().join(file)).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        // turns that fail are so long by now that what comes meanwhile is read ahead; each file is let go between two other
        // tries, of which every second one would have what was read ahead if that were kept
        for _ in 0..1_500 {
            world.step(&node).await;
        }
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(7) {
            if begun.elapsed() > Duration::from_millis(held_ms) && !lock.is_autocommit() {
                lock.execute_batch("ROLLBACK").unwrap();
            }
            world.step(&node).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let after = node.store.heads().await.unwrap();
        node.services.live.catch_up(WAIT).await.unwrap();
        let came = before
            .positions
            .iter()
            .zip(&after.positions)
            .map(|(before, after)| after - before);
        let mut last = std::collections::HashMap::new();
        for _ in 0..came.sum() {
            let step = tokio::time::timeout(Duration::from_secs(5), tail.next());
            let Ok(Ok(Some(Step::Event(event, _)))) = step.await else {
                panic!("{what}: missed")
            };
            let before = last.insert(event.aggregate_id, event.seq);
            assert!(before.is_none_or(|before| before + 1 == event.seq), "{what}");
        }
        assert!(
            tokio::time::timeout(Duration::from_millis(300), tail.next())
                .await
                .is_err(),
            "{what}"
        );
        assert_eq!(node.services.live.view().recount().await.unwrap(), [], "{what}");
        drop(tail);
        node.close().await;
        redis.cli(&["FLUSHALL"]);
    }
}

/// The messages of a ticket, forward, and its events, backward, three at a time.
async fn history(node: &Node, chat_id: Uuid, number: u32) -> [Vec<u64>; 2] {
    let view = node.services.live.view();
    let (mut said, mut happened) = (Vec::new(), Vec::new());
    loop {
        let range = Range::Forward {
            after: said.last().copied(),
            limit: 3,
        };
        let page = view.messages(chat_id, Some(number), range).await.unwrap();
        assert!(page.items.iter().all(|row| row.ticket_number == Some(number)));
        said.extend(page.items.iter().map(|row| row.seq));
        if !page.has_next {
            break;
        }
    }
    loop {
        let range = Range::Backward {
            before: happened.last().copied(),
            limit: 3,
        };
        let page = view.events(chat_id, Some(number), range).await.unwrap();
        happened.extend(page.items.iter().rev().map(|row| row.event.seq));
        if !page.has_previous {
            break;
        }
    }
    happened.reverse();
    [said, happened]
}

async fn merge(app: &TestApp) {
    let client = app.client();
    let channel = client.channel_with(json!({ "restorePeriodMs": 0 })).await;
    let by = format!(", agentId: \"{}\"", client.agent().await);
    let (mut tickets, mut chat) = (Vec::new(), String::new());
    let mut says = 0;
    let mut say = async || {
        says += 1;
        client.say(&channel, "Ada", &format!("m{says}"), "where is it?").await
    };
    for _ in 0..3 {
        for part in 0..2 {
            let receipt = say().await;
            if part == 0 {
                tickets.push(receipt["ticket"]["id"].as_str().unwrap().to_owned());
                chat = receipt["chat"]["id"].as_str().unwrap().to_owned();
            }
        }
        if tickets.len() < 3 {
            let last = &tickets[tickets.len() - 1];
            let taken = client.ticket_command("takeTicket", last, &by).await;
            assert!(taken["errors"].is_null(), "{taken}");
            let done = client.ticket_command("completeTicket", last, "").await;
            assert!(done["errors"].is_null(), "{done}");
        }
    }
    for (from, into) in [(2, 1), (1, 0)] {
        let into = format!(", into: \"{}\"", tickets[into]);
        let merged = client.ticket_command("mergeTicket", &tickets[from], &into).await;
        assert!(merged["errors"].is_null(), "{merged}");
        say().await;
    }
    let chat_id: Uuid = chat.parse().unwrap();
    app.node.services.live.catch_up(WAIT).await.unwrap();
    let records = app.node.store.history(chat_id, 0, 1_000).await.unwrap();
    let model = ChatModel::replay(records.iter().map(|record| &*record.event));
    for number in 1..=3 {
        let said = model.messages.iter().filter(|(_, (of, _))| *of == Some(number));
        let happened = records.iter().map(|record| &record.event);
        let happened = happened.filter(|event| event.ticket.as_ref().is_some_and(|ticket| ticket.number == number));
        let expected: [Vec<u64>; 2] = [
            said.map(|(seq, _)| *seq).collect(),
            happened.map(|event| event.seq).collect(),
        ];
        let found = history(&app.node, chat_id, number).await;
        assert_eq!(found, expected, "{number}");
        // the last merge brought what the one before it had brought
        let (said, happened): (usize, usize) = if number == 1 { (8, 2) } else { (0, 4) };
        assert!(
            found[0].len() == said && found[1].len() > happened,
            "{number}: {found:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_ticket_gives_its_messages_away_and_keeps_its_events() {
    let redis = Redis::start();
    merge(&TestApp::start().await).await;
    merge(&TestApp::on_redis(&redis).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_another_layout_in_the_stores_file_are_built_again_from_the_log() {
    let data = tempfile::tempdir().unwrap();
    let (first, mut world) = begun(data.path(), None, (8, 0x1a707)).await;
    for _ in 0..800 {
        world.step(&first).await;
    }
    first.services.live.catch_up(WAIT).await.unwrap();
    let expected = answers(&first, &world).await;
    first.close().await;
    let file = rusqlite::Connection::open(data.path().join("switchboard.db")).unwrap();
    file.execute_batch(
        "UPDATE view_meta SET value = '1' WHERE name = 'layout'; DROP TABLE ticket;
         CREATE TABLE ticket (id BLOB PRIMARY KEY, other TEXT NOT NULL); DELETE FROM message; DELETE FROM setting;",
    )
    .unwrap();
    drop(file);
    let again = node(data.path(), None).await;
    assert_same(&answers(&again, &world).await, &expected, "built again");
    assert_eq!(again.services.live.view().recount().await.unwrap(), []);
    again.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_another_layout_are_thrown_away_with_all_that_was_in_them() {
    let redis = Redis::start();
    let data = tempfile::tempdir().unwrap();
    let (first, mut world) = begun(data.path(), Some(&redis), (8, 0x01d)).await;
    for _ in 0..300 {
        world.step(&first).await;
    }
    first.services.live.catch_up(WAIT).await.unwrap();
    let expected = answers(&first, &world).await;
    let last = first.services.live.view().last_ordinal().await.unwrap();
    first.close().await;
    let file = rusqlite::Connection::open(data.path().join(STATE)).unwrap();
    file.execute_batch(
        "CREATE TABLE event (ordinal INTEGER PRIMARY KEY, partition INTEGER, position INTEGER, aggregate BLOB,
           seq INTEGER, workspace BLOB, body TEXT);
         INSERT INTO event (ordinal) VALUES (1000000);
         CREATE TABLE message (chat BLOB, seq INTEGER, ticket INTEGER, doc INTEGER); PRAGMA user_version = 5;",
    )
    .unwrap();
    drop(file);
    let again = node(data.path(), Some(&redis)).await;
    assert_same(&answers(&again, &world).await, &expected, "built again");
    assert_eq!(again.services.live.view().last_ordinal().await.unwrap(), last);
    again.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_being_built_says_how_far_it_is_and_answers_nothing_else() {
    let (redis, data) = (Redis::start(), tempfile::tempdir().unwrap());
    let (first, _) = begun(data.path(), Some(&redis), (1, 1)).await;
    first.close().await;
    let other = TestApp::on_redis(&redis).await;
    let channel = other.client().channel().await;
    for owner in 0..20 {
        other
            .client()
            .say(&channel, &format!("owner {owner}"), &owner.to_string(), "hello")
            .await;
    }
    let lock = rusqlite::Connection::open(data.path().join(STATE)).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let config = config(data.path(), Some(&redis));
    let parts = open_store(&config.store, data.path()).await.unwrap();
    let node = Node::start(parts, Clock::default(), &config).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn({
        let stop = stop.clone();
        async move { node.serve(listener, &config, stop).await }
    });
    let ready = || async {
        let answer = reqwest::get(format!("{url}/readyz")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let client = Client::new(&url, KEY_OF_BEGUN);
    let question = "{ tickets { totalCount } }";
    let (status, text) = ready().await;
    assert_eq!(status, 503, "{text}");
    let numbers: Vec<u64> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(
        matches!(numbers[..], [records, of] if records < of && of > 20)
            && text.starts_with("the view is being built: "),
        "{text}"
    );
    let refused = client.send(question, json!({})).await.unwrap();
    assert_eq!(refused["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{refused:#}");
    lock.execute_batch("ROLLBACK").unwrap();
    crate::support::eventually("a view that is built", || async {
        (ready().await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(client.data(question, json!({})).await["tickets"]["totalCount"], 20);
    stop.cancel();
    serving.await.unwrap().unwrap();
}
