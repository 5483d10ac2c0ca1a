//! `helios backup`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::base::Clock;
use crate::store::tools::{self, Backup};

/// Makes, lists, checks and restores backups of a store, also of one at work.
#[derive(Args, Debug)]
pub(super) struct BackupArgs {
    #[command(subcommand)]
    command: Command,
    /// Prints JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Copies a store into a new directory. The server may be at work.
    Create {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data_dir: PathBuf,
        /// The directory of the backup: empty, or not there.
        to: PathBuf,
    },
    /// Lists the backups in the directories below one.
    List {
        /// The directory.
        dir: PathBuf,
    },
    /// Reads every byte of a backup.
    Verify {
        /// The directory of the backup.
        backup: PathBuf,
    },
    /// Copies a backup into a new data directory.
    Restore {
        /// The directory of the backup.
        backup: PathBuf,
        /// The data directory: empty, or not there.
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
    },
}

pub(super) fn run(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let tell = |verb: &str, backup: &Backup| -> anyhow::Result<()> {
        if args.json {
            out!("{}", serde_json::to_string_pretty(backup)?);
        } else {
            out!("{verb}: {}", summary(backup));
        }
        Ok(())
    };
    match &args.command {
        Command::Create { data_dir, to } => {
            tell("backed up", &tools::create_backup(data_dir, to, &Clock::default())?)?;
        }
        Command::List { dir } => {
            let found = tools::list_backups(dir)?;
            if args.json {
                out!("{}", serde_json::to_string_pretty(&found)?);
            } else {
                for listed in found {
                    let text = listed.backup.as_ref().map(summary).or(listed.problem).unwrap_or_default();
                    out!("{}  {text}", listed.path.display());
                }
            }
        }
        Command::Verify { backup } => tell("whole", &tools::verify_backup(backup)?)?,
        Command::Restore { backup, data_dir } => {
            tell("restored", &tools::restore_backup(backup, data_dir)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(backup: &Backup) -> String {
    let bytes: u64 = backup.files.iter().map(|file| file.bytes).sum();
    let at = jiff::Timestamp::from_millisecond(backup.created_at as i64).unwrap_or_default();
    format!("revision {}, {} keys, {bytes} bytes, made {at}", backup.revision, backup.keys)
}
