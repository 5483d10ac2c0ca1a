//! What operations did, as it is to be written.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::archive::{BY_ALIAS, BY_TREE};
use super::commit::alias;
use super::engine::{Effects, Engine, NewCommit};
use super::universe::{Head, Universe, UniverseId};
use crate::store::Entry;
use crate::universe::{ContentId, Tree};

/// What is to be written for the effects of some operations.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub(super) objects: Vec<(ContentId, Arc<[u8]>)>,
    pub(super) bytes: usize,
    pub(super) names: Vec<(Vec<u8>, ContentId)>,
    pub(super) heads: Vec<Arc<Universe>>,
    pub(super) gone: BTreeSet<UniverseId>,
    pub(super) tags: BTreeMap<String, Option<ContentId>>,
}

/// What a universe takes beside its state.
const HEAD_BYTES: u64 = 4_096;

impl Engine {
    /// What is to be written for all that was done. The ids of states are computed here, once for all operations
    /// that changed the same.
    pub(super) fn seal(&mut self) -> Sealed {
        let Effects { changed, gone, bases, commits, tags } = std::mem::take(&mut self.effects);
        let mut sealed = Sealed { gone, tags, ..Sealed::default() };
        let mut seen = HashSet::new();
        // The heads first: what is new is theirs, and what only a commit has comes on top.
        for id in changed {
            let Some(universe) = self.table.get(id) else { continue };
            let (mut root, before) = (universe.head.root, sealed.bytes);
            if let Some(tree) = universe.resident.lock().tree.as_ref() {
                root = tree.id();
                let empty = Tree::new();
                sealed.fresh(tree, bases.get(&id).unwrap_or(&empty), &mut seen);
            }
            let resident = universe.resident.lock().clone();
            let head = Head { root, ..universe.head.clone() };
            let weight = universe.weight.load(Ordering::Relaxed);
            // What was replaced does not count any more; roughly, for nobody knows who else holds it.
            let most = 2 * head.sizes.bytes() + HEAD_BYTES;
            let weight = (weight + (sealed.bytes - before) as u64).min(most);
            let universe = Universe::new(head, resident, weight, self.now_ms);
            self.table.insert(Arc::clone(&universe));
            sealed.heads.push(universe);
        }
        for NewCommit { id, commit, tree, base } in commits {
            sealed.fresh(&tree, &base, &mut seen);
            sealed.push(id, commit.write());
            sealed.names.push(([BY_TREE, commit.tree.as_bytes()].concat(), id));
            sealed.names.push(([BY_ALIAS, alias(id).as_bytes()].concat(), id));
        }
        sealed
    }
}

impl Sealed {
    fn fresh(&mut self, tree: &Tree<Entry>, base: &Tree<Entry>, seen: &mut HashSet<ContentId>) {
        if seen.contains(&tree.id()) {
            return;
        }
        tree.fresh(base, |id, record| {
            if seen.insert(id) {
                self.push(id, record);
            }
        });
    }

    fn push(&mut self, id: ContentId, object: Vec<u8>) {
        self.bytes += object.len();
        self.objects.push((id, object.into()));
    }
}
