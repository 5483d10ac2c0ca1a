//! `helios token`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::local;
use crate::auth::KeyRing;
use crate::peer::{Credential, Peer, PeerOptions};

/// Shows and replaces the keys that state tokens are signed with.
///
/// A server replaces its key by itself, as tokens.key_rotation says. Replacing one by hand does not make tokens
/// void: they stay good until they end.
#[derive(Args, Debug)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// The keys of state tokens.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
}

#[derive(Subcommand, Debug)]
enum KeyCommand {
    /// Prints the keys, the one that signs first. Never their secrets.
    List(Target),
    /// Makes a new key that signs from now on.
    Rotate(Target),
}

#[derive(Args, Debug)]
struct Target {
    /// The data directory of a server that is not running.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Configuration file of that server.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A running server instead; it must permit token:keys.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "config"])]
    url: Option<String>,
    /// Who asks that server: an API key or an access token.
    #[arg(long, value_name = "KEY", env = "HELIOS_KEY", hide_env_values = true)]
    credential: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: TokenArgs) -> anyhow::Result<ExitCode> {
    let Command::Key { command } = args.command;
    let (target, rotate) = match command {
        KeyCommand::List(target) => (target, false),
        KeyCommand::Rotate(target) => (target, true),
    };
    let json = target.json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let keys = runtime.block_on(keys(target, rotate))?;
    if json {
        out!("{}", serde_json::to_string_pretty(&json!({ "keys": keys }))?);
        return Ok(ExitCode::SUCCESS);
    }
    for key in keys.as_array().into_iter().flatten() {
        let of = |name: &str| key[name].as_u64().map(time).unwrap_or_default();
        let state = match key["endsAt"].is_null() {
            true => "signs".to_owned(),
            false => format!("good until {}", of("endsAt")),
        };
        out!("{}  made {}  {state}", key["kid"].as_str().unwrap_or_default(), of("createdAt"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A time for people.
fn time(ms: u64) -> String {
    jiff::Timestamp::from_millisecond(ms as i64).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

/// The keys after what was asked for is done.
async fn keys(target: Target, rotate: bool) -> anyhow::Result<Value> {
    if let Some(url) = &target.url {
        let credential = target.credential.clone().map(Credential);
        let options = PeerOptions { timeout: Duration::from_secs(10), credential, ..PeerOptions::default() };
        let mut peer = Peer::connect(url, &options).await?;
        if rotate {
            peer.request("token:rotate", &Value::Null).await?;
        }
        return Ok(peer.request("token:keys", &Value::Null).await?["keys"].take());
    }
    let (config, store) = local::open(target.config, target.data_dir)?;
    let ring = KeyRing::open(&store, &config.tokens).await?;
    if rotate {
        ring.rotate().await?;
    }
    let keys = serde_json::to_value(ring.about())?;
    store.close().await.context("the store was not closed in order")?;
    Ok(keys)
}
