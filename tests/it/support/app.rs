//! A node in this process, or the real program as its own process.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use switchboard::clock::Clock;
use switchboard::config::{Config, Secret};
use switchboard::domain::{Actor, ApiKey, KeyCommand, WorkspaceCommand, WorkspaceCommandBody, id};
use switchboard::server::{Node, open_store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Client, Redis, free_port};

/// The key of every test's workspace.
pub const KEY: &str = "test-key-0123456789abcdef0123456789abcdef";

/// In the year 2255, so that no test hears of its own key's use.
const USED_AT: u64 = 9_000_000_000_000;

pub fn config(data: &Path, redis: Option<&Redis>) -> Config {
    let mut config = Config::load(None, HashMap::new()).unwrap();
    data.clone_into(&mut config.server.data_dir);
    config.server.shutdown_timeout_ms = 2_000;
    if let Some(redis) = redis {
        config.store.redis_url = Secret(redis.url());
    }
    config
}

pub struct TestApp {
    pub url: String,
    pub clock: Clock,
    pub node: std::sync::Arc<Node>,
    shutdown: CancellationToken,
    _data: tempfile::TempDir,
}

/// Serves a node on a free port until it is told to stop.
pub async fn serve(node: &std::sync::Arc<Node>, config: Config) -> (String, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    tokio::spawn({
        let (node, shutdown) = (node.clone(), shutdown.clone());
        async move { node.serve(listener, &config, shutdown).await.unwrap() }
    });
    (url, shutdown)
}

impl TestApp {
    /// On the embedded store.
    pub async fn start() -> Self {
        Self::start_with(None, |_| {}).await
    }

    pub async fn on_redis(redis: &Redis) -> Self {
        Self::start_with(Some(redis), |_| {}).await
    }

    pub async fn start_with(redis: Option<&Redis>, change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = config(data.path(), redis);
        change(&mut config);
        let parts = open_store(&config.store, &config.server.data_dir).await.unwrap();
        let clock = Clock::default();
        let node = std::sync::Arc::new(Node::start(parts, clock.clone(), &config).await.unwrap());
        make_workspace(&node, id::first_workspace(), KEY).await;
        let (url, shutdown) = serve(&node, config).await;
        Self {
            url,
            clock,
            node,
            shutdown,
            _data: data,
        }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url, KEY)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A workspace with one key.
pub async fn make_workspace(node: &Node, workspace_id: Uuid, key: &str) {
    let hash = id::sha256_hex(key.as_bytes());
    for body in [
        WorkspaceCommandBody::Create { name: "test".into() },
        WorkspaceCommandBody::Key(KeyCommand::Create(Box::new(ApiKey {
            last_used_at: Some(USED_AT),
            ..ApiKey::admin("test", &hash, node.services.clock.now())
        }))),
    ] {
        let command = WorkspaceCommand {
            workspace_id,
            id: Uuid::from_u128(u128::from(getrandom::u64().unwrap())),
            actor: Actor::system(),
            keys: Vec::new(),
            body_hash: None,
            body,
        };
        if let Ok(answer) = node.services.router.workspace(command).await {
            let wait = Duration::from_secs(10);
            node.services
                .live
                .wait_for(answer.partition, answer.position, wait)
                .await;
        }
    }
    node.services.live.catch_up(Duration::from_secs(10)).await.unwrap();
}

/// The program itself, as users run it.
pub struct Process {
    pub url: String,
    pub data: std::path::PathBuf,
    port: u16,
    redis: Option<String>,
    child: Child,
}

impl Process {
    pub async fn start(data: &Path, redis: Option<&Redis>) -> Self {
        let (port, redis) = (free_port(), redis.map(Redis::url));
        let process = Self {
            url: format!("http://127.0.0.1:{port}"),
            data: data.to_owned(),
            port,
            child: spawn(port, data, redis.as_deref()),
            redis,
        };
        process.wait_until_ready().await;
        process
    }

    async fn wait_until_ready(&self) {
        let http = reqwest::Client::new();
        let start = Instant::now();
        loop {
            let answer = http.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the server did not get ready"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same data and port.
    pub async fn restart(&mut self) {
        self.child = spawn(self.port, &self.data, self.redis.as_deref());
        self.wait_until_ready().await;
    }

    /// SIGTERM; how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "SIGTERM did not end it");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `switchboard verify` on the same data; the process must be down.
    pub fn verify(&self) -> (bool, String) {
        verify(&self.data, self.redis.as_deref())
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url, KEY)
    }
}

pub fn verify(data: &Path, redis: Option<&str>) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.arg("verify").arg("--data").arg(data);
    if let Some(redis) = redis {
        command.args(["--redis", redis]);
    }
    let output = command.env("SWITCHBOARD_LOG__FILTER", "warn").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

fn spawn(port: u16, data: &Path, redis: Option<&str>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
        .arg(data);
    if let Some(redis) = redis {
        command.args(["--redis", redis]);
    }
    command
        .env("SWITCHBOARD_ADMIN_KEY", KEY)
        .env("SWITCHBOARD_WEBHOOK__PRIVATE_ADDRESSES", "true")
        .env("SWITCHBOARD_LOG__FILTER", "error")
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
