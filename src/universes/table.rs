//! All universes, in one version. Persistent, as everything here: readers have a version, the writer makes the
//! next one, and what fails is simply not published.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::universe::{Universe, UniverseId};
use crate::universe::{ContentId, Tree};

/// A version of all universes.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    universes: Tree<Arc<Universe>>,
    /// Index and id, so that they are listed as they were made.
    order: Tree<()>,
    /// Id of the parent, index, id.
    children: Tree<()>,
    tags: Arc<BTreeMap<String, ContentId>>,
    next_index: u64,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.universes.len()
    }

    pub(super) fn get(&self, id: UniverseId) -> Option<&Arc<Universe>> {
        self.universes.get(id.as_bytes())
    }

    /// The index of the next universe that is made.
    pub(super) fn take_index(&mut self) -> u64 {
        self.next_index += 1;
        self.next_index
    }

    pub(super) fn insert(&mut self, universe: Arc<Universe>) {
        let head = &universe.head;
        let (id, index) = (head.id, head.index.to_be_bytes());
        if self.universes.get(id.as_bytes()).is_none() {
            self.order.insert([&index[..], id.as_bytes()].concat(), ());
            if let Some(parent) = head.parent {
                self.children.insert([&parent.as_bytes()[..], &index, id.as_bytes()].concat(), ());
            }
            self.next_index = self.next_index.max(head.index);
        }
        self.universes.insert(&id.as_bytes()[..], universe);
    }

    pub(super) fn remove(&mut self, id: UniverseId) {
        let Some(universe) = self.universes.get(id.as_bytes()) else { return };
        let (index, parent) = (universe.head.index.to_be_bytes(), universe.head.parent);
        self.order.remove(&[&index[..], id.as_bytes()].concat());
        if let Some(parent) = parent {
            self.children.remove(&[&parent.as_bytes()[..], &index, id.as_bytes()].concat());
        }
        self.universes.remove(id.as_bytes());
    }

    /// Universes in the order in which they were made, from an index on.
    pub(super) fn from(&self, index: u64) -> impl Iterator<Item = &Arc<Universe>> {
        self.order.range_from(&index.to_be_bytes()).filter_map(|(key, ())| self.universes.get(&key[8..]))
    }

    /// The universes that were forked from one, in the order in which they were made.
    pub(super) fn children(&self, id: UniverseId) -> impl Iterator<Item = UniverseId> {
        self.children.prefix(id.as_bytes()).filter_map(|(key, ())| UniverseId::from_slice(&key[24..]))
    }

    pub(super) fn children_count(&self, id: UniverseId) -> usize {
        self.children.prefix_len(id.as_bytes())
    }

    /// A universe and all that were forked from it or from those.
    pub(super) fn with_descendants(&self, id: UniverseId) -> Vec<UniverseId> {
        let mut all = vec![id];
        let mut next = 0;
        while let Some(id) = all.get(next).copied() {
            all.extend(self.children(id));
            next += 1;
        }
        all
    }

    pub(super) fn tags(&self) -> &BTreeMap<String, ContentId> {
        &self.tags
    }

    pub(super) fn set_tag(&mut self, name: &str, commit: Option<ContentId>) {
        let tags = Arc::make_mut(&mut self.tags);
        match commit {
            Some(commit) => tags.insert(name.to_owned(), commit),
            None => tags.remove(name),
        };
    }
}
