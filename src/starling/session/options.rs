//! Options of sessions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{ByteSize, Span};

/// Sessions: what outlives a connection. Only a client that has asked for a token can come back to its session.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionOptions {
    /// How long a session waits for its client to come back.
    pub disconnection_ttl: Span,
    /// Sessions that may wait for their clients. One more ends at once when its connection is lost.
    pub disconnected_max: usize,
    /// Messages that are kept for a client that may not have them.
    pub buffer_messages_max: usize,
    /// Bytes of these messages.
    pub buffer_bytes_max: ByteSize,
    /// Bytes that a session may keep by name.
    pub data_bytes_max: ByteSize,
    /// Calls of a session that are remembered, so that a repeat does not run again.
    pub calls_max: usize,
    /// Bytes of their answers.
    pub calls_bytes_max: ByteSize,
    /// How long they are remembered.
    pub calls_window: Span,
    /// Sessions survive the server: they are written to the store. A call of a method that is not idempotent
    /// is on the disk before it runs and its answer before it is sent.
    pub durable: bool,
    /// How long a message may wait for its acknowledgement before it is written to the store.
    pub write_delay: Span,
    /// How long a state provider may take to save or to restore.
    pub provider_timeout: Span,
    /// How many state providers of a session save at the same time.
    pub provider_concurrency: usize,
    /// How long a connection that may be dead has to answer when another one wants its session.
    pub takeover_timeout: Span,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            disconnection_ttl: Span::secs(300),
            disconnected_max: 100_000,
            buffer_messages_max: 1_000,
            buffer_bytes_max: ByteSize::mib(1),
            data_bytes_max: ByteSize::kib(64),
            calls_max: 4_096,
            calls_bytes_max: ByteSize::kib(256),
            calls_window: Span::secs(300),
            durable: true,
            write_delay: Span::millis(250),
            provider_timeout: Span::secs(5),
            provider_concurrency: 4,
            takeover_timeout: Span::secs(2),
        }
    }
}

impl SessionOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut check = |key, fine: bool, text: &str| {
            if !fine {
                problems.push((key, text.to_owned()));
            }
        };
        check("buffer_messages_max", self.buffer_messages_max > 0, "must be at least 1");
        check("buffer_bytes_max", self.buffer_bytes_max >= ByteSize::kib(1), "must be at least 1KiB");
        check("buffer_bytes_max", self.buffer_bytes_max <= ByteSize::mib(1024), "must be at most 1GiB");
        check("calls_max", self.calls_max > 0, "must be at least 1");
        check("provider_timeout", !self.provider_timeout.is_zero(), "must be more than 0s");
        check("provider_concurrency", self.provider_concurrency > 0, "must be at least 1");
        check("takeover_timeout", self.takeover_timeout <= Span::secs(60), "must be at most 60s");
        check("disconnection_ttl", self.disconnection_ttl <= Span::secs(30 * 86_400), "must be at most 720h");
        problems
    }
}
