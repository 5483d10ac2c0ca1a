//! `helios worker`.

mod hand;
mod handlers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use self::hand::Hand;
use self::handlers::Handlers;
use super::server::ServerArgs;
use crate::base::Span;

/// Works on jobs of a running server with handlers that are built in, until it is told to stop.
///
/// The types are noop, echo, sleep {ms}, kv.set {key, value, ttlMs}, benchmark.run {experiment}; with --http-host also
/// http.post and webhook.deliver {url, headers, body}; with --backup-dir backup.create; with --shell also shell {command}.
/// SIGTERM lets running jobs come to their end for --grace, and gives back what is left.
#[derive(Args, Debug)]
pub(super) struct WorkerArgs {
    /// What the worker calls itself. A worker that comes with the same name takes over its leases.
    #[arg(long, value_name = "NAME")]
    worker_id: Option<String>,
    /// Jobs at the same time.
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    concurrency: usize,
    /// Takes jobs of these types alone.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// How long to wait before the server is looked for again; jobs are brought, so nothing is polled.
    #[arg(long, value_name = "SPAN", default_value = "5s")]
    poll_interval: Span,
    /// When it stops: how long running jobs may take to come to their end.
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    grace: Span,
    /// A host that http.post and webhook.deliver may send to; "*" is any. Whoever may enqueue chooses the address.
    #[arg(long = "http-host", value_name = "HOST")]
    http_hosts: Vec<String>,
    /// What webhook.deliver signs with: X-Helios-Signature is "sha256=" and the HMAC-SHA256 of the body in hexadecimal digits.
    #[arg(long, value_name = "SECRET", env = "HELIOS_WEBHOOK_SECRET", hide_env_values = true)]
    webhook_secret: Option<String>,
    /// Where backup.create puts backups.
    #[arg(long, value_name = "DIR")]
    backup_dir: Option<PathBuf>,
    /// The data directory that backup.create copies: of the server, on the same machine.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Runs commands of the type shell. Whoever may enqueue may run anything then, as the user of this process.
    #[arg(long)]
    shell: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(args: WorkerArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handlers = Handlers {
        http_hosts: args.http_hosts,
        webhook_secret: args.webhook_secret,
        backup_dir: args.backup_dir,
        data_dir: args.data_dir,
        shell: args.shell,
    };
    let known = handlers.types();
    let types: Vec<String> = match args.types.is_empty() {
        true => known.iter().map(|kind| (*kind).to_owned()).collect(),
        false => args.types,
    };
    if let Some(unknown) = types.iter().find(|kind| !known.contains(&kind.as_str())) {
        anyhow::bail!("there is no handler for {unknown} here: there are {}", known.join(", "));
    }
    let name = args.worker_id.unwrap_or_else(|| {
        // Containers give their first process the same number each; a name of its own is never somebody else's.
        let chance = crate::base::Random::from_system().next_u64() as u32;
        format!("worker-{}-{chance:08x}", std::process::id())
    });
    say!("working as {name} on {}", types.join(", "));
    let hand = Hand::new(name, types, args.concurrency, handlers, args.server);
    let (every, grace): (Duration, Duration) = (args.poll_interval.get(), args.grace.get());
    runtime.block_on(hand.work(every, grace))?;
    Ok(ExitCode::SUCCESS)
}
