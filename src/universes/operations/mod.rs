//! What can be done with universes, one file for each kind of it. Each is a method of the engine: it happens as a
//! whole or not at all.

mod create;
mod edit;
mod history;
mod keys;
mod merging;

pub use create::Creation;
pub use edit::{FileChange, Updated};
pub use history::{Committed, Insight};
pub use merging::{MergeWish, Merged};
