//! One universe: what is written down of it, and its state if that is in memory.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::draft::Sizes;
use crate::store::Entry;
use crate::universe::{ContentId, Tree};

/// The id of a universe: a UUIDv4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UniverseId(Uuid);

impl UniverseId {
    /// A new id that nobody else has.
    pub(super) fn generate() -> Self {
        Self(Uuid::new_v4())
    }

    pub(super) fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl fmt::Display for UniverseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for UniverseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UniverseId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

/// What is written down of a universe.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// Its id.
    pub id: UniverseId,
    /// Where it stands among all, by the time it was made.
    pub index: u64,
    /// The universe that it was forked from, if any. It may be gone.
    pub parent: Option<UniverseId>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for, in a word.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the application keeps with it.
    pub metadata: Map<String, Json>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When it was changed last.
    pub last_modified: u64,
    /// The content of its state.
    #[serde(with = "super::text")]
    pub root: ContentId,
    /// What its state weighs.
    pub sizes: Sizes,
    /// Its last commit.
    #[serde(with = "super::text")]
    pub commit: ContentId,
    /// The generation of that.
    pub generation: u64,
    /// The content of the state in that.
    #[serde(with = "super::text")]
    pub committed: ContentId,
    /// The commit that it began with.
    #[serde(with = "super::text")]
    pub origin: ContentId,
    /// Commits that were asked for.
    pub snapshots: u64,
    /// Operations that changed it or kept a state of it.
    pub operations: u64,
    /// The keys of the application as they were when it was forked from them, or merged into them last.
    #[serde(with = "super::text::option", default, skip_serializing_if = "Option::is_none")]
    pub keys_base: Option<ContentId>,
}

/// The state of a universe, while it is in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Resident {
    pub(super) tree: Option<Tree<Entry>>,
    /// The state of the last commit, if it is in memory.
    pub(super) committed: Option<Tree<Entry>>,
}

/// A universe in a version of the table.
#[derive(Debug)]
pub struct Universe {
    /// What is written down.
    pub head: Head,
    pub(super) resident: Mutex<Resident>,
    /// Memory that it takes beyond what it shares, roughly.
    pub(super) weight: AtomicU64,
    /// When it was wanted last, in milliseconds since the Unix epoch.
    used_at: AtomicU64,
}

impl Universe {
    pub(super) fn new(head: Head, resident: Resident, weight: u64, now_ms: u64) -> Arc<Self> {
        let (resident, weight) = (Mutex::new(resident), AtomicU64::new(weight));
        Arc::new(Self { head, resident, weight, used_at: AtomicU64::new(now_ms) })
    }

    /// Whether its state is that of its last commit.
    pub fn is_clean(&self) -> bool {
        self.head.root == self.head.committed
    }

    /// Whether its state is, by pointer, that of its last commit.
    pub(super) fn is_shared(&self) -> bool {
        let resident = self.resident.lock();
        resident.tree.as_ref().zip(resident.committed.as_ref()).is_some_and(|(tree, kept)| tree.is_same(kept))
    }

    /// Memory that its state takes beyond what it shares, roughly.
    pub fn own_bytes(&self) -> u64 {
        self.weight.load(Ordering::Relaxed)
    }

    pub(super) fn used(&self, now_ms: u64) {
        self.used_at.store(now_ms, Ordering::Relaxed);
    }

    pub(super) fn used_at(&self) -> u64 {
        self.used_at.load(Ordering::Relaxed)
    }
}
