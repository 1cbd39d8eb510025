//! The settings of a process: embedded defaults, then a file, then the environment, then flags.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use config::{Config as Layers, ConfigError, Environment, File, FileFormat};
use serde::Deserialize;

use crate::api::ApiLimits;
use crate::router::RouterOptions;
use crate::webhook::WebhookOptions;

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("../config/default.toml");
/// The shortest [`Config::secret`], in characters.
pub const SECRET_MIN_CHARS: usize = 32;
/// Variables with the prefix that are not settings.
const NOT_SETTINGS: [&str; 3] = ["SWITCHBOARD_CONFIG", "SWITCHBOARD_URL", "SWITCHBOARD_KEY"];

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The process.
    pub server: ServerOptions,
    /// The certificate, if there is one.
    pub tls: TlsOptions,
    /// The durable truth.
    pub store: StoreOptions,
    /// Bounds of commands.
    pub router: RouterOptions,
    /// Bounds of requests.
    pub api: ApiLimits,
    /// How receivers are told.
    pub webhook: WebhookOptions,
    /// Logging.
    pub log: LogOptions,
    /// `SWITCHBOARD_ADMIN_KEY`: the API key of the first workspace, 32 characters or more.
    #[serde(default)]
    pub admin_key: Option<Secret>,
    /// `SWITCHBOARD_SECRET`: what the signing secrets of keys are made from, 32 characters or more. Nodes over one store in
    /// Redis need the same.
    #[serde(default)]
    pub secret: Option<Secret>,
}

/// A text that no log shows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(redacted)")
    }
}

/// The process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml describes them")]
pub struct ServerOptions {
    pub listen: String,
    pub data_dir: PathBuf,
    pub request_timeout_ms: u64,
    pub header_timeout_ms: u64,
    pub body_timeout_ms: u64,
    pub connections_max: usize,
    pub shutdown_timeout_ms: u64,
}

/// The certificate, if there is one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml describes them")]
pub struct TlsOptions {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
    pub reload_every_ms: NonZeroU64,
}

impl TlsOptions {
    /// Whether a certificate is configured.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.certificate_file.as_os_str().is_empty()
    }
}

/// The durable truth.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml describes them")]
pub struct StoreOptions {
    pub redis_url: Secret,
    pub redis_namespace: String,
    pub redis_partitions: u16,
    pub log_retention_records: u64,
}

/// Logging.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml describes them")]
pub struct LogOptions {
    pub filter: String,
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

impl Config {
    /// Reads every layer below the flags.
    ///
    /// # Errors
    /// A file that does not read, an unknown key, a value of the wrong type or out of its bounds.
    pub fn load(file: Option<&Path>, environment: HashMap<String, String>) -> Result<Self, ConfigError> {
        let settings = environment
            .into_iter()
            .filter(|(name, _)| !NOT_SETTINGS.contains(&name.as_str()))
            .collect();
        let mut layers = Layers::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = file {
            layers = layers.add_source(File::from(file).format(FileFormat::Toml));
        }
        let environment = Environment::with_prefix("SWITCHBOARD")
            .prefix_separator("_")
            .separator("__")
            .source(Some(settings));
        let config: Self = layers.add_source(environment).build()?.try_deserialize()?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bad = |text: &str| Err(ConfigError::Message(text.to_owned()));
        if self.server.header_timeout_ms == 0 || self.server.body_timeout_ms == 0 {
            return bad("server: expected time-outs of 1 ms or more");
        }
        if self.server.connections_max == 0 {
            return bad("server.connections_max: expected 1 or more");
        }
        if self.tls.is_on() == self.tls.key_file.as_os_str().is_empty() {
            return bad("tls: expected certificate_file and key_file, or neither");
        }
        if !(1..=256).contains(&self.store.redis_partitions) {
            return bad("store.redis_partitions: expected 1 to 256");
        }
        if self.store.redis_namespace.is_empty() || self.store.redis_namespace.contains(['{', '}']) {
            return bad("store.redis_namespace: expected a text without braces");
        }
        if self.router.waiting_per_chat_max == 0 || self.router.waiting_per_node_max < 2 {
            return bad("router: expected room for a command to wait");
        }
        if self.router.resident_chats_max == 0 {
            return bad("router.resident_chats_max: expected 1 or more");
        }
        if self.webhook.request_timeout_ms == 0 || self.webhook.requests_at_once == 0 {
            return bad("webhook: expected 1 or more");
        }
        if let Some(secret) = &self.secret
            && secret.0.trim().chars().count() < SECRET_MIN_CHARS
        {
            return Err(ConfigError::Message(format!(
                "SWITCHBOARD_SECRET: expected {SECRET_MIN_CHARS} characters or more"
            )));
        }
        let shortest = crate::api::auth::KEY_MIN_CHARS;
        if let Some(key) = &self.admin_key
            && key.0.chars().count() < shortest
        {
            return Err(ConfigError::Message(format!(
                "SWITCHBOARD_ADMIN_KEY: expected {shortest} characters or more"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn with(name: &str, value: &str) -> Result<Config, ConfigError> {
        let environment = HashMap::from([(name.to_owned(), value.to_owned())]);
        Config::load(None, environment)
    }

    #[test]
    fn defaults_are_whole() {
        let config = Config::load(None, HashMap::new()).unwrap();
        assert_eq!(config.server.listen, "127.0.0.1:8080");
        assert_eq!(config.router.waiting_per_chat_max, 1_024);
    }

    #[test]
    fn the_environment_goes_over_defaults() {
        let config = with("SWITCHBOARD_ROUTER__IDLE_AFTER_MS", "7").unwrap();
        assert_eq!(config.router.idle_after_ms, 7);
    }

    #[test]
    fn unknown_and_wrong_settings_are_errors() {
        assert!(with("SWITCHBOARD_ROUTER__IDLE", "7").is_err());
        assert!(with("SWITCHBOARD_ROUTER__IDLE_AFTER_MS", "soon").is_err());
        assert!(with("SWITCHBOARD_STORE__REDIS_PARTITIONS", "0").is_err());
        assert!(with("SWITCHBOARD_SERVER__HEADER_TIMEOUT_MS", "0").is_err());
        assert!(with("SWITCHBOARD_TLS__CERTIFICATE_FILE", "certificate.pem").is_err());
        assert!(with("SWITCHBOARD_API__RATE_BURST", "0").is_err());
        assert!(with("SWITCHBOARD_API__CORS_ORIGINS", "desk.example.com").is_err());
        assert!(with("SWITCHBOARD_ADMIN_KEY", "short").is_err());
        assert!(with("SWITCHBOARD_SECRET", "short").is_err());
    }

    #[test]
    fn origins_are_a_list_or_parted_by_commas() {
        let config = with(
            "SWITCHBOARD_API__CORS_ORIGINS",
            "https://a.example, https://b.example:8443",
        )
        .unwrap();
        assert_eq!(config.api.cors_origins.list().len(), 2);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "[api]\ncors_origins = [\"https://a.example\"]").unwrap();
        let config = Config::load(Some(file.path()), HashMap::new()).unwrap();
        assert_eq!(config.api.cors_origins.list().len(), 1);
    }

    #[test]
    fn secrets_are_not_shown() {
        let key = "0123456789abcdef0123456789abcdef";
        let config = with("SWITCHBOARD_ADMIN_KEY", key).unwrap();
        assert!(!format!("{config:?}").contains(key));
    }
}
