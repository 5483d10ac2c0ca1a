//! `helios audit`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::local;
use super::super::server::ServerArgs;
use super::super::terminal::word;
use super::{print, time};
use crate::auth::verify_audit;

/// Shows and verifies who has changed what.
#[derive(Args, Debug)]
pub(in crate::cli) struct AuditArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Lists records of a running server, the newest first. Needs the permission admin:audit.
    List {
        /// The most records.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// What was done, or what that begins with, such as auth.
        #[arg(long)]
        action: Option<String>,
        /// The name of who did it.
        #[arg(long)]
        user: Option<String>,
        /// What it was done to, or what that begins with, such as user:ann.
        #[arg(long)]
        target: Option<String>,
        /// Prints JSON, a record a line.
        #[arg(long)]
        json: bool,
    },
    /// Whether nobody has touched the log: of a running server, or of a data directory. The exit code is 1 if somebody
    /// has.
    ///
    /// The hash that it prints is of the last record. Whoever keeps it elsewhere sees later that all up to it is as it
    /// was.
    Verify {
        /// The data directory of a server that is not running.
        #[arg(long, value_name = "DIR")]
        data_dir: Option<String>,
        /// Configuration file of that server.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(in crate::cli) fn run(args: AuditArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List { limit, action, user, target, json } => {
            let wish = json!({ "limit": limit, "action": action, "user": user, "target": target });
            list(&args.server.ask("audit:list", &wish)?, json)
        }
        Command::Verify { data_dir: None, config: None } => {
            verified(&args.server.ask("audit:verify", &json!({}))?)
        }
        Command::Verify { data_dir, config } => {
            let (_, store) = local::open(config, data_dir)?;
            verified(&match verify_audit(&store.view()) {
                Ok(log) => json!({ "intact": true, "log": log }),
                Err(error) => json!({ "intact": false, "problem": error.to_string() }),
            })
        }
    }
}

fn verified(answer: &Value) -> anyhow::Result<ExitCode> {
    print(answer)?;
    Ok(if answer["intact"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list(listed: &Value, json: bool) -> anyhow::Result<ExitCode> {
    for record in listed["records"].as_array().into_iter().flatten() {
        if json {
            out!("{record}");
            continue;
        }
        let caller = &record["caller"];
        let who = caller["name"].as_str().or_else(|| caller["face"].as_str()).unwrap_or_default();
        let done = if record["done"] == true { "" } else { "  in vain" };
        // Names of those who failed to log in can be anything.
        let text = |name: &str| word(record[name].as_str().unwrap_or_default());
        let who = word(who);
        let at = time(&record["at"]);
        out!("{:>6}  {at}  {who:16}  {:24}  {}{done}", record["number"], text("action"), text("target"));
    }
    Ok(ExitCode::SUCCESS)
}
