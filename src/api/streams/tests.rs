//! Who shares an execution, and its answers, with whom.

use std::path::PathBuf;
use std::time::Duration;

use async_graphql::parser::parse_query;
use async_graphql::{Schema, Variables};
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::source::After;
use super::*;
use crate::api::auth::{Principal, Scope};
use crate::api::graphql::{Mutation, Query, Subscription};
use crate::api::services::Services;
use crate::clock::Clock;
use crate::domain::{Actor, ApiKey, WorkspaceCommand, WorkspaceCommandBody, id};
use crate::router::{Router, RouterOptions};
use crate::signing::Signing;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::view::View;
use crate::webhook::{Parts, WebhookOptions, Webhooks};

const EVENTS: &str = "subscription($types: [String!]) { events(types: $types) { ... on Event { type } } }";
const QUEUE: &str = "subscription { queue(first: 10) { ... on QueueSnapshot { cursor } } }";
const COUNTERS: &str = "subscription { queueStats { new cursor } }";

/// How long anything may take.
const WAIT: Duration = Duration::from_secs(20);

type Answers = BoxStream<'static, Answer>;

/// Subscriptions over a node that nobody else asks.
struct Quiet {
    streams: Streams,
    /// One for each group.
    executions: TaskTracker,
    router: Router,
    _data: tempfile::TempDir,
}

impl Quiet {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("switchboard.db");
        let store = SqliteStore::open(&path, View::prepare_embedded, View::projection()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let live = Live::open(Arc::clone(&store), View::embedded(&path)).await.unwrap();
        let (clock, signing) = (Clock::default(), Signing::new("secret"));
        let policies = Arc::new(live.clone());
        let router = Router::start(Arc::clone(&store), policies, clock.clone(), RouterOptions::default());
        let router = router.await.unwrap();
        let parts = Parts {
            live: live.clone(),
            router: router.clone(),
            store,
            clock: clock.clone(),
            signing: signing.clone(),
        };
        let options = WebhookOptions {
            request_timeout_ms: 1_000,
            answer_max_bytes: 1_024,
            requests_at_once: 1,
            private_addresses: false,
            ca_file: PathBuf::new(),
        };
        let services = Services {
            router: router.clone(),
            live: live.clone(),
            clock,
            signing,
            webhooks: Webhooks::new(parts, &options).unwrap(),
        };
        let schema = Schema::build(Query, Mutation::default(), Subscription);
        let schema = schema.data(services).finish();
        let (executions, follower) = (TaskTracker::new(), live.clone());
        TaskTracker::new().spawn(async move { follower.run(CancellationToken::new()).await });
        Self {
            streams: Streams::new(schema, live, executions.clone()),
            executions,
            router,
            _data: data,
        }
    }

    /// Asks with a key of its own, which has this scope.
    fn subscribe(&self, query: &str, types: Option<&str>, (key, scope): (&str, Scope)) -> Answers {
        let mut key = ApiKey::admin("key", key, 1);
        key.grant.scopes = vec![scope];
        let principal = Principal::of(id::first_workspace(), &key, &key.secrets[0]);
        let document = (query.to_owned(), parse_query(query).unwrap());
        let variables = Variables::from_json(json!({ "types": types }));
        let source = Source::new(document, None, variables, (After::Absent, principal));
        self.streams.subscribe(source).boxed()
    }

    /// The first event of all.
    async fn begin(&self) {
        let command = WorkspaceCommand {
            workspace_id: id::first_workspace(),
            id: id::first_workspace(),
            actor: Actor::system(),
            keys: Vec::new(),
            body_hash: None,
            body: WorkspaceCommandBody::Create { name: "test".into() },
        };
        self.router.workspace(command).await.unwrap();
    }

    /// Nobody listens any more: waits until nothing is left of any group.
    async fn ends(self) {
        self.executions.close();
        let ended = timeout(WAIT, self.executions.wait()).await;
        ended.expect("an execution goes on");
        assert!(self.streams.shared.groups.lock().is_empty());
    }
}

/// What comes next to each.
async fn next_of_each(all: &mut [Answers]) -> Vec<Answer> {
    let nexts = all.iter_mut().map(|answers| async move { answers.next().await });
    let answers = timeout(WAIT, join_all(nexts)).await.expect("an answer to each");
    answers.into_iter().map(|answer| answer.expect("no end")).collect()
}

/// Has them begin, and wait.
async fn join_groups(all: &mut [Answers]) {
    assert!(futures_util::poll!(Box::pin(next_of_each(all))).is_pending());
}

#[tokio::test]
async fn equal_subscriptions_share_one_execution_and_its_very_text() {
    for query in [EVENTS, QUEUE, COUNTERS] {
        let node = Quiet::start().await;
        // whoever may see the same is given the same
        let keys = (0..20).map(|number| number.to_string());
        let mut all: Vec<Answers> = keys
            .map(|key| node.subscribe(query, None, (key.as_str(), Scope::Read)))
            .collect();
        join_groups(&mut all).await;
        assert_eq!(node.executions.len(), 1, "{query}");
        node.begin().await;
        let answers = next_of_each(&mut all).await;
        let are_one = answers.iter().all(|answer| answer.is_same(&answers[0]));
        assert!(are_one, "{query}: {answers:?}");
        drop(all);
        node.ends().await;
    }
}

#[tokio::test]
async fn others_share_nothing_and_whoever_begins_an_execution_may_leave_it() {
    let node = Quiet::start().await;
    let other_text = format!("{EVENTS} ");
    let subscribe = |key| {
        vec![
            node.subscribe(EVENTS, None, (key, Scope::Read)),
            node.subscribe(EVENTS, None, (key, Scope::Admin)),
            node.subscribe(EVENTS, Some("workspace.created"), (key, Scope::Read)),
            node.subscribe(&other_text, None, (key, Scope::Read)),
        ]
    };
    let (mut first, mut second) = (subscribe("first"), subscribe("second"));
    for all in [&mut first, &mut second] {
        join_groups(all).await;
        assert_eq!(node.executions.len(), 4);
    }
    drop(first);
    node.begin().await;
    let answers = next_of_each(&mut second).await;
    for (number, answer) in answers.iter().enumerate() {
        let mut before = answers[..number].iter();
        assert!(!before.any(|other| answer.is_same(other)), "{number}: {answers:?}");
    }
    drop(second);
    node.ends().await;
}
