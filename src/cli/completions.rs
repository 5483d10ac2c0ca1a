//! `helios completions`.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;

/// Prints completions for a shell, such as `helios completions bash > /etc/bash_completion.d/helios`.
#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    generate(args.shell, &mut Cli::command(), "helios", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
