//! The program at its loudest, with everything that it prints in a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{Client, KEY, eventually, free_port};

pub struct Program {
    url: String,
    child: Child,
    place: tempfile::TempDir,
}

fn command(place: &Path, redis: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["serve", "--data"]).arg(place.join("data"));
    if let Some(redis) = redis {
        command.env("SWITCHBOARD_STORE__REDIS_URL", redis);
    }
    command
        .env("SWITCHBOARD_ADMIN_KEY", KEY)
        .env("SWITCHBOARD_LOG__FILTER", "trace")
        .env("RUST_BACKTRACE", "full");
    command
}

impl Program {
    pub async fn start(redis: Option<&str>, format: &str) -> Self {
        let (place, port) = (tempfile::tempdir().unwrap(), free_port());
        let log = File::create(place.path().join("log")).unwrap();
        let child = command(place.path(), redis)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .env("SWITCHBOARD_LOG__FORMAT", format)
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let (http, ready) = (reqwest::Client::new(), format!("{url}/readyz"));
        eventually("the program", || async {
            let answer = http.get(&ready).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        Self { url, child, place }
    }

    /// What it says when it does not start.
    pub fn refused(redis: &str) -> String {
        let place = tempfile::tempdir().unwrap();
        let mut command = command(place.path(), Some(redis));
        let output = command.args(["--listen", "127.0.0.1:0"]).output().unwrap();
        assert!(!output.status.success(), "it started");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url, KEY)
    }

    pub fn log(&self) -> PathBuf {
        self.place.path().join("log")
    }

    pub fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// SIGTERM, so that it also tells of its end.
    pub fn end(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
