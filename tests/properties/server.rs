//! The binary as users run it, and what it says of itself.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    directory: Option<tempfile::TempDir>,
}

impl Server {
    /// With a configuration file of this text.
    pub(crate) fn start(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self::start_in(directory.path(), configuration);
        server.directory = Some(directory);
        server
    }

    /// In a directory that stays.
    pub(crate) fn start_in(directory: &Path, configuration: &str) -> Self {
        let file = directory.join("helios.toml");
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_helios"));
        command.env("HELIOS__KV__EVERYONE", "true");
        command
            .args(["serve", "--demo", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory.join("data"));
        command.arg("--config").arg(&file);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.split_once("WebSocket").map(|(_, it)| it.trim().to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        Self { url: url.expect("it is ready"), child, directory: None }
    }

    /// Ends it as a loss of power ends a process.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Resident memory now, and the most that there ever was, in KiB.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
        };
        (of("VmRSS"), of("VmHWM"))
    }

    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let address = self.url.trim_start_matches("ws://").trim_end_matches("/ws").to_owned();
        let page = tokio::task::spawn_blocking(move || {
            ureq::get(format!("http://{address}/metrics"))
                .call()
                .unwrap()
                .body_mut()
                .read_to_string()
                .unwrap()
        });
        let page = page.await.unwrap();
        let line = page.lines().find(|line| line.split(' ').next() == Some(name));
        line.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
