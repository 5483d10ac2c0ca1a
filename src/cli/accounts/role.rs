//! `helios role`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::server::ServerArgs;
use super::{joined, print};

/// Looks after the roles of a running server. Needs the permission admin:roles; to assign, admin:users.
#[derive(Args, Debug)]
pub(in crate::cli) struct RoleArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Lists all roles.
    List {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Makes a role, or replaces what it grants.
    Set {
        /// The name.
        name: String,
        /// What it grants, such as kv:get, kv:*, topic:publish:chat.
        permissions: Vec<String>,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Deletes a role, and takes it from everybody who has it.
    Delete {
        /// The name.
        name: String,
    },
    /// Gives a user a role.
    Assign(UserAndRole),
    /// Takes a role from a user.
    Unassign(UserAndRole),
}

#[derive(Args, Debug)]
struct UserAndRole {
    /// The user, by name or id.
    user: String,
    /// The role.
    role: String,
}

pub(in crate::cli) fn run(args: &RoleArgs) -> anyhow::Result<ExitCode> {
    let ask = |method: &str, payload: Value| args.server.ask(method, &payload);
    let both = |both: &UserAndRole| json!({ "user": both.user, "role": both.role });
    print(&match &args.command {
        Command::List { json } => {
            let listed = ask("roles:list", json!({}))?;
            if !json {
                return list(&listed);
            }
            listed
        }
        Command::Set { name, permissions, description } => {
            let role = json!({ "name": name, "permissions": permissions, "description": description });
            ask("roles:set", role)?
        }
        Command::Delete { name } => ask("roles:delete", json!({ "name": name }))?,
        Command::Assign(wish) => ask("users:assignRole", both(wish))?,
        Command::Unassign(wish) => ask("users:unassignRole", both(wish))?,
    })
}

fn list(listed: &Value) -> anyhow::Result<ExitCode> {
    for role in listed["roles"].as_array().into_iter().flatten() {
        let text = |name: &str| role[name].as_str().unwrap_or_default();
        out!("{:16}  {}  {}", text("name"), joined(&role["permissions"]), text("description"));
    }
    Ok(ExitCode::SUCCESS)
}
