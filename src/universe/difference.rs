//! What two trees do not have in common. Whatever they share is passed over without being looked at, so the
//! cost is that of the difference.

use std::sync::Arc;

use super::id::{Content, ContentId};
use super::node::{Node, first_difference, slot};
use super::record::{write_branch, write_leaf};
use super::tree::Tree;

/// A key that two trees do not hold alike.
#[derive(Debug)]
pub struct Difference<'a, V> {
    /// The key.
    pub key: &'a Arc<[u8]>,
    /// What the first tree holds under it.
    pub before: Option<&'a V>,
    /// What the second one holds.
    pub after: Option<&'a V>,
}

/// The differences of two trees, in the order of their keys.
pub struct Differences<'a, V> {
    /// Pairs of nodes to be compared, the next at the end.
    waiting: Vec<Pair<'a, V>>,
}

/// Nodes of the first and the second tree that are in the same place.
type Pair<'a, V> = (Option<&'a Node<V>>, Option<&'a Node<V>>);

impl<V: Content> Tree<V> {
    /// What leads from this tree to another.
    pub fn differences<'a>(&'a self, to: &'a Self) -> Differences<'a, V> {
        Differences { waiting: vec![(self.root.as_ref(), to.root.as_ref())] }
    }

    /// Gives id and record of every node that `base` does not have in the same place, parents before children.
    /// Stored beside those of `base` they are all that is needed to load this tree.
    pub fn fresh(&self, base: &Self, mut each: impl FnMut(ContentId, Vec<u8>)) {
        self.id();
        let mut waiting: Vec<_> = self.root.iter().map(|node| (node, base.root.as_ref())).collect();
        while let Some((node, base)) = waiting.pop() {
            let base = counterpart(node, base);
            if base.is_some_and(|base| same(node, base)) {
                continue;
            }
            let mut record = Vec::new();
            match node {
                Node::Leaf(leaf) => write_leaf(leaf, &mut |part| record.extend_from_slice(part)),
                Node::Branch(branch) => {
                    write_branch(branch, &mut |part| record.extend_from_slice(part));
                    waiting.extend(branch.children.iter().map(|child| (child, base)));
                }
            }
            each(node.compute_id(), record);
        }
    }
}

/// The node of another tree with the keys that `node` may have, if there is one.
fn counterpart<'a, V>(node: &Node<V>, mut other: Option<&'a Node<V>>) -> Option<&'a Node<V>> {
    while let Some(Node::Branch(branch)) = other
        && branch.at < node.at()
    {
        other = branch.index_of(slot(&node.any().key, branch.at)).map(|index| &branch.children[index]);
    }
    other
}

/// Whether two nodes are one, or are known to be equal.
fn same<V>(a: &Node<V>, b: &Node<V>) -> bool {
    let one = match (a, b) {
        (Node::Leaf(a), Node::Leaf(b)) => Arc::ptr_eq(a, b),
        (Node::Branch(a), Node::Branch(b)) => Arc::ptr_eq(a, b),
        _ => false,
    };
    one || a.known_id().is_some_and(|id| b.known_id() == Some(id))
}

impl<'a, V: Content> Differences<'a, V> {
    /// Puts what is below two nodes in the place of the two, so that the first keys come first.
    fn open(&mut self, a: &'a Node<V>, b: &'a Node<V>) {
        let (a_at, b_at) = (a.at(), b.at());
        let apart = first_difference(&a.any().key, &b.any().key).unwrap_or(usize::MAX);
        match (a, b) {
            // Their keys part before either does: nothing is in both.
            _ if apart < a_at.min(b_at) => {
                let a_first = slot(&a.any().key, apart) < slot(&b.any().key, apart);
                let (a, b) = ((Some(a), None), (None, Some(b)));
                self.waiting.extend(if a_first { [b, a] } else { [a, b] });
            }
            (Node::Branch(a), Node::Branch(b)) if a_at == b_at => {
                let child =
                    |of: &'a super::node::Branch<V>, slot| of.index_of(slot).map(|at| &of.children[at]);
                let pairs = (0..17).rev().map(|slot| (child(a, slot), child(b, slot)));
                self.waiting.extend(pairs.filter(|pair| pair.0.is_some() || pair.1.is_some()));
            }
            (Node::Branch(branch), other) if a_at < b_at => {
                let there = slot(&other.any().key, a_at);
                let pair = |(slot, child)| (Some(child), (slot == there).then_some(other));
                let children: Vec<_> = branch.slots().map(pair).collect();
                self.descend(
                    children,
                    branch.index_of(there).is_none().then_some((there, (None, Some(other)))),
                    a_at,
                );
            }
            (other, Node::Branch(branch)) => {
                let there = slot(&other.any().key, b_at);
                let pair = |(slot, child)| ((slot == there).then_some(other), Some(child));
                let children: Vec<_> = branch.slots().map(pair).collect();
                self.descend(
                    children,
                    branch.index_of(there).is_none().then_some((there, (Some(other), None))),
                    b_at,
                );
            }
            // Two leaves whose keys are equal are compared by the caller; others have parted above.
            _ => {}
        }
    }

    /// Children of a branch, and a node of the other side that has a slot of its own among them.
    fn descend(&mut self, mut children: Vec<Pair<'a, V>>, alone: Option<(u32, Pair<'a, V>)>, at: usize) {
        if let Some((there, pair)) = alone {
            let place =
                |it: &Pair<'a, V>| it.0.or(it.1).is_some_and(|node| slot(&node.any().key, at) < there);
            let index = children.partition_point(place);
            children.insert(index, pair);
        }
        self.waiting.extend(children.into_iter().rev());
    }
}

impl<'a, V: Content> Iterator for Differences<'a, V> {
    type Item = Difference<'a, V>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(pair) = self.waiting.pop() {
            match pair {
                (None, None) => {}
                (Some(a), Some(b)) if same(a, b) => {}
                (Some(Node::Leaf(a)), Some(Node::Leaf(b))) if a.key == b.key => {
                    let equal = || {
                        let id = |leaf: &Arc<super::node::Leaf<V>>| Node::Leaf(Arc::clone(leaf)).compute_id();
                        id(a) == id(b)
                    };
                    if !equal() {
                        return Some(Difference {
                            key: &b.key,
                            before: Some(&a.value),
                            after: Some(&b.value),
                        });
                    }
                }
                (Some(a), Some(b)) => self.open(a, b),
                (Some(Node::Leaf(a)), None) => {
                    return Some(Difference { key: &a.key, before: Some(&a.value), after: None });
                }
                (None, Some(Node::Leaf(b))) => {
                    return Some(Difference { key: &b.key, before: None, after: Some(&b.value) });
                }
                (Some(Node::Branch(branch)), None) => {
                    self.waiting.extend(branch.children.iter().rev().map(|child| (Some(child), None)));
                }
                (None, Some(Node::Branch(branch))) => {
                    self.waiting.extend(branch.children.iter().rev().map(|child| (None, Some(child))));
                }
            }
        }
        None
    }
}

impl<V> std::fmt::Debug for Differences<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Differences").finish_non_exhaustive()
    }
}
