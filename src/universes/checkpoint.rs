//! From the log to the object store: what heads, commits and tags still refer to is written there once, and what
//! was only on the way is not written at all.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use super::archive::Archive;
use super::commit::Commit;
use super::error::UniverseError;
use super::queue::Order;
use super::shared::Shared;
use super::table::Table;
use super::universe::Head;
use crate::universe::{ContentId, children_of};

/// What is to be moved.
pub(super) struct Checkpoint {
    /// States that must be there.
    roots: Vec<ContentId>,
    /// The last journal entry that it covers.
    number: u64,
}

impl Checkpoint {
    /// Everything up to a journal entry. Only states that are new since the last one have anything to move, and
    /// those are found by looking.
    pub(super) fn of(shared: &Shared, table: &Table, number: u64) -> Self {
        let overlay = shared.archive.overlay.read();
        let of = |head: &Head| [Some(head.root), Some(head.commit), head.keys_base];
        let heads = table.from(0).flat_map(|universe| of(&universe.head)).flatten();
        let commits = overlay.names.values().map(|(_, id)| *id);
        let mut roots: Vec<_> = heads.chain(commits).filter(|id| overlay.objects.contains_key(id)).collect();
        roots.sort_unstable();
        roots.dedup();
        Self { roots, number }
    }

    /// Writes what is to be moved. Gives the last journal entry that is not needed any more.
    pub(super) fn carry_out(self, archive: &Archive) -> Result<u64, UniverseError> {
        let _moving = archive.moving.lock();
        let objects = waiting(archive, self.roots);
        let names: Vec<_> = {
            let overlay = archive.overlay.read();
            overlay.names.iter().map(|(name, (_, id))| (name.clone(), id.as_bytes().to_vec())).collect()
        };
        if !objects.is_empty() || !names.is_empty() {
            archive.objects.put(objects.iter().map(|(id, object)| (*id, &**object)), names)?;
        }
        Ok(self.number)
    }
}

/// What is on its way to the object store, of some objects and all that they refer to. What is not on its way is
/// there already, and so is everything below it.
pub(super) fn waiting(archive: &Archive, mut roots: Vec<ContentId>) -> Vec<(ContentId, Arc<[u8]>)> {
    let overlay = archive.overlay.read();
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    while let Some(id) = roots.pop() {
        let Some((_, object)) = overlay.objects.get(&id) else { continue };
        if seen.insert(id) {
            roots.extend(referred(object));
            found.push((id, Arc::clone(object)));
        }
    }
    found
}

/// What an object refers to: nodes below a node; the state and the commits before a commit.
pub(super) fn referred(object: &[u8]) -> Vec<ContentId> {
    if let Some(children) = children_of(object) {
        return children;
    }
    let commit = Commit::read(object);
    commit.map(|commit| commit.parents.into_iter().chain([commit.tree]).collect()).unwrap_or_default()
}

/// The thread that moves, so that operations need not wait for the disk twice.
pub(super) struct Checkpointer {
    orders: Option<Sender<Checkpoint>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<Self> {
        let (orders, waiting) = channel::<Checkpoint>();
        let shared = Arc::clone(shared);
        let work = move || {
            for checkpoint in waiting {
                let carried_out = catch_unwind(AssertUnwindSafe(|| checkpoint.carry_out(&shared.archive)));
                let done = carried_out.unwrap_or(Err(UniverseError::Panicked));
                // If nobody listens any more, the writer has moved it itself.
                let _ = shared.queue.push(Order::Checkpointed(done), usize::MAX);
            }
        };
        let thread = thread::Builder::new().name("universes-disk".into()).spawn(work)?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Begins a checkpoint. Says whether it did.
    pub(super) fn begin(&self, checkpoint: Checkpoint) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.send(checkpoint).is_ok())
    }

    /// Waits until what was begun is done, and ends.
    pub(super) fn end(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // How it ended does not matter: what it has not moved is moved by who waits.
            let _ = thread.join();
        }
    }
}
