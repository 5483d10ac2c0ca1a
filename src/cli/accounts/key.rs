//! `helios key`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::server::ServerArgs;
use super::print;
use crate::base::Span;

/// API keys of whoever HELIOS_KEY belongs to: an access token, for a key makes no keys.
#[derive(Args, Debug)]
pub(in crate::cli) struct KeyArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Lists the keys.
    List,
    /// Makes a key. It is printed this once.
    Create {
        /// What it is for.
        name: String,
        /// What it may do at most, such as kv:get or kv:*; "*" is all that you may.
        #[arg(required = true)]
        scopes: Vec<String>,
        /// How long it is good for; without it, until it is revoked.
        #[arg(long, value_name = "SPAN")]
        ttl: Option<Span>,
    },
    /// Takes a key away.
    Revoke {
        /// Its id.
        id: String,
    },
}

pub(in crate::cli) fn run(args: &KeyArgs) -> anyhow::Result<ExitCode> {
    let ask = |method: &str, payload: Value| args.server.ask(method, &payload);
    print(&match &args.command {
        Command::List => ask("auth:keys", json!({}))?,
        Command::Create { name, scopes, ttl } => {
            let ttl_ms = ttl.map(Span::as_ms);
            ask("auth:createKey", json!({ "name": name, "scopes": scopes, "ttlMs": ttl_ms }))?
        }
        Command::Revoke { id } => ask("auth:revokeKey", json!({ "id": id }))?,
    })
}
