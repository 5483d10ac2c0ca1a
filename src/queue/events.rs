//! What happens to jobs, told to the metrics and the log in one place.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::ids::JobType;
use super::job::Status;
use super::reads::Counts;
use super::step::{EventKind, JobEvent};
use crate::telemetry::Metrics;

/// Types that have a label of their own; types are chosen by callers, and labels are kept for ever.
const LABELS_MAX: usize = 100;

#[derive(Debug)]
pub(super) struct Events {
    metrics: Arc<Metrics>,
    labels: Mutex<HashSet<JobType>>,
}

impl Events {
    pub(super) fn new(metrics: &Arc<Metrics>) -> Self {
        Self { metrics: Arc::clone(metrics), labels: Mutex::default() }
    }

    /// The label of a type.
    fn label<'a>(&self, kind: &'a JobType) -> &'a str {
        let mut labels = self.labels.lock();
        if labels.contains(kind) {
            return kind.as_str();
        }
        if labels.len() >= LABELS_MAX {
            return "other";
        }
        labels.insert(kind.clone());
        kind.as_str()
    }

    pub(super) fn emit(&self, event: &JobEvent) {
        let (jobs, job) = (&self.metrics.jobs, &event.job);
        let (id, kind) = (job.id, job.kind.as_str());
        let seconds = |from_ms: u64| event.at.saturating_sub(from_ms) as f64 / 1_000.0;
        match event.kind {
            EventKind::Enqueued => jobs.enqueued.inc(),
            EventKind::Dequeued => {
                jobs.dequeued.inc();
                let waited_since = job.history.last().map_or(job.created_at, |attempt| attempt.ended_at);
                jobs.wait.observe(seconds(waited_since));
            }
            EventKind::Acked => {
                jobs.completed.inc();
                let began = job.history.last().map_or(event.at, |attempt| attempt.started_at);
                jobs.duration.with_label_values(&[self.label(&job.kind)]).observe(seconds(began));
            }
            EventKind::Nacked => jobs.failed.inc(),
            EventKind::LeaseExpired => {
                jobs.leases_expired.inc();
                tracing::warn!(job = %id, kind, attempts = job.attempts, worker = job.worker_id, "a lease is over");
            }
            EventKind::Released | EventKind::Cancelled | EventKind::Retried => {}
        }
        if job.status == Status::Dlq {
            let (attempts, error) = (job.attempts, job.error.as_deref());
            tracing::warn!(job = %id, kind, attempts, error, "a job has used up its attempts");
        }
        tracing::debug!(job = %id, kind, event = event.kind.as_str(), status = job.status.as_str(), "job");
    }

    /// What is there, as it is now.
    pub(super) fn measure(&self, all: &Counts) {
        let jobs = &self.metrics.jobs;
        for status in Status::ALL {
            jobs.depth.with_label_values(&[status.as_str()]).set(all.of(status) as i64);
        }
        jobs.dead_letters.set(all.dlq as i64);
    }
}
