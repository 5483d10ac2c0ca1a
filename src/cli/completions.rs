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
    // Not straight to standard output: whoever reads the first lines and goes is no failure.
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "helios", &mut script);
    out!("{}", String::from_utf8_lossy(&script).trim_end_matches('\n'));
    Ok(ExitCode::SUCCESS)
}
