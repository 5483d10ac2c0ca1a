//! `helios kv`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::server::ServerArgs;
use crate::base::Span;
use crate::peer::{Peer, Received};

/// Reads, writes and watches keys of a running server, as `kv:*` does.
#[derive(Args, Debug)]
pub(super) struct KvArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Prints the value of a key: JSON as JSON, text as text. The exit code is 1 if there is none.
    Get {
        /// The key.
        key: String,
    },
    /// Sets the value of a key.
    Set {
        /// The key.
        key: String,
        /// The value as JSON; what is no JSON is text.
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Time until the key ends.
        #[arg(long, value_name = "SPAN")]
        ttl: Option<Span>,
    },
    /// Takes a key away. The exit code is 1 if there was none.
    Del {
        /// The key.
        key: String,
    },
    /// Lists keys and values by their prefix, one JSON object a line.
    Scan {
        /// What the keys begin with.
        #[arg(default_value = "")]
        prefix: String,
        /// Leaves the values out.
        #[arg(long)]
        keys_only: bool,
    },
    /// Prints what is there and then every change below a prefix, one JSON object a line.
    Watch {
        /// What the keys begin with.
        #[arg(default_value = "")]
        prefix: String,
        /// Goes on from a position that was printed before.
        #[arg(long, value_name = "POSITION")]
        from: Option<String>,
    },
}

pub(super) fn run(args: &KvArgs) -> anyhow::Result<ExitCode> {
    actix_rt::System::new().block_on(async {
        let options = args.server.options(Duration::from_secs(30));
        let mut peer = Peer::connect(&args.server.url, &options).await?;
        let code = work(&args.command, &mut peer).await?;
        // The answer is out; a server that does not say goodbye is no failure.
        let _ = tokio::time::timeout(Duration::from_secs(1), peer.close()).await;
        Ok(code)
    })
}

async fn work(command: &Command, peer: &mut Peer) -> anyhow::Result<ExitCode> {
    let found = |found: bool| if found { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    match command {
        Command::Get { key } => {
            let entry = peer.request("kv:get", &json!({ "key": key })).await?;
            match (&entry["value"], entry["encoding"].as_str()) {
                (Value::String(text), Some("utf8" | "base64")) => out!("{text}"),
                (value, Some(_)) => out!("{}", serde_json::to_string_pretty(value)?),
                _ => return Ok(found(false)),
            }
            Ok(found(true))
        }
        Command::Set { key, value, ttl } => {
            let (value, encoding) = match serde_json::from_str::<Value>(value) {
                Ok(json) => (json, "json"),
                Err(_) => (value.as_str().into(), "utf8"),
            };
            let mut params = json!({ "key": key, "value": value, "encoding": encoding });
            if let Some(ttl) = ttl {
                params["ttlMs"] = ttl.as_ms().into();
            }
            peer.request("kv:set", &params).await?;
            Ok(found(true))
        }
        Command::Del { key } => {
            let answer = peer.request("kv:delete", &json!({ "key": key })).await?;
            Ok(found(answer["deleted"] == true))
        }
        Command::Scan { prefix, keys_only } => {
            let params = json!({ "prefix": prefix, "keysOnly": keys_only, "limit": 1_000 });
            let page = peer.request("kv:scan", &params).await?;
            list(peer, params, page).await?;
            Ok(found(true))
        }
        Command::Watch { prefix, from } => watch(peer, prefix, from.as_deref()).await,
    }
}

/// Prints the entries of a page and of all that follow.
async fn list(peer: &mut Peer, mut params: Value, mut page: Value) -> anyhow::Result<()> {
    loop {
        for entry in page["entries"].as_array().into_iter().flatten() {
            out!("{entry}");
        }
        if page["cursor"].is_null() {
            return Ok(());
        }
        params["cursor"] = page["cursor"].take();
        page = peer.request("kv:scan", &params).await?;
    }
}

async fn watch(peer: &mut Peer, prefix: &str, from: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut params = json!({ "prefix": prefix, "limit": 1_000 });
    if let Some(from) = from {
        params["from"] = from.into();
    }
    let begun = peer.request("kv:watch", &params).await.context("the watch cannot begin")?;
    list(peer, json!({ "prefix": prefix, "limit": 1_000 }), begun).await?;
    loop {
        // Nothing may happen for as long as it likes.
        let received = match peer.receive().await {
            Err(crate::peer::PeerError::Timeout(_)) => continue,
            received => received?,
        };
        match received {
            Received::Notification { topic, data, .. } if topic == "kv:changes" => out!("{data}"),
            Received::Notification { topic, data, .. } if topic == "kv:ended" => {
                bail!("the watch has ended: {data}")
            }
            _ => {}
        }
    }
}
