//! Where the server is that a subcommand talks to.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::peer::PeerOptions;

/// A running server.
#[derive(Args, Debug)]
pub(super) struct ServerArgs {
    /// The server.
    #[arg(
        long,
        value_name = "URL",
        default_value = "ws://127.0.0.1:8080/ws",
        env = "HELIOS_URL",
        global = true
    )]
    pub(super) url: String,
    /// PEM file with the authority to trust instead of the system's.
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
}

impl ServerArgs {
    /// How to connect, and how long an answer may take.
    pub(super) fn options(&self, timeout: Duration) -> PeerOptions {
        PeerOptions { ca: self.ca.clone(), timeout, ..PeerOptions::default() }
    }
}
