//! What all universes have done and hold, in numbers.

use super::Universes;
use crate::store::ObjectsStats;

/// What all universes together have done and hold.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct UniverseStats {
    /// Universes now.
    pub universes: usize,
    /// How many there may be.
    pub universes_max: usize,
    /// Universes that were created since the start.
    pub created: u64,
    /// Universes that were deleted since the start.
    pub deleted: u64,
    /// Operations that were written since the start.
    pub operations: u64,
    /// Operations that were not written.
    pub failures: u64,
    /// Mean time until operations were written, in seconds; `None` before the first one.
    pub mean_seconds: Option<f64>,
    /// The most that there were at a time since the start.
    pub peak: u64,
    /// Operations of batches.
    pub batch_operations: u64,
    /// Mean time of requests that created universes, in seconds; `None` before the first one.
    pub mean_creation_seconds: Option<f64>,
    /// Operations that wait.
    pub waiting: usize,
    /// Memory that all states together take beyond what they share, roughly.
    pub own_bytes: u64,
    /// Commits of all universes that were asked for.
    pub snapshots: u64,
    /// Bytes of new objects that are not in the object store yet.
    pub overlay_bytes: usize,
    /// The object store and its cache.
    pub objects: ObjectsStats,
}

impl Universes {
    /// Operations were asked for in a batch.
    pub fn count_batch(&self, operations: usize) {
        self.shared().store.metrics().universes.batch_operations.inc_by(operations as u64);
    }

    /// How long the server has been up.
    pub fn uptime(&self) -> std::time::Duration {
        self.shared().store.metrics().uptime()
    }

    /// What all of them together have done and hold.
    pub fn stats(&self) -> UniverseStats {
        let shared = self.shared();
        let metrics = &shared.store.metrics().universes;
        let mean = |took: &prometheus::Histogram| {
            let count = took.get_sample_count();
            (count > 0).then(|| took.get_sample_sum() / count as f64)
        };
        UniverseStats {
            universes: self.count(),
            universes_max: shared.options.universes_max,
            created: metrics.created.get(),
            deleted: metrics.deleted.get(),
            operations: metrics.operations.get(),
            failures: metrics.failures.get(),
            mean_seconds: mean(&metrics.operation_duration),
            peak: metrics.peak.get() as u64,
            batch_operations: metrics.batch_operations.get(),
            mean_creation_seconds: mean(&metrics.creation_duration),
            waiting: shared.queue.len(),
            own_bytes: shared.published().from(0).map(|universe| universe.own_bytes()).sum(),
            snapshots: shared.published().from(0).map(|universe| universe.head.snapshots).sum(),
            overlay_bytes: shared.archive.overlay.read().bytes,
            objects: shared.archive.objects.stats(),
        }
    }
}
