//! Nodes as bytes. The id of a node is the BLAKE3 hash of exactly these bytes, so whoever reads a record can
//! prove that it is the one that was asked for.
//!
//! ```text
//! empty:   version u8, 0
//! leaf:    version u8, 1, length of the key u64, key, content of the value
//! branch:  version u8, 2, nibble at which the keys differ u64, then for each child: slot u8, id of the child
//! ```
//!
//! Numbers are little endian. Whoever changes anything here changes every id: raise [`VERSION`].

use std::sync::{Arc, OnceLock};

use super::id::{Content, ContentId};
use super::node::{Branch, Leaf, Node};
use super::tree::Tree;

/// The version of the encoding, the first byte of each record.
const VERSION: u8 = 1;

const LEAF: u8 = 1;
const BRANCH: u8 = 2;

/// The record of the empty tree.
pub(super) const EMPTY: [u8; 2] = [VERSION, 0];

/// Bytes of the longest record of a branch.
pub(super) const BRANCH_BYTES_MAX: usize = 10 + 17 * 33;

/// A value that can be read from its content.
pub trait Stored: Content + Sized {
    /// The value that was written as these bytes; `None` if none is.
    fn read_content(bytes: &[u8]) -> Option<Self>;
}

impl Stored for () {
    fn read_content(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl Stored for Vec<u8> {
    fn read_content(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

pub(super) fn write_leaf<V: Content>(leaf: &Leaf<V>, to: &mut dyn FnMut(&[u8])) {
    to(&[VERSION, LEAF]);
    to(&(leaf.key.len() as u64).to_le_bytes());
    to(&leaf.key);
    leaf.value.write_content(to);
}

/// Computes the ids of children that are not known: the caller asks from below, or accepts the depth.
pub(super) fn write_branch<V: Content>(branch: &Branch<V>, to: &mut dyn FnMut(&[u8])) {
    to(&[VERSION, BRANCH]);
    to(&(branch.at as u64).to_le_bytes());
    for (slot, child) in branch.slots() {
        to(&[slot as u8]);
        to(child.compute_id().as_bytes());
    }
}

/// The ids of the nodes below a node, by its record. None for a leaf; `None` for what is no record.
pub fn children_of(record: &[u8]) -> Option<Vec<ContentId>> {
    match Record::<Vec<u8>>::read(record)? {
        Record::Empty | Record::Leaf(..) => Some(Vec::new()),
        Record::Branch { children, .. } => Some(children.into_iter().map(|(_, id)| id).collect()),
    }
}

/// What a record says.
enum Record<V> {
    Empty,
    Leaf(Arc<[u8]>, V),
    Branch { at: usize, children: Vec<(u32, ContentId)> },
}

impl<V: Stored> Record<V> {
    fn read(record: &[u8]) -> Option<Self> {
        let (head, rest) = record.split_first_chunk::<2>()?;
        let number = |rest: &[u8]| Some(u64::from_le_bytes(*rest.first_chunk()?) as usize);
        match *head {
            EMPTY if rest.is_empty() => Some(Self::Empty),
            [VERSION, LEAF] => {
                let (key, content) = rest.get(8..)?.split_at_checked(number(rest)?)?;
                Some(Self::Leaf(key.into(), V::read_content(content)?))
            }
            [VERSION, BRANCH] => {
                let (at, rest) = (number(rest)?, &rest[8..]);
                let parts = rest.chunks(33).map(|part| {
                    let id = ContentId::from_bytes(part.get(1..)?.try_into().ok()?);
                    Some((u32::from(part[0]), id))
                });
                let children: Vec<_> = parts.collect::<Option<_>>()?;
                let ascend = children.windows(2).all(|pair| pair[0].0 < pair[1].0);
                let fits =
                    children.len() >= 2 && ascend && children.last().is_some_and(|(slot, _)| *slot < 17);
                fits.then_some(Self::Branch { at, children })
            }
            _ => None,
        }
    }
}

/// Why a tree could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// Something could not be fetched.
    #[error(transparent)]
    Fetch(E),
    /// What was fetched is no record of a node.
    #[error("{0} is no node of a tree")]
    Record(ContentId),
}

/// A branch whose children are being read.
struct Growing<'a, V> {
    id: ContentId,
    at: usize,
    /// Slots and ids of all children, and the node beside each that may be the same.
    wanted: Vec<(u32, ContentId, Option<&'a Node<V>>)>,
    children: Vec<(u32, Node<V>)>,
}

impl<V: Stored> Tree<V> {
    /// Whether an id is that of the empty tree.
    pub fn is_empty_id(id: ContentId) -> bool {
        id == super::id::empty_id()
    }

    /// Reads the tree with this id. Nodes that `near` has in the same places are shared and not read: a version
    /// beside one that is there costs their differences.
    ///
    /// # Errors
    /// If a node cannot be fetched, or is none.
    pub fn load<E>(
        id: ContentId,
        near: &Self,
        mut fetch: impl FnMut(ContentId) -> Result<Arc<[u8]>, E>,
    ) -> Result<Self, LoadError<E>> {
        if Self::is_empty_id(id) {
            return Ok(Self::new());
        }
        let mut growing: Vec<Growing<'_, V>> = Vec::new();
        let (mut id, mut near) = (id, near.root.as_ref());
        loop {
            // What is wanted next is a node that is there, a leaf, or a branch to go into.
            let mut node = match near.filter(|near| near.known_id() == Some(id)) {
                Some(same) => same.clone(),
                None => match Record::read(&fetch(id).map_err(LoadError::Fetch)?) {
                    Some(Record::Leaf(key, value)) => {
                        Node::Leaf(Arc::new(Leaf { key, value, id: known(id) }))
                    }
                    Some(Record::Branch { at, children }) => {
                        let wanted = beside(at, children, near);
                        let (first, next_near) = (wanted[0].1, wanted[0].2);
                        growing.push(Growing { id, at, wanted, children: Vec::new() });
                        (id, near) = (first, next_near);
                        continue;
                    }
                    Some(Record::Empty) | None => return Err(LoadError::Record(id)),
                },
            };
            // It goes into its branch, which may be whole then, and goes into its own.
            loop {
                let Some(mut branch) = growing.pop() else { return Ok(Self { root: Some(node) }) };
                branch.children.push((branch.wanted[branch.children.len()].0, node));
                match branch.wanted.get(branch.children.len()) {
                    Some((_, next, beside)) => {
                        (id, near) = (*next, *beside);
                        growing.push(branch);
                        break;
                    }
                    None => node = branch.finish().ok_or(LoadError::Record(branch_id(&growing, id)))?,
                }
            }
        }
    }
}

/// For an error: the branch that did not fit together, as well as it is known.
fn branch_id<V>(growing: &[Growing<'_, V>], id: ContentId) -> ContentId {
    growing.last().map_or(id, |branch| branch.id)
}

impl<V> Growing<'_, V> {
    /// The branch, if its children are where their keys belong.
    fn finish(self) -> Option<Node<V>> {
        let fits = |(slot, child): &(u32, Node<V>)| {
            super::node::slot(&child.any().key, self.at) == *slot
                && !matches!(child, Node::Branch(branch) if branch.at <= self.at)
        };
        let fine = self.children.iter().all(fits);
        fine.then(|| Node::Branch(Arc::new(Branch::of_many(self.at, self.children, known(self.id)))))
    }
}

fn known(id: ContentId) -> OnceLock<Box<ContentId>> {
    OnceLock::from(Box::new(id))
}

/// The children of a branch, each with the node that is likely to be the same.
fn beside<V>(
    at: usize,
    children: Vec<(u32, ContentId)>,
    near: Option<&Node<V>>,
) -> Vec<(u32, ContentId, Option<&Node<V>>)> {
    let find = |slot: u32, id: ContentId| match near? {
        Node::Branch(branch) if branch.at == at => branch.index_of(slot).map(|index| &branch.children[index]),
        // A branch that came between, here or there, has what was here one step away.
        Node::Branch(branch) if branch.at < at => {
            branch.children.iter().find(|child| child.known_id() == Some(id))
        }
        near => (super::node::slot(&near.any().key, at) == slot).then_some(near),
    };
    children.into_iter().map(|(slot, id)| (slot, id, find(slot, id))).collect()
}
