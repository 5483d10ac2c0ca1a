//! `helios aof`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::store::tools::{self, FileReport, Repair, Report};

/// Checks and repairs the files of a store that is not running.
#[derive(Args, Debug)]
pub(super) struct AofArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Reads every byte and says what is right and what is not. Changes nothing.
    ///
    /// The exit code is 0 if all files are whole and a server starts with them, else 1.
    Check {
        /// The data directory, or one file of it.
        path: PathBuf,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says how a damaged store can be made to start again, and does it with --write.
    ///
    /// What is cut is kept beside, in files that end in .corrupt-1, .corrupt-2 and so on.
    Repair {
        /// The data directory.
        dir: PathBuf,
        /// Does it.
        #[arg(long)]
        write: bool,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: &AofArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check { path, json } => {
            let report = tools::check(path)?;
            if *json {
                out!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                tell(&report)?;
            }
            let whole = report.starts && report.files.iter().all(|file| file.damage.is_none());
            Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Repair { dir, write, json } => {
            let repair = tools::repair(dir, *write)?;
            if *json {
                out!("{}", serde_json::to_string_pretty(&repair)?);
            } else {
                tell_repair(&repair)?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn tell(report: &Report) -> anyhow::Result<()> {
    for file in &report.files {
        let FileReport { file: name, bytes, records, damage, .. } = file;
        out!("{name}  {bytes} bytes  {records} records");
        if let Some(damage) = damage {
            out!("  damaged at byte {}, line {}: {}", damage.offset, damage.line, damage.reason);
            out!("  {:?}", damage.excerpt);
            match (damage.line, damage.records_behind) {
                (0, _) => out!("  a start falls back to the snapshot before it, if there is one"),
                (_, 0) => out!("  nothing whole follows: a last write was cut off"),
                (_, records) => out!("  {records} whole records follow"),
            }
        }
    }
    out!("{}", report.message);
    if let (Some(revision), Some(keys)) = (report.revision, report.keys) {
        out!("revision {revision}, {keys} keys");
    }
    Ok(())
}

fn tell_repair(repair: &Repair) -> anyhow::Result<()> {
    match (repair.actions.is_empty(), repair.written) {
        (true, _) => out!("there is nothing to repair"),
        (false, true) => out!("done:"),
        (false, false) => out!("to be done, with --write:"),
    }
    for action in &repair.actions {
        out!("  {action}");
    }
    if let (Some(revision), Some(keys)) = (repair.revision, repair.keys) {
        out!("a server starts with it: revision {revision}, {keys} keys");
    }
    Ok(())
}
