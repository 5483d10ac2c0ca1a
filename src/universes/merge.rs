//! Merging: what one state has becomes part of another. Pure.
//!
//! The three-way rule is that of everybody: what only one side has changed since the common state is taken from
//! there, what both have changed alike is no question, and the rest is a conflict. An object that one side fills
//! while the other makes something else of it is one conflict, at the object.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value as Json;

use super::draft::Draft;
use super::error::UniverseError;
use super::path::{FILE, JSON, shown};
use super::state::json_at;
use super::strategy::{Conflict, MergeSide, Resolution, Rules};
use crate::store::{Entry, Key, Value};
use crate::universe::Tree;

/// Conflicts that are told with what lies there.
const CONFLICTS_TOLD: usize = 100;

impl Draft {
    /// Takes over everything that `theirs` has.
    pub(super) fn overlay(&mut self, theirs: &Tree<Entry>, unite: bool) -> Result<(), UniverseError> {
        let ours = self.tree.clone();
        for difference in ours.differences(theirs) {
            let Some(entry) = difference.after else { continue };
            // An object without members takes none away.
            let below = [difference.key, &b"/"[..]].concat();
            if is_empty_object(difference.key, entry) && self.any(&below) {
                continue;
            }
            let united = difference.before.filter(|_| unite).and_then(|before| united(before, entry));
            let value = united.unwrap_or_else(|| entry.value.clone());
            self.clear_around(difference.key);
            self.put(difference.key.clone(), value, entry.expires_at)?;
        }
        Ok(())
    }

    /// Merges what `theirs` has changed since `base`.
    pub(super) fn merge_three_way(
        &mut self,
        base: &Tree<Entry>,
        theirs: &Tree<Entry>,
        rules: &Rules,
    ) -> Result<(), UniverseError> {
        let ours = self.tree.clone();
        let mut conflicts = BTreeSet::new();
        let (mut put, mut taken) = (Vec::new(), Vec::new());
        for change in base.differences(theirs) {
            let here = ours.get(change.key);
            if same(here, change.before) {
                match change.after {
                    Some(entry) => put.push((change.key, entry)),
                    None => taken.push(change.key),
                }
            } else if !same(here, change.after) {
                // Where this side has made something else of an object, the conflict is about the object.
                let leaf =
                    |above: &&[u8]| ours.get(above).is_some_and(|entry| !is_empty_object(above, entry));
                let place = above(change.key).find(leaf).map_or_else(|| change.key.clone(), Key::from);
                conflicts.insert(place);
            }
        }
        taken.iter().for_each(|key| self.take(key));
        for (key, entry) in &put {
            self.put((*key).clone(), entry.value.clone(), entry.expires_at)?;
        }
        for (key, _) in put {
            conflicts.extend(self.crossing(key, &ours));
        }
        for key in taken {
            self.keep_object(key, theirs)?;
        }
        self.resolve(&outermost(conflicts), (base, &ours, theirs), rules)
    }

    /// The place where a key that was put and what was there before exclude each other. An object without
    /// members gives way.
    fn crossing(&mut self, key: &Key, ours: &Tree<Entry>) -> Option<Key> {
        if !(key.starts_with(JSON) || key.starts_with(FILE)) {
            return None;
        }
        for above in above(key) {
            match self.tree.get(above) {
                Some(entry) if is_empty_object(above, entry) => self.take(above),
                Some(_) => return Some(above.into()),
                None => {}
            }
        }
        let below = [key, &b"/"[..]].concat();
        if !self.any(&below) {
            return None;
        }
        if self.tree.get(key).is_some_and(|entry| is_empty_object(key, entry)) {
            self.take(key);
            return None;
        }
        (ours.prefix_len(&below) > 0).then(|| key.clone())
    }

    /// Objects whose last member went are still there, if the other side has them.
    fn keep_object(&mut self, key: &Key, there: &Tree<Entry>) -> Result<(), UniverseError> {
        let objects = above(key).take_while(|above| above.starts_with(JSON));
        for object in objects {
            let below = [object, b"/"].concat();
            if self.any(&below) || self.tree.get(object).is_some() {
                break;
            }
            if there.prefix_len(&below) > 0 || there.get(object).is_some() {
                return self.put(object.into(), Value::json(*b"{}"), 0);
            }
        }
        Ok(())
    }

    fn resolve(
        &mut self,
        conflicts: &[Key],
        (base, ours, theirs): (&Tree<Entry>, &Tree<Entry>, &Tree<Entry>),
        rules: &Rules,
    ) -> Result<(), UniverseError> {
        let mut open = Vec::new();
        for key in conflicts {
            let path = shown(key);
            let resolution = rules.by_path.get(&path).cloned().or(rules.side.map(Resolution::Take));
            match resolution {
                Some(Resolution::Take(MergeSide::Ours)) => self.copy(key, ours)?,
                Some(Resolution::Take(MergeSide::Theirs)) => self.copy(key, theirs)?,
                Some(Resolution::Delete(_)) => {
                    self.copy(key, &Tree::new())?;
                    self.keep_object(key, ours)?;
                }
                Some(Resolution::Value(value)) => {
                    self.copy(key, &Tree::new())?;
                    self.put_value(key, &value)?;
                }
                // Beyond those that are shown, the paths are enough.
                None if open.len() >= CONFLICTS_TOLD => {
                    let [base, ours, theirs] = Default::default();
                    open.push(Conflict { path, base, ours, theirs });
                }
                None => {
                    let told = |tree| told(tree, key);
                    open.push(Conflict { path, base: told(base), ours: told(ours), theirs: told(theirs) });
                }
            }
        }
        if open.is_empty() { Ok(()) } else { Err(UniverseError::Conflicts(open)) }
    }

    /// Puts what a conflict was resolved with. A file is no JSON.
    fn put_value(&mut self, key: &Key, value: &Json) -> Result<(), UniverseError> {
        if key.starts_with(JSON) {
            return self.put_json(key, value);
        }
        if key.starts_with(FILE) {
            let text = format!("{} is a file: take one, or delete it", shown(key));
            return Err(UniverseError::Invalid { place: "resolutions", text });
        }
        self.put(key.clone(), Value::json(value.to_string().into_bytes()), 0)
    }

    /// Makes everything at and below a key as another state has it.
    fn copy(&mut self, key: &Key, from: &Tree<Entry>) -> Result<(), UniverseError> {
        let below = [key, &b"/"[..]].concat();
        self.take(key);
        if !key.starts_with(JSON) && !key.starts_with(FILE) {
            return from
                .get(key)
                .map_or(Ok(()), |entry| self.put(key.clone(), entry.value.clone(), entry.expires_at));
        }
        self.take_all(&below);
        let at = from.get(key).map(|entry| (&**key, entry));
        for (key, entry) in at.into_iter().chain(from.prefix(&below)) {
            self.clear_above(key);
            self.put(key.into(), entry.value.clone(), entry.expires_at)?;
        }
        self.keep_object(key, from)
    }

    /// Makes room for a key: nothing above it is a leaf, nothing lies below it.
    fn clear_around(&mut self, key: &Key) {
        if key.starts_with(JSON) || key.starts_with(FILE) {
            self.clear_above(key);
            self.take_all(&[key, &b"/"[..]].concat());
        }
    }

    fn clear_above(&mut self, key: &[u8]) {
        let leaves: Vec<&[u8]> = above(key).filter(|above| self.tree.get(above).is_some()).collect();
        leaves.into_iter().for_each(|leaf| self.take(leaf));
    }
}

/// The keys above a key of a space with paths, the nearest first.
pub(super) fn above(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let key = if key.starts_with(JSON) || key.starts_with(FILE) { key } else { &[] };
    let slashes = key.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| &key[..at]).filter(|above| above.len() > JSON.len().max(FILE.len()))
}

fn same(a: Option<&Entry>, b: Option<&Entry>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.value == b.value && a.expires_at == b.expires_at,
        _ => false,
    }
}

fn is_empty_object(key: &[u8], entry: &Entry) -> bool {
    key.starts_with(JSON) && entry.value.as_bytes() == b"{}"
}

/// Conflicts that are in no other one.
fn outermost(conflicts: BTreeSet<Key>) -> Vec<Key> {
    let inside = |key: &Key| above(key).any(|above| conflicts.contains(above));
    conflicts.iter().filter(|key| !inside(key)).cloned().collect()
}

/// Both lists, without what is in both twice. `None` if they are no lists.
fn united(ours: &Entry, theirs: &Entry) -> Option<Value> {
    let list = |entry: &Entry| serde_json::from_slice::<Vec<Json>>(entry.value.as_bytes()).ok();
    let (mut all, theirs) = (list(ours)?, list(theirs)?);
    let mut there: HashSet<String> = all.iter().map(Json::to_string).collect();
    for item in theirs {
        if there.insert(item.to_string()) {
            all.push(item);
        }
    }
    Some(Value::json(Json::from(all).to_string().into_bytes()))
}

/// What lies at a key, for people who have to decide.
fn told(tree: &Tree<Entry>, key: &[u8]) -> Json {
    let pointer = key.strip_prefix(JSON).and_then(|pointer| std::str::from_utf8(pointer).ok());
    match (pointer, tree.get(key)) {
        (Some(pointer), _) => json_at(tree, pointer).unwrap_or_default(),
        (None, Some(entry)) => value_told(entry),
        (None, None) => Json::Null,
    }
}

/// A value of its own as JSON; bytes by their length.
pub(super) fn value_told(entry: &Entry) -> Json {
    let bytes = entry.value.as_bytes();
    let json =
        || serde_json::from_slice(bytes).ok().filter(|_| entry.value.kind() == crate::store::ValueKind::Json);
    json().unwrap_or_else(|| serde_json::json!({ "bytes": bytes.len() }))
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
