//! The next version of all universes while it is made: operations change it, and what they did is gathered for the
//! log. Knows no thread; reads history through the archive.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::archive::{self, Archive};
use super::commit::{Commit, Note, alias};
use super::draft::{Draft, Limits};
use super::error::UniverseError;
use super::options::UniverseOptions;
use super::table::Table;
use super::universe::{Head, Resident, Universe, UniverseId};
use crate::store::{Check, Command, Entry};
use crate::universe::{ContentId, Tree};

/// How far back a state is looked for in the history of a universe.
const HISTORY_MAX: usize = 1_000;

/// The universes while they are changed.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) table: Table,
    pub(super) archive: Arc<Archive>,
    pub(super) options: UniverseOptions,
    /// The time of the operation, in milliseconds since the Unix epoch.
    pub(super) now_ms: u64,
    /// The version that changed entries get: larger than any that there is.
    pub(super) version: u64,
    /// Changes of the application's keys, and what must hold for them.
    pub(super) commands: Vec<Command>,
    pub(super) checks: Vec<Check>,
    pub(super) effects: Effects,
}

/// What operations have done that is not in the log yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    pub(super) changed: BTreeSet<UniverseId>,
    pub(super) gone: BTreeSet<UniverseId>,
    /// States that are known to be written down, for universes whose last one is not the place to begin.
    pub(super) bases: HashMap<UniverseId, Tree<Entry>>,
    pub(super) commits: Vec<NewCommit>,
    pub(super) tags: BTreeMap<String, Option<ContentId>>,
}

/// A commit that is not in the log yet, with its state and one that is.
#[derive(Clone, Debug)]
pub(super) struct NewCommit {
    pub(super) id: ContentId,
    pub(super) commit: Arc<Commit>,
    pub(super) tree: Tree<Entry>,
    pub(super) base: Tree<Entry>,
}

impl Engine {
    pub(super) fn new(table: Table, archive: Arc<Archive>, options: UniverseOptions) -> Self {
        let (commands, checks, effects) = (Vec::new(), Vec::new(), Effects::default());
        Self { table, archive, options, now_ms: 0, version: 0, commands, checks, effects }
    }

    pub(super) fn limits(&self) -> Limits {
        let options = &self.options;
        Limits {
            state_bytes: options.state_bytes_max.0,
            value_bytes: options.value_bytes_max.0,
            path_bytes: options.path_bytes_max.0,
        }
    }

    pub(super) fn universe(&self, id: UniverseId) -> Result<Arc<Universe>, UniverseError> {
        self.table.get(id).cloned().ok_or(UniverseError::Unknown(id))
    }

    /// The state of a universe, read from the disk if it is not in memory.
    pub(super) fn tree(&self, universe: &Universe) -> Result<Tree<Entry>, UniverseError> {
        tree_of(&self.archive, &self.table, universe, self.now_ms)
    }

    /// The state of its last commit.
    pub(super) fn committed_tree(&self, universe: &Universe) -> Result<Tree<Entry>, UniverseError> {
        if let Some(tree) = universe.resident.lock().committed.clone() {
            return Ok(tree);
        }
        let near = self.tree(universe)?;
        let (tree, bytes) = self.archive.load(universe.head.committed, &near)?;
        universe.weight.fetch_add(bytes, Ordering::Relaxed);
        universe.resident.lock().committed = Some(tree.clone());
        Ok(tree)
    }

    /// A draft of the next state.
    pub(super) fn draft(&self, universe: &Universe) -> Result<Draft, UniverseError> {
        Ok(Draft::new(self.tree(universe)?, universe.head.sizes, self.version, self.limits()))
    }

    /// Puts a universe in place of what it was. `base` is a state that is written down, if it is not the last one.
    pub(super) fn put(&mut self, head: Head, resident: Resident, base: Option<Tree<Entry>>) -> Arc<Universe> {
        let id = head.id;
        let known = self.table.get(id).map(|universe| {
            let tree = universe.resident.lock().tree.clone();
            (tree, universe.weight.load(Ordering::Relaxed))
        });
        let weight = known.as_ref().map_or(0, |(_, weight)| *weight);
        if let Some(base) =
            base.or(known.and_then(|(tree, _)| tree).filter(|_| !self.effects.bases.contains_key(&id)))
        {
            self.effects.bases.insert(id, base);
        }
        self.effects.gone.remove(&id);
        self.effects.changed.insert(id);
        let universe = Universe::new(head, resident, weight, self.now_ms);
        self.table.insert(Arc::clone(&universe));
        universe
    }

    /// Puts a changed state in its place.
    pub(super) fn put_draft(&mut self, universe: &Universe, draft: Draft) -> Arc<Universe> {
        let mut head = universe.head.clone();
        head.sizes = draft.sizes;
        head.last_modified = self.now_ms;
        head.operations += 1;
        let committed = universe.resident.lock().committed.clone();
        self.put(head, Resident { tree: Some(draft.tree), committed }, None)
    }

    pub(super) fn remove(&mut self, id: UniverseId) {
        self.table.remove(id);
        self.effects.changed.remove(&id);
        self.effects.gone.insert(id);
    }

    pub(super) fn set_tag(&mut self, name: &str, commit: Option<ContentId>) {
        self.table.set_tag(name, commit);
        self.effects.tags.insert(name.to_owned(), commit);
    }

    /// Keeps the state of a universe.
    pub(super) fn commit(
        &mut self,
        universe: &Universe,
        others: &[(ContentId, u64)],
        note: Note,
    ) -> Result<(Arc<Universe>, ContentId), UniverseError> {
        let tree = self.tree(universe)?;
        let mut head = universe.head.clone();
        let mut parents = vec![(head.commit, head.generation)];
        parents.extend(others.iter().filter(|(id, _)| *id != head.commit));
        let commit = Commit::new(tree.id(), head.sizes, &parents, note, self.now_ms);
        head.committed = commit.tree;
        head.generation = commit.generation;
        head.last_modified = self.now_ms;
        head.operations += 1;
        let base = self.base(universe.head.id).unwrap_or_default();
        head.commit = self.keep(commit, tree.clone(), base);
        let id = head.commit;
        let resident = Resident { tree: Some(tree.clone()), committed: Some(tree) };
        Ok((self.put(head, resident, None), id))
    }

    /// The state that is known to be written down for a universe.
    pub(super) fn base(&self, id: UniverseId) -> Option<Tree<Entry>> {
        let known = || self.table.get(id).and_then(|universe| universe.resident.lock().tree.clone());
        self.effects.bases.get(&id).cloned().or_else(known)
    }

    /// Keeps a commit, and gives its id.
    pub(super) fn keep(&mut self, commit: Commit, tree: Tree<Entry>, base: Tree<Entry>) -> ContentId {
        let id = ContentId::of(&commit.write());
        self.effects.commits.push(NewCommit { id, commit: Arc::new(commit), tree, base });
        id
    }

    /// A commit, also one that is not in the log yet.
    pub(super) fn find_commit(&self, text: &str) -> Result<(ContentId, Commit), UniverseError> {
        if let Some(id) = self.table.tags().get(text) {
            return self.known_commit(*id).map(|commit| (*id, commit));
        }
        let fits = |new: &&NewCommit| {
            let id = text.parse().ok();
            id == Some(new.id) || id == Some(new.commit.tree) || text == alias(new.id).to_string()
        };
        if let Some(new) = self.effects.commits.iter().rev().find(fits) {
            return Ok((new.id, (*new.commit).clone()));
        }
        let found = self.archive.commit_called(text)?;
        found.ok_or_else(|| UniverseError::UnknownCommit(text.to_owned()))
    }

    fn known_commit(&self, id: ContentId) -> Result<Commit, UniverseError> {
        let new = self.effects.commits.iter().find(|new| new.id == id);
        let commit = new.map(|new| (*new.commit).clone());
        match commit {
            Some(commit) => Ok(commit),
            None => self.archive.commit(id)?.ok_or_else(|| UniverseError::UnknownCommit(id.to_string())),
        }
    }

    /// The commit that something is called by. The id of a state is first looked for in the history of a universe:
    /// others may have had the same.
    pub(super) fn find_commit_of(
        &self,
        universe: &Universe,
        text: &str,
    ) -> Result<(ContentId, Commit), UniverseError> {
        let Ok(wanted) = text.parse() else { return self.find_commit(text) };
        // Most ask for a commit by its own id, and need no walk.
        if let Ok(commit) = self.known_commit(wanted) {
            return Ok((wanted, commit));
        }
        let mut next = Some(universe.head.commit);
        for _ in 0..HISTORY_MAX {
            let Some(id) = next else { break };
            let Ok(commit) = self.known_commit(id) else { break };
            if commit.tree == wanted {
                return Ok((id, commit));
            }
            next = commit.parents.first().copied();
        }
        self.find_commit(text)
    }

    /// The state of a commit. What is read for it counts as memory of the universe that wants it.
    pub(super) fn commit_tree(
        &self,
        wanted_by: &Universe,
        (id, commit): &(ContentId, Commit),
        near: &Tree<Entry>,
    ) -> Result<Tree<Entry>, UniverseError> {
        match self.effects.commits.iter().find(|new| new.id == *id) {
            Some(new) => Ok(new.tree.clone()),
            None => {
                let (tree, bytes) = self.archive.load(commit.tree, near)?;
                wanted_by.weight.fetch_add(bytes, Ordering::Relaxed);
                Ok(tree)
            }
        }
    }

    /// The nearest commit that two have come from.
    pub(super) fn common(
        &self,
        a: ContentId,
        b: ContentId,
    ) -> Result<Option<(ContentId, Commit)>, UniverseError> {
        archive::common(a, b, |id| match self.effects.commits.iter().find(|new| new.id == id) {
            Some(new) => Ok(Some((*new.commit).clone())),
            None => self.archive.commit(id),
        })
    }

    /// How many universes have changed since the last write.
    pub(super) fn changed(&self) -> usize {
        self.effects.changed.len() + self.effects.gone.len()
    }

    /// Takes the effects so far out, to put them back if the next operation fails.
    pub(super) fn checkpoint(&self) -> (Table, Effects) {
        (self.table.clone(), self.effects.clone())
    }

    pub(super) fn back_to(&mut self, (table, effects): (Table, Effects)) {
        (self.table, self.effects) = (table, effects);
        self.commands.clear();
        self.checks.clear();
    }
}

/// The state of a universe, read from the disk if it is not in memory.
pub(super) fn tree_of(
    archive: &Archive,
    table: &Table,
    universe: &Universe,
    now_ms: u64,
) -> Result<Tree<Entry>, UniverseError> {
    universe.used(now_ms);
    if let Some(tree) = universe.resident.lock().tree.clone() {
        return Ok(tree);
    }
    // What it was forked from is likely to have most of it.
    let near = nearest(table, universe);
    let (tree, bytes) = archive.load(universe.head.root, &near)?;
    universe.weight.fetch_add(bytes, Ordering::Relaxed);
    universe.resident.lock().tree = Some(tree.clone());
    Ok(tree)
}

/// How far up a state in memory is looked for.
const ANCESTORS_MAX: usize = 16;

fn nearest(table: &Table, universe: &Universe) -> Tree<Entry> {
    let mut parent = universe.head.parent;
    for _ in 0..ANCESTORS_MAX {
        let Some(above) = parent.and_then(|id| table.get(id)) else { break };
        if let Some(tree) = above.resident.lock().tree.clone() {
            return tree;
        }
        parent = above.head.parent;
    }
    Tree::new()
}
