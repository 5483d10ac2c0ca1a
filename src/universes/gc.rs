//! Taking away what nothing refers to: states of deleted universes, and history that is older than is wanted.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;

use super::archive::BY_TREE;
use super::checkpoint::referred;
use super::commit::Commit;
use super::error::UniverseError;
use super::table::Table;
use super::writer::Writer;
use crate::store::{Amount, Objects, ObjectsError};
use crate::universe::ContentId;

/// How much history stays. What is tagged always does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// The last commits of each universe that stay; `None` is all.
    pub commits: Option<usize>,
    /// Commits that are younger than this many milliseconds stay, whatever their number.
    pub younger_than_ms: u64,
}

/// What was taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// Objects that are gone: nodes and commits.
    pub objects: u64,
    /// Their bytes on the disk.
    pub bytes: u64,
    /// Objects that stay.
    pub kept: u64,
}

impl Writer {
    /// Marks from heads, commits and tags, and takes everything else away. Operations wait meanwhile; reading goes
    /// on.
    pub(super) fn sweep(&mut self, retention: &Retention) -> Result<Swept, UniverseError> {
        self.checkpoint_now()?;
        let _moving = self.shared.archive.moving.lock();
        // What was forked last may go with this.
        *self.shared.main.lock() = None;
        // Nobody can pin anything meanwhile, for that takes what is held here; letting go must not wait.
        let pinned = self.shared.archive.pinned.lock().clone();
        // What is taken away must not be what a log that comes back refers to.
        self.shared.store.sync_blocking()?;
        let now_ms = self.shared.store.now_ms();
        let objects = &self.shared.archive.objects;
        let mut marks = Marks { objects, marked: HashSet::new(), by_tree: HashMap::new() };
        for id in &pinned {
            marks.tree(*id)?;
        }
        marks.table(&self.engine.table, retention, now_ms)?;
        let Marks { marked, by_tree, .. } = marks;
        let keep_name = |name: &[u8], id: &[u8]| {
            let commit = id.try_into().is_ok_and(|id| marked.contains(&ContentId::from_bytes(id)));
            let tree =
                name.strip_prefix(BY_TREE).and_then(|id| id.try_into().ok()).map(ContentId::from_bytes);
            commit
                && tree.is_none_or(|tree| {
                    marked.contains(&tree) || crate::universe::Tree::<()>::is_empty_id(tree)
                })
        };
        let Amount { objects: gone, bytes } = objects.sweep(|id| marked.contains(id), keep_name)?;
        // A state whose last commit is gone is still called by its id, if another commit has it.
        let named = |(tree, commit): (ContentId, ContentId)| {
            ([BY_TREE, tree.as_bytes()].concat(), commit.as_bytes().to_vec())
        };
        objects.put([], by_tree.into_iter().map(named))?;
        Ok(Swept { objects: gone, bytes, kept: marked.len() as u64 })
    }
}

/// What stays.
struct Marks<'a> {
    objects: &'a Objects,
    marked: HashSet<ContentId>,
    /// A commit of each state.
    by_tree: HashMap<ContentId, ContentId>,
}

impl Marks<'_> {
    fn table(&mut self, table: &Table, retention: &Retention, now_ms: u64) -> Result<(), ObjectsError> {
        let young = now_ms.saturating_sub(retention.younger_than_ms);
        for universe in table.from(0) {
            self.tree(universe.head.root)?;
            universe.head.keys_base.map_or(Ok(()), |id| self.tree(id))?;
            self.history(universe.head.commit, retention.commits.unwrap_or(usize::MAX), young)?;
        }
        table.tags().values().try_for_each(|id| self.history(*id, 1, u64::MAX))
    }

    /// The last commits of a history, those that are young, and their states.
    fn history(&mut self, last: ContentId, commits: usize, young: u64) -> Result<(), ObjectsError> {
        // The shortest way to a commit says what place it has.
        let mut waiting = VecDeque::from([(last, 0)]);
        let mut seen = HashSet::new();
        while let Some((id, place)) = waiting.pop_front() {
            // Where everything stays, what is marked has everything before it marked too.
            if !seen.insert(id) || (commits == usize::MAX && self.marked.contains(&id)) {
                continue;
            }
            // History ends where an earlier sweep has cut it.
            let Some(commit) = self.objects.find(id)?.and_then(|record| Commit::read(&record)) else {
                continue;
            };
            // The last commit is what everything else is counted from: it stays even if none are wanted.
            if place >= commits.max(1) && commit.at < young {
                continue;
            }
            self.marked.insert(id);
            self.by_tree.entry(commit.tree).or_insert(id);
            self.tree(commit.tree)?;
            waiting.extend(commit.parents.into_iter().map(|parent| (parent, place + 1)));
        }
        Ok(())
    }

    fn tree(&mut self, root: ContentId) -> Result<(), ObjectsError> {
        let mut waiting = vec![root];
        while let Some(id) = waiting.pop() {
            if self.marked.contains(&id) {
                continue;
            }
            if let Some(object) = self.objects.find(id)? {
                self.marked.insert(id);
                waiting.extend(referred(&object));
            }
        }
        Ok(())
    }
}
