//! `helios admin`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};

use super::super::local;
use super::password;
use crate::auth::{Accounts, AuditCaller, KeyRing};
use crate::store::tools::make_data_dir;

/// Makes administrators, for a server that is not running.
///
/// A server that is running has `helios user create NAME --role admin`, for whoever is an administrator already; and
/// at its start it takes HELIOS_ADMIN_USER and HELIOS_ADMIN_PASSWORD.
#[derive(Args, Debug)]
pub(in crate::cli) struct AdminArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Makes an administrator. The password is asked for, or read from standard input.
    Create {
        /// The name.
        name: String,
        /// The data directory; it is made if there is none.
        #[arg(long, value_name = "DIR")]
        data_dir: Option<String>,
        /// Configuration file of the server.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(in crate::cli) fn run(args: AdminArgs) -> anyhow::Result<ExitCode> {
    let Command::Create { name, data_dir, config } = args.command;
    if let Some(directory) = &data_dir {
        let made = make_data_dir(Path::new(directory));
        made.with_context(|| format!("{directory} cannot be made"))?;
    }
    let (config, store) = local::open(config, data_dir)?;
    let password = password("Password")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ring = KeyRing::open(&store, &config.tokens).await?;
        let accounts = Accounts::open(&store, &ring, &config.auth).await?;
        let made = accounts.ensure_admin(&AuditCaller::cli(), &name, &password).await?;
        store.close().await.context("the store was not closed in order")?;
        ensure!(made, "there is a user {name} already");
        out!("{name} is an administrator.");
        Ok(ExitCode::SUCCESS)
    })
}
