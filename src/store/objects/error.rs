//! What can go wrong with objects.

use std::path::PathBuf;

use crate::universe::ContentId;

/// Why objects cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The file cannot be read or written.
    #[error("the objects in {path} cannot be {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What went wrong.
        #[source]
        source: Box<redb::Error>,
    },
    /// What lies there is not what was put.
    #[error("the object {id} in {path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The object.
        id: ContentId,
    },
    /// There is no such object, though something refers to it.
    #[error("the object {id} is missing in {path}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The object.
        id: ContentId,
    },
}
