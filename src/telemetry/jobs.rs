//! Metrics of jobs.

use prometheus::{Histogram, HistogramVec, IntCounter, IntGauge, IntGaugeVec, Registry};

use super::metrics::{counter, gauge, gauges, long_histogram, long_histograms};

/// The metrics `worker_*`.
#[derive(Debug)]
pub struct JobMetrics {
    /// Jobs that were enqueued.
    pub enqueued: IntCounter,
    /// Leases that were given.
    pub dequeued: IntCounter,
    /// Jobs that were acknowledged.
    pub completed: IntCounter,
    /// Attempts that workers said were in vain.
    pub failed: IntCounter,
    /// Leases whose time was over.
    pub leases_expired: IntCounter,
    /// Jobs that there are, by status.
    pub depth: IntGaugeVec,
    /// Jobs that have used up their attempts.
    pub dead_letters: IntGauge,
    /// Time from a lease to its acknowledgement, by type.
    pub duration: HistogramVec,
    /// Time from enqueueing, or the end of the last attempt, to the lease.
    pub wait: Histogram,
}

impl JobMetrics {
    pub(super) fn new(of: &Registry) -> Self {
        let took = "Time from a lease to its acknowledgement";
        Self {
            enqueued: counter(of, "worker_jobs_enqueued_total", "Jobs enqueued"),
            dequeued: counter(of, "worker_jobs_dequeued_total", "Leases given"),
            completed: counter(of, "worker_jobs_completed_total", "Jobs acknowledged"),
            failed: counter(of, "worker_jobs_failed_total", "Attempts that were in vain"),
            leases_expired: counter(of, "worker_lease_expired_total", "Leases whose time was over"),
            depth: gauges(of, "worker_job_queue_depth", "Jobs that there are", &["status"]),
            dead_letters: gauge(of, "worker_dlq_depth", "Jobs that have used up their attempts"),
            duration: long_histograms(of, "worker_job_duration_seconds", took, &["type"]),
            wait: long_histogram(of, "worker_job_wait_seconds", "Time from enqueueing to the lease"),
        }
    }
}
