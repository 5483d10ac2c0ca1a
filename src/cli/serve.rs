//! `helios serve`, and `helios` alone.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use toml::Value;

use super::signals::Signals;
use crate::app::{Drained, Helios, Running};
use crate::base::SAME_ORIGIN;
use crate::config::{Config, Flag, Sources};
use crate::telemetry;

/// Starts the server.
#[derive(Args, Debug, Clone, Default)]
pub(super) struct ServeArgs {
    /// Address and port to listen on; ":9000" changes the port alone.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Directory of everything that outlives the process.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Configuration file in TOML; `helios default-config` prints one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Also lets pages of this origin in, such as http://localhost:5173, for development; can be given several times.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Adds the methods of the namespace demo.
    #[arg(long)]
    demo: bool,
}

/// What is assumed when nothing is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Profile {
    /// For trying out: page and demo methods on, keys open to all, loopback only.
    Playground,
    /// For others to use.
    Production,
}

impl ServeArgs {
    /// As if only `--config` was given.
    pub(super) fn with_file(config: Option<PathBuf>) -> Self {
        Self { config, ..Self::default() }
    }

    /// With another data directory.
    pub(super) fn and_data_dir(self, data_dir: Option<String>) -> Self {
        Self { data_dir, ..self }
    }

    /// The configuration that file, environment and flags give together.
    pub(super) fn sources(self, profile: Profile) -> Sources {
        let mut base = Config::default();
        if profile == Profile::Playground {
            base.gateway.playground = true;
            base.demo.enabled = true;
            base.kv.everyone = true;
            base.universes.everyone = true;
            base.jobs.everyone = true;
        }
        let mut flags = Vec::new();
        let mut flag = |name, key, value: Option<Value>| {
            flags.extend(value.map(|value| Flag { name, key, value }));
        };
        flag("--listen", "gateway.listen", self.listen.map(Value::String));
        flag("--data-dir", "store.data_dir", self.data_dir.map(Value::String));
        flag("--demo", "demo.enabled", self.demo.then_some(Value::Boolean(true)));
        if !self.allow_origin.is_empty() {
            let origins: Vec<String> =
                [SAME_ORIGIN.to_owned()].into_iter().chain(self.allow_origin).collect();
            flag("--allow-origin", "gateway.cors_origin", Some(Value::String(origins.join(","))));
            let origins = origins.into_iter().map(Value::String).collect();
            flag("--allow-origin", "connections.origins", Some(Value::Array(origins)));
        }
        Sources { base, file: self.config, environment: environment(), flags }
    }
}

/// The variables that are text; others cannot be ours, and must not stop us.
pub(super) fn environment() -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        let name = name.into_string().ok()?;
        // A value that is no text is kept readable, so that the error about it can quote it.
        Some((name, value.to_string_lossy().into_owned()))
    };
    std::env::vars_os().filter_map(text).collect()
}

pub(super) fn run(args: ServeArgs, profile: Profile) -> anyhow::Result<ExitCode> {
    let config = args.sources(profile).load()?;
    let address = config.gateway.listen;
    if profile == Profile::Playground && !is_loopback(address.ip()) {
        bail!("the playground listens on loopback only, not on {address}; use `helios serve` to be reached");
    }
    let _log = telemetry::init_logging(&config.telemetry)?;
    actix_rt::System::new().block_on(async move {
        // Before anything is announced, so that a signal right after it is not missed.
        let mut signals = Signals::new()?;
        let demo = config.demo.enabled;
        let playground = config.gateway.playground;
        let server = Helios::builder().config(config).start().await.context("the server cannot start")?;
        announce(&server, playground, demo);
        Ok(work(server, &mut signals).await)
    })
}

/// Serves until a signal comes, then drains. A second signal ends it at once.
async fn work(server: Running, signals: &mut Signals) -> ExitCode {
    tokio::select! {
        name = signals.next() => tracing::info!(signal = name, "stopping"),
        () = server.broken() => {
            tracing::error!("the table of connections or the store is gone; stopping");
            server.stop().await;
            return ExitCode::FAILURE;
        }
    }
    tokio::select! {
        drained = server.drain() => match drained {
            Drained::Completely => ExitCode::SUCCESS,
            Drained::Partly { .. } => ExitCode::FAILURE,
        },
        name = signals.next() => {
            tracing::warn!(signal = name, "stopping at once");
            ExitCode::FAILURE
        }
    }
}

/// Says where everything is, to people; logs say it to machines.
fn announce(server: &Running, playground: bool, demo: bool) {
    let http = server.http_url();
    say!("Helios {} is ready.", env!("CARGO_PKG_VERSION"));
    if playground {
        say!("  Playground  {http}/  {http}/live  {http}/universes  {http}/jobs");
    }
    say!("  WebSocket   {}", server.ws_url());
    say!("  Client      {http}/helios.js");
    if let Some(address) = server.atlas_address() {
        say!("  Store       redis://{address}");
    }
    say!("  Health      {http}/health  {http}/ready  {http}/metrics");
    if demo {
        say!("  Try         helios call demo:echo '{{\"hello\":\"world\"}}' --url {}", server.ws_url());
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
