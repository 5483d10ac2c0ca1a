//! `helios default-config`.

use std::process::ExitCode;

use clap::Args;

use crate::config::sample;

/// Prints every option with its default and what it means.
#[derive(Args, Debug)]
pub(super) struct DefaultConfigArgs {}

pub(super) fn run(_: &DefaultConfigArgs) -> anyhow::Result<ExitCode> {
    out!("{}", sample().trim_end_matches('\n'));
    Ok(ExitCode::SUCCESS)
}
