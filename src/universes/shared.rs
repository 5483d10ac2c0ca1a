//! What the thread and everybody who asks have in common.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::archive::Archive;
use super::events::Events;
use super::main_keys::MainBase;
use super::options::UniverseOptions;
use super::queue::Queue;
use super::table::Table;
use super::universe::Resident;
use crate::store::Store;

pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) archive: Archived,
    pub(super) options: UniverseOptions,
    pub(super) queue: Queue,
    pub(super) events: Events,
    /// Whether the thread has ended.
    pub(super) ended: CancellationToken,
    /// The keys of the application as they were forked last.
    pub(super) main: Mutex<Option<MainBase>>,
    published: ArcSwap<Table>,
}

pub(super) type Archived = Arc<Archive>;

impl Shared {
    pub(super) fn new(
        store: Store,
        archive: Archived,
        options: UniverseOptions,
        table: Table,
        events: Events,
    ) -> Self {
        let (queue, published) = (Queue::default(), ArcSwap::from_pointee(table));
        let ended = CancellationToken::new();
        let main = Mutex::new(None);
        Self { store, archive, options, queue, events, ended, main, published }
    }

    /// The last version that is written down.
    pub(super) fn published(&self) -> Guard<Arc<Table>> {
        self.published.load()
    }

    pub(super) fn publish(&self, table: Table) {
        self.published.store(Arc::new(table));
    }

    /// Lets go of the states that were not wanted for longest, if all together take too much. They are read again
    /// when they are wanted.
    pub(super) fn evict(&self, table: &Table) {
        if let Some(mut main) = self.main.try_lock()
            && main.as_ref().is_some_and(MainBase::is_old)
        {
            *main = None;
        }
        let limit = self.options.resident_bytes_max.0 as u64;
        let weight = |universe: &super::universe::Universe| universe.weight.load(Ordering::Relaxed);
        let mut sum: u64 = table.from(0).map(|universe| weight(universe)).sum();
        if sum <= limit {
            return;
        }
        let mut oldest: Vec<_> = table.from(0).filter(|universe| weight(universe) > 0).collect();
        oldest.sort_by_key(|universe| universe.used_at());
        for universe in oldest {
            if sum <= limit {
                break;
            }
            *universe.resident.lock() = Resident::default();
            sum -= universe.weight.swap(0, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
