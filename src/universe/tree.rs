//! The map itself.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::id::{Content, ContentId, empty_id};
use super::iterate::{self, Entries};
use super::node::{Branch, Node, first_difference, slot};

/// A persistent ordered map from bytes to `V`.
///
/// Clones cost nothing and share all nodes. A change copies the nodes from the root to the key, unless no
/// other version holds them; other versions never see it. Keys are ordered by their bytes. Two trees with
/// equal content have equal shapes, and so equal ids.
pub struct Tree<V> {
    pub(super) root: Option<Node<V>>,
}

impl<V> Tree<V> {
    /// The empty map.
    pub const fn new() -> Self {
        Self { root: None }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.root.as_ref().map_or(0, Node::len)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        let mut node = self.root.as_ref()?;
        loop {
            match node {
                Node::Leaf(leaf) => return (*leaf.key == *key).then_some(&leaf.value),
                Node::Branch(branch) => node = &branch.children[branch.index_of(slot(key, branch.at))?],
            }
        }
    }

    /// Sets the value of a key. Says whether the key is new. A key that is shared already is not copied.
    pub fn insert<K: AsRef<[u8]> + Into<Arc<[u8]>>>(&mut self, key: K, value: V) -> bool {
        let Some(root) = &mut self.root else {
            self.root = Some(Node::leaf(key.into(), value));
            return true;
        };
        let nearest = root.nearest(key.as_ref());
        match first_difference(&nearest.key, key.as_ref()) {
            None => {
                let node = changed_path(root, key.as_ref(), usize::MAX, |len| len);
                *node = Node::leaf(key.into(), value);
                false
            }
            Some(at) => {
                let there = slot(&nearest.key, at);
                let node = changed_path(root, key.as_ref(), at, |len| len + 1);
                add(node, at, there, slot(key.as_ref(), at), Node::leaf(key.into(), value));
                true
            }
        }
    }

    /// Takes a key out. Says whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Some(root) = &mut self.root else { return false };
        let Some(end) = last_branch(root, key) else {
            let alone = matches!(root, Node::Leaf(leaf) if *leaf.key == *key);
            if alone {
                self.root = None;
            }
            return alone;
        };
        let node = changed_path(root, key, end, |len| len - 1);
        let Node::Branch(branch) = node else { return false };
        let slot = slot(key, end);
        if branch.children.len() == 2 {
            // One child is left, and stands in for the branch.
            let left = branch.children[1 - branch.index_at(slot)].clone();
            *node = left;
        } else {
            let branch = changed(branch, |len| len - 1);
            branch.take(slot);
        }
        true
    }

    /// All keys and values in the order of the keys.
    pub fn iter(&self) -> Entries<'_, V> {
        iterate::all(self.root.as_ref())
    }

    /// The keys that are not less than `start`, in order.
    pub fn range_from(&self, start: &[u8]) -> Entries<'_, V> {
        iterate::from(self.root.as_ref(), start)
    }

    /// The keys that begin with `prefix`, in order.
    pub fn prefix(&self, prefix: &[u8]) -> Entries<'_, V> {
        iterate::all(self.below(prefix))
    }

    /// How many keys begin with `prefix`, without visiting them.
    pub fn prefix_len(&self, prefix: &[u8]) -> usize {
        self.below(prefix).map_or(0, Node::len)
    }

    /// A tree of the keys that begin with `prefix`, which shares its nodes with this one.
    #[must_use]
    pub fn subtree(&self, prefix: &[u8]) -> Self {
        Self { root: self.below(prefix).cloned() }
    }

    /// How many keys are less than `end`, without visiting them.
    pub fn rank(&self, end: &[u8]) -> usize {
        self.len() - iterate::from(self.root.as_ref(), end).left()
    }

    /// Whether both are the same version, by pointer.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.root, &other.root) {
            (None, None) => true,
            (Some(Node::Leaf(a)), Some(Node::Leaf(b))) => Arc::ptr_eq(a, b),
            (Some(Node::Branch(a)), Some(Node::Branch(b))) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The node with exactly the keys that begin with `prefix`.
    fn below(&self, prefix: &[u8]) -> Option<&Node<V>> {
        let mut node = self.root.as_ref()?;
        while let Node::Branch(branch) = node
            && branch.at < 2 * prefix.len()
        {
            node = &branch.children[branch.index_of(slot(prefix, branch.at))?];
        }
        node.nearest(prefix).key.starts_with(prefix).then_some(node)
    }
}

impl<V: Content> Tree<V> {
    /// The id of the content: equal for equal maps, whatever their history. Computed for the nodes that have
    /// changed since the last time.
    pub fn id(&self) -> ContentId {
        self.root.as_ref().map_or_else(empty_id, Node::id)
    }
}

/// The nibble of the last branch on the way to a key, if it is there, and there is a branch.
fn last_branch<V>(root: &Node<V>, key: &[u8]) -> Option<usize> {
    let (mut node, mut end) = (root, None);
    loop {
        match node {
            Node::Leaf(leaf) => return end.filter(|_| *leaf.key == *key),
            Node::Branch(branch) => {
                end = Some(branch.at);
                node = &branch.children[branch.index_of(slot(key, branch.at))?];
            }
        }
    }
}

/// The node on the way of `key` that is a leaf or a branch at nibble `end` or later. The branches before are
/// made ours and count their keys anew.
fn changed_path<'a, V>(
    root: &'a mut Node<V>,
    key: &[u8],
    end: usize,
    count: impl Fn(usize) -> usize,
) -> &'a mut Node<V> {
    let mut node = root;
    while matches!(node, Node::Branch(branch) if branch.at < end) {
        let Node::Branch(branch) = node else { break };
        let branch = changed(branch, &count);
        let index = branch.index_at(slot(key, branch.at));
        node = &mut branch.children[index];
    }
    node
}

/// Adds a leaf at slot `here` of nibble `at` to a node whose keys have slot `there`, or to a branch at that
/// nibble.
fn add<V>(node: &mut Node<V>, at: usize, there: u32, here: u32, leaf: Node<V>) {
    match node {
        Node::Branch(branch) if branch.at == at => changed(branch, |len| len + 1).add(here, leaf),
        _ => *node = Node::Branch(Arc::new(Branch::of_two(at, (there, node.clone()), (here, leaf)))),
    }
}

/// The branch as our own, counted anew and without its id.
fn changed<V>(branch: &mut Arc<Branch<V>>, count: impl Fn(usize) -> usize) -> &mut Branch<V> {
    let branch = Arc::make_mut(branch);
    branch.id = OnceLock::new();
    branch.len = count(branch.len);
    branch
}

impl<V> Clone for Tree<V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone() }
    }
}

impl<V> Default for Tree<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> fmt::Debug for Tree<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
