//! The keys of the application as a universe: forked in the time that their changes since the last fork take, and
//! merged back in one commit of the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::archive::Archive;
use super::draft::Sizes;
use super::engine::Engine;
use super::error::UniverseError;
use super::operations::Creation;
use super::path::KV;
use super::shared::Shared;
use super::strategy::{self, Rules};
use super::{MergeSide, Resolution, Strategy, UniverseId, Universes};
use crate::store::{CommitOutcome, Entry, View};
use crate::universe::{ContentId, Tree};

/// The keys as they were forked last. They are in the object store.
#[derive(Clone, Debug)]
pub(super) struct MainBase {
    tree: Tree<Entry>,
    sizes: Sizes,
    used: Instant,
}

/// How long they are remembered: they keep in memory what has changed since.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Objects that are written at once.
const PUT_BYTES: usize = 16 << 20;

/// How often a merge is tried again because somebody was faster.
const TRIES: usize = 20;

/// A state that a sweep leaves alone until this is dropped.
#[derive(Debug)]
struct Pin(Arc<Archive>, ContentId);

impl Pin {
    fn new(archive: &Arc<Archive>, id: ContentId) -> Self {
        archive.pinned.lock().push(id);
        Self(Arc::clone(archive), id)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pinned = self.0.pinned.lock();
        if let Some(at) = pinned.iter().position(|id| *id == self.1) {
            pinned.swap_remove(at);
        }
    }
}

impl Universes {
    /// Makes universes that begin with the keys of the application as they are now. The first time all keys are written
    /// to the object store; after that, what has changed since.
    ///
    /// # Errors
    /// If there would be too many, or they cannot be written.
    pub async fn fork_main(&self, wish: Creation) -> Result<Vec<UniverseId>, UniverseError> {
        let began = Instant::now();
        let universes = self.clone();
        let written = tokio::task::spawn_blocking(move || universes.write_main()).await;
        let (tree, sizes, pin) = written.unwrap_or(Err(UniverseError::Closed))?;
        let fork = move |engine: &mut Engine| {
            // Until this is carried out nobody may take the keys away, even if nobody waits for it any more.
            let _pinned = pin;
            engine.fork_keys((tree, sizes), &wish)
        };
        let made = self.run(fork).await?;
        self.shared().events.created(made.len(), began.elapsed(), self.count());
        Ok(made)
    }

    /// Brings the keys of the application to the object store, and keeps a sweep from taking them away.
    fn write_main(&self) -> Result<(Tree<Entry>, Sizes, Pin), UniverseError> {
        let shared = self.shared();
        // No sweep may come between what is known to be there and what is added.
        let _moving = shared.archive.moving.lock();
        let tree = shared.store.view().keys(KV);
        let mut main = shared.main.lock();
        let base = main.take().unwrap_or_else(|| MainBase::new(Tree::new(), Sizes::EMPTY));
        let mut sizes = base.sizes;
        for change in base.tree.differences(&tree) {
            let bytes =
                |entry: Option<&Entry>| entry.map_or(0, |it| (it.value.len() + change.key.len()) as u64);
            sizes.key_bytes = sizes.key_bytes + bytes(change.after) - bytes(change.before);
            sizes.entries =
                sizes.entries + u64::from(change.after.is_some()) - u64::from(change.before.is_some());
        }
        let (mut batch, mut bytes, mut failed) = (Vec::new(), 0, None);
        tree.fresh(&base.tree, |id, record| {
            bytes += record.len();
            batch.push((id, record));
            if bytes > PUT_BYTES && failed.is_none() {
                failed = put(shared, std::mem::take(&mut batch)).err();
                bytes = 0;
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        put(shared, batch)?;
        let pin = Pin::new(&shared.archive, tree.id());
        *main = Some(MainBase::new(tree.clone(), sizes));
        Ok((tree, sizes, pin))
    }

    /// The keys of the application in a universe. Waits for the disk if they are not in memory.
    ///
    /// # Errors
    /// If there is no such universe, or its state cannot be read.
    pub fn keys(&self, id: UniverseId) -> Result<View, UniverseError> {
        let (store, bytes) = (&self.shared().store, self.get(id)?.head.sizes.key_bytes);
        Ok(View::of(self.tree(id)?.subtree(KV), bytes as usize, store.view().revision(), store.now_ms()))
    }

    /// Changes keys in a universe as the store would change its own: with checks, as a whole or not at all.
    ///
    /// # Errors
    /// If there is no such universe, or it cannot be written.
    pub async fn commit_keys(
        &self,
        id: UniverseId,
        commit: crate::store::Commit,
    ) -> Result<CommitOutcome, UniverseError> {
        let store = self.shared().store.clone();
        self.run(move |engine| engine.commit_keys(id, commit, &store)).await
    }

    /// Merges what a universe has changed of the application's keys back into them, in one commit of the store. Gives the
    /// number of changes.
    ///
    /// # Errors
    /// With [`UniverseError::Conflicts`] if a key was changed on both sides and nobody says what stays.
    pub async fn merge_into_main(
        &self,
        id: UniverseId,
        strategy: Strategy,
        on_conflict: Option<MergeSide>,
        resolutions: std::collections::BTreeMap<String, Resolution>,
    ) -> Result<usize, UniverseError> {
        let side = match strategy {
            Strategy::ThreeWay => on_conflict,
            Strategy::Theirs | Strategy::Replace => Some(MergeSide::Theirs),
            Strategy::Ours => Some(MergeSide::Ours),
            Strategy::Union => {
                let text = "keys are merged by three-way, theirs, ours or replace".to_owned();
                return Err(UniverseError::Invalid { place: "strategy", text });
            }
        };
        strategy::rules(strategy, on_conflict, resolutions.clone())?;
        let mut last = UniverseError::Busy;
        for _ in 0..TRIES {
            let (store, rules) = (self.shared().store.clone(), Rules { side, by_path: resolutions.clone() });
            let merge = move |engine: &mut Engine| engine.merge_into_main(id, &rules, &store.view());
            match self.order(true, merge).await {
                // Somebody was faster: it is looked at again.
                Err(error @ UniverseError::Version { .. }) => last = error,
                done => return done,
            }
        }
        Err(last)
    }
}

impl MainBase {
    fn new(tree: Tree<Entry>, sizes: Sizes) -> Self {
        Self { tree, sizes, used: Instant::now() }
    }

    /// Whether nobody has forked it for long.
    pub(super) fn is_old(&self) -> bool {
        self.used.elapsed() > REMEMBERED
    }
}

fn put(shared: &Shared, batch: Vec<(ContentId, Vec<u8>)>) -> Result<(), UniverseError> {
    shared.archive.objects.put(batch.iter().map(|(id, record)| (*id, record.as_slice())), [])?;
    Ok(())
}
