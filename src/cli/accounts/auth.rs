//! `helios auth`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::server::ServerArgs;
use super::{joined, password, print};

/// Logs in, and tells who may what.
///
/// `export HELIOS_KEY=$(helios auth login ann)` lets the commands after it ask as ann.
#[derive(Args, Debug)]
pub(in crate::cli) struct AuthArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Makes an account. The password is asked for, or read from standard input.
    Register {
        /// The name.
        name: String,
    },
    /// Prints an access token. The password is asked for, or read from standard input.
    Login {
        /// The name.
        name: String,
        /// Prints all that the server gave, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tells who HELIOS_KEY belongs to.
    Me,
    /// Tells why a user may call a method, or why not. The exit code is 1 if it may not.
    Explain {
        /// The user, by name or id.
        user: String,
        /// The method, such as kv:set.
        method: String,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(in crate::cli) fn run(args: &AuthArgs) -> anyhow::Result<ExitCode> {
    let ask = |method: &str, payload: Value| args.server.ask(method, &payload);
    match &args.command {
        Command::Register { name } => {
            let credentials = json!({ "username": name, "password": password("Password")? });
            print(&ask("auth:register", credentials)?)
        }
        Command::Login { name, json } => {
            let credentials = json!({ "username": name, "password": password("Password")? });
            let given = ask("auth:login", credentials)?;
            if *json {
                return print(&given);
            }
            out!("{}", given["accessToken"].as_str().unwrap_or_default());
            Ok(ExitCode::SUCCESS)
        }
        Command::Me => print(&ask("auth:me", json!({}))?),
        Command::Explain { user, method, json } => {
            let explained = ask("auth:explain", json!({ "user": user, "method": method }))?;
            if *json {
                print(&explained)?;
            } else {
                explain(&explained)?;
            }
            Ok(if explained["allowed"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn explain(explained: &Value) -> anyhow::Result<()> {
    let text = |name: &str| explained[name].as_str().unwrap_or("none").to_owned();
    let may = if explained["allowed"] == true { "may" } else { "may not" };
    out!("{} {may} call {}: {}", text("user"), text("method"), text("reason"));
    out!("  permission  {}", text("permission"));
    out!("  roles       {}", joined(&explained["roles"]));
    for by in explained["grantedBy"].as_array().into_iter().flatten() {
        let (role, grant) = (by["role"].as_str(), by["grant"].as_str());
        out!("  granted by  {} ({})", role.unwrap_or_default(), grant.unwrap_or_default());
    }
    Ok(())
}
