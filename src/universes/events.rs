//! What happens to universes, told to the metrics and the log in one place.

use std::sync::Arc;
use std::time::Duration;

use super::error::UniverseError;
use super::shared::Shared;
use crate::telemetry::Metrics;

#[derive(Debug)]
pub(super) struct Events {
    metrics: Arc<Metrics>,
}

impl Events {
    pub(super) fn new(metrics: &Arc<Metrics>) -> Self {
        Self { metrics: Arc::clone(metrics) }
    }

    /// Operations were written together, or could not be.
    pub(super) fn wrote(&self, operations: usize, took: Duration, done: bool) {
        let universes = &self.metrics.universes;
        if done {
            universes.operations.inc_by(operations as u64);
            universes.operation_duration.observe(took.as_secs_f64());
        } else {
            universes.failures.inc_by(operations as u64);
        }
    }

    pub(super) fn created(&self, count: usize, took: Duration, now: usize) {
        let universes = &self.metrics.universes;
        universes.created.inc_by(count as u64);
        universes.creation_duration.observe(took.as_secs_f64());
        universes.peak.set(universes.peak.get().max(now as i64));
    }

    pub(super) fn deleted(&self, count: usize) {
        self.metrics.universes.deleted.inc_by(count as u64);
    }

    pub(super) fn checkpoint_failed(&self, error: &UniverseError) {
        self.metrics.universes.checkpoint_failures.inc();
        tracing::error!(%error, "universes could not be moved from the log to the object store");
    }

    /// What is there, as it is now.
    pub(super) fn measure(&self, shared: &Shared) {
        let universes = &self.metrics.universes;
        universes.count.set(shared.published().len() as i64);
        let overlay = shared.archive.overlay.read().bytes;
        universes.overlay_bytes.set(overlay as i64);
        let stats = shared.archive.objects.stats();
        universes.objects.set(stats.objects as i64);
        universes.object_file_bytes.set(stats.file_bytes as i64);
        universes.cache_bytes.set(stats.cache.bytes as i64);
        let up =
            |counter: &prometheus::IntCounter, now: u64| counter.inc_by(now.saturating_sub(counter.get()));
        up(&universes.cache_hits, stats.cache.hits);
        up(&universes.cache_misses, stats.cache.misses);
        up(&universes.cache_evictions, stats.cache.evictions);
    }
}
