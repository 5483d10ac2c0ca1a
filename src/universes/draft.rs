//! A state that is being changed, with what it weighs. The sizes are exact and cost nothing to know: each change
//! brings its own.

use serde::{Deserialize, Serialize};

use super::error::UniverseError;
use super::path::{FILE, JSON, KV, PathError, shown, unescaped};
use crate::store::{Entry, Key, Value};
use crate::universe::Tree;

/// What a state weighs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sizes {
    /// Bytes of the JSON state as text, without space.
    pub json_bytes: u64,
    /// Bytes of all files.
    pub file_bytes: u64,
    /// Bytes of keys of the application, with their values.
    pub key_bytes: u64,
    /// Values, files and keys.
    pub entries: u64,
}

impl Sizes {
    /// Of nothing: the JSON state is `{}`.
    pub(super) const EMPTY: Self = Self { json_bytes: 2, file_bytes: 0, key_bytes: 0, entries: 0 };

    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.json_bytes + self.file_bytes + self.key_bytes
    }
}

/// How large things may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) state_bytes: usize,
    pub(super) value_bytes: usize,
    pub(super) path_bytes: usize,
}

/// A state that is being changed.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) tree: Tree<Entry>,
    pub(super) sizes: Sizes,
    /// How often something was put or taken.
    pub(super) changes: u64,
    /// What changed entries get as their version.
    version: u64,
    limits: Limits,
}

impl Draft {
    pub(super) fn new(tree: Tree<Entry>, sizes: Sizes, version: u64, limits: Limits) -> Self {
        Self { tree, sizes, changes: 0, version, limits }
    }

    /// Puts a value under a key. The same value again is no change.
    pub(super) fn put(&mut self, key: Key, value: Value, expires_at: u64) -> Result<(), UniverseError> {
        let before = self.tree.get(&key);
        if before.is_some_and(|entry| entry.value == value && entry.expires_at == expires_at) {
            return Ok(());
        }
        self.check(&key, &value)?;
        let known = before.map(|entry| entry.value.len() as u64);
        let now = value.len() as u64;
        match known {
            Some(before) => {
                let bytes = self.bytes_of(&key);
                *bytes = *bytes + now - before;
            }
            None => {
                if key.starts_with(JSON) {
                    self.member(&key, true);
                }
                let name = if key.starts_with(KV) { key.len() as u64 } else { 0 };
                *self.bytes_of(&key) += now + name;
                self.sizes.entries += 1;
            }
        }
        self.tree.insert(key, Entry { value, version: self.version, expires_at });
        self.changes += 1;
        let limit = self.limits.state_bytes;
        if self.sizes.bytes() > limit as u64 {
            return Err(UniverseError::TooLarge { what: "a universe", bytes: self.sizes.bytes(), limit });
        }
        Ok(())
    }

    /// Takes a key away, if it is there.
    pub(super) fn take(&mut self, key: &[u8]) {
        let Some(entry) = self.tree.get(key) else { return };
        let name = if key.starts_with(KV) { key.len() } else { 0 };
        let bytes = (entry.value.len() + name) as u64;
        self.tree.remove(key);
        *self.bytes_of(key) -= bytes;
        self.sizes.entries -= 1;
        self.changes += 1;
        if key.starts_with(JSON) {
            self.member(key, false);
        }
    }

    /// Takes all keys away that begin like this.
    pub(super) fn take_all(&mut self, prefix: &[u8]) {
        let keys: Vec<Key> = self.tree.prefix(prefix).map(|(key, _)| key.into()).collect();
        keys.iter().for_each(|key| self.take(key));
    }

    /// Whether any key begins like this.
    pub(super) fn any(&self, prefix: &[u8]) -> bool {
        self.tree.prefix_len(prefix) > 0
    }

    fn bytes_of(&mut self, key: &[u8]) -> &mut u64 {
        match key {
            _ if key.starts_with(JSON) => &mut self.sizes.json_bytes,
            _ if key.starts_with(FILE) => &mut self.sizes.file_bytes,
            _ => &mut self.sizes.key_bytes,
        }
    }

    /// Counts what a JSON value brings beside itself, or takes along: its name, and objects around it that are
    /// there only because of it. Called while the tree does not have it.
    fn member(&mut self, key: &[u8], comes: bool) {
        let mut bytes = 0;
        let mut at = key;
        while let Some(slash) = at[JSON.len()..].iter().rposition(|byte| *byte == b'/') {
            let step = String::from_utf8_lossy(&at[JSON.len() + slash + 1..]);
            let name = serde_json::Value::from(unescaped(&step)).to_string();
            // A colon and a comma; of the commas of an object one is too many.
            bytes += name.len() as i64 + 2;
            at = &at[..JSON.len() + slash];
            if self.any(&[at, b"/"].concat()) {
                break;
            }
            bytes -= 1;
            if slash > 0 {
                // Braces of an object that begins or ends with it.
                bytes += 2;
            }
        }
        let bytes = if comes { bytes } else { -bytes };
        self.sizes.json_bytes = self.sizes.json_bytes.saturating_add_signed(bytes);
    }

    fn check(&self, key: &[u8], value: &Value) -> Result<(), UniverseError> {
        let (bytes, limit) = (value.len(), self.limits.value_bytes);
        if bytes > limit {
            let what = if key.starts_with(FILE) { "a file" } else { "a value" };
            return Err(UniverseError::TooLarge { what, bytes: bytes as u64, limit });
        }
        let (bytes, limit) = (shown(key).len(), self.limits.path_bytes);
        if bytes > limit && !key.starts_with(KV) {
            return Err(PathError::Length { bytes, limit }.into());
        }
        Ok(())
    }
}
