//! Options of the TCP port of the store.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::options::TlsOptions;
use crate::base::{Secret, Span};

/// The TCP port of the store, for Redis clients and JSON lines.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AtlasOptions {
    /// The address and port to listen on, such as "127.0.0.1:6379"; "" is no port. Other addresses than
    /// loopback need a password or TLS.
    pub listen: String,
    /// What clients must say with AUTH; "" asks for nothing. Better set by HELIOS__ATLAS__PASSWORD.
    pub password: Secret,
    /// Threads that serve the port; 0 is one for each processor.
    pub workers: usize,
    /// Connections at once; more are refused.
    pub connections_max: usize,
    /// A connection on which nothing happens for this long is closed; 0s keeps it.
    pub idle_timeout: Span,
    /// Encryption.
    pub tls: TlsOptions,
}

impl Default for AtlasOptions {
    fn default() -> Self {
        Self {
            listen: String::new(),
            password: Secret::default(),
            workers: 0,
            connections_max: 10_000,
            idle_timeout: Span::secs(0),
            tls: TlsOptions::default(),
        }
    }
}

impl AtlasOptions {
    /// The address to listen on, if any.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let guarded = !self.password.is_empty() || self.tls.enabled();
        match (self.listen.is_empty(), self.address()) {
            (true, _) => {}
            (false, None) => {
                let text =
                    format!("\"{}\" is not an address and a port, such as 127.0.0.1:6379", self.listen);
                problems.push(("listen", text));
            }
            (false, Some(address)) if !guarded && !address.ip().to_canonical().is_loopback() => {
                let text = format!("{address} can be reached by others: set a password or TLS");
                problems.push(("listen", text));
            }
            _ => {}
        }
        if self.connections_max == 0 {
            problems.push(("connections_max", "must be at least 1".to_owned()));
        }
        problems.extend(self.tls.problem().map(|text| ("tls", text)));
        problems
    }
}
