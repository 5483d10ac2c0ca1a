//! JSON as leaves of a tree, and back. Objects are paths, everything else is a leaf; an object without members is
//! a leaf too, so that nothing is lost.

use serde_json::{Map, Value as Json};

use super::draft::Draft;
use super::error::UniverseError;
use super::path::{JSON, escaped, json_key, unescaped};
use crate::store::{Entry, Key, Value};
use crate::universe::Tree;

/// How deep a state may be, and each of its values: a parser reads 128 levels.
const DEPTH_MAX: usize = 100;

impl Draft {
    /// Makes the state this object.
    pub(super) fn replace(&mut self, state: &Map<String, Json>) -> Result<(), UniverseError> {
        let mut wanted = Tree::new();
        let mut leaves = Vec::new();
        flatten("", state, 0, &mut leaves)?;
        for (pointer, value) in leaves {
            wanted.insert(json_key(&pointer), value);
        }
        let gone: Vec<_> = self.tree.prefix(JSON).filter(|(key, _)| wanted.get(key).is_none()).collect();
        let gone: Vec<Vec<u8>> = gone.into_iter().map(|(key, _)| key.to_vec()).collect();
        gone.iter().for_each(|key| self.take(key));
        wanted.iter().try_for_each(|(key, value)| self.put(key.into(), value.clone(), 0))
    }

    /// Changes the state by a JSON Merge Patch (RFC 7396): what is null goes, objects are gone into, everything
    /// else takes the place of what was there.
    pub(super) fn merge(&mut self, patch: &Map<String, Json>) -> Result<(), UniverseError> {
        self.merge_at("", patch, 0)
    }

    /// Puts a JSON value under a key, where nothing is.
    pub(super) fn put_json(&mut self, key: &Key, value: &Json) -> Result<(), UniverseError> {
        let pointer = String::from_utf8_lossy(key.strip_prefix(JSON).unwrap_or(key)).into_owned();
        let mut leaves = Vec::new();
        match value {
            Json::Object(members) if !members.is_empty() => flatten(&pointer, members, 1, &mut leaves)?,
            value => leaves.push((pointer, leaf(value)?)),
        }
        leaves.into_iter().try_for_each(|(pointer, value)| self.put(json_key(&pointer), value, 0))
    }

    fn merge_at(&mut self, at: &str, patch: &Map<String, Json>, depth: usize) -> Result<(), UniverseError> {
        check_depth(depth)?;
        for (name, value) in patch {
            let pointer = format!("{at}/{}", escaped(name));
            let (key, below) = (json_key(&pointer), json_key(&format!("{pointer}/")));
            match value {
                Json::Null => {
                    self.take(&key);
                    self.take_all(&below);
                }
                Json::Object(members) => {
                    // An object without members is a leaf, and any other leaf goes.
                    self.take(&key);
                    self.merge_at(&pointer, members, depth + 1)?;
                    if !self.any(&below) {
                        self.put(key, Value::json(*b"{}"), 0)?;
                    }
                }
                value => {
                    self.take_all(&below);
                    self.put(key, leaf(value)?, 0)?;
                }
            }
        }
        Ok(())
    }
}

/// A value that is no object, or an object without members. What is too deep could not be read back.
fn leaf(value: &Json) -> Result<Value, UniverseError> {
    check_value(value, 0)?;
    Ok(Value::json(value.to_string().into_bytes()))
}

/// Whether a value is not too deep to be written and read.
pub(super) fn check_value(value: &Json, depth: usize) -> Result<(), UniverseError> {
    check_depth(depth)?;
    match value {
        Json::Array(items) => items.iter().try_for_each(|item| check_value(item, depth + 1)),
        Json::Object(members) => members.values().try_for_each(|member| check_value(member, depth + 1)),
        _ => Ok(()),
    }
}

fn check_depth(depth: usize) -> Result<(), UniverseError> {
    if depth < DEPTH_MAX {
        return Ok(());
    }
    Err(UniverseError::Invalid {
        place: "state",
        text: format!("has more than {DEPTH_MAX} levels in each other"),
    })
}

fn flatten(
    at: &str,
    object: &Map<String, Json>,
    depth: usize,
    to: &mut Vec<(String, Value)>,
) -> Result<(), UniverseError> {
    check_depth(depth)?;
    for (name, value) in object {
        let pointer = format!("{at}/{}", escaped(name));
        match value {
            Json::Object(members) if !members.is_empty() => flatten(&pointer, members, depth + 1, to)?,
            value => to.push((pointer, leaf(value)?)),
        }
    }
    Ok(())
}

/// What lies at a pointer, as JSON; `None` if nothing does. The empty pointer is the whole state.
pub(super) fn json_at(tree: &Tree<Entry>, pointer: &str) -> Option<Json> {
    if let Some(entry) = tree.get(&json_key(pointer)) {
        return Some(parsed(entry));
    }
    let below = [JSON, pointer.as_bytes(), b"/"].concat();
    let mut object = Map::new();
    for (key, entry) in tree.prefix(&below) {
        let path = String::from_utf8_lossy(&key[below.len()..]);
        let steps: Vec<_> = path.split('/').map(unescaped).collect();
        put_member(&mut object, &steps, parsed(entry));
    }
    (pointer.is_empty() || !object.is_empty()).then_some(Json::Object(object))
}

/// Puts a value where steps lead, through objects that are made on the way.
fn put_member(object: &mut Map<String, Json>, steps: &[String], value: Json) {
    match steps {
        [] => {}
        [last] => drop(object.insert(last.clone(), value)),
        [first, rest @ ..] => {
            let member = object.entry(first.as_str()).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(members) = member {
                put_member(members, rest, value);
            }
        }
    }
}

fn parsed(entry: &Entry) -> Json {
    serde_json::from_slice(entry.value.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
