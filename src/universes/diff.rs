//! What leads from one state to another.

use serde::Serialize;
use serde_json::Value as Json;

use super::Universes;
use super::error::UniverseError;
use super::merge::value_told;
use super::path::shown;
use super::universe::UniverseId;
use crate::store::Entry;
use crate::universe::{Difference, Tree};

/// One side of a comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Side {
    /// A universe as it is.
    Universe(UniverseId),
    /// A snapshot, a commit, an alias or a tag.
    Commit(String),
}

impl std::str::FromStr for Side {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Commit(text.to_owned()), Self::Universe))
    }
}

/// What two states do not have in common.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Diff {
    /// What is only in the second one.
    pub added: Vec<DiffEntry>,
    /// What is in both, and not alike.
    pub changed: Vec<DiffEntry>,
    /// What is only in the first one.
    pub deleted: Vec<DiffEntry>,
    /// How many of each there are, also those that are not listed.
    pub stats: DiffStats,
}

/// How much two states differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffStats {
    /// Paths that are only in the second one.
    pub added: u64,
    /// Paths that are in both, and not alike.
    pub changed: u64,
    /// Paths that are only in the first one.
    pub deleted: u64,
    /// Whether some of them are not listed.
    pub truncated: bool,
}

/// A path that differs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DiffEntry {
    /// The path: a JSON Pointer, a file, or a key of the application.
    pub path: String,
    /// What the first one has there, if it was asked for. Files and bytes are told by their length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Json>,
    /// What the second one has there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Json>,
}

impl Universes {
    /// What leads from one state to another: at most `limit` paths, with what lies there if it is asked for.
    ///
    /// # Errors
    /// If a side is not there, or cannot be read.
    pub fn diff(&self, from: &Side, to: &Side, limit: usize, values: bool) -> Result<Diff, UniverseError> {
        let from = self.side(from, &Tree::new())?;
        let to = self.side(to, &from)?;
        let mut diff = Diff::default();
        for difference in from.differences(&to) {
            diff.add(&difference, limit, values);
        }
        Ok(diff)
    }

    /// The state of a side, beside one that is likely to have much of it.
    pub(super) fn side(&self, side: &Side, near: &Tree<Entry>) -> Result<Tree<Entry>, UniverseError> {
        match side {
            // An alias looks like the id of a universe.
            Side::Universe(id) if self.get(*id).is_err() => match self.commit_called(&id.to_string()) {
                Ok((_, commit)) => Ok(self.shared().archive.load(commit.tree, near)?.0),
                Err(_) => Err(UniverseError::Unknown(*id)),
            },
            Side::Universe(id) => self.tree(*id),
            Side::Commit(text) => {
                let (_, commit) = self.commit_called(text)?;
                Ok(self.shared().archive.load(commit.tree, near)?.0)
            }
        }
    }
}

impl Diff {
    /// Leaves the values of the application's keys out.
    pub fn hide_keys(&mut self) {
        let all = self.added.iter_mut().chain(&mut self.changed).chain(&mut self.deleted);
        for entry in all.filter(|entry| entry.path.starts_with("kv:")) {
            (entry.before, entry.after) = (None, None);
        }
    }

    fn add(&mut self, difference: &Difference<'_, Entry>, limit: usize, values: bool) {
        let Difference { key, before, after } = difference;
        let stats = &mut self.stats;
        let (count, list) = match (before, after) {
            (None, _) => (&mut stats.added, &mut self.added),
            (_, None) => (&mut stats.deleted, &mut self.deleted),
            _ => (&mut stats.changed, &mut self.changed),
        };
        *count += 1;
        if stats.added + stats.changed + stats.deleted > limit as u64 {
            stats.truncated = true;
            return;
        }
        let told = |entry: &Option<&Entry>| entry.filter(|_| values).map(value_told);
        list.push(DiffEntry { path: shown(key), before: told(before), after: told(after) });
    }
}
