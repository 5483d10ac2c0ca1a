//! The persistent, content-addressed ordered map that state is made of.
//!
//! A version of the map is a pointer: a clone costs nothing, shares everything, and never changes under a
//! reader. Branches, differences and merges are built on it. What is absent on purpose: disks, clocks, threads.

mod id;
mod iterate;
mod node;
mod tree;

pub use id::{Content, ContentId};
pub use iterate::Entries;
pub use tree::Tree;
