//! Keys of the application in a universe: as they were when it was forked from them, changed like those of the store,
//! and merged back in one commit of it.

use super::super::commit::{Commit, Note};
use super::super::engine::Engine;
use super::super::error::UniverseError;
use super::super::merge::value_told;
use super::super::path::{KV, shown};
use super::super::strategy::{Conflict, MergeSide, Resolution, Rules};
use super::super::universe::{Head, UniverseId};
use super::create::{Beginning, Creation};
use crate::store::{Check, Command, CommitOutcome, Condition, Entry, Expiry, Key, Store, Value, View};
use crate::universe::Tree;
use crate::universes::Sizes;

impl Engine {
    /// Makes universes that begin with the keys of the application. They are in the object store already.
    pub(in super::super) fn fork_keys(
        &mut self,
        (tree, sizes): (Tree<Entry>, Sizes),
        wish: &Creation,
    ) -> Result<Vec<UniverseId>, UniverseError> {
        self.check_count(wish)?;
        let commit = Commit::new(tree.id(), sizes, &[], Note::automatic("fork of main"), self.now_ms);
        let committed = (commit.tree, tree.clone());
        let commit = (self.keep(commit, tree.clone(), tree.clone()), 0);
        let beginning = Beginning {
            keys_base: Some(committed.0),
            base: Some(tree.clone()),
            tree,
            sizes,
            commit,
            committed,
            metadata: serde_json::Map::new(),
            kind: "main".to_owned(),
        };
        Ok(self.make_all(&beginning, wish))
    }

    /// Changes keys in a universe as the store would change its own.
    pub(in super::super) fn commit_keys(
        &mut self,
        id: UniverseId,
        commit: crate::store::Commit,
        store: &Store,
    ) -> Result<CommitOutcome, UniverseError> {
        let universe = self.universe(id)?;
        let mut draft = self.draft(&universe)?;
        let keys = draft.tree.subtree(KV);
        let view = View::of(keys.clone(), draft.sizes.key_bytes as usize, self.version - 1, self.now_ms);
        let (outcome, after) = store.rehearse(view, commit);
        let after = after.keys(KV);
        for difference in keys.differences(&after) {
            match difference.after {
                Some(entry) => draft.put(difference.key.clone(), entry.value.clone(), entry.expires_at)?,
                None => draft.take(difference.key),
            }
        }
        if draft.changes > 0 {
            self.put_draft(&universe, draft);
        }
        Ok(outcome)
    }

    /// Merges what a universe has changed of the application's keys back into them. What the store is to do is done in
    /// the commit that writes this down, and only if nobody has changed those keys meanwhile. Gives the number of
    /// changes.
    pub(in super::super) fn merge_into_main(
        &mut self,
        id: UniverseId,
        rules: &Rules,
        view: &View,
    ) -> Result<usize, UniverseError> {
        let universe = self.universe(id)?;
        let theirs = self.tree(&universe)?.subtree(KV);
        let Some(base) = universe.head.keys_base else {
            let text = format!("{id} was not forked from main");
            return Err(UniverseError::Invalid { place: "sources", text });
        };
        let (base, _) = self.archive.load(base, &theirs)?;
        let (mut conflicts, mut changes) = (Vec::new(), 0);
        for change in base.differences(&theirs) {
            let alive = |entry: Option<&Entry>| entry.filter(|entry| !entry.expired(self.now_ms)).cloned();
            let (before, after) = (alive(change.before), alive(change.after));
            let here = view.get(change.key);
            let command = if same(here, before.as_ref()) {
                Some(becomes(change.key, after.as_ref()))
            } else if same(here, after.as_ref()) {
                None
            } else {
                let path = shown(change.key);
                let told = |entry: Option<&Entry>| entry.map(value_told).unwrap_or_default();
                match rules.by_path.get(&path).cloned().or(rules.side.map(Resolution::Take)) {
                    Some(Resolution::Take(MergeSide::Ours)) => None,
                    Some(Resolution::Take(MergeSide::Theirs)) => Some(becomes(change.key, after.as_ref())),
                    Some(Resolution::Delete(_)) => Some(becomes(change.key, None)),
                    Some(Resolution::Value(value)) => {
                        let value = Value::json(value.to_string().into_bytes());
                        Some(Command::set(change.key.clone(), value))
                    }
                    None => {
                        let (base, theirs) = (told(before.as_ref()), told(after.as_ref()));
                        conflicts.push(Conflict { path, base, ours: told(here), theirs });
                        None
                    }
                }
            };
            if let Some(command) = command {
                changes += 1;
                let condition = Condition::IfVersion(here.map_or(0, |entry| entry.version));
                self.checks.push(Check { key: change.key.clone(), condition });
                self.commands.push(command);
            }
        }
        if !conflicts.is_empty() {
            return Err(UniverseError::Conflicts(conflicts));
        }
        let (universe, _) = self.commit(&universe, &[], Note::automatic("merged into main"))?;
        let head = Head { keys_base: Some(theirs.id()), ..universe.head.clone() };
        let resident = universe.resident.lock().clone();
        self.put(head, resident, None);
        Ok(changes)
    }
}

fn becomes(key: &Key, entry: Option<&Entry>) -> Command {
    match entry {
        None => Command::delete(key.clone()),
        Some(entry) => Command::Set {
            key: key.clone(),
            value: entry.value.clone(),
            condition: Condition::Always,
            expiry: if entry.expires_at == 0 { Expiry::Never } else { Expiry::At(entry.expires_at) },
        },
    }
}

fn same(a: Option<&Entry>, b: Option<&Entry>) -> bool {
    let content = |entry: &Entry| (entry.value.clone(), entry.expires_at);
    a.map(content) == b.map(content)
}
