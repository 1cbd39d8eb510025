//! `switchboard load`: sends messages to a running server at a steady rate and checks from outside what it promises.
//!
//! It knows no more than any other client: GraphQL over HTTP to send and to read back, graphql-transport-ws to watch.

mod client;
mod figures;
mod finding;
mod ingest;
mod ledger;
mod messages;
mod plan;
mod progress;
mod queue;
mod report;
mod run;
mod sender;
mod socket;
mod target;
mod tickets;
mod watch;

use std::fs::File;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use url::Url;
use uuid::Uuid;

use self::client::Key;
use self::plan::{Plan, Scenario};
use self::run::Settings;
use self::target::Target;

/// The most messages of a run: what is kept of each has to fit the memory.
const MESSAGES_MAX: u32 = 5_000_000;
/// The most tickets that all dashboards together keep a number of.
const DASHBOARD_TICKETS_MAX: u64 = 20_000_000;
/// How many dashboards there are unless said otherwise.
const DASHBOARDS: u32 = 50;
/// The exit code of arguments that do not go together, as of those that cannot be read.
const BAD_ARGUMENTS: u8 = 2;

/// What to send, and to whom.
#[derive(Debug, Args)]
pub(super) struct LoadArguments {
    /// The server's root, as `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL")]
    url: Url,
    /// An API key of the workspace. The run makes a channel of its own there and touches nothing else.
    #[arg(long, value_name = "KEY", env = "SWITCHBOARD_KEY", hide_env_values = true)]
    key: Key,
    /// How messages are spread.
    #[arg(long, value_enum, value_name = "NAME")]
    scenario: Scenario,
    /// Messages a second, which are due whatever the server does: 1 to 100,000.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long messages are due, in seconds: 1 to 3,600. At most 5,000,000 messages altogether.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Where to write the report as JSON as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How many chats, where the scenario does not say it: 1 to 100,000.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    chats: u32,
    /// How many sockets watch the tickets in the scenario dashboards, every second one as a queue: 0 to 10,000; 50 when
    /// absent. A server takes as many of a key as its `api.sockets_per_key_max` says, 2,000 unless set.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    subscribers: Option<u32>,
    /// Allow a server that is not on this machine.
    #[arg(long)]
    allow_remote: bool,
}

impl LoadArguments {
    fn settings(self) -> Result<Settings, String> {
        let target = Target::of(&self.url, self.allow_remote)?;
        let total = self
            .rate
            .checked_mul(self.seconds)
            .filter(|total| *total <= MESSAGES_MAX);
        let total = total.ok_or_else(|| {
            let Self { rate, seconds, .. } = &self;
            format!("{rate} messages a second for {seconds} seconds are more than {MESSAGES_MAX}")
        })?;
        let is_watched = self.scenario == Scenario::Dashboards;
        if !is_watched && self.subscribers.is_some_and(|subscribers| subscribers > 0) {
            return Err("--subscribers goes with --scenario dashboards".into());
        }
        let dashboards = if is_watched {
            self.subscribers.unwrap_or(DASHBOARDS)
        } else {
            0
        };
        if u64::from(dashboards).saturating_mul(u64::from(self.chats)) > DASHBOARD_TICKETS_MAX {
            return Err(format!(
                "{dashboards} subscribers of {} chats are more than {DASHBOARD_TICKETS_MAX} tickets to keep",
                self.chats
            ));
        }
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let mut run = Uuid::new_v4().simple().to_string();
        run.truncate(12);
        Ok(Settings {
            plan: Plan::new(self.scenario, run, number(self.rate), (total, number(self.chats))),
            target,
            key: self.key,
            url: self.url,
            seconds: self.seconds,
            dashboards,
        })
    }
}

/// Before anything is sent: a report without a place would be lost.
fn open(path: &Path) -> Result<File, String> {
    File::create(path).map_err(|error| format!("--json {}: {error}", path.display()))
}

/// Runs the command. Standard output gets the report, standard error the progress.
///
/// # Errors
/// The server does not take part at all, or the report cannot be written.
pub(super) fn run(arguments: LoadArguments) -> anyhow::Result<ExitCode> {
    let path = arguments.json.clone();
    let settings = arguments.settings();
    let opened = settings.and_then(|settings| Ok((settings, path.as_deref().map(open).transpose()?)));
    let (settings, json) = match opened {
        Ok(opened) => opened,
        Err(why) => {
            writeln!(std::io::stderr(), "switchboard: {why}")?;
            return Ok(ExitCode::from(BAD_ARGUMENTS));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let report = runtime.context("the runtime")?.block_on(self::run::run(settings))?;
    write!(std::io::stdout(), "{report}")?;
    if let Some(mut json) = json {
        let mut text = serde_json::to_vec_pretty(&report)?;
        text.push(b'\n');
        json.write_all(&text).context("the report as JSON")?;
    }
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(scenario: Scenario, change: impl FnOnce(&mut LoadArguments)) -> Result<Settings, String> {
        let mut arguments = LoadArguments {
            url: Url::parse("http://127.0.0.1:8080").unwrap(),
            key: Key("key".into()),
            scenario,
            rate: 200,
            seconds: 10,
            json: None,
            chats: 100,
            subscribers: None,
            allow_remote: false,
        };
        change(&mut arguments);
        arguments.settings()
    }

    #[test]
    fn a_run_fits_the_memory_or_is_refused() {
        let longest = |arguments: &mut LoadArguments| (arguments.rate, arguments.seconds) = (5_000, 1_000);
        assert_eq!(settings(Scenario::Steady, longest).unwrap().plan.total, MESSAGES_MAX);
        let longer = |arguments: &mut LoadArguments| (arguments.rate, arguments.seconds) = (5_000, 1_001);
        assert!(settings(Scenario::Steady, longer).unwrap_err().contains("5000000"));
        let most = |arguments: &mut LoadArguments| (arguments.rate, arguments.seconds) = (100_000, 3_600);
        assert!(settings(Scenario::Steady, most).is_err());
        let many = |arguments: &mut LoadArguments| {
            (arguments.chats, arguments.subscribers) = (100_000, Some(10_000));
        };
        assert!(settings(Scenario::Dashboards, many).is_err());
    }

    #[test]
    fn subscribers_belong_to_dashboards() {
        let some = |arguments: &mut LoadArguments| arguments.subscribers = Some(3);
        assert!(settings(Scenario::Steady, some).is_err());
        assert_eq!(settings(Scenario::Dashboards, some).unwrap().dashboards, 3);
        assert_eq!(settings(Scenario::Dashboards, |_| {}).unwrap().dashboards, DASHBOARDS);
        assert_eq!(settings(Scenario::HotChat, |_| {}).unwrap().dashboards, 0);
    }

    #[test]
    fn every_run_has_a_name_of_its_own() {
        let name = || settings(Scenario::Steady, |_| {}).unwrap().plan.run;
        assert_eq!(name().len(), 12);
        assert_ne!(name(), name());
    }
}
