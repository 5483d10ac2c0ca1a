//! Universes, commits and durations as peers see them.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use crate::base::ms_text;
use crate::universe::ContentId;
use crate::universes::{Commit, Universe, UniverseId, Universes, alias};

/// What is known of a universe, under the names that existing front ends know, and ours.
pub(super) fn metadata(universes: &Universes, universe: &Universe) -> Json {
    let head = &universe.head;
    let mut object: Map<String, Json> = head.metadata.clone();
    let known = json!({
        "id": head.id,
        "parentId": head.parent,
        "createdAt": head.created_at,
        "lastModified": head.last_modified,
        "stateSize": head.sizes.json_bytes,
        "snapshotCount": head.snapshots,
        "childrenCount": universes.children(head.id, 0).1,
        "type": head.kind,
        "name": head.name,
        "snapshotId": head.root.to_string(),
        "commitId": head.commit.to_string(),
        "originId": head.origin.to_string(),
        "committed": universe.is_clean(),
        "entries": head.sizes.entries,
        "fileBytes": head.sizes.file_bytes,
        "keyBytes": head.sizes.key_bytes,
        "operations": head.operations,
    });
    if let Json::Object(known) = known {
        object.extend(known);
    }
    object.into()
}

/// A commit.
pub(super) fn commit(id: ContentId, commit: &Commit) -> Json {
    json!({
        "commitId": id.to_string(),
        "snapshotId": commit.tree.to_string(),
        "alias": alias(id),
        "parents": commit.parents.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "createdAt": commit.at,
        "message": commit.note.message,
        "author": commit.note.author,
        "name": commit.note.name,
        "description": commit.note.description,
        "tags": commit.note.tags,
        "automatic": commit.note.automatic,
        "stateSize": commit.sizes.json_bytes,
    })
}

/// A commit as existing front ends know a snapshot.
pub(super) fn snapshot(universe: UniverseId, id: ContentId, commit: &Commit) -> Json {
    json!({
        "id": commit.tree.to_string(),
        "alias": alias(id),
        "commitId": id.to_string(),
        "universeId": universe,
        "metadata": {
            "name": commit.note.name,
            "description": commit.note.description,
            "tags": commit.note.tags,
            "message": commit.note.message,
            "author": commit.note.author,
            "createdAt": commit.at,
            "stateSize": commit.sizes.json_bytes,
        },
    })
}

/// How long something took, as text for people and as a number for programs.
pub(super) fn performance(took: Duration) -> Json {
    json!({ "executionTime": ms_text(took), "executionTimeUs": took.as_micros() as u64 })
}
