//! One suite of promises, run against every store, and against each behind a fault that loses answers.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use switchboard::actor::settle;
use switchboard::domain::{Actor, Event, EventBody, event, id};
use switchboard::store::redis::{RedisOptions, RedisStore};
use switchboard::store::sqlite::SqliteStore;
use switchboard::store::{Commit, Followed, Heads, KeyWrite, Outcome, Record, Store};
use uuid::Uuid;

use crate::support::{Faulty, Redis};

fn chat(number: u32) -> Uuid {
    id::ticket(Uuid::nil(), number)
}

/// A commit of `count` events on top of `version`, whose events begin after `seq`.
fn commit(chat: Uuid, version: u64, seq: u64, count: u64, keys: &[&str]) -> Arc<Commit> {
    let events: Vec<Event> = (1..=count)
        .map(|step| Event {
            workspace_id: Uuid::nil(),
            aggregate_id: chat,
            seq: seq + step,
            version: version + 1,
            at: 1,
            actor: Actor::system(),
            cause: event::Cause {
                command_id: Uuid::from_u128(getrandom::u64().unwrap().into()),
                message_id: None,
            },
            synthetic: false,
            body: EventBody::WorkspaceCreated {
                name: format!("ü \"{step}\"\n"),
            },
            ticket: None,
        })
        .collect();
    Arc::new(Commit {
        aggregate_id: chat,
        expected_version: version,
        snapshot: format!("{{\"version\":{}}}", version + 1),
        bodies: events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap())
            .collect(),
        events,
        keys: keys
            .iter()
            .map(|key| KeyWrite {
                key: (*key).to_owned(),
                receipt: format!("{{\"of\":\"{key} \"}}"),
                offset: count - 1,
            })
            .collect(),
        due: None,
    })
}

async fn committed(store: &dyn Store, commit: &Arc<Commit>) -> u64 {
    match settle(store, commit).await {
        Outcome::Committed { position } => position,
        other => panic!("{other:?}"),
    }
}

async fn all_records(store: &dyn Store, from: Heads) -> Vec<Record> {
    let end = store.heads().await.unwrap();
    let mut heads = from;
    let mut records = Vec::new();
    while heads.positions != end.positions {
        let Followed::Records(page) = store.follow(&heads, 7).await.unwrap() else {
            panic!("the log is whole");
        };
        for record in page {
            let head = &mut heads.positions[usize::from(record.partition)];
            assert_eq!(record.position, *head + 1, "positions are gapless");
            *head = record.position;
            records.push(record);
        }
    }
    records
}

fn start_of(heads: &Heads) -> Heads {
    Heads {
        epoch: heads.epoch,
        positions: vec![0; heads.positions.len()],
    }
}

/// Every promise of [`Store`].
async fn promises(store: Arc<dyn Store>) {
    what_is_committed_is_there(&*store).await;
    an_old_version_conflicts_and_brings_the_fresh_state(&*store).await;
    a_known_key_is_a_duplicate_and_brings_the_first_receipt(&*store).await;
    of_many_writers_one_wins(&store).await;
    the_log_is_gapless_and_agrees_with_histories(&*store).await;
    a_timer_is_that_of_the_last_commit(&*store).await;
    a_version_from_the_future_is_a_regress(&*store).await;
    of_many_who_write_a_memo_one_wins(&store).await;
}

async fn what_is_committed_is_there(store: &dyn Store) {
    let id = chat(1);
    assert_eq!(store.load(id).await.unwrap(), None);
    assert_eq!(store.history(id, 0, 10).await.unwrap(), []);
    let first = commit(id, 0, 0, 3, &["m:1"]);
    let position = committed(store, &first).await;
    let snapshot = store.load(id).await.unwrap().unwrap();
    assert_eq!((snapshot.version, snapshot.json), (1, "{\"version\":1}".to_owned()));
    let history = store.history(id, 0, 10).await.unwrap();
    let events: Vec<&Event> = history.iter().map(|record| &*record.event).collect();
    assert_eq!(events, first.events.iter().collect::<Vec<_>>());
    assert_eq!(history[0].position, position);
    assert_eq!(
        store.history(id, 1, 1).await.unwrap()[0].event.seq,
        2,
        "history reads on from where it is asked"
    );
    let hit = store.find_key(id, "m:1").await.unwrap().unwrap();
    assert_eq!(
        (hit.position, hit.receipt),
        (position + 2, "{\"of\":\"m:1 \"}".to_owned())
    );
    assert_eq!(store.find_key(id, "m:2").await.unwrap(), None);
    assert_eq!(
        store.find_key(chat(2), "m:1").await.unwrap(),
        None,
        "keys belong to their chat"
    );
}

async fn an_old_version_conflicts_and_brings_the_fresh_state(store: &dyn Store) {
    let id = chat(10);
    committed(store, &commit(id, 0, 0, 1, &[])).await;
    committed(store, &commit(id, 1, 1, 1, &[])).await;
    let before = store.heads().await.unwrap();
    for old in [0, 1] {
        match settle(store, &commit(id, old, old, 1, &["m:new"])).await {
            Outcome::Conflict { fresh: Some(fresh) } => {
                assert_eq!((fresh.version, fresh.json.as_str()), (2, "{\"version\":2}"))
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.heads().await.unwrap(), before, "a conflict writes nothing");
    assert_eq!(store.find_key(id, "m:new").await.unwrap(), None);
}

async fn a_known_key_is_a_duplicate_and_brings_the_first_receipt(store: &dyn Store) {
    let id = chat(20);
    let position = committed(store, &commit(id, 0, 0, 2, &["m:a", "u:a"])).await;
    let before = store.heads().await.unwrap();
    match settle(store, &commit(id, 1, 2, 1, &["m:b", "u:a", "m:a"])).await {
        Outcome::Duplicate { hits } => {
            let found: HashSet<(String, u64)> = hits.into_iter().map(|hit| (hit.key, hit.position)).collect();
            let both = [("m:a".to_owned(), position + 1), ("u:a".to_owned(), position + 1)];
            assert_eq!(found, HashSet::from(both));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.heads().await.unwrap(), before, "a duplicate writes nothing");
    assert_eq!(store.find_key(id, "m:b").await.unwrap(), None);
    committed(store, &commit(id, 1, 2, 1, &["m:b"])).await;
}

async fn of_many_writers_one_wins(store: &Arc<dyn Store>) {
    let id = chat(30);
    let writers = (0..40).map(|writer| {
        let store = Arc::clone(store);
        let key = format!("m:{writer}");
        tokio::spawn(async move { settle(&*store, &commit(id, 0, 0, 1, &[&key])).await })
    });
    let outcomes = futures_util::future::join_all(writers).await;
    let won = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::Committed { .. })))
        .count();
    assert_eq!(won, 1);
    assert_eq!(store.history(id, 0, 10).await.unwrap().len(), 1);
}

async fn the_log_is_gapless_and_agrees_with_histories(store: &dyn Store) {
    let chats: Vec<Uuid> = (100..140).map(chat).collect();
    let writes = chats.iter().map(|id| async move {
        for round in 0..5 {
            committed(store, &commit(*id, round, round * 2, 2, &[])).await;
        }
    });
    futures_util::future::join_all(writes).await;
    let heads = store.heads().await.unwrap();
    let records = all_records(store, start_of(&heads)).await;
    for id in chats {
        let of_chat: Vec<&Record> = records
            .iter()
            .filter(|record| record.event.aggregate_id == id)
            .collect();
        let history = store.history(id, 0, 100).await.unwrap();
        assert_eq!(of_chat, history.iter().collect::<Vec<_>>());
        assert_eq!(history.len(), 10);
    }
    let mut listed = HashSet::new();
    for partition in 0..store.partitions() {
        let mut token = None;
        loop {
            let page = store.list(partition, 0, token.as_deref(), 3).await.unwrap();
            for id in page.ids {
                assert!(listed.insert(id), "every aggregate is listed once");
                assert_eq!(id::partition(id, store.partitions()), partition);
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
    }
    let written: HashSet<Uuid> = records.iter().map(|record| record.event.aggregate_id).collect();
    assert_eq!(listed, written);
}

fn with_timer(commit: Arc<Commit>, due: Option<u64>) -> Arc<Commit> {
    Arc::new(Commit {
        due,
        ..Arc::unwrap_or_clone(commit)
    })
}

async fn timers(store: &dyn Store, until: u64, limit: usize) -> Vec<(Uuid, u64)> {
    let mut found = Vec::new();
    for partition in 0..store.partitions() {
        let timers = store.timers(partition, until, limit).await.unwrap();
        assert!(timers.is_sorted_by_key(|timer| timer.due), "the earliest first");
        found.extend(timers.into_iter().map(|timer| (timer.aggregate_id, timer.due)));
    }
    found.sort_by_key(|(_, due)| *due);
    found
}

async fn a_timer_is_that_of_the_last_commit(store: &dyn Store) {
    let far = 9_000_000_000_000;
    assert_eq!(timers(store, far, 10).await, []);
    let (one, two) = (chat(70), chat(71));
    committed(
        store,
        &with_timer(commit(one, 0, 0, 1, &["m:t1"]), Some(2_000_000_000_000)),
    )
    .await;
    committed(store, &with_timer(commit(two, 0, 0, 1, &[]), Some(1_000_000_000_000))).await;
    let both = [(two, 1_000_000_000_000), (one, 2_000_000_000_000)];
    assert_eq!(timers(store, 2_000_000_000_000, 10).await, both);
    assert_eq!(timers(store, 1_999_999_999_999, 10).await, both[..1]);
    assert_eq!(timers(store, 999_999_999_999, 10).await, []);
    assert_eq!(timers(store, far, 0).await, []);
    // a commit that does not happen changes no timer
    let conflict = with_timer(commit(one, 0, 0, 1, &[]), Some(1));
    assert!(matches!(settle(store, &conflict).await, Outcome::Conflict { .. }));
    let repeat = with_timer(commit(one, 1, 1, 1, &["m:t1"]), Some(1));
    assert!(matches!(settle(store, &repeat).await, Outcome::Duplicate { .. }));
    assert_eq!(timers(store, far, 10).await, both);
    committed(store, &with_timer(commit(one, 1, 1, 1, &[]), Some(500))).await;
    assert_eq!(timers(store, far, 10).await, [(one, 500), (two, 1_000_000_000_000)]);
    committed(store, &with_timer(commit(one, 2, 2, 1, &[]), None)).await;
    committed(store, &with_timer(commit(two, 1, 1, 1, &[]), None)).await;
    assert_eq!(timers(store, far, 10).await, []);
}

async fn a_version_from_the_future_is_a_regress(store: &dyn Store) {
    let id = chat(50);
    committed(store, &commit(id, 0, 0, 1, &[])).await;
    let before = store.heads().await.unwrap();
    assert_eq!(settle(store, &commit(id, 7, 7, 1, &[])).await, Outcome::Regressed);
    let after = store.heads().await.unwrap();
    assert_ne!(after.epoch, before.epoch, "cursors from before must not seem to fit");
    assert_eq!(after.positions, before.positions);
    assert_eq!(store.follow(&before, 10).await.unwrap(), Followed::EpochChanged);
    committed(store, &commit(id, 1, 1, 1, &[])).await;
}

async fn of_many_who_write_a_memo_one_wins(store: &Arc<dyn Store>) {
    let id = chat(80);
    assert_eq!(store.memo(id).await.unwrap(), None);
    assert!(!store.set_memo(id, 1, "of nothing".into()).await.unwrap());
    assert_eq!(store.memo(id).await.unwrap(), None);
    let before = store.heads().await.unwrap();
    for version in 0..3 {
        let writers = (0..20).map(|writer| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.set_memo(id, version, format!("ü \"{writer}\"\n")).await.unwrap() })
        });
        let written = futures_util::future::join_all(writers).await;
        let written: Vec<bool> = written.into_iter().map(Result::unwrap).collect();
        assert_eq!(written.iter().filter(|written| **written).count(), 1);
        let winner = written.iter().position(|written| *written).unwrap();
        let memo = store.memo(id).await.unwrap().unwrap();
        assert_eq!((memo.version, memo.json), (version + 1, format!("ü \"{winner}\"\n")));
    }
    assert_eq!(store.memo(chat(81)).await.unwrap(), None);
    assert_eq!(store.load(id).await.unwrap(), None, "a memo is no aggregate");
    assert_eq!(store.heads().await.unwrap(), before, "and in no log");
}

fn sqlite(path: &Path) -> Arc<dyn Store> {
    let path = path.join("store.db");
    Arc::new(SqliteStore::open(&path, |_| Ok(()), Box::new(|_, _| Ok(()))).unwrap())
}

async fn redis_store(redis: &Redis) -> Arc<dyn Store> {
    let options = RedisOptions {
        url: redis.url(),
        namespace: "t".into(),
        partitions: 4,
        log_retention_records: 1_000_000,
    };
    Arc::new(RedisStore::open(options).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_its_promises() {
    let directory = tempfile::tempdir().unwrap();
    promises(sqlite(directory.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_its_promises() {
    let redis = Redis::start();
    promises(redis_store(&redis).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_its_promises_when_answers_are_lost() {
    let directory = tempfile::tempdir().unwrap();
    promises_when_answers_are_lost(sqlite(directory.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_its_promises_when_answers_are_lost() {
    let redis = Redis::start();
    promises_when_answers_are_lost(redis_store(&redis).await).await;
}

async fn promises_when_answers_are_lost(store: Arc<dyn Store>) {
    let faulty = Faulty::over(store);
    promises(faulty.clone()).await;
    assert!(faulty.lost_before.load(std::sync::atomic::Ordering::Relaxed) > 10);
    assert!(
        faulty.lost_after.load(std::sync::atomic::Ordering::Relaxed) > 10,
        "answers were lost after real writes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_holds_what_it_held_before_it_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(directory.path());
    committed(&*store, &commit(chat(1), 0, 0, 2, &["m:1"])).await;
    let heads = store.heads().await.unwrap();
    store.close().await;
    drop(store);
    let store = sqlite(directory.path());
    assert_eq!(store.heads().await.unwrap(), heads);
    assert_eq!(store.load(chat(1)).await.unwrap().unwrap().version, 1);
    assert!(matches!(
        settle(&*store, &commit(chat(1), 1, 2, 1, &["m:1"])).await,
        Outcome::Duplicate { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let _store = sqlite(directory.path());
    let path = directory.path().join("store.db");
    let second = SqliteStore::open(&path, |_| Ok(()), Box::new(|_, _| Ok(())));
    assert!(
        second
            .unwrap_err()
            .to_string()
            .contains("in use by another switchboard process")
    );
}

async fn refusal(redis: &Redis) -> String {
    let options = RedisOptions {
        url: redis.url(),
        namespace: "t".into(),
        partitions: 1,
        log_retention_records: 100,
    };
    RedisStore::open(options).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_cannot_keep_promises_is_refused() {
    let evicting = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    assert!(refusal(&evicting).await.contains("maxmemory-policy allkeys-lru"));
    let primary = Redis::start();
    let port = primary.url().rsplit(':').next().unwrap().to_owned();
    let replica = Redis::start_with(&["--replicaof", &format!("127.0.0.1 {port}")]);
    assert!(refusal(&replica).await.contains("replica"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_its_data_begins_a_new_epoch() {
    let redis = Redis::start();
    let store = redis_store(&redis).await;
    committed(&*store, &commit(chat(1), 0, 0, 1, &[])).await;
    let before = store.heads().await.unwrap();
    redis.cli(&["FLUSHALL"]);
    assert_eq!(store.commit(commit(chat(1), 1, 1, 1, &[])).await, Outcome::Regressed);
    assert_ne!(store.heads().await.unwrap().epoch, before.epoch);
    assert_eq!(store.load(chat(1)).await.unwrap(), None);
    committed(&*store, &commit(chat(1), 0, 0, 1, &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trimmed_log_says_so() {
    let redis = Redis::start();
    let store = redis_store(&redis).await;
    let id = chat(1);
    for version in 0..20 {
        committed(&*store, &commit(id, version, version, 1, &[])).await;
    }
    let partition = id::partition(id, 4);
    redis.cli(&["XTRIM", &format!("t:{{p{partition:02}}}:log"), "MAXLEN", "5"]);
    let heads = store.heads().await.unwrap();
    assert_eq!(store.follow(&start_of(&heads), 100).await.unwrap(), Followed::Trimmed);
    assert_eq!(
        store.history(id, 0, 100).await.unwrap().len(),
        20,
        "the chat's own history stays whole"
    );
}
