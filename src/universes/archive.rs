//! Everything that is not in a head: nodes and commits, in the object store or on their way there.

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::commit::Commit;
use super::error::UniverseError;
use crate::store::{Entry, Objects};
use crate::universe::{ContentId, Tree};

/// Names in the object store: the last commit of a state, and a commit by its other name.
pub(super) const BY_TREE: &[u8] = b"tree:";
pub(super) const BY_ALIAS: &[u8] = b"alias:";

/// Objects that are in the log of the store and not in the object store yet.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// Each with the number of the journal entry that has it; of several, the last.
    pub(super) objects: HashMap<ContentId, (u64, Arc<[u8]>)>,
    /// Names that come with them.
    pub(super) names: HashMap<Vec<u8>, (u64, ContentId)>,
    pub(super) bytes: usize,
}

impl Overlay {
    pub(super) fn insert(&mut self, number: u64, id: ContentId, object: Arc<[u8]>) {
        let bytes = object.len();
        match self.objects.insert(id, (number, object)) {
            Some(_) => {}
            None => self.bytes += bytes,
        }
    }

    /// Forgets what came with entries up to this one.
    pub(super) fn forget(&mut self, up_to: u64) {
        let bytes = &mut self.bytes;
        self.objects.retain(|_, (number, object)| {
            let stays = *number > up_to;
            if !stays {
                *bytes -= object.len();
            }
            stays
        });
        self.names.retain(|_, (number, _)| *number > up_to);
    }
}

/// Nodes and commits.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) objects: Objects,
    pub(super) overlay: RwLock<Overlay>,
    /// Held while objects are moved to the object store, or swept out of it.
    pub(super) moving: Mutex<()>,
    /// States that are about to be referred to: a sweep leaves them alone.
    pub(super) pinned: Mutex<Vec<ContentId>>,
}

impl Archive {
    pub(super) fn new(objects: Objects) -> Self {
        let (overlay, moving, pinned) = Default::default();
        Self { objects, overlay, moving, pinned }
    }

    /// An object that something refers to.
    pub(super) fn fetch(&self, id: ContentId) -> Result<Arc<[u8]>, UniverseError> {
        if let Some((_, object)) = self.overlay.read().objects.get(&id) {
            return Ok(Arc::clone(object));
        }
        Ok(self.objects.get(id)?)
    }

    fn find(&self, id: ContentId) -> Result<Option<Arc<[u8]>>, UniverseError> {
        if let Some((_, object)) = self.overlay.read().objects.get(&id) {
            return Ok(Some(Arc::clone(object)));
        }
        Ok(self.objects.find(id)?)
    }

    /// A state by its content, beside one that is likely to have much of it. Also the bytes that were read.
    pub(super) fn load(
        &self,
        id: ContentId,
        near: &Tree<Entry>,
    ) -> Result<(Tree<Entry>, u64), UniverseError> {
        let mut bytes = 0;
        let tree = Tree::load(id, near, |id| {
            let object = self.fetch(id)?;
            bytes += object.len() as u64;
            Ok::<_, UniverseError>(object)
        })?;
        Ok((tree, bytes))
    }

    /// A commit, if there is one with this id and history goes back to it.
    pub(super) fn commit(&self, id: ContentId) -> Result<Option<Commit>, UniverseError> {
        Ok(self.find(id)?.and_then(|record| Commit::read(&record)))
    }

    /// The commit that something is called by: its id, its alias, or the id of its state.
    pub(super) fn commit_called(&self, text: &str) -> Result<Option<(ContentId, Commit)>, UniverseError> {
        if let Ok(id) = text.parse::<ContentId>() {
            if let Some(commit) = self.commit(id)? {
                return Ok(Some((id, commit)));
            }
            return self.commit_named(&[BY_TREE, id.as_bytes()].concat());
        }
        match uuid::Uuid::try_parse(text) {
            Ok(alias) => self.commit_named(&[BY_ALIAS, alias.as_bytes()].concat()),
            Err(_) => Ok(None),
        }
    }

    fn commit_named(&self, name: &[u8]) -> Result<Option<(ContentId, Commit)>, UniverseError> {
        let known = self.overlay.read().names.get(name).map(|(_, id)| *id);
        let id = match known {
            Some(id) => Some(id),
            None => self.objects.named(name)?.and_then(|id| Some(ContentId::from_bytes(id.try_into().ok()?))),
        };
        let Some(id) = id else { return Ok(None) };
        Ok(self.commit(id)?.map(|commit| (id, commit)))
    }
}

/// The nearest commit that two have come from; `None` if they have come from different beginnings. Where history was
/// cut off before they meet, nobody can say.
pub(super) fn common(
    a: ContentId,
    b: ContentId,
    commit: impl Fn(ContentId) -> Result<Option<Commit>, UniverseError>,
) -> Result<Option<(ContentId, Commit)>, UniverseError> {
    let generation = |id| Ok::<_, UniverseError>(commit(id)?.map_or(0, |commit| commit.generation));
    let mut cut = false;
    let mut seen: [HashSet<ContentId>; 2] = Default::default();
    let mut waiting = BinaryHeap::from([(generation(a)?, a, 0), (generation(b)?, b, 1)]);
    // From the youngest back: what both have come to first is the nearest.
    while let Some((_, id, side)) = waiting.pop() {
        if !seen[side].insert(id) {
            continue;
        }
        let Some(found) = commit(id)? else {
            cut = true;
            continue;
        };
        if seen[1 - side].contains(&id) {
            return Ok(Some((id, found)));
        }
        for parent in found.parents {
            waiting.push((generation(parent)?, parent, side));
        }
    }
    if cut {
        let text = "the history does not go back to a common state any more: merge by union or replace";
        return Err(UniverseError::Invalid { place: "strategy", text: text.to_owned() });
    }
    Ok(None)
}
