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
use crate::store::Entry;
use crate::universe::{ContentId, Tree};

/// A file of a universe.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FileEntry {
    /// Its path.
    pub path: String,
    /// How long it is.
    pub bytes: u64,
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
        self.state_at(id, None, pointer)
    }

    /// The same of an earlier state, if a snapshot, commit, alias or tag is given.
    ///
    /// # Errors
    /// If there is no such universe or commit, or its state cannot be read.
    pub fn state_at(
        &self,
        id: UniverseId,
        at: Option<&str>,
        pointer: &str,
    ) -> Result<Option<Json>, UniverseError> {
        check_pointer(pointer, usize::MAX)?;
        Ok(json_at(&self.tree_at(id, at)?, pointer))
    }

    /// The files of a universe, or of an earlier state, in the order of their paths: at most `limit` that begin with
    /// `prefix`, behind a path.
    ///
    /// # Errors
    /// If there is no such universe, or its state cannot be read.
    pub fn files(
        &self,
        id: UniverseId,
        at: Option<&str>,
        [prefix, after]: [&str; 2],
        limit: usize,
    ) -> Result<Vec<FileEntry>, UniverseError> {
        let (tree, prefix) = (self.tree_at(id, at)?, [FILE, prefix.as_bytes()].concat());
        let start = if after.is_empty() { prefix.clone() } else { [FILE, after.as_bytes(), b"\0"].concat() };
        let fitting =
            tree.range_from(start.as_slice().max(&prefix)).take_while(|(key, _)| key.starts_with(&prefix));
        let entry =
            |(key, entry): (&[u8], &Entry)| FileEntry { path: shown(key), bytes: entry.value.len() as u64 };
        Ok(fitting.take(limit).map(entry).collect())
    }

    /// What is in a file, now or in an earlier state; `None` if there is no such file.
    ///
    /// # Errors
    /// If there is no such universe, the path is wrong, or its state cannot be read.
    pub fn file(
        &self,
        id: UniverseId,
        at: Option<&str>,
        path: &str,
    ) -> Result<Option<Vec<u8>>, UniverseError> {
        let key = file_key(path, usize::MAX)?;
        Ok(self.tree_at(id, at)?.get(&key).map(|entry| entry.value.as_bytes().to_vec()))
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

    fn tree_at(&self, id: UniverseId, at: Option<&str>) -> Result<Tree<Entry>, UniverseError> {
        let tree = self.tree(id)?;
        match at {
            None => Ok(tree),
            Some(at) => Ok(self.shared().archive.load(self.commit_called(at)?.1.tree, &tree)?.0),
        }
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
