//! The composition root: builds every part of a node, lets it run, and shuts it down in order.

mod certificate;
mod connection;
mod door;
mod http;
mod secret;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use tower_http::trace::TraceLayer;

use crate::api::auth::Authenticator;
use crate::api::graphql::schema;
use crate::api::services::Services;
use crate::api::{ApiParts, ApiState, Rates, Signatures, Streams, app, careful};
use crate::clock::Clock;
use crate::config::{Config, StoreOptions};
use crate::live::{Live, LiveError};
use crate::process::{KeyUses, Processes, key_uses};
use crate::router::{Policies, Router};
use crate::store::redis::{RedisOptions, RedisStore};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use crate::view::View;
use crate::webhook::{self, Webhooks};

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error("the data directory: {0}")]
    Data(#[from] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The view.
    #[error("the view: {0}")]
    View(#[from] rusqlite::Error),
    /// The live side.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The supervisors.
    #[error("the actors: {0}")]
    Actors(#[from] ractor::SpawnErr),
}

/// A running node without its network face.
#[derive(Debug)]
pub struct Node {
    /// The durable truth.
    pub store: Arc<dyn Store>,
    /// What handlers work with.
    pub services: Services,
    tasks: TaskTracker,
    stop: CancellationToken,
    shutdown_timeout: Duration,
}

/// Opens the store and the view that the settings name.
///
/// # Errors
/// The directory is in use, or the store refuses.
pub async fn open_store(options: &StoreOptions, data_dir: &Path) -> Result<(Arc<dyn Store>, View), StartError> {
    std::fs::create_dir_all(data_dir)?;
    if options.redis_url.0.is_empty() {
        let path = data_dir.join("switchboard.db");
        let store = SqliteStore::open(&path, View::prepare_embedded, View::projection())?;
        return Ok((Arc::new(store), View::embedded(&path)));
    }
    let store = RedisStore::open(RedisOptions {
        url: options.redis_url.0.clone(),
        namespace: options.redis_namespace.clone(),
        partitions: options.redis_partitions,
        log_retention_records: options.log_retention_records,
    });
    let store = store.await?;
    let view = View::standalone(&data_dir.join("view.db"))?;
    Ok((Arc::new(store), view))
}

impl Node {
    /// Starts every part over a store and its view.
    ///
    /// # Errors
    /// The view or the node's secret cannot be read, or the actors cannot be started.
    pub async fn start(
        (store, view): (Arc<dyn Store>, View),
        clock: Clock,
        config: &Config,
    ) -> Result<Self, StartError> {
        let signing = secret::signing(config)?;
        let live = Live::open(Arc::clone(&store), view).await?;
        let policies: Arc<dyn Policies> = Arc::new(live.clone());
        let options = config.router.clone();
        let router = Router::start(Arc::clone(&store), policies, clock.clone(), options).await?;
        let parts = webhook::Parts {
            live: live.clone(),
            router: router.clone(),
            store: Arc::clone(&store),
            clock: clock.clone(),
            signing: signing.clone(),
        };
        let webhooks = Webhooks::new(parts, &config.webhook)?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn({
            let (live, stop) = (live.clone(), stop.clone());
            async move { live.run(stop).await }
        });
        tasks.spawn({
            let (router, stop) = (router.clone(), stop.clone());
            async move { router.run(stop).await }
        });
        Ok(Self {
            store,
            services: Services {
                router,
                live,
                clock,
                signing,
                webhooks,
            },
            tasks,
            stop,
            shutdown_timeout: Duration::from_millis(config.server.shutdown_timeout_ms),
        })
    }

    /// Runs the processes and serves the API on `listener` until `shutdown`, then lets what is under way finish.
    ///
    /// # Errors
    /// The certificate cannot be used, or the listener fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        config: &Config,
        shutdown: CancellationToken,
    ) -> std::io::Result<()> {
        let services = &self.services;
        let processes = Processes {
            router: services.router.clone(),
            live: services.live.clone(),
            store: Arc::clone(&self.store),
            clock: services.clock.clone(),
        };
        // the processes end first: what they began is finished before commands are refused
        let stop = self.stop.child_token();
        self.tasks.spawn({
            let (stop, shutdown) = (stop.clone(), shutdown.clone());
            async move {
                tokio::select! {
                    () = shutdown.cancelled() => stop.cancel(),
                    () = stop.cancelled() => {}
                }
            }
        });
        let (uses, told) = key_uses();
        self.tasks
            .spawn(told.run(services.router.clone(), services.live.clone(), stop.clone()));
        self.tasks.spawn(services.webhooks.clone().run(stop.clone()));
        self.tasks.spawn(async move { processes.run(stop).await });
        let rates = Rates::new(&config.api);
        self.tasks.spawn(rates.clone().run(self.stop.clone()));
        let app = self.app((rates, uses), config, &shutdown);
        http::serve(listener, app, config, shutdown).await
    }

    /// The API, with what surrounds every request.
    fn app(&self, (rates, uses): (Rates, KeyUses), config: &Config, shutdown: &CancellationToken) -> axum::Router {
        let services = &self.services;
        let schema = schema(services.clone(), self.tasks.clone(), &config.api);
        let state = ApiState::from(ApiParts {
            streams: Streams::new(schema.clone(), services.live.clone(), self.tasks.clone()),
            schema,
            auth: Authenticator::new(
                services.live.clone(),
                services.clock.clone(),
                services.signing.clone(),
                uses,
            ),
            services: services.clone(),
            limits: config.api.clone(),
            rates,
            signatures: Signatures::default(),
            shutdown: shutdown.clone(),
        });
        let limit = Duration::from_millis(config.server.request_timeout_ms);
        let pause = Duration::from_millis(config.server.body_timeout_ms);
        let span = |request: &Request| tracing::info_span!("request", http.method = %request.method(), http.path = request.uri().path());
        let app = app(state)
            .layer(RequestBodyTimeoutLayer::new(pause))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limit))
            .layer(CatchPanicLayer::new());
        careful(app).layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(())
                .on_failure(()),
        )
    }

    /// Takes no more commands, finishes those that were taken, and lets go of everything.
    pub async fn close(self) {
        self.services.router.close(self.shutdown_timeout).await;
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(self.shutdown_timeout, self.tasks.wait()).await;
        self.services.live.view().close();
        self.store.close().await;
    }
}
