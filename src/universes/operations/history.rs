//! Commits, and going back to them.

use serde::Serialize;

use super::super::commit::Note;
use super::super::engine::Engine;
use super::super::error::UniverseError;
use super::super::universe::{Head, Resident, UniverseId};
use crate::store::Entry;
use crate::universe::{ContentId, Tree};

/// A state that is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The commit.
    pub commit: ContentId,
    /// Its state.
    pub snapshot: ContentId,
    /// What is new in it.
    pub insight: Insight,
}

/// What a commit has beyond the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Insight {
    /// Nodes of the tree that the commit before does not have.
    pub added_objects: u64,
    /// Their bytes.
    pub added_bytes: u64,
    /// Bytes of values and files that are shared with the commit before.
    pub reused_bytes: u64,
    /// Values, files and keys that are not as they were.
    pub changed: u64,
}

/// Bytes of what is said about a commit.
const NOTE_BYTES_MAX: usize = 16 * 1024;

/// Names of commits.
const TAGS_MAX: usize = 10_000;

impl Insight {
    fn of(before: &Tree<Entry>, now: &Tree<Entry>, bytes: u64) -> Self {
        let mut insight = Self { reused_bytes: bytes, ..Self::default() };
        now.fresh(before, |_, record| {
            insight.added_objects += 1;
            insight.added_bytes += record.len() as u64;
        });
        for difference in before.differences(now) {
            insight.changed += 1;
            let new = difference.after.map_or(0, |entry| entry.value.len() as u64);
            insight.reused_bytes = insight.reused_bytes.saturating_sub(new);
        }
        insight
    }
}

impl Engine {
    /// Keeps the state of a universe.
    pub(in super::super) fn commit_state(
        &mut self,
        id: UniverseId,
        note: Note,
    ) -> Result<Committed, UniverseError> {
        let bytes = serde_json::to_vec(&note).map_or(0, |text| text.len());
        if bytes > NOTE_BYTES_MAX {
            let (what, bytes, limit) = ("what is said about a commit", bytes as u64, NOTE_BYTES_MAX);
            return Err(UniverseError::TooLarge { what, bytes, limit });
        }
        let universe = self.universe(id)?;
        let (before, now) = (self.committed_tree(&universe)?, self.tree(&universe)?);
        let insight = Insight::of(&before, &now, universe.head.sizes.bytes());
        let (universe, commit) = self.commit(&universe, &[], note)?;
        let head = Head { snapshots: universe.head.snapshots + 1, ..universe.head.clone() };
        let (snapshot, resident) = (head.committed, universe.resident.lock().clone());
        self.put(head, resident, None);
        Ok(Committed { commit, snapshot, insight })
    }

    /// Makes the state of a universe that of a commit. The commits stay as they are.
    pub(in super::super) fn restore(&mut self, id: UniverseId, to: &str) -> Result<ContentId, UniverseError> {
        let universe = self.universe(id)?;
        let found = self.find_commit_of(&universe, to)?;
        let (before, committed) = (self.tree(&universe)?, universe.resident.lock().committed.clone());
        let tree = self.commit_tree(&universe, &found, &before)?;
        let head = Head {
            sizes: found.1.sizes,
            last_modified: self.now_ms,
            operations: universe.head.operations + 1,
            ..universe.head.clone()
        };
        self.put(head, Resident { tree: Some(tree.clone()), committed }, Some(tree));
        Ok(found.1.tree)
    }

    /// Gives a commit a name: one that is called by something, or the last of a universe.
    pub(in super::super) fn tag(
        &mut self,
        name: &str,
        universe: Option<UniverseId>,
        at: Option<&str>,
    ) -> Result<ContentId, UniverseError> {
        let invalid = |place, text: &str| Err(UniverseError::Invalid { place, text: text.to_owned() });
        let plain = |it: char| it.is_alphanumeric() || matches!(it, '-' | '_' | '.');
        if name.is_empty() || name.len() > 128 || !name.chars().all(plain) {
            return invalid("name", "is 1 to 128 letters, digits, -, _ or .");
        }
        if uuid::Uuid::try_parse(name).is_ok() {
            return invalid("name", "looks like the id of a commit");
        }
        if self.table.tags().len() >= TAGS_MAX && !self.table.tags().contains_key(name) {
            return invalid("name", "is one too many: there are 10000 tags");
        }
        let commit = match (at, universe) {
            (Some(at), _) => self.find_commit(at)?.0,
            (None, Some(universe)) => self.universe(universe)?.head.commit,
            (None, None) => return invalid("at", "is missing, and so is universe"),
        };
        self.set_tag(name, Some(commit));
        Ok(commit)
    }

    /// Takes a name away. Says whether there was one.
    pub(in super::super) fn untag(&mut self, name: &str) -> bool {
        let there = self.table.tags().contains_key(name);
        if there {
            self.set_tag(name, None);
        }
        there
    }
}
