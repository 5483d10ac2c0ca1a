//! Options of sockets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{ByteSize, Origins, SAME_ORIGIN, Span};

/// WebSocket connections.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionOptions {
    /// Connections at the same time. More are refused with 503.
    pub max: usize,
    /// Connections at the same time from one address; 0 is no limit. More are refused with 429.
    pub max_per_address: usize,
    /// New connections per second, with as many again at once; 0 is no limit. More are refused with 429.
    pub per_second: u64,
    /// Origins whose pages may connect: "same-origin" for pages of the server itself, "*" for all, or one such as
    /// `https://example.com`. Peers that send no Origin are no browsers and always may.
    pub origins: Vec<String>,
    /// Time to send the whole head of an HTTP request and to finish a TLS handshake.
    pub handshake_timeout: Span,
    /// Time without a message after which a peer is closed with 4010; "0s" is never.
    pub idle_timeout: Span,
    /// Silence after which a peer is pinged; "0s" is never.
    pub ping_interval: Span,
    /// Silence after a ping that ends the connection with 4009.
    pub ping_timeout: Span,
    /// Time that a peer has to answer a close frame.
    pub close_timeout: Span,
    /// Longest message. Longer ones are answered with an error.
    pub message_bytes_max: ByteSize,
    /// Longest message that is read to its end to answer it with an error. Beyond, the peer is closed with 1009.
    pub frame_bytes_max: ByteSize,
    /// Bytes that may wait for one peer. Beyond, it is closed with 4008 as a slow consumer.
    pub outbox_bytes_max: ByteSize,
    /// Bytes that may wait for one peer before no more is read from it.
    pub read_pause_bytes: ByteSize,
    /// Requests of one connection that may be unanswered. More are answered with REQUEST_LIMIT_EXCEEDED.
    pub requests_max: usize,
    /// Bytes of payload that the unanswered requests of one connection may hold.
    pub requests_bytes_max: ByteSize,
    /// Time that another peer has to answer a forwarded request.
    pub proxy_timeout: Span,
    /// How messages with `peer` are treated: "off" refuses them, "by_id" forwards them to the session that
    /// `{"starling": "<id>"}` names. Code can decide otherwise.
    pub proxy: ProxyMode,
}

/// How messages from peer to peer are treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyMode {
    /// They are refused.
    Off,
    /// `{"starling": "<id>"}` names the receiver.
    ById,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            max: 100_000,
            max_per_address: 0,
            per_second: 0,
            origins: vec![SAME_ORIGIN.into()],
            handshake_timeout: Span::secs(10),
            idle_timeout: Span::secs(0),
            ping_interval: Span::secs(25),
            ping_timeout: Span::secs(10),
            close_timeout: Span::secs(5),
            message_bytes_max: ByteSize::mib(1),
            frame_bytes_max: ByteSize::mib(16),
            outbox_bytes_max: ByteSize::mib(1),
            read_pause_bytes: ByteSize::kib(64),
            requests_max: 2_000,
            requests_bytes_max: ByteSize::mib(16),
            proxy_timeout: Span::secs(30),
            proxy: ProxyMode::Off,
        }
    }
}

impl ConnectionOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut unless = |holds: bool, key, text: &str| {
            if !holds {
                problems.push((key, text.to_owned()));
            }
        };
        unless(self.max > 0, "max", "must be at least 1");
        unless(!self.ping_timeout.is_zero(), "ping_timeout", "must be more than 0s");
        unless(self.message_bytes_max.0 >= 1_024, "message_bytes_max", "must be at least 1KiB");
        unless(
            self.frame_bytes_max >= self.message_bytes_max,
            "frame_bytes_max",
            "must be at least message_bytes_max",
        );
        unless(self.outbox_bytes_max.0 >= 4_096, "outbox_bytes_max", "must be at least 4KiB");
        unless(
            self.read_pause_bytes <= self.outbox_bytes_max,
            "read_pause_bytes",
            "must not be more than outbox_bytes_max",
        );
        unless(self.requests_max > 0, "requests_max", "must be at least 1");
        for (key, span) in [
            ("handshake_timeout", self.handshake_timeout),
            ("idle_timeout", self.idle_timeout),
            ("ping_interval", self.ping_interval),
            ("ping_timeout", self.ping_timeout),
            ("close_timeout", self.close_timeout),
            ("proxy_timeout", self.proxy_timeout),
        ] {
            unless(span <= Span::secs(86_400), key, "must be at most 24h");
        }
        let origins = Origins::parse(self.origins.iter().map(String::as_str));
        problems.extend(origins.err().map(|text| ("origins", text)));
        problems
    }
}
