//! Metrics of topics.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, Registry};

use super::metrics::{counter, counters, gauge, histogram};

/// The metrics `helios_topic*`.
#[derive(Debug)]
pub struct TopicMetrics {
    /// Topics that are remembered now.
    pub topics: IntGauge,
    /// Subscriptions now.
    pub subscribers: IntGauge,
    /// Publications.
    pub publications: IntCounter,
    /// Publications that were queued for a subscriber.
    pub deliveries: IntCounter,
    /// Publications that a subscriber did not get, by reason: closed, slow_consumer, buffer_full, drop_oldest, latest,
    /// unwritable.
    pub drops: IntCounterVec,
    /// Subscriptions that were to go on from a position, by what became of it.
    pub recoveries: IntCounterVec,
    /// Roughly the bytes of all histories.
    pub history_bytes: IntGauge,
    /// Time from a publication to the moment when it is queued for every subscriber.
    pub fanout_duration: Histogram,
}

impl TopicMetrics {
    pub(super) fn new(of: &Registry) -> Self {
        let positions = "Subscriptions that were to go on from a position";
        Self {
            topics: gauge(of, "helios_topics", "Topics that are remembered"),
            subscribers: gauge(of, "helios_topic_subscribers", "Subscriptions"),
            publications: counter(of, "helios_topic_publications_total", "Publications"),
            deliveries: counter(of, "helios_topic_deliveries_total", "Publications queued for a subscriber"),
            drops: counters(
                of,
                "helios_topic_drops_total",
                "Publications that did not get to a subscriber",
                &["reason"],
            ),
            recoveries: counters(of, "helios_topic_recoveries_total", positions, &["outcome"]),
            history_bytes: gauge(of, "helios_topic_history_bytes", "Bytes of histories"),
            fanout_duration: histogram(
                of,
                "helios_topic_fanout_seconds",
                "Time to queue a publication for all",
            ),
        }
    }
}
