//! Metrics of sessions.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use super::metrics::{counter, counters, gauge};

/// The metrics `helios_session*`.
#[derive(Debug)]
pub struct SessionMetrics {
    /// Sessions that have no connection now and wait for one.
    pub disconnected: IntGauge,
    /// What happened to sessions, by event.
    pub events: IntCounterVec,
    /// Sessions that are over, by reason.
    pub ended: IntCounterVec,
    /// Tokens that were shown, by what became of it: recovered, or the reason why not.
    pub recoveries: IntCounterVec,
    /// Messages that were sent again.
    pub replayed: IntCounter,
    /// Messages that found no room for a peer that is away; whoever sent them was told.
    pub turned_away: IntCounter,
    /// Requests that came again: joined, replayed, forgotten.
    pub repeats: IntCounterVec,
    /// Tokens that were given out.
    pub tokens: IntCounter,
}

impl SessionMetrics {
    pub(super) fn new(of: &Registry) -> Self {
        let gone = "Messages that found no room for a peer that is away";
        Self {
            disconnected: gauge(of, "helios_sessions_disconnected", "Sessions that wait for their peer"),
            events: counters(of, "helios_session_events_total", "Events of sessions", &["event"]),
            ended: counters(of, "helios_sessions_ended_total", "Sessions that are over", &["reason"]),
            recoveries: counters(
                of,
                "helios_session_recoveries_total",
                "Tokens that were shown",
                &["outcome"],
            ),
            replayed: counter(of, "helios_session_replayed_total", "Messages that were sent again"),
            turned_away: counter(of, "helios_session_turned_away_total", gone),
            repeats: counters(of, "helios_session_repeats_total", "Requests that came again", &["outcome"]),
            tokens: counter(of, "helios_session_tokens_total", "State tokens given out"),
        }
    }
}
