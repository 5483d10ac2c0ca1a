//! `helios admin`, `auth`, `user`, `role`, `key` and `audit`: accounts from the command line.

mod admin;
mod audit;
mod auth;
mod key;
mod role;
mod user;

pub(super) use admin::{AdminArgs, run as admin};
pub(super) use audit::{AuditArgs, run as audit};
pub(super) use auth::{AuthArgs, run as auth};
pub(super) use key::{KeyArgs, run as key};
pub(super) use role::{RoleArgs, run as role};
pub(super) use user::{UserArgs, run as user};

use std::io::{IsTerminal, stdin};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::Value;

/// A password: typed without showing, or a line of standard input.
fn password(prompt: &str) -> anyhow::Result<String> {
    if stdin().is_terminal() {
        return rpassword::prompt_password(format!("{prompt}: ")).context("no password was typed");
    }
    let mut line = String::new();
    stdin().read_line(&mut line).context("standard input has no password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Prints an answer as JSON.
fn print(answer: &Value) -> anyhow::Result<ExitCode> {
    out!("{}", serde_json::to_string_pretty(answer)?);
    Ok(ExitCode::SUCCESS)
}

/// A time for people.
fn time(ms: &Value) -> String {
    let ms = ms.as_i64().unwrap_or_default();
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

/// Texts of a list, with commas.
fn joined(list: &Value) -> String {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(", ")
}
