//! `switchboard serve`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{bootstrap, demo};
use crate::clock::Clock;
use crate::config::Config;
use crate::server::{Node, open_store};

pub(super) async fn serve(config: Config, with_demo: bool) -> anyhow::Result<ExitCode> {
    // every socket takes a file
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let parts = open_store(&config.store, &config.server.data_dir).await?;
    let node = Node::start(parts, Clock::default(), &config).await?;
    let key = bootstrap::first_key(&node, config.admin_key.as_ref()).await?;
    let listener = TcpListener::bind(&config.server.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.server.listen))?;
    let address = listener.local_addr()?;
    let tour = if with_demo { demo::fill(&node).await? } else { None };
    let scheme = if config.tls.is_on() { "https" } else { "http" };
    greet(&format!("{scheme}://{address}"), &config, key, tour)?;
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        shutdown.cancel();
    };
    let serving = node.serve(listener, &config, shutdown.clone());
    let (served, ()) = tokio::join!(
        async {
            let served = serving.await;
            shutdown.cancel();
            served
        },
        async {
            tokio::select! {
                () = asked => {}
                () = shutdown.cancelled() => {}
            }
        }
    );
    node.close().await;
    served.context("serving")?;
    Ok(ExitCode::SUCCESS)
}

fn greet(url: &str, config: &Config, key: bootstrap::FirstKey, demo: Option<demo::Tour>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "switchboard listens on {url}")?;
    writeln!(out, "  dashboard  {url}/")?;
    if config.api.graphiql {
        writeln!(out, "  GraphiQL   {url}/graphiql")?;
    }
    writeln!(out, "  GraphQL    {url}/graphql")?;
    writeln!(out, "  REST       {url}/api/docs/")?;
    match key {
        bootstrap::FirstKey::New(key) => {
            writeln!(out, "  API key    {key}   (shown this once)")?;
        }
        bootstrap::FirstKey::FromEnvironment => {
            writeln!(out, "  API key    as SWITCHBOARD_ADMIN_KEY says")?;
        }
        bootstrap::FirstKey::Kept => {
            writeln!(out, "  API key    as before")?;
        }
    }
    if let Some(demo) = demo {
        writeln!(
            out,
            "  demo       Telegram channel {} with secretToken {}",
            demo.channel_id, demo.secret_token
        )?;
    }
    out.flush()
}
