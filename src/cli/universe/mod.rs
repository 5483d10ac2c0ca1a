//! `helios universe`.

mod args;
mod folder;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use self::args::Command;
use super::server::ServerArgs;
use crate::peer::Peer;

/// Makes, changes, compares and merges universes of a running server, as `universe:*` does.
///
/// A universe is named by its id; a commit by the id of its snapshot or its own, by its alias, or by a tag. Results are JSON, one value a
/// line. The exit code is 2 if something is wrong.
#[derive(Args, Debug)]
pub(super) struct UniverseArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerArgs,
}

fn word(value: impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|value| value.get_name().to_owned())
}

/// Differences and conflicts end with 1, so a failure must not.
const FAILED: u8 = 2;

pub(super) fn run(args: UniverseArgs) -> anyhow::Result<ExitCode> {
    connected(args).or_else(|error| {
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|it| it.kind() == std::io::ErrorKind::BrokenPipe)
        {
            return Err(error);
        }
        say!("error: {error:#}");
        Ok(ExitCode::from(FAILED))
    })
}

fn connected(args: UniverseArgs) -> anyhow::Result<ExitCode> {
    actix_rt::System::new().block_on(async {
        let options = args.server.options(Duration::from_secs(60));
        let mut peer = Peer::connect(&args.server.url, &options).await?;
        let code = work(args.command, &mut peer).await?;
        // The answer is out; a server that does not say goodbye is no failure.
        let _ = tokio::time::timeout(Duration::from_secs(1), peer.close()).await;
        Ok(code)
    })
}

async fn work(command: Command, peer: &mut Peer) -> anyhow::Result<ExitCode> {
    let (method, payload) = match command {
        Command::Create { state, name, count } => {
            let state = object("the state", state.as_deref())?;
            let wish = json!({ "state": state, "name": name, "count": count });
            return made(peer, "universe:create", wish).await;
        }
        Command::Fork { universe, at, changes, name, count } => {
            let changes = object("the changes", changes.as_deref())?;
            let wish =
                json!({ "from": universe, "at": at, "changes": changes, "name": name, "count": count });
            return made(peer, "universe:fork", wish).await;
        }
        Command::List => return list(peer).await,
        Command::Get { universe, pointer, at } => {
            let wish = json!({ "universe": universe, "pointer": pointer, "at": at });
            out!("{}", peer.request("universe:get", &wish).await?["state"]);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Update { universe, updates, replace } => {
            let updates = object("the updates", Some(&updates))?;
            ("universe:update", json!({ "universe": universe, "updates": updates, "merge": !replace }))
        }
        Command::Commit { universe, message, work, tag } => {
            if let Some(folder) = work {
                take_over(peer, &universe, &folder).await?;
            }
            return commit(peer, &universe, &message, tag).await;
        }
        Command::Log { universe, limit } => return log(peer, &universe, limit).await,
        Command::Diff { from, to, values } => {
            let wish = json!({ "from": from, "to": to, "values": values });
            let diff = peer.request("universe:diff", &wish).await?;
            out!("{diff}");
            let equal = ["added", "changed", "deleted"].iter().all(|name| diff["stats"][name] == 0);
            return Ok(if equal { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Merge { target, sources, strategy, on_conflict, message } => {
            let mut wish = json!({ "target": target, "sources": sources, "strategy": word(strategy) });
            if let Some(side) = on_conflict {
                wish["onConflict"] = word(side).into();
            }
            if let Some(message) = message {
                wish["message"] = message.into();
            }
            return merge(peer, wish).await;
        }
        Command::Restore { universe, to } => ("universe:restore", json!({ "universe": universe, "to": to })),
        Command::Materialize { universe, at, out } => {
            return folder::write_out(peer, &universe, at.as_deref(), &out).await;
        }
        Command::Delete { universe } => ("universe:delete", json!({ "universe": universe })),
        Command::Gc { commits, younger_than } => {
            ("universe:gc", json!({ "commits": commits, "youngerThan": younger_than }))
        }
        Command::Stats => ("universe:stats", Value::Null),
    };
    out!("{}", peer.request(method, &payload).await?);
    Ok(ExitCode::SUCCESS)
}

fn object(what: &str, text: Option<&str>) -> anyhow::Result<Map<String, Value>> {
    let read = text.map(serde_json::from_str).transpose();
    Ok(read.with_context(|| format!("{what} is not a JSON object"))?.unwrap_or_default())
}

async fn made(peer: &mut Peer, method: &str, wish: Value) -> anyhow::Result<ExitCode> {
    let made = peer.request(method, &wish).await?;
    for universe in made["universes"].as_array().into_iter().flatten() {
        out!("{}", universe["id"].as_str().unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(peer: &mut Peer) -> anyhow::Result<ExitCode> {
    let mut cursor = Value::Null;
    loop {
        let mut page = peer.request("universe:list", &json!({ "limit": 1_000, "cursor": cursor })).await?;
        for universe in page["universes"].as_array().into_iter().flatten() {
            out!("{universe}");
        }
        cursor = page["cursor"].take();
        if cursor.is_null() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Prints commits, page by page.
async fn log(peer: &mut Peer, universe: &str, mut left: usize) -> anyhow::Result<ExitCode> {
    let mut from = Value::Null;
    while left > 0 {
        let wish = json!({ "universe": universe, "from": from, "limit": left.min(10_000) });
        let mut page = peer.request("universe:log", &wish).await?;
        for commit in page["commits"].as_array().into_iter().flatten() {
            out!("{commit}");
            left = left.saturating_sub(1);
        }
        from = page["next"].take();
        if from.is_null() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes a folder over, by way of a fork: whatever fails on the way leaves the universe as it is.
async fn take_over(peer: &mut Peer, universe: &str, work: &std::path::Path) -> anyhow::Result<()> {
    let made = peer.request("universe:fork", &json!({ "from": universe })).await?;
    let fork = made["universes"][0]["id"].as_str().unwrap_or_default().to_owned();
    let taken = async {
        folder::take_over(peer, &fork, work).await?;
        let kept =
            peer.request("universe:commit", &json!({ "universe": fork, "message": "a folder" })).await?;
        peer.request("universe:restore", &json!({ "universe": universe, "to": kept["snapshotId"] })).await?;
        anyhow::Ok(())
    }
    .await;
    peer.request("universe:delete", &json!({ "universe": fork })).await?;
    taken
}

async fn commit(
    peer: &mut Peer,
    universe: &str,
    message: &str,
    tag: Option<String>,
) -> anyhow::Result<ExitCode> {
    let kept = peer.request("universe:commit", &json!({ "universe": universe, "message": message })).await?;
    if let Some(name) = tag {
        peer.request("universe:tag", &json!({ "name": name, "at": kept["commitId"] })).await?;
    }
    out!(
        "{}",
        json!({
            "snapshot_id": kept["snapshotId"],
            "commit_id": kept["commitId"],
            "insight": kept["insight"],
        })
    );
    Ok(ExitCode::SUCCESS)
}

async fn merge(peer: &mut Peer, wish: Value) -> anyhow::Result<ExitCode> {
    match peer.request("universe:merge", &wish).await {
        Ok(merged) => {
            out!("{merged}");
            Ok(ExitCode::SUCCESS)
        }
        Err(crate::peer::PeerError::Failed(failure)) if failure.code == "MERGE_CONFLICT" => {
            for conflict in failure.details["conflicts"].as_array().into_iter().flatten() {
                out!("{conflict}");
            }
            say!("{} conflicts; nothing was merged", failure.details["count"]);
            Ok(ExitCode::FAILURE)
        }
        Err(error) => bail!(error),
    }
}
