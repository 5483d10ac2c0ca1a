//! Options of the HTTP side.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Cidr, Origins, SAME_ORIGIN, Span};

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
    /// Connections that may be in HTTP at the same time, handshakes among them; more wait for a place, and those that are
    /// idle give way. One takes about 17 KiB, so this bounds what a reconnect storm takes. Open sockets do not count.
    pub http_connections_max: usize,
    /// How many of them one address may have; 0 is half of them. Trusted proxies have no share.
    pub http_connections_per_address: usize,
    /// Connections whose request waits for something to happen (long polls, event streams). They are counted apart, and
    /// one address may have half of them.
    pub http_waiting_max: usize,
    /// How long a peer may leave an answer unread before its connection is closed; 0s is for ever.
    pub write_timeout: Span,
    /// The page to try methods out, at /.
    pub playground: bool,
    /// Whose pages may read HTTP answers and send what changes something: "same-origin" for those of the server itself,
    /// "*" for all, or origins such as `https://example.com`, divided by commas.
    pub cors_origin: String,
    /// Names under which the server may be asked, beside addresses, names of loopback, names without a dot and the hosts of
    /// allowed origins; "*" is any. Without TLS a page could otherwise reach it by a name of its own (DNS rebinding).
    pub hosts: Vec<String>,
    /// Proxies in front, as addresses or blocks such as "10.0.0.0/8": behind them the client's address is the one that
    /// `Forwarded` or `X-Forwarded-For` name, read from the right. For limits, logs and the audit log.
    pub trusted_proxies: Vec<String>,
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
            http_connections_per_address: 0,
            http_waiting_max: 4_096,
            write_timeout: Span::secs(30),
            playground: false,
            cors_origin: SAME_ORIGIN.into(),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
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
    /// The trusted proxies. What is none was refused when the options were checked.
    pub(super) fn proxies(&self) -> Vec<Cidr> {
        self.trusted_proxies.iter().filter_map(|block| block.parse().ok()).collect()
    }

    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        problems.extend(self.tls.problem().map(|text| ("tls", text)));
        if self.http_connections_max < 16 {
            problems.push(("http_connections_max", "must be at least 16".to_owned()));
        }
        problems.extend(Origins::parse(self.cors_origin.split(',')).err().map(|text| ("cors_origin", text)));
        for block in &self.trusted_proxies {
            problems.extend(block.parse::<Cidr>().err().map(|text| ("trusted_proxies", text)));
        }
        for host in self.hosts.iter().filter(|host| host.contains(['/', ',', ' ']) || host.is_empty()) {
            let text =
                format!("\"{host}\" is no name of a host, such as example.com, without scheme and port");
            problems.push(("hosts", text));
        }
        problems
    }
}
