//! `helios atlas`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use toml::Value;

use super::signals::Signals;
use crate::config::{Config, Flag, Sources};
use crate::gateway::AtlasPort;
use crate::store::{Keyspace, Seams, Store};
use crate::telemetry;

/// Starts the store alone: a port for Redis clients and JSON lines, without HTTP and sockets.
#[derive(Args, Debug)]
pub(super) struct AtlasArgs {
    /// Address and port to listen on, 127.0.0.1:6379 if nothing is said.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Directory of everything that outlives the process.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// When a write is on the disk.
    #[arg(long, value_name = "MODE")]
    sync_mode: Option<Mode>,
    /// Configuration file in TOML: its sections store, atlas and telemetry count.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum Mode {
    /// Before it is answered.
    #[value(alias = "always")]
    Every,
    /// At the latest after the interval, one second unless configured.
    #[value(alias = "everysec")]
    Interval,
    /// When the operating system likes.
    #[value(alias = "no")]
    None,
}

impl AtlasArgs {
    fn sources(self) -> Sources {
        let mut base = Config::default();
        "127.0.0.1:6379".clone_into(&mut base.atlas.listen);
        let mode = self.sync_mode.map(|mode| match mode {
            Mode::Every => "every",
            Mode::Interval => "interval",
            Mode::None => "none",
        });
        let flag = |name, key, value: String| Flag { name, key, value: Value::String(value) };
        let flags = [
            self.listen.map(|value| flag("--listen", "atlas.listen", value)),
            self.data_dir.map(|value| flag("--data-dir", "store.data_dir", value)),
            mode.map(|value| flag("--sync-mode", "store.sync_mode", value.to_owned())),
        ];
        let flags = flags.into_iter().flatten().collect();
        Sources { base, file: self.config, environment: super::serve::environment(), flags }
    }
}

pub(super) fn run(args: AtlasArgs) -> anyhow::Result<ExitCode> {
    let config = args.sources().load()?;
    let _log = telemetry::init_logging(&config.telemetry)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        // Before anything is announced, so that a signal right after it is not missed.
        let mut signals = Signals::new()?;
        let store = Store::open(&config.store, Seams::default())?;
        let Some(port) = AtlasPort::open(&store, &config.atlas, None, Keyspace::Everything)? else {
            bail!("atlas.listen is empty: there is no port to serve");
        };
        say!("ATLAS {} is ready.", env!("CARGO_PKG_VERSION"));
        say!("  Port  {}", port.address());
        say!("  Try   redis-cli -p {} SET hello world", port.address().port());
        tokio::select! {
            signal = signals.next() => tracing::info!(signal, "stopping"),
            () = store.ended() => bail!("the thread of the store has died"),
        }
        drop(port);
        store.close().await.context("the store was not closed in order")?;
        Ok(ExitCode::SUCCESS)
    })
}
