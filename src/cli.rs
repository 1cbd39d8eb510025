//! The command line.

mod bootstrap;
mod demo;
mod load;
mod serve;
mod verify;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, DEFAULTS, LogFormat, LogOptions, Secret};

/// Routes customer messages into tickets, in order, and tells everybody at once.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a node.
    Serve {
        #[command(flatten)]
        place: Place,
        /// Where to listen.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
        /// Fills an empty workspace with channels, agents and chats to look at.
        #[arg(long)]
        demo: bool,
    },
    /// Prints the GraphQL schema.
    Schema,
    /// Prints every setting with its default.
    Config,
    /// Replays every chat's records and compares them with its snapshot and with the view; exit 1 where they differ.
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Puts a running server under load, and checks from outside that it keeps its promises; exit 1 where it does not.
    Load(load::LoadArguments),
}

/// Where the data is.
#[derive(Debug, Args)]
struct Place {
    /// A file of settings.
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    config: Option<PathBuf>,
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep the data in Redis: redis://[user:password@]host[:port][/db].
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
}

impl Place {
    fn config(&self) -> anyhow::Result<Config> {
        // a variable that is no text cannot be a setting
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut config = Config::load(self.config.as_deref(), environment).context("the settings")?;
        if let Some(data) = &self.data {
            config.server.data_dir.clone_from(data);
        }
        if let Some(redis) = &self.redis {
            config.store.redis_url = Secret(redis.clone());
        }
        Ok(config)
    }
}

/// Runs the command that the process was given.
#[must_use]
pub fn run() -> ExitCode {
    match start(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "switchboard: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Schema => {
            std::io::stdout().write_all(crate::api::graphql::sdl().as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Config => {
            std::io::stdout().write_all(DEFAULTS.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Serve { place, listen, demo } => {
            let mut config = place.config()?;
            if let Some(listen) = listen {
                config.server.listen = listen;
            }
            log(&config.log)?;
            runtime()?.block_on(serve::serve(config, demo))
        }
        Command::Load(arguments) => load::run(arguments),
        Command::Verify { place } => {
            let config = place.config()?;
            log(&config.log)?;
            runtime()?.block_on(verify::verify(config))
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime")
}

fn log(options: &LogOptions) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&options.filter).context("log.filter")?;
    // below this it writes whole messages, and with them keys
    let filter = filter.add_directive("tungstenite=info".parse()?);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let set = match options.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    set.map_err(|error| anyhow::anyhow!("logging: {error}"))
}
