//! What the writer and everybody else have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::correction::is_correction;
use super::disk::Disk;
use super::health::SharedHealth;
use super::queue::Queue;
use super::state::{State, View};
use super::watches::Watches;
use crate::base::Clock;
use crate::telemetry::Metrics;

/// The part of a store that all handles and the writer hold.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    /// The last version. Readers take it without a lock and keep it as long as they like.
    pub(super) published: ArcSwap<State>,
    pub(super) watches: Arc<Watches>,
    pub(super) health: SharedHealth,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    pub(super) disk: Arc<dyn Disk>,
    /// Cancelled once the writer has ended.
    pub(super) ended: CancellationToken,
    /// When the last snapshot was proven, in milliseconds since the Unix epoch, and its revision.
    saved_at: AtomicU64,
    saved_revision: AtomicU64,
    /// Whether the last snapshot could not be written.
    save_failed: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        queue: Queue,
        state: State,
        watches: Watches,
        (disk, clock, metrics): (Arc<dyn Disk>, Clock, Arc<Metrics>),
    ) -> Self {
        Self {
            queue,
            published: ArcSwap::from_pointee(state),
            watches: Arc::new(watches),
            health: SharedHealth::default(),
            metrics,
            saved_at: AtomicU64::new(clock.now_ms()),
            saved_revision: AtomicU64::new(0),
            save_failed: AtomicBool::new(false),
            clock,
            disk,
            ended: CancellationToken::new(),
        }
    }

    /// The clock's time, but never a little before the last commit. If the clock was put back, the time that the writer
    /// is about to follow.
    pub(super) fn now_ms(&self) -> u64 {
        let (now_ms, known_ms) = (self.clock.now_ms(), self.published.load().at);
        if is_correction(now_ms, known_ms) { now_ms } else { now_ms.max(known_ms) }
    }

    pub(super) fn view(&self) -> View {
        View::new((**self.published.load()).clone(), self.clock.now_ms())
    }

    pub(super) fn saved(&self, revision: u64) {
        self.saved_revision.store(revision, Ordering::Relaxed);
        self.saved_at.store(self.clock.now_ms(), Ordering::Relaxed);
        self.save_failed.store(false, Ordering::Relaxed);
    }

    pub(super) fn not_saved(&self) {
        self.save_failed.store(true, Ordering::Relaxed);
    }

    /// Whether the last snapshot could not be written.
    pub(super) fn save_failed(&self) -> bool {
        self.save_failed.load(Ordering::Relaxed)
    }

    /// When the last snapshot was proven (or the store opened), in milliseconds since the Unix epoch.
    pub(super) fn saved_at(&self) -> u64 {
        self.saved_at.load(Ordering::Relaxed)
    }

    /// The revision of the last snapshot since the start; 0 if there was none.
    pub(super) fn saved_revision(&self) -> u64 {
        self.saved_revision.load(Ordering::Relaxed)
    }
}
