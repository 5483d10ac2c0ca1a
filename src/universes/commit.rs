//! Commits: a state that is kept, with who made it, when, why, and from what. An object like any other: its id is
//! the hash of its text, so a history cannot be changed behind anybody's back.

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::draft::Sizes;
use crate::universe::ContentId;

/// What is said about a commit by whoever makes it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Note {
    /// Why.
    pub message: String,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether nobody has asked for it: it was needed for a fork or a merge.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

impl Note {
    /// A note for a commit that nobody has asked for.
    pub(super) fn automatic(message: &str) -> Self {
        Self { automatic: true, ..Self::message(message) }
    }

    /// A note with a message.
    pub fn message(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

/// A commit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// What this record is, and its version.
    helios: Kind,
    /// The state: the id of its content.
    #[serde(with = "super::text")]
    pub tree: ContentId,
    /// The commits before: none, one, or for a merge several.
    #[serde(with = "super::text::list")]
    pub parents: Vec<ContentId>,
    /// One more than the largest of the commits before: ancestors have smaller ones.
    pub generation: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// What the state weighs.
    pub sizes: Sizes,
    /// What was said about it.
    #[serde(flatten)]
    pub note: Note,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "commit/1")]
    Commit1,
}

impl Commit {
    /// A commit of a state after others.
    pub(super) fn new(
        tree: ContentId,
        sizes: Sizes,
        parents: &[(ContentId, u64)],
        note: Note,
        at: u64,
    ) -> Self {
        let generation = parents.iter().map(|(_, generation)| generation + 1).max().unwrap_or(0);
        let parents = parents.iter().map(|(id, _)| *id).collect();
        Self { helios: Kind::Commit1, tree, parents, generation, at, sizes, note }
    }

    /// The record.
    pub(super) fn write(&self) -> Vec<u8> {
        // Text, numbers and lists of them can always be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The commit of a record; `None` for what is no commit.
    pub(super) fn read(record: &[u8]) -> Option<Self> {
        serde_json::from_slice(record).ok()
    }
}

/// A second name of a commit, for those who want a UUID: made of its id, so that it needs no table of its own.
pub fn alias(commit: ContentId) -> Uuid {
    let bytes = commit.as_bytes();
    let mut first = [0; 16];
    first.copy_from_slice(&bytes[..16]);
    Builder::from_custom_bytes(first).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_as_it_was_written() {
        let tree = ContentId::of(b"tree");
        let first = Commit::new(tree, Sizes::EMPTY, &[], Note::message("first"), 7);
        let note = Note { author: Some("ann".into()), tags: vec!["v1".into()], ..Note::message("second") };
        let parent = ContentId::of(&first.write());
        let second = Commit::new(tree, Sizes::EMPTY, &[(parent, first.generation)], note, 8);
        for commit in [&first, &second] {
            assert_eq!(Commit::read(&commit.write()).as_ref(), Some(commit));
        }
        assert_eq!((first.generation, second.generation), (0, 1));
        assert!(Commit::read(b"{}").is_none() && Commit::read(&[1, 2]).is_none());
        assert_eq!(alias(parent).get_version_num(), 8);
    }
}
