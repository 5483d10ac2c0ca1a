//! Walking over a tree in the order of its keys.

use std::slice;

use super::node::{Node, first_difference, slot};

/// Keys and values of a version, in the order of the keys.
pub struct Entries<'a, V> {
    /// What is still to be visited, the next at the end.
    waiting: Vec<slice::Iter<'a, Node<V>>>,
}

pub(super) fn all<V>(root: Option<&Node<V>>) -> Entries<'_, V> {
    Entries { waiting: root.map(|root| slice::from_ref(root).iter()).into_iter().collect() }
}

/// The keys that are not less than `start`.
pub(super) fn from<'a, V>(root: Option<&'a Node<V>>, start: &[u8]) -> Entries<'a, V> {
    let mut waiting = Vec::new();
    let Some(mut node) = root else { return Entries { waiting } };
    let nearest = node.nearest(start);
    let difference = first_difference(&nearest.key, start);
    // Until the difference the way is that of `start`; what lies beside it to the right is greater.
    let end = difference.unwrap_or(usize::MAX);
    while let Node::Branch(branch) = node
        && branch.at < end
    {
        let index = branch.index_at(slot(start, branch.at));
        waiting.push(branch.children[index + 1..].iter());
        node = &branch.children[index];
    }
    match (node, difference) {
        (Node::Branch(branch), Some(at)) if branch.at == at => {
            waiting.push(branch.children[branch.index_at(slot(start, at))..].iter());
        }
        (_, Some(at)) if slot(&nearest.key, at) < slot(start, at) => {}
        _ => waiting.push(slice::from_ref(node).iter()),
    }
    Entries { waiting }
}

impl<V> Entries<'_, V> {
    /// Leaves out the next `count` keys, without visiting them.
    pub fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let Some(nodes) = self.waiting.last_mut() else { return };
            match nodes.next() {
                None => drop(self.waiting.pop()),
                Some(node) if node.len() <= count => count -= node.len(),
                Some(Node::Branch(branch)) => self.waiting.push(branch.children.iter()),
                // A leaf has one key, and was left out above.
                Some(Node::Leaf(_)) => {}
            }
        }
    }

    /// How many are left, without visiting them.
    pub(super) fn left(&self) -> usize {
        self.waiting.iter().flat_map(|nodes| nodes.clone().map(Node::len)).sum()
    }
}

impl<'a, V> Iterator for Entries<'a, V> {
    type Item = (&'a [u8], &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.waiting.last_mut()?.next() {
                None => drop(self.waiting.pop()),
                Some(Node::Leaf(leaf)) => return Some((&leaf.key, &leaf.value)),
                Some(Node::Branch(branch)) => self.waiting.push(branch.children.iter()),
            }
        }
    }
}

impl<V> std::fmt::Debug for Entries<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("left", &self.left()).finish()
    }
}
