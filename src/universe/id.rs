//! Ids by content: BLAKE3 over the record of a node ([`super::record`]), computed when asked for and kept with
//! the node.

use std::fmt;
use std::str::FromStr;

use blake3::Hasher;

use super::node::{Branch, Leaf, Node};
use super::record;

/// The BLAKE3 hash of some content. Its text is `blake3:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId([u8; 32]);

const SCHEME: &str = "blake3:";

impl ContentId {
    /// The id of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// An id that was written down.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an id is written blake3: and 64 hexadecimal digits")]
pub struct InvalidId;

impl FromStr for ContentId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.strip_prefix(SCHEME).ok_or(InvalidId)?.as_bytes();
        let digit = |digit: u8| (digit as char).to_digit(16).filter(|_| !digit.is_ascii_uppercase());
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return Err(InvalidId);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let (high, low) = (digit(pair[0]).ok_or(InvalidId)?, digit(pair[1]).ok_or(InvalidId)?);
            *byte = (high << 4 | low) as u8;
        }
        Ok(Self(bytes))
    }
}

/// A value that has content to make an id of.
pub trait Content {
    /// Writes the content down. Different contents must give different bytes.
    fn write_content(&self, to: &mut dyn FnMut(&[u8]));
}

impl Content for () {
    fn write_content(&self, _: &mut dyn FnMut(&[u8])) {}
}

impl Content for Vec<u8> {
    fn write_content(&self, to: &mut dyn FnMut(&[u8])) {
        to(self);
    }
}

pub(super) fn empty_id() -> ContentId {
    ContentId::of(&record::EMPTY)
}

impl<V: Content> Node<V> {
    pub(super) fn id(&self) -> ContentId {
        if let Some(id) = self.known_id() {
            return id;
        }
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

    /// The id, once those of the children are known.
    pub(super) fn compute_id(&self) -> ContentId {
        match self {
            Self::Leaf(leaf) => **leaf.id.get_or_init(|| Box::new(leaf_id(leaf))),
            Self::Branch(branch) => **branch.id.get_or_init(|| Box::new(branch_id(branch))),
        }
    }
}

impl<V> Node<V> {
    /// The id if it was asked for before.
    pub(super) fn known_id(&self) -> Option<ContentId> {
        match self {
            Self::Leaf(leaf) => leaf.id.get(),
            Self::Branch(branch) => branch.id.get(),
        }
        .map(|id| **id)
    }
}

fn leaf_id<V: Content>(leaf: &Leaf<V>) -> ContentId {
    let mut hasher = Hasher::new();
    record::write_leaf(leaf, &mut |part| {
        hasher.update(part);
    });
    ContentId(*hasher.finalize().as_bytes())
}

fn branch_id<V: Content>(branch: &Branch<V>) -> ContentId {
    // A branch of seventeen children has 571 bytes: gathered, they are hashed in one go.
    let mut bytes = Vec::with_capacity(record::BRANCH_BYTES_MAX);
    record::write_branch(branch, &mut |part| bytes.extend_from_slice(part));
    ContentId::of(&bytes)
}
