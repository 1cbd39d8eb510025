//! Outgoing webhooks: tells receivers what happens, each at its own pace, every event at least once.
//!
//! The log is the queue. Of each webhook a node reads the log from the webhook's own cursor, posts what is wanted, and
//! remembers how far it has come, and what is to be tried again. Every node has a courier for each webhook, and one of
//! them at a time works: who holds the webhook's memo in the store.

mod address;
mod caller;
mod courier;
mod format;
mod ledger;
mod signature;

pub use self::ledger::{State, Undelivered};

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::caller::{Caller, Refused};
use self::courier::Courier;
use self::ledger::Ledger;
use crate::clock::Clock;
use crate::domain::id::sha256_hex;
use crate::domain::{Millis, Webhook, WebhookFormat};
use crate::live::{Cursor, Live};
use crate::router::Router;
use crate::signing::Signing;
use crate::store::{Store, StoreError};

/// How often it is looked for new webhooks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The most requests that are under way on this node, over all webhooks.
const REQUESTS_MAX: usize = 512;
/// The most tests that are under way on this node.
const TESTS_MAX: usize = 16;
/// `UseDesk`'s secrets are of this length.
const BODY_SECRET_DIGITS: usize = 40;
/// How long a webhook that is gone is held by nobody, in milliseconds: until every node knows.
const GONE_MS: Millis = 30_000;

/// How requests are made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml describes them")]
pub struct WebhookOptions {
    pub request_timeout_ms: u64,
    pub answer_max_bytes: usize,
    pub requests_at_once: usize,
    pub private_addresses: bool,
    pub ca_file: PathBuf,
}

/// What webhooks work with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// For what happened, and the view.
    pub live: Live,
    /// For turning a webhook off.
    pub router: Router,
    /// For what is remembered of deliveries.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// For signatures.
    pub signing: Signing,
}

/// The webhooks of a node; clones share it.
#[derive(Clone, Debug)]
pub struct Webhooks {
    parts: Parts,
    caller: Caller,
    requests_at_once: usize,
    /// Over all webhooks.
    turns: Arc<Semaphore>,
    tests: Arc<Semaphore>,
    /// Tells this node's couriers from those of others.
    node: Uuid,
}

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The answer's status; none where there was no answer.
    pub status: Option<u16>,
    /// Why it was not taken; none where it was.
    pub error: Option<String>,
    /// How long it took.
    pub duration: Duration,
}

impl Webhooks {
    /// `run` must be started for anything to be told.
    ///
    /// # Errors
    /// The file of certificates cannot be used, or the system gives no random numbers.
    pub fn new(parts: Parts, options: &WebhookOptions) -> io::Result<Self> {
        let mut node = [0_u8; 16];
        getrandom::fill(&mut node).map_err(io::Error::other)?;
        Ok(Self {
            parts,
            caller: Caller::new(options)?,
            requests_at_once: options.requests_at_once.max(1),
            turns: Arc::new(Semaphore::new(REQUESTS_MAX)),
            tests: Arc::new(Semaphore::new(TESTS_MAX)),
            node: Uuid::from_bytes(node),
        })
    }

    /// Tells everybody until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut couriers = JoinSet::new();
        let mut running: HashMap<Uuid, Id> = HashMap::new();
        loop {
            while let Some(ended) = couriers.try_join_next_with_id() {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                running.retain(|_, courier| *courier != id);
            }
            let settings = self.parts.live.settings();
            for (workspace_id, webhook) in settings.webhooks().filter(|(_, webhook)| webhook.is_enabled()) {
                running.entry(webhook.id).or_insert_with(|| {
                    let courier = Courier::new(self.clone(), workspace_id, webhook.id);
                    couriers.spawn(courier.run(stop.clone())).id()
                });
            }
            drop(settings);
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        while couriers.join_next().await.is_some() {}
    }

    fn ledger(&self, webhook_id: Uuid) -> Ledger {
        Ledger::new(Arc::clone(&self.parts.store), webhook_id)
    }

    /// The secret with this salt, as its holder sees it.
    #[must_use]
    pub fn secret(&self, webhook_id: Uuid, salt: Uuid) -> String {
        signature::secret_text(&self.parts.signing, webhook_id, salt)
    }

    /// Refuses a URL that can be told to lead nowhere public without looking up its host.
    ///
    /// # Errors
    /// Why.
    pub fn check_url(&self, url: &str) -> Result<(), String> {
        self.caller.check(url).map(drop).map_err(|refused| refused.reason)
    }

    /// How deliveries stand.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn state(&self, webhook_id: Uuid) -> Result<State, StoreError> {
        self.ledger(webhook_id).read().await
    }

    /// Tries again at once what waits and what was given up, these events or all. How many there are.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn retry(&self, webhook_id: Uuid, event_ids: Option<&[Uuid]>) -> Result<usize, StoreError> {
        let now = self.parts.clock.now();
        let mut count = 0;
        let change = |state: &mut State| {
            count = state.retry(event_ids, now);
            count > 0
        };
        self.ledger(webhook_id).change(change).await?;
        Ok(count)
    }

    /// Tells again what came after a place in the log.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn replay(&self, webhook_id: Uuid, after: &Cursor) -> Result<(), StoreError> {
        let cursor = after.encode();
        let change = |state: &mut State| {
            state.cursor = Some(cursor.clone());
            state.replays = state.replays.saturating_add(1);
            true
        };
        self.ledger(webhook_id).change(change).await.map(drop)
    }

    /// Forgets everything about a webhook that is gone.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn forget(&self, webhook_id: Uuid) -> Result<(), StoreError> {
        let until = self.parts.clock.now().saturating_add(GONE_MS);
        self.ledger(webhook_id).forget(until).await
    }

    /// Begins anew with what a webhook failed before it was turned off.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn resume(&self, webhook_id: Uuid) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let change = |state: &mut State| {
            state.resume(now);
            true
        };
        self.ledger(webhook_id).change(change).await.map(drop)
    }

    /// Posts a test and waits for the answer; none where too many are under way.
    pub async fn test(&self, webhook: &Webhook) -> Option<Tested> {
        let _turn = self.tests.try_acquire().ok()?;
        let begin = tokio::time::Instant::now();
        let now = self.parts.clock.now();
        let body = format::test(webhook, &self.body_secret(webhook), now);
        let id = format!("test_{now}");
        let answer = self.post(webhook, &id, &body).await;
        let duration = begin.elapsed();
        Some(match answer {
            Ok(status) => Tested {
                status: Some(status),
                error: None,
                duration,
            },
            Err(refused) => Tested {
                status: refused.status,
                error: Some(refused.reason),
                duration,
            },
        })
    }

    /// What stands in the bodies of `UseDesk`'s format: the first 40 hexadecimal digits of the SHA-256 of the secret, so
    /// that nobody who sees a body can sign another.
    fn body_secret(&self, webhook: &Webhook) -> String {
        let secret = signature::oldest(&self.parts.signing, webhook, self.parts.clock.now());
        let mut digits = sha256_hex(secret.as_bytes());
        digits.truncate(BODY_SECRET_DIGITS);
        digits
    }

    /// Signs and sends a body; the answer's status.
    async fn post(&self, webhook: &Webhook, id: &str, body: &serde_json::Value) -> Result<u16, Refused> {
        let now = self.parts.clock.now();
        let body = body.to_string().into_bytes();
        let seconds = now.checked_div(1_000).unwrap_or(0).to_string();
        let signed = (id, seconds.as_str(), body.as_slice());
        let signatures = signature::signatures(&self.parts.signing, webhook, signed, now);
        let mut headers = vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds),
            ("webhook-signature", signatures),
        ];
        if webhook.terms.format == WebhookFormat::Yolead {
            headers.extend(signature::yolead(&self.parts.signing, webhook, &body, now));
        }
        let gone = |_| Refused::new("this node ends");
        let _turn = self.turns.acquire().await.map_err(gone)?;
        self.caller.post(&webhook.terms.url, &headers, body.into(), now).await
    }
}
