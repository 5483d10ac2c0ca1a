//! Looking at universes. Everything here sees the last version that is written down; nobody waits for the thread
//! that changes them. What is not in memory is read from the disk: callers on a thread that must not wait take
//! care of that.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;

use super::Universes;
use super::commit::Commit;
use super::compat::compat_id;
use super::engine::tree_of;
use super::error::UniverseError;
use super::path::{FILE, JSON, check_pointer, file_key, shown};
use super::state::json_at;
use super::universe::{Universe, UniverseId};
use crate::store::{Entry, ObjectsStats};
use crate::universe::{ContentId, Tree};

/// A file of a universe.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FileEntry {
    /// Its path.
    pub path: String,
    /// How long it is.
    pub bytes: u64,
}

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
    /// A universe.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, id: UniverseId) -> Result<Arc<Universe>, UniverseError> {
        self.shared().published().get(id).cloned().ok_or(UniverseError::Unknown(id))
    }

    /// At most `limit` universes in the order in which they were made, from an index on.
    pub fn list(&self, from: u64, limit: usize) -> Vec<Arc<Universe>> {
        self.shared().published().from(from).take(limit).cloned().collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.shared().published().len()
    }

    /// The universes that were forked from one, at most `limit`, and how many there are.
    pub fn children(&self, id: UniverseId, limit: usize) -> (Vec<UniverseId>, usize) {
        let table = self.shared().published();
        (table.children(id).take(limit).collect(), table.children_count(id))
    }

    /// All that were forked from a universe, or from those.
    pub fn descendants(&self, id: UniverseId) -> Vec<UniverseId> {
        self.shared().published().with_descendants(id).split_off(1)
    }

    /// What lies at a JSON Pointer of the state; the empty one is the whole state.
    ///
    /// # Errors
    /// If there is no such universe, or its state cannot be read.
    pub fn state(&self, id: UniverseId, pointer: &str) -> Result<Option<Json>, UniverseError> {
        check_pointer(pointer, usize::MAX)?;
        Ok(json_at(&self.tree(id)?, pointer))
    }

    /// The files of a universe in the order of their paths, at most `limit` that begin with `prefix`, behind a path.
    ///
    /// # Errors
    /// If there is no such universe, or its state cannot be read.
    pub fn files(
        &self,
        id: UniverseId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<FileEntry>, UniverseError> {
        let (tree, prefix) = (self.tree(id)?, [FILE, prefix.as_bytes()].concat());
        let start = if after.is_empty() { prefix.clone() } else { [FILE, after.as_bytes(), b"\0"].concat() };
        let fitting =
            tree.range_from(start.as_slice().max(&prefix)).take_while(|(key, _)| key.starts_with(&prefix));
        let entry =
            |(key, entry): (&[u8], &Entry)| FileEntry { path: shown(key), bytes: entry.value.len() as u64 };
        Ok(fitting.take(limit).map(entry).collect())
    }

    /// What is in a file; `None` if there is no such file.
    ///
    /// # Errors
    /// If there is no such universe, the path is wrong, or its state cannot be read.
    pub fn file(&self, id: UniverseId, path: &str) -> Result<Option<Vec<u8>>, UniverseError> {
        let key = file_key(path, usize::MAX)?;
        Ok(self.tree(id)?.get(&key).map(|entry| entry.value.as_bytes().to_vec()))
    }

    /// The id that the existing engine gives to the files of a universe.
    ///
    /// # Errors
    /// If there is no such universe, or its state cannot be read.
    pub fn compat_id(&self, id: UniverseId) -> Result<ContentId, UniverseError> {
        Ok(compat_id(&self.tree(id)?))
    }

    /// The last commits of a universe, the last first, at most `limit`. Of a merge, the history of the target is
    /// followed.
    ///
    /// # Errors
    /// If there is no such universe, or the history cannot be read.
    pub fn log(&self, id: UniverseId, limit: usize) -> Result<Vec<(ContentId, Commit)>, UniverseError> {
        let universe = self.get(id)?;
        self.history(universe.head.commit, limit)
    }

    /// A commit and those before it, at most `limit`.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub fn history(&self, last: ContentId, limit: usize) -> Result<Vec<(ContentId, Commit)>, UniverseError> {
        let (mut found, mut next) = (Vec::new(), Some(last));
        while let Some(id) = next.filter(|_| found.len() < limit) {
            let Some(commit) = self.shared().archive.commit(id)? else { break };
            next = commit.parents.first().copied();
            found.push((id, commit));
        }
        Ok(found)
    }

    /// What a snapshot, a commit, an alias or a tag means.
    ///
    /// # Errors
    /// If there is none, or the history cannot be read.
    pub fn commit_called(&self, text: &str) -> Result<(ContentId, Commit), UniverseError> {
        let unknown = || UniverseError::UnknownCommit(text.to_owned());
        let tag = self.shared().published().tags().get(text).copied();
        match tag {
            Some(id) => Ok((id, self.shared().archive.commit(id)?.ok_or_else(unknown)?)),
            None => self.shared().archive.commit_called(text)?.ok_or_else(unknown),
        }
    }

    /// All tags, in the order of their names, with their commits.
    pub fn tags(&self) -> Vec<(String, ContentId)> {
        let table = self.shared().published();
        table.tags().iter().map(|(name, id)| (name.clone(), *id)).collect()
    }

    /// The state of a universe, read from the disk if it is not in memory.
    pub(super) fn tree(&self, id: UniverseId) -> Result<Tree<Entry>, UniverseError> {
        let (shared, universe) = (self.shared(), self.get(id)?);
        tree_of(&shared.archive, &shared.published(), &universe, shared.store.now_ms())
    }

    /// Whether the state of a universe is in memory, so that looking at it waits for nothing.
    pub fn is_resident(&self, id: UniverseId) -> bool {
        self.get(id).is_ok_and(|universe| universe.resident.lock().tree.is_some())
    }

    /// Reads the state of a universe from what is written down, and proves every node of it.
    ///
    /// # Errors
    /// If something is missing or not as it was written.
    pub fn verify(&self, id: UniverseId) -> Result<(), UniverseError> {
        let universe = self.get(id)?;
        let (tree, _) = self.shared().archive.load(universe.head.root, &Tree::new())?;
        if tree.len() as u64 == universe.head.sizes.entries {
            return Ok(());
        }
        Err(UniverseError::Damaged(format!(
            "{id} has {} entries, not {}",
            tree.len(),
            universe.head.sizes.entries
        )))
    }

    /// The time that they go by, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.shared().store.now_ms()
    }

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

/// How deep and how wide a state is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shape {
    /// Steps to the deepest value.
    pub depth: usize,
    /// Members of all objects.
    pub keys: usize,
}

impl Universes {
    /// How deep and how wide the JSON state is.
    ///
    /// # Errors
    /// If there is no such universe, or its state cannot be read.
    pub fn shape(&self, id: UniverseId) -> Result<Shape, UniverseError> {
        let tree = self.tree(id)?;
        let (mut shape, mut before) = (Shape::default(), Vec::new());
        for (key, _) in tree.prefix(JSON) {
            let steps: Vec<&[u8]> = key[JSON.len()..].split(|byte| *byte == b'/').skip(1).collect();
            let common =
                steps.iter().zip(&before).take_while(|(a, b): &(_, &Vec<u8>)| **a == b.as_slice()).count();
            shape.keys += steps.len() - common.min(steps.len());
            shape.depth = shape.depth.max(steps.len());
            before = steps.iter().map(|step| step.to_vec()).collect();
        }
        Ok(shape)
    }
}
