//! Options of the HTTP side.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Span;

/// The HTTP server and the WebSocket door.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayOptions {
    /// The address and port to listen on. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Worker threads; 0 is one for each processor.
    pub workers: usize,
    /// Connections that the system may hold ready before they are accepted.
    pub backlog: u32,
    /// Connections that may be in HTTP at the same time, handshakes among them; more wait to be accepted. One takes
    /// about 17 KiB, so this bounds what a reconnect storm takes. Open sockets do not count.
    pub http_connections_max: usize,
    /// The page to try methods out, at /.
    pub playground: bool,
    /// Origin whose pages may read HTTP answers: "*" for all, or one such as `https://example.com`.
    pub cors_origin: String,
    /// Log a line for every HTTP request, at the level info: method, path without query, status, time, request id, address
    /// and user.
    pub access_log: bool,
    /// Requests below /api that one address may send within api_window; 0 is no limit.
    pub api_requests_max: u64,
    /// The window of api_requests_max.
    pub api_window: Span,
    /// Encryption.
    pub tls: TlsOptions,
    /// On SIGTERM: the longest time to finish requests.
    pub drain_timeout: Span,
    /// On SIGTERM: peers are told to come back at different times within this window.
    pub drain_window: Span,
}

/// TLS. Both files or none.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsOptions {
    /// PEM file with the certificate and what it is signed by; "" switches TLS off.
    pub cert: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

impl TlsOptions {
    /// Whether TLS is on.
    pub fn enabled(&self) -> bool {
        !self.cert.as_os_str().is_empty()
    }

    /// What is wrong with the two together.
    pub(super) fn problem(&self) -> Option<String> {
        let one = self.cert.as_os_str().is_empty() != self.key.as_os_str().is_empty();
        one.then(|| "cert and key belong together: set both or none".to_owned())
    }
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            workers: 0,
            backlog: 4_096,
            http_connections_max: 512,
            playground: false,
            cors_origin: "*".into(),
            access_log: false,
            api_requests_max: 1_000,
            api_window: Span::secs(900),
            tls: TlsOptions::default(),
            drain_timeout: Span::secs(10),
            drain_window: Span::secs(5),
        }
    }
}

impl GatewayOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        problems.extend(self.tls.problem().map(|text| ("tls", text)));
        if self.http_connections_max < 16 {
            problems.push(("http_connections_max", "must be at least 16".to_owned()));
        }
        if self.cors_origin != "*" && !self.cors_origin.contains("://") {
            let text = "must be \"*\" or a scheme and a host, such as \"https://example.com\"";
            problems.push(("cors_origin", text.to_owned()));
        }
        problems
    }
}
