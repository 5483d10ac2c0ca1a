//! What a tree is made of: leaves with whole keys, and branches where keys begin to differ.
//!
//! Keys are read as nibbles (half bytes). A branch names the first nibble at which the keys below it differ
//! and has one child for each value there; slot 0 is for a key that ends before. No branch has fewer than
//! two children, so the shape follows from the set of keys alone, whatever the order in which they came.

use std::mem;
use std::sync::{Arc, OnceLock};

use super::id::ContentId;

/// A leaf or a branch.
pub(super) enum Node<V> {
    Leaf(Arc<Leaf<V>>),
    Branch(Arc<Branch<V>>),
}

/// One key and its value.
pub(super) struct Leaf<V> {
    pub(super) key: Arc<[u8]>,
    pub(super) value: V,
    pub(super) id: OnceLock<Box<ContentId>>,
}

/// Two to seventeen children whose keys are equal before nibble `at`.
pub(super) struct Branch<V> {
    /// The nibble at which the children differ.
    pub(super) at: usize,
    /// Keys below.
    pub(super) len: usize,
    /// One bit for each child: bit 0 for the key that ends here, bit n + 1 for nibble n.
    slots: u32,
    /// In the order of their slots.
    pub(super) children: Vec<Node<V>>,
    pub(super) id: OnceLock<Box<ContentId>>,
}

/// The slot of a key in a branch at nibble `at`.
pub(super) fn slot(key: &[u8], at: usize) -> u32 {
    match key.get(at / 2) {
        None => 0,
        Some(byte) if at.is_multiple_of(2) => u32::from(byte >> 4) + 1,
        Some(byte) => u32::from(byte & 15) + 1,
    }
}

/// The first nibble at which two keys differ; `None` if they are equal.
pub(super) fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    match (a.get(same), b.get(same)) {
        (None, None) => None,
        (Some(a), Some(b)) if a >> 4 == b >> 4 => Some(2 * same + 1),
        _ => Some(2 * same),
    }
}

impl<V> Node<V> {
    pub(super) fn leaf(key: Arc<[u8]>, value: V) -> Self {
        Self::Leaf(Arc::new(Leaf { key, value, id: OnceLock::new() }))
    }

    /// Keys at and below this node.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(_) => 1,
            Self::Branch(branch) => branch.len,
        }
    }

    /// The nibble at which the keys below differ; for a leaf, behind every nibble.
    pub(super) fn at(&self) -> usize {
        match self {
            Self::Leaf(_) => usize::MAX,
            Self::Branch(branch) => branch.at,
        }
    }

    /// Some leaf at or below this node. All agree before [`Node::at`].
    pub(super) fn any(&self) -> &Leaf<V> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(leaf) => return leaf,
                Self::Branch(branch) => node = &branch.children[0],
            }
        }
    }

    /// The leaf that shares as many nibbles with `key` as any below this node.
    pub(super) fn nearest(&self, key: &[u8]) -> &Leaf<V> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(leaf) => return leaf,
                Self::Branch(branch) => {
                    // Any child will do once the key has left the tree: all agree up to here.
                    let index = branch.index_of(slot(key, branch.at)).unwrap_or(0);
                    node = &branch.children[index];
                }
            }
        }
    }
}

impl<V> Branch<V> {
    /// A branch of two nodes that differ at nibble `at`.
    pub(super) fn of_two(at: usize, (a_slot, a): (u32, Node<V>), (b_slot, b): (u32, Node<V>)) -> Self {
        let (len, slots) = (a.len() + b.len(), 1 << a_slot | 1 << b_slot);
        let children = if a_slot < b_slot { vec![a, b] } else { vec![b, a] };
        Self { at, len, slots, children, id: OnceLock::new() }
    }

    /// A branch of nodes in the order of their slots.
    pub(super) fn of_many(at: usize, children: Vec<(u32, Node<V>)>, id: OnceLock<Box<ContentId>>) -> Self {
        let slots = children.iter().fold(0, |slots, (slot, _)| slots | 1 << slot);
        let len = children.iter().map(|(_, child)| child.len()).sum();
        Self { at, len, slots, children: children.into_iter().map(|(_, child)| child).collect(), id }
    }

    /// Where the child of a slot is, if there is one.
    pub(super) fn index_of(&self, slot: u32) -> Option<usize> {
        (self.slots & 1 << slot != 0).then(|| self.index_at(slot))
    }

    /// Where the child of a slot is, or would be.
    pub(super) fn index_at(&self, slot: u32) -> usize {
        (self.slots & ((1 << slot) - 1)).count_ones() as usize
    }

    pub(super) fn add(&mut self, slot: u32, child: Node<V>) {
        let index = self.index_at(slot);
        self.slots |= 1 << slot;
        // Most branches stay small; doubling would waste more than it saves.
        self.children.reserve_exact(1);
        self.children.insert(index, child);
    }

    pub(super) fn take(&mut self, slot: u32) {
        let index = self.index_at(slot);
        self.slots &= !(1 << slot);
        self.children.remove(index);
    }

    /// The slots that are taken, in order, each with its child.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, &Node<V>)> {
        (0..17).filter(|slot| self.slots & 1 << slot != 0).zip(&self.children)
    }
}

impl<V> Clone for Node<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
            Self::Branch(branch) => Self::Branch(Arc::clone(branch)),
        }
    }
}

impl<V> Clone for Branch<V> {
    /// For a change: the copy forgets its id.
    fn clone(&self) -> Self {
        let (at, len, slots) = (self.at, self.len, self.slots);
        Self { at, len, slots, children: self.children.clone(), id: OnceLock::new() }
    }
}

impl<V> Drop for Branch<V> {
    /// One after the other and not one inside the other: long keys that begin each other make a tree as
    /// deep as they are long, and the stack of the last reader may be short.
    fn drop(&mut self) {
        let mut waiting = mem::take(&mut self.children);
        while let Some(node) = waiting.pop() {
            if let Node::Branch(branch) = node
                && let Some(mut last) = Arc::into_inner(branch)
            {
                waiting.append(&mut last.children);
            }
        }
    }
}
