//! Metrics of universes.

use prometheus::{Histogram, IntCounter, IntGauge, Registry};

use super::metrics::{counter, gauge, histogram};

/// The metrics `helios_universe*`.
#[derive(Debug)]
pub struct UniverseMetrics {
    /// Universes now.
    pub count: IntGauge,
    /// The most universes that there were at a time since the start.
    pub peak: IntGauge,
    /// Time of requests that created universes, with the flush.
    pub creation_duration: Histogram,
    /// Operations of batches.
    pub batch_operations: IntCounter,
    /// Universes that were created since the start.
    pub created: IntCounter,
    /// Universes that were deleted since the start.
    pub deleted: IntCounter,
    /// Operations that were written.
    pub operations: IntCounter,
    /// Operations that could not be written.
    pub failures: IntCounter,
    /// Time of operations that were written together, with the flush.
    pub operation_duration: Histogram,
    /// Checkpoints that failed.
    pub checkpoint_failures: IntCounter,
    /// Bytes of new objects that are not in the object store yet.
    pub overlay_bytes: IntGauge,
    /// Objects in the object store.
    pub objects: IntGauge,
    /// Bytes of the file of the object store.
    pub object_file_bytes: IntGauge,
    /// Bytes of the cache in front of it.
    pub cache_bytes: IntGauge,
    /// Lookups that found something in the cache.
    pub cache_hits: IntCounter,
    /// Lookups that did not.
    pub cache_misses: IntCounter,
    /// Objects that went from the cache to make room.
    pub cache_evictions: IntCounter,
}

impl UniverseMetrics {
    pub(super) fn new(of: &Registry) -> Self {
        let cache = "helios_universe_object_cache";
        Self {
            count: gauge(of, "helios_universes", "Universes"),
            peak: gauge(of, "helios_universes_peak", "The most universes at a time"),
            creation_duration: histogram(
                of,
                "helios_universe_creation_seconds",
                "Time of requests that create universes",
            ),
            batch_operations: counter(of, "helios_universe_batch_operations_total", "Operations of batches"),
            created: counter(of, "helios_universes_created_total", "Universes created"),
            deleted: counter(of, "helios_universes_deleted_total", "Universes deleted"),
            operations: counter(of, "helios_universe_operations_total", "Operations on universes"),
            failures: counter(of, "helios_universe_failures_total", "Operations that were not written"),
            operation_duration: histogram(
                of,
                "helios_universe_operation_seconds",
                "Time of operations that are written together",
            ),
            checkpoint_failures: counter(
                of,
                "helios_universe_checkpoint_failures_total",
                "Checkpoints that failed",
            ),
            overlay_bytes: gauge(
                of,
                "helios_universe_overlay_bytes",
                "Bytes of objects that are in the log and not in the object store yet",
            ),
            objects: gauge(of, "helios_universe_objects", "Objects in the object store"),
            object_file_bytes: gauge(of, "helios_universe_object_file_bytes", "Bytes of the object store"),
            cache_bytes: gauge(of, &format!("{cache}_bytes"), "Bytes of cached objects"),
            cache_hits: counter(of, &format!("{cache}_hits_total"), "Objects found in the cache"),
            cache_misses: counter(of, &format!("{cache}_misses_total"), "Objects not found in the cache"),
            cache_evictions: counter(of, &format!("{cache}_evictions_total"), "Objects that left the cache"),
        }
    }
}
