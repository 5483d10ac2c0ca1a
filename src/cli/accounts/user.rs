//! `helios user`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::server::ServerArgs;
use super::{joined, password, print, time};

/// Looks after the accounts of a running server. Needs the permission admin:users.
#[derive(Args, Debug)]
pub(in crate::cli) struct UserArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Lists all users.
    List {
        /// Prints JSON, a user a line.
        #[arg(long)]
        json: bool,
    },
    /// Prints a user.
    Show(OneUser),
    /// Makes an account. The password is asked for, or read from standard input.
    Create {
        /// The name.
        name: String,
        /// A role; may be given several times. Without any, the role of whoever registers.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Sets a password; all logins of the user end.
    Password(OneUser),
    /// Nobody can log in as this user any more; who is in, is out.
    Disable(OneUser),
    /// The user can log in again.
    Enable(OneUser),
    /// Ends all logins of a user.
    Logout(OneUser),
    /// Deletes an account with its keys.
    Delete(OneUser),
}

#[derive(Args, Debug)]
struct OneUser {
    /// The user, by name or id.
    user: String,
}

pub(in crate::cli) fn run(args: &UserArgs) -> anyhow::Result<ExitCode> {
    let ask = |method: &str, payload: Value| args.server.ask(method, &payload);
    let one = |user: &OneUser| json!({ "user": user.user });
    print(&match &args.command {
        Command::List { json } => return list(&args.server, *json),
        Command::Show(user) => ask("users:get", one(user))?,
        Command::Create { name, roles } => {
            let roles = Some(roles).filter(|roles| !roles.is_empty());
            let wish = json!({ "username": name, "password": password("Password")?, "roles": roles });
            ask("users:create", wish)?
        }
        Command::Password(user) => {
            ask("users:setPassword", json!({ "user": user.user, "password": password("New password")? }))?
        }
        Command::Disable(user) => ask("users:disable", one(user))?,
        Command::Enable(user) => ask("users:enable", one(user))?,
        Command::Logout(user) => ask("users:logout", one(user))?,
        Command::Delete(user) => ask("users:delete", one(user))?,
    })
}

fn list(server: &ServerArgs, json: bool) -> anyhow::Result<ExitCode> {
    let mut cursor = Value::Null;
    loop {
        let page = server.ask("users:list", &json!({ "cursor": cursor, "limit": 1_000 }))?;
        for user in page["users"].as_array().into_iter().flatten() {
            if json {
                out!("{user}");
                continue;
            }
            let state = if user["disabled"] == true { "  disabled" } else { "" };
            let text = |name: &str| user[name].as_str().unwrap_or_default();
            let (roles, made) = (joined(&user["roles"]), time(&user["createdAt"]));
            out!("{}  {:24}  {roles:24}  {made}{state}", text("id"), text("username"));
        }
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}
