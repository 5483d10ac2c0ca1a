//! Where the server is that a subcommand talks to.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::Value;

use crate::peer::{Credential, Peer, PeerError, PeerOptions};

/// A running server.
#[derive(Args, Debug)]
pub(super) struct ServerArgs {
    /// The server.
    #[arg(
        long,
        value_name = "URL",
        default_value = "ws://127.0.0.1:8080/ws",
        env = "HELIOS_URL",
        global = true
    )]
    pub(super) url: String,
    /// PEM file with the authority to trust instead of the system's.
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// Who asks: an API key or an access token, better in the variable HELIOS_KEY.
    #[arg(long, value_name = "KEY", env = "HELIOS_KEY", hide_env_values = true, global = true)]
    credential: Option<Key>,
}

/// An API key or an access token, which shows in no log.
#[derive(Clone)]
pub(super) struct Key(String);

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl ServerArgs {
    /// How to connect, and how long an answer may take.
    pub(super) fn options(&self, timeout: Duration) -> PeerOptions {
        let credential = self.credential.clone().map(|Key(text)| Credential(text));
        PeerOptions { ca: self.ca.clone(), timeout, credential, ..PeerOptions::default() }
    }

    /// Asks a method, once. What fails is told with what is missing.
    pub(super) fn ask(&self, method: &str, payload: &Value) -> anyhow::Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut peer = Peer::connect(&self.url, &self.options(PATIENCE)).await?;
            let answer = peer.request(method, payload).await;
            let _ = tokio::time::timeout(Duration::from_secs(1), peer.close()).await;
            match answer {
                Err(PeerError::Failed(failure)) => bail!("{failure}{}", details(&failure.details)),
                answer => Ok(answer?),
            }
        })
    }
}

/// How long an answer may take: passwords are hashed with care.
const PATIENCE: Duration = Duration::from_secs(30);

/// What does not fit, line by line.
fn details(details: &Value) -> String {
    let errors = details["errors"].as_array().into_iter().flatten();
    errors.filter_map(Value::as_str).map(|error| format!("\n  {error}")).collect()
}
