//! What is counted of connections: kinds of messages, and how connections end.

use std::borrow::Cow;

use crate::telemetry::Metrics;

/// Counters of message kinds, looked up once for each server.
#[derive(Debug)]
pub(super) struct Kinds {
    pub(super) request: prometheus::IntCounter,
    pub(super) response: prometheus::IntCounter,
    pub(super) notification: prometheus::IntCounter,
    pub(super) error: prometheus::IntCounter,
    pub(super) ack: prometheus::IntCounter,
    pub(super) text: prometheus::IntCounter,
    pub(super) json: prometheus::IntCounter,
    pub(super) binary: prometheus::IntCounter,
    pub(super) refused: prometheus::IntCounter,
}

impl Kinds {
    pub(super) fn of(metrics: &Metrics) -> Self {
        let kind = |name: &str| metrics.messages_received.with_label_values(&[name]);
        Self {
            request: kind("request"),
            response: kind("response"),
            notification: kind("notification"),
            error: kind("error"),
            ack: kind("ack"),
            text: kind("text"),
            json: kind("json"),
            binary: kind("binary"),
            refused: kind("refused"),
        }
    }
}

/// Codes that peers choose freely share one label.
pub(super) fn closed_label(code: u16) -> Cow<'static, str> {
    match code {
        1000..=1015 | 4008..=4011 => code.to_string().into(),
        _ => "other".into(),
    }
}
