//! `helios version`.

use std::process::ExitCode;

use clap::Args;

use crate::protocol::{PROTOCOL_NAME, PROTOCOL_VERSION};

/// Prints the version of the program and of the protocol.
#[derive(Args, Debug)]
pub(super) struct VersionArgs {}

pub(super) fn run(_: &VersionArgs) -> anyhow::Result<ExitCode> {
    out!("helios {} ({PROTOCOL_NAME} {PROTOCOL_VERSION})", env!("CARGO_PKG_VERSION"));
    Ok(ExitCode::SUCCESS)
}
