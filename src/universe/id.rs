//! Ids by content: BLAKE3 over what a node holds, computed when asked for and kept with the node.

use std::fmt;

use blake3::Hasher;

use super::node::{Branch, Leaf, Node};

/// The BLAKE3 hash of some content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId([u8; 32]);

impl ContentId {
    /// The hash itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("blake3:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value that has content to make an id of.
pub trait Content {
    /// Gives the content to the hash. Different contents must give different bytes.
    fn hash_content(&self, hasher: &mut Hasher);
}

impl Content for () {
    fn hash_content(&self, _: &mut Hasher) {}
}

impl Content for Vec<u8> {
    fn hash_content(&self, hasher: &mut Hasher) {
        hasher.update(self);
    }
}

/// What kind of node is hashed, so that none can pass for another. Part of every id: changing one changes all.
const EMPTY: u8 = 0;
const LEAF: u8 = 1;
const BRANCH: u8 = 2;

pub(super) fn empty_id() -> ContentId {
    ContentId(*blake3::hash(&[EMPTY]).as_bytes())
}

impl<V: Content> Node<V> {
    pub(super) fn id(&self) -> ContentId {
        // Children before parents, on a stack of our own: trees may be as deep as keys are long.
        let mut waiting = vec![self];
        while let Some(node) = waiting.last() {
            let known = waiting.len();
            if let Self::Branch(branch) = node
                && branch.id.get().is_none()
            {
                waiting.extend(branch.children.iter().filter(|child| child.known_id().is_none()));
            }
            if waiting.len() == known
                && let Some(node) = waiting.pop()
            {
                node.compute_id();
            }
        }
        self.compute_id()
    }

    fn known_id(&self) -> Option<ContentId> {
        match self {
            Self::Leaf(leaf) => leaf.id.get(),
            Self::Branch(branch) => branch.id.get(),
        }
        .map(|id| **id)
    }

    /// The id, once those of the children are known.
    fn compute_id(&self) -> ContentId {
        match self {
            Self::Leaf(leaf) => **leaf.id.get_or_init(|| Box::new(leaf_id(leaf))),
            Self::Branch(branch) => **branch.id.get_or_init(|| Box::new(branch_id(branch))),
        }
    }
}

fn leaf_id<V: Content>(leaf: &Leaf<V>) -> ContentId {
    let mut hasher = Hasher::new();
    hasher.update(&[LEAF]).update(&(leaf.key.len() as u64).to_le_bytes()).update(&leaf.key);
    leaf.value.hash_content(&mut hasher);
    ContentId(*hasher.finalize().as_bytes())
}

fn branch_id<V: Content>(branch: &Branch<V>) -> ContentId {
    let mut hasher = Hasher::new();
    hasher.update(&[BRANCH]).update(&(branch.at as u64).to_le_bytes());
    for (slot, child) in branch.slots() {
        hasher.update(&[slot as u8]).update(child.compute_id().as_bytes());
    }
    ContentId(*hasher.finalize().as_bytes())
}
