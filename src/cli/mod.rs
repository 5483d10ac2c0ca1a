//! The command line: one file for each subcommand, whose doc comment is its help.

/// Tells people something. Whoever has closed the other end of standard error is not told, and that is no
/// reason to stop.
macro_rules! say {
    ($($part:tt)*) => { $crate::cli::terminal::say(format_args!($($part)*)) };
}

/// Prints a line of the result. Whoever has closed standard output wants no more: that ends the command, and
/// is no failure.
macro_rules! out {
    ($($part:tt)*) => { $crate::cli::terminal::out(format_args!($($part)*))? };
}

mod accounts;
mod aof;
mod atlas;
mod backup;
mod call;
mod check_config;
mod completions;
mod default_config;
mod jobs;
mod kv;
mod local;
mod serve;
mod server;
mod signals;
mod terminal;
mod token;
mod topics;
mod universe;
mod version;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A realtime backend in one binary: methods, topics and sessions over WebSocket.
///
/// Without a subcommand it starts the playground: on loopback only, with methods to try things out and a
/// page at / to call them from.
#[derive(Parser, Debug)]
#[command(name = "helios", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    playground: serve::ServeArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    Serve(serve::ServeArgs),
    Atlas(atlas::AtlasArgs),
    Kv(kv::KvArgs),
    Aof(aof::AofArgs),
    Backup(backup::BackupArgs),
    Token(token::TokenArgs),
    Admin(accounts::AdminArgs),
    Auth(accounts::AuthArgs),
    User(accounts::UserArgs),
    Role(accounts::RoleArgs),
    Key(accounts::KeyArgs),
    Audit(accounts::AuditArgs),
    CheckConfig(check_config::CheckConfigArgs),
    DefaultConfig(default_config::DefaultConfigArgs),
    Call(call::CallArgs),
    Sub(topics::SubArgs),
    Pub(topics::PubArgs),
    Jobs(jobs::JobsArgs),
    Worker(worker::WorkerArgs),
    Universe(universe::UniverseArgs),
    Version(version::VersionArgs),
    Completions(completions::CompletionsArgs),
}

/// Runs the command of this process. The exit code is 0 for success, 1 for failure, 2 for wrong usage.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve::run(cli.playground, serve::Profile::Playground),
        Some(Command::Serve(args)) => serve::run(args, serve::Profile::Production),
        Some(Command::Atlas(args)) => atlas::run(args),
        Some(Command::Kv(args)) => kv::run(&args),
        Some(Command::Aof(args)) => aof::run(&args),
        Some(Command::Backup(args)) => backup::run(&args),
        Some(Command::Token(args)) => token::run(args),
        Some(Command::Admin(args)) => accounts::admin(args),
        Some(Command::Auth(args)) => accounts::auth(&args),
        Some(Command::User(args)) => accounts::user(&args),
        Some(Command::Role(args)) => accounts::role(&args),
        Some(Command::Key(args)) => accounts::key(&args),
        Some(Command::Audit(args)) => accounts::audit(args),
        Some(Command::CheckConfig(args)) => check_config::run(&args),
        Some(Command::DefaultConfig(args)) => default_config::run(&args),
        Some(Command::Call(args)) => call::run(&args),
        Some(Command::Sub(args)) => topics::run_sub(args),
        Some(Command::Pub(args)) => topics::run_pub(&args),
        Some(Command::Universe(args)) => universe::run(args),
        Some(Command::Jobs(args)) => jobs::run(&args),
        Some(Command::Worker(args)) => worker::run(args),
        Some(Command::Version(args)) => version::run(&args),
        Some(Command::Completions(args)) => completions::run(&args),
    };
    done.unwrap_or_else(|error| {
        let closed = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
        if error.downcast_ref::<std::io::Error>().is_some_and(closed) {
            return ExitCode::SUCCESS;
        }
        say!("error: {error:#}");
        ExitCode::FAILURE
    })
}
