//! Merging universes into one.

use std::collections::BTreeMap;

use super::super::commit::Note;
use super::super::engine::Engine;
use super::super::error::UniverseError;
use super::super::strategy::{MergeSide, Resolution, Strategy, rules};
use super::super::universe::{Head, UniverseId};
use crate::store::Entry;
use crate::universe::{ContentId, Tree};

/// What is merged into what, and how.
#[derive(Clone, PartialEq, Debug)]
pub struct MergeWish {
    /// The universe that changes.
    pub target: UniverseId,
    /// Those whose states it gets, one after the other.
    pub sources: Vec<UniverseId>,
    /// What is done where they differ.
    pub strategy: Strategy,
    /// Whose state stays in a conflict.
    pub on_conflict: Option<MergeSide>,
    /// How single conflicts end, by their paths.
    pub resolutions: BTreeMap<String, Resolution>,
    /// What is said about the commit.
    pub note: Note,
}

/// What a merge has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Merged {
    /// Bytes that the JSON state has grown by.
    pub size_change: i64,
    /// Values, files and keys that were put or taken away.
    pub changes: u64,
    /// The commit that it is kept in.
    pub commit: ContentId,
    /// Its state.
    pub snapshot: ContentId,
}

impl Engine {
    /// Merges the states of other universes into one, and commits the result. What is not committed is committed
    /// first, on both sides: so a merge can be undone, and the next one begins here.
    pub(in super::super) fn merge(&mut self, wish: MergeWish) -> Result<Merged, UniverseError> {
        let MergeWish { target, sources, strategy, on_conflict, resolutions, note } = wish;
        let rules = rules(strategy, on_conflict, resolutions)?;
        if sources.is_empty() {
            let text = "names at least one universe".to_owned();
            return Err(UniverseError::Invalid { place: "sourceIds", text });
        }
        if sources.contains(&target) {
            let text = "a universe is not merged into itself".to_owned();
            return Err(UniverseError::Invalid { place: "sourceIds", text });
        }
        self.clean(target)?;
        let mut universe = self.universe(target)?;
        let before = universe.head.sizes.json_bytes;
        let (mut changes, mut parents) = (0, Vec::new());
        for source in sources {
            let (theirs, base) = self.sides(target, source, strategy)?;
            let head = self.universe(source)?.head.clone();
            let mut draft = self.draft(&universe)?;
            match strategy {
                Strategy::Replace => draft.overlay(&theirs, false)?,
                Strategy::Union => draft.overlay(&theirs, true)?,
                Strategy::ThreeWay | Strategy::Theirs | Strategy::Ours => {
                    draft.merge_three_way(&base, &theirs, &rules)?;
                }
            }
            changes += draft.changes;
            parents.push((head.commit, head.generation));
            universe = self.put_draft(&universe, draft);
        }
        let (universe, commit) = self.commit(&universe, &parents, note)?;
        let head = Head { snapshots: universe.head.snapshots + 1, ..universe.head.clone() };
        let size_change = head.sizes.json_bytes as i64 - before as i64;
        let (snapshot, resident) = (head.committed, universe.resident.lock().clone());
        self.put(head, resident, None);
        Ok(Merged { size_change, changes, commit, snapshot })
    }

    /// The state of a source, and the last that it had in common with the target.
    fn sides(
        &mut self,
        target: UniverseId,
        source: UniverseId,
        strategy: Strategy,
    ) -> Result<(Tree<Entry>, Tree<Entry>), UniverseError> {
        self.clean(source)?;
        let (ours, theirs) = (self.universe(target)?, self.universe(source)?);
        let tree = self.tree(&theirs)?;
        if matches!(strategy, Strategy::Replace | Strategy::Union) {
            return Ok((tree, Tree::new()));
        }
        let base = match self.common(ours.head.commit, theirs.head.commit)? {
            Some(common) => self.commit_tree(&theirs, &common, &tree)?,
            None => Tree::new(),
        };
        Ok((tree, base))
    }

    /// Commits what is not committed.
    fn clean(&mut self, id: UniverseId) -> Result<(), UniverseError> {
        let universe = self.universe(id)?;
        if self.tree(&universe)?.id() != universe.head.committed {
            self.commit(&universe, &[], Note::automatic("before a merge"))?;
        }
        Ok(())
    }
}
