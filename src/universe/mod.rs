//! The persistent, content-addressed ordered map that state is made of.
//!
//! A version of the map is a pointer: a clone costs nothing, shares everything, and never changes under a
//! reader. Differences of two versions cost what differs, and so does a version read back beside another.
//! What is absent on purpose: disks, clocks, threads, and what keys and values mean.

mod difference;
mod id;
mod iterate;
mod node;
mod record;
mod tree;

pub use difference::{Difference, Differences};
pub use id::{Content, ContentId, InvalidId};
pub use iterate::Entries;
pub use record::{LoadError, Stored, children_of};
pub use tree::Tree;
