//! `helios jobs`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::server::ServerArgs;
use crate::base::Span;

/// Looks after the jobs of a running server.
#[derive(Args, Debug)]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    command: Command,
    /// Prints JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Enqueues a job and prints its id.
    Enqueue {
        /// The type: which handler it is for.
        kind: String,
        /// What it is about, as JSON.
        #[arg(default_value = "null")]
        payload: String,
        /// Higher ones come first, from -100 to 100.
        #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
        priority: i64,
        /// How long to wait first, such as 10s.
        #[arg(long, value_name = "SPAN")]
        delay: Option<Span>,
        /// Jobs with the same are one, for a while.
        #[arg(long, value_name = "ID")]
        dedup: Option<String>,
    },
    /// Lists jobs: a line each with id, status, type, attempts and the last error.
    List {
        #[command(flatten)]
        which: Which,
        /// Where they stand: pending, in_progress, done, failed, dlq or cancelled.
        #[arg(long)]
        status: Option<String>,
        /// The most jobs.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Prints a job with its history.
    Show {
        /// The id.
        id: String,
    },
    /// Tries a job again that has failed or was called off.
    Retry {
        /// The ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Calls jobs off.
    Cancel {
        /// The ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Why, for people.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Lists, replays or clears away the jobs that have used up their attempts.
    Dlq {
        #[command(subcommand)]
        command: Option<Dead>,
        #[command(flatten)]
        which: Which,
    },
    /// Counts jobs by type and status, and tells who works.
    Stats,
    /// Lists schedules, makes one or takes one away.
    Schedules {
        #[command(subcommand)]
        command: Option<Schedules>,
    },
}

#[derive(Args, Debug)]
struct Which {
    /// Of this type alone.
    #[arg(long = "type", value_name = "TYPE", global = true)]
    kind: Option<String>,
}

#[derive(Subcommand, Debug)]
enum Dead {
    /// Tries all of them again.
    Replay,
    /// Clears all of them away.
    Purge,
}

#[derive(Subcommand, Debug)]
enum Schedules {
    /// Makes a schedule, or replaces it.
    Set {
        /// Its name.
        name: String,
        /// When: minute, hour, day of the month, month, day of the week.
        cron: String,
        /// The type of its jobs.
        kind: String,
        /// Their payload, as JSON.
        #[arg(default_value = "null")]
        payload: String,
        /// The time zone, such as Europe/Berlin.
        #[arg(long, default_value = "UTC")]
        timezone: String,
    },
    /// Takes a schedule away. Its jobs stay.
    Remove {
        /// Its name.
        name: String,
    },
}

pub(super) fn run(args: &JobsArgs) -> anyhow::Result<ExitCode> {
    let ask = |method: &str, payload: Value| args.server.ask(method, &payload);
    match &args.command {
        Command::Enqueue { kind, payload, priority, delay, dedup } => {
            let mut wish = json!({ "type": kind, "payload": parsed(payload)?, "priority": priority });
            if let Some(delay) = delay {
                wish["delayMs"] = delay.as_ms().into();
            }
            if let Some(dedup) = dedup {
                wish["dedupId"] = dedup.as_str().into();
            }
            let made = ask("jobs:enqueue", wish)?;
            tell(args.json, &made, |made| made["id"].as_str().unwrap_or_default().to_owned())?;
        }
        Command::List { which, status, limit } => list(args, which, status.as_deref(), *limit)?,
        Command::Show { id } => out!("{:#}", ask("jobs:get", json!({ "id": id }))?),
        Command::Retry { ids } => each(ids, |id| ask("jobs:retry", json!({ "id": id })))?,
        Command::Cancel { ids, reason } => {
            each(ids, |id| ask("jobs:cancel", json!({ "id": id, "reason": reason })))?;
        }
        Command::Dlq { command: None, which } => list(args, which, Some("DLQ"), usize::MAX)?,
        Command::Dlq { command: Some(command), which } => {
            let (method, word) = match command {
                Dead::Replay => ("jobs:replay", "replayed"),
                Dead::Purge => ("jobs:purge", "purged"),
            };
            let done = ask(method, json!({ "type": which.kind }))?;
            tell(args.json, &done, |done| format!("{} {word}", done[word]))?;
        }
        Command::Stats => stats(args, &ask("jobs:stats", json!({}))?)?,
        Command::Schedules { command } => schedules(args, command.as_ref())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn parsed(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).with_context(|| format!("the payload is not JSON: {text}"))
}

fn tell(as_json: bool, told: &Value, line: impl Fn(&Value) -> String) -> anyhow::Result<()> {
    if as_json {
        out!("{told:#}");
    } else {
        out!("{}", line(told));
    }
    Ok(())
}

/// Does something with each, and fails if that fails with any.
fn each(ids: &[String], ask: impl Fn(&str) -> anyhow::Result<Value>) -> anyhow::Result<()> {
    let mut failed = 0;
    for id in ids {
        match ask(id) {
            Ok(done) => out!("{id} {}", done["status"].as_str().unwrap_or_default()),
            Err(error) => {
                failed += 1;
                say!("{id}: {error:#}");
            }
        }
    }
    if failed > 0 { bail!("{failed} of {} jobs were refused", ids.len()) } else { Ok(()) }
}

/// Jobs of one answer.
const PAGE: usize = 500;

fn list(args: &JobsArgs, which: &Which, status: Option<&str>, limit: usize) -> anyhow::Result<()> {
    let (mut cursor, mut left) = (Value::Null, limit);
    while left > 0 {
        let mut wish = json!({ "limit": left.min(PAGE), "cursor": cursor, "type": which.kind });
        if let Some(status) = status {
            wish["status"] = status.to_uppercase().into();
        }
        let page = args.server.ask("jobs:list", &wish)?;
        for job in page["jobs"].as_array().into_iter().flatten() {
            left = left.saturating_sub(1);
            if args.json {
                out!("{job}");
                continue;
            }
            let text = |name: &str| job[name].as_str().unwrap_or_default();
            let attempts = format!("{}/{}", job["attempts"], job["maxAttempts"]);
            let error = text("error").lines().next().unwrap_or_default();
            out!("{}  {:<11}  {:<24}  {attempts:>5}  {error}", text("id"), text("status"), text("type"));
        }
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    Ok(())
}

/// The columns of the counts.
const COUNTS: [&str; 7] = ["ready", "delayed", "inProgress", "done", "failed", "dlq", "cancelled"];

fn stats(args: &JobsArgs, told: &Value) -> anyhow::Result<()> {
    if args.json {
        out!("{told:#}");
        return Ok(());
    }
    let row = |name: &str, counts: &Value| {
        let cells = COUNTS.map(|column| format!("{:>11}", counts[column].as_u64().unwrap_or(0)));
        format!("{name:<24}{}", cells.concat())
    };
    out!("{:<24}{}", "type", COUNTS.map(|column| format!("{column:>11}")).concat());
    for (kind, counts) in told["types"].as_object().into_iter().flatten() {
        out!("{}", row(kind, counts));
    }
    out!("{}", row("all", &told["counts"]));
    for worker in told["workers"].as_array().into_iter().flatten() {
        let types: Vec<&str> =
            worker["types"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let types = if types.is_empty() { "all types".to_owned() } else { types.join(", ") };
        let name = worker["worker"].as_str().unwrap_or_default();
        out!("worker {name}: {} of {} busy, {types}", worker["running"], worker["concurrency"]);
    }
    Ok(())
}

fn schedules(args: &JobsArgs, command: Option<&Schedules>) -> anyhow::Result<()> {
    let line = |schedule: &Value| {
        let text = |name: &str| schedule[name].as_str().unwrap_or_default();
        let at =
            |name: &str| schedule[name].as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let next = at("nextAt").map_or("never".to_owned(), |at| at.to_string());
        format!("{}  {}  {}  {}  next {next}", text("name"), text("cron"), text("timezone"), text("type"))
    };
    match command {
        None => {
            for schedule in
                args.server.ask("jobs:schedules", &json!({}))?["schedules"].as_array().into_iter().flatten()
            {
                tell(args.json, schedule, line)?;
            }
        }
        Some(Schedules::Set { name, cron, kind, payload, timezone }) => {
            let payload = parsed(payload)?;
            let wish =
                json!({ "name": name, "cron": cron, "type": kind, "payload": payload, "timezone": timezone });
            tell(args.json, &args.server.ask("jobs:schedule", &wish)?, line)?;
        }
        Some(Schedules::Remove { name }) => {
            args.server.ask("jobs:unschedule", &json!({ "name": name }))?;
            out!("{name} is gone.");
        }
    }
    Ok(())
}
