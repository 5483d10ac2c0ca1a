//! `helios check-config`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::serve::{Profile, ServeArgs};

/// Checks the configuration and tells all problems at once, without starting anything.
#[derive(Args, Debug)]
pub(super) struct CheckConfigArgs {
    /// Configuration file in TOML.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &CheckConfigArgs) -> anyhow::Result<ExitCode> {
    ServeArgs::with_file(args.config.clone()).sources(Profile::Production).load()?;
    out!("the configuration is fine");
    Ok(ExitCode::SUCCESS)
}
