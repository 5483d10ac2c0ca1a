//! New universes: from a state, or from another universe.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::super::commit::{Commit, Note};
use super::super::draft::{Draft, Sizes};
use super::super::engine::Engine;
use super::super::error::UniverseError;
use super::super::state::check_value;
use super::super::universe::{Head, Resident, Universe, UniverseId};
use crate::store::Entry;
use crate::universe::{ContentId, Tree};

/// What new universes are like.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Creation {
    /// How many.
    pub count: usize,
    /// The universe that they are forked from; otherwise they begin with `state`.
    pub parent: Option<UniverseId>,
    /// A snapshot, commit or tag to begin with instead of the last state of the parent.
    pub at: Option<String>,
    /// Whether the state of the parent is left out.
    pub empty: bool,
    /// The state to begin with; of a fork, a merge patch of what it begins with.
    pub state: Map<String, Json>,
    /// A name for people.
    pub name: Option<String>,
    /// What they are for, in a word.
    pub kind: Option<String>,
    /// What the application keeps with each.
    pub metadata: Map<String, Json>,
    /// Whether the metadata of the parent comes first.
    pub inherit_metadata: bool,
}

/// What the front ends of a batch find its universes by; of no meaning for their forks.
const BATCH: &str = "batchId";
const INDEX: &str = "creationIndex";

/// Bytes of what the application keeps with each universe, with its name. It is in memory for each of them.
const ABOUT_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a name, and of a type.
const NAME_BYTES_MAX: usize = 256;

fn check_about(wish: &Creation) -> Result<(), UniverseError> {
    let too_large =
        |what, bytes: usize, limit| Err(UniverseError::TooLarge { what, bytes: bytes as u64, limit });
    for (what, text) in [("a name", &wish.name), ("a type", &wish.kind)] {
        let bytes = text.as_ref().map_or(0, String::len);
        if bytes > NAME_BYTES_MAX {
            return too_large(what, bytes, NAME_BYTES_MAX);
        }
    }
    wish.metadata.values().try_for_each(|value| check_value(value, 1))?;
    let bytes = serde_json::to_vec(&wish.metadata).map_or(0, |text| text.len());
    if bytes > ABOUT_BYTES_MAX { too_large("metadata", bytes, ABOUT_BYTES_MAX) } else { Ok(()) }
}

/// The metadata of the parent, if they are wanted. With those of the fork they may be twice as long as either.
fn inherited(source: &Universe, wish: &Creation) -> Map<String, Json> {
    let mut metadata = if wish.inherit_metadata { source.head.metadata.clone() } else { Map::new() };
    metadata.remove(BATCH);
    metadata.remove(INDEX);
    if serde_json::to_vec(&metadata).map_or(0, |text| text.len()) > ABOUT_BYTES_MAX {
        metadata.clear();
    }
    metadata
}

/// What a new universe begins with.
pub(super) struct Beginning {
    pub(super) tree: Tree<Entry>,
    /// A state that is written down and has much of it.
    pub(super) base: Option<Tree<Entry>>,
    pub(super) sizes: Sizes,
    pub(super) commit: (ContentId, u64),
    pub(super) committed: (ContentId, Tree<Entry>),
    pub(super) metadata: Map<String, Json>,
    pub(super) kind: String,
    pub(super) keys_base: Option<ContentId>,
}

impl Engine {
    /// Makes universes. All of them have the same beginning, and share it.
    pub(in super::super) fn create(&mut self, wish: Creation) -> Result<Vec<UniverseId>, UniverseError> {
        self.check_count(&wish)?;
        let beginning = match wish.parent {
            None => self.begin_anew(&wish.state)?,
            Some(parent) if wish.empty => {
                let source = self.universe(parent)?;
                let metadata = inherited(&source, &wish);
                Beginning { metadata, ..self.begin_anew(&wish.state)? }
            }
            Some(parent) => self.begin_from(parent, &wish)?,
        };
        Ok(self.make_all(&beginning, &wish))
    }

    /// Whether there may be so many more.
    pub(super) fn check_count(&self, wish: &Creation) -> Result<(), UniverseError> {
        let (count, limit) = (wish.count, self.options.create_max);
        if count == 0 {
            return Err(UniverseError::Invalid { place: "count", text: "must be at least 1".to_owned() });
        }
        if count > limit {
            return Err(UniverseError::TooMany { limit });
        }
        check_about(wish)?;
        match self.options.universes_max {
            limit if self.table.len() + count > limit => Err(UniverseError::Full { limit }),
            _ => Ok(()),
        }
    }

    /// Makes universes that begin with this.
    pub(super) fn make_all(&mut self, beginning: &Beginning, wish: &Creation) -> Vec<UniverseId> {
        (0..wish.count).map(|number| self.make(beginning, wish, number)).collect()
    }

    fn begin_anew(&mut self, state: &Map<String, Json>) -> Result<Beginning, UniverseError> {
        let mut draft = Draft::new(Tree::new(), Sizes::EMPTY, self.version, self.limits());
        draft.replace(state)?;
        let (tree, sizes) = (draft.tree, draft.sizes);
        let commit = Commit::new(tree.id(), sizes, &[], Note::automatic("created"), self.now_ms);
        let committed = (commit.tree, tree.clone());
        let commit = (self.keep(commit, tree.clone(), Tree::new()), 0);
        let (metadata, kind) = (Map::new(), "default".to_owned());
        Ok(Beginning { tree, base: None, sizes, commit, committed, metadata, kind, keys_base: None })
    }

    /// A fork of a universe with changes that are not committed commits them first: every fork has a commit in
    /// common with what it was forked from.
    fn begin_from(&mut self, parent: UniverseId, wish: &Creation) -> Result<Beginning, UniverseError> {
        let mut source = self.universe(parent)?;
        let (mut tree, mut sizes) = (self.tree(&source)?, source.head.sizes);
        let mut base = self.base(parent);
        let (commit, committed);
        match &wish.at {
            Some(at) => {
                let found = self.find_commit_of(&source, at)?;
                tree = self.commit_tree(&source, &found, &tree)?;
                (sizes, base) = (found.1.sizes, Some(tree.clone()));
                (commit, committed) = ((found.0, found.1.generation), (found.1.tree, tree.clone()));
            }
            None => {
                if tree.id() != source.head.committed {
                    (source, _) = self.commit(&source, &[], Note::automatic("fork point"))?;
                }
                commit = (source.head.commit, source.head.generation);
                committed = (source.head.committed, tree.clone());
            }
        }
        if !wish.state.is_empty() {
            let mut draft = Draft::new(tree, sizes, self.version, self.limits());
            draft.merge(&wish.state)?;
            (tree, sizes) = (draft.tree, draft.sizes);
        }
        let metadata = inherited(&source, wish);
        // What main was when an earlier state was, nobody has written down.
        let keys_base = source.head.keys_base.filter(|_| wish.at.is_none());
        let kind = source.head.kind.clone();
        Ok(Beginning { tree, base, sizes, commit, committed, metadata, kind, keys_base })
    }

    fn make(&mut self, from: &Beginning, wish: &Creation, number: usize) -> UniverseId {
        let mut metadata = from.metadata.clone();
        metadata.extend(wish.metadata.clone());
        if wish.count > 1 || metadata.contains_key(BATCH) {
            metadata.insert(INDEX.to_owned(), number.into());
        }
        let id = UniverseId::generate();
        let head = Head {
            id,
            index: self.table.take_index(),
            parent: wish.parent,
            name: wish.name.clone(),
            kind: wish.kind.clone().unwrap_or_else(|| from.kind.clone()),
            metadata,
            created_at: self.now_ms,
            last_modified: self.now_ms,
            root: from.committed.0,
            sizes: from.sizes,
            commit: from.commit.0,
            generation: from.commit.1,
            committed: from.committed.0,
            origin: from.commit.0,
            snapshots: 0,
            operations: 0,
            keys_base: from.keys_base,
        };
        let resident = Resident { tree: Some(from.tree.clone()), committed: Some(from.committed.1.clone()) };
        self.put(head, resident, from.base.clone());
        id
    }

    /// Deletes a universe with all that were forked from it. Gives their ids.
    pub(in super::super) fn delete(&mut self, id: UniverseId) -> Result<Vec<UniverseId>, UniverseError> {
        self.universe(id)?;
        let gone = self.table.with_descendants(id);
        gone.iter().for_each(|id| self.remove(*id));
        Ok(gone)
    }

    /// Deletes universes that were not changed for longer than they may lie, with their descendants; those of
    /// which a descendant was changed since stay.
    pub(in super::super) fn expire(&mut self) -> usize {
        let ttl = self.options.ttl.as_ms();
        let limit = self.now_ms.saturating_sub(ttl);
        // Forks are younger than what they were forked from: from the last one back, each says that its parent stays.
        let (mut stay, mut gone) = (HashSet::new(), Vec::new());
        let all: Vec<_> = self.table.from(0).cloned().collect();
        for universe in all.iter().rev() {
            let head = &universe.head;
            if head.last_modified >= limit || stay.contains(&head.id) {
                stay.extend(head.parent);
            } else {
                gone.push(head.id);
            }
        }
        gone.iter().for_each(|id| self.remove(*id));
        gone.len()
    }
}
