//! The metrics of the store. The names that begin with `atlas_` are those of the systems that it stands for.

use prometheus::{Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry};

use super::metrics::{counter, counters, gauge, gauge_f64, histogram, histograms};

/// What the store counts.
#[derive(Debug)]
pub struct AtlasMetrics {
    /// Bytes written to the log.
    pub aof_bytes: IntCounter,
    /// Bytes of the log files now.
    pub aof_size_bytes: IntGauge,
    /// Time to write, read again and prove a snapshot.
    pub snapshot_duration: Histogram,
    /// Snapshots that could not be written.
    pub snapshot_failures: IntCounter,
    /// Snapshots that could not be read at a start.
    pub snapshots_unreadable: IntCounter,
    /// Keys, without those whose time is over.
    pub store_keys: IntGauge,
    /// Bytes of keys and values.
    pub store_bytes: IntGauge,
    /// Commands of the TCP port, by command and result: ok, error.
    pub commands: IntCounterVec,
    /// Time of a command of the TCP port, from its last byte to its answer. Pipelined commands share theirs.
    pub command_duration: HistogramVec,
    /// Time of a flush of the log.
    pub fsync_duration: Histogram,
    /// Commits that were written.
    pub commits: IntCounter,
    /// Keys that were taken away because their time was over.
    pub expired_keys: IntCounter,
    /// Time of the last recovery.
    pub recovery_seconds: Gauge,
    /// Bytes of a last write that were cut off at a start.
    pub recovery_truncated_bytes: IntCounter,
    /// Open sockets of the TCP port.
    pub connections: IntGauge,
    /// Sockets of the TCP port that were refused or closed by a limit, by reason.
    pub connections_refused: IntCounterVec,
    /// Commands refused by a limit of the store, by limit: key, value, quota, commit.
    pub refused: IntCounterVec,
    /// Writes that failed, by reason: full, broken.
    pub write_failures: IntCounterVec,
    /// Whether writes are taken: 1 or 0.
    pub writable: IntGauge,
    /// Watches now.
    pub watches: IntGauge,
}

impl AtlasMetrics {
    pub(super) fn new(of: &Registry) -> Self {
        Self {
            aof_bytes: counter(of, "atlas_aof_bytes_total", "Bytes written to the log"),
            aof_size_bytes: gauge(of, "atlas_aof_size_bytes", "Bytes of the log files"),
            snapshot_duration: histogram(of, "atlas_snapshot_duration_seconds", "Time of a snapshot"),
            snapshot_failures: counter(of, "atlas_snapshot_failures_total", "Snapshots not written"),
            snapshots_unreadable: counter(of, "atlas_snapshots_unreadable_total", "Snapshots not read"),
            store_keys: gauge(of, "atlas_store_keys", "Keys"),
            store_bytes: gauge(of, "atlas_store_bytes", "Bytes of keys and values"),
            commands: counters(of, "atlas_commands_total", "Commands of the port", &["cmd", "result"]),
            command_duration: histograms(
                of,
                "atlas_command_duration_seconds",
                "Time of a command of the port",
                &["cmd"],
            ),
            fsync_duration: histogram(of, "atlas_fsync_duration_seconds", "Time of a flush of the log"),
            commits: counter(of, "atlas_commits_total", "Commits written"),
            expired_keys: counter(of, "atlas_expired_keys_total", "Keys whose time was over"),
            recovery_seconds: gauge_f64(of, "atlas_recovery_seconds", "Time of the last recovery"),
            recovery_truncated_bytes: counter(
                of,
                "atlas_recovery_truncated_bytes_total",
                "Bytes of a last write that were cut off",
            ),
            connections: gauge(of, "atlas_connections", "Open sockets of the port"),
            connections_refused: counters(
                of,
                "atlas_connections_refused_total",
                "Sockets of the port that a limit ended",
                &["reason"],
            ),
            refused: counters(of, "atlas_refused_total", "Commands refused by a limit", &["limit"]),
            write_failures: counters(of, "atlas_write_failures_total", "Writes that failed", &["reason"]),
            writable: gauge(of, "atlas_writable", "Whether writes are taken"),
            watches: gauge(of, "atlas_watches", "Watches"),
        }
    }
}
