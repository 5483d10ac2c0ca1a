//! Every metric of the process, by name.

use std::time::{Duration, Instant};

use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily};
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use super::atlas::AtlasMetrics;
use super::jobs::JobMetrics;
use super::sessions::SessionMetrics;
use super::topics::TopicMetrics;
use super::universes::UniverseMetrics;

/// The metrics of one server. Fields are resolved once, so that moving one is an atomic addition.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    started: Instant,
    uptime: Gauge,
    /// Requests answered, by `method` (GET, WS …), `endpoint` (route or registered method) and `status`.
    pub requests: IntCounterVec,
    /// Time from the whole request to its answer.
    pub request_duration: HistogramVec,
    /// Error answers and error messages sent to peers, by code of the public table.
    pub errors: IntCounterVec,
    /// Messages that broke the protocol.
    pub violations: IntCounter,
    /// Sockets that are open now.
    pub connections: IntGauge,
    /// Sockets accepted since the start.
    pub connections_opened: IntCounter,
    /// Sockets closed, by close code.
    pub connections_closed: IntCounterVec,
    /// Sockets refused before the handshake, by reason.
    pub connections_refused: IntCounterVec,
    /// Bytes read from sockets.
    pub received_bytes: IntCounter,
    /// Bytes written to sockets.
    pub sent_bytes: IntCounter,
    /// Whole messages read, by kind: request, response, notification, error, ack, text, json, binary, refused.
    pub messages_received: IntCounterVec,
    /// Bytes that wait for slow sockets now.
    pub outbox_bytes: IntGauge,
    /// Peers closed because their outbox overflowed.
    pub slow_consumers: IntCounter,
    /// Requests accepted and not yet answered.
    pub in_flight: IntGauge,
    /// Method handlers that panicked.
    pub handler_panics: IntCounter,
    /// Answers that came after the caller had one already.
    pub late_answers: IntCounter,
    /// Messages with `peer`, by outcome: forwarded, refused, timeout, undeliverable.
    pub proxied: IntCounterVec,
    /// Calls that a limit did not allow, by policy.
    pub rate_limited: IntCounterVec,
    /// Requests from the server to peers, by outcome: sent, answered, timeout, cancelled.
    pub callbacks: IntCounterVec,
    /// Sessions.
    pub sessions: SessionMetrics,
    /// Topics.
    pub topics: TopicMetrics,
    /// Universes.
    pub universes: UniverseMetrics,
    /// Jobs.
    pub jobs: JobMetrics,
    /// The store.
    pub atlas: AtlasMetrics,
}

/// The counters of one method, looked up once.
#[derive(Clone, Debug)]
pub struct CallMetrics {
    ok: IntCounter,
    duration: Histogram,
}

impl Metrics {
    /// A table with everything at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let of = &registry;
        Self {
            started: Instant::now(),
            uptime: gauge_f64(of, "helios_uptime_seconds", "Seconds since the start"),
            requests: counters(
                of,
                "helios_requests_total",
                "Requests answered",
                &["method", "endpoint", "status"],
            ),
            request_duration: histograms(
                of,
                "helios_request_duration_seconds",
                "Time to the answer",
                &["method", "endpoint"],
            ),
            errors: counters(of, "helios_errors_total", "Errors told to peers", &["code"]),
            violations: counter(of, "helios_protocol_violations_total", "Messages that broke the protocol"),
            connections: gauge(of, "helios_connections", "Open sockets"),
            connections_opened: counter(of, "helios_connections_opened_total", "Sockets accepted"),
            connections_closed: counters(of, "helios_connections_closed_total", "Sockets closed", &["code"]),
            connections_refused: counters(
                of,
                "helios_connections_refused_total",
                "Sockets refused",
                &["reason"],
            ),
            received_bytes: counter(of, "helios_received_bytes_total", "Bytes read from sockets"),
            sent_bytes: counter(of, "helios_sent_bytes_total", "Bytes written to sockets"),
            messages_received: counters(
                of,
                "helios_messages_received_total",
                "Whole messages read",
                &["kind"],
            ),
            outbox_bytes: gauge(of, "helios_outbox_bytes", "Bytes that wait for sockets"),
            slow_consumers: counter(of, "helios_slow_consumers_total", "Peers closed for reading too slowly"),
            in_flight: gauge(of, "helios_requests_in_flight", "Requests not yet answered"),
            handler_panics: counter(of, "helios_handler_panics_total", "Method handlers that panicked"),
            late_answers: counter(of, "helios_late_answers_total", "Answers after the answer"),
            proxied: counters(of, "helios_peer_messages_total", "Messages from peer to peer", &["outcome"]),
            rate_limited: counters(
                of,
                "rate_limiter_denied_total",
                "Calls that a limit refused",
                &["policy"],
            ),
            callbacks: counters(of, "helios_callbacks_total", "Requests from the server", &["outcome"]),
            sessions: SessionMetrics::new(of),
            topics: TopicMetrics::new(of),
            universes: UniverseMetrics::new(of),
            jobs: JobMetrics::new(of),
            atlas: AtlasMetrics::new(of),
            registry,
        }
    }

    /// The counters of one method called over sockets.
    pub fn call(&self, endpoint: &str) -> CallMetrics {
        CallMetrics {
            ok: self.requests.with_label_values(&["WS", endpoint, "ok"]),
            duration: self.request_duration.with_label_values(&["WS", endpoint]),
        }
    }

    /// Requests that were answered since the start, and the seconds that all of them took together.
    pub fn answered(&self) -> (u64, f64) {
        let families = self.request_duration.collect();
        let all = families.iter().flat_map(MetricFamily::get_metric);
        all.map(Metric::get_histogram).fold((0, 0.0), |(count, seconds), histogram| {
            (count + histogram.get_sample_count(), seconds + histogram.get_sample_sum())
        })
    }

    /// Counts an HTTP request.
    pub fn observe_http(&self, method: &str, endpoint: &str, status: u16, took: Duration) {
        self.requests.with_label_values(&[method, endpoint, &status.to_string()]).inc();
        self.request_duration.with_label_values(&[method, endpoint]).observe(took.as_secs_f64());
    }

    /// Counts a failed call over a socket.
    pub fn observe_failure(&self, endpoint: &str, code: &str) {
        self.requests.with_label_values(&["WS", endpoint, code]).inc();
        self.observe_error(code);
    }

    /// Counts an error of a call whose request is counted elsewhere: over HTTP, with its route.
    pub fn observe_error(&self, code: &str) {
        self.errors.with_label_values(&[code]).inc();
    }

    /// Time since the table was made.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The Prometheus text format.
    pub fn render(&self) -> String {
        self.uptime.set(self.uptime().as_secs_f64());
        let mut text = Vec::new();
        // Writing to memory cannot fail, and an empty page is better than a panic in a scrape.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl CallMetrics {
    /// Counts a call that was answered with success.
    pub fn succeeded(&self, took: Duration) {
        self.ok.inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts the time of a call that was answered with an error.
    pub fn failed(&self, took: Duration) {
        self.duration.observe(took.as_secs_f64());
    }
}

const UNIQUE: &str = "names in this file are valid and different";

pub(super) fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> C {
    let metric = made.expect(UNIQUE);
    registry.register(Box::new(metric.clone())).expect(UNIQUE);
    metric
}

pub(super) fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    registered(registry, IntCounter::new(name, help))
}

pub(super) fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

pub(super) fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    registered(registry, IntGauge::new(name, help))
}

pub(super) fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(registry, IntGaugeVec::new(Opts::new(name, help), labels))
}

pub(super) fn gauge_f64(registry: &Registry, name: &str, help: &str) -> Gauge {
    registered(registry, Gauge::new(name, help))
}

/// From 50 µs, where an in-memory method ends, to the default deadline.
const BUCKETS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];

pub(super) fn histograms(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
    registered(registry, HistogramVec::new(options, labels))
}

/// From 1 ms to an hour, for what may take its time.
const LONG_BUCKETS: [f64; 14] =
    [0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0];

pub(super) fn long_histograms(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(LONG_BUCKETS.to_vec());
    registered(registry, HistogramVec::new(options, labels))
}

pub(super) fn long_histogram(registry: &Registry, name: &str, help: &str) -> Histogram {
    let options = HistogramOpts::new(name, help).buckets(LONG_BUCKETS.to_vec());
    registered(registry, Histogram::with_opts(options))
}

pub(super) fn histogram(registry: &Registry, name: &str, help: &str) -> Histogram {
    registered(registry, Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec())))
}
