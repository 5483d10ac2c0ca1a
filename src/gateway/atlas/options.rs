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
    /// loopback need a password, accounts or TLS.
    pub listen: String,
    /// What clients must say with AUTH; "" asks for nothing. Better set by HELIOS__ATLAS__PASSWORD.
    pub password: Secret,
    /// Whether clients may say who they are: AUTH with the name and an API key of an account with the permission
    /// atlas:access, which is for all keys, those of the server too. Without AUTH they may nothing then.
    pub accounts: bool,
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
            accounts: false,
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

    /// Whether a client has to say something before it may anything.
    pub(super) fn asks(&self) -> bool {
        self.accounts || !self.password.is_empty()
    }

    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let guarded = self.asks() || self.tls.enabled();
        match (self.listen.is_empty(), self.address()) {
            (true, _) => {}
            (false, None) => {
                let text =
                    format!("\"{}\" is not an address and a port, such as 127.0.0.1:6379", self.listen);
                problems.push(("listen", text));
            }
            (false, Some(address)) if !guarded && !address.ip().to_canonical().is_loopback() => {
                let text = format!("{address} can be reached by others: set a password, accounts or TLS");
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
